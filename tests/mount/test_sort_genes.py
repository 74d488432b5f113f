# SPDX-License-Identifier: Apache-2.0
"""mkshufflefs --sort-genes: columns in the order of their frequency, and var with them, for everything that .h5ad files do.

Compared are all matrices and tables, byte for byte, with the source as h5py reads it and sort_model.py sorts it.
"""
import json
import re
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import csr_reader
import h5ad_broken
import h5ad_corpus
import harness
import model
import sort_model
import source
from h5ad_corpus import AWKWARD, with_duplicates
from h5ad_write import Categorical, Frame, Nullable, Sparse, names, random_dense, random_sparse, write_h5ad

MIXED = "csr_csc_dense_raw_and_layers"
REAL = {str(path.relative_to(harness.DATA)): path for path in sorted(harness.DATA.rglob("*.h5ad"))}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return h5ad_corpus.write_all(tmp_path_factory.mktemp("corpus"))


def summary(path, output, *arguments):
    done = harness.mkshufflefs(path, output, "--json", "--quiet", *arguments)
    assert done.returncode == 0 and done.stderr == b"", done.stderr.decode()
    return json.loads(done.stdout)


def read_npy(collection, name):
    blob = harness.cat(collection, name)
    text = blob[10:128].decode()
    return np.frombuffer(blob, re.search(r"'descr': '([^']+)'", text)[1], offset=128).copy()


def check_tables(mounted, expected):
    """Every column has its values, there is no other, and the last one is where genes were."""
    for name, blob in model.all_table_files(expected).items():
        found = mounted.read(name)
        assert model.same_numbers(found, blob) if isinstance(blob, list) else found == blob, name
    dataset = json.loads(mounted.read("dataset.json"))
    assert [each["name"] for each in dataset["var"]][-1] == sort_model.POSITION
    for key, table in (("obs", expected.obs), ("var", expected.var), ("raw_var", expected.raw_var)):
        listed = {each["name"] for each in dataset.get(key) or []}
        assert listed - {"_index"} == set(table.columns if table else {}), key


def check_matrices(mounted, collection, expected):
    for layer, matrix in expected.matrices.items():
        for name, blob in model.matrix_files(layer, matrix).items():
            assert mounted.read(name) == blob, name
        if matrix.n_rows:
            rows = [matrix.n_rows - 1, 0]
            assert harness.cat(collection, f"rows/{rows[0]},{rows[1]}.csr", layer=layer) == model.csr(matrix, rows), layer


def check(collection, truth):
    expected = sort_model.sort_source(truth)
    with tempfile.TemporaryDirectory() as folder:
        point = Path(folder) / "mnt"
        point.mkdir()
        with harness.mounted(collection, point) as mounted:
            check_matrices(mounted, collection, expected)
            check_tables(mounted, expected)


@pytest.mark.parametrize("name", h5ad_corpus.FILES)
def test_everything_is_permuted(name, corpus, convert):
    check(convert(corpus[name], "--sort-genes"), source.read(corpus[name]))


@pytest.mark.parametrize("name", REAL)
def test_real_files(name, convert):
    truth, collection = source.read(REAL[name]), convert(REAL[name], "--sort-genes")
    check(collection, truth)
    check_by_scipy(REAL[name], collection)


@pytest.mark.parametrize("arguments", [("--codec", "raw"), ("--codec", "dense"), ("--shard-rows", "7"), ("--shard-rows", "64", "--codec", "dense")],
                         ids=" ".join)
def test_every_way_to_store(arguments, corpus, convert):
    truth = source.read(corpus[MIXED])
    assert all(matrix.explicit_zeros == 0 for matrix in truth.matrices.values())
    check(convert(corpus[MIXED], "--sort-genes", *arguments), truth)


# --- against scipy -------------------------------------------------------------------------------------------------

