# SPDX-License-Identifier: Apache-2.0
"""What the kernel is asked for ahead of a batch: all that reading it takes, where some of it is not in memory, and nothing twice."""
import os
import subprocess
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[2] / os.environ.get("SHUFFLEFS_BUILD", "build/release")
SOURCE = "synthetic:rows=3000,vars=3000,density=0.2,seed=1"
ROWS = 100
RANK = "epoch_0/rank_0/"


@pytest.fixture(scope="module", params=["packed", "raw", "dense"])
def collection(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("ask") / f"{request.param}.sfs"
    subprocess.run([BUILD / "mkshufflefs", SOURCE, "-o", path, "--codec", request.param, "--quiet"], check=True)
    return path


def nonzeros(collection, paths):
    heads = [subprocess.run([BUILD / "shufflefs", "--cat", collection, RANK + path, "-o", f"batch_size={ROWS}"], check=True,
                            capture_output=True).stdout[:128] for path in paths]
    return sum(int.from_bytes(head[32:40], "little") for head in heads)


def ask(collection, name, *keys):
    """The bytes of each file that are asked for, where nothing is in memory, and again; where all is, nothing."""
    cold, warm, again, *blocks = ask_ahead(collection, name, *keys)
    assert warm == ["0"] and cold == ["1", *again[1:]] and again[0] == "again" and blocks == [["0"], ["0"]]
    return list(map(int, again[1:]))


def ask_ahead(collection, name, *keys):
    done = subprocess.run([BUILD / "ask_ahead", collection, RANK + name, f"batch_size={ROWS}", *keys], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name,batches", [("batch_3.csr", [3]), ("batch_3.npy", [3]), ("batch_3/data.npy", [3]), ("batch_3/indices.npy", [3]),
                                          ("batches_3-5.csr", [3, 4, 5])])
def test_all_that_is_read_is_asked_for(collection, name, batches):
    nnz, asked = nonzeros(collection, [f"batch_{k}.csr" for k in batches]), ask(collection, name)
    if collection.stem == "raw":
        assert asked == [4 * nnz] * (1 if "/" in name else 2), "of indices and values, all bytes once"
    elif collection.stem == "dense":
        assert asked == [4 * 3000 * ROWS * len(batches)], "rows, once"
    else:
        assert len(asked) == 1 and nnz / 2 < asked[0] < 2 * nnz, "records, once"


@pytest.mark.parametrize("name", ["batch_3.csr", "batch_3/data.npy"])
def test_genes_are_found_in_whole_rows(collection, name):
    """Which values are of the genes, the indices tell: both are asked for, once."""
    assert ask(collection, name, "genes=_index like \"%7\"") == ask(collection, "batch_3.csr")


@pytest.mark.parametrize("name", ["batch_0.csr", "batch_7.csr", "batches_2-5.csr"])
@pytest.mark.parametrize("block", [1, 8, 60])
def test_all_blocks_of_a_window_are_asked_for(collection, name, block):
    """Of a window that has all rows, that is all there is, whichever batch of it comes first; and nothing of it where it is in memory."""
    nnz = nonzeros(collection, [f"batch_{k}.csr" for k in range(30)])
    *_, cold, warm = ask_ahead(collection, name, "order=block", f"block_size={block}", "window=3000")
    data = max(path.stat().st_size for path in collection.iterdir())
    all_of_it = {"raw": [4 * nnz] * 2, "dense": [4 * 3000 * 3000], "packed": [data - 128]}[collection.stem]
    assert cold[0] == "1" and list(map(int, cold[1:])) == all_of_it
    assert warm[0] == "1" and (warm == ["1"] or block < 60), "blocks of a page or two are asked for without looking"
