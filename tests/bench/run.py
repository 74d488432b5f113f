#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How fast a mount is read from a warm page cache, with the codecs packed and raw, beside what bounds it, all in one run
over the same rows:

  plain          reads of 32 MiB of a plain file, into a buffer that is used again. The file is a copy of the raw
                 collection's data, written 4 kB at a time as stdio does, so that the page cache holds it in small pages
  plain, huge    the same reads of the raw collection's own data file, which mkshufflefs leaves in huge pages
  in process     the library reads batches, 1 MiB at a time into one buffer: the limit of any mount
  1, 2 readers   processes that open, fstat, read and close batch after batch of the mount
  O_DIRECT       one such process whose reads bypass the page cache
  Python         clients/python/shufflefs.py, which reads so in threads, ahead of the loop that takes its batches

Figures are medians over epochs that follow a first one; every epoch has another order. For a cold page cache see cold.py.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]

# Prints what bench_readers does, of one epoch; like it, into memory that was used before.
CLIENT = """
import itertools, sys, time
import shufflefs
mount, epoch = shufflefs.Mount(sys.argv[1]), int(sys.argv[2])
for batch in itertools.islice(mount.batches(epoch + 10000, 0), 8):
    pass
started, size, rows = time.perf_counter(), 0, 0
for batch in mount.batches(epoch, 0):
    size += batch.indptr.nbytes + batch.indices.nbytes + batch.data.nbytes
    rows += len(batch)
print(size, rows, 0, time.perf_counter() - started)
"""


class Bench:
    def __init__(self, options, folder):
        self.build, self.rounds = Path(options.build), options.rounds
        self.folder, self.mnt = Path(folder), Path(folder) / "mnt"
        self.mnt.mkdir()
        self.summaries = {codec: self.make(options, codec) for codec in ("raw", "packed")}
        self.plain_file = self.folder / "plain"
        self.copy_in_small_pages()

    def store(self, codec):
        return self.folder / f"{codec}.sfs"

    def copy_in_small_pages(self):
        with open(self.data_file(), "rb") as data, open(self.plain_file, "wb", buffering=0) as plain:
            while piece := data.read(4096):
                plain.write(piece)

    def make(self, options, codec):
        source = f"synthetic:rows={options.rows},vars={options.vars},density={options.density},seed=1"
        made = subprocess.run([self.build / "mkshufflefs", source, "-o", self.store(codec), "--codec", codec, "--quiet", "--json"],
                              check=True, capture_output=True)
        return json.loads(made.stdout)

    def data_file(self):
        return max(self.store("raw").iterdir(), key=lambda path: path.stat().st_size)

    def start(self, *arguments):
        return subprocess.Popen([self.build / "bench_readers", *map(str, arguments)], stdout=subprocess.PIPE, text=True)

    @staticmethod
    def finish(*readers):
        """GB/s and rows/s of readers that ran together: each at its own pace, added up."""
        rates = [0.0, 0.0]
        for reader in readers:
            size, rows, _, seconds = map(float, reader.communicate()[0].split())
            if reader.returncode:
                sys.exit("a reader failed")
            rates[0] += size / seconds / 1e9
            rates[1] += rows / seconds
        return rates

    def plain(self, path):
        return self.finish(self.start("plain", path))

    def in_process(self, codec, batch_size, epoch):
        return self.finish(self.start("decode", self.store(codec), batch_size, epoch))

    def epoch(self, epoch, readers, how="files"):
        rank = self.mnt / f"epoch_{epoch}" / "rank_0"
        return self.finish(*[self.start(how, rank, first, readers) for first in range(readers)])

    def python(self, epoch):
        return self.finish(subprocess.Popen([sys.executable, "-c", CLIENT, self.mnt, str(epoch)], stdout=subprocess.PIPE, text=True,
                                            env=os.environ | {"PYTHONPATH": REPO / "clients/python"}))

    def mount(self, codec, batch_size):
        subprocess.run([self.build / "shufflefs", self.store(codec), self.mnt, "-o", f"batch_size={batch_size}"], check=True)

    def unmount(self):
        subprocess.run(["fusermount3", "-u", self.mnt], check=True)

    def daemon_memory(self):
        """Private memory of the daemon, in MB: what it holds beside the mapped collection."""
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                text = status.read_text()
                if text.startswith("Name:\tshufflefs\n") and os.fsencode(self.mnt) in (status.parent / "cmdline").read_bytes():
                    return int(text.split("RssAnon:")[1].split()[0]) / 1024
            except (OSError, IndexError):
                pass
        return float("nan")

    def baselines(self):
        """Plain reads between all others, so that all see the same machine."""
        return {"plain": self.plain(self.plain_file), "plain, huge": self.plain(self.data_file())}

    def one_round(self, codec, batch_size, number):
        first = 1 + 4 * number
        return {"in process": self.in_process(codec, batch_size, first), "1 reader": self.epoch(first, 1),
                "2 readers": self.epoch(first + 1, 2), "O_DIRECT": self.epoch(first + 2, 1, "direct"),
                "Python": self.python(first + 3)}

    def warm(self, codec, batch_size):
        seen = {}
        self.mount(codec, batch_size)
        self.epoch(0, 1)
        for number in range(self.rounds):
            for name, rates in (self.baselines() | self.one_round(codec, batch_size, number)).items():
                seen.setdefault(name, []).append(rates)
        memory = self.daemon_memory()
        self.unmount()
        return {name: [statistics.median(column) for column in zip(*rates)] for name, rates in seen.items()}, memory


