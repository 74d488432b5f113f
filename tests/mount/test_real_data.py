# SPDX-License-Identifier: Apache-2.0
"""Batches, matrices and tables of real .h5ad files equal what h5py reads.

The files are those below SHUFFLEFS_TEST_DATA; where it has none, this module is not collected.
"""
import functools
import json
import re

import pytest

import checks
import harness
import source

FILES = {str(path.relative_to(harness.DATA)): path for path in sorted(harness.DATA.rglob("*.h5ad"))}

# Files without a matrix or without rows, by the end of their path, and what a mount of them has. All others have batches.
WITHOUT_BATCHES = {"archives/v0.11.4/adata.h5ad": "no X and no layers, only names: 0 batches"}

# A whole Cell Ranger matrix of counts, as its rows and genes come.
COUNTS = [name for name in FILES if re.search(r"heart_1k_v2_counts\.h5ad$", name)]
COUNTS_BYTES = 1.41             # a non-zero: records, where they are, row lengths and checksums


@functools.lru_cache(maxsize=1)
def read(path):
    return source.read(path)


@pytest.mark.parametrize("name", FILES)
def test_matrices(name, convert, mount):
    """Every row of every batch of each matrix, over 2 epochs and 3 ranks, remounted, and with 8 readers at once."""
    truth, collection = read(FILES[name]), convert(FILES[name])
    if any(name.endswith(end) for end in WITHOUT_BATCHES):
        assert not truth.matrices
        checks.check_no_batches(mount, collection)
        return
    assert truth.rows > 0 and truth.matrices
    for layer in truth.matrices:
        checks.check_matrix(mount, collection, truth, layer)


@pytest.mark.parametrize("name", FILES)
def test_tables(name, convert, mount):
    checks.check_tables(mount, convert(FILES[name]), read(FILES[name]))


# --- sizes ---------------------------------------------------------------------------------------------------------

def bytes_of_files(collection, matrix):
    """Bytes of the files of a matrix, with their headers."""
    names = {value for shard in matrix["shards"] for value in shard.values() if isinstance(value, str)}
    return sum((collection / name).stat().st_size for name in names if name.endswith(".npy"))


def described(collection):
    return {each["name"]: each for each in json.loads((collection / "collection.json").read_text())["matrices"]}


@pytest.mark.parametrize("name", FILES)
def test_packed_is_not_larger(name, convert):
    """Than raw, but for the heads of records and their places, which only count in tiny matrices. `pytest -rP` shows the sizes."""
    packed, raw = (convert(FILES[name], "--codec", codec) for codec in ("packed", "raw"))
    rows = read(FILES[name]).rows
    for matrix in described(packed).values():
        small, large = bytes_of_files(packed, matrix), bytes_of_files(raw, described(raw)[matrix["name"]])
        print(f"{matrix['name']}: {small / max(1, matrix['nnz']):.3f} bytes a non-zero packed, {large / max(1, matrix['nnz']):.3f} raw")
        assert small <= large + (9 * rows + 1024 if matrix["nnz"] < 100_000 else 0), matrix["name"]


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_small(name, convert):
    """In the order of the source; of all files of the matrix, headers included."""
    collection = convert(FILES[name], "--codec", "packed")
    matrix = described(collection)["X"]
    assert bytes_of_files(collection, matrix) / matrix["nnz"] <= COUNTS_BYTES
