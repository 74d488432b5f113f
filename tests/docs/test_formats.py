# SPDX-License-Identifier: Apache-2.0
"""docs/collection-format.md and docs/batch-format.md say all that a reader needs: the readers written from them give what
`shufflefs --cat` gives, and what h5py reads from the source."""
import json
import random
import re
import shutil

import numpy as np
import pytest

import collection_reader
import csv_lines
import csr_reader
import document
import h5ad_corpus
import harness
import model
import packed_record
import source
from h5ad_write import Sparse, write_h5ad

SYNTHETIC = "synthetic:rows=150,vars=300,density=0.06,seed=3"
FILES = ["csr_csc_dense_raw_and_layers", "obsm_arrays", "raw_dense_and_narrower", "every_kind_of_column", "odd_column_names", "special_values",
         "extreme_integers", "explicit_zeros", "fixed_width_strings", "as_in_2018", "as_in_2020_lzf", "empty_rows_at_both_ends",
         "only_empty_rows", "no_x", "no_x_but_layer", "no_rows", "no_rows_dense", "no_columns", "dtype_b1", "dtype_f2", "big_endian_u4"]
ARGUMENTS = {"as is": (), "raw in shards": ("--codec", "raw", "--shard-rows", "17"),
             "dense in shards": ("--codec", "dense", "--shard-rows", "65"),
             "packed in shards": ("--codec", "packed", "--shard-rows", "65"), "shards of a row": ("--shard-rows", "1")}
CASES = [(name, how) for name in FILES for how in list(ARGUMENTS)[:4]] + [("one_row_one_column", "shards of a row"),
                                                                             ("special_values", "shards of a row")]


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case))
def made(request, convert, tmp_path):
    """(collection's path, the same as read by the reader, path of the source)"""
    name, how = request.param
    path = tmp_path / f"{name}.h5ad"
    h5ad_corpus.FILES[name](path)
    collection = convert(path, *ARGUMENTS[how])
    return collection, collection_reader.read(collection), path


@pytest.fixture(params=ARGUMENTS)
def synthetic(request, convert):
    collection = convert(SYNTHETIC, *ARGUMENTS[request.param])
    return collection, collection_reader.read(collection)


def arrays(matrix):
    """A matrix of the reader as (indptr, indices, data)."""
    lengths = [len(indices) for indices, _ in matrix.rows]
    empty = [(np.zeros(0, "<i4"), np.zeros(0, matrix.dtype))]
    indices, data = (np.concatenate(each) for each in zip(*empty, *matrix.rows))
    return np.concatenate([[0], np.cumsum(lengths, dtype="<i8")]).astype("<i8"), indices, data


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def check_against_cat(path, collection):
    for name, matrix in collection.matrices.items():
        directory = "layers/" + model.encode(name[len("layers/"):]) if name.startswith("layers/") else name
        for part, array in zip(("indptr", "indices", "data"), arrays(matrix)):
            assert harness.cat(path, f"{directory}/{part}.npy") == model.npy(array), f"{directory}/{part}"
    for name, (_, columns) in collection.tables.items():
        directory = name.replace("_", "/")
        expected = {}
        for column in columns:
            expected.update(column_files(column))
        listed = harness.cat(path, directory).decode().splitlines()
        assert sorted(listed) == sorted(expected), directory
        for file in random.Random(1).sample(sorted(expected), min(12, len(expected))):
            assert harness.cat(path, f"{directory}/{file}") == expected[file], f"{directory}/{file}"


def check_lines(path, collection):
    """Every table as CSV is that of the document, and its lines are where the collection says."""
    for name, begins in collection.lines.items():
        expected = csv_lines.lines(collection.tables[name][1], len(begins) - 1)
        assert np.diff(begins).tolist() == [len(line) for line in expected[1:]], name
        assert harness.cat(path, f"{name.replace('_', '/')}.csv") == b"".join(expected), name
    assert set(collection.lines) == set(collection.tables) - {"obsm"}


def column_files(column):
    name, files = model.encode(column.name), {}
    if column.kind == "string":
        files[f"{name}.txt"] = lines(column.values)
        files[f"{name}.npy"] = model.npy(np.array(column.values, f"S{max(column.width, 1)}"))
    else:
        files[f"{name}.npy"] = model.npy(column.values)
    if column.mask is not None:
        files[f"{name}.mask.npy"] = model.npy(column.mask)
    if column.kind == "categorical":
        files[f"{name}.categories.txt"] = lines(column.categories)
    return files


