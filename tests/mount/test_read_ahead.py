# SPDX-License-Identifier: Apache-2.0
"""The daemon's buffers and what works ahead of readers: they change no byte, hold up nobody, do not grow, and survive readers
that are killed. Their own logic is tests/unit/test_engine.c."""
import concurrent.futures
import json
import multiprocessing
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import harness
import model
import source
from checks import digest
from h5ad_write import random_sparse, write_h5ad

N, EPOCHS = 20000, 2
LARGE = model.View(batch_size=1000, world_size=2, seed=5, tail="keep")      # some 700 kB a file: decoded into buffers
SMALL = model.View(batch_size=100, world_size=2, seed=5, tail="keep")       # 70 kB: decoded as they are read
BLOCK = model.View(batch_size=500, world_size=1, seed=5, order="block", block_size=16, window=4096, tail="keep")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("read_ahead") / "a.h5ad"
    write_h5ad(path, random_sparse(np.random.default_rng(1), N, 300, density=0.3))
    return path, source.read(path).matrices["X"]


@pytest.fixture(scope="module")
def expected(made):
    """{view: {name: digest}} of the views above."""
    return {id(view): {name: digest(blob) for epoch in range(EPOCHS)
                       for name, blob in model.epoch_files(made[1], view, epoch, folder=False).items()}
            for view in (LARGE, SMALL, BLOCK)}


def by_number(name):
    epoch, rank, batch = name.split("/")
    return int(epoch.split("_")[1]), int(rank.split("_")[1]), int(batch.split("_")[1].split(".")[0])


def in_turn(names, readers, reader):
    """The batches of every epoch and rank in order, dealt among readers."""
    return [name for name in sorted(names, key=by_number) if by_number(name)[2] % readers == reader]


def read_all(root, names):
    return {name: digest((Path(root) / name).read_bytes()) for name in names}


SIZES = ["0", "1m", "5m", "64m"]


@pytest.mark.parametrize("codec", ["packed", "raw", "dense"])
@pytest.mark.parametrize("view", [LARGE, SMALL, BLOCK], ids=["large", "small", "block"])
def test_prefetch_changes_no_byte(made, expected, convert, mount, codec, view):
    collection, files = convert(made[0], "--codec", codec), expected[id(view)]
    for number, prefetch in enumerate(["0", "1", "8", "auto"]):
        for readers in (1, 3):
            with mount(collection, prefetch=prefetch, cache_size=SIZES[(number + readers) % 4], **view.options()) as mounted:
                with concurrent.futures.ThreadPoolExecutor(readers) as pool:
                    turns = [in_turn(files, readers, reader) for reader in range(readers)]
                    for seen in pool.map(read_all, [mounted.path] * readers, turns):
                        assert seen == {name: files[name] for name in seen}


