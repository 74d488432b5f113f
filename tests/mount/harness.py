# SPDX-License-Identifier: Apache-2.0
"""Runs the programs under test: converts, mounts, reads without a mount.

A daemon is watched as closely as the bytes it serves: it must be silent on stdout, log nothing that the test did not
expect, exit with 0 and leave nothing mounted. A sanitizer's report therefore fails the test that provoked it; but for what
is found only when a process ends, as leaks are, of those that are read by --cat: that fails at the end of the session.
"""
import contextlib
import hashlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SHUFFLEFS_BUILD", REPO / "build" / "release")).resolve()
# Budgets of memory and time only mean something without sanitizers.
RELEASE = Path(os.environ.get("SHUFFLEFS_RELEASE_BUILD", REPO / "build" / "release")).resolve()
DATA = Path(os.environ.get("SHUFFLEFS_TEST_DATA", REPO.parent / "shared" / "data")).resolve()

SANITIZER = re.compile(r"ERROR:|runtime error|WARNING: ThreadSanitizer|Sanitizer:")
PATIENCE = 60                                           # seconds until something is called hung

# libfuse ends its threads by pthread_cancel, after which the sanitizer would complain about its own signal stack.
os.environ.setdefault("ASAN_OPTIONS", "use_sigaltstack=0")
os.environ.setdefault("LSAN_OPTIONS", f"suppressions={REPO / 'tests' / 'lsan.supp'}:print_suppressions=0")
os.environ.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")


def option_string(options):
    """`-o` text of a dict; `\\,` and `\\\\` are the only escapes there."""
    def escape(value):
        return str(value).replace("\\", "\\\\").replace(",", "\\,")
    return ",".join(key if value is None else f"{key}={escape(value)}" for key, value in options.items())


def option_arguments(options):
    return ["-o", option_string(options)] if options else []


def run(command, timeout=PATIENCE, **kwargs):
    """A finished process with its output as bytes; whatever it did, no sanitizer may have spoken."""
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, **kwargs)
    check_sanitizers(done.stderr.decode(errors="replace"))
    return done


def check_sanitizers(text):
    assert not SANITIZER.search(text), f"a sanitizer reports:\n{text}"


def sentence(done, program):
    """The one line that a failed program leaves on stderr."""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"{program}: "), f"not one sentence of {program}: {lines}"
    return lines[0]


# --- mkshufflefs ---------------------------------------------------------------------------------------------------

def mkshufflefs(source, output, *arguments, build=BUILD, timeout=600):
    return run([build / "mkshufflefs", source, "-o", output, *arguments], timeout=timeout)


class Converter:
    """Converts inputs, each once: two tests that ask for the same input and arguments share a collection.

    The collection is only to be read; a test that damages one copies it first.
    """

    def __init__(self, directory):
        self.directory, self.made = directory, {}

    def __call__(self, source, *arguments, build=BUILD):
        key = (self._identity(source), arguments)
        if key not in self.made:
            output = self.directory / f"{len(self.made)}.sfs"
            done = mkshufflefs(source, output, "--quiet", *arguments, build=build)
            assert done.returncode == 0, f"{source} does not convert: {done.stderr.decode()}"
            assert done.stderr == b"", f"--quiet is not quiet: {done.stderr.decode()}"
            self.made[key] = output
        return self.made[key]

    @staticmethod
    def _identity(source):
        if str(source).startswith("synthetic:"):
            return str(source)
        if os.path.getsize(source) > 1 << 28:           # hashing those would take longer than converting them
            return str(source)
        return hashlib.sha256(Path(source).read_bytes()).hexdigest()


# --- shufflefs --cat -----------------------------------------------------------------------------------------------

def cat_process(collection, path, build=BUILD, **options):
    return run([build / "shufflefs", "--cat", collection, path, *option_arguments(options)])