def measure(bench, batch_sizes):
    for batch_size in batch_sizes:
        for codec in ("raw", "packed"):
            seen, memory = bench.warm(codec, batch_size)
            for case, rates in seen.items():
                yield {"codec": codec, "batch_size": batch_size, "case": case, "GB/s": round(rates[0], 3), "rows/s": round(rates[1]),
                       "of plain": round(rates[0] / seen["plain"][0], 3), "daemon MB": round(memory, 1)}


def table(result):
    """A row a case, a column a batch size."""
    sizes = sorted({entry["batch_size"] for entry in result["entries"]})
    found = {(entry["codec"], entry["case"], entry["batch_size"]): entry for entry in result["entries"]}
    for codec, made in result["collections"].items():
        yield f"{codec}: {made['bytes'] / 1e9:.2f} GB, {made['seconds']:.1f} s to make"
    yield f"{result['rows']:,} rows, {result['nnz'] / result['rows']:.0f} non-zeros each; {result['machine']}"
    yield ""
    yield "| codec | case | " + " | ".join(f"batch {size}" for size in sizes) + " |"
    yield "|---|---|" + "---|" * len(sizes)
    for codec, case in dict.fromkeys((entry["codec"], entry["case"]) for entry in result["entries"]):
        entries = [found[codec, case, size] for size in sizes]
        yield f"| {codec} | {case} | " + " | ".join(cell(entry) for entry in entries) + " |"
    for codec in result["collections"]:
        most = max(entry["daemon MB"] for entry in result["entries"] if entry["codec"] == codec)
        yield f"daemon, {codec}: {most} MB"


def cell(entry):
    rows = f", {entry['rows/s']:,} rows/s" if entry["rows/s"] else ""
    return f"{entry['GB/s']:.1f} GB/s{rows} ({entry['of plain']:.2f})"


def machine():
    model = [line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")]
    return f"{os.cpu_count()} cores ({model[0] if model else platform.machine()}), Linux {platform.release()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=250000)
    parser.add_argument("--vars", type=int, default=34455)
    parser.add_argument("--density", type=float, default=0.029, help="share of non-zeros (0.029: 1,000 a row)")
    parser.add_argument("--batch-sizes", type=lambda text: [int(x) for x in text.split(",")], default=[64, 512, 4096])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--build", default=REPO / "build" / "release", help="where the programs are")
    parser.add_argument("--folder", help="where the collection is made for a while (a temporary directory)")
    parser.add_argument("--json", help="write the figures to this file, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        bench = Bench(options, folder)
        matrix = bench.summaries["raw"]["matrices"][0]
        result = {"rows": bench.summaries["raw"]["rows"], "nnz": matrix["nnz"], "machine": machine(),
                  "collections": {codec: {key: made[key] for key in ("bytes", "seconds")} for codec, made in bench.summaries.items()},
                  "entries": list(measure(bench, options.batch_sizes))}
    print("\n".join(table(result)))
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    else:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
