# SPDX-License-Identifier: Apache-2.0
"""Batches as .h5ad, read by anndata and compared with the source's own rows and genes; and looked at with h5py, object by
object. The files are read in odd pieces, by several threads (write_batch.c)."""
import shutil
import sys
import warnings
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "mount")]

import h5ad_write  # noqa: E402
import harness  # noqa: E402
from h5ad_write import Categorical, Frame, Nullable, Sparse, names  # noqa: E402

ROWS, COLUMNS = 90, 40
NUMBERED = "shufflefs_row"
DTYPES = ["|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"]
VERSIONS = {"categorical": "0.2.0", "dataframe": "0.2.0", "array": "0.2.0", "string-array": "0.2.0"}      # others: 0.1.0
ASKED = {"none": "", "one": "7", "repeated": "5,89,5,0,0,5", "run": f"3+{ROWS - 5}", "all": f"0+{ROWS}", "empty run": "4+0",
         "backwards": ",".join(map(str, reversed(range(ROWS))))}
GENES = {"all": None, "set:1,2,17,39": [1, 2, 17, 39], "list:39,0,12": [39, 0, 12], "set:": []}


@pytest.fixture(scope="module")
def convert(tmp_path_factory):
    return harness.Converter(tmp_path_factory.mktemp("collections"))


def rows_of(text):
    if "+" in text:
        first, count = map(int, text.split("+"))
        return list(range(first, first + count))
    return [int(row) for row in text.split(",") if row]


def write(collection, output, rows, genes="all", matrix="X", values="<f4", indices="<i4", piece=97):
    done = harness.run([harness.BUILD / "write_batch", collection, matrix, "h5ad", values, indices, genes, rows, piece, output])
    assert done.returncode == 0, done.stderr.decode()
    return output


def refused(collection, output, rows="0"):
    done = harness.run([harness.BUILD / "write_batch", collection, "X", "h5ad", "<f4", "<i4", "all", rows, 0, output])
    assert done.returncode == 1
    return done.stderr.decode()


def read(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                 # names that repeat
        return anndata.read_h5ad(path)


# --- a source with all that anndata writes -------------------------------------------------------------------------

def sparse(rng, shape, dtype):
    """With explicit zeros, and rows without any value."""
    made = scipy.sparse.random(*shape, 0.3, format="csr", random_state=rng, dtype="f8")
    made.data = rng.integers(0, 100, made.nnz).astype(dtype)
    present = made.indptr.copy()
    assert (np.diff(present) > 0).any()
    return made


def frame(rng, prefix, count):
    texts = np.array(["", "x", "long text, with \"quotes\"", "zwei\nZeilen", "größe", "\\", "細胞"], object)
    return pd.DataFrame({
        "f8": rng.random(count), "f4": rng.random(count).astype("f4"), "f2": rng.random(count).astype("f2"),
        "i1": rng.integers(-100, 100, count).astype("i1"), "u8": rng.integers(0, 2**63, count).astype("u8"),
        "yes": rng.random(count) < 0.5,
        "donor": pd.Categorical.from_codes(rng.integers(-1, 3, count), ["b", "größe", "a"]),
        "stage": pd.Categorical.from_codes(rng.integers(-1, 2, count), ["late", "early"], ordered=True),
        "never": pd.Categorical.from_codes(np.full(count, -1), ["unused"]),
        "no categories": pd.Categorical.from_codes(np.full(count, -1), np.array([], object)),
        "whole": pd.array(np.where(rng.random(count) < 0.3, None, rng.integers(0, 9, count)), "Int32"),
        "maybe": pd.array(np.where(rng.random(count) < 0.3, None, rng.random(count) < 0.5), "boolean"),
        "per cent %, comma": np.arange(count),
        "text": texts[rng.integers(0, len(texts), count)],
    }, index=[f"{prefix}{i:0{i % 7}}" for i in range(count)])


def everything(rng):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = anndata.AnnData(sparse(rng, (ROWS, COLUMNS), "f4"), frame(rng, "cell", ROWS), frame(rng, "gene", COLUMNS), dtype="f4")
        made.layers["counts"] = sparse(rng, (ROWS, COLUMNS), "i8")
        made.layers["dense"] = np.where(rng.random((ROWS, COLUMNS)) < 0.5, 0, rng.random((ROWS, COLUMNS)))
        made.obsm["X_pca"], made.obsm["one"] = rng.random((ROWS, 5)).astype("f4"), rng.random((ROWS, 1))
        made.raw = anndata.AnnData(sparse(rng, (ROWS, 55), "f4"), obs=made.obs, var=pd.DataFrame({"n": np.arange(55)}, index=names("raw", 55)), dtype="f4")
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory, convert):
    """A collection, and what it was made of, as anndata reads it. Texts stay texts."""
    path = tmp_path_factory.mktemp("source") / "a.h5ad"
    made = everything(np.random.default_rng(8))
    made.strings_to_categoricals = lambda *_: None
    made.write_h5ad(path)
    return convert(path), read(path)