class CatMany:
    """tests/unit/cat_many.c: `shufflefs --cat` again and again in one process, which it takes a tenth of the time."""

    def __init__(self, build):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([build / "cat_many"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        self.lock = threading.Lock()

    def __call__(self, *arguments):
        """As a finished process."""
        words = [os.fsencode(word) for word in ("shufflefs", *arguments)]
        with self.lock:
            hung = threading.Timer(PATIENCE, self.process.kill)
            hung.start()
            try:
                self.process.stdin.write(b"\0".join([str(len(words)).encode(), *words, b""]))
                self.process.stdin.flush()
                head = self.process.stdout.readline().split()
                assert head, f"{arguments} ends the process:\n{self.said()}"
                status, *sizes = map(int, head)
                out, err = (self.process.stdout.read(size) for size in sizes)
                assert [len(out), len(err)] == sizes, f"{arguments} ends the process as it answers:\n{self.said()}"
                return subprocess.CompletedProcess(words, status, out, err)
            finally:
                hung.cancel()

    def said(self):
        self.process.kill()
        self.process.wait()
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def end(self):
        """At the end it must be in order; leaks are found only now."""
        self.process.stdin.close()
        status = self.process.wait(PATIENCE)
        assert (status, self.said()) == (0, "")


_cats = {}                                              # of each build, in this process


def cat_result(collection, path, build=BUILD, **options):
    """What `shufflefs --cat` does; see CatMany."""
    if build not in _cats:
        _cats[build] = CatMany(build)
    try:
        return _cats[build]("--cat", collection, path, *option_arguments(options))
    except BaseException:
        _cats.pop(build).said()                         # the next test has one of its own
        raise


def end_cats():
    with contextlib.ExitStack() as ends:
        while _cats:
            ends.callback(_cats.popitem()[1].end)


def cat(collection, path, build=BUILD, **options):
    done = cat_result(collection, path, build, **options)
    assert done.returncode == 0, f"--cat {path} exits with {done.returncode}: {done.stderr.decode()}"
    assert done.stderr == b"", f"--cat {path} says: {done.stderr.decode()}"
    return done.stdout


# --- shufflefs -----------------------------------------------------------------------------------------------------

class Mount:
    """A mounted collection and the daemon that serves it."""

    def __init__(self, process, path, log):
        self.process, self.path, self.log_path = process, Path(path), log
        self.expected = []

    def __truediv__(self, name):
        return self.path / name

    def read(self, name):
        with open(self.path / name, "rb", buffering=0) as file:
            return file.readall()

    def list(self, name=""):
        return os.listdir(self.path / name)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def expect(self, pattern):
        """Lines of the log that match are no failure."""
        self.expected.append(re.compile(pattern))

    def alive(self):
        return self.process.poll() is None

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self):
        """The daemon's exit status."""
        return self.process.wait(PATIENCE)

    def check_log(self):
        check_sanitizers(self.log())
        for line in self.log().splitlines():
            assert any(p.search(line) for p in self.expected), f"unexpected line in the daemon's log: {line}"


def start(collection, mountpoint, build=BUILD, arguments=(), **options):
    """A daemon in the foreground, once its mount is there. Its output goes to files beside the mount point."""
    mountpoint = Path(mountpoint)
    log, out = mountpoint.with_suffix(".log"), mountpoint.with_suffix(".out")
    command = [build / "shufflefs", collection, mountpoint, "-f", *arguments, *option_arguments(options)]
    with open(log, "wb") as stderr, open(out, "wb") as stdout:
        process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
    deadline = time.monotonic() + PATIENCE
    while not os.path.ismount(mountpoint):
        if process.poll() is not None:
            raise AssertionError(f"shufflefs exits with {process.returncode} before it mounts:\n{log.read_text()}")
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise AssertionError(f"not mounted after {PATIENCE} s:\n{log.read_text()}")
        time.sleep(0.005)
    return Mount(process, mountpoint, log)


@contextlib.contextmanager
def mounted(collection, mountpoint, build=BUILD, arguments=(), **options):
    """Mounts for the length of a block, and checks how the daemon ends and what it said."""
    mount = start(collection, mountpoint, build, arguments, **options)
    try:
        yield mount
        if mount.alive():
            mount.signal()
        code = mount.wait()
        assert code == 0, f"the daemon exits with {code}:\n{mount.log()}"
        assert not os.path.ismount(mountpoint), "still mounted after the daemon's end"
        assert Path(mountpoint).with_suffix(".out").read_bytes() == b"", "the daemon writes to stdout"
        mount.check_log()
    except BaseException:
        print(f"log of the daemon:\n{mount.log()}")     # pytest shows it with the failure
        raise
    finally:
        clean_up(mount.process, mountpoint)


def clean_up(process, mountpoint):
    """No daemon and no mount are left, whatever happened."""
    if process is not None and process.poll() is None:
        process.kill()
        process.wait()
    if is_mount_point(mountpoint):
        subprocess.run(["umount", "-l", str(mountpoint)], check=False, capture_output=True)


def is_mount_point(path):
    """From the kernel's table, because a dead FUSE mount cannot be asked (stat gives ENOTCONN)."""
    return any(line.split()[4] == str(path) for line in Path("/proc/self/mountinfo").read_text().splitlines())


def unmount(*command):
    subprocess.run([str(part) for part in command], check=True, capture_output=True, timeout=PATIENCE)
