# SPDX-License-Identifier: Apache-2.0
"""Races shufflefs against BioNeMo-SCDL, annbatch, scDataset and TileDB-SOMA-ML, on one .h5ad.

Each contestant converts the file and reads shuffled batches as CSR matrices, in a virtual environment of its own:

  warm     the store is in the page cache, and the first window of rows is not counted
  cold     the store is on disk only: time from the first request, for an epoch at most
  limited  all processes and the page cache they fill share less memory than the .h5ad has bytes

Speeds are samples (rows) a second over whole windows. Memory is the peak of the proportional shares (PSS) of all
processes, anonymous and shared; mapped files are reported apart, for the kernel can take them back. It is sampled, so
peaks shorter than the interval may be missed. As root, memory limits work wherever control groups do.
"""
import argparse
import json
import os
import platform
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import memory
import tables
from contestants import contestants
from environments import Environments

REPO = Path(__file__).resolve().parents[3]
CONVERTING, READING = 0.1, 0.25                         # seconds between looks at memory, which slow the reader down
LEAST = 500_000_000                                     # bytes of a limit that all contestants' interpreters fit in
HANG = 120                                              # seconds until a case is given up


class Failed(Exception):
    """A contestant did not do it; says why."""


def note(text):
    print(text, file=sys.stderr, flush=True)


# --- data ----------------------------------------------------------------------------------------------------------

def make_data(options, python):
    """The folder with signatures.npy and meta.json, and the .h5ad."""
    if options.h5ad:
        folder, h5ad = options.folder / "data" / "given", Path(options.h5ad).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        source = []
    else:
        shape = f"rows={options.rows},vars={options.vars},density={options.density},seed=1"
        folder = options.folder / "data" / shape.replace(",", "-")
        h5ad = folder / "data.h5ad"
        if (folder / "meta.json").exists():
            return folder, h5ad
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        source = [options.build / "shufflefs", folder / "data.sfs"]
        note(f"making {h5ad}")
        run([options.build / "mkshufflefs", f"synthetic:{shape}", "-o", folder / "data.sfs", "--quiet"])
    run([python, Path(__file__).with_name("make_data.py"), folder, h5ad, *source])
    shutil.rmtree(folder / "data.sfs", ignore_errors=True)
    return folder, h5ad


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(last_line(done.stderr) or f"status {done.returncode}")


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


# --- converting ----------------------------------------------------------------------------------------------------

def convert(contestant, python, build, h5ad, store):
    """Seconds, memory and bytes; none of the first two where nothing is converted."""
    command = contestant.conversion(python, build, h5ad, store)
    if command is None:
        return {"bytes": h5ad.stat().st_size}
    if store.exists():
        shutil.rmtree(store)
    memory.warm(h5ad)
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=errors)
        with memory.Watch([process.pid], CONVERTING) as watch:
            status = process.wait()
        seconds = time.perf_counter() - begin
        errors.seek(0)
        if status:
            raise Failed(last_line(errors.read()) or f"status {status}")
    os.sync()
    return {"seconds": seconds, "memory": watch.peaks, "bytes": memory.disk_bytes(store)}


# --- reading -------------------------------------------------------------------------------------------------------

