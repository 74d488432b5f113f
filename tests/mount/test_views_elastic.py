# SPDX-License-Identifier: Apache-2.0
"""Where a row is in an epoch, and what stays as it is when the number of ranks changes."""
import os
import random

import numpy as np
import pytest

import views_model

TAILS, ORDERS = ("even", "keep", "pad", "drop"), ("shuffle", "block", "sequential")
BLOCKS = {"block_size": 8, "window": 64}


def spelled(keys):
    default = {"tail": "keep" if keys.get("order") == "sequential" else "even", "order": "shuffle"}
    return views_model.spell({key: value for key, value in keys.items() if default.get(key) != value})


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("order", ORDERS)
def test_where_agrees_with_a_scan(cells, cells_mount, order, tail):
    """For every row of the collection: the lines are its places in a scan of the epoch, and none where it waits or is not in the view."""
    mask = cells[1].obs.is_primary_data
    for world_size, batch_size in ((1, 64), (3, 20), (7, 5)):
        keys = {"order": order, "tail": tail, "world_size": world_size, "batch_size": batch_size, "seed": 2, **(BLOCKS if order == "block" else {})}
        view = cells[1].view(mask, **keys)
        directory = (cells_mount / spelled({**{key: value for key, value in keys.items() if value != 1}, "where": "is_primary_data"})).resolve()
        places = {row: [] for row in range(cells[1].n)}
        for rank, batch, _ in view.batches(5):
            for slot, row in enumerate(np.load(directory / f"epoch_5/rank_{rank}/batch_{batch}/rows.npy")):
                places[row].append(f"rank_{rank}/batch_{batch} {slot}")
        for row, lines in places.items():
            blob = (directory / f"epoch_5/where/{row}").read_bytes()
            assert sorted(blob.decode().splitlines()) == sorted(lines) and (not lines or blob.endswith(b"\n")), row
        counts = {len(lines) for row, lines in places.items() if mask.iloc[row]}
        assert counts <= {"even": {0, 1}, "keep": {1}, "pad": {1, 2}, "drop": {0, 1}}[tail]
        assert not any(places[row] for row in places if not mask.iloc[row])


def test_padding_more_than_once(cells, cells_mount):
    """A view of fewer rows than ranks: the same row in several places, a line for each."""
    mask = cells[1].obs.index.isin(["cell5", "cell80", "cell600"])
    view = cells[1].view(mask, world_size=8, batch_size=2, tail="pad")
    directory = cells_mount / "@batch_size=2,tail=pad,where=_index%20in%20['cell5'%2C'cell80'%2C'cell600'],world_size=8"
    views_model.check_files(directory, view.files(0))
    scan = [(f"rank_{rank}/batch_{batch} {slot}", row) for rank, batch, rows in view.batches(0) for slot, row in enumerate(rows)]
    for row in (5, 80, 600):
        lines = (directory / f"epoch_0/where/{row}").read_text().splitlines()
        assert len(lines) > 1 and sorted(lines) == sorted(place for place, at in scan if at == row)


def test_where_of_the_mount(cells, mount):
    """The same in the root, and what is there besides: a name for every row, none listed."""
    with mount(cells[0], world_size=3, batch_size=50, tail="drop") as mounted:
        view = cells[1].view(world_size=3, batch_size=50, tail="drop")
        waiting = set(range(cells[1].n))
        for rank, batch, rows in view.batches(1):
            for slot, row in enumerate(rows.tolist()):
                assert mounted.read(f"epoch_1/where/{row}") == b"rank_%d/batch_%d %d\n" % (rank, batch, slot)
                waiting.remove(row)
        assert len(waiting) == 100 and all(mounted.read(f"epoch_1/where/{row}") == b"" for row in waiting)
        assert mounted.list("epoch_1/where") == [] and "where" not in mounted.list("epoch_1")


