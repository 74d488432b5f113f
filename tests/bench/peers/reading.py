# SPDX-License-Identifier: Apache-2.0
"""What all readers have in common: they take cases as lines of JSON, and answer each with what they measured.

A reader calls serve() with a function that opens a store as a case says and returns another one, of an epoch's number,
that iterates over the batches of that epoch: CSR matrices of scipy or torch.
"""
import gc
import json
import sys
import time
import traceback
from pathlib import Path

import numpy as np


def serve(open_store):
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        case = json.loads(line)
        try:
            answer = measure(open_store, case)
        except Exception as error:                      # a failed case is a result, too
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        gc.collect()                                    # ends what an abandoned epoch still fetches ahead
        print(json.dumps(answer), flush=True)


def measure(open_store, case):
    start = time.perf_counter()
    epochs = open_store(case)
    opened = time.perf_counter() - start
    meter = Meter(case)
    for epoch in range(1 << 30):
        for X in epochs(epoch):
            if meter.add(X):
                return {**meter.result(), "open_seconds": opened}
        if meter.end_of_epoch():
            return {**meter.result(), "open_seconds": opened}
    raise RuntimeError("no batches")


class Meter:
    """Counts whole windows: the rows that a loader fetches together, as the first batch of them costs as much as all.

    Warm, windows are not counted until case["skip"] rows have come or as much time has passed as is to be measured.
    Cold, time begins before the first batch and ends with the first epoch at the latest, for then the store is warm.
    """

    def __init__(self, case):
        self.case, self.in_window, self.skip = case, 0, case["skip"]
        self.rows = self.nnz = self.epoch_rows = self.epoch_nnz = 0
        self.checked = not self.skip                    # the check would cost time that is measured
        self.start = time.perf_counter()
        self.begin = None if self.skip else self.start

    def add(self, X):
        """Takes a batch; True when that was the last one."""
        rows, nnz = X.shape[0], values_in(X)
        if not self.checked:
            check_rows(X, self.case)
            self.checked = True
        self.in_window += rows
        self.epoch_rows += rows
        self.epoch_nnz += nnz
        if self.begin is not None:
            self.rows += rows
            self.nnz += nnz
        if self.in_window < self.case["window"]:
            return False
        self.in_window = 0
        return self.boundary(self.epoch_rows)

    def end_of_epoch(self):
        if self.epoch_rows == self.case["rows"] and self.epoch_nnz != self.case["nnz"]:
            raise ValueError(f"an epoch has {self.epoch_nnz} values, the data {self.case['nnz']}")
        self.in_window = self.epoch_rows = self.epoch_nnz = 0
        return self.boundary(self.skip) or not self.skip

    def boundary(self, seen):
        now = time.perf_counter()
        if self.begin is None:
            if seen >= self.skip or now - self.start >= self.case["seconds"]:
                self.begin = now
            return False
        self.seconds = now - self.begin
        # An epoch's last window may be short, and nearly as slow as a whole one: not that one alone.
        whole = self.rows >= min(self.case["window"], self.case["rows"])
        return whole and self.seconds >= self.case["seconds"]

    def result(self):
        return {"rows": self.rows, "nnz": self.nnz, "seconds": self.seconds,
                "samples_per_second": self.rows / self.seconds}


def values_in(X):
    return X.nnz if hasattr(X, "nnz") else X._nnz()


def arrays(X):
    """indptr, indices and data of a CSR matrix of scipy or torch."""
    if hasattr(X, "crow_indices"):
        return X.crow_indices().numpy(), X.col_indices().numpy(), X.values().numpy()
    return X.indptr, X.indices, X.data


def signatures(indptr, indices, data):
    """A number for each row, of its number of values, the sum of their columns and the largest value: all are exact in
    whatever order the values come."""
    filled = np.flatnonzero(np.diff(indptr))
    starts = np.asarray(indptr[:-1], np.int64)[filled]
    result = np.diff(indptr).astype(np.uint64)
    if len(filled):
        columns = np.add.reduceat(np.asarray(indices, np.uint64), starts)
        largest = np.maximum.reduceat(np.asarray(data, np.float32), starts).view(np.uint32)
        result[filled] = (result[filled] << np.uint64(44)) ^ (columns << np.uint64(16)) ^ largest
    return result


def check_rows(X, case):
    """A batch has the size asked for, and rows that are the data's."""
    indptr, indices, data = arrays(X)
    if X.shape[0] != min(case["batch_size"], case["rows"]) or len(indices) != indptr[-1]:
        raise ValueError(f"a batch has {X.shape[0]} rows, {len(indices)} columns and {indptr[-1]} values")
    # SCDL's batches are as wide as the last column in them.
    if X.shape[1] != case["vars"] and not case.get("ragged"):
        raise ValueError(f"a batch has {X.shape[1]} columns, the data {case['vars']}")
    known = np.load(Path(case["data"]) / "signatures.npy")
    if not np.isin(signatures(indptr, indices, data), known).all():
        raise ValueError("a batch has rows that are not in the data")