@pytest.mark.parametrize("prefetch", ["auto", "4"])
def test_readers_that_take_all_processors(made, convert, mount, prefetch):
    """A daemon that has one processor, and so is busy with any reader, decodes ahead what it is told, or hardly anything:
    the first 8 MiB of what seems to be a sequence."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, list(before)[:1])
    try:
        with mount(convert(made[0]), cache_size="64m", prefetch=prefetch, batch_size=500) as mounted:
            count = len(mounted.list("epoch_0/rank_0"))
            for epoch in range(2):
                for batch in range(count):
                    mounted.read(f"epoch_{epoch}/rank_0/batch_{batch}.csr")
                    time.sleep(0.01)                    # for what is decoded ahead
            decoded = json.loads(mounted.read(".shufflefs/stats.json"))["prefetch"]["decoded"]
    finally:
        os.sched_setaffinity(0, before)
    assert count > 30 and (decoded <= 2 * 8 if prefetch == "auto" else decoded > count), decoded


def read_in_pieces(root, name, rng):
    """A file by reads that begin and end anywhere, buffered and direct."""
    path = Path(root) / name
    size, blob = path.stat().st_size, bytearray()
    with open(path, "rb", buffering=0) as file:
        while len(blob) < size:
            blob += os.pread(file.fileno(), rng.choice([1, 777, 4096, 65536, 1 << 20, 3 << 20]), len(blob))
    return bytes(blob)


@pytest.mark.parametrize("cache", ["auto", "never", "always"])
def test_pieces(made, expected, convert, mount, cache):
    rng, files = random.Random(1), expected[id(LARGE)]
    with mount(convert(made[0]), cache=cache, cache_size="3m", **LARGE.options()) as mounted:
        for name in rng.sample(sorted(files), 12):
            assert digest(read_in_pieces(mounted.path, name, rng)) == files[name]


def read_at_random(root, names, seed, seconds):
    rng, end, seen = random.Random(seed), time.monotonic() + seconds, []
    while time.monotonic() < end:
        name = rng.choice(names)
        seen.append((name, digest((Path(root) / name).read_bytes())))
    return seen


def waiting(path):
    """Requests that the kernel has sent and that were not answered; None where it does not tell."""
    connections = Path("/sys/fs/fuse/connections")
    if not any(connections.iterdir()):
        subprocess.run(["mount", "-t", "fusectl", "none", connections], check=False, capture_output=True)
    counter = connections / str(os.minor(os.stat(path).st_dev)) / "waiting"
    return int(counter.read_text()) if counter.exists() else None


def memory_of(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("RssAnon:")[1].split()[0]) * 1024


def check_killed_readers(mount, collection, files, build, readers, rounds):
    names = sorted(files)
    with mount(collection, build=build, cache_size="64m", **LARGE.options()) as mounted:
        for round_number in range(rounds):
            victims = [multiprocessing.get_context("fork").Process(target=read_at_random, args=(mounted.path, names, seed, 60))
                       for seed in range(readers // 2)]
            for victim in victims:
                victim.start()
            with multiprocessing.get_context("fork").Pool(readers // 2) as pool:
                results = pool.starmap_async(read_at_random, [(mounted.path, names, 1000 * round_number + seed, 1.5) for seed in range(readers // 2)])
                time.sleep(0.7)
                for victim in victims:
                    os.kill(victim.pid, signal.SIGKILL)
                for seen in results.get(harness.PATIENCE):
                    assert seen and all(files[name] == found for name, found in seen)
            for victim in victims:
                victim.join(harness.PATIENCE)
        deadline = time.monotonic() + harness.PATIENCE
        while waiting(mounted.path) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not waiting(mounted.path)
        return memory_of(mounted.process.pid)


def test_killed_readers(made, expected, convert, mount):
    check_killed_readers(mount, convert(made[0]), expected[id(LARGE)], harness.BUILD, readers=16, rounds=1)


@pytest.mark.large
def test_64_readers_and_a_small_pool(made, expected, convert, mount):
    collection = convert(made[0], build=harness.RELEASE)
    used = check_killed_readers(mount, collection, expected[id(LARGE)], harness.RELEASE, readers=64, rounds=3)
    assert used < (64 << 20) + (48 << 20), used         # the pool, and what threads have of their own


@pytest.mark.parametrize("option, says", [
    ("cache_size=x", "cache_size: expected auto, or bytes such as 64m or 2g, found x"),
    ("cache_size=-1", "cache_size: expected auto, or bytes such as 64m or 2g, found -1"),
    ("cache_size=1q", "cache_size: expected auto, or bytes such as 64m or 2g, found 1q"),
    ("cache_size=99999999g", "cache_size: expected auto, or bytes such as 64m or 2g, found 99999999g"),
    ("prefetch=", "prefetch: expected auto or a number of batches up to 1024, found"),
    ("prefetch=1025", "prefetch: expected auto or a number of batches up to 1024, found 1025"),
])
def test_refused_options(made, convert, mountpoint, option, says):
    done = harness.run([harness.BUILD / "shufflefs", convert(made[0]), mountpoint, "-o", option])
    assert done.returncode == 1
    assert says in harness.sentence(done, "shufflefs")
