# SPDX-License-Identifier: Apache-2.0
"""Tables as CSV: what pandas and Python's csv module read is what went into the collection; whole files over mounts, and the lines
of chosen rows (tests/unit/read_rows.c), in any range of bytes."""
import csv
import io
import json
import os
import random
import shutil

import anndata
import h5py
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import collection_reader
import craft
import csv_lines
import h5ad_corpus
import harness
import model
from h5ad_write import Categorical, Frame, Nullable, names, random_sparse, write_h5ad
from test_row_files import SHARDS, read_rows, some_rows


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "a.h5ad"
    h5ad_corpus.FILES["every_kind_of_column"](path)
    return path


def frame(rng, n):
    """Every kind of column that pandas keeps through CSV."""
    strings = np.array(["plain", "a,b", 'say "x"', "größe", "two words", "line\nbreak"], object)
    return pd.DataFrame({
        "n_genes": rng.integers(0, 9999, n), "score": rng.normal(size=n), "single": rng.normal(size=n).astype("f4"),
        "with_nan": np.where(rng.random(n) < 0.3, np.nan, rng.random(n)), "flag": rng.random(n) < 0.5,
        "large": rng.integers(-2**62, 2**62, n), "text": rng.choice(strings, n), "huge": rng.normal(size=n) * 1e300,
        "type": pd.Categorical.from_codes(rng.integers(0, 3, n), ["B cell", "T cell", "NK, other"])}, index=[f"cell-{i}" for i in range(n)])


@pytest.mark.parametrize("shards", [(), ("--shard-rows", "97")], ids=["one shard", "shards of 97"])
def test_pandas_reads_what_anndata_has(shards, convert, mount, tmp_path):
    n, rng = 500, np.random.default_rng(3)
    adata = anndata.AnnData(sp.random(n, 4, 0.5, "csr", np.float32, rng), obs=frame(rng, n), var=frame(rng, 4))
    adata.write_h5ad(tmp_path / "a.h5ad")
    with mount(convert(tmp_path / "a.h5ad", *shards)) as mounted:
        for name, expected in (("obs.csv", adata.obs), ("var.csv", adata.var)):
            types = {key: dtype for key, dtype in expected.dtypes.items() if dtype == "f4" or dtype == "category"}
            found = pd.read_csv(mounted / name, index_col=0, dtype=types, float_precision="round_trip")
            assert found.index.name == "_index" and (mounted / name).stat().st_size == len(mounted.read(name))
            pd.testing.assert_frame_equal(found.rename_axis(None), expected, check_exact=True, check_categorical=False)
            assert list(found["type"].cat.categories) == list(expected["type"].cat.categories)


def test_strings_come_back(every_kind, convert):
    """Newlines, quotes, commas, unicode: fields are the strings, as far as CSV keeps them."""
    blob = harness.cat(convert(every_kind), "obs.csv")
    header, *rows = list(csv.reader(io.StringIO(blob.decode(), newline="")))
    columns = dict(zip(header, zip(*rows)))
    assert header[0] == "_index" and columns["_index"] == tuple(f"cell{i}" for i in range(28))
    assert columns["strings"] == tuple(h5ad_corpus.AWKWARD * 2) and columns["empty_strings"] == ("",) * 28
    codes = np.frombuffer(harness.cat(convert(every_kind), "obs/categorical.npy"), "<i4", offset=128)
    assert columns["categorical"] == tuple(h5ad_corpus.AWKWARD[code] if code >= 0 else "" for code in codes)
    assert blob.count(b"\r") == 2 + (codes == h5ad_corpus.AWKWARD.index("\r")).sum() and b'"\r"' in blob


def test_ranges_over_a_mount(every_kind, convert, mount):
    """Any range of bytes, read from the mount at random, is that of the whole."""
    rng = random.Random(4)
    for arguments in SHARDS.values():
        collection = convert(every_kind, *arguments)
        whole = harness.cat(collection, "obs.csv")
        with mount(collection, cache="never") as mounted, open(mounted / "obs.csv", "rb", buffering=0) as file:
            assert os.fstat(file.fileno()).st_size == len(whole)
            for _ in range(300):
                offset, length = rng.randrange(len(whole) + 10), rng.choice([1, 7, 100, 5000])
                assert os.pread(file.fileno(), length, offset) == whole[offset:offset + length]


@pytest.mark.parametrize("shards", SHARDS)
def test_rows(shards, every_kind, convert):
    check_rows(convert(every_kind, *SHARDS[shards]))


