# SPDX-License-Identifier: Apache-2.0
"""Which row is where: mounts and --cat against the reference order, over every parameter of the order and the dealing.

All combinations of small sizes are a unit test of the library; here are samples of them through the whole program.
"""
import json

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import csr_reader
import harness
import model
from h5ad_corpus import no_entries
from h5ad_write import write_h5ad

TAILS = ["even", "keep", "pad", "drop"]


@pytest.fixture(scope="module")
def sized(convert, tmp_path_factory):
    """sized(n): a collection of n empty rows."""
    directory, made = tmp_path_factory.mktemp("sized"), {}

    def of(n):
        if n not in made:
            path = directory / f"{n}.h5ad"
            write_h5ad(path, no_entries(n, 3))
            made[n] = convert(path)
        return made[n]
    return of


@st.composite
def views(draw, batch_sizes=st.integers(1, 7), worlds=st.integers(1, 9), epochs=st.integers(0, 3)):
    """(view, epoch): any valid set of the options that order rows."""
    order = draw(st.sampled_from(["shuffle", "shuffle", "block", "sequential"]))
    block = {}
    if order == "block":
        block["block_size"] = draw(st.integers(1, 70))
        block["window"] = block["block_size"] * draw(st.integers(1, 9))
    view = model.View(draw(batch_sizes), draw(worlds), draw(st.sampled_from([0, 1, 2, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)),
                      order, tail=draw(st.sampled_from([None, *TAILS])), **block)
    return view, draw(epochs)


def check_epoch(mounted, view, n, epoch):
    """Every rank lists the same batches, which hold the rows that the reference deals."""
    expected = {(rank, batch): rows for rank, batch, rows in view.batches(n, epoch)}
    for rank in range(view.world_size):
        folder = f"epoch_{epoch}/rank_{rank}"
        assert sorted(mounted.list(folder)) == sorted(f"batch_{k}.csr" for k in range(view.steps(n))), folder
        assert not (mounted / folder / f"batch_{view.steps(n)}.csr").exists()
    for (rank, batch), rows in expected.items():
        found = csr_reader.parse(mounted.read(f"epoch_{epoch}/rank_{rank}/batch_{batch}.csr"))
        assert found.rows.tolist() == rows, (rank, batch)
        assert (found.epoch, found.rank, found.batch) == (epoch, rank, batch)
        assert (found.seed, found.repeated) == (view.seed, view.repeated(n, rank, batch))


@settings(max_examples=60)
@given(n=st.integers(1, 200), case=views())
def test_small_epochs(sized, mount, n, case):
    """n from 1 to 200, 1 to 9 ranks, batches of 1 to 7 rows: a whole epoch through a mount."""
    view, epoch = case
    with mount(sized(n), **view.options()) as mounted:
        check_epoch(mounted, view, n, epoch)


@settings(max_examples=150)
@given(data=st.data(), n=st.sampled_from([1, 2, 3, 199, 4095, 4096, 4097, 9001]),
       case=views(st.integers(1, 3000) | st.just(2**24), st.integers(1, 20) | st.just(2**20), st.integers(0, 2**31 - 1)))
def test_any_batch(sized, cat, data, n, case):
    """One batch anywhere, opened first thing: on either side of where the table ends and the network begins."""
    view, epoch = case
    collection, steps = sized(n), view.steps(n)
    epoch %= json.loads(cat(collection, "dataset.json", **view.options()))["epoch_limit"]
    rank = data.draw(st.integers(0, view.world_size - 1), "rank")
    if steps:
        batch = data.draw(st.integers(0, steps - 1), "batch")
        found = csr_reader.parse(cat(collection, f"epoch_{epoch}/rank_{rank}/batch_{batch}.csr", **view.options()))
        assert found.rows.tolist() == view.rows(n, epoch, rank, batch)
        assert found.repeated == view.repeated(n, rank, batch)
    done = harness.cat_result(collection, f"epoch_{epoch}/rank_{rank}/batch_{steps}.csr", **view.options())
    assert done.returncode != 0 and done.stdout == b"", "a batch past the last one"


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("n, world, size", [(1, 1, 1), (1, 9, 7), (8, 9, 1), (9, 9, 1), (10, 9, 1), (62, 9, 7), (63, 9, 7), (64, 9, 7),
                                            (125, 9, 7), (126, 9, 7), (200, 3, 7), (200, 8, 5), (100, 4, 25), (5, 2, 4), (5, 4, 4)])
def test_edges_of_dealing(sized, mount, n, world, size, tail):
    """Around whole steps, and where there are fewer rows than ranks."""
    view = model.View(size, world, tail=tail)
    with mount(sized(n), **view.options()) as mounted:
        check_epoch(mounted, view, n, 0)
        dealt = [row for _, _, rows in view.batches(n, 0) for row in rows]
        if tail in ("keep", "pad"):
            assert set(dealt) == set(range(n))
        if tail == "even":
            assert len(dealt) > n - world


def test_defaults(sized, mount):
    """With no options: batches of 1024, one rank, seed 0, shuffle, tail=even, and 10 epochs listed."""
    n, view = 4500, model.View()
    with mount(sized(n)) as mounted:
        assert sorted(name for name in mounted.list() if name.startswith("epoch_")) == sorted(f"epoch_{e}" for e in range(10))
        assert mounted.list("epoch_0") == ["rank_0"]
        for epoch in (0, 9, 10, 12345):                 # listed or not
            check_epoch(mounted, view, n, epoch)


def test_same_rows_for_any_world_size(sized, mount):
    """Full global batches hold the same rows as long as world_size times batch_size stays."""
    n, globals_by_world = 240, []
    for world in (1, 2, 4, 8):
        view = model.View(32 // world, world, seed=3)
        with mount(sized(n), **view.options()) as mounted:
            globals_by_world.append([sorted(np.concatenate([np.load(mounted / f"epoch_1/rank_{r}/batch_{t}/rows.npy") for r in range(world)]))
                                     for t in range(n // 32)])
    assert all(each == globals_by_world[0] for each in globals_by_world[1:])


def test_seeds_and_epochs_are_not_added(sized, cat):
    """(seed 0, epoch 1) is not (seed 1, epoch 0), and no two of many are alike."""
    seen = {cat(sized(200), f"epoch_{epoch}/rank_0/batch_0/rows.npy", batch_size=200, seed=seed) for seed in range(5) for epoch in range(5)}
    assert len(seen) == 25


def test_formats(sized, mount):
    """`formats` says what is listed; every name resolves whether or not it is."""
    both = sorted([*(f"batch_{k}.csr" for k in range(4)), *(f"batch_{k}" for k in range(4))])
    for formats, expected in (("csr", both[1::2]), ("dir", both[0::2]), ("csr;dir", both)):
        with mount(sized(200), batch_size=50, formats=formats) as mounted:
            assert sorted(mounted.list("epoch_0/rank_0")) == sorted(expected)
            for name in both:
                assert (mounted / "epoch_0/rank_0" / name).exists()
            assert sorted(mounted.list("epoch_0/rank_0/batch_3")) == ["data.npy", "indices.npy", "indptr.npy", "obs", "rows.npy"]


def test_epochs(sized, mount):
    """`epochs` says how many are listed."""
    for epochs in (1, 3, 100):
        with mount(sized(5), epochs=epochs) as mounted:
            assert sorted(name for name in mounted.list() if name.startswith("epoch_")) == sorted(f"epoch_{e}" for e in range(epochs))


def test_layers_have_the_same_rows(convert, mount, tmp_path):
    """layer=NAME shows another matrix of the same rows in the same order."""
    write_h5ad(tmp_path / "l.h5ad", np.eye(20, 5, dtype="f4"), layers={"twice": np.eye(20, 5, dtype="f8") * 2}, raw=np.eye(20, 9, dtype="i4"))
    with h5py.File(tmp_path / "l.h5ad") as h5:
        matrices = {"X": h5["X"][()], "twice": h5["layers/twice"][()], "raw/X": h5["raw/X"][()]}
    for layer, dense in matrices.items():
        with mount(convert(tmp_path / "l.h5ad"), layer=layer, batch_size=20) as mounted:
            batch = csr_reader.parse(mounted.read("epoch_0/rank_0/batch_0.csr"))
            assert batch.rows.tolist() == model.View(20).rows(20, 0, 0, 0)
            assert batch.n_cols == dense.shape[1] and batch.data.dtype == dense.dtype
            for i, row in enumerate(batch.rows):
                columns, values = batch.row(i)
                assert (columns == np.nonzero(dense[row])[0]).all() and (values == dense[row][columns]).all()
