# SPDX-License-Identifier: Apache-2.0
"""Collections whose checksums are right and whose contents contradict themselves: refused or EIO, never wrong numbers."""
import json
import shutil

import numpy as np
import pytest

import harness
import h5ad_broken
from craft import describe, sum_again


@pytest.fixture()
def dense(tmp_path):
    h5ad_broken.good(tmp_path / "a.h5ad")
    done = harness.mkshufflefs(tmp_path / "a.h5ad", tmp_path / "a.sfs", "--codec", "dense", "--quiet")
    assert done.returncode == 0
    return tmp_path / "a.sfs"


def test_more_nonzeros_than_a_dense_row_has(dense):
    root = json.loads((dense / "collection.json").read_text())
    shard = next(m for m in root["matrices"] if m["name"] == "X")["shards"][0]
    nnz = np.lib.format.open_memmap(dense / shard["nnz"], "r+")
    deltas = np.lib.format.open_memmap(dense / shard["deltas"], "r+")
    row = next(i for i in range(29) if nnz[i] and nnz[i + 1])
    nnz[row], nnz[row + 1] = nnz[row] + 1, nnz[row + 1] - 1
    deltas[row + 1] += 1
    nnz.flush()
    deltas.flush()
    sum_again(dense, shard["nnz"])
    sum_again(dense, shard["deltas"])
    done = harness.cat_result(dense, f"rows/{row}-{row + 1}.csr")
    assert done.returncode != 0 and f"non-zeros in row {row}" in done.stderr.decode()
    assert harness.cat_result(dense, f"rows/{row + 2}.csr").returncode == 0


@pytest.mark.parametrize("change, message", [
    (lambda root: root["matrices"][0].update(nnz=root["matrices"][0]["nnz"] + 1), "non-zeros"),
    (lambda root: root["tables"]["obs"].update(rows=29), "rows"),
    (lambda root: root.update(rows=2**50), "rows"),
    (lambda root: root["matrices"][0].update(codec="zipped"), "codec"),
    (lambda root: root["matrices"][0].update(columns=2**31), "columns"),
    (lambda root: root.update(version=2), "version"),
    (lambda root: root["files"].clear(), "files"),
])
def test_a_description_that_contradicts_itself(dense, tmp_path, change, message):
    copy = tmp_path / "copy.sfs"
    shutil.copytree(dense, copy)
    describe(copy, lambda root: None)
    assert harness.cat_result(copy, "README.txt").returncode == 0
    describe(copy, change)
    done = harness.cat_result(copy, "README.txt")
    assert done.returncode == 3 and message in harness.sentence(done, "shufflefs")


def test_a_string_that_is_too_long(dense):
    def narrow(root):
        column = next(c for c in root["tables"]["obs"]["columns"] if c["name"] == "text")
        column["width"] = 1
    describe(dense, narrow)
    done = harness.cat_result(dense, "obs/text.npy")
    assert done.returncode != 0 and b"longer one" in done.stderr
