# SPDX-License-Identifier: Apache-2.0
"""Batches, matrices and tables of real .h5ad files equal what h5py reads.

The files are those below SHUFFLEFS_TEST_DATA; where it has none, this module is not collected.
"""
import functools

import pytest

import checks
import harness
import source

FILES = {str(path.relative_to(harness.DATA)): path for path in sorted(harness.DATA.rglob("*.h5ad"))}

# Files without a matrix or without rows, by the end of their path, and what a mount of them has. All others have batches.
WITHOUT_BATCHES = {"archives/v0.11.4/adata.h5ad": "no X and no layers, only names: 0 batches"}


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