@pytest.mark.parametrize("order", ORDERS)
def test_global_batches_do_not_depend_on_the_ranks(cells, cells_mount, order):
    """Global batch K, the union over the ranks, holds the same rows in the same order for 1, 2, 4 and 8 ranks of 64 rows together."""
    unions = {}
    for world_size in (1, 2, 4, 8):
        keys = {"world_size": world_size, "batch_size": 64 // world_size, "order": order, **(BLOCKS if order == "block" else {})}
        directory = (cells_mount / spelled({**{key: value for key, value in keys.items() if value != 1}, "where": "n_genes>=100"})).resolve()
        full = int((cells[1].obs.n_genes >= 100).sum()) // 64
        unions[world_size] = [np.concatenate([np.load(directory / f"epoch_2/rank_{rank}/batch_{step}/rows.npy") for rank in range(world_size)]).tolist()
                              for step in range(full)]
        assert full > 5 and all(len(set(rows)) == 64 for rows in unions[world_size])
    assert unions[1] == unions[2] == unions[4] == unions[8]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("then", [1, 2, 8])
def test_a_run_goes_on_with_other_ranks(cells, mount, order, then):
    """Four ranks stop in the middle of an epoch; as many mounts later, 1, 2 or 8 ranks finish it: each row exactly once."""
    stop, seen = 4, []
    for world_size in (4, then):
        options = {"world_size": world_size, "batch_size": 64 // world_size, "order": order, "tail": "keep", "seed": 11, "where": "is_primary_data"}
        with mount(cells[0], **options, **(BLOCKS if order == "block" else {})) as mounted:
            steps = len(mounted.list("epoch_3/rank_0"))
            for step in range(stop) if not seen else range(stop, steps):
                for rank in range(world_size):
                    seen += np.load(mounted / f"epoch_3/rank_{rank}/batch_{step}/rows.npy").tolist()
            assert steps > stop
    assert sorted(seen) == np.nonzero(cells[1].obs.is_primary_data.to_numpy())[0].tolist()


def test_any_batch_first_thing(cells, mount, cat):
    """A batch in the middle is the same read alone, first thing after a mount, as after all those before it."""
    name = views_model.spell({"batch_size": 10, "where": "is_primary_data", "world_size": 4})
    view = cells[1].view(cells[1].obs.is_primary_data, batch_size=10, world_size=4)
    paths = [f"epoch_7/rank_{rank}/batch_{batch}.csr" for rank, batch, _ in view.batches(7)]
    files = view.files(7)
    for path in random.Random(2).sample(paths, 3):
        with mount(cells[0]) as mounted:
            assert mounted.read(f"{name}/{path}") == files[path]
    with mount(cells[0]) as mounted:
        assert all(mounted.read(f"{name}/{path}") == files[path] for path in paths)


def test_epochs_and_seeds_differ(cells_mount):
    """Every epoch has an order of its own, (seed 0, epoch 1) not that of (seed 1, epoch 0); over some, a rank sees every row of the view."""
    orders = {}
    for seed in (0, 1):
        directory = cells_mount / views_model.spell({"batch_size": 30, **({"seed": 1} if seed else {}), "where": "is_primary_data", "world_size": 4})
        for epoch in range(8):
            orders[seed, epoch] = [np.load(directory / f"epoch_{epoch}/rank_{rank}/batch_{batch}/rows.npy").tolist()
                                   for rank in range(4) for batch in range(len(os.listdir(directory / f"epoch_{epoch}/rank_0")))]
    flat = {key: sum(rows, []) for key, rows in orders.items()}
    assert len({tuple(rows) for rows in flat.values()}) == len(flat)
    assert all(np.mean(np.array(flat[0, 0]) == np.array(flat[key])) < 0.05 for key in flat if key != (0, 0))
    ranks = [set(sum(orders[0, epoch][:len(orders[0, epoch]) // 4], [])) for epoch in range(8)]
    assert all(ranks[0] != other for other in ranks[1:]) and len(set.union(*ranks)) > 0.8 * len(set.union(*map(set, flat.values())))
