# SPDX-License-Identifier: Apache-2.0
"""The types that a view asks for: numpy's where all values fit; else the mount is refused, naming the first row and value, or
gives the nearest values with lossy=1. Of every source type, from every codec."""
import itertools
import json
from dataclasses import replace

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import craft
import csr_reader
import h5ad_corpus
import harness
import model
import source
import views_model
from h5ad_write import Sparse, random_sparse, write_h5ad

USAGE = 1
BATCH = "epoch_0/rank_0/batch_0.csr"
CODECS = ["packed", "raw", "dense"]
INDEX_DTYPES = ["int32", "int64", "uint16"]
N, COLUMNS = 40, 30


def nasty_values(dtype):
    """Values at and beyond the limits of all types, as far as this one has them."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        at = [0.5, 1.5, 2.5, -0.5, 0.1, 1e-8, 2049, 65504, 65519, 65520, 16777217, 1e39, 1e300, np.nan, np.inf, -np.inf, -1, 255.5, 256,
              65535.5, 2**31 - 1, 2**31, -2**31 - 1, 2**63, -2**63, 2**64, -0.0, 5e-324, 6e-8]
        with np.errstate(over="ignore"):
            return np.array(at).astype(dtype)
    if dtype.kind == "b":
        return np.ones(1, dtype)
    limits = np.iinfo(dtype)
    around = [limits.min, limits.max, *(sign * (2**bits + d) for sign in (1, -1) for bits in (7, 8, 11, 15, 16, 24, 31, 32, 53, 63) for d in (-1, 0, 1))]
    return np.array([value for value in around if limits.min <= value <= limits.max and value], dtype)


def write(path, values, columns=COLUMNS):
    """A matrix of N rows whose values, row by row, are these, in random places; with empty rows."""
    rng = np.random.default_rng(len(values))
    present = np.zeros((N, columns), bool)
    present.flat[np.sort(rng.choice(N * columns, len(values), replace=False))] = True
    indptr = np.concatenate([[0], np.cumsum(present.sum(axis=1))])
    write_h5ad(path, Sparse(indptr.astype("<i4"), np.nonzero(present)[1].astype("<i4"), values, (N, columns)))


def stored(truth, codec):
    """What is stored of a matrix: the codec dense keeps no zeros."""
    if codec != "dense":
        return truth
    rows, kept = np.repeat(np.arange(truth.n_rows), np.diff(truth.indptr)), truth.data != 0
    return source.from_entries(rows[kept], truth.indices[kept], truth.data[kept], truth.n_rows, truth.n_cols)


@pytest.fixture(scope="module", params=h5ad_corpus.DTYPES)
def small(request, tmp_path_factory):
    """A matrix of small counts, some of them zeros, in each dtype."""
    path = tmp_path_factory.mktemp("small") / "a.h5ad"
    counts = np.random.default_rng(1).integers(0, 2 if request.param == "|b1" else 100, 300)
    write(path, counts.astype(request.param))
    return path


@pytest.mark.parametrize("codec", CODECS)
def test_where_all_fits(codec, small, convert, mount):
    """Every pair of types, as numpy's astype has it."""
    matrix, pairs = stored(source.read(small).matrices["X"], codec), itertools.product(["store", *model.VALUE_DTYPES], INDEX_DTYPES)
    with mount(convert(small, "--codec", codec)) as mounted:
        for value, index in pairs:
            check_pair(mounted, matrix, value, index)


def check_pair(mounted, matrix, value, index):
    view = model.View(batch_size=16, tail="keep", seed=3, value_dtype=value, index_dtype=index)
    rows = view.rows(N, 2, 0, 1)
    blob = mounted.read(f"{views_model.spell(view.options())}/epoch_2/rank_0/batch_1.csr")
    assert blob == model.csr(matrix, rows, 2, 0, 1, 3, view=view), (value, index)
    found = csr_reader.parse(blob)
    expected = matrix.take(rows)[2]
    expected = expected if value == "store" else expected.astype(value)
    assert (found.data.dtype, found.data.tobytes()) == (expected.dtype, expected.tobytes())