def lines(strings):
    return b"".join(s.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\0", b"\\0") + b"\n" for s in strings)


def check_against_source(collection, truth):
    assert set(collection.matrices) == {name if name in ("X", "raw/X") else f"layers/{name}" for name in truth.matrices}
    for name, expected in truth.matrices.items():
        found = collection.matrices[name if name in ("X", "raw/X") else f"layers/{name}"]
        if found.codec == "dense" and not expected.dense:            # explicit zeros cannot be told from others there
            rows = np.repeat(np.arange(expected.n_rows), np.diff(expected.indptr))
            kept = expected.data != 0
            expected = source.from_entries(rows[kept], expected.indices[kept], expected.data[kept], expected.n_rows, expected.n_cols)
        assert found.columns == expected.n_cols
        for a, b in zip(arrays(found), (expected.indptr, expected.indices, expected.data)):
            assert same(a, b), name
    for name, expected in (("obs", truth.obs), ("var", truth.var), ("raw_var", truth.raw_var)):
        if expected is not None:
            check_table(collection.tables[name], expected)


def check_table(table, expected):
    has_index, columns = table
    assert has_index == (expected.index is not None)
    if has_index:
        assert columns[0].values == [name.encode() for name in expected.index]
    found = {column.name: column for column in columns[has_index:]}
    assert list(found) == list(expected.columns), "columns, in their order"
    for name, column in expected.columns.items():
        if column.kind == "string":
            assert found[name].values == [value.encode() for value in column.values], name
            continue
        assert same(found[name].values, column.values), name
        assert (found[name].mask is None) == (column.mask is None) and (column.mask is None or same(found[name].mask, column.mask))
        if column.kind == "categorical":
            texts = [category.decode() for category in found[name].categories]
            assert texts == column.categories or [float(t) for t in texts] == column.categories, name


def test_generated_files(made):
    path, collection, h5ad = made
    check_against_source(collection, source.read(h5ad))
    check_against_cat(path, collection)
    check_lines(path, collection)


def test_synthetic(synthetic):
    path, collection = synthetic
    check_against_cat(path, collection)
    check_lines(path, collection)
    assert {column.name for column in collection.tables["obs"][1]} == {"_index", "plate", "cell_type", "n_counts", "n_genes", "high_depth"}


# --- batches -------------------------------------------------------------------------------------------------------

BATCHES = ["epoch_0/rank_0/batch_0.csr", "epoch_0/rank_1/batch_4.csr", "epoch_77/rank_1/batch_2.csr", "rows/7.csr", "rows/3-90.csr",
           "rows/5,3,3,149.csr"]
OPTIONS = {"batch_size": 16, "world_size": 2, "seed": 2**64 - 1, "tail": "pad"}


@pytest.mark.parametrize("name", BATCHES)
def test_batches_have_the_rows_they_name(synthetic, name):
    path, collection = synthetic
    batch = csr_reader.parse(harness.cat(path, name, **OPTIONS))
    matrix = collection.matrices["X"]
    assert batch.n_cols == matrix.columns and batch.order_version == 1 and batch.seed == 2**64 - 1
    place = [int(number) for number in re.findall(r"\d+", name)] if name.startswith("epoch") else [-1, -1, -1]
    assert [batch.epoch, batch.rank, batch.batch] == place
    for i, number in enumerate(batch.rows):
        assert all(same(a, b) for a, b in zip(batch.row(i), matrix.rows[number])), f"row {number} of {name}"
    if name.endswith("batch_4.csr"):                    # 150 rows in steps of 32: 22 are left, 11 a rank
        assert batch.n_rows == 11 and batch.repeated == 0
    if name.startswith("rows/5"):
        assert batch.rows.tolist() == [5, 3, 3, 149]


@pytest.mark.parametrize("tail,rank,rows,repeated", [("pad", 6, 4, 4), ("pad", 5, 4, 0), ("keep", 2, 4, 0), ("keep", 6, 3, 0), ("even", 6, 3, 0)])
def test_the_last_step(convert, tail, rank, rows, repeated):
    """150 rows on 7 ranks, batches of 18: 24 are left for the last step."""
    path = convert(SYNTHETIC)
    batch = csr_reader.parse(harness.cat(path, f"epoch_0/rank_{rank}/batch_1.csr", batch_size=18, world_size=7, tail=tail))
    assert (batch.n_rows, batch.repeated) == (rows, repeated)
    if repeated:
        first = csr_reader.parse(harness.cat(path, "epoch_0/rank_0/batch_0.csr", batch_size=18, world_size=7))
        assert batch.rows[-repeated:].tolist() == first.rows[:repeated].tolist(), "the last ones repeat the first ones"


def test_the_reader_in_the_document(convert, tmp_path):
    """docs/batch-format.md's own reader reads a batch, and its numbers of bytes hold."""
    path = convert(SYNTHETIC)
    blob = harness.cat(path, "epoch_1/rank_0/batch_0.csr", batch_size=16)
    (tmp_path / "b.csr").write_bytes(blob)
    code, = (block.text for block in document.blocks("docs/batch-format.md") if "def read_batch" in block.text)
    names = {}
    exec(code, names)
    X, rows = names["read_batch"](tmp_path / "b.csr")
    batch = csr_reader.parse(blob)
    assert X.shape == (16, 300) and rows.tolist() == batch.rows.tolist()
    assert same(X.data, batch.data) and same(X.indices, batch.indices) and same(X.indptr, batch.indptr)
    assert int.from_bytes(blob[8:16], "little") == 640, "the document says that the header has 640 bytes"


def test_the_splitter_in_the_document(convert, tmp_path):
    """And the one beside it takes a file of several batches apart."""
    path, view = convert(SYNTHETIC), {"batch_size": 4, "world_size": 23, "tail": "keep"}
    code, = (block.text for block in document.blocks("docs/batch-format.md") if "def split_run" in block.text)
    names = {}
    exec(code, names)
    (tmp_path / "run.csr").write_bytes(harness.cat(path, "epoch_1/rank_22/batches_0-1.csr", **view))
    expected = [harness.cat(path, f"epoch_1/rank_22/batch_{k}.csr", **view) for k in range(2)]
    assert [each.tobytes() for each in names["split_run"](tmp_path / "run.csr")] == expected


# --- what collection-format.md says of collection.json -------------------------------------------------------------

def members(value, inside=""):
    """All keys of objects, but the names in files and the types in inexact."""
    if isinstance(value, dict):
        for key, each in value.items():
            if inside not in ("files", "inexact"):
                yield key
            yield from members(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from members(each)


def test_every_key_is_in_the_grammar(made):
    grammar = document.blocks("docs/collection-format.md")[0].text
    known = set(re.findall(r'"(\w+)":', grammar)) | {"checksum"}
    assert set(members(made[1].description)) <= known


def test_file_names_are_as_documented(made):
    pattern = (r"(obs\.csv(\.s\d+)?|(raw_)?var\.csv)\.(bases|deltas)\.npy|s\d+\.m\d+\.(bases|deltas|nnz|checks|record_bases|record_deltas|indices|data)\.npy|obsm?\.\d+(\.s\d+)?\.(values|mask|text|offsets)\.npy|"
               r"(raw_)?var\.\d+\.(values|mask|text|offsets)\.npy|(obs|var|raw_var)\.\d+\.categories\.(text|offsets)\.npy|g1\.sums\.npy")
    for name in made[1].description["files"]:
        assert re.fullmatch(pattern, name), name


@pytest.mark.parametrize("how", ["as is", "raw in shards", "dense in shards"])
def test_no_byte_is_uncovered(how, convert, tmp_path):
    """A byte changed in any file is noticed by a reader that checks what the document says; so is a file cut short."""
    h5ad_corpus.FILES["every_kind_of_column"](tmp_path / "a.h5ad")
    whole = convert(tmp_path / "a.h5ad", *ARGUMENTS[how])
    rng = random.Random(how)
    for file in sorted(whole.iterdir()):
        broken = tmp_path / "broken.sfs"
        shutil.copytree(whole, broken)
        data = bytearray(file.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (broken / file.name).write_bytes(data)
        if not unused(whole, file, data):
            with pytest.raises((collection_reader.Damaged, ValueError)):
                collection_reader.read(broken)
        (broken / file.name).write_bytes(file.read_bytes()[:-2])
        with pytest.raises((collection_reader.Damaged, ValueError)):
            collection_reader.read(broken)
        shutil.rmtree(broken)


def unused(whole, file, data):
    """Whether only a byte of an empty row of a dense matrix was changed, or white space behind the checksum."""
    before = file.read_bytes()
    at = next(i for i, (a, b) in enumerate(zip(before, data)) if a != b)
    if file.name == "collection.json":
        return before[at:].strip(b"}\n ") == b""
    description = json.loads((whole / "collection.json").read_text())
    for matrix in description["matrices"]:
        for shard in matrix["shards"]:
            if shard["data"] == file.name and matrix["codec"] == "dense" and at >= 128:
                row = (at - 128) // (matrix["columns"] * np.dtype(matrix["dtype"]).itemsize)
                return np.load(whole / shard["nnz"])[row] == 0
    return False


def test_numpy_opens_every_file(made):
    path, collection, _ = made
    for name in collection.description["files"]:
        np.load(path / name, mmap_mode="r" if collection.description["files"][name]["bytes"] > 128 else None)


# --- what collection-format.md says of records ---------------------------------------------------------------------

def records_in_the_document():
    return [bytes.fromhex(block.text) for block in document.blocks("docs/collection-format.md") if re.fullmatch(r"[0-9A-F\s]+", block.text)]


def test_the_records_in_the_document():
    first, second = records_in_the_document()
    columns, values = packed_record.decode(first, 3, "<f4", 301)
    assert columns.tolist() == [5, 6, 300] and values.tolist() == [1, 3, 2]
    columns, values = packed_record.decode(second, 9, "<f4", 1008)
    assert columns.tolist() == [*range(8), 1007] and values.tolist() == [1] * 8 + [200]


def rows_of_every_mode(dtype, rng):
    """Values of a row each: counts, numbers, few distinct ones, many of which none compresses, and many of which some do."""
    any_bits = np.frombuffer(rng.bytes(3000 * np.dtype(dtype).itemsize), dtype)
    yield rng.integers(1, 60, 700).astype(dtype)
    yield rng.integers(0, 3, 129).astype(dtype)
    yield rng.choice(any_bits[:60], 800)
    yield any_bits[:300]
    yield (any_bits.view(f"<u{np.dtype(dtype).itemsize}") & ((1 << 4 * np.dtype(dtype).itemsize) - 1)).view(dtype)


@pytest.mark.parametrize("dtype, modes", [
    ("<f4", [0, 1, 2, 3, 4]), ("<f8", [0, 1, 2, 3, 4]), ("<f2", [2, 2, 2, 3, 2]), ("<i4", [0, 1, 2, 3, 0]),
    ("<i8", [0, 1, 2, 3, 4]), ("<u2", [0, 1, 2, 3, 1]), ("|i1", [0, 1, 3, 3, 1])])
def test_records_of_every_mode(dtype, modes, convert, tmp_path):
    """What the reader makes of records is what was converted, bit for bit."""
    rng = np.random.default_rng(5)
    rows = list(rows_of_every_mode(dtype, rng))
    columns = [np.sort(rng.choice(60_000, len(values), replace=False)) for values in rows]
    indptr = np.concatenate([[0], np.cumsum([len(values) for values in rows])])
    write_h5ad(tmp_path / "a.h5ad", Sparse(indptr, np.concatenate(columns), np.concatenate(rows), (len(rows), 60_000)))
    made = convert(tmp_path / "a.h5ad", "--codec", "packed")
    found = collection_reader.read(made).matrices["X"]
    for (indices, values), column, value in zip(found.rows, columns, rows):
        assert (indices == column).all() and values.tobytes() == value.tobytes()
    check_against_cat(made, collection_reader.read(made))
    assert [record[0] % 8 for record in records_of(made)] == modes


def records_of(collection):
    shard, = json.loads((collection / "collection.json").read_text())["matrices"][0]["shards"]
    bases, deltas, data = (np.load(collection / shard[name]) for name in ("record_bases", "record_deltas", "data"))
    begins = [*(bases[np.arange(len(deltas)) // 64] + deltas), len(data)]
    return [data[int(a):int(b)].tobytes() for a, b in zip(begins, begins[1:])]
