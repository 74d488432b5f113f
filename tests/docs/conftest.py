# SPDX-License-Identifier: Apache-2.0
"""Tests that hold the documents and the programs together. SHUFFLEFS_BUILD names the directory of the programs, as in
tests/mount, whose harness they use."""
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "docs"), str(TESTS / "mount"), str(TESTS / "reference")]

import harness  # noqa: E402  (after the path)


@pytest.fixture(scope="session")
def convert(tmp_path_factory):
    """convert(input, *arguments) -> the collection made of it, shared by the session and only to be read."""
    return harness.Converter(tmp_path_factory.mktemp("collections"))
