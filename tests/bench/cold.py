#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How fast a mount is read from a cold page cache, when the memory that is allowed is smaller than the collection; as root.

The reader and the daemon run in a control group with that limit. Beside them, in the same run: what fio gets with 64 random
reads of the same size in flight, and in sequence; and what random rows of the codec raw give by page faults alone. Blocks
are read once more from a disk that is held to a rate, for fio as for us: one that processors can keep up with.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PAGE = 4096


class Group:
    """A control group with a limit of memory and, with a rate, one of a disk's bytes a second; of version 2 or 1."""

    def __init__(self, limit, store=None, rate=0):
        version_2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
        root = Path("/sys/fs/cgroup")
        self.paths = [(root if version_2 else root / controller) / "shufflefs-cold" for controller in ("memory", "blkio")[:2 if rate else 1]]
        for path in self.paths:
            path.mkdir(exist_ok=True)
        (self.paths[0] / ("memory.max" if version_2 else "memory.limit_in_bytes")).write_text(str(limit))
        if rate:
            disk = disk_of(store)
            limit = f"{disk} rbps={rate}" if version_2 else f"{disk} {rate}"
            (self.paths[-1] / ("io.max" if version_2 else "blkio.throttle.read_bps_device")).write_text(limit)

    def enter(self):
        for path in self.paths:
            (path / "cgroup.procs").write_text(str(os.getpid()))

    def close(self):
        """When the last process in it has ended."""
        while any((path / "cgroup.procs").read_text() for path in self.paths):
            pass
        for path in set(self.paths):
            path.rmdir()


def drop_caches():
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def disk_of(path):
    """As the kernel's files name it: that of a partition, whole."""
    device = os.stat(path).st_dev
    folder = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    folder = folder.parent if (folder / "partition").exists() else folder
    return (folder / "dev").read_text().strip()


def disk_reads(path):
    """Reads and bytes so far, of the disk that has a file."""
    fields = Path(f"/sys/dev/block/{disk_of(path)}/stat").read_text().split()
    return int(fields[0]), int(fields[2]) * 512


def make(build, folder, codec, rows):
    store = folder / f"{codec}.sfs"
    source = f"synthetic:rows={rows},vars=34455,density=0.029,seed=1"
    subprocess.run([build / "mkshufflefs", source, "-o", store, "--codec", codec, "--quiet"], check=True)
    return store


def size_of(store):
    return sum(path.stat().st_size for path in store.iterdir())


def data_file(store):
    return max(store.iterdir(), key=lambda path: path.stat().st_size)


# Prints what bench_readers does: random rows of a raw collection, copied out of its mapped files.
PAGE_FAULTS = """
import mmap, sys, time
import numpy as np
bases, deltas, nnz, indices, data = (np.load(f"{sys.argv[1]}/s0.m0.{name}.npy", mmap_mode="r")
                                     for name in ("bases", "deltas", "nnz", "indices", "data"))
for array in (indices, data):
    array._mmap.madvise(mmap.MADV_RANDOM)
rows, size, started = np.random.default_rng(1).permutation(len(nnz))[:8192].tolist(), 0, time.perf_counter()
for row in rows:
    first = int(bases[row // 64]) + int(deltas[row])
    size += sum(array[first:first + int(nnz[row])].copy().nbytes for array in (indices, data))
print(size, len(rows), 0, time.perf_counter() - started)
"""


def timed(command, store, group):
    """Runs a reader in the group: its speed, and the disk's meanwhile."""
    before = disk_reads(store)
    done = subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=group.enter)
    reads, size = (after - start for after, start in zip(disk_reads(store), before))
    produced, rows, _, seconds = map(float, done.stdout.split())
    return {"GB/s": round(produced / seconds / 1e9, 3), "rows/s": round(rows / seconds), "seconds": seconds,
            "disk MB/s": round(size / seconds / 1e6), "disk reads/s": round(reads / seconds)}