class Reader:
    """A read_*.py, which answers cases."""

    def __init__(self, python, script, wrap):
        self.errors = tempfile.TemporaryFile("w+")
        command = [str(python), str(Path(__file__).with_name(f"read_{script}.py"))]
        self.process = subprocess.Popen(wrap(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, start_new_session=True)

    def ask(self, case):
        try:
            self.process.stdin.write(json.dumps(case) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass                                        # answer() tells why

    def answer(self):
        ready, _, _ = select.select([self.process.stdout], [], [], HANG)
        if not ready:
            raise Failed(f"nothing after {HANG} s")
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.errors.seek(0)
            raise Failed("out of memory" if status in (-9, 137) else last_line(self.errors.read()))
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def close(self):
        """Also of its workers, which are in the same session."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()


@contextmanager
def mounted(build, store, options, wrap):
    """A daemon and its mountpoint."""
    with tempfile.TemporaryDirectory() as mount:
        daemon = subprocess.Popen(wrap([str(build / "shufflefs"), str(store), mount, "-f", "-o", options]),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not os.path.ismount(mount):
                if daemon.poll() is not None:
                    raise Failed(f"the daemon ended with {daemon.returncode}")
                time.sleep(0.005)
            yield daemon, mount
        finally:
            subprocess.run(["umount", "--lazy", mount] if os.geteuid() == 0 else ["fusermount3", "-u", "-z", mount],
                           check=False, capture_output=True)
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:           # a reader hangs in it
                daemon.kill()
                daemon.wait()


class Course:
    """One contestant in one setting: its readers, which go through several cases."""

    def __init__(self, race, contestant, setting, python, store, wrap=list):
        self.race, self.contestant, self.setting, self.store, self.wrap = race, contestant, setting, store, wrap
        self.readers = []
        try:
            for _ in range(setting.readers):
                self.readers.append(Reader(python, contestant.script, wrap))
            for reader in self.readers:
                reader.answer()
        except Failed:
            self.close()
            raise

    def run(self, batch_size, condition):
        case = {**self.race.meta, **self.contestant.common, **self.setting.case(batch_size, condition != "cold"),
                "store": str(self.store), "seconds": self.race.options.seconds}
        if condition == "warm":
            memory.warm(self.store)
        elif (left := memory.drop(self.store)) > memory.disk_bytes(self.store) / 100:
            raise Failed(f"{left} bytes stayed in the page cache")
        with ExitStack() as stack:
            pids = [reader.process.pid for reader in self.readers]
            if self.contestant.codec:
                options = self.contestant.mount_options(self.setting, batch_size)
                daemon, case["mount"] = stack.enter_context(
                    mounted(self.race.options.build, self.store, options, self.wrap))
                pids.append(daemon.pid)
            watch = stack.enter_context(memory.Watch(pids, READING))
            for number, reader in enumerate(self.readers):
                reader.ask({**case, "share": [number, len(self.readers)]})
            answers = [reader.answer() for reader in self.readers]
        return {**{key: sum(answer[key] for answer in answers) for key in ("samples_per_second", "rows", "nnz")},
                **{key: max(answer[key] for answer in answers) for key in ("seconds", "open_seconds")},
                "memory": watch.peaks, "page_cache": memory.resident(self.store)}

    def close(self):
        for reader in self.readers:
            reader.close()


class Race:
    def __init__(self, options, data, h5ad):
        self.options, self.h5ad = options, h5ad
        self.meta = {"data": str(data), **json.loads((data / "meta.json").read_text(encoding="utf-8"))}
        self.limit = options.limit * 1_000_000 if options.limit else max(self.meta["bytes"] // 2, LEAST)

    def run(self, contestant, environments):
        result = {"name": contestant.name, "title": contestant.title, "settings": []}
        try:
            python = environments.python(contestant.script).absolute()
            result["versions"] = versions(python, contestant, self.options.build)
            store = self.options.folder / "stores" / contestant.store if contestant.store else self.h5ad
            note(f"{contestant.name}: converting")
            result["conversion"] = convert(contestant, python, self.options.build, self.h5ad, store)
        except (Failed, RuntimeError, OSError) as error:
            note(f"{contestant.name}: {error}")
            return {**result, "failed": str(error)}
        for setting in contestant.settings:
            result["settings"].append(self.read(contestant, setting, python, store))
        return result

    def read(self, contestant, setting, python, store):
        entry = {"name": setting.name, "order": setting.order, "readers": setting.readers, "options": setting.options,
                 "fetch": setting.fetch, "warm": {}, "cold": {}, "limited": {}}
        cold, alone = self.options.cold_batch_size, setting.readers == 1
        plan = [("warm", size) for size in self.options.batch_sizes] + [("cold", cold)] * alone
        self.cases(entry, plan, lambda: Course(self, contestant, setting, python, store))
        if alone:
            self.limited(entry, cold, contestant, setting, python, store)
        return entry

    def limited(self, entry, batch_size, contestant, setting, python, store):
        try:
            limit = memory.Limit(self.limit)
        except memory.NotPossible as reason:
            entry["limited"][batch_size] = {"failed": f"not possible here: {reason}"}
            return
        try:
            self.cases(entry, [("limited", batch_size)],
                       lambda: Course(self, contestant, setting, python, store, limit.command))
        finally:
            limit.close()

    def cases(self, entry, plan, start):
        """Cases one after another in the same readers, as far as these live: what a program does once, it has done
        before the cold case."""
        with ExitStack() as stack:
            course = None
            for condition, batch_size in plan:
                try:
                    course = course or stack.enter_context(closing(start()))
                    entry[condition][batch_size] = course.run(batch_size, condition)
                    outcome = f"{entry[condition][batch_size]['samples_per_second']:,.0f} samples/s"
                except Failed as error:
                    entry[condition][batch_size] = {"failed": str(error)}
                    outcome = str(error)
                    stack.close()
                    course = None
                note(f"  {entry['name']}, {tables.order(entry['order'])}, {condition}, {batch_size}: {outcome}")


def versions(python, contestant, build):
    """What is raced, and what is installed beside it, as far as that matters."""
    code = ("import importlib.metadata as m, json; "
            "print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))")
    every = json.loads(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout)
    if contestant.codec:
        own = subprocess.run([build / "shufflefs", "--version"], check=True, capture_output=True, text=True).stdout
        return {"shufflefs": own.split()[1], **{name: every[name] for name in ("numpy", "scipy")}}
    wanted = ["bionemo-scdl", "annbatch", "zarrs", "scdataset", "tiledbsoma", "tiledbsoma-ml", "torch", "anndata",
              "h5py", "zarr", "numba", "numpy", "scipy"]
    return {name: every[name] for name in wanted if name in every}


def machine():
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (f"{os.cpu_count()} cores ({model[0] if model else platform.machine()}), {gigabytes:.0f} GB of memory, "
            f"Linux {platform.release()}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--h5ad", help="race on this file, with CSR in X (otherwise: synthetic counts)")
    parser.add_argument("--rows", type=int, help="of the synthetic counts (200,000; quick: 20,000)")
    parser.add_argument("--vars", type=int, default=34455)
    parser.add_argument("--density", type=float, default=0.029, help="share of non-zeros (0.029: 1,000 a row)")
    parser.add_argument("--batch-sizes", type=lambda text: [int(n) for n in text.split(",")], default=[64, 512, 4096])
    parser.add_argument("--cold-batch-size", type=int, default=512, help="of the cold and the limited cases")
    parser.add_argument("--seconds", type=float, help="for each case, at least (3; quick: 0.5)")
    parser.add_argument("--limit", type=int, help="memory of the limited cases, in MB (half of the .h5ad)")
    parser.add_argument("--only", action="append", choices=[each.name for each in contestants()],
                        help="race with this contestant; may be repeated")
    parser.add_argument("--quick", action="store_true", help="small data and short times, to try all of it")
    parser.add_argument("--build", type=Path, default=REPO / "build" / "release", help="where the programs are")
    parser.add_argument("--folder", type=Path, default=REPO / "build" / "peers", help="for all that is made")
    options = parser.parse_args()
    options.rows = options.rows or (20_000 if options.quick else 200_000)
    options.seconds = options.seconds or (0.5 if options.quick else 3)
    options.build, options.folder = options.build.resolve(), options.folder.resolve()
    return options


def main():
    options = parse()
    begin = time.time()
    environments = Environments(options.folder)
    data, h5ad = make_data(options, environments.python("shufflefs").absolute())
    (options.folder / "stores").mkdir(exist_ok=True)
    race = Race(options, data, h5ad)
    result = {"machine": machine(), "data": race.meta, "limit": race.limit, "seconds": options.seconds,
              "cold_batch_size": options.cold_batch_size, "batch_sizes": options.batch_sizes, "contestants": []}
    for contestant in contestants():
        if not options.only or contestant.name in options.only:
            result["contestants"].append(race.run(contestant, environments))
    result["minutes"] = round((time.time() - begin) / 60, 1)
    text = json.dumps(result, indent=1)
    (options.folder / "results.json").write_text(text + "\n", encoding="utf-8")
    markdown = "\n".join(tables.tables(json.loads(text))) + "\n"
    (options.folder / "results.md").write_text(markdown, encoding="utf-8")
    print(markdown, end="")


if __name__ == "__main__":
    try:
        main()
    except (Failed, RuntimeError) as error:             # before any contestant could start
        sys.exit(f"race: {error}")