def same_matrix(got, expected):
    expected = scipy.sparse.csr_matrix(expected)
    assert got.shape == expected.shape and got.dtype == expected.dtype and got.format == "csr"
    expected.sort_indices()
    for array in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(got, array), getattr(expected, array))
    assert got.indptr.dtype == got.indices.dtype == np.int32


def same_frame(got, expected, rows, numbered):
    expected = expected.iloc[rows].copy()
    if numbered:
        expected[NUMBERED] = np.array(rows, "i8")
    pd.testing.assert_frame_equal(got, expected, check_names=False, check_categorical=True)


def same_batch(got, source, rows, genes=None):
    chosen = list(range(source.n_vars)) if genes is None else genes
    assert got.shape == (len(rows), len(chosen))
    same_matrix(got.X, source.X[rows][:, chosen])
    same_frame(got.obs, source.obs, rows, NUMBERED not in source.obs)
    same_frame(got.var, source.var, chosen, False)
    assert set(got.layers) == set(source.layers) and set(got.obsm) == set(source.obsm)
    for key in source.layers:
        same_matrix(got.layers[key], source.layers[key][rows][:, chosen])
    for key in source.obsm:
        assert got.obsm[key].dtype == source.obsm[key].dtype
        np.testing.assert_array_equal(got.obsm[key], source.obsm[key][rows])
    assert not got.uns and not got.obsp and not got.varm and not got.varp


@pytest.mark.parametrize("genes", GENES)
@pytest.mark.parametrize("asked", ASKED)
def test_all_of_a_batch(whole, tmp_path, asked, genes):
    collection, source = whole
    path = write(collection, tmp_path / "b.h5ad", ASKED[asked], genes)
    same_batch(read(path), source, rows_of(ASKED[asked]), GENES[genes])
    check_objects(path)


@pytest.mark.parametrize("piece", [0, 1, 7, 64, 4096])
def test_any_pieces(whole, tmp_path, piece):
    collection, source = whole
    same_batch(read(write(collection, tmp_path / "b.h5ad", "17,3,3,80", piece=piece)), source, [17, 3, 3, 80])


def test_random_batches(whole, tmp_path):
    collection, source = whole
    rng = np.random.default_rng(5)
    for _ in range(20):
        rows = rng.integers(0, ROWS, rng.integers(1, 200)).tolist()
        genes = rng.permutation(COLUMNS)[:rng.integers(0, COLUMNS)].tolist()
        path = write(collection, tmp_path / "b.h5ad", ",".join(map(str, rows)), "list:" + ",".join(map(str, genes)), piece=3000)
        same_batch(read(path), source, rows, genes)


