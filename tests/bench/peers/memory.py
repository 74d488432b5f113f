# SPDX-License-Identifier: Apache-2.0
"""Memory of processes, memory limits, and the page cache."""
import contextlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

PROC = Path("/proc")


def children(pids):
    """These processes and all below them."""
    parents = {}
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            pass
    found = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def shares(pid):
    """(own memory, mapped files) of a process in bytes; what n processes share counts 1/n in each."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    except OSError:                                     # gone meanwhile
        return 0, 0
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return 1024 * (kilobytes["Pss_Anon"] + kilobytes["Pss_Shmem"]), 1024 * kilobytes["Pss_File"]


class Watch:
    """Peaks of the proportional share (PSS) of some processes and all their children, while in a `with`.

    anonymous: anonymous and shared memory, which is what these processes cost a machine. files: mapped files, that is
    page cache, which the kernel can take back.
    """

    def __init__(self, pids, interval):
        self.pids, self.interval, self.done = list(pids), interval, threading.Event()
        self.peaks = {"anonymous": 0, "files": 0}
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def run(self):
        while True:
            parts = [shares(pid) for pid in children(self.pids)]
            for name, values in zip(self.peaks, zip(*parts)):
                self.peaks[name] = max(self.peaks[name], sum(values))
            if self.done.wait(self.interval):
                return


def files(path):
    """All regular files of a store."""
    path = Path(path)
    return [path] if path.is_file() else [each for each in sorted(path.rglob("*")) if each.is_file()]


def disk_bytes(path):
    return sum(each.stat().st_size for each in files(path))


def resident(path):
    """Bytes of a store that the page cache holds."""
    done = subprocess.run(["xargs", "-0", "-r", "fincore", "--bytes", "--noheadings", "--output", "RES"], check=True,
                          input="\0".join(map(str, files(path))), capture_output=True, text=True)
    return sum(map(int, done.stdout.split()))


def warm(path):
    """Brings a store into the page cache."""
    for each in files(path):
        with open(each, "rb", buffering=0) as file:
            while file.read(1 << 22):
                pass


def drop(path):
    """Takes a store out of the page cache; returns how many bytes stayed there all the same.

    Of that store alone, so that the contestant's own program is not read from disk within the measured time;
    everything, where that does not help and we may.
    """
    for each in files(path):
        fd = os.open(each, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
    left = resident(path)
    if left > disk_bytes(path) / 100 and os.access("/proc/sys/vm/drop_caches", os.W_OK):
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")
        left = resident(path)
    return left


class NotPossible(Exception):
    """No memory limit can be set here."""


class Limit:
    """A control group that holds readers and daemon to so many bytes, page cache included."""

    def __init__(self, limit):
        self.folder, reasons = None, []
        for parent, file in control_groups():
            folder = parent / f"shufflefs-race-{os.getpid()}"
            try:
                folder.mkdir()
            except OSError as error:
                reasons.append(f"{folder}: {error.strerror}")
                continue
            try:
                (folder / file).write_text(str(limit), encoding="ascii")
            except OSError as error:
                reasons.append(f"{folder / file}: {error.strerror}")
                folder.rmdir()
                continue
            self.folder = folder
            return
        raise NotPossible("; ".join(reasons) or "no control group for memory is mounted")

    def command(self, command):
        """The command, run inside."""
        return ["sh", "-c", f'echo $$ > "{self.folder}/cgroup.procs" && exec "$@"', "sh", *command]

    def close(self):
        """Ends what is still inside; a process that was killed takes a moment to be gone."""
        for _ in range(100):
            try:
                self.folder.rmdir()
                return
            except OSError:
                for pid in (self.folder / "cgroup.procs").read_text(encoding="ascii").split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
                time.sleep(0.05)


def control_groups():
    """Where a group may be made, and the name of its limit: below our own group, or below the root (version 2 allows no
    group both processes and limited children)."""
    own = dict(line.split(":", 2)[1:] for line in (PROC / "self/cgroup").read_text().splitlines())
    for line in (PROC / "mounts").read_text().splitlines():
        _, mount, kind, options = line.split()[:4]
        if kind == "cgroup2" and "" in own:
            yield Path(mount + own[""]), "memory.max"
            yield Path(mount), "memory.max"
        elif kind == "cgroup" and "memory" in options.split(","):
            yield Path(mount + own.get("memory", "/")), "memory.limit_in_bytes"
