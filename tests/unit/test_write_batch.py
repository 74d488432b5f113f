# SPDX-License-Identifier: Apache-2.0
"""Files of batches under genes, in each format, against numpy and scipy: every codec and dtype, read in odd pieces, in
random order, by several threads and in both ways (write_batch.c)."""
import io
import shutil
import sys
import warnings
import zipfile
import zlib
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.sparse
import xxhash

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("mount", "reference")]

import craft  # noqa: E402
import csr_reader  # noqa: E402
import h5ad_write  # noqa: E402
import harness  # noqa: E402
import source as truth  # noqa: E402

ROWS, COLUMNS = 60, 300
CODECS = ["packed", "raw", "dense"]
DTYPES = ["|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"]
INDEX_DTYPES = ["<i4", "<i8", "<u2"]
SETTINGS = hypothesis.settings(deadline=None, derandomize=True, max_examples=60,
                               suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def convert(tmp_path_factory):
    return harness.Converter(tmp_path_factory.mktemp("collections"))


def values_of(rng, count, dtype):
    """All kinds of values, explicit zeros too, that other dtypes hold as well."""
    return rng.choice([0, 1, 1, 1, 2, 3, 100], count).astype(dtype)


def matrix_of(dtype, seed=0):
    """Rows without any value, with one, with some and with all of their columns."""
    rng = np.random.default_rng([seed, *dtype.encode()])
    density = rng.choice([0, 0.02, 0.3, 1], ROWS)
    present = rng.random((ROWS, COLUMNS)) < density[:, None]
    indptr = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype("<i4")
    indices = np.nonzero(present)[1].astype("<i4")
    return h5ad_write.Sparse(indptr, indices, values_of(rng, len(indices), dtype), (ROWS, COLUMNS))


@pytest.fixture(scope="module")
def collections(convert, tmp_path_factory):
    """(dtype, codec) -> a collection and its X as source.Matrix."""
    directory, made = tmp_path_factory.mktemp("inputs"), {}

    def collection(dtype, codec):
        path = directory / f"{dtype[1:]}.h5ad"
        if not path.exists():
            h5ad_write.write_h5ad(path, matrix_of(dtype))
        if (dtype, codec) not in made:
            stored = truth.read(path).matrices["X"]
            if codec == "dense":
                stored = truth.from_dense(to_dense(stored, range(ROWS)))
            made[dtype, codec] = convert(path, "--codec", codec), stored
        return made[dtype, codec]
    return collection


def run(collection, form, values, indices, genes, rows, piece, output, matrix="X"):
    return harness.run([harness.BUILD / "write_batch", collection, matrix, form, values, indices, genes, rows, piece, output])


def write(collection, form, output, values="<f4", indices="<i4", genes="all", rows=f"0+{ROWS}", piece=0):
    done = run(collection, form, values, indices, genes, rows, piece, output)
    assert done.returncode == 0, done.stderr.decode()
    return Path(output).read_bytes()


def refused(*arguments):
    done = run(*arguments)
    assert done.returncode == 1
    return done.stderr.decode()


# --- what is expected ----------------------------------------------------------------------------------------------

def genes_of(text):
    """The stored columns that an argument means, in the view's order; None: all."""
    if text == "all":
        return None
    kind, _, numbers = text.partition(":")
    columns = [int(number) for number in numbers.split(",") if number]
    return sorted(columns) if kind == "set" else columns


def rows_of(text):
    if "+" in text:
        first, count = map(int, text.split("+"))
        return list(range(first, first + count))
    return [int(number) for number in text.split(",") if number]


def choose(matrix, rows, genes):
    """(indptr, indices, data) of these rows and columns, explicit zeros kept."""
    indptr, indices, data = matrix.take(rows)
    if genes is None:
        return indptr, indices, data
    column = np.full(matrix.n_cols, -1)
    column[genes] = np.arange(len(genes))
    row = np.repeat(np.arange(len(rows)), np.diff(indptr))
    kept = column[indices] >= 0
    row, indices, data = row[kept], column[indices[kept]], data[kept]
    at = np.lexsort((indices, row))
    return np.searchsorted(row[at], np.arange(len(rows) + 1)), indices[at], data[at]


def to_dense(matrix, rows, genes=None):
    indptr, indices, data = choose(matrix, list(rows), genes)
    dense = np.zeros((len(indptr) - 1, matrix.n_cols if genes is None else len(genes)), data.dtype)
    dense[np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)), indices] = data
    return dense


