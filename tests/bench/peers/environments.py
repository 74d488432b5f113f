# SPDX-License-Identifier: Apache-2.0
"""A virtual environment for each contestant, with the versions that requirements/NAME.txt pins.

One each, since they do not agree on versions (pandas). uv makes them: it shares what they have in common by hard links
to its cache, which matters for torch, and it can fetch a Python where the system has none from 3.12 on (annbatch needs
that one).
"""
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
UV_VERSION = "0.13.8"
PYTHON = ">=3.12,<3.14"                                 # the pinned versions have wheels for these
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu/torch/"


class Environments:
    def __init__(self, folder):
        self.folder = Path(folder)
        installed = shutil.which("uv")
        self.uv_path = Path(installed) if installed else self.folder / "uv" / "bin" / "uv"

    def python(self, name):
        """The interpreter of a contestant's environment, made if it is not there as pinned."""
        environment = self.folder / name
        wanted = (HERE / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        installed = environment / "installed.txt"
        if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
            print(f"installing {name}", file=sys.stderr)
            self.make(name, environment, wanted)
            installed.write_text(wanted, encoding="utf-8")
        return environment / "bin" / "python"

    def make(self, name, environment, wanted):
        shutil.rmtree(environment, ignore_errors=True)
        self.uv("venv", "--quiet", "--python", self.base_python(), environment)
        install = ["pip", "install", "--quiet", "--python", environment / "bin" / "python",
                   "-r", HERE / "requirements" / f"{name}.txt"]
        if "\ntorch==" in wanted and reachable(TORCH_CPU_INDEX):
            try:
                self.uv(*install, "--torch-backend", "cpu")
                return
            except RuntimeError as error:
                print(f"no CPU build of torch ({error}): taking PyPI's with CUDA", file=sys.stderr)
        self.uv(*install)

    def base_python(self):
        found = self.call_uv("python", "find", "--no-python-downloads", PYTHON)
        if found.returncode == 0:
            return found.stdout.strip()
        # uv looks in PATH alone, where pyenv has shims that only work for the chosen version.
        pyenv = sorted((Path.home() / ".pyenv" / "versions").glob("3.1[23].*/bin/python"))
        if pyenv:
            return pyenv[0]
        self.uv("python", "install", "3.12")
        return "3.12"

    def uv(self, *arguments):
        done = self.call_uv(*arguments)
        if done.returncode:
            raise RuntimeError(f"uv {arguments[0]}: {done.stderr.strip()[-600:]}")

    def call_uv(self, *arguments):
        if not self.uv_path.exists():
            self.get_uv()
        # The cache is beside the environments, as hard links do not cross file systems.
        command = [self.uv_path, "--cache-dir", self.folder / "cache", *arguments]
        return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)

    def get_uv(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", self.uv_path.parents[1]], check=True)
            subprocess.run([self.uv_path.with_name("pip"), "install", "--quiet", f"uv=={UV_VERSION}"], check=True)
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"uv cannot be installed (Debian: apt install python3-venv): {error}") from error


def reachable(url):
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except (urllib.error.URLError, OSError):
        return False