@pytest.mark.parametrize("codec", CODECS)
def test_over_a_mount(codec, small, convert, mount):
    """Batches as files and folders, and rows/, follow the view; whole matrices keep what is stored."""
    collection, matrix = convert(small, "--codec", codec), stored(source.read(small).matrices["X"], codec)
    for i, value in enumerate(model.VALUE_DTYPES):
        view = model.View(batch_size=11, world_size=2, tail="keep", value_dtype=value, index_dtype=INDEX_DTYPES[(i + CODECS.index(codec)) % 3])
        with mount(collection, **view.options()) as mounted:
            for name, blob in {**model.epoch_files(matrix, view, 1), **model.matrix_files("X", matrix)}.items():
                assert (mounted / name).stat().st_size == len(blob), name
                assert mounted.read(name) == blob, name
            for name, rows in (("7", [7]), ("3-20", range(3, 21)), ("5,3,3", [5, 3, 3])):
                assert mounted.read(f"rows/{name}.csr") == model.csr(matrix, list(rows), view=view)
            said = json.loads(mounted.read("dataset.json"))["view"]
            assert (said["value_dtype"], said["index_dtype"], said["lossy"]) == (value, view.index_dtype, 0)


def test_pieces_of_elements(small, convert, mount):
    """Reads that begin and end anywhere, also within an element."""
    matrix = source.read(small).matrices["X"]
    for value, index in (("float64", "int64"), ("uint16", "uint16"), ("uint8", "int32")):
        view = model.View(value_dtype=value, index_dtype=index)
        blob = model.csr(matrix, view.rows(N, 0, 0, 0), 0, 0, 0, view=view)
        with mount(convert(small), cache="never", **view.options()) as mounted, open(mounted / "epoch_0/rank_0/batch_0.csr", "rb", buffering=0) as file:
            rng = np.random.default_rng(4)
            for start, length in zip(rng.integers(0, len(blob), 200), rng.choice([1, 2, 3, 7, 60, 500], 200)):
                file.seek(int(start))
                assert file.read(int(length)) == blob[start:start + length], (start, length)


# --- values that do not fit ----------------------------------------------------------------------------------------

def by_cat(collection):
    """A function of options: the bytes of their first batch, or None and why it is refused."""
    def read(options):
        done = harness.cat_result(collection, BATCH, **options)
        assert (done.returncode, done.stdout) == (USAGE, b"") or not done.returncode
        return (None, harness.sentence(done, "shufflefs")) if done.returncode else (done.stdout, "")
    return read


def by_view(mounted):
    """The same, of a view in the path."""
    def read(options):
        name = views_model.spell(options)
        try:
            return mounted.read(f"{name}/{BATCH}"), ""
        except FileNotFoundError:
            return None, mounted.read(f".shufflefs/explain/{name}").decode()
    return read


def check_either_way(read, matrix, value, layer="X"):
    """Refused with the first row and value that do not fit, or given as they are; and the nearest with lossy=1."""
    view = model.View(batch_size=N, value_dtype=value, order="sequential", layer=layer)
    found = model.misfit(matrix, value)
    if np.dtype(value) == matrix.data.dtype:
        assert found is None
    blob, said = read(view.options())
    if found is None:
        assert blob == model.csr(matrix, range(N), 0, 0, 0, view=view), value
    else:
        row, text = found
        assert blob is None and f"that fit {value}, found {text} in row {row} of {layer}:" in said and "lossy=1" in said, said
    lossy = replace(view, lossy=1)
    assert read(lossy.options())[0] == model.csr(matrix, range(N), 0, 0, 0, view=lossy), value
    return found


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("dtype", h5ad_corpus.DTYPES)
def test_nasty_values(dtype, codec, convert, mount, tmp_path):
    """One by one behind harmless ones, so that each is the first of some file; then all of them."""
    nasty = nasty_values(dtype)
    harmless = np.random.default_rng(2).integers(0, 2, 100).astype(dtype)
    refused = set()
    for values in [*nasty[:, None][:12 if codec == "packed" else 3], nasty, nasty[::-1]]:
        write(tmp_path / "a.h5ad", np.concatenate([harmless, values, harmless]))
        matrix = stored(source.read(tmp_path / "a.h5ad").matrices["X"], codec)
        collection = convert(tmp_path / "a.h5ad", "--codec", codec)
        with mount(collection) as mounted:
            refused |= {value for value in model.VALUE_DTYPES if check_either_way(by_view(mounted), matrix, value)}
    if np.dtype(dtype).itemsize == 8:
        assert len(refused) >= 5, refused


def test_the_mount_is_refused(convert, mountpoint, tmp_path):
    """As for any bad option, with the same sentence; nothing is mounted. A shard's rows are counted from the collection's first."""
    values = np.ones(300, "<f4")
    values[250:] = 2.25
    write(tmp_path / "a.h5ad", values)
    row, text = model.misfit(source.read(tmp_path / "a.h5ad").matrices["X"], "uint8")
    assert row > 20 and text == "2.25"
    for arguments in [(), ("--shard-rows", "7"), ("--codec", "dense")]:
        done = harness.run([harness.BUILD / "shufflefs", convert(tmp_path / "a.h5ad", *arguments), mountpoint, "-f", "-o", "value_dtype=uint8"])
        assert done.returncode == USAGE and f"found 2.25 in row {row} of X" in harness.sentence(done, "shufflefs")
        assert not harness.is_mount_point(mountpoint)