def check_csr(blob, matrix, rows, genes, values, indices):
    batch = csr_reader.parse(blob)
    indptr, columns, data = choose(matrix, rows, genes)
    assert (batch.n_rows, batch.n_cols) == (len(rows), matrix.n_cols if genes is None else len(genes))
    assert batch.data.dtype == values and batch.indices.dtype == indices
    np.testing.assert_array_equal(batch.indptr, indptr)
    np.testing.assert_array_equal(batch.indices, columns)
    np.testing.assert_array_equal(batch.data, data.astype(values))
    np.testing.assert_array_equal(batch.rows, rows)


def check_npz(blob, matrix, rows, genes, values, indices):
    indptr, columns, data = choose(matrix, rows, genes)
    with zipfile.ZipFile(io.BytesIO(blob)) as members:
        assert members.testzip() is None
        assert members.namelist() == ["indices.npy", "indptr.npy", "format.npy", "shape.npy", "data.npy"]
        for member in members.infolist():
            assert member.date_time == (1980, 1, 1, 0, 0, 0) and member.compress_type == zipfile.ZIP_STORED
            assert member.CRC == zlib.crc32(members.read(member))
            begin = member.header_offset + 30 + sum(np.frombuffer(blob, "<u2", 2, member.header_offset + 26).tolist())
            assert begin % 64 == 0
    arrays = np.load(io.BytesIO(blob))
    assert arrays["data"].dtype == values and arrays["indices"].dtype == indices and arrays["indptr"].dtype == "<i4"
    assert arrays["format"].item() == b"csr" and arrays["format"].shape == ()
    assert arrays["shape"].tolist() == [len(rows), matrix.n_cols if genes is None else len(genes)] and arrays["shape"].dtype == "<i8"
    np.testing.assert_array_equal(arrays["indptr"], indptr)
    np.testing.assert_array_equal(arrays["indices"], columns)
    np.testing.assert_array_equal(arrays["data"], data.astype(values))
    if values != "<f2":                                 # scipy has no such matrices
        loaded = scipy.sparse.load_npz(io.BytesIO(blob))
        assert isinstance(loaded, scipy.sparse.csr_matrix) and loaded.has_sorted_indices
        np.testing.assert_array_equal(loaded.toarray(), to_dense(matrix, rows, genes).astype(values))


def check_npy(blob, matrix, rows, genes, values, _indices):
    loaded = np.load(io.BytesIO(blob))
    assert loaded.dtype == values and loaded.ndim == 2 and len(blob) == 128 + loaded.nbytes
    np.testing.assert_array_equal(loaded, to_dense(matrix, rows, genes).astype(values))


CHECKS = {"csr": check_csr, "npz": check_npz, "npy": check_npy}


# --- the tests -----------------------------------------------------------------------------------------------------

def columns_text(kind):
    unique = st.lists(st.integers(0, COLUMNS - 1), unique=True, max_size=COLUMNS)
    return unique.map(lambda columns: f"{kind}:" + ",".join(map(str, sorted(columns) if kind == "set" else columns)))


gene_texts = st.one_of(st.just("all"), columns_text("set"), columns_text("list"), st.just("list:" + ",".join(map(str, range(COLUMNS - 1, -1, -1)))))
row_texts = st.one_of(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=80).map(lambda rows: ",".join(map(str, rows))),
                      st.tuples(st.integers(0, ROWS - 1), st.integers(0, ROWS)).map(lambda run: f"{run[0]}+{min(run[1], ROWS - run[0])}"))
pieces = st.one_of(st.just(0), st.integers(1, 5000))


@pytest.mark.parametrize("form", CHECKS)
@pytest.mark.parametrize("codec", CODECS)
def test_any_rows_and_genes(form, codec, collections, tmp_path):
    @SETTINGS
    @hypothesis.given(st.sampled_from(["<f4", "<u2", "<f8"]), st.sampled_from(INDEX_DTYPES), gene_texts, row_texts, pieces)
    def check(values, indices, genes, rows, piece):
        collection, matrix = collections("<f4", codec)
        blob = write(collection, form, tmp_path / "out", values, indices, genes, rows, piece)
        CHECKS[form](blob, matrix, rows_of(rows), genes_of(genes), values, indices)
    check()


SOME = "set:" + ",".join(map(str, range(1, COLUMNS, 3)))
OTHER = "list:" + ",".join(map(str, [*range(COLUMNS - 1, 0, -2), 0]))


@pytest.mark.parametrize("form", CHECKS)
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(form, codec, dtype, collections, tmp_path):
    """Stored as each dtype and read as it is, and as another one."""
    collection, matrix = collections(dtype, codec)
    for values, genes in [(dtype, "all"), (dtype, SOME), ("<f8", OTHER), ("<i8", "all"), (dtype, OTHER)]:
        blob = write(collection, form, tmp_path / "out", values, "<i4", genes, f"5+{ROWS - 5}", 700)
        CHECKS[form](blob, matrix, list(range(5, ROWS)), genes_of(genes), values, "<i4")