def read(build, store, mnt, options, step, limit, rate=0):
    """Batches 0, step, 2 step ... of an epoch."""
    group = Group(limit, store, rate)
    drop_caches()
    subprocess.run([build / "shufflefs", store, mnt, "-o", ",".join(f"{key}={value}" for key, value in options.items())],
                   check=True, preexec_fn=group.enter)
    os.listdir(mnt / "epoch_0/rank_0")
    result = timed([build / "bench_readers", "direct", mnt / "epoch_0/rank_0", "0", str(step)], store, group)
    subprocess.run(["fusermount3", "-u", mnt], check=True)
    group.close()
    return result


def page_faults(store, limit):
    group = Group(limit)
    drop_caches()
    result = timed([sys.executable, "-c", PAGE_FAULTS, store], store, group)
    group.close()
    return result


def fio(path, pattern, size, depth, group=None):
    done = subprocess.run(["fio", "--name=f", f"--filename={path}", f"--rw={pattern}", f"--bs={size}", "--direct=1", "--ioengine=libaio",
                           f"--iodepth={depth}", "--runtime=4", "--time_based", "--readonly", "--output-format=json"], check=True, capture_output=True,
                          preexec_fn=group and group.enter)
    return json.loads(done.stdout)["jobs"][0]["read"]["bw_bytes"] / 1e6


BLOCKS = {"batch_size": 512, "order": "block", "block_size": 64}


def cases(options):
    shuffled, blocks = {"batch_size": 512}, BLOCKS
    for batch_size in (64, 512, 4096):
        yield f"packed, shuffle, batch {batch_size}", "packed", {"batch_size": batch_size}, 4
    yield "raw, shuffle, batch 512", "raw", shuffled, 4
    yield "packed, block, batch 512", "packed", blocks, 1
    yield "packed, block, batch 512, uint16", "packed", blocks | {"value_dtype": "uint16", "index_dtype": "uint16"}, 1
    yield "raw, block, batch 512", "raw", blocks | {"window": options.window}, 1


def at_rate(build, stores, mnt, limits, rate):
    """Blocks, and fio, from a disk of so many bytes a second."""
    for codec, store in stores.items():
        group = Group(1 << 40, store, rate)
        yield f"fio, sequential, {codec}, held to {rate // 10**6} MB/s", {"disk MB/s": round(fio(data_file(store), "read", 1 << 20, 8, group))}
        group.close()
        yield f"{codec}, block, batch 512, held to {rate // 10**6} MB/s", read(build, store, mnt, BLOCKS, 1, limits[codec], rate)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000000)
    parser.add_argument("--share", type=float, default=0.5, help="of each collection's size, the memory that is allowed")
    parser.add_argument("--rate", type=int, default=400, help="MB/s to which the disk is held; 0: that is left out")
    parser.add_argument("--window", type=int, default=65536)
    parser.add_argument("--build", default=REPO / "build" / "release", help="where the programs are")
    parser.add_argument("--folder", help="where the collections are made for a while (a temporary directory)")
    parser.add_argument("--json", help="write the figures to this file, too")
    options = parser.parse_args()
    if os.geteuid():
        sys.exit("cold.py: must be run by root, who may drop the page cache and limit memory")
    results = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        build, mnt = Path(options.build).resolve(), Path(folder) / "mnt"
        mnt.mkdir()
        stores = {codec: make(build, Path(folder), codec, options.rows) for codec in ("packed", "raw")}
        for codec, store in stores.items():
            results[f"fio, 64 random reads of 4 KiB, {codec}"] = {"disk MB/s": round(fio(data_file(store), "randread", PAGE, 64))}
            results[f"fio, sequential, {codec}"] = {"disk MB/s": round(fio(data_file(store), "read", 1 << 20, 8))}
        limits = {codec: int(size_of(store) * options.share) for codec, store in stores.items()}
        results["raw, random rows by page faults"] = page_faults(stores["raw"], limits["raw"])
        for name, codec, view, step in cases(options):
            results[name] = read(build, stores[codec], mnt, view, step, limits[codec])
        if options.rate:
            try:
                results |= at_rate(build, stores, mnt, limits, options.rate * 10**6)
            except OSError as error:
                print(f"cold.py: the disk cannot be held to a rate here: {error}", file=sys.stderr)
    for name, result in results.items():
        print(f"{name:45}", "  ".join(f"{value:>10,} {key}" for key, value in result.items() if key != "seconds"))
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
