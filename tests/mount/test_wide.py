# SPDX-License-Identifier: Apache-2.0
"""A batch of 2^31 non-zeros and more: its indptr and indices are int64, its parts are where the header says."""
import os

import h5py
import numpy as np
import pytest

import harness
from h5ad_write import Frame, names, write_frame

ROWS, COLUMNS = 36000, 60000
NNZ = ROWS * COLUMNS


def write_ones(path):
    """A dense X of ones in a file of a few kilobytes: chunks that were never written read as the fill value."""
    with h5py.File(path, "w") as h5:
        h5.attrs["encoding-type"], h5.attrs["encoding-version"] = "anndata", "0.1.0"
        x = h5.create_dataset("X", (ROWS, COLUMNS), "u1", chunks=(100, COLUMNS), fillvalue=1)
        x.attrs["encoding-type"], x.attrs["encoding-version"] = "array", "0.2.0"
        write_frame(h5, "obs", Frame(names("c", ROWS)))
        write_frame(h5, "var", Frame(names("g", COLUMNS)))


def read_array(fd, dtype, count, offset):
    return np.frombuffer(os.pread(fd, count * np.dtype(dtype).itemsize, offset), dtype)


@pytest.mark.large
def test_wide(tmp_path):
    assert NNZ >= 2**31
    write_ones(tmp_path / "ones.h5ad")
    done = harness.mkshufflefs(tmp_path / "ones.h5ad", tmp_path / "ones.sfs", "--quiet", build=harness.RELEASE)
    assert done.returncode == 0, done.stderr
    mountpoint = tmp_path / "mnt"
    mountpoint.mkdir()
    with harness.mounted(tmp_path / "ones.sfs", mountpoint, harness.RELEASE, batch_size=2**20, order="shuffle") as mounted:
        fd = os.open(mounted / "epoch_0/rank_0/batch_0.csr", os.O_RDONLY)
        words = read_array(fd, "<i8", 16, 0)
        indptr_at, indices_at, data_at, rows_at = words[6:10]
        assert words[2:5].tolist() == [ROWS, COLUMNS, NNZ]
        assert indices_at - indptr_at == -(-(ROWS + 1) * 8 // 64) * 64 and data_at - indices_at == NNZ * 8 and rows_at - data_at == NNZ
        assert os.fstat(fd).st_size == rows_at + ROWS * 8
        assert (read_array(fd, "<i8", ROWS + 1, indptr_at) == np.arange(ROWS + 1) * COLUMNS).all()
        assert sorted(read_array(fd, "<i8", ROWS, rows_at)) == list(range(ROWS))
        for first in (0, 2**31 - 5, NNZ - 1000):
            count = min(1000, NNZ - first)
            assert (read_array(fd, "<i8", count, indices_at + first * 8) == np.arange(first, first + count) % COLUMNS).all()
            assert (read_array(fd, "u1", count, data_at + first) == 1).all()
        unaligned = os.pread(fd, 100, indices_at + 3 + 8 * (2**31))
        assert unaligned == (np.arange(2**31, 2**31 + 20, dtype="<i8") % COLUMNS).tobytes()[3:103]
        os.close(fd)
        assert mounted.read("epoch_0/rank_0/batch_0/indptr.npy")[:128] == npy_header(ROWS + 1)


def npy_header(count):
    text = f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({count},), }}"
    return b"\x93NUMPY\x01\x00v\x00" + text.ljust(117).encode() + b"\n"
