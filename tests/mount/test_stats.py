# SPDX-License-Identifier: Apache-2.0
""".shufflefs/stats.json: counts that rise as the reader knows they must, valid at any moment, always of one size."""
import json
import os
import shutil
import threading

import numpy as np
import pytest

import document
import harness

STATS = ".shufflefs/stats.json"
SIZE = 4096
BIG = "synthetic:rows=6000,vars=2000,density=0.1,seed=3"       # batches of 512 take more than 128 KiB
OPTIONS = {"batch_size": 512, "prefetch": 0}


def stats_of(mounted):
    blob = mounted.read(STATS)
    assert len(blob) == os.stat(mounted / STATS).st_size == SIZE and blob.endswith(b" \n")
    return json.loads(blob)


def flat(value, prefix=""):
    """{path: number} of all counts."""
    if isinstance(value, dict):
        return {path: number for key, each in value.items() for path, number in flat(each, f"{prefix}/{key}").items()}
    if isinstance(value, list):
        return {path: number for i, each in enumerate(value) for path, number in flat(each, f"{prefix}/{i}").items()}
    return {} if isinstance(value, str) else {prefix: value}


# What may go down: how much there is, and the times.
NOT_COUNTS = {"/resident_bytes", "/read_microseconds/p50", "/read_microseconds/p99", "/cache/used", "/cache/files", "/views/known",
              "/views/in_memory", "/views/bytes"}


def check_rise(before, after):
    before, after = flat(before), flat(after)
    assert set(before) == set(after)
    for path, number in after.items():
        assert isinstance(number, int) and number >= 0, path
        assert path in NOT_COUNTS or number >= before[path], path


def test_counts(convert, mount):
    """Two batches, each opened and read twice."""
    with mount(convert(BIG), **OPTIONS) as mounted:
        start = stats_of(mounted)
        assert start["format"] == "shufflefs stats" and start["version"] in harness.run([harness.BUILD / "shufflefs", "--version"]).stdout.decode()
        sizes = [len(mounted.read(f"epoch_0/rank_0/batch_{k}.csr")) for k in (0, 3) for _ in range(2)]
        assert min(sizes) > 128 << 10
        end = stats_of(mounted)
    check_rise(start, end)
    rise = {path: number - flat(start)[path] for path, number in flat(end).items()}
    own = 1                                             # reads of stats.json are counted, too
    assert rise["/batches_opened"] == 4 and rise["/opens"] == 4 + own
    assert rise["/bytes_sent"] == sum(sizes) + own * SIZE
    assert rise["/reads"] >= 4 + own
    timed = sum(end["read_microseconds"]["below_powers_of_2"])      # when the answer was sent: of the last ones, a moment later
    assert end["reads"] - 2 <= timed <= end["reads"]
    assert rise["/lookups"] >= 4 and rise["/errors"] == 0
    pieces = sum((size - 1 >> 20) + 1 for size in sizes) // 2
    assert rise["/pieces/misses"] == pieces and rise["/pieces/hits"] >= pieces and rise["/pieces/without_buffer"] == 0
    assert rise["/prefetch/decoded"] == 0
    assert end["cache"]["used"] == pieces << 20 and end["cache"]["size"] > 0
    assert 0 < end["read_microseconds"]["p50"] <= end["read_microseconds"]["p99"]
    assert end["resident_bytes"] > 1 << 20


def test_prefetch(convert, mount):
    """What is decoded ahead is used by a reader in sequence."""
    with mount(convert(BIG), batch_size=256, prefetch=4) as mounted:
        for k in range(len(mounted.list("epoch_0/rank_0"))):
            mounted.read(f"epoch_0/rank_0/batch_{k}.csr")
        stats = stats_of(mounted)
    ahead = stats["prefetch"]
    assert ahead["decoded"] > 0 and ahead["used"] + ahead["dropped"] <= ahead["decoded"]
    assert stats["pieces"]["hits"] >= ahead["used"]


def test_without_room(convert, mount):
    """With no buffers, nothing is found in them."""
    with mount(convert(BIG), cache_size=0, **OPTIONS) as mounted:
        mounted.read("epoch_0/rank_0/batch_0.csr")
        stats = stats_of(mounted)
    assert stats["cache"] == {"size": 0, "used": 0, "files": stats["cache"]["files"]} and set(stats["pieces"].values()) == {0}


