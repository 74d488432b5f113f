# SPDX-License-Identifier: Apache-2.0
"""A conversion that is killed at any moment leaves nothing under the output's name, or all of it; one that is asked to stop leaves nothing."""
import os
import random
import signal
import subprocess
import time

import pytest

import harness

SOURCE = "synthetic:rows=20000,vars=4000,density=0.05,seed=0"
KILLS = 25


@pytest.fixture(scope="module")
def truth(convert):
    """Files of the finished collection, and how long it took to make."""
    start = time.monotonic()
    collection = convert(SOURCE)
    return contents(collection), time.monotonic() - start


def contents(collection):
    """What is read of a collection: enough to touch every row."""
    return [harness.cat(collection, name) for name in ("X/indptr.npy", "X/indices.npy", "X/data.npy", "obs/_index.txt", "var/_index.txt")]


def start(output):
    return subprocess.Popen([harness.BUILD / "mkshufflefs", SOURCE, "-o", output, "--quiet"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def partials(directory):
    return [name for name in os.listdir(directory) if name.endswith(".partial")]


def test_kill(truth, tmp_path):
    """kill -9 at random moments of the whole length, then a second run: it succeeds and clears away what was left."""
    expected, length = truth
    rng, unfinished = random.Random(4), 0
    for i in range(KILLS):
        output = tmp_path / "a.sfs"
        process, started = start(output), time.monotonic()
        try:
            process.wait(rng.uniform(0, 1.05 * length))
            length = min(length, time.monotonic() - started)    # the machine has become faster
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        if not output.exists():
            unfinished += 1
            if i % 5:
                continue                                # the next run starts over what this one left
            done = harness.mkshufflefs(SOURCE, output, "--quiet")
            assert done.returncode == 0, done.stderr.decode()
        assert contents(output) == expected
        assert os.listdir(tmp_path) == ["a.sfs"], "the killed run's leftovers are still there"
        output.rename(tmp_path / "gone")
        subprocess.run(["rm", "-rf", tmp_path / "gone"], check=True)
    assert unfinished >= KILLS // 4, "the kills came too late to show anything"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop(truth, tmp_path, number):
    """SIGTERM and SIGINT: nothing is left, not even what is hidden. The first comes when something has just been made."""
    length, stopped = truth[1], 0
    for share in (0, 0.2, 0.5, 0.8):
        process = start(tmp_path / "a.sfs")
        while not os.listdir(tmp_path) and process.poll() is None:
            pass
        time.sleep(share * length)
        process.send_signal(number)
        _, said = process.communicate(timeout=harness.PATIENCE)
        harness.check_sanitizers(said.decode())
        if process.returncode != 0:
            stopped += 1
            assert os.listdir(tmp_path) == [], "something is left behind"
        else:
            subprocess.run(["rm", "-rf", tmp_path / "a.sfs"], check=True)
    assert stopped, "every run was faster than the signal"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_too_late(truth, tmp_path, number):
    """A collection that has its name is whole and stays, and the exit code says so, whenever the signal comes."""
    for delay in (0, 0, 0, 0.001, 0.003, 0.01, 0.03):
        process = start(tmp_path / "a.sfs")
        while not (tmp_path / "a.sfs").exists():
            assert process.poll() is None or (tmp_path / "a.sfs").exists(), "it ended and made nothing"
        time.sleep(delay)
        process.send_signal(number)
        _, said = process.communicate(timeout=harness.PATIENCE)
        assert (process.returncode, said) == (0, b"")
        assert os.listdir(tmp_path) == ["a.sfs"]
        subprocess.run(["rm", "-rf", tmp_path / "a.sfs"], check=True)


def test_stopped_while_it_says_so(tmp_path):
    """A pipe that is full keeps the summary from being written; a signal ends that, and the collection stays."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, bytes(1 << 12))
    os.set_blocking(writer, True)
    process = subprocess.Popen([harness.BUILD / "mkshufflefs", SOURCE, "-o", tmp_path / "a.sfs", "--quiet", "--json"],
                               stdout=writer, stderr=subprocess.PIPE)
    while not (tmp_path / "a.sfs").exists():
        assert process.poll() is None
    time.sleep(0.5)
    process.terminate()
    said = process.communicate(timeout=harness.PATIENCE)[1].decode()
    os.close(reader)
    os.close(writer)
    assert process.returncode == 1
    assert said == f"mkshufflefs: {tmp_path}/a.sfs was made, but its summary could not be written: Terminated\n"
    assert os.listdir(tmp_path) == ["a.sfs"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_signals_that_are_ignored(tmp_path, number):
    """As nohup leaves them, and a shell for its background jobs."""
    process = subprocess.Popen([harness.BUILD / "mkshufflefs", SOURCE, "-o", tmp_path / "a.sfs", "--quiet"], stderr=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    while not list(tmp_path.iterdir()):
        assert process.poll() is None
    process.send_signal(number)
    said = process.communicate(timeout=harness.PATIENCE)[1].decode()
    assert (process.returncode, said) == (0, "") and os.listdir(tmp_path) == ["a.sfs"]


def test_ends_of_children_that_are_ignored(tmp_path):
    """As some parents leave it: the process that works must be waited for all the same."""
    done = harness.run([harness.BUILD / "mkshufflefs", SOURCE, "-o", tmp_path / "a.sfs", "--quiet"],
                       preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert (done.returncode, done.stderr) == (0, b"") and os.listdir(tmp_path) == ["a.sfs"]


def test_nobody_reads_the_summary(tmp_path):
    """A closed pipe at the end of the summary: the collection is there, and it is said so."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([harness.BUILD / "mkshufflefs", SOURCE, "-o", tmp_path / "a.sfs", "--quiet", "--json"],
                          stdout=writer, stderr=subprocess.PIPE, timeout=harness.PATIENCE)
    os.close(writer)
    assert done.returncode == 1
    assert done.stderr.decode() == f"mkshufflefs: {tmp_path}/a.sfs was made, but its summary could not be written: Broken pipe\n"
    assert os.listdir(tmp_path) == ["a.sfs"]


def test_two_at_once(truth, tmp_path):
    """Two conversions to one name: one makes it, the other says that it is being made (or that it exists)."""
    processes = [start(tmp_path / "a.sfs") for _ in range(2)]
    ends = [process.communicate(timeout=600)[1].decode() for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 1], ends
    assert ends[codes.index(1)].startswith("mkshufflefs: ") and "a.sfs" in ends[codes.index(1)]
    assert contents(tmp_path / "a.sfs") == truth[0] and os.listdir(tmp_path) == ["a.sfs"]


def test_a_full_disk(tmp_path):
    """Out of space: a sentence, exit code 1, nothing left."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small], check=True)
    try:
        done = harness.mkshufflefs(SOURCE, small / "a.sfs", "--quiet")
        assert done.returncode == 1 and "space" in harness.sentence(done, "mkshufflefs")
        assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", "-l", small], check=True)
