# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests over real mounts; the work is done in harness.py.

SHUFFLEFS_BUILD names the directory of the programs (default build/release), SHUFFLEFS_RELEASE_BUILD that of an
optimised build for budgets of time and memory, SHUFFLEFS_TEST_DATA a directory of real .h5ad files.
"""
import itertools
import os
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("reference", "docs")]

import harness  # noqa: E402  (after the path, as all modules here)
import views_long  # noqa: E402
import views_model  # noqa: E402

hypothesis.settings.register_profile(
    "mounts", deadline=None, derandomize=True, print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("mounts")

# Where a shell started us in the background, SIGINT is ignored, and would be by the daemons, whose end it is tested to be.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Without any real file the tests over them do not exist, which a skip would hide among others.
collect_ignore = [] if any(harness.DATA.rglob("*.h5ad")) else ["test_real_data.py"]

# These need no mount and run everywhere.
WITHOUT_FUSE = {"test_reference.py", "test_converter.py", "test_converter_errors.py", "test_converter_crash.py",
                "test_converter_memory.py", "test_row_files.py"}


def pytest_configure(config):
    config.addinivalue_line("markers", "large: takes minutes or gigabytes, or measures an optimised build")


HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name != "test_huge_rows.py")      # the longest begins first: others fill the other cores
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        for item in items:
            if item.path.parent == HERE and item.path.name not in WITHOUT_FUSE:
                item.add_marker(pytest.mark.skip(reason="/dev/fuse is missing or not accessible: nothing can be mounted here"))


@pytest.fixture(scope="session")
def convert(tmp_path_factory):
    """convert(input, *arguments) -> the collection made of it, shared by the session and only to be read."""
    return harness.Converter(tmp_path_factory.mktemp("collections"))


@pytest.fixture(scope="session")
def mount(tmp_path_factory):
    """mount(collection, **options): a context manager that yields a harness.Mount and checks its end."""
    directory, number = tmp_path_factory.mktemp("mounts"), itertools.count()

    def mount_here(collection, build=harness.BUILD, arguments=(), **options):
        point = directory / f"m{next(number)}"
        point.mkdir()
        return harness.mounted(collection, point, build, arguments, **options)
    return mount_here


@pytest.fixture
def mountpoint(tmp_path):
    """An empty directory for tests that start the daemon themselves; nothing stays mounted on it."""
    point = tmp_path / "mnt"
    point.mkdir()
    yield point
    harness.clean_up(None, point)


@pytest.fixture(scope="session")
def cat():
    """cat(collection, path, **options) -> the bytes that `shufflefs --cat` writes; harness.CatMany."""
    return harness.cat


@pytest.fixture(scope="session")
def cells(convert, tmp_path_factory):
    """(collection, views_model.Cells): what the tests of views are about."""
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    views_model.write_cells(path)
    return convert(path), views_model.Cells(path)


@pytest.fixture(scope="session")
def cells_mount(cells, mount):
    """A mount of it with all defaults."""
    with mount(cells[0]) as mounted:
        yield mounted


@pytest.fixture(scope="session")
def long(convert, tmp_path_factory):
    """(collection, u, v): two million rows without entries, and the columns of obs."""
    path = tmp_path_factory.mktemp("long") / "long.h5ad"
    u, v = views_long.write_long(path)
    return convert(path), u, v
