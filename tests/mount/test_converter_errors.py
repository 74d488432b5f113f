# SPDX-License-Identifier: Apache-2.0
"""What mkshufflefs refuses: each broken .h5ad with a sentence that names the place at fault, each misuse with one that names
the option; exit code 1, and nothing left behind.
"""
import os
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

import h5ad_broken
import harness
from h5ad_write import random_sparse, write_h5ad


@pytest.mark.parametrize("name", h5ad_broken.FILES)
def test_broken_files(name, tmp_path):
    write, message = h5ad_broken.FILES[name]
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    path = tmp_path / "in" / ("without_obs.h5ad" if name == "without_anything" else f"{name}.h5ad")
    write(path)
    done = harness.mkshufflefs(path, tmp_path / "out" / "a.sfs", "--quiet")
    said = harness.sentence(done, "mkshufflefs")
    assert done.returncode == 1 and done.stdout == b"", said
    assert re.search(message, said), f"does not say {message}: {said}"
    assert os.listdir(tmp_path / "out") == [], "something is left behind"


def test_the_good_file_is_good(tmp_path):
    """The broken files are broken by what is changed in them, not by what they are made from."""
    h5ad_broken.good(tmp_path / "good.h5ad")
    assert harness.mkshufflefs(tmp_path / "good.h5ad", tmp_path / "a.sfs", "--quiet").returncode == 0


@pytest.fixture
def good(tmp_path):
    write_h5ad(tmp_path / "good.h5ad", random_sparse(np.random.default_rng(0), 20, 10))
    return tmp_path / "good.h5ad"


MISUSE = [
    (["--layer", "nope"], "nope"), (["--raw"], "raw"), (["--codec", "zip"], "zip"), (["--codec"], "codec"), (["--shard-rows", "0"], "shard-rows"),
    (["--shard-rows", "-5"], "shard-rows"), (["--shard-rows", "many"], "shard-rows"), (["--layer", "x", "--raw"], "raw|layer"),
    (["--nonsense"], "nonsense"), (["another.h5ad"], "another.h5ad"),
]


@pytest.mark.parametrize("arguments, message", MISUSE, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_misuse(good, tmp_path, arguments, message):
    done = harness.mkshufflefs(good, tmp_path / "a.sfs", *arguments)
    assert done.returncode == 1 and done.stdout == b"" and re.search(message, done.stderr.decode())
    assert done.stderr.startswith(b"mkshufflefs: ") and os.listdir(tmp_path) == ["good.h5ad"]


def test_no_output_named(good):
    done = harness.run([harness.BUILD / "mkshufflefs", good])
    assert done.returncode == 1 and b"-o" in done.stderr


def test_no_folder_for_the_output(good, tmp_path):
    done = harness.mkshufflefs(good, tmp_path / "nowhere" / "a.sfs")
    assert done.returncode == 1 and "nowhere" in harness.sentence(done, "mkshufflefs")


@pytest.mark.parametrize("what", ["file", "folder", "collection"])
def test_output_exists(good, tmp_path, what):
    """What is there is not touched."""
    output = tmp_path / "a.sfs"
    if what == "file":
        output.write_text("mine")
    elif what == "folder":
        output.mkdir()
        (output / "mine").write_text("mine")
    else:
        assert harness.mkshufflefs(good, output, "--quiet").returncode == 0
    before = {path: path.read_bytes() for path in [output, *output.rglob("*")] if path.is_file()}
    done = harness.mkshufflefs(good, output, "--quiet")
    assert done.returncode == 1 and "a.sfs" in harness.sentence(done, "mkshufflefs")
    assert before == {path: path.read_bytes() for path in [output, *output.rglob("*")] if path.is_file()} and before
    assert sorted(os.listdir(tmp_path)) == ["a.sfs", "good.h5ad"]


def test_a_column_of_two_dimensions_is_left_out(tmp_path):
    """With a line that says so; the rest of the file is converted."""
    h5ad_broken.good(tmp_path / "a.h5ad")
    h5ad_broken.replace(tmp_path / "a.h5ad", "obs/n", np.ones((30, 2)))
    done = harness.mkshufflefs(tmp_path / "a.h5ad", tmp_path / "a.sfs")
    assert done.returncode == 0 and re.search(rb"^.*obs/n\b.*left out.*$", done.stderr, re.MULTILINE), done.stderr
    listed = harness.cat(tmp_path / "a.sfs", "obs").decode().split()
    assert "n.npy" not in listed and "label.npy" in listed


def test_without_obs_the_rows_are_those_of_x(tmp_path):
    h5ad_broken.good(tmp_path / "a.h5ad")
    h5ad_broken.replace(tmp_path / "a.h5ad", "obs", None)
    done = harness.mkshufflefs(tmp_path / "a.h5ad", tmp_path / "a.sfs", "--quiet")
    assert done.returncode == 0 and done.stderr == b""
    assert harness.cat(tmp_path / "a.sfs", "obs") == b""
    assert len(harness.cat(tmp_path / "a.sfs", "epoch_0/rank_0/batch_0/rows.npy")) == 128 + 30 * 8


def test_a_reader_that_crashes(tmp_path):
    """libhdf5 dies of some damaged files: then one sentence is said, and nothing is left behind. Here the process that reads is
    killed while it waits for a pipe that never says anything."""
    os.mkfifo(tmp_path / "never.h5ad")
    process = subprocess.Popen([harness.BUILD / "mkshufflefs", tmp_path / "never.h5ad", "-o", tmp_path / "a.sfs"], stderr=subprocess.PIPE, text=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not children.read_text().split():
        assert process.poll() is None
    os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 1 and said.startswith("mkshufflefs: ") and "never.h5ad" in said and said.count("\n") == 1
    assert os.listdir(tmp_path) == ["never.h5ad"]