def check_rows(collection):
    """The lines of some rows, as the file that a batch has, and the whole file."""
    read = collection_reader.read(collection)
    for table in ("obs", "var"):
        columns = read.tables[table][1]
        n = read.description["rows" if table == "obs" else "variables"]
        lines = csv_lines.lines(columns, n)
        if table in read.lines:
            assert harness.cat(collection, f"{table}.csv") == b"".join(lines)
        if table == "obs" and n and read.matrices:
            wanted = list(some_rows(n, len(columns)))
            found = read_rows(collection, [("csv", "obs", 0, text) for text, _ in wanted])
            assert found == [b"".join([lines[0], *(lines[1 + row] for row in rows)]) for _, rows in wanted]


# --- tables of any kind --------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=6) | st.sampled_from(h5ad_corpus.AWKWARD)
NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0/."), min_size=1, max_size=8)
NUMBERS = st.sampled_from(["<f8", "<f4", "<f2", "<i8", "|i1", "|u1", "<u4", "|b1"])


@st.composite
def columns_of(draw, n):
    kind = draw(st.sampled_from(["number", "nullable", "text", "categorical"]))
    if kind == "text":
        return draw(st.lists(TEXTS, min_size=n, max_size=n))
    if kind == "categorical":
        categories = draw(st.lists(TEXTS, max_size=4, unique=True))
        codes = draw(st.lists(st.integers(-1, len(categories) - 1), min_size=n, max_size=n))
        return Categorical(np.array(codes, "i1"), categories)
    dtype = np.dtype(draw(NUMBERS if kind == "number" else st.sampled_from(["<i8", "|b1"])))
    values = np.frombuffer(draw(st.binary(min_size=n * dtype.itemsize, max_size=n * dtype.itemsize)), dtype)
    if dtype.kind == "b":
        values = (values.view("u1") % 2).astype("?")
    if kind == "number":
        return values
    return Nullable(values, np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool))


@st.composite
def frames(draw):
    n = draw(st.integers(1, 9))
    keys = draw(st.lists(NAMES.filter(lambda key: key not in ("_index", "index", "__categories")), max_size=4, unique=True))
    return Frame(draw(st.lists(TEXTS, min_size=n, max_size=n)), {key: draw(columns_of(n)) for key in keys})


@hypothesis.settings(max_examples=60)
@hypothesis.given(frames(), st.sampled_from([(), ("--shard-rows", "2")]))
def test_any_table(tmp_path_factory, table, arguments):
    directory = tmp_path_factory.mktemp("any")
    write_h5ad(directory / "a.h5ad", random_sparse(np.random.default_rng(0), len(table.index), 3), obs=table)
    done = harness.mkshufflefs(directory / "a.h5ad", directory / "a.sfs", "--quiet", *arguments)
    assert done.returncode == 0, done.stderr.decode()
    check_rows(directory / "a.sfs")
    if any("\0" in text for text in table.index):
        return
    header, *rows = csv.reader(io.StringIO(harness.cat(directory / "a.sfs", "obs.csv").decode(), newline=""))
    assert header == ["_index", *table.columns] and [row[0] for row in rows] == table.index
    for i, (key, column) in enumerate(table.columns.items()):
        found = [row[1 + i] for row in rows]
        if isinstance(column, list):
            assert found == column, key
        elif isinstance(column, Categorical):
            assert found == [column.categories[code] if code >= 0 else "" for code in column.codes], key
        elif isinstance(column, Nullable):
            assert found == ["" if gone else str(value) for value, gone in zip(column.values, column.mask)], key
        else:
            assert [column.dtype.type(text == "True" if column.dtype.kind == "b" else text or "nan") for text in found] == \
                pytest.approx(list(column), rel=0, abs=0, nan_ok=True), key


@pytest.mark.parametrize("name", ["no_rows", "no_x", "no_columns", "fixed_width_strings", "as_in_2018", "columns_not_in_their_order",
                                  "raw_dense_and_narrower", "odd_column_names"])
def test_odd_tables(name, convert, tmp_path):
    h5ad_corpus.FILES[name](tmp_path / "a.h5ad")
    check_rows(convert(tmp_path / "a.h5ad"))


def test_without_an_index(convert, tmp_path):
    """A single column, where a missing value must not become an empty line; and no column at all."""
    for columns, expected in (({"a": np.array([1.5, np.nan, 2])}, b'a\n1.5\n""\n2.0\n'), ({}, b"\n\n\n\n")):
        write_h5ad(tmp_path / "a.h5ad", random_sparse(np.random.default_rng(0), 3, 3), obs=Frame(names("c", 3), columns))
        with h5py.File(tmp_path / "a.h5ad", "a") as h5:
            del h5["obs"].attrs["_index"], h5["obs/_index"]
        assert harness.cat(convert(tmp_path / "a.h5ad"), "obs.csv") == expected
        check_rows(convert(tmp_path / "a.h5ad"))