@pytest.mark.parametrize("form", CHECKS)
@pytest.mark.parametrize("rows,genes", [("", SOME), ("3+0", SOME), ("4,5", "set:"), ("4+9", "list:"), ("", "set:"), ("0+0", "all")])
@pytest.mark.parametrize("codec", CODECS)
def test_nothing(form, rows, genes, codec, collections, tmp_path):
    """No rows, no columns, neither."""
    collection, matrix = collections("<f4", codec)
    blob = write(collection, form, tmp_path / "out", rows=rows, genes=genes, piece=9)
    CHECKS[form](blob, matrix, rows_of(rows), genes_of(genes), "<f4", "<i4")


@pytest.mark.parametrize("array", ["indptr", "indices", "data", "rows"])
def test_arrays(array, collections, tmp_path):
    collection, matrix = collections("<f4", "packed")
    rows = [3, 3, 50, 0]
    expected = dict(zip(("indptr", "indices", "data", "rows"), (*choose(matrix, rows, genes_of(OTHER)), rows)))
    blob = write(collection, array, tmp_path / "out", rows="3,3,50,0", genes=OTHER, piece=11)
    np.testing.assert_array_equal(np.load(io.BytesIO(blob)), expected[array])


def test_mapped(collections, tmp_path):
    collection, matrix = collections("<f4", "packed")
    write(collection, "npy", tmp_path / "out.npy", genes=OTHER)
    np.testing.assert_array_equal(np.memmap(tmp_path / "out.npy", "<f4", "r", 128, (ROWS, len(genes_of(OTHER)))), to_dense(matrix, range(ROWS), genes_of(OTHER)))
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy", mmap_mode="r"), to_dense(matrix, range(ROWS), genes_of(OTHER)))


def test_same_bytes(collections, tmp_path):
    """However it is read, and from whichever codec, a file has the same bytes."""
    for form in ("npz", "npy", "csr"):
        blobs = {write(collections("<f4", codec)[0], form, tmp_path / "out", genes=SOME, piece=piece)
                 for codec in ("packed", "raw") for piece in (0, 1000, 333)}
        assert len(blobs) == 1, form


def test_npz_is_what_scipy_writes(collections, tmp_path):
    """Member by member, but for the padding of .npy headers."""
    collection, matrix = collections("<f4", "packed")
    ours = zipfile.ZipFile(io.BytesIO(write(collection, "npz", tmp_path / "out")))
    indptr, indices, data = choose(matrix, list(range(ROWS)), None)
    theirs = io.BytesIO()
    scipy.sparse.save_npz(theirs, scipy.sparse.csr_matrix((data, indices, indptr.astype("<i4")), (ROWS, COLUMNS)), compressed=False)
    theirs = zipfile.ZipFile(theirs)
    assert sorted(ours.namelist()) == sorted(theirs.namelist())
    for name in ours.namelist():
        assert ours.read(name) == theirs.read(name), name


@pytest.mark.skipif(not shutil.which("unzip"), reason="unzip is not installed")
def test_unzip(collections, tmp_path):
    write(collections("<f4", "packed")[0], "npz", tmp_path / "out.npz", genes=OTHER, piece=100)
    done = harness.run(["unzip", "-t", tmp_path / "out.npz"])
    assert done.returncode == 0 and b"No errors detected" in done.stdout


@pytest.mark.skipif(not shutil.which("Rscript"), reason="Rscript is not installed")
def test_unzip_of_r(collections, tmp_path):
    _, matrix = collections("<f4", "packed")
    write(collections("<f4", "packed")[0], "npz", tmp_path / "out.npz", genes=OTHER, piece=100)
    script = (f'files <- unzip("{tmp_path}/out.npz", exdir="{tmp_path}/r"); stopifnot(length(files) == 5); '
              f'con <- file("{tmp_path}/r/indices.npy", "rb"); invisible(readBin(con, "raw", 128)); '
              'cat(readBin(con, "integer", 1e6, size = 4))')
    done = harness.run(["Rscript", "-e", script])
    assert done.returncode == 0, done.stderr
    assert list(map(int, done.stdout.split())) == choose(matrix, list(range(ROWS)), genes_of(OTHER))[1].tolist()


