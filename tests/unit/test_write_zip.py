# SPDX-License-Identifier: Apache-2.0
"""Zip files with members and offsets on either side of 2^32 - 1, opened by Python and unzip."""
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[2] / os.environ.get("SHUFFLEFS_BUILD", "build/release")
WIDE = 2**32 - 1


@pytest.mark.parametrize("sizes", [[0], [5, 0, 64], [WIDE, 1, 2], [WIDE + 9, 3], [WIDE - 200, 3, 70, 1]])
def test_sizes(sizes, tmp_path):
    path = tmp_path / "a.zip"
    subprocess.run([BUILD / "write_zip", path, *map(str, sizes)], check=True)
    with zipfile.ZipFile(path) as opened:
        assert [member.file_size for member in opened.infolist()] == sizes
        for member in opened.infolist():
            if member.file_size < 100:
                assert opened.read(member) == bytes(member.file_size)
            assert offset_of_bytes(path, member) % 64 == 0
            assert member.extract_version == (45 if max(member.file_size, member.header_offset) >= WIDE else 20)
    # unzip takes a size of just WIDE bytes for a missing one.
    if shutil.which("unzip") and WIDE not in sizes:
        small = [name for name, size in zip(["a", "bb", "ccc", "d"], sizes) if size < 100]
        done = subprocess.run(["unzip", "-t", path, *small], capture_output=True)
        assert done.returncode == 0 and b"No errors detected" in done.stdout and done.stdout.count(b"OK") == len(small), done.stdout + done.stderr


def offset_of_bytes(path, member):
    with open(path, "rb") as file:
        file.seek(member.header_offset + 26)
        return member.header_offset + 30 + int.from_bytes(file.read(2), "little") + int.from_bytes(file.read(2), "little")
