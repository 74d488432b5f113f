# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the clients' tests. SHUFFLEFS_BUILD names the directory of the programs, as in tests/mount, whose harness
they use; the library that Python loads is that of the release build, because those with sanitizers cannot be loaded."""
import itertools
import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / name) for name in ("../clients/python", "clients", "mount", "reference")]

import harness  # noqa: E402  (after the path, as all modules here)
import shufflefs  # noqa: E402

LIBRARY = harness.RELEASE / "libshufflefs.so"


@pytest.fixture(scope="session")
def convert(tmp_path_factory):
    """convert(input, *arguments) -> the collection made of it, shared by the session and only to be read."""
    return harness.Converter(tmp_path_factory.mktemp("collections"))


@pytest.fixture(scope="session")
def mount(tmp_path_factory):
    """mount(collection, **options): a context manager that yields a harness.Mount and checks its end."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is missing or not accessible: nothing can be mounted here")
    directory, number = tmp_path_factory.mktemp("mounts"), itertools.count()

    def mount_here(collection, **options):
        point = directory / f"m{next(number)}"
        point.mkdir()
        return harness.mounted(collection, point, **options)
    return mount_here


@pytest.fixture(scope="session")
def open_collection():
    """open_collection(collection, **view) -> a shufflefs.Collection."""
    if not LIBRARY.exists():
        pytest.skip("there is no release build, and Python cannot load a library with sanitizers")
    return lambda collection, **view: shufflefs.Collection(collection, library=LIBRARY, **view)
