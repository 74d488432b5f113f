#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How fast a mount is read, beside what bounds it, all in one run on one collection:

  plain          reads of 32 MiB of a plain file, into a buffer that is used again (from malloc, as numpy's are, for
                 all cases alike). The file is a copy of the collection's data, written 4 kB at a time as stdio does, so
                 that the page cache holds it in small pages
  store's file   the same reads of the collection's own data file, which mkshufflefs leaves in huge pages
  gather         the library reads whole batches in process: the limit of any mount
  1, 2 readers   processes that open, fstat, read and close batch after batch of the mount

Warm figures are medians over epochs that follow a first one; every epoch has another order. Cold ones are first reads
after the collection left the page cache.
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


class Bench:
    def __init__(self, options, folder):
        self.build, self.rounds = Path(options.build), options.rounds
        self.store, self.mnt = Path(folder) / "bench.sfs", Path(folder) / "mnt"
        self.mnt.mkdir()
        self.make(options)
        self.plain_file = Path(folder) / "plain"
        self.copy_in_small_pages()

    def copy_in_small_pages(self):
        with open(self.data_file(), "rb") as data, open(self.plain_file, "wb", buffering=0) as plain:
            while piece := data.read(4096):
                plain.write(piece)

    def make(self, options):
        source = f"synthetic:rows={options.rows},vars={options.vars},density={options.density},seed=1"
        made = subprocess.run([self.build / "mkshufflefs", source, "-o", self.store, "--quiet", "--json"], check=True, capture_output=True)
        self.summary = json.loads(made.stdout)

    def data_file(self):
        return max(self.store.iterdir(), key=lambda path: path.stat().st_size)

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

    def gather(self, batch_size, epoch):
        return self.finish(self.start("gather", self.store, batch_size, epoch))

    def epoch(self, epoch, readers):
        rank = self.mnt / f"epoch_{epoch}" / "rank_0"
        return self.finish(*[self.start("files", rank, first, readers) for first in range(readers)])

    def mount(self, batch_size):
        subprocess.run([self.build / "shufflefs", self.store, self.mnt, "-o", f"batch_size={batch_size}"], check=True)

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

    def drop(self):
        """Takes the collection out of the page cache; nobody has it mapped now."""
        for path in self.store.iterdir():
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)

    def warm(self, batch_size):
        """Rounds of plain, gather, 1 and 2 readers in turn, so that all see the same machine."""
        seen = {"plain": [], "store's file": [], "gather": [], "1 reader": [], "2 readers": []}
        self.mount(batch_size)
        self.epoch(0, 1)
        for round_number in range(self.rounds):
            seen["plain"].append(self.plain(self.plain_file))
            seen["store's file"].append(self.plain(self.data_file()))
            seen["gather"].append(self.gather(batch_size, 1 + 3 * round_number))
            seen["1 reader"].append(self.epoch(2 + 3 * round_number, 1))
            seen["2 readers"].append(self.epoch(3 + 3 * round_number, 2))
        memory = self.daemon_memory()
        self.unmount()
        return {name: [statistics.median(column) for column in zip(*rates)] for name, rates in seen.items()}, memory

    def cold(self, batch_size, batches):
        self.drop()
        plain = self.plain(self.data_file())
        self.drop()
        self.mount(batch_size)
        rank = self.mnt / "epoch_0" / "rank_0"
        rates = self.finish(self.start("files", rank, 0, max(1, self.steps(batch_size) // batches)))
        self.unmount()
        return {"store's file": plain, "1 reader": rates}

    def steps(self, batch_size):
        return -(-self.summary["rows"] // batch_size)


def entry(case, batch_size, rates, plain, **more):
    return {"case": case, "batch_size": batch_size, "GB/s": round(rates[0], 3), "rows/s": round(rates[1]),
            "of plain": round(rates[0] / plain[0], 3), **more}


def measure(bench, batch_sizes, cold):
    entries = []
    for batch_size in batch_sizes:
        warm, memory = bench.warm(batch_size)
        for name, rates in warm.items():
            more = {"daemon MB": round(memory, 1)} if name == "2 readers" else {}
            entries.append(entry(f"warm, {name}", batch_size, rates, warm["plain"], **more))
        if cold:
            rates = bench.cold(batch_size, batches=max(1, 8192 // batch_size))
            for name, rate in rates.items():
                entries.append(entry(f"cold, {name}", batch_size, rate, rates["store's file"]))
    return entries


def table(result):
    yield f"{result['rows']:,} rows, {result['nnz'] / result['rows']:.0f} non-zeros each, {result['bytes'] / 1e9:.2f} GB, codec {result['codec']}"
    yield f"{result['machine']}"
    yield ""
    yield "| batch | case | GB/s | rows/s | of plain |"
    yield "|---|---|---|---|---|"
    for each in result["entries"]:
        memory = f" (daemon: {each['daemon MB']} MB)" if "daemon MB" in each else ""
        rows = f"{each['rows/s']:,}" if each["rows/s"] else ""
        yield f"| {each['batch_size']} | {each['case']}{memory} | {each['GB/s']:.2f} | {rows} | {each['of plain']:.2f} |"


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
    parser.add_argument("--no-cold", action="store_true", help="leave the cold figures out")
    parser.add_argument("--build", default=REPO / "build" / "release", help="where the programs are")
    parser.add_argument("--folder", help="where the collection is made for a while (a temporary directory)")
    parser.add_argument("--json", help="write the figures to this file, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        bench = Bench(options, folder)
        matrix = bench.summary["matrices"][0]
        result = {"rows": bench.summary["rows"], "nnz": matrix["nnz"], "codec": matrix["codec"], "bytes": bench.summary["bytes"],
                  "conversion seconds": bench.summary["seconds"], "machine": machine(),
                  "entries": measure(bench, options.batch_sizes, not options.no_cold)}
    print("\n".join(table(result)))
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    else:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
