# SPDX-License-Identifier: Apache-2.0
"""Files of chosen rows of tables (tests/unit/read_rows.c), whichever the rows and the shards, in any range of bytes: what numpy
takes from the whole columns."""
import json
import random
import shutil
import struct
import subprocess

import numpy as np
import pytest

import collection_reader
import csr_reader
import h5ad_corpus
import harness
import model
import source
from h5ad_write import Frame, Nullable, names, random_sparse, write_h5ad

SHARDS = {"one shard": (), "shards of 5": ("--shard-rows", "5"), "shards of 1": ("--shard-rows", "1")}
FAILED = 2**64 - 1


def read_rows(collection, requests):
    """The file that each request (words of a line) is answered with; or the sentences on stderr, where all fail."""
    lines = "".join(" ".join(map(str, request)) + "\n" for request in requests)
    done = subprocess.run([harness.BUILD / "read_rows", collection], input=lines.encode(), capture_output=True)
    harness.check_sanitizers(done.stderr.decode())
    answers, at = [], 0
    while at < len(done.stdout):
        size, = struct.unpack_from("<Q", done.stdout, at)
        answers.append(None if size == FAILED else done.stdout[at + 8:at + 8 + size])
        at += 8 + (0 if size == FAILED else size)
    assert done.returncode == 0 and len(answers) == len(requests), done.stderr.decode()
    if None in answers:
        assert set(answers) == {None}
        return done.stderr.decode().splitlines()
    assert done.stderr == b""
    return answers


def some_rows(n, seed):
    """Row lists: none, one, the last, repeats, a permutation, many at random; and runs, as text and as numbers."""
    rng = random.Random(seed)
    lists = [[], [0], [n - 1], [n - 1, 0, 0, n - 1], rng.sample(range(n), n), [rng.randrange(n) for _ in range(3 * n)]]
    for rows in lists:
        yield ",".join(map(str, rows)) or "-", rows
    for first, count in ((0, n), (0, 0), (n // 3, n // 2), (n - 1, 1)):
        yield f"{first}+{count}", list(range(first, first + count))


def as_array(column):
    return np.array(column.values, f"S{max(column.width, 1)}") if column.kind == "string" else column.values


@pytest.mark.parametrize("shards", SHARDS)
@pytest.mark.parametrize("name", ["every_kind_of_column", "obsm_arrays"])
def test_columns(name, shards, convert, tmp_path):
    h5ad_corpus.FILES[name](tmp_path / "a.h5ad")
    collection = convert(tmp_path / "a.h5ad", *SHARDS[shards])
    tables = collection_reader.read(collection).tables
    requests, expected = [], []
    for table in ("obs", "obsm") if "obsm" in tables else ("obs",):
        for place, column in enumerate(tables[table][1]):
            for text, rows in some_rows(len(column.values), place):
                requests.append(("npy", table, place, text))
                expected.append(model.npy(as_array(column)[rows]))
                if column.mask is not None:
                    requests.append(("mask", table, place, text))
                    expected.append(model.npy(column.mask[rows]))
    for request, got, wanted in zip(requests, read_rows(collection, requests), expected):
        assert got == wanted, request


@pytest.mark.parametrize("role", ["values", "mask", "text", "offsets"])
def test_damaged_columns(role, convert, tmp_path):
    """A byte that changed is never read as a value."""
    h5ad_corpus.FILES["every_kind_of_column"](tmp_path / "a.h5ad")
    damaged = tmp_path / "damaged.sfs"
    shutil.copytree(convert(tmp_path / "a.h5ad"), damaged)
    columns = json.loads((damaged / "collection.json").read_text())["tables"]["obs"]["columns"]
    place = next(i for i, column in enumerate(columns) if role in column["parts"][0])
    path = damaged / columns[place]["parts"][0][role]
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes(blob)
    done = harness.run([harness.BUILD / "read_rows", damaged], timeout=60)
    if done.returncode == 0:                            # the page with the header is checked when the collection is opened
        said, = read_rows(damaged, [("mask" if role == "mask" else "npy", "obs", place, "0,1,2")])
        assert path.name in said and "checksum" in said


@pytest.mark.parametrize("shards", SHARDS)
@pytest.mark.parametrize("name", ["every_kind_of_column", "obsm_arrays"])
def test_sections_of_a_csr(name, shards, convert, tmp_path):
    """A .csr with a column of obs or an array of obsm: those of its rows, and all that it has without."""
    h5ad_corpus.FILES[name](tmp_path / "a.h5ad")
    collection = convert(tmp_path / "a.h5ad", *SHARDS[shards])
    tables = collection_reader.read(collection).tables
    table, truth = "obsm" if "obsm" in tables else "obs", source.read(tmp_path / "a.h5ad").matrices["X"]
    for place, column in enumerate(tables[table][1]):
        texts, lists = zip(*some_rows(len(column.values), place))
        for rows, blob in zip(lists, read_rows(collection, [("csr", table, place, text) for text in texts])):
            batch, expected = csr_reader.parse(blob), {f"{table}/{column.name}": as_array(column)[rows]}
            if column.mask is not None:
                expected[f"obs/{column.name}.mask"] = column.mask[rows]
            if table == "obs":
                expected.update({key.replace(column.name, "again"): array for key, array in list(expected.items())})
            assert batch.rows.tolist() == rows and list(batch.columns) == list(expected)
            for key, array in expected.items():
                assert batch.columns[key].dtype == array.dtype and batch.columns[key].tobytes() == array.tobytes(), key
            indptr, indices, data = truth.take(rows)
            assert (batch.indptr == indptr).all() and (batch.indices == indices).all() and batch.data.tobytes() == data.tobytes()


def test_sections_that_cannot_be(convert, tmp_path):
    """Names that do not fit, and names that are there twice."""
    columns = {"a" * 91: np.arange(4), "a" * 92: np.arange(4), "again": np.arange(4), "b" * 86: Nullable(np.arange(4), np.zeros(4, bool)),
               "b" * 87: Nullable(np.arange(4), np.zeros(4, bool)), "é" * 46: np.arange(4)}
    write_h5ad(tmp_path / "a.h5ad", random_sparse(np.random.default_rng(0), 4, 3), obs=Frame(names("c", 4), columns))
    collection, said = convert(tmp_path / "a.h5ad"), {}
    for place, name in enumerate(columns, 1):
        answer, = read_rows(collection, [("csr", "obs", place, "0,1")])
        said[name] = answer if isinstance(answer, str) else len(csr_reader.parse(answer).columns)
    assert said["a" * 91] == 2 and said["b" * 86] == 4
    assert "at most 95 bytes, found 96" in said["a" * 92] and "at most 95 bytes, found 96" in said["b" * 87] and "found 96" in said["é" * 46]
    assert "obs/again" in said["again"] and "once" in said["again"]
