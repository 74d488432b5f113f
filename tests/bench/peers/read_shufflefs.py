# SPDX-License-Identifier: Apache-2.0
"""Reads batches of a mount: as any program would (a whole file into an array), or by the Python client."""
import sys
from pathlib import Path

import numpy as np
import scipy.sparse as sp

import reading

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "clients" / "python"))


def read_file(path):
    """Of float32 with int32 indices, as all that the race makes."""
    blob = np.fromfile(path, np.uint8)
    n_rows, n_cols, nnz, _, indptr, indices, data = (int(word) for word in blob[:128].view(np.int64)[2:9])

    def array(offset, dtype, count):
        return blob[offset:offset + 4 * count].view(dtype)

    return sp.csr_matrix((array(data, np.float32, nnz), array(indices, np.int32, nnz), array(indptr, np.int32, n_rows + 1)),
                         shape=(n_rows, n_cols))


def by_file(case, numbers):
    def epoch(number):
        folder = f"{case['mount']}/epoch_{number}/rank_0"
        return (read_file(f"{folder}/batch_{k}.csr") for k in numbers)
    return epoch


def by_client(case, numbers):
    import shufflefs                                    # may not be there
    mount = shufflefs.Mount(case["mount"])
    return lambda number: (mount.batch(number, 0, k).scipy() for k in numbers)


def open_mount(case):
    reader, readers = case["share"]
    batches = -(-case["rows"] // case["batch_size"])
    return {"file": by_file, "client": by_client}[case["by"]](case, range(reader, batches, readers))


if __name__ == "__main__":
    reading.serve(open_mount)