def test_a_string_of_megabytes(convert, mount, tmp_path):
    """It is read in pieces, and measured, without memory for it."""
    text = 'é"\n,' * 500_000
    write_h5ad(tmp_path / "a.h5ad", random_sparse(np.random.default_rng(0), 3, 3), obs=Frame(["a", text, "b"], {"x": [text, "", "y"]}))
    collection, field = convert(tmp_path / "a.h5ad"), csv_lines.quoted(text.encode())
    with mount(collection) as mounted:
        assert mounted.read("obs.csv") == b"_index,x\na," + field + b"\n" + field + b',""\nb,y\n'


# --- the lengths of lines ------------------------------------------------------------------------------------------

def copy(collection, path):
    shutil.copytree(collection, path)
    return path


CHANGES = {"none": lambda table: table.pop("csv"), "version 2": lambda table: table["csv"].update(version=2)}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_without_known_lengths(change, every_kind, convert, tmp_path):
    """There is no whole file then; the lines of a batch are the same."""
    known = convert(every_kind)
    unknown = copy(known, tmp_path / "unknown.sfs")
    craft.describe(unknown, lambda root: change(root["tables"]["obs"]))
    assert "obs.csv" not in harness.cat(unknown, "").decode().splitlines() and harness.cat(unknown, "var.csv")
    assert harness.cat_result(unknown, "obs.csv").returncode != 0
    requests = [("csv", "obs", 0, text) for text, _ in some_rows(28, 0)]
    assert read_rows(unknown, requests) == read_rows(known, requests)


def test_lengths_that_are_wrong(every_kind, convert, tmp_path):
    """With the right checksums: every byte of a row is as it must be, or the read fails."""
    deltas = json.loads((convert(every_kind) / "collection.json").read_text())["tables"]["obs"]["csv"]["parts"][0]["deltas"]
    whole = harness.cat(convert(every_kind), "obs.csv")
    for number, (row, delta) in enumerate([(3, 1), (0, 5), (27, -1), (10, -10**6), (5, 2**31)]):
        crafted = copy(convert(every_kind), tmp_path / f"{number}.sfs")
        array = np.load(crafted / deltas)
        array[row] = np.uint32((int(array[row]) + delta) % 2**32)
        (crafted / deltas).write_bytes(model.npy(array))
        craft.sum_again(crafted, deltas)
        done = harness.cat_result(crafted, "obs.csv")
        assert done.returncode != 0 and b"convert the data again" in done.stderr and whole.startswith(done.stdout)
        for text, rows in [(str(row), [row]), (f"{max(row - 1, 0)}+2" if row < 27 else "26+2", None)]:
            said = read_rows(crafted, [("csv", "obs", 0, text)])
            assert len(said) == 1 and "convert the data again" in said[0]


@pytest.mark.parametrize("role", ["bases", "deltas"])
def test_damaged_lengths(role, every_kind, convert, tmp_path):
    damaged = copy(convert(every_kind), tmp_path / "damaged.sfs")
    name = json.loads((damaged / "collection.json").read_text())["tables"]["obs"]["csv"]["parts"][0][role]
    blob = bytearray((damaged / name).read_bytes())
    blob[-1] ^= 1
    (damaged / name).write_bytes(blob)
    done = harness.cat_result(damaged, "obs.csv")
    assert done.returncode != 0 and name in done.stderr.decode() and "checksum" in done.stderr.decode()


def test_lines_that_may_be_too_long(convert, tmp_path):
    """64 of them would not fit 32 bits: the table is no file, which is said, and a batch's lines are measured as they come."""
    text = "x" * (1 << 25)
    write_h5ad(tmp_path / "a.h5ad", random_sparse(np.random.default_rng(0), 2, 3), obs=Frame(["a", text]))
    done = harness.mkshufflefs(tmp_path / "a.h5ad", tmp_path / "a.sfs")
    assert done.returncode == 0 and "obs.csv: left out" in done.stderr.decode()
    assert "obs.csv" not in harness.cat(tmp_path / "a.sfs", "").decode().splitlines()
    assert "var.csv" in harness.cat(tmp_path / "a.sfs", "").decode().splitlines()