def test_lossy_by_numpy(convert, tmp_path):
    """The documented rule, as numpy spells it: rint, clip, and NaN as 0."""
    rng = np.random.default_rng(6)
    values = np.concatenate([rng.normal(0, 10.0**e, 60) for e in range(-3, 8)] + [[np.nan, np.inf, -np.inf, 0.5, 1.5, 254.5, 255.5]])
    write(tmp_path / "a.h5ad", values)
    collection = convert(tmp_path / "a.h5ad")
    order = source.read(tmp_path / "a.h5ad").matrices["X"].data
    for name in ("int32", "uint16", "uint8"):
        blob = harness.cat(collection, "epoch_0/rank_0/batch_0/data.npy", batch_size=N, order="sequential", value_dtype=name, lossy=1)
        limits = np.iinfo(name)
        expected = np.clip(np.rint(np.nan_to_num(order, nan=0, posinf=np.inf, neginf=-np.inf)), limits.min, limits.max).astype(name)
        assert (np.frombuffer(blob, name, offset=128) == expected).all(), name


def test_layers_have_their_own(convert, tmp_path):
    """The layer that is mounted counts, by the name that the option has for it."""
    h5ad_corpus.FILES["csr_csc_dense_raw_and_layers"](tmp_path / "a.h5ad")
    truth = source.read(tmp_path / "a.h5ad")
    for layer, matrix in truth.matrices.items():
        view = model.View(batch_size=300, order="sequential", layer=layer, value_dtype="uint16")
        found, done = model.misfit(matrix, "uint16"), harness.cat_result(convert(tmp_path / "a.h5ad"), "epoch_0/rank_0/batch_0.csr", **view.options())
        if found:
            assert f"found {found[1]} in row {found[0]} of {layer}:" in harness.sentence(done, "shufflefs")
        else:
            assert done.stdout == model.csr(matrix, range(300), 0, 0, 0, view=view)
    assert model.misfit(truth.matrices["spliced"], "uint16") is None and model.misfit(truth.matrices["scaled"], "uint16")


def test_a_collection_that_does_not_say(convert, tmp_path):
    """Without `inexact` only lossy=1 allows another type."""
    write(tmp_path / "a.h5ad", np.ones(50, "<f4"))
    assert harness.mkshufflefs(tmp_path / "a.h5ad", tmp_path / "a.sfs", "--quiet").returncode == 0
    craft.describe(tmp_path / "a.sfs", lambda root: root["matrices"][0].pop("inexact"))
    done = harness.cat_result(tmp_path / "a.sfs", "README.txt", value_dtype="uint8")
    assert done.returncode == USAGE and "lossy=1" in harness.sentence(done, "shufflefs")
    assert harness.cat(tmp_path / "a.sfs", "README.txt", value_dtype="float32")
    assert harness.cat(tmp_path / "a.sfs", "README.txt", value_dtype="uint8", lossy=1)


# --- float16, all of it --------------------------------------------------------------------------------------------

