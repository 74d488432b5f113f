#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What workers of a torch DataLoader cost: batches a training process gets from the Python client, with and without workers.

Without workers the client reads ahead in threads; a worker's batches are copied once, into shared memory. Figures are rows a
second of the best of some epochs, over a warm page cache.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "clients" / "python"))

import shufflefs


def rows_per_second(mnt, workers, rounds):
    """Of all batches but the first, which comes once the workers have started."""
    batches, best = shufflefs.Batches(shufflefs.Mount(mnt), rank=0), 0
    for _ in range(rounds):
        rows, started = 0, None
        for batch in shufflefs.loader(batches, num_workers=workers):
            if started:
                rows += len(batch)
            started = started or time.perf_counter()
        best = max(best, rows / (time.perf_counter() - started))
    return round(best)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=250000, help="of 1,000 non-zeros each")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--workers", type=lambda text: [int(x) for x in text.split(",")], default=[0, 1, 2, 4])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--build", type=Path, default=REPO / "build" / "release", help="where the programs are")
    parser.add_argument("--json", help="write the figures to this file, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store, mnt = Path(folder) / "data.sfs", Path(folder) / "mnt"
        mnt.mkdir()
        source = f"synthetic:rows={options.rows},vars=34455,density=0.029,seed=1"
        subprocess.run([options.build / "mkshufflefs", source, "-o", store, "--quiet"], check=True)
        subprocess.run([options.build / "shufflefs", store, mnt, "-o", f"batch_size={options.batch_size}"], check=True)
        try:
            results = {f"{workers} workers": rows_per_second(mnt, workers, options.rounds) for workers in options.workers}
        finally:
            subprocess.run(["fusermount3", "-u", mnt], check=True)
    print(f"{os.cpu_count()} cores, batches of {options.batch_size} rows")
    for name, rate in results.items():
        print(f"{name}: {rate:,} rows/s")
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