def scipy_matrix(node):
    """A matrix of a file with its duplicates summed, as scipy has it."""
    if isinstance(node, h5py.Dataset):
        return sp.csr_matrix(node[()])
    kind = source.text(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format")))[:3]
    shape = node.attrs.get("shape", node.attrs.get("h5sparse_shape"))
    arrays = tuple(node[key][()] for key in ("data", "indices", "indptr"))
    matrix = (sp.csr_matrix if kind == "csr" else sp.csc_matrix)(arrays, shape=tuple(int(s) for s in shape)).tocsr()
    matrix.sum_duplicates()
    return matrix


def check_by_scipy(path, collection):
    """X[:, original_position] is the X that is stored, its frequencies fall, and raw/X likewise."""
    with h5py.File(path) as h5:
        found = {"X": "X", "raw/X": "raw/X", "raw.X": "raw/X"}
        matrices = {found[name]: scipy_matrix(h5[name]) for name in found if name in h5}
    for name, matrix in matrices.items():
        position = read_npy(collection, f"{'raw/' if name != 'X' else ''}var/{sort_model.POSITION}.npy")
        assert position.dtype == "<i8" and (np.sort(position) == np.arange(matrix.shape[1])).all()
        stored = [read_npy(collection, f"{name}/{key}.npy") for key in ("data", "indices", "indptr")]
        stored = sp.csr_matrix(tuple(stored), shape=matrix.shape)
        assert stored.has_sorted_indices and (stored != matrix[:, position]).nnz == 0
        stored.eliminate_zeros()
        often = stored.getnnz(axis=0)
        assert (np.diff(often) <= 0).all(), "a column is more frequent than the one before"
        assert (np.diff(position)[np.diff(often) == 0] > 0).all(), "ties are not in their order"


@pytest.mark.parametrize("name", [MIXED, "duplicate_entries", "duplicates_that_cancel", "unsorted_indices", "descending_indices", "explicit_zeros",
                                  "as_in_2018", "as_seurat_disk", "index_u4_i8", "dtype_i8", "dense_in_small_chunks", "only_empty_rows"])
def test_against_scipy(name, corpus, convert):
    check_by_scipy(corpus[name], convert(corpus[name], "--sort-genes"))


# --- what decides --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("layer", ["spliced", "scaled"])
def test_one_layer_decides_for_itself(layer, corpus, convert):
    truth = sort_model.layer_alone(source.read(corpus[MIXED]), layer)
    assert (sort_model.order_of(truth.matrices["X"]) != sort_model.order_of(source.read(corpus[MIXED]).matrices["X"])).any()
    check(convert(corpus[MIXED], "--sort-genes", "--layer", layer), truth)


@pytest.mark.parametrize("name", [MIXED, "as_in_2018", "as_seurat_disk", "raw_dense_and_narrower"])
def test_raw_alone_decides_for_itself(name, corpus, convert):
    check(convert(corpus[name], "--sort-genes", "--raw"), sort_model.layer_alone(source.read(corpus[name]), "raw/X"))


def test_without_x_the_first_layer_decides(tmp_path, convert):
    rng = np.random.default_rng(3)
    write_h5ad(tmp_path / "a.h5ad", layers={name: random_sparse(rng, 40, 30, kind=kind) for name, kind in (("b", "csr"), ("a", "csc"))})
    truth, collection = source.read(tmp_path / "a.h5ad"), convert(tmp_path / "a.h5ad", "--sort-genes")
    assert list(truth.matrices) == ["a", "b"]
    assert (read_npy(collection, f"var/{sort_model.POSITION}.npy") == sort_model.order_of(truth.matrices["a"])).all()
    check(collection, truth)


def test_without_any_matrix_nothing_moves(corpus, convert):
    assert (read_npy(convert(corpus["no_x"], "--sort-genes"), f"var/{sort_model.POSITION}.npy") == np.arange(20)).all()


def test_ties_stay_in_their_order(tmp_path, convert):
    x = np.zeros((6, 300), "<f4")
    x[0], x[:, 7], x[3:, 200] = 1, 2, 3
    write_h5ad(tmp_path / "a.h5ad", x)
    position = read_npy(convert(tmp_path / "a.h5ad", "--sort-genes"), f"var/{sort_model.POSITION}.npy")
    assert list(position) == [7, 200] + [i for i in range(300) if i not in (7, 200)]


def entries(*triples, shape, kind):
    """A matrix with these (row, column, value), in this order within a row or column."""
    major = 0 if kind == "csr" else 1
    at = sorted(range(len(triples)), key=lambda i: triples[i][major])
    lengths = np.bincount([triples[i][major] for i in at], minlength=shape[major])
    return Sparse(np.concatenate([[0], np.cumsum(lengths)]).astype("<i4"), np.array([triples[i][1 - major] for i in at], "<i4"),
                  np.array([triples[i][2] for i in at], "<f4"), shape, kind)


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.parametrize("what, triples, expected", [
    ("a zero is no non-zero", [(0, 0, 0), (1, 0, 0), (2, 0, -0.0), (1, 2, 5)], [2, 0, 1]),
    ("a place counts once", [(0, 0, 1), (0, 0, 1), (0, 0, 1), (0, 1, 1), (1, 1, 1)], [1, 0, 2]),
    ("a place counts once, apart", [(0, 0, 1), (2, 0, 1), (0, 0, 1), (0, 1, 1), (1, 1, 1), (2, 1, 1)], [1, 0, 2]),
    ("1 and -1 are none", [(0, 0, 1), (0, 0, -1), (1, 0, 2), (0, 2, 1), (2, 2, 1)], [2, 0, 1]),
    ("NaN is one", [(0, 1, np.nan), (1, 1, np.inf), (0, 0, 3)], [1, 0, 2]),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_counts(kind, what, triples, expected, tmp_path, convert):
    write_h5ad(tmp_path / "a.h5ad", entries(*triples, shape=(3, 3), kind=kind))
    collection = convert(tmp_path / "a.h5ad", "--sort-genes")
    assert list(read_npy(collection, f"var/{sort_model.POSITION}.npy")) == expected, what
    check(collection, source.read(tmp_path / "a.h5ad"))


def test_a_place_counts_once_across_blocks(tmp_path, convert):
    """Where one block of a CSC column ends and the next begins with the same row. Counted twice, gene 1 would come first."""
    n, block = 800_000, (32 << 20) // 28                # entries that are read at once: 28 bytes each are needed
    assert n < block < 2 * n
    second = np.insert(np.arange(n), block - n, block - n - 1)
    assert second[block - n - 1] == second[block - n]
    path = tmp_path / "a.h5ad"
    write_h5ad(path, Sparse(np.array([0, n, 2 * n + 1]), np.concatenate([np.arange(n), second]).astype("<i4"), np.ones(2 * n + 1, "<f4"), (n, 2), "csc"))
    said = summary(path, tmp_path / "a.sfs", "--sort-genes")
    assert said["matrices"][0]["duplicates"] == 1
    assert list(read_npy(tmp_path / "a.sfs", f"var/{sort_model.POSITION}.npy")) == [0, 1]


# --- tables --------------------------------------------------------------------------------------------------------

def awkward_var(rng, n):
    """Every kind of column, n genes."""
    return Frame([AWKWARD[i % len(AWKWARD)] for i in range(n)], {
        "strings": [AWKWARD[(i * 5 + 3) % len(AWKWARD)] for i in range(n)], "empty_strings": [""] * n, "position": np.arange(n),
        "boolean": rng.random(n) < 0.5, "float_with_nan": np.where(rng.random(n) < 0.3, np.nan, 1.5), "f2": np.arange(n).astype("<f2"),
        "u1": np.arange(n).astype("|u1"), "big_endian": np.arange(n).astype(">i2"),
        "nullable_int": Nullable(rng.integers(0, 9, n), rng.random(n) < 0.3), "nullable_bool": Nullable(rng.random(n) < 0.5, rng.random(n) < 0.3),
        "categorical": Categorical(rng.integers(-1, len(AWKWARD), n).astype("i1"), AWKWARD, ordered=True),
        "categorical_of_float": Categorical(rng.integers(0, 4, n).astype("i1"), np.array([0.1, 0.5, 1e300, -3.25]))}, index_name="gene id")


def test_every_kind_of_column_of_var(tmp_path, convert):
    rng, n = np.random.default_rng(5), 3 * len(AWKWARD)
    write_h5ad(tmp_path / "a.h5ad", random_sparse(rng, 30, n), var=awkward_var(rng, n), raw=random_sparse(rng, 30, 2 * n, kind="csc"),
               raw_var=awkward_var(rng, 2 * n))
    check(convert(tmp_path / "a.h5ad", "--sort-genes"), source.read(tmp_path / "a.h5ad"))


def test_more_genes_than_a_block_has(tmp_path, convert):
    """Columns of var are read in blocks, and put together before they are permuted."""
    rng, n = np.random.default_rng(6), 70_000
    var = Frame(names("gene", n), {"n": np.arange(n), "text": names("t", n), "maybe": Nullable(np.arange(n), rng.random(n) < 0.5)})
    write_h5ad(tmp_path / "a.h5ad", random_sparse(rng, 20, n), var=var)
    check(convert(tmp_path / "a.h5ad", "--sort-genes"), source.read(tmp_path / "a.h5ad"))


@pytest.mark.parametrize("place, arguments", [("var", []), ("raw/var", []), ("raw/var", ["--raw"])])
def test_a_taken_name_is_refused(place, arguments, tmp_path):
    rng, taken = np.random.default_rng(7), Frame(names("g", 9), {sort_model.POSITION: np.arange(9)})
    frames = {"var" if place == "var" else "raw_var": taken}
    path = tmp_path / "a.h5ad"
    write_h5ad(path, random_sparse(rng, 10, 9), raw=random_sparse(rng, 10, 9), **frames)
    done = harness.mkshufflefs(path, tmp_path / "a.sfs", "--sort-genes", *arguments)
    said = harness.sentence(done, "mkshufflefs")
    assert done.returncode == 1 and f"/{place}: " in said and sort_model.POSITION in said and "--sort-genes" in said
    assert not (tmp_path / "a.sfs").exists()
    assert harness.mkshufflefs(path, tmp_path / "b.sfs", "--quiet", *arguments).returncode == 0
    if place == "raw/var" and not arguments:            # a layer alone has no raw
        with h5py.File(path, "a") as h5:
            h5["layers"]["X"] = h5["X"]
        assert harness.mkshufflefs(path, tmp_path / "c.sfs", "--quiet", "--sort-genes", "--layer", "X").returncode == 0


def test_an_index_of_that_name_is_none(tmp_path, convert):
    write_h5ad(tmp_path / "a.h5ad", random_sparse(np.random.default_rng(8), 10, 9), var=Frame(names("g", 9), {}, index_name=sort_model.POSITION))
    check(convert(tmp_path / "a.h5ad", "--sort-genes"), source.read(tmp_path / "a.h5ad"))


# --- what is said --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [MIXED, "duplicate_entries", "unsorted_indices", "explicit_zeros", "duplicates_that_cancel", "no_rows", "no_columns"])
def test_the_summary_describes_the_source(name, corpus, tmp_path):
    """Rows that only sorting brings into disorder are not counted as unsorted. (Packed, they take other numbers of bytes.)"""
    plain, sorted_ = (summary(corpus[name], tmp_path / f"{i}.sfs", *arguments) for i, arguments in enumerate([("--codec", "raw"), ("--codec", "raw", "--sort-genes")]))
    assert (plain["sorted_genes"], sorted_["sorted_genes"]) == (False, True)
    for key in ("rows", "variables", "matrices", "obs"):
        assert plain[key] == sorted_[key], key
    assert sorted_["var"] == plain["var"] + 1


def test_the_collection_says_so(corpus, convert):
    plain, sorted_ = (json.loads((convert(corpus[MIXED], *arguments) / "collection.json").read_bytes()) for arguments in ((), ("--sort-genes",)))
    assert "gene_order" not in plain and sorted_["gene_order"] == "frequency"


@pytest.mark.parametrize("name, stages", [(MIXED, ["X: counting genes", "raw/X: counting genes", "obs", "var", "raw/var", "X"]),
                                          ("no_x_but_layer", ["layers/counts: counting genes", "obs", "var", "layers/counts"])])
def test_progress_has_its_own_stage(name, stages, corpus, tmp_path):
    done = harness.mkshufflefs(corpus[name], tmp_path / "a.sfs", "--sort-genes")
    found = re.findall(r"^(.*): \d+ done in", done.stderr.decode(), re.M)
    assert done.returncode == 0 and found[:len(stages)] == stages
    done = harness.mkshufflefs(corpus[name], tmp_path / "b.sfs")
    assert b"counting genes" not in done.stderr


@pytest.mark.parametrize("name", h5ad_broken.FILES)
def test_broken_files(name, tmp_path):
    """What is refused without the option is refused with it, with a sentence that names the place."""
    write, message = h5ad_broken.FILES[name]
    path = tmp_path / ("without_obs.h5ad" if name == "without_anything" else f"{name}.h5ad")
    write(path)
    done = harness.mkshufflefs(path, tmp_path / "a.sfs", "--quiet", "--sort-genes")
    assert done.returncode == 1 and re.search(message, harness.sentence(done, "mkshufflefs"))
    assert {each.name for each in tmp_path.iterdir()} <= {path.name}, "something is left behind"


# --- synthetic -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments", [(), ("--codec", "dense", "--shard-rows", "100")], ids=" ".join)
def test_synthetic(arguments, convert):
    """The same counts and the same obs, with the columns permuted."""
    text = "synthetic:rows=700,vars=900,density=0.04,seed=5"
    plain, sorted_ = convert(text, *arguments), convert(text, "--sort-genes", *arguments)
    batches = [csr_reader.parse(harness.cat(each, "rows/0-699.csr")) for each in (plain, sorted_)]
    matrices = [sp.csr_matrix((batch.data, batch.indices, batch.indptr), shape=(700, 900)) for batch in batches]
    position = read_npy(sorted_, f"var/{sort_model.POSITION}.npy")
    expected = np.lexsort((np.arange(900), -matrices[0].getnnz(axis=0)))
    assert (position == expected).all() and (matrices[1] != matrices[0][:, position]).nnz == 0
    assert harness.cat(sorted_, "var/_index.txt").decode().split() == [f"GENE{i:06}" for i in position]
    for name in harness.cat(plain, "obs").decode().split():
        assert harness.cat(plain, f"obs/{name}") == harness.cat(sorted_, f"obs/{name}")


def test_synthetic_without_rows(convert):
    collection = convert("synthetic:rows=0,vars=7", "--sort-genes")
    assert (read_npy(collection, f"var/{sort_model.POSITION}.npy") == np.arange(7)).all()


# --- anything ------------------------------------------------------------------------------------------------------

@st.composite
def matrices(draw, rows, columns):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(["|b1", "|i1", "|u1", "<i2", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", ">f4"]))
    kind = draw(st.sampled_from(["csr", "csc", "dense", "duplicates"]))
    density = draw(st.sampled_from([0, 0.02, 0.3, 1]))
    if kind == "dense":
        return random_dense(rng, rows, columns, dtype, density)
    if kind == "duplicates" and dtype in ("<i8", "<f4", "<f8"):
        return with_duplicates(rng, draw(st.sampled_from(["csr", "csc"])), dtype, (rows, columns))
    matrix = random_sparse(rng, rows, columns, density, dtype, "csc" if kind == "csc" else "csr")
    matrix.data[rng.random(len(matrix.data)) < draw(st.sampled_from([0, 0.5]))] = 0
    return matrix


@st.composite
def files(draw):
    rows, columns, own = draw(st.integers(0, 60)), draw(st.integers(0, 70)), draw(st.integers(1, 70))
    parts = {"x": draw(matrices(rows, columns)), "layers": draw(st.dictionaries(st.sampled_from("abc"), matrices(rows, columns), max_size=2))}
    if draw(st.booleans()):
        parts["raw"] = draw(matrices(rows, own))
    if parts["layers"] and draw(st.booleans()):
        del parts["x"]
    return parts, draw(st.sampled_from([(), ("--codec", "raw"), ("--shard-rows", "9")]))


@settings(max_examples=60)
@given(files())
def test_any_file(tmp_path_factory, made):
    parts, arguments = made
    directory = tmp_path_factory.mktemp("any")
    write_h5ad(directory / "a.h5ad", **parts)
    truth = source.read(directory / "a.h5ad")
    said = summary(directory / "a.h5ad", directory / "a.sfs", "--sort-genes", *arguments)
    check(directory / "a.sfs", truth)
    for each in said["matrices"]:
        matrix = truth.matrices[each["name"]]
        assert (each["nnz"], each["duplicates"]) == (matrix.nnz, matrix.duplicates)
        assert matrix.dense or each["explicit_zeros"] == matrix.explicit_zeros
