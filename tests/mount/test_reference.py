# SPDX-License-Identifier: Apache-2.0
"""The tests' own instruments: the reference order has its frozen vectors, the model's files open with numpy and
scipy, and the reader of batches refuses what is malformed. A model that is wrong would pass a daemon that is wrong alike.
"""
import io
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

import csr_reader
import model
import order as reference
import source

VECTORS = json.loads((Path(reference.__file__).parent / "order_vectors.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["permutation"], ids=lambda v: f"{v['n']}-{v['seed']}-{v['epoch']}")
def test_permutation_vectors(vector):
    order = model.Order(vector["n"], vector["seed"], vector["epoch"])
    assert [order.row(j) for j in vector["position"]] == vector["row"]
    assert [order.position(row) for row in vector["row"]] == vector["position"]


@pytest.mark.parametrize("vector", VECTORS["block"], ids=lambda v: f"{v['n']}-{v['block_size']}-{v['window']}")
def test_block_vectors(vector):
    order = model.Order(vector["n"], vector["seed"], vector["epoch"], "block", vector["block_size"], vector["window"])
    assert [order.row(j) for j in vector["position"]] == vector["row"]
    assert [order.position(row) for row in vector["row"]] == vector["position"]


@pytest.mark.parametrize("dtype", ["|b1", "|i1", "<i4", "<i8", "<f4", "<f8", "|S7"])
def test_npy_is_numpys(dtype):
    for count in (0, 1, 1000):
        array = np.arange(count).astype(dtype)
        assert (np.load(io.BytesIO(model.npy(array))) == array).all()
        assert len(model.npy(array)) == 128 + array.nbytes


def some_matrix():
    rng = np.random.default_rng(3)
    dense = rng.integers(0, 3, (20, 7)).astype("f4")
    dense[4] = 0
    return dense, source.from_dense(dense)


def test_csr_is_read_back():
    dense, matrix = some_matrix()
    rows = [3, 4, 19, 3, 0]
    batch = csr_reader.parse(model.csr(matrix, rows, 5, 2, 1, 2**64 - 1, 2))
    assert (scipy.sparse.csr_matrix((batch.data, batch.indices, batch.indptr), (5, 7)).toarray() == dense[rows]).all()
    assert batch.rows.tolist() == rows and (batch.epoch, batch.rank, batch.batch) == (5, 2, 1)
    assert (batch.seed, batch.repeated, batch.order_version) == (2**64 - 1, 2, 1)


def test_malformed_is_refused():
    """Flipping a bit of the header or the section table is noticed, but for what may have any value."""
    _, matrix = some_matrix()
    blob = model.csr(matrix, range(20))
    data_type = 128 + 128 * model.SECTIONS.index("data") + 96
    free = {*range(24, 32), *range(80, 128), *range(data_type, data_type + 8)}     # n_cols, epoch and what follows, dtype of data
    for at in set(range(640)) - free:
        damaged = bytearray(blob)
        damaged[at] ^= 1
        with pytest.raises((csr_reader.Malformed, ValueError, TypeError, OverflowError)):
            csr_reader.parse(bytes(damaged))
            raise AssertionError(f"byte {at} is not looked at")


def test_repeated_counts_what_pad_repeats():
    for n in range(1, 30):
        for world in (1, 2, 3, 5):
            for size in (1, 3, 4):
                view = model.View(size, world, tail="pad")
                total = sum(view.repeated(n, rank, batch) for rank in range(world) for batch in range(view.steps(n)))
                dealt = sum(len(rows) for _, _, rows in view.batches(n, 0))
                assert dealt - n == total, (n, world, size)


def test_source_sums_duplicates_in_their_order():
    rows, columns = np.array([1, 0, 1, 1]), np.array([2, 1, 2, 0])
    matrix = source.from_entries(rows, columns, np.array([1, 2, 3, 4], "f4"), 3, 3)
    assert (matrix.indptr.tolist(), matrix.indices.tolist(), matrix.data.tolist()) == ([0, 1, 3, 3], [1, 0, 2], [2, 4, 4])
    assert matrix.duplicates == 1
