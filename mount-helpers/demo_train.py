# SPDX-License-Identifier: Apache-2.0
"""Trains a softmax classifier of an obs label from a shufflefs mount: one process a rank, gradients added up in shared memory.

Nothing of shufflefs is imported: a batch is a file.
"""
import json
import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np

LEARNING_RATE, MOMENTUM, REPORTS_AN_EPOCH = 0.5, 0.9, 4


def read_batch(path):
    head = np.fromfile(path, np.int64, 16)
    rows, columns, nnz = head[2:5]
    indptr = np.fromfile(path, np.int32, rows + 1, offset=head[6])
    indices = np.fromfile(path, np.int32, nnz, offset=head[7])
    data = np.fromfile(path, DTYPE, nnz, offset=head[8])
    numbers = np.fromfile(path, np.int64, rows, offset=head[9])
    return indptr, indices, data, numbers


def choose_label(dataset):
    """The first categorical column with 2 to 100 categories, cell types before others."""
    columns = [c for c in dataset["obs"] if c["type"] == "categorical" and 2 <= c["categories"] <= 100]
    columns.sort(key=lambda c: c["name"] != "cell_type")
    return columns[0] if columns else None


def normalised(indptr, data):
    """log1p of counts scaled to 1,000 a row, then to length 1."""
    row = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    value = data.astype(np.float32)
    total = np.bincount(row, np.abs(value), len(indptr) - 1)
    value = np.log1p(np.abs(value) * (1000 / np.maximum(total, 1e-9))[row]) * np.sign(value)
    length = np.sqrt(np.bincount(row, value * value, len(indptr) - 1))
    return row, (value / np.maximum(length, 1e-9)[row]).astype(np.float32)


def gradient(weights, batch, labels):
    """Of the mean cross-entropy of a batch; and how many rows were right before the update."""
    indptr, indices, data, numbers = batch
    row, value = normalised(indptr, data)
    truth = labels[numbers]
    scores = np.stack([np.bincount(row, value * w[indices], len(numbers)) for w in weights], 1)
    right = int((scores.argmax(1) == truth).sum())
    share = np.exp(scores - scores.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    known = truth >= 0                                    # -1: no label
    share[np.flatnonzero(known), truth[known]] -= 1
    share[~known] = 0
    slope = [np.bincount(indices, value * share[row, k], weights.shape[1]) for k in range(len(weights))]
    return np.stack(slope) / max(len(numbers), 1), right


def train(rank, world_size, mount, dataset, label, shared, counts, barrier):
    classes, columns = label["categories"], dataset["variables"]
    labels = np.load(mount / "obs" / f"{label['name']}.npy")
    weights, slopes = np.zeros((classes, columns)), np.frombuffer(shared).reshape(world_size, classes, columns)
    counts = np.frombuffer(counts, np.int64).reshape(world_size, 2)
    velocity, batches = np.zeros_like(weights), dataset["batches_per_rank"]
    for epoch in range(dataset["view"]["epochs"]):
        started = time.monotonic()
        for k in range(batches):
            batch = read_batch(mount / f"epoch_{epoch}/rank_{rank}/batch_{k}.csr")
            slopes[rank], right = gradient(weights, batch, labels)
            counts[rank] += right, len(batch[3])
            barrier.wait()
            velocity = MOMENTUM * velocity - LEARNING_RATE * len(batch[3]) / 32 * slopes.mean(0)
            weights += velocity
            barrier.wait()
            part, before = (k + 1) * REPORTS_AN_EPOCH // batches, k * REPORTS_AN_EPOCH // batches
            if rank == 0 and part > before:
                seconds = time.monotonic() - started
                print(f"epoch {epoch}  {100 * (k + 1) // batches:3d} %  {rows_so_far(dataset, k):7,d} rows  "
                      f"{rows_so_far(dataset, k) / seconds:9,.0f} rows/s  accuracy {counts[:, 0].sum() / counts[:, 1].sum():.3f}", flush=True)
                counts[:] = 0
            barrier.wait()


def rows_so_far(dataset, k):
    view = dataset["view"]
    return min((k + 1) * view["batch_size"] * view["world_size"], dataset["rows"])


def main():
    global DTYPE
    mount = Path(sys.argv[1])
    dataset = json.loads((mount / "dataset.json").read_text())
    label, world_size = choose_label(dataset), dataset["view"]["world_size"]
    if not dataset["batches_per_rank"] or label is None:
        print("nothing to train on: " + ("no batches" if label else "no categorical column with 2 to 100 categories in obs"))
        return
    DTYPE = np.dtype(dataset["matrices"][dataset["layer"]]["dtype"])
    print(f"{dataset['rows']:,} rows x {dataset['variables']:,} columns; learns obs/{label['name']} "
          f"({label['categories']} classes) on {world_size} ranks")
    shared = multiprocessing.RawArray("d", world_size * label["categories"] * dataset["variables"])
    counts = multiprocessing.RawArray("q", world_size * 2)
    barrier = multiprocessing.Barrier(world_size)
    ranks = [multiprocessing.Process(target=train, args=(rank, world_size, mount, dataset, label, shared, counts, barrier))
             for rank in range(world_size)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    sys.exit(any(process.exitcode for process in ranks))


if __name__ == "__main__":
    main()
