# SPDX-License-Identifier: Apache-2.0
"""More than 2^32 rows, nearly all of them empty: planned, addressed and read correctly.

The .h5ad is tiny: of a chunked indptr full of zeros only the last chunks are stored.
"""
import h5py
import numpy as np
import pytest

import csr_reader
import harness
import model
import source

pytestmark = pytest.mark.large

CHUNK = 1 << 20
FILLED = 6000                                           # rows with entries, at the end
N = 2**32 + 5000
EACH, COLUMNS = 3, 1000


@pytest.fixture(scope="module")
def filled():
    """The rows at the end, as a matrix of their own."""
    rng = np.random.default_rng(6)
    indices = np.sort(np.argsort(rng.random((FILLED, COLUMNS)), axis=1)[:, :EACH], axis=1).ravel().astype("i4")
    return source.Matrix(FILLED, COLUMNS, np.arange(FILLED + 1) * EACH, indices, rng.integers(1, 99, FILLED * EACH).astype("f4"), False)


@pytest.fixture(scope="module")
def collection(filled, convert, tmp_path_factory):
    path = tmp_path_factory.mktemp("huge") / "huge.h5ad"
    with h5py.File(path, "w", libver="latest") as h5:
        group = h5.create_group("X")
        group.attrs["encoding-type"], group.attrs["encoding-version"], group.attrs["shape"] = "csr_matrix", "0.1.0", [N, COLUMNS]
        indptr = group.create_dataset("indptr", (N + 1,), "i8", chunks=(CHUNK,), fillvalue=0)
        indptr[N - FILLED:] = filled.indptr
        group.create_dataset("indices", data=filled.indices)
        group.create_dataset("data", data=filled.data)
        for name in ("obs", "var"):
            table = h5.create_group(name)
            table.attrs["encoding-type"], table.attrs["encoding-version"] = "dataframe", "0.2.0"
            table.attrs["column-order"] = np.array([], "f8")
    assert path.stat().st_size < 64 << 20
    return convert(path, build=harness.RELEASE)


def check(blob, rows, filled):
    """These rows, with the entries of those that are in the filled part."""
    batch = csr_reader.parse(blob)
    assert batch.rows.tolist() == list(rows) and batch.n_cols == COLUMNS
    for i, row in enumerate(rows):
        columns, values = batch.row(i)
        if row < N - FILLED:
            assert len(columns) == 0, row
        else:
            _, expected_columns, expected_values = filled.take([row - (N - FILLED)])
            assert columns.tolist() == expected_columns.tolist() and values.tolist() == expected_values.tolist(), row


def test_sequential(collection, filled, mount):
    """The first and the last batches in the order of the store."""
    view = model.View(batch_size=1000, world_size=2, order="sequential")
    steps = view.steps(N)
    with mount(collection, build=harness.RELEASE, **view.options()) as mounted:
        for batch in (0, steps // 2, steps - 4, steps - 3, steps - 2, steps - 1):
            for rank in (0, 1):
                check(mounted.read(f"epoch_0/rank_{rank}/batch_{batch}.csr"), view.rows(N, 0, rank, batch), filled)
        assert not (mounted / f"epoch_0/rank_0/batch_{steps}.csr").exists()


@pytest.mark.parametrize("order", [{}, {"order": "block", "block_size": 1000, "window": 100_000}], ids=["shuffle", "block"])
def test_shuffled(collection, filled, mount, order):
    """The batches that hold some of the filled rows, found by the inverse of the order."""
    view = model.View(batch_size=256, seed=9, **order)
    with mount(collection, build=harness.RELEASE, **view.options()) as mounted:
        for epoch in (0, 77):
            plan = view.epoch_order(N, epoch)
            for row in (N - 1, 4294967300, 2**32, 2**32 - 1, N - FILLED, 0):
                batch = plan.position(row) // view.batch_size
                if batch < view.steps(N):
                    rows = view.rows(N, epoch, 0, batch, plan)
                    assert row in rows
                    check(mounted.read(f"epoch_{epoch}/rank_0/batch_{batch}.csr"), rows, filled)


def test_rows(collection, filled, mount):
    with mount(collection, build=harness.RELEASE) as mounted:
        for name, rows in (("0", [0]), ("4294967300", [4294967300]), (f"{N - 1}", [N - 1]), ("4294967290-4294967310", range(4294967290, 4294967311)),
                           ("4294967299,3,4294967296", [4294967299, 3, 4294967296]), ("2147483648", [2**31])):
            check(mounted.read(f"rows/{name}.csr"), rows, filled)
        assert not (mounted / f"rows/{N}.csr").exists()


def test_numbers_beyond_32_bits_are_not_cut(collection, mount):
    """2^32 + k is not k, as a batch number too."""
    with mount(collection, build=harness.RELEASE, batch_size=1) as mounted:
        batch = 2**32 + 1234
        view = model.View(batch_size=1)
        for name in (f"epoch_3/rank_0/batch_{batch}/rows.npy", f"epoch_3/rank_0/batch_{batch - 2**32}/rows.npy"):
            number = int(name.split("batch_")[1].split("/")[0])
            assert np.load(mounted / name).tolist() == view.rows(N, 3, 0, number)
        assert not (mounted / f"epoch_3/rank_0/batch_{N}.csr").exists()
