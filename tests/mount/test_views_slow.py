# SPDX-License-Identifier: Apache-2.0
"""Views that take long to prepare: nobody waits for the view of another, and readers that die leave nothing behind."""
import itertools
import json
import os
import signal
import subprocess
import threading
import time

from views_long import slow_expression
from views_model import check_nothing_waits


def number_of_rows(path):
    return json.loads(path.read_text())["rows"]


def test_nobody_waits_for_the_view_of_another(long, mount):
    """While slow views are prepared, fast ones, the root and what is open go on; who asks for the same slow one gets it too."""
    collection, u, v = long
    with mount(collection) as mounted:
        slow, times = [mounted / f"@seed={number},where={slow_expression(number)}" for number in range(3)], []
        found = {}
        threads = [threading.Thread(target=lambda path=path, at=at: found.__setitem__(at, number_of_rows(path / "view.json")))
                   for at, path in enumerate([*slow, slow[0], slow[0]])]
        opened = open(mounted / "epoch_0/rank_0/batch_0/rows.npy", "rb", buffering=0)
        for thread in threads:
            thread.start()
        for attempt in itertools.count():
            begin = time.monotonic()
            assert number_of_rows(mounted / f"@where=v<{attempt % 1000 + 1}/view.json") == (v < attempt % 1000 + 1).sum()
            os.listdir(mounted.path), os.pread(opened.fileno(), 100, 0), (mounted / f"epoch_{attempt}/rank_0/batch_5.csr").stat()
            times.append(time.monotonic() - begin)
            if not any(thread.is_alive() for thread in threads):
                break
        opened.close()
        assert [found[at] for at in range(5)] == [(u >= 0.5).sum()] * 5
        check_nothing_waits(mounted)
        whole = sum(times)                              # how long the slow ones took; without threads of their own, one round takes that
        assert len(times) >= 5 and max(times) < max(whole / 2, 0.2), f"of {whole:.1f} s, others waited {max(times):.1f} s at once"


def test_readers_that_are_killed(long, mount):
    """Processes that die while they wait for a view end when it is prepared, leave nothing behind, and the view comes for others."""
    collection, u, _ = long
    with mount(collection) as mounted:
        path = mounted / f"@seed=10,where={slow_expression(10)}"
        readers = [subprocess.Popen(["cat", path / "epoch_0/rank_0/batch_0.csr"], stdout=subprocess.DEVNULL) for _ in range(6)]
        time.sleep(0.3)
        for reader in readers:
            reader.send_signal(signal.SIGKILL)
        assert [reader.wait(60) for reader in readers] == [-signal.SIGKILL] * 6
        check_nothing_waits(mounted)
        assert number_of_rows(path / "view.json") == (u >= 0.5).sum()
        check_nothing_waits(mounted)


def test_the_end_while_a_view_is_prepared(long, mount):
    """SIGTERM, and an unmount, in the middle: the daemon ends by itself, with 0 (which the fixture checks)."""
    with mount(long[0]) as mounted:
        reader = subprocess.Popen(["cat", mounted / f"@where={slow_expression(5)}/view.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.3)
        mounted.signal()
        assert mounted.wait() == 0
        reader.wait(10)


def longest_wait(mounted, number):
    """The share of the time in which a slow view is prepared that the slowest of the others' look-ups takes."""
    slow = threading.Thread(target=os.stat, args=[mounted / f"@seed={number},where={slow_expression(20)}"])
    slow.start()
    time.sleep(0.1)
    times = []
    for threshold in itertools.count(number * 50 + 1):
        begin = time.monotonic()
        os.stat(mounted / f"@where=v<{threshold}")
        times.append(time.monotonic() - begin)
        if not slow.is_alive():
            return max(times) / sum(times)


def test_many_views_are_known_while_one_is_slow(long, mount):
    """The kernel is told to forget old views, for which it takes the root's lock: it must not wait for a slow view with it.

    It may where the slow one comes in the very moment; not three times.
    """
    with mount(long[0]) as mounted:
        for seed in range(1, 1600):
            os.stat(mounted / f"@seed={seed}")
        assert any(longest_wait(mounted, 10 + attempt) < 0.5 for attempt in range(3))
        check_nothing_waits(mounted)
