# SPDX-License-Identifier: Apache-2.0
"""How a mount begins and ends: every clean end exits 0 and leaves nothing mounted; every failure is one sentence and its exit code."""
import errno
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

import h5ad_corpus
import harness

USAGE, NOT_FOUND, INVALID, MOUNTPOINT = 1, 2, 3, 4
PROGRAM = harness.BUILD / "shufflefs"


@pytest.fixture(scope="module")
def collection(convert, tmp_path_factory):
    path = tmp_path_factory.mktemp("lifecycle") / "a.h5ad"
    h5ad_corpus.FILES["csr_csc_dense_raw_and_layers"](path)
    return convert(path)


def eventually(condition, what):
    deadline = time.monotonic() + harness.PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


# --- the end -------------------------------------------------------------------------------------------------------

ENDS = {
    "SIGTERM": lambda mounted: mounted.signal(signal.SIGTERM), "SIGINT": lambda mounted: mounted.signal(signal.SIGINT),
    "umount": lambda mounted: harness.unmount("umount", mounted.path),
    "fusermount3 -u": lambda mounted: harness.unmount("fusermount3", "-u", mounted.path),
    "umount -l": lambda mounted: harness.unmount("umount", "-l", mounted.path),
    "fusermount3 -uz": lambda mounted: harness.unmount("fusermount3", "-uz", mounted.path),
}


@pytest.mark.parametrize("used", [False, True], ids=["at once", "after use"])
@pytest.mark.parametrize("end", ENDS)
def test_clean_end(collection, mountpoint, end, used):
    with harness.mounted(collection, mountpoint, batch_size=10) as mounted:
        if used:
            mounted.list("epoch_0/rank_0")
            mounted.read("epoch_0/rank_0/batch_3.csr")
        ENDS[end](mounted)
        assert mounted.wait() == 0
        assert not harness.is_mount_point(mountpoint) and os.listdir(mountpoint) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_while_a_file_is_open(collection, mountpoint, number):
    with harness.mounted(collection, mountpoint) as mounted, open(mounted / "X/data.npy", "rb") as file:
        file.read(1)
        mounted.signal(number)
        eventually(lambda: not harness.is_mount_point(mountpoint), "still mounted")
        file.close()
        assert mounted.wait() == 0


def test_lazy_unmount_while_a_file_is_open(collection, mountpoint):
    """The open file can be read to its end, then the daemon goes."""
    with harness.mounted(collection, mountpoint) as mounted:
        expected = mounted.read("X/data.npy")
        with open(mounted / "X/data.npy", "rb", buffering=0) as file:
            start = file.read(10)
            harness.unmount("umount", "-l", mountpoint)
            assert not harness.is_mount_point(mountpoint) and mounted.alive()
            assert start + file.readall() == expected
        assert mounted.wait() == 0


def test_busy_umount_is_refused(collection, mountpoint):
    with harness.mounted(collection, mountpoint) as mounted:
        with open(mounted / "README.txt", "rb"):
            assert subprocess.run(["umount", str(mountpoint)], capture_output=True).returncode != 0
        assert mounted.alive() and mounted.read("README.txt")


def test_many_mounts_in_turn_and_at_once(collection, tmp_path):
    points = [tmp_path / f"m{i}" for i in range(8)]
    for point in points:
        point.mkdir()
    for _ in range(5):
        with harness.mounted(collection, points[0]) as mounted:
            assert mounted.read("README.txt")
    mounts = []
    try:
        mounts += [harness.start(collection, point, seed=i) for i, point in enumerate(points)]
        assert len({each.read("epoch_0/rank_0/batch_0/rows.npy") for each in mounts}) == 8
        for each in mounts:
            each.signal()
        assert [each.wait() for each in mounts] == [0] * 8
    finally:
        for each in mounts:
            harness.clean_up(each.process, each.path)


# --- in the background ---------------------------------------------------------------------------------------------