def dense_file(path, values, columns=256):
    rows = -(-len(values) // columns)
    write_h5ad(path, np.resize(values, (rows, columns)))
    return rows


def data_of(collection, rows, **options):
    blob = harness.cat(collection, "epoch_0/rank_0/batch_0/data.npy", batch_size=rows, order="sequential", **options)
    return np.frombuffer(blob, options["value_dtype"], offset=128)


@pytest.mark.parametrize("codec", ["packed", "dense"])
def test_every_float16_as_another(codec, convert, tmp_path):
    every = np.arange(65536).astype("<u2").view("<f2")
    rows = dense_file(tmp_path / "a.h5ad", every)
    collection = convert(tmp_path / "a.h5ad", "--codec", codec)
    for name in ("float32", "float64"):
        found, expected = data_of(collection, rows, value_dtype=name), every[every != 0].astype(name)
        assert (np.isnan(found) == np.isnan(expected)).all()
        numbers = ~np.isnan(expected)
        assert found[numbers].tobytes() == expected[numbers].tobytes()


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_others_as_float16(dtype, convert, tmp_path):
    """All float16, the middle between each and the next, and what is beside that."""
    every = np.arange(0x7c01).astype("<u2").view("<f2").astype("f8")
    every[-1] = 65536
    middle = ((every[:-1] + every[1:]) / 2).astype(dtype)
    values = np.concatenate([every[1:].astype(dtype), middle, np.nextafter(middle, np.dtype(dtype).type(0)),
                             np.nextafter(middle, np.dtype(dtype).type(np.inf)), np.array([np.inf, 1e38, 1e-38], dtype)])
    values = np.concatenate([values, -values])
    rows = dense_file(tmp_path / "a.h5ad", values)
    found = data_of(convert(tmp_path / "a.h5ad"), rows, value_dtype="float16", lossy=1)
    with np.errstate(over="ignore"):
        assert found.tobytes() == np.resize(values, (rows, 256)).ravel().astype("<f2").tobytes()


# --- options -------------------------------------------------------------------------------------------------------

def test_uint16_and_the_columns(convert, tmp_path):
    """65,536 columns are the most."""
    for columns, fits in ((65536, True), (65537, False)):
        matrix = Sparse(np.array([0, 2, 3], "<i4"), np.array([0, columns - 1, 5], "<i4"), np.ones(3, "<f4"), (2, columns))
        write_h5ad(tmp_path / f"{columns}.h5ad", matrix)
        done = harness.cat_result(convert(tmp_path / f"{columns}.h5ad"), "rows/0-1.csr", index_dtype="uint16")
        assert (done.returncode == 0) == fits
        if fits:
            assert csr_reader.parse(done.stdout).indices.tolist() == [0, 65535, 5]
        else:
            assert done.returncode == USAGE and "index_dtype" in harness.sentence(done, "shufflefs") and "65537" in done.stderr.decode()
        assert csr_reader.parse(harness.cat(convert(tmp_path / f"{columns}.h5ad"), "rows/0-1.csr", index_dtype="int64")).indices[1] == columns - 1


@pytest.mark.parametrize("options", [{"value_dtype": "float128"}, {"value_dtype": ""}, {"value_dtype": "<f4"}, {"value_dtype": "Float32"},
                                     {"index_dtype": "uint8"}, {"index_dtype": "store"}, {"lossy": "yes"}, {"lossy": "2"}, {"lossy": ""}])
def test_other_words(options, small, convert):
    done = harness.cat_result(convert(small), "README.txt", **options)
    key, = options
    assert done.returncode == USAGE and harness.sentence(done, "shufflefs").startswith(f"shufflefs: {key}: expected one of")


def test_the_readme_of_the_mount(small, convert, mount):
    """The lines of Python in README.txt read a batch as the view has it."""
    matrix = source.read(small).matrices["X"]
    with mount(convert(small), value_dtype="float16", index_dtype="uint16", batch_size=9) as mounted:
        lines = [line[2:] for line in mounted.read("README.txt").decode().splitlines() if line.startswith("  ")]
        names = {}
        exec("\n".join(lines).replace('"epoch_0', f'"{mounted.path}/epoch_0'), names)
        expected = matrix.take(names["numbers"])
        assert (names["data"] == expected[2]).all() and (names["indices"] == expected[1]).all() and (names["indptr"] == expected[0]).all()


# --- any matrix ----------------------------------------------------------------------------------------------------

@st.composite
def matrices(draw):
    dtype = draw(st.sampled_from([each for each in h5ad_corpus.DTYPES if each != "|b1"]))
    nasty, count = nasty_values(dtype), draw(st.integers(0, 200))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = draw(st.sampled_from(["any bits", "counts", "some nasty"]))
    made = np.frombuffer(rng.bytes(count * np.dtype(dtype).itemsize), dtype) if values == "any bits" else rng.integers(0, 50, count).astype(dtype)
    if values == "some nasty":
        made[rng.random(count) < 0.1] = rng.choice(nasty)
    if np.dtype(dtype).kind == "f":
        made = np.where(np.isnan(made), np.array(np.nan, dtype), made)         # the bits of a NaN may change with its type
    return made


@hypothesis.settings(max_examples=60)
@hypothesis.given(values=matrices(), codec=st.sampled_from(CODECS), value=st.sampled_from(model.VALUE_DTYPES))
def test_any_matrix(values, codec, value, convert, tmp_path):
    write(tmp_path / "a.h5ad", values)
    check_either_way(by_cat(convert(tmp_path / "a.h5ad", "--codec", codec)), stored(source.read(tmp_path / "a.h5ad").matrices["X"], codec), value)


def test_csc_sources_have_rows_in_order(convert, tmp_path):
    """The first row that does not fit is the first of the rows, not of the columns."""
    matrix = random_sparse(np.random.default_rng(8), N, COLUMNS, kind="csc", dtype="<f8", density=0.5)
    write_h5ad(tmp_path / "a.h5ad", matrix)
    for value in model.VALUE_DTYPES:
        check_either_way(by_cat(convert(tmp_path / "a.h5ad")), source.read(tmp_path / "a.h5ad").matrices["X"], value)
