# SPDX-License-Identifier: Apache-2.0
"""Converting a file of 1 GB takes less than 300 MB of memory in each kind of matrix, and reads CSR and dense files once; twice
where genes are sorted."""
import json
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

import harness
from h5ad_write import Frame, names, write_frame

pytestmark = pytest.mark.large

GIGABYTE, LIMIT = 10**9, 300 * 10**6
BLOCK = 1 << 20

# A process starts with the peak memory of the one it was forked from, so the converter is forked from a small one. It is
# looked at when it has ended and before it is waited for: its counters are whole then, and still there.
LAUNCHER = """
import json, os, resource, sys
pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
counters = dict(line.split(": ") for line in open(f"/proc/{pid}/io").read().splitlines())
_, status = os.waitpid(pid, 0)
print(json.dumps({"code": os.waitstatus_to_exitcode(status), "read": int(counters["rchar"]),
                  "peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024}))
"""


def write_sparse(h5, kind, rows, columns):
    """Entries with random gaps, written in blocks; 8 bytes each. Some are zeros, so that columns of CSC are not all alike."""
    group, count, rng = h5.create_group("X"), GIGABYTE // 8, np.random.default_rng(0)
    major, minor = (rows, columns) if kind == "csr" else (columns, rows)
    each = count // major
    group.attrs["encoding-type"], group.attrs["encoding-version"], group.attrs["shape"] = f"{kind}_matrix", "0.1.0", [rows, columns]
    group.create_dataset("indptr", data=np.arange(major + 1, dtype="i8") * each)
    indices = group.create_dataset("indices", (major * each,), "i4", chunks=(BLOCK,))
    data = group.create_dataset("data", (major * each,), "f4", chunks=(BLOCK,))
    step = max(1, 4 * BLOCK // each)
    for at in range(0, major, step):
        lines = min(step, major - at)
        gaps = rng.integers(1, minor // each + 1, (lines, each), dtype="i4")
        indices[at * each:(at + lines) * each] = np.cumsum(gaps, axis=1).ravel() - 1
        zeros = np.arange(each) < (np.arange(at, at + lines) % 7)[:, None]
        data[at * each:(at + lines) * each] = np.where(zeros, 0, rng.integers(1, 50, (lines, each))).ravel().astype("f4")


def write_dense(h5, rows, columns):
    rng = np.random.default_rng(0)
    x = h5.create_dataset("X", (rows, columns), "f4", chunks=(256, columns))
    x.attrs["encoding-type"], x.attrs["encoding-version"] = "array", "0.2.0"
    for at in range(0, rows, 2048):
        x[at:at + 2048] = rng.integers(0, 50, (min(2048, rows - at), columns)).astype("f4")


@pytest.fixture(scope="module", params=["csr", "csc", "dense"])
def gigabyte(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("gigabyte")
    rows, columns = 125_000, 2000 if request.param == "dense" else 20_000
    path = directory / f"{request.param}.h5ad"
    with h5py.File(path, "w") as h5:
        if request.param == "dense":
            write_dense(h5, rows, columns)
        else:
            write_sparse(h5, request.param, rows, columns)
        write_frame(h5, "obs", Frame(names("cell", rows), {"n": np.arange(rows)}))
        write_frame(h5, "var", Frame(names("gene", columns)))
    yield request.param, path
    shutil.rmtree(directory)                            # gigabytes, which pytest would keep


@pytest.mark.parametrize("arguments", [(), ("--sort-genes",)], ids=["as it is", "sorted"])
def test_memory_and_reading(gigabyte, arguments, tmp_path):
    kind, path = gigabyte
    size = path.stat().st_size
    assert size >= GIGABYTE
    if arguments:                                       # counted in the arrays themselves
        arguments += ("--codec", "dense" if kind == "dense" else "raw")
    command = [harness.RELEASE / "mkshufflefs", path, "-o", tmp_path / "a.sfs", "--quiet", *arguments]
    done = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *map(str, command)], capture_output=True, timeout=1800, check=True)
    measured = json.loads(done.stdout)
    assert measured["code"] == 0, done.stderr.decode()
    assert measured["peak"] < LIMIT, f"{kind}: {measured['peak'] / 1e6:.0f} MB"
    if kind != "csc":                                   # those pass through sorted runs on disk, which are read again
        times = measured["read"] / size / (2 if arguments else 1)
        assert 0.9 < times < 1.1, f"{kind}: {measured['read'] / size:.2f} times the file"
    check_some_rows(kind, path, tmp_path / "a.sfs", position_of_genes(tmp_path / "a.sfs") if arguments else None)
    shutil.rmtree(tmp_path / "a.sfs")


def position_of_genes(collection):
    """Where each column was in the file; the frequencies of columns do not rise."""
    position = np.frombuffer(harness.cat(collection, "var/original_position.npy", build=harness.RELEASE), "<i8", offset=128)
    often = np.zeros(len(position), "i8")
    data = np.load(collection / "s0.m0.data.npy", mmap_mode="r")
    if data.ndim == 1:
        indices = np.load(collection / "s0.m0.indices.npy", mmap_mode="r")
        for at in range(0, len(data), BLOCK):
            often += np.bincount(indices[at:at + BLOCK], data[at:at + BLOCK] != 0, len(often)).astype("i8")
    else:
        for at in range(0, len(data), 2048):
            often += (data[at:at + 2048] != 0).sum(axis=0)
    assert (np.diff(often) <= 0).all() and often[0] > often[-1] and (np.sort(position) == np.arange(len(position))).all()
    return position


def check_some_rows(kind, path, collection, position):
    """The first, the last and a row in between are those of the file, with the columns in this order."""
    for row in (0, 77_777, 124_999):
        blob = harness.cat(collection, f"rows/{row}.csr", build=harness.RELEASE)
        words = np.frombuffer(blob, "i8", 16)
        indices = np.frombuffer(blob, "i4", words[4], words[7])
        data = np.frombuffer(blob, "f4", words[4], words[8])
        with h5py.File(path) as h5:
            if kind == "dense":
                columns = np.nonzero(h5["X"][row])[0]
                values = h5["X"][row][columns]
            elif kind == "csr":
                at = slice(*h5["X/indptr"][row:row + 2])
                columns, values = h5["X/indices"][at], h5["X/data"][at]
            else:
                at = np.nonzero(h5["X/indices"][()] == row)[0]
                columns, values = np.searchsorted(h5["X/indptr"][()], at, "right") - 1, h5["X/data"][()][at]
        if position is not None:
            columns = np.argsort(position)[columns]
            columns, values = np.sort(columns), values[np.argsort(columns)]
        assert (indices == columns).all() and (data == values).all() and len(indices) == len(columns)