# --- damage --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("form", CHECKS)
def test_damage(codec, form, collections, tmp_path):
    """A flipped bit in a row's values is an error, never a wrong number."""
    collection, _ = collections("<f4", codec)
    copy = shutil.copytree(collection, tmp_path / "copy.sfs")
    name = max((path for path in copy.iterdir() if "data" in path.name), key=lambda path: path.stat().st_size)
    blob = bytearray(name.read_bytes())
    blob[len(blob) // 2] ^= 4
    name.write_bytes(blob)
    for genes in ("all", SOME):
        message = refused(copy, form, "<f4", "<i4", genes, f"0+{ROWS}", 1000, tmp_path / "out")
        assert name.name in message and "restore this file" in message


@pytest.mark.parametrize("form,genes", [("csr", SOME), ("npz", SOME), ("npy", SOME), ("npy", "all")])
@pytest.mark.parametrize("column", [COLUMNS, 2**31 - 1, -1])
def test_columns_beyond(column, form, genes, collections, tmp_path):
    """A store whose checksums are right, and whose columns are not."""
    collection, matrix = collections("<f4", "raw")
    copy = shutil.copytree(collection, tmp_path / "copy.sfs")
    row = int(np.argmax(np.diff(matrix.indptr)))
    at = slice(*matrix.indptr[row:row + 2])
    indices, checks = (np.load(copy / f"s0.m0.{name}.npy", mmap_mode="r+") for name in ("indices", "checks"))
    indices[at.stop - 1] = column
    seed = xxhash.xxh3_64_intdigest(indices[at].tobytes())
    checks[row] = xxhash.xxh3_64_intdigest(matrix.data[at].tobytes(), seed=seed) & 0xFFFFFFFF
    del indices, checks
    craft.sum_again(copy, "s0.m0.checks.npy")
    message = refused(copy, form, "<f4", "<i4", genes, f"{row},{row}", 0, tmp_path / "out")
    assert message.startswith("s0.m0.indices.npy: expected columns below 300")


# --- genes by name -------------------------------------------------------------------------------------------------

def var_names(collection):
    return harness.cat(collection, "var/_index.txt").decode().splitlines()


def named(collection, tmp_path, content):
    (tmp_path / "genes.txt").write_bytes(content)
    return collection, "csr", "<f4", "<i4", f"file:{tmp_path / 'genes.txt'}", "0,1,2", 0, tmp_path / "out"


@pytest.mark.parametrize("content", ["{0}\n{1}\n{2}\n", "{0}\r\n\r\n{1}\r\n{2}", "\n\n{0}\n\n{1}\n{2}\n\n"])
def test_names(content, collections, tmp_path):
    collection, matrix = collections("<f4", "packed")
    names = var_names(collection)
    done = run(*named(collection, tmp_path, content.format(names[7], names[299], names[0]).encode()))
    assert done.returncode == 0, done.stderr
    check_csr((tmp_path / "out").read_bytes(), matrix, [0, 1, 2], [7, 299, 0], "<f4", "<i4")


@pytest.mark.parametrize("content,expected", [
    ("{0}\nnone\n{1}\nnothing\n", 'found "none" in line 2'),
    ("{0}\n\n{1}\r\n{0}\n", "in line 1 and again in line 4"),
    ("\r\n\n", "found none"),
    ("", "found none"),
    ("{0} \n", 'g3 " in line 1'),
    ("g3\0", '"g3'),
])
def test_bad_names(content, expected, collections, tmp_path):
    collection, _ = collections("<f4", "packed")
    names = var_names(collection)
    message = refused(*named(collection, tmp_path, content.format(names[3], names[4]).encode()))
    assert message.startswith("genes_file: expected") and expected in message.replace(names[3], "g3")


def test_names_that_var_has_twice(convert, tmp_path):
    names = [*h5ad_write.names("g", COLUMNS - 1), "g5"]
    h5ad_write.write_h5ad(tmp_path / "a.h5ad", matrix_of("<f4"), var=h5ad_write.Frame(names))
    collection = convert(tmp_path / "a.h5ad")
    message = refused(*named(collection, tmp_path, b"g4\ng5\n"))
    assert '"g5" in line 2' in message and "columns 5 and 299" in message
    assert run(*named(collection, tmp_path, b"g4\ng6\n")).returncode == 0


def test_no_names(convert, tmp_path):
    h5ad_write.write_h5ad(tmp_path / "a.h5ad", matrix_of("<f4"))
    import h5py
    with h5py.File(tmp_path / "a.h5ad", "r+") as h5:
        del h5["var"]
        group = h5.create_group("var")
        group["x"] = np.zeros(COLUMNS)
    collection = convert(tmp_path / "a.h5ad")
    assert "var has names" in refused(*named(collection, tmp_path, b"g4\n"))


@pytest.mark.parametrize("genes", ["list:3,3", "list:300", "list:4294967295"])
def test_bad_lists(genes, collections, tmp_path):
    collection, _ = collections("<f4", "packed")
    assert "each once" in refused(collection, "csr", "<f4", "<i4", genes, "0", 0, tmp_path / "out")