def test_a_file_left_open_keeps_no_buffers_from_others(convert, mount):
    """A little of every piece of a batch larger than all buffers is read, and the batch left open."""
    keys = {"batch_size": 128, "cache_size": "4m"}
    with mount(convert(BIG), **keys) as mounted:
        large = mounted / "@batch_size=4000/epoch_0/rank_0/batch_0.npy"
        with open(large, "rb", buffering=0) as file:
            for at in range(0, large.stat().st_size, 1 << 20):
                os.pread(file.fileno(), 4096, at)
            before = stats_of(mounted)["pieces"]
            for k in range(len(mounted.list("epoch_0/rank_0"))):
                mounted.read(f"epoch_0/rank_0/batch_{k}.csr")
            after = stats_of(mounted)["pieces"]
    assert after["without_buffer"] - before["without_buffer"] < (after["hits"] + after["misses"] - before["hits"] - before["misses"]) / 4


def test_a_file_of_thousands_of_pieces(convert, mount):
    """It is decoded as it is read: a table of its pieces would take memory that nobody counts."""
    with mount(convert("synthetic:rows=3000,vars=400000,density=0.0001,seed=3"), batch_size=3000) as mounted:
        file = mounted / "epoch_0/rank_0/batch_0.npy"
        assert file.stat().st_size > 4 << 30
        with open(file, "rb", buffering=0) as opened:
            opened.read(4096)
        assert set(stats_of(mounted)["pieces"].values()) == {0}


def test_views(convert, mount):
    with mount(convert(BIG)) as mounted:
        assert stats_of(mounted)["views"]["prepared"] == 0
        for seed in (1, 2):
            mounted.list(f"@seed={seed}")
        mounted.list("@seed=2")
        views = stats_of(mounted)["views"]
    assert views["prepared"] == views["known"] == views["in_memory"] == 2 and views["bytes"] > 0


def test_errors(convert, mount, tmp_path):
    """An answer of EIO is counted."""
    shutil.copytree(convert(BIG), tmp_path / "a.sfs")
    largest = max((tmp_path / "a.sfs").iterdir(), key=lambda path: path.stat().st_size)
    blob = np.fromfile(largest, "u1")
    blob[4096:] ^= 0x55
    blob.tofile(largest)
    with mount(tmp_path / "a.sfs", **OPTIONS) as mounted:
        mounted.expect(".")
        with pytest.raises(OSError):
            mounted.read("epoch_0/rank_0/batch_0.csr")
        assert stats_of(mounted)["errors"] > 0


@pytest.mark.parametrize("cache", ["auto", "never", "always"])
def test_never_stale(cache, convert, mount):
    """Each open tells the counts of its moment, whatever is cached otherwise."""
    with mount(convert(BIG), cache=cache) as mounted:
        for i in range(5):
            before = stats_of(mounted)["opens"]
            assert stats_of(mounted)["opens"] == before + 1
        with open(mounted / STATS, "rb", buffering=0) as file:          # one open: one text
            first = file.read()
            file.seek(0)
            assert file.read() == first


def test_while_8_readers_run(convert, mount):
    """json.load works at any moment, and no count ever falls."""
    with mount(convert(BIG), batch_size=64, world_size=2) as mounted:
        stop, failures = threading.Event(), []

        def read_batches(worker):
            try:
                while not stop.is_set():
                    for k in range(20):
                        mounted.read(f"epoch_{worker}/rank_{worker % 2}/batch_{k}.csr")
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=read_batches, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        try:
            before = stats_of(mounted)
            for _ in range(200):
                with open(mounted / STATS) as file:
                    after = json.load(file)
                check_rise(before, after)
                before = after
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not failures
        assert before["batches_opened"] > 100


def test_the_man_page_tells_all(convert, mount):
    tags = {key for tag in document.tags("shufflefs.1", "STATS.JSON") for key in tag.split()}
    page = (harness.REPO / "docs" / "shufflefs.1").read_text()
    with mount(convert(BIG)) as mounted:
        stats = stats_of(mounted)
    assert set(stats) == tags
    for value in stats.values():
        assert not isinstance(value, dict) or all(key in page for key in value)


def test_without_a_daemon(convert, cat):
    blob = cat(convert(BIG), STATS)
    assert json.loads(blob) == {} and len(blob) == SIZE and blob.endswith(b" \n")
