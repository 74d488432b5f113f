# SPDX-License-Identifier: Apache-2.0
"""Reads batches of a mount: as any program would (a whole file into an array), or by the Python client."""
import sys
from pathlib import Path

import numpy as np
import scipy.sparse as sp

import reading

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "clients" / "python"))


def read_file(path):
    """As docs/batch-format.md says; the type of the values is in the entry of the third section."""
    blob = memoryview(np.fromfile(path, np.uint8))      # scipy copies what is a small part of another array
    n_rows, n_cols, nnz, _, indptr, indices, data = np.frombuffer(blob, np.int64, 9)[2:].tolist()
    dtype = bytes(blob[480:488]).rstrip(b"\0").decode()
    return sp.csr_matrix((np.frombuffer(blob, dtype, nnz, data), np.frombuffer(blob, np.int32, nnz, indices),
                          np.frombuffer(blob, np.int32, n_rows + 1, indptr)), shape=(n_rows, n_cols))


def by_file(case):
    first, stride = case["share"]
    numbers = range(first, -(-case["rows"] // case["batch_size"]), stride)

    def epoch(number):
        folder = f"{case['mount']}/epoch_{number}/rank_0"
        return (read_file(f"{folder}/batch_{k}.csr") for k in numbers)
    return epoch


def by_client(case):
    import shufflefs                                    # may not be there
    mount = shufflefs.Mount(case["mount"])
    return lambda number: (batch.scipy() for batch in mount.batches(number, 0, *case["share"], ahead=case["ahead"]))


def open_mount(case):
    return by_client(case) if "ahead" in case else by_file(case)


if __name__ == "__main__":
    reading.serve(open_mount)