def test_it_is_written_again_as_it_is(whole, tmp_path):
    """anndata takes it as its own: concatenates, writes and reads it."""
    collection, source = whole
    parts = [read(write(collection, tmp_path / f"{first}.h5ad", f"{first}+{ROWS // 2}")) for first in (0, ROWS // 2)]
    joined = anndata.concat(parts, merge="same")
    joined.write_h5ad(tmp_path / "joined.h5ad")
    same_matrix(read(tmp_path / "joined.h5ad").X, source.X)
    np.testing.assert_array_equal(joined.obs[NUMBERED], np.arange(ROWS))


# --- objects, one by one -------------------------------------------------------------------------------------------

def decoded(value):
    return value.decode() if isinstance(value, bytes) else value


def check_objects(path):
    """Every object says how it is encoded, and can be read; arrays lie one behind the other, up to the file's end."""
    places = []

    def visit(name, node):
        encoding = decoded(node.attrs["encoding-type"])
        assert decoded(node.attrs["encoding-version"]) == VERSIONS.get(encoding, "0.1.0"), name
        if not isinstance(node, h5py.Dataset):
            assert encoding not in ("array", "string-array"), name
            return
        assert encoding == ("string-array" if node.dtype.kind == "S" else "array"), name
        assert node.chunks is None and node.compression is None and node.maxshape == node.shape, name
        assert node[()].shape == node.shape and node.id.get_storage_size() == node.nbytes, name
        if node.nbytes:
            places.append((node.id.get_offset(), node.nbytes))
        else:
            assert node.id.get_offset() is None, name

    with h5py.File(path, "r", libver=("earliest", "v108")) as file:
        assert decoded(file.attrs["encoding-type"]) == "anndata"
        assert set(file) == {"X", "layers", "obs", "obsm", "obsp", "uns", "var", "varm", "varp"}
        file.visititems(visit)
    places.sort()
    for (offset, size), (after, _) in zip(places, places[1:]):
        assert after == (offset + size + 63) // 64 * 64
    assert all(offset % 64 == 0 for offset, _ in places)
    assert not places or sum(places[-1]) == path.stat().st_size


def test_arrays_can_be_mapped(whole, tmp_path):
    collection, source = whole
    path = write(collection, tmp_path / "b.h5ad", "0+50")
    with h5py.File(path) as file:
        node = file["X/data"]
        mapped = np.memmap(path, node.dtype, "r", node.id.get_offset(), node.shape)
    np.testing.assert_array_equal(mapped, source.X[:50].data)


def test_the_size_follows_from_lengths_alone(tmp_path, convert):
    """Other values and codes, same lengths: same size, and the same bytes but for the elements."""
    made = []
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        x = Sparse(np.arange(0, 61, 3, "<i4"), np.tile(np.arange(3, dtype="<i4"), 20), rng.random(60).astype("<f4"), (20, 5))
        obs = Frame(names("c", 20), {"n": rng.random(20), "k": Categorical(rng.integers(-1, 2, 20).astype("i1"), ["a", "b"]),
                                     "s": [chr(rng.integers(97, 122)) * 4 for _ in range(20)]})
        h5ad_write.write_h5ad(tmp_path / f"{seed}.h5ad", x, obs)
        path = write(convert(tmp_path / f"{seed}.h5ad"), tmp_path / f"b{seed}.h5ad", "4,9,2")
        with h5py.File(path) as file:
            made.append((path.read_bytes(), file["obs/_index"].id.get_offset()))
    (first, head), (second, other) = made
    assert len(first) == len(second) and head == other and first[:head] == second[:head] and first != second


# --- special views and sources ------------------------------------------------------------------------------------

@pytest.mark.parametrize("values", DTYPES)
def test_dtypes_of_values(tmp_path, convert, values):
    """Those of X as the view wants them, those of layers as they are stored."""
    rng = np.random.default_rng(3)
    x = h5ad_write.random_sparse(rng, 30, 9, dtype="<u1")
    x.data[:] = 1
    h5ad_write.write_h5ad(tmp_path / "a.h5ad", x, layers={"own": h5ad_write.random_sparse(rng, 30, 9, dtype=values)})
    path = write(convert(tmp_path / "a.h5ad"), tmp_path / "b.h5ad", "0+30", values=values)
    with h5py.File(tmp_path / "a.h5ad") as source, h5py.File(path) as got:
        assert got["X/data"].dtype == got["layers/own/data"].dtype == np.dtype(values)
        np.testing.assert_array_equal(got["X/data"][()], np.ones(x.indptr[-1], values))
        np.testing.assert_array_equal(got["layers/own/data"][()], source["layers/own/data"][()])
    if values != "<f2":                                 # which scipy does not know
        assert read(path).X.dtype == np.dtype(values)


@pytest.mark.parametrize("indices", ["<i4", "<i8", "<u2"])
def test_dtypes_of_indices(whole, tmp_path, indices):
    collection, source = whole
    path = write(collection, tmp_path / "b.h5ad", "5,6", indices=indices)
    with h5py.File(path) as file:
        assert file["X/indices"].dtype == np.dtype(indices) and file["layers/counts/indices"].dtype == np.int32
    np.testing.assert_array_equal(read(path).X.toarray(), source.X[[5, 6]].toarray())


def test_a_layer_as_x(whole, tmp_path):
    """X is a layer then."""
    collection, source = whole
    got = read(write(collection, tmp_path / "b.h5ad", "8,2", matrix="layers/counts", values="<i8"))
    same_matrix(got.X, source.layers["counts"][[8, 2]])
    assert set(got.layers) == {"X", "dense"}
    same_matrix(got.layers["X"], source.X[[8, 2]])


def test_raw(whole, tmp_path):
    """With raw's genes, which the layers do not have."""
    collection, source = whole
    path = write(collection, tmp_path / "b.h5ad", "8,2", "list:50,4", matrix="raw/X")
    got = read(path)
    same_matrix(got.X, source.raw.X[[8, 2]][:, [50, 4]])
    pd.testing.assert_frame_equal(got.var, source.raw.var.iloc[[50, 4]], check_names=False)
    assert not got.layers and set(got.obsm) == {"X_pca", "one"}
    check_objects(path)


def test_two_matrices_called_x(tmp_path, convert):
    rng = np.random.default_rng(4)
    h5ad_write.write_h5ad(tmp_path / "a.h5ad", h5ad_write.random_sparse(rng, 9, 5), layers={key: h5ad_write.random_sparse(rng, 9, 5) for key in "XY"})
    collection = convert(tmp_path / "a.h5ad")
    source = read(tmp_path / "a.h5ad")
    assert set(read(write(collection, tmp_path / "x.h5ad", "1")).layers) == {"X", "Y"}
    got = read(write(collection, tmp_path / "y.h5ad", "1,0", matrix="layers/Y"))
    assert set(got.layers) == {"X"}
    same_matrix(got.layers["X"], source.layers["X"][[1, 0]])


def test_rows_without_names(tmp_path, convert):
    """Their numbers are their names; obs and var may have no column at all."""
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        h5ad_write.write_matrix(file, "X", h5ad_write.random_sparse(np.random.default_rng(1), 120, 11))
        file.create_group("obs").create_dataset("n", data=np.arange(120))
        file.create_group("var").create_dataset("n", data=np.arange(11))
    collection = convert(tmp_path / "a.h5ad")
    path = write(collection, tmp_path / "b.h5ad", "119,0,7", "set:2,10")
    got = read(path)
    assert list(got.obs_names) == ["119", "0", "7"] and list(got.var_names) == ["2", "10"]
    check_objects(path)
    assert list(read(write(collection, tmp_path / "b.h5ad", "98+4", piece=1)).obs_names) == ["98", "99", "100", "101"]


def test_no_columns(tmp_path, convert):
    h5ad_write.write_h5ad(tmp_path / "a.h5ad", h5ad_write.random_sparse(np.random.default_rng(1), 12, 3), Frame(names("c", 12)))
    got = read(write(convert(tmp_path / "a.h5ad"), tmp_path / "b.h5ad", "3,1"))
    assert list(got.obs.columns) == [NUMBERED] and list(got.var.columns) == [] and list(got.obs_names) == ["c3", "c1"]


def test_no_genes(tmp_path, convert):
    h5ad_write.write_h5ad(tmp_path / "a.h5ad", Sparse(np.zeros(13, "<i4"), np.zeros(0, "<i4"), np.zeros(0, "<f4"), (12, 0)))
    path = write(convert(tmp_path / "a.h5ad"), tmp_path / "b.h5ad", "3,1")
    assert read(path).shape == (2, 0)
    check_objects(path)


def test_the_name_of_the_row_column_is_taken(tmp_path, convert):
    h5ad_write.write_h5ad(tmp_path / "a.h5ad", h5ad_write.random_sparse(np.random.default_rng(1), 12, 3), Frame(names("c", 12), {NUMBERED: np.arange(12) * 0.5}))
    got = read(write(convert(tmp_path / "a.h5ad"), tmp_path / "b.h5ad", "3,1"))
    assert list(got.obs.columns) == [NUMBERED] and got.obs[NUMBERED].tolist() == [1.5, 0.5]


def test_nullable_floats(tmp_path, convert):
    """NaN stands where they are missing: anndata has no encoding for them. In pieces of any size."""
    rng, columns = np.random.default_rng(2), {}
    for dtype in ("f2", "f4", "f8"):
        columns[dtype] = Nullable(rng.random(700).astype(dtype), rng.random(700) < 0.4)
    h5ad_write.write_h5ad(tmp_path / "a.h5ad", h5ad_write.random_sparse(rng, 700, 3), Frame(names("c", 700), columns))
    collection = convert(tmp_path / "a.h5ad")
    for rows, piece in ((list(range(700)), 0), ([699, 3, 3], 1), (list(range(100, 400)), 11)):
        got = read(write(collection, tmp_path / "b.h5ad", ",".join(map(str, rows)), piece=piece))
        for key, column in columns.items():
            expected = np.where(column.mask, np.nan, column.values).astype(key)
            assert got.obs[key].dtype == np.dtype(key)
            np.testing.assert_array_equal(got.obs[key], expected[rows])


def test_nullable_strings(tmp_path, convert):
    """As anndata 0.11 has them, and only where the source has them."""
    h5ad_write.write_h5ad(tmp_path / "a.h5ad", h5ad_write.random_sparse(np.random.default_rng(1), 9, 3), Frame(names("c", 9), {"n": np.arange(9)}))
    with h5py.File(tmp_path / "a.h5ad", "a") as file:
        group = file["obs"].create_group("text")
        group.attrs["encoding-type"], group.attrs["encoding-version"] = "nullable-string-array", "0.1.0"
        h5ad_write.write_strings(group, "values", [f"t{i}" for i in range(9)])
        group.create_dataset("mask", data=np.arange(9) % 2 == 0)
        file["obs"].attrs.create("column-order", ["n", "text"], dtype=h5ad_write.TEXT)
    path = write(convert(tmp_path / "a.h5ad"), tmp_path / "b.h5ad", "8,3,1")
    check_objects(path)
    with h5py.File(path) as file:
        group = file["obs/text"]
        assert group.attrs["encoding-type"] == "nullable-string-array"
        assert group["mask"][()].tolist() == [True, False, False] and group["values"].asstr()[1:].tolist() == ["t3", "t1"]


def test_a_var_too_large_to_be_kept(tmp_path, convert):
    """Of 24 MB, as texts have the width of the longest one; categories, too."""
    rng, count = np.random.default_rng(1), 20000
    texts = ["x" * 700 if i == 77 else f"g{i}" for i in range(count)]
    var = Frame(names("g", count), {"text": texts, "n": np.arange(count), "kind": Categorical(np.arange(count, dtype="<i4")[::-1], [f"k{text}" for text in texts])})
    h5ad_write.write_h5ad(tmp_path / "a.h5ad", h5ad_write.random_sparse(rng, 3, count), var=var)
    path = write(convert(tmp_path / "a.h5ad"), tmp_path / "b.h5ad", "2", piece=100000)
    got = read(path)
    check_objects(path)
    assert got.var["text"].tolist() == texts and got.var["n"].tolist() == list(range(count)) and list(got.var_names) == var.index
    assert got.var["kind"].tolist() == [f"k{text}" for text in reversed(texts)]


def test_names_of_columns(tmp_path, convert):
    """Those with a slash are in groups, as anndata writes them."""
    columns = {key: np.arange(9) + i for i, key in enumerate(["a/b", "a/c", "ä", "100%", " ", "__categories__", "x" * 500])}
    h5ad_write.write_h5ad(tmp_path / "a.h5ad", h5ad_write.random_sparse(np.random.default_rng(1), 9, 3), Frame(names("c", 9), columns))
    got = read(write(convert(tmp_path / "a.h5ad"), tmp_path / "b.h5ad", "8,3"))
    assert list(got.obs.columns) == [*columns, NUMBERED]
    for key, values in columns.items():
        np.testing.assert_array_equal(got.obs[key], values[[8, 3]])


def test_names_that_hdf5_cannot_have(tmp_path, convert):
    rng = np.random.default_rng(1)
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        h5ad_write.write_h5sparse(file, "X", h5ad_write.random_sparse(rng, 9, 3))
        h5ad_write.write_frame_2019(file, "obs", Frame(names("c", 9), {"a": np.arange(9), "a/b": np.arange(9)}))
        h5ad_write.write_frame_2019(file, "var", Frame(names("g", 3), {"n": np.arange(3)}))
    assert "obs/a/b: expected a name" in refused(convert(tmp_path / "a.h5ad"), tmp_path / "b.h5ad")


def test_too_many_columns(tmp_path, convert):
    with h5py.File(tmp_path / "a.h5ad", "w", libver="latest") as file:
        h5ad_write.write_matrix(file, "X", h5ad_write.random_sparse(np.random.default_rng(1), 2, 3))
        h5ad_write.write_frame(file, "obs", Frame(names("c", 2)))
        group = file.create_group("var")
        for i in range(4001):
            group.create_dataset(str(i), data=np.arange(3, dtype="i1"))
    assert "var: expected at most 4000 columns" in refused(convert(tmp_path / "a.h5ad"), tmp_path / "b.h5ad")


def test_a_batch_of_2_to_the_31_values(tmp_path, convert):
    """Indices and offsets are int64 then; of the file, only the beginning is looked at."""
    collection = convert("synthetic:rows=2,vars=120000,density=0.5,seed=3")
    rows = ",".join(["1"] * 36500)
    path = write(collection, tmp_path / "b.h5ad", rows, piece="begin")
    with h5py.File(path) as file:
        nnz = file["X/data"].shape[0]
        assert nnz >= 2**31 and file["X"].attrs["shape"].tolist() == [36500, 120000]
        for key, dtype, count in (("indptr", "<i8", 36501), ("indices", "<i8", nnz), ("data", "<f4", nnz)):
            assert file["X"][key].dtype == np.dtype(dtype) and file["X"][key].shape == (count,)
        assert file["X/data"].id.get_offset() + 4 * nnz == path.stat().st_size


def test_damaged_categories(whole, tmp_path):
    """Found when the head is made, and told."""
    shutil.copytree(whole[0], tmp_path / "d.sfs")
    [text] = [path for path in (tmp_path / "d.sfs").glob("obs*categories*text*") if "gr\N{LATIN SMALL LETTER O WITH DIAERESIS}".encode() in path.read_bytes()]
    content = bytearray(text.read_bytes())
    content[-2] ^= 1
    text.chmod(0o644)
    text.write_bytes(content)
    assert text.name in refused(tmp_path / "d.sfs", tmp_path / "b.h5ad")


REAL = sorted(path for path in harness.DATA.rglob("*.h5ad") if path.stat().st_size < 1 << 26) if harness.DATA.is_dir() else []


@pytest.mark.parametrize("path", REAL, ids=[path.stem for path in REAL])
def test_real_data(path, tmp_path, convert):
    with h5py.File(path) as file:
        if "X" not in file:
            pytest.skip("without X")
        named = {axis: "encoding-type" in file[axis].attrs for axis in ("obs", "var")}      # else anndata may not know the names
    source = read(path)
    rows = np.random.default_rng(0).integers(0, source.n_obs, 300).tolist()
    dtype = source.X.dtype.str
    got = read(write(convert(path), tmp_path / "b.h5ad", ",".join(map(str, rows)), values=dtype, piece=100000))
    same_matrix(got.X, source.X[rows])
    assert not named["obs"] or list(got.obs_names) == list(source.obs_names[rows])
    assert not named["var"] or list(got.var_names) == list(source.var_names)
    for key in got.obs.columns.drop(NUMBERED):
        expected = source.obs[key].iloc[rows]
        if isinstance(expected.dtype, pd.CategoricalDtype):     # the collection has categories as text
            expected = expected.cat.rename_categories(expected.cat.categories.astype(str))
        pd.testing.assert_series_equal(got.obs[key], expected, check_names=False, check_index_type=False)