def daemons_of(mountpoint):
    """Process ids whose command line names this mount point."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(str(mountpoint)) in (process / "cmdline").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:
            continue                                    # ended meanwhile
    return found


def test_background(collection, mountpoint):
    """Without -f the command returns 0 once the mount is there, leaves its output closed, and the daemon ends with the mount."""
    done = harness.run([PROGRAM, collection, mountpoint, "-o", "batch_size=10"])
    try:
        assert done.returncode == 0 and done.stdout == done.stderr == b""
        assert os.path.ismount(mountpoint)
        (pid,) = daemons_of(mountpoint)
        assert os.path.samefile(f"/proc/{pid}/cwd", "/"), "it would keep a directory busy"
        assert len((mountpoint / "epoch_0/rank_0/batch_0/rows.npy").read_bytes()) == 128 + 80
        harness.unmount("fusermount3", "-u", mountpoint)
        eventually(lambda: not daemons_of(mountpoint), "the daemon stays after its mount is gone")
    finally:
        harness.clean_up(None, mountpoint)
        for pid in daemons_of(mountpoint):
            os.kill(pid, signal.SIGKILL)


def test_background_with_relative_paths(collection, mountpoint):
    """Paths mean what they meant where the command was given, although the daemon moves to /."""
    done = harness.run([PROGRAM, os.path.relpath(collection, mountpoint.parent), mountpoint.name], cwd=mountpoint.parent)
    try:
        assert done.returncode == 0, done.stderr
        assert (mountpoint / "X/data.npy").read_bytes()
        harness.unmount("umount", mountpoint)
    finally:
        harness.clean_up(None, mountpoint)


@pytest.mark.parametrize("foreground", [[], ["-f"]], ids=["background", "foreground"])
class TestFailures:
    """A failure reaches the exit code and stderr of the command, in the background too, and nothing is mounted."""

    def fails(self, code, *arguments, foreground=()):
        done = harness.run([PROGRAM, *arguments, *foreground])
        said = harness.sentence(done, "shufflefs")
        assert done.returncode == code, said
        assert done.stdout == b""
        return said

    def test_mountpoint_missing(self, collection, tmp_path, foreground):
        assert "nowhere" in self.fails(MOUNTPOINT, collection, tmp_path / "nowhere", foreground=foreground)

    def test_mountpoint_is_a_file(self, collection, tmp_path, foreground):
        (tmp_path / "file").write_text("")
        assert "file" in self.fails(MOUNTPOINT, collection, tmp_path / "file", foreground=foreground)

    def test_collection_missing(self, mountpoint, tmp_path, foreground):
        assert "none.sfs" in self.fails(NOT_FOUND, tmp_path / "none.sfs", mountpoint, foreground=foreground)

    def test_collection_is_something_else(self, mountpoint, tmp_path, foreground):
        (tmp_path / "a.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n")
        (tmp_path / "empty.sfs").mkdir()
        for name in ("a.h5ad", "empty.sfs"):
            done = harness.run([PROGRAM, tmp_path / name, mountpoint, *foreground])
            assert done.returncode in (NOT_FOUND, INVALID) and name in harness.sentence(done, "shufflefs")
        assert not harness.is_mount_point(mountpoint)

    def test_layer_unknown(self, collection, mountpoint, foreground):
        said = self.fails(USAGE, collection, mountpoint, "-o", "layer=nope", foreground=foreground)
        assert "nope" in said and "spliced" in said, "names the layers that there are"

    def test_option_unknown(self, collection, mountpoint, foreground):
        assert "btach_size" in self.fails(USAGE, collection, mountpoint, "-o", "btach_size=3", foreground=foreground)


def test_stale_mount(collection, mountpoint):
    """After kill -9 readers get ENOTCONN, and a new start says how to clean up instead of mounting over it."""
    mounted = harness.start(collection, mountpoint)
    try:
        mounted.signal(signal.SIGKILL)
        assert mounted.wait() == -signal.SIGKILL
        with pytest.raises(OSError) as caught:
            mounted.list()
        assert caught.value.errno == errno.ENOTCONN
        done = harness.run([PROGRAM, collection, mountpoint, "-f"])
        assert done.returncode == MOUNTPOINT
        said = harness.sentence(done, "shufflefs")
        assert f"fusermount3 -u {mountpoint}" in said
        harness.unmount("fusermount3", "-u", mountpoint)
        with harness.mounted(collection, mountpoint) as mounted:
            assert mounted.read("README.txt")
    finally:
        harness.clean_up(mounted.process, mountpoint)


# --- usage ---------------------------------------------------------------------------------------------------------

BAD_OPTIONS = [
    "nonsense", "nonsense=1", "batch_size", "batch_size=", "batch_size=0", "batch_size=-1", "batch_size=16777217", "batch_size=ten", "batch_size=1e3",
    "batch_size=10x", "batch_size= 10", "batch_size=18446744073709551617", "world_size=0", "world_size=-2", "world_size=two", "seed=-1",
    "seed=18446744073709551616", "seed=x", "seed=1.5", "order=random", "order=", "order=Shuffle", "tail=foo", "tail=", "tail=KEEP",
    "order=block,block_size=0", "order=block,window=0", "order=block,block_size=64,window=100", "order=block,block_size=100",
    "order=block,block_size=64,window=63", "layer=nope", "layer=", "epochs=-1", "epochs=x", "formats=xyz", "formats=csr;xyz", "cache=sometimes",
    "tail=foo,batch_size=10", "BATCH_SIZE=10",
]


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_bad_options(collection, mountpoint, options):
    """Refused with exit code 1 and a sentence that names the option, by the mount and by --cat alike."""
    name = next(part for part in reversed(options.split(",")) if "order=block" not in part).split("=")[0]
    if options == "tail=foo,batch_size=10":
        name = "tail"
    for command in ([collection, mountpoint, "-f", "-o", options], ["--cat", collection, "README.txt", "-o", options]):
        done = harness.run([PROGRAM, *command])
        assert done.returncode == USAGE and done.stdout == b"", command
        assert name in harness.sentence(done, "shufflefs")
    assert not harness.is_mount_point(mountpoint)


@pytest.mark.parametrize("options", ["batch_size=1", "batch_size=16777216", "seed=18446744073709551615", "world_size=1000", "order=block",
                                     "order=block,block_size=7,window=70", "order=sequential", "tail=pad", "tail=drop", "epochs=1", "formats=csr;dir",
                                     "layer=with space", "layer=raw/X", "layer=100%", "batch_size=5,batch_size=6", "cache=never", "ro", "nosuid,nodev"])
def test_good_options(collection, mountpoint, options):
    with harness.mounted(collection, mountpoint, arguments=["-o", options]) as mounted:
        assert "epoch_0" in mounted.list()


def test_options_may_be_given_in_parts(collection, mountpoint):
    with harness.mounted(collection, mountpoint, arguments=["-o", "batch_size=7", "-obatch_size=9,world_size=2"]) as mounted:
        assert len(mounted.read("epoch_0/rank_1/batch_0/rows.npy")) == 128 + 9 * 8, "the later one stands"


@pytest.mark.parametrize("arguments", [[], ["one"], ["one", "two", "three"], ["--cat"], ["--cat", "one"], ["--cat", "one", "two", "three"],
                                       ["one", "two", "--nonsense"], ["one", "two", "-o"]])
def test_bad_commands(arguments):
    done = harness.run([PROGRAM, *arguments])
    assert done.returncode == USAGE and done.stdout == b"" and b"shufflefs: " in done.stderr


@pytest.mark.parametrize("program", ["shufflefs", "mkshufflefs"])
def test_help_and_version(program):
    """On stdout, exit 0, fitting a terminal."""
    for flag, word in (("--help", "Usage"), ("--version", program)):
        done = harness.run([harness.BUILD / program, flag])
        text = done.stdout.decode()
        assert done.returncode == 0 and done.stderr == b"" and word.lower() in text.lower()
        assert max(map(len, text.splitlines())) <= 80, flag
    text = harness.run([harness.BUILD / program, "--help"]).stdout.decode()
    words = {"shufflefs": ["batch_size", "world_size", "seed", "order", "block_size", "window", "tail", "layer", "epochs", "formats", "cache", "--cat"],
             "mkshufflefs": ["-o", "--layer", "--raw", "--codec", "--shard-rows", "--json", "--quiet", "synthetic:"]}
    for word in words[program]:
        assert word in text, word


def test_a_relative_mountpoint(collection, mountpoint):
    """libfuse goes to the root directory once it serves: the name it unmounts by must not depend on where it was started."""
    process = subprocess.Popen([PROGRAM, collection, mountpoint.name, "-f"], cwd=mountpoint.parent, stderr=subprocess.PIPE)
    eventually(lambda: harness.is_mount_point(mountpoint), "not mounted")
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=30)[1]
    assert (process.returncode, said) == (0, b"") and not harness.is_mount_point(mountpoint)


def test_the_letter_at_fault_is_named(collection, mountpoint):
    done = harness.run([PROGRAM, "-xf", collection, mountpoint])
    assert done.returncode == 1 and harness.sentence(done, "shufflefs").startswith("shufflefs: unknown or incomplete option -x")
