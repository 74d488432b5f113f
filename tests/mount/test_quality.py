# SPDX-License-Identifier: Apache-2.0
"""How well batches are shuffled, measured on what a mount serves: plate entropy on a sorted collection, and pairs of rows
that stay together by more than chance at a million rows.
"""
import h5py
import numpy as np
import pytest

from h5ad_corpus import no_entries
from h5ad_write import Categorical, Frame, names, write_frame, write_h5ad

PLATES, MILLION, EPOCHS, BATCH = 14, 10**6, 5, 64


def read_epoch(mounted, epoch, world_size, batches):
    """rows.npy of every batch, as an array (batch, rank, row)."""
    return np.array([[np.load(mounted / f"epoch_{epoch}/rank_{rank}/batch_{k}/rows.npy") for rank in range(world_size)] for k in range(batches)])


@pytest.fixture(scope="module")
def plates(convert, tmp_path_factory):
    """200,000 empty rows in 14 plates, sorted by plate."""
    path, n = tmp_path_factory.mktemp("plates") / "plates.h5ad", 200_000
    plate = (np.arange(n) * PLATES // n).astype("i1")
    write_h5ad(path, no_entries(n, 2))
    with h5py.File(path, "a") as h5:
        del h5["obs"]
        write_frame(h5, "obs", Frame(names("", n), {"plate": Categorical(plate, names("plate", PLATES))}))
    return convert(path)


def entropies(labels, classes):
    """Bits of entropy of each row of a table of labels."""
    counts = np.array([np.bincount(each, minlength=classes) for each in labels])
    share = counts / counts.sum(axis=1, keepdims=True)
    return -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=1)


@pytest.mark.parametrize("options", [{}, {"seed": 1}], ids=["seed 0", "seed 1"])
def test_plate_entropy(plates, mount, options):
    """8 ranks, batches of 64: the mean entropy of the plates in a batch is at least 3.60 of log2(14) = 3.81 bits."""
    world = 8
    with mount(plates, batch_size=BATCH, world_size=world, **options) as mounted:
        plate = np.load(mounted / "obs/plate.npy")
        assert (np.diff(plate) >= 0).all() and len(np.unique(plate)) == PLATES
        rows = read_epoch(mounted, 0, world, 200_000 // (BATCH * world))
        bits = entropies(plate[rows].reshape(-1, BATCH), PLATES)
        assert bits.mean() >= 3.60
        by_rank = bits.reshape(-1, world).mean(axis=0)
        assert by_rank.min() >= 3.60, f"a rank has less than the others: {by_rank}"


@pytest.fixture(scope="module")
def orders(convert, mount, tmp_path_factory):
    """The whole order of some epochs of a million rows, for two seeds: {(seed, epoch): row at each position}."""
    path = tmp_path_factory.mktemp("million") / "million.h5ad"
    with h5py.File(path, "w") as h5:
        group = h5.create_group("X")
        group.attrs["encoding-type"], group.attrs["encoding-version"], group.attrs["shape"] = "csr_matrix", "0.1.0", [MILLION, 3]
        group.create_dataset("indptr", data=np.zeros(MILLION + 1, "i8"))
        group.create_dataset("indices", data=np.zeros(0, "i4"))
        group.create_dataset("data", data=np.zeros(0, "f4"))
        write_frame(h5, "obs", Frame([""] * MILLION))
        write_frame(h5, "var", Frame(names("g", 3)))
    orders = {}
    for seed in (0, 1):
        with mount(convert(path), batch_size=250_000, seed=seed) as mounted:
            for epoch in range(EPOCHS):
                orders[seed, epoch] = read_epoch(mounted, epoch, 1, 4).ravel()
    return orders


def poisson_z(count, expected):
    return (count - expected) / np.sqrt(expected)


def pairs_of_orders(orders):
    """Each epoch with the next one, and each seed with the other."""
    return [(orders[s, e], orders[s, e + 1]) for s in (0, 1) for e in range(EPOCHS - 1)] + [(orders[0, e], orders[1, e]) for e in range(EPOCHS)] + \
           [(orders[0, 1], orders[1, 0])]


def test_each_row_once(orders):
    for order in orders.values():
        assert (np.bincount(order, minlength=MILLION) == 1).all()


def test_adjacent_pairs(orders):
    """Rows that are neighbours in the store follow each other as often as chance has it: twice an epoch."""
    count = sum(int((np.abs(np.diff(order)) == 1).sum()) for order in orders.values())
    assert abs(poisson_z(count, 2 * len(orders))) < 5
    for step in (2, 3, 64, 1000, 1024, 65536):
        count = sum(int((np.abs(np.diff(order)) == step).sum()) for order in orders.values())
        assert abs(poisson_z(count, 2 * len(orders) * (1 - step / MILLION))) < 5, f"at a distance of {step}"


def test_neighbours_in_a_batch(orders):
    """Neighbours in the store are in one batch as often as chance has it."""
    expected, count = 0, 0
    for order in orders.values():
        batch_of = np.empty(MILLION, "i8")
        batch_of[order] = np.arange(MILLION) // BATCH
        count += int((np.diff(batch_of) == 0).sum())
        expected += BATCH - 1
    assert abs(poisson_z(count, expected)) < 5


def test_across_epochs(orders):
    """An order knows nothing of another one: no fixed points, no pairs that stay together, no batch that comes again."""
    pairs = pairs_of_orders(orders)
    fixed = sum(int((a == b).sum()) for a, b in pairs)
    assert abs(poisson_z(fixed, len(pairs))) < 5
    together, kept = 0, 0
    for a, b in pairs:
        assert np.bincount((a - b) % MILLION).max() < 18, "rows are shifted by one amount"     # Poisson of mean 1: p < 1e-9 of a million
        at = np.empty(MILLION, "i8")
        at[b] = np.arange(MILLION)
        kept += int((np.abs(np.diff(at[a])) == 1).sum())
        batches = np.sort((at[a] // BATCH).reshape(-1, BATCH), axis=1)
        batches = batches + np.arange(len(batches))[:, None] * MILLION
        counts = np.unique(batches, return_counts=True)[1]
        together += int((counts * (counts - 1) // 2).sum())
    assert abs(poisson_z(kept, 2 * len(pairs))) < 5
    assert abs(poisson_z(together, len(pairs) * (MILLION / BATCH) * BATCH * (BATCH - 1) / 2 * (BATCH - 1) / (MILLION - 1))) < 5


def test_positions_are_uniform(orders):
    """Position by row, and position by position of another epoch, in 100 x 100 cells: chi squared as it should be."""
    cells = 100
    for a in orders.values():
        assert abs(chi_squared_z(np.arange(MILLION), a, cells)) < 5
    for a, b in pairs_of_orders(orders):
        assert abs(chi_squared_z(a, b, cells)) < 5
        assert abs(np.corrcoef(a, b)[0, 1]) * np.sqrt(MILLION) < 5


def chi_squared_z(a, b, cells):
    """z of the chi squared of two permutations cut into a table with fixed margins."""
    width = MILLION // cells
    table = np.bincount(a // width * cells + b // width, minlength=cells * cells)
    expected, free = MILLION / cells**2, (cells - 1) ** 2
    return (((table - expected) ** 2 / expected).sum() - free) / np.sqrt(2 * free)
