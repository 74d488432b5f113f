# SPDX-License-Identifier: Apache-2.0
"""Many readers at once, and what does not grow: memory over many batches, the time of the first batch, that of a long listing."""
import concurrent.futures
import multiprocessing
import os
import random
import resource
import statistics
import subprocess
from pathlib import Path

import numpy as np
import pytest

import harness
import model
import source
from checks import digest
from h5ad_corpus import no_entries
from h5ad_write import random_sparse, write_h5ad

N, VIEW, EPOCHS = 3000, model.View(batch_size=50, world_size=4, seed=2, tail="keep"), 4


@pytest.fixture(scope="module")
def made(convert, tmp_path_factory):
    path = tmp_path_factory.mktemp("concurrency") / "a.h5ad"
    write_h5ad(path, random_sparse(np.random.default_rng(1), N, 300, density=0.3))
    matrix = source.read(path).matrices["X"]
    return convert(path), {name: digest(blob) for epoch in range(EPOCHS) for name, blob in model.epoch_files(matrix, VIEW, epoch).items()}


def read_some(root, names, seed, count):
    """Whole files and pieces in random order, while others are listed and missed."""
    rng, seen = random.Random(seed), {}
    for i in range(count):
        name = rng.choice(names)
        path = Path(root) / name
        if i % 50 == 0:
            os.listdir(path.parent)
            assert not (path.parent / f"missing_{seed}_{i}").exists()
        if i % 3 == 0:
            with open(path, "rb") as file:
                at = rng.randrange(os.fstat(file.fileno()).st_size)
                piece = os.pread(file.fileno(), 1 << 16, at)
                assert os.pread(file.fileno(), 1 << 16, at) == piece
        seen[name] = digest(path.read_bytes())
    return seen


@pytest.mark.parametrize("cache", ["auto", "never", "always"])
def test_many_processes_and_threads(made, mount, cache):
    collection, expected = made
    names = sorted(expected)
    with mount(collection, cache=cache, **VIEW.options()) as mounted:
        with multiprocessing.get_context("fork").Pool(8) as pool:
            results = pool.starmap(read_some, [(mounted.path, names, seed, 300) for seed in range(8)])
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            results += pool.map(read_some, [mounted.path] * 8, [names] * 8, range(8, 16), [200] * 8)
    for seen in results:
        assert seen == {name: expected[name] for name in seen}


def test_one_file_by_many(made, mount):
    """The first reads of a row (when its checksum is verified) come from many threads at once."""
    collection, expected = made
    for attempt in range(5):
        with mount(collection, **VIEW.options()) as mounted, concurrent.futures.ThreadPoolExecutor(16) as pool:
            name = f"epoch_{attempt % EPOCHS}/rank_0/batch_{attempt}.csr"
            assert set(pool.map(lambda _: digest(mounted.read(name)), range(64))) == {expected[name]}


# --- what does not grow --------------------------------------------------------------------------------------------

def memory_of(pid):
    """Bytes that the process has for itself: pages of the collection's files, which it maps, are the page cache's."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


def processor_time_of(pid):
    """Nanoseconds on a processor, of all threads: does not depend on what else the machine does."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())


@pytest.mark.large
def test_memory_does_not_grow(made, mount):
    """Over 100,000 batches of other epochs, by other names each time; before that, each of the daemon's threads has come to have a buffer."""
    view = model.View(batch_size=50, world_size=4)
    steps = view.steps(N)
    with mount(made[0], build=harness.RELEASE, **view.options()) as mounted:
        def open_many(epochs):
            for epoch in epochs:
                for rank in range(4):
                    for batch in range(steps):
                        with open(mounted / f"epoch_{epoch}/rank_{rank}/batch_{batch}.csr", "rb", buffering=0) as file:
                            file.read(4096)
        per_epoch = 4 * steps
        warm, end = -(-50_000 // per_epoch), -(-150_000 // per_epoch)
        open_many(range(warm))
        before = memory_of(mounted.process.pid)
        open_many(range(warm, end))
        assert memory_of(mounted.process.pid) - before < 4 << 20


@pytest.fixture(scope="module")
def million(convert, tmp_path_factory):
    path = tmp_path_factory.mktemp("million") / "million.h5ad"
    write_h5ad(path, no_entries(10**6, 3))
    return convert(path, build=harness.RELEASE)


@pytest.mark.large
def test_any_batch_first(million, mount):
    """Opening a batch in the middle of a far epoch first thing takes as long as opening the next one: nothing is prepared."""
    first, later = [], []
    for attempt in range(5):
        with mount(million, build=harness.RELEASE, batch_size=64) as mounted:
            times = [processor_time_of(mounted.process.pid)]
            for batch in range(9000 + attempt, 9040 + attempt):
                mounted.read(f"epoch_{1000 + attempt}/rank_0/batch_{batch}.csr")
                times.append(processor_time_of(mounted.process.pid))
            spent = np.diff(times)
            first.append(spent[0])
            later.append(statistics.median(spent[1:]))
    # A table over the rows would take 10 ms and more; the first batch also looks up the epoch and the rank.
    assert min(first) < 10 * statistics.median(later) + 1_000_000, (first, later)


@pytest.mark.large
def test_listing_a_million(million, mount):
    """`ls -U` of a rank with a million batches takes less than a second, of ls and of the daemon."""
    with mount(million, build=harness.RELEASE, batch_size=1) as mounted:
        def spent():
            usage = resource.getrusage(resource.RUSAGE_CHILDREN)
            return usage.ru_utime + usage.ru_stime + processor_time_of(mounted.process.pid) / 1e9
        times = []
        for epoch in range(3):
            start = spent()
            done = subprocess.run(["ls", "-U", mounted / f"epoch_{epoch}/rank_0"], capture_output=True, check=True)
            times.append(spent() - start)
            names = done.stdout.split()
            assert len(names) == 10**6 and set(names) == {b"batch_%d.csr" % k for k in range(10**6)}
        assert 0 < min(times) < 1, times
