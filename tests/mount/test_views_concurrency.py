# SPDX-License-Identifier: Apache-2.0
"""Many views: every byte right, more of them than there are slots, and memory bounded."""
import errno
import itertools
import json
import multiprocessing
import os
import random
from pathlib import Path

import numpy as np
import pytest

import model
import views_model
from checks import digest
from views_model import check_nothing_waits

FORK = multiprocessing.get_context("fork")


def memory_of(mounted):
    """Bytes that the daemon has for itself."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{mounted.process.pid}/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


# --- a thousand views ----------------------------------------------------------------------------------------------

STEPS = range(0, 1500, 12)                              # 125 thresholds and 8 sizes of batches: 1,000 views


def name_and_view(cells, number):
    threshold, batch_size = STEPS[number // 8], 5 + number % 8
    spelled = f"@batch_size={batch_size},where=n_genes>={threshold}"
    return spelled, cells.view(cells.obs.n_genes >= threshold, batch_size=batch_size)


def read_views(root, expected, seed, count):
    """Some files in a random order; returns how many had other bytes than they must."""
    rng, wrong = random.Random(seed), 0
    for _ in range(count):
        name = rng.choice(list(expected))
        for path, blob in expected[name].items():
            wrong += digest((Path(root) / name / path).read_bytes()) != blob
    return wrong


@pytest.fixture(scope="module")
def thousand(cells):
    """name -> (path -> digest) of a thousand views"""
    rng, expected = random.Random(1), {}
    for number in range(1000):
        name, view = name_and_view(cells[1], number)
        if not view.steps():
            continue
        batch = rng.randrange(view.steps())
        rows = view.rows[view.keys.rows(len(view.rows), 0, 0, batch)]
        blob = model.csr(view.matrix, rows, 0, 0, batch, 0, 0, view.keys)
        array = model.npy(np.asarray(rows, "<i8"))
        expected[name] = {f"epoch_0/rank_0/batch_{batch}.csr": digest(blob), f"epoch_0/rank_0/batch_{batch}/rows.npy": digest(array)}
    return expected


def test_a_thousand_views_by_eight_processes(cells, mount, thousand):
    with mount(cells[0], view_cache_size="1m") as mounted:
        with FORK.Pool(8) as pool:
            wrong = pool.starmap(read_views, [(mounted.path, thousand, seed, 150) for seed in range(8)])
        assert wrong == [0] * 8
        check_nothing_waits(mounted)


def test_more_views_than_slots(cells, mount):
    """2,200 views in sequence, files and directories closed but remembered by the kernel; then the first ones once more."""
    with mount(cells[0]) as mounted:
        rows = np.nonzero((cells[1].obs.n_genes >= 300).to_numpy())[0]
        for seed in itertools.chain(range(1, 2201), range(1, 40)):
            with open(mounted / f"@batch_size=9,seed={seed},where=n_genes>=300/epoch_0/rank_0/batch_3/rows.npy", "rb") as file:
                blob = file.read()
            if seed % 50 == 1:
                view = cells[1].view(rows, batch_size=9, seed=seed)
                assert blob == model.npy(view.rows[view.keys.rows(len(rows), 0, 0, 3)].astype("<i8"))
        check_nothing_waits(mounted)


def test_more_views_open_than_slots(cells, mount):
    """Views that are in use stay; beyond those that there is room for, a sentence, and room again when some are closed."""
    with mount(cells[0]) as mounted:
        mounted.expect("views in use at once")
        opened = []
        try:
            with pytest.raises(OSError) as caught:
                for seed in range(1, 3000):
                    opened.append(os.open(mounted / f"@seed={seed}", os.O_RDONLY | os.O_DIRECTORY))
            assert caught.value.errno == errno.ENFILE and len(opened) > 1500
            assert os.listdir(opened[0]) and mounted.read("README.txt")
        finally:
            for fd in opened:
                os.close(fd)
        for seed in range(4000, 4200):
            assert (mounted / f"@seed={seed}/view.json").exists()


# --- memory ---------------------------------------------------------------------------------------------------------

def hold_views(root, names):
    """Reads a batch of each view, twice; True where all have 8 rows."""
    return all(len(np.load(Path(root) / name / "epoch_0/rank_0/batch_1/rows.npy")) == 8 and
               os.stat(Path(root) / name / "epoch_0/rank_0/batch_1.csr").st_size and
               (Path(root) / name / "epoch_0/rank_0/batch_1.csr").read_bytes() for name in names)


CAP = 32 << 20


def test_memory_is_bounded(long, mount, monkeypatch):
    """Two million rows take 250 kB and more a view: 300 views would be 75 MB, of which view_cache_size=4m keeps few."""
    monkeypatch.setenv("ASAN_OPTIONS", "use_sigaltstack=0:quarantine_size_mb=2")       # what is freed is kept otherwise
    with mount(long[0], view_cache_size="4m", cache_size="4m") as mounted:
        made = [f"@batch_size=8,where=v<{threshold}" for threshold in range(100, 700, 2)]
        assert hold_views(mounted.path, made[:10])
        before = memory_of(mounted)
        with FORK.Pool(4) as pool:
            assert all(pool.starmap(hold_views, [(mounted.path, made[at::4]) for at in range(4)]))
        grown = memory_of(mounted) - before
        assert grown < CAP, f"grown by {grown >> 20} MiB"
        check_nothing_waits(mounted)


def test_a_view_larger_than_the_cache(long, mount):
    """What is in use stays, however large: it is not worked out again for every name in it."""
    with mount(long[0], view_cache_size="1") as mounted:
        for batch in range(20):
            assert os.stat(mounted / f"@batch_size=8,where=v<500/epoch_0/rank_0/batch_{batch}.csr").st_size
        views = json.loads(mounted.read(".shufflefs/stats.json"))["views"]
        assert views["prepared"] == 1, views
