#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What views cost: the formats of a batch against .csr, chosen genes, and how soon the first batch of a selection of many rows is there.

Figures are of one reader and a warm page cache, each format of the same batches in the same run.
"""
import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

REPO = Path(__file__).resolve().parents[2]
BATCHES, BATCH_SIZE, GENES = 20, 4096, 2000


class Mounted:
    def __init__(self, build, store, mnt, **options):
        self.mnt, self.command = mnt, [build / "shufflefs", store, mnt]
        if options:
            self.command += ["-o", ",".join(f"{key}={value}" for key, value in options.items())]

    def __enter__(self):
        subprocess.run(self.command, check=True)
        return self.mnt

    def __exit__(self, *_):
        subprocess.run(["fusermount3", "-u", self.mnt], check=True)


def read(path, buffer, end_first=False):
    """Bytes of a file, read by 1 MiB; the end first, as readers of zip files do."""
    size = 0
    with open(path, "rb", buffering=0) as file:
        if end_first:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 65536))
            file.readinto(buffer)
            file.seek(0)
        while count := file.readinto(buffer):
            size += count
    return size


def speed(rank, suffix, repeats=3):
    """(GB/s, rows/s) of batches in sequence, the best of some epochs."""
    buffer, best = bytearray(1 << 20), None
    for epoch in range(repeats):
        directory = Path(str(rank).replace("epoch_0", f"epoch_{epoch}"))
        for k in range(2):
            read(directory / f"batch_{k}{suffix}", buffer, suffix == ".npz")
        begin = time.perf_counter()
        size = sum(read(directory / f"batch_{k}{suffix}", buffer, suffix == ".npz") for k in range(2, BATCHES + 2))
        seconds = time.perf_counter() - begin
        best = max(best or (0, 0), (size / seconds / 1e9, BATCHES * BATCH_SIZE / seconds))
    return {"GB/s": round(best[0], 2), "rows/s": round(best[1])}


def formats(build, folder, rows):
    store = folder / "formats.sfs"
    subprocess.run([build / "mkshufflefs", f"synthetic:rows={rows},vars=34455,density=0.029,seed=1", "-o", store, "--quiet"], check=True)
    results = {}
    with Mounted(build, store, folder / "mnt") as mnt:
        names = (mnt / "var/_index.txt").read_text().splitlines()
        chosen = np.sort(np.random.default_rng(0).choice(len(names), GENES, replace=False))
        (folder / "genes.txt").write_text("".join(f"{names[i]}\n" for i in chosen))
        subprocess.run([build / "mkshufflefs", "view", "add", store, "chosen", "--genes-file", folder / "genes.txt",
                        "--batch-size", str(BATCH_SIZE)], check=True)
        for suffix in (".csr", ".npz", ".h5ad", ".obs.csv"):
            results[suffix] = speed(mnt / f"@batch_size={BATCH_SIZE}/epoch_0/rank_0", suffix)
        for suffix in (".npy", ".csr"):
            results[f"{suffix}, {GENES} genes"] = speed(mnt / "chosen/epoch_0/rank_0", suffix)
    return results


def selection(build, folder, rows):
    """Seconds from the first look-up of a view to its first batch: columns not read before in this mount, then in another mount."""
    store, cache = folder / "long.sfs", folder / "cache"
    subprocess.run([build / "mkshufflefs", f"synthetic:rows={rows},vars=2,density=0.0001,seed=1", "-o", store, "--quiet"], check=True)
    cache.mkdir(mode=0o700)
    os.environ["XDG_CACHE_HOME"] = str(cache)
    results = {}
    for name in ("first", "kept by an earlier mount"):
        with Mounted(build, store, folder / "mnt") as mnt:
            begin = time.perf_counter()
            data = (mnt / "@batch_size=256,where=cell_type=='B cell'%20and%20n_counts<5/epoch_0/rank_0/batch_0.csr").read_bytes()
            results[f"where over {rows:,} rows, {name}"] = {"seconds to the first batch": round(time.perf_counter() - begin, 3),
                                                            "rows in it": int.from_bytes(data[16:24], "little")}
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=250000)
    parser.add_argument("--long", type=int, default=100000000, help="rows of the collection that is selected from; 0: none")
    parser.add_argument("--build", default=REPO / "build" / "release", help="where the programs are")
    parser.add_argument("--json", help="write the figures to this file, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder, build = Path(folder), Path(options.build).resolve()
        (folder / "mnt").mkdir()
        results = formats(build, folder, options.rows)
        if options.long:
            results |= selection(build, folder, options.long)
    for name, result in results.items():
        print(f"{name:55}", "  ".join(f"{value:>10,} {key}" for key, value in result.items()))
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
