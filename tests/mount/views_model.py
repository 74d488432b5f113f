# SPDX-License-Identifier: Apache-2.0
"""What a view must show: its name, its rows and columns, its files. Knows .h5ad files, pandas and numpy, and nothing of the C library."""
import os
import subprocess
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd

import model
import source
from h5ad_write import Categorical, Frame, Nullable, names, random_dense, random_sparse, write_h5ad

N, GENES, RAW_GENES = 700, 60, 90
LOUVAIN = ["B cells", "CD4 T cells", "NK cells", "Dendritic, cells", "50% sure/unsure"]


def write_cells(path, n=N, seed=1):
    """Cells with the columns that TileDB's examples use, in all kinds that obs columns have."""
    rng = np.random.default_rng(seed)
    n_genes = rng.integers(0, 1500, n)
    n_genes[rng.integers(0, n, n // 20)] = 480
    obs = Frame(names("cell", n), {
        "n_genes": n_genes, "percent_mito": rng.random(n).astype("f4") / 20, "n_counts": np.round(rng.random(n) * 1e4, 2),
        "louvain": Categorical(rng.integers(-1, len(LOUVAIN), n).astype("i1"), LOUVAIN), "is_b_cell": rng.random(n) < 0.4,
        "score": Nullable(rng.integers(-5, 5, n), rng.random(n) < 0.2),
        "is_primary_data": rng.random(n) < 0.7, "tissue_general": Categorical(rng.integers(0, 3, n).astype("i1"), ["lung", "pancreas", "kidney"]),
        "nnz": rng.integers(100, 600, n), "donor": [f"donor{i}" for i in rng.integers(0, 9, n)], "a/b, 100%": rng.integers(0, 4, n).astype("u1"),
        "plate": np.arange(n) * 14 // n})
    var = Frame(names("gene", GENES), {"n_cells": rng.integers(0, 300, GENES), "highly_variable": rng.random(GENES) < 0.3,
                                       "chromosome": Categorical(rng.integers(0, 4, GENES).astype("i1"), ["1", "2", "X", "MT"])})
    raw_var = Frame(names("raw", RAW_GENES), {"kept": rng.random(RAW_GENES) < 0.5})
    counts = random_sparse(rng, n, GENES, density=0.3)
    counts.data = np.abs(counts.data * 4).astype("<f4")
    counts.data[:] = np.minimum(counts.data, 250)
    write_h5ad(path, counts, obs=obs, var=var, raw=random_sparse(rng, n, RAW_GENES, dtype="<i4"), raw_var=raw_var,
               layers={"logged": random_sparse(rng, n, GENES, dtype="<f4"), "scaled": random_dense(rng, n, GENES, "<f8")})
    with h5py.File(path, "a") as file:
        group = file.create_group("obsm")
        group["X_pca"], group["spatial"] = rng.random((n, 5)).astype("f4"), rng.random((n, 2))


class Cells:
    """An .h5ad file: as pandas tables, and as matrices whose rows can be taken."""

    def __init__(self, path):
        self.path, self.source = path, source.read(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")             # h5ad_write leaves some attributes out
            self.adata = anndata.read_h5ad(path)
        self.obs, self.var = self.adata.obs, self.adata.var
        self.n = self.source.rows

    def view(self, rows=None, columns=None, **options):
        """The View of these options over these rows (a mask or numbers in their order) and columns (likewise), None: all."""
        view = model.View(**options)
        return View(columns_of(self.source.matrices[view.layer], columns), numbers(rows, self.n), view)


def numbers(chosen, n):
    """A mask or a list as row numbers; None: all."""
    if chosen is None:
        return np.arange(n)
    chosen = np.asarray(chosen.fillna(False).astype(bool) if isinstance(chosen, pd.Series) else chosen)
    return np.nonzero(chosen)[0] if chosen.dtype == bool else chosen.astype("i8")


def columns_of(matrix, columns):
    """The matrix with these columns alone, in this order."""
    if columns is None:
        return matrix
    columns = numbers(columns, matrix.n_cols)
    new = np.full(matrix.n_cols, -1)
    new[columns] = np.arange(len(columns))
    kept = new[matrix.indices] >= 0
    major = np.repeat(np.arange(matrix.n_rows), np.diff(matrix.indptr))[kept]
    return source.from_entries(major, new[matrix.indices[kept]].astype("i4"), matrix.data[kept], matrix.n_rows, len(columns))


@dataclass(frozen=True)
class View:
    """A matrix (its columns chosen), the rows of the view in their order, and the other keys."""
    matrix: source.Matrix
    rows: np.ndarray
    keys: model.View

    def steps(self):
        return self.keys.steps(len(self.rows))

    def batches(self, epoch):
        """(rank, batch, row numbers of the collection), as tests/reference/order.py deals them."""
        for rank, batch, at in self.keys.batches(len(self.rows), epoch):
            yield rank, batch, self.rows[at] if len(at) else np.zeros(0, "i8")

    def with_keys(self, **changes):
        return View(self.matrix, self.rows, replace(self.keys, **changes))

    def dense(self, rows):
        """The batch as a table."""
        indptr, indices, data = self.matrix.take(rows)
        dtype = data.dtype if self.keys.value_dtype == "store" else np.dtype(self.keys.value_dtype)
        table = np.zeros((len(rows), self.matrix.n_cols), dtype)
        table[np.repeat(np.arange(len(rows)), np.diff(indptr)), indices] = model.cast(data, self.keys.value_dtype)
        return table

    def files(self, epoch):
        """path -> bytes of the .csr, .npy and array files of an epoch."""
        files = {}
        for rank, batch, rows in self.batches(epoch):
            at = f"epoch_{epoch}/rank_{rank}/batch_{batch}"
            repeated = self.keys.repeated(len(self.rows), rank, batch)
            files[f"{at}.csr"] = model.csr(self.matrix, rows, epoch, rank, batch, self.keys.seed, repeated, self.keys)
            files[f"{at}.npy"] = model.npy(self.dense(rows))
            for name, array in zip(model.SECTIONS, model.batch_arrays(self.matrix, rows, self.keys)):
                files[f"{at}/{name}.npy"] = model.npy(array)
        return files


# --- names ---------------------------------------------------------------------------------------------------------

def encode(value):
    """A value as a canonical name has it."""
    return "".join(f"%{byte:02X}" if byte < 33 or byte > 126 or byte in b"/,%" else chr(byte) for byte in str(value).encode())


def spell(keys):
    """The @ name of these keys, which have no default among them."""
    return "@" + ",".join(f"{key}={encode(keys[key])}" for key in sorted(keys))


def rows_below(directory, epoch=0):
    """All rows that an epoch deals, rank by rank."""
    found = []
    for rank in sorted((directory / f"epoch_{epoch}").glob("rank_*"), key=lambda path: int(path.name[5:])):
        batches = [int(path.name[6:-4]) for path in rank.glob("batch_*.csr")]
        found += [np.load(rank / f"batch_{batch}" / "rows.npy") for batch in sorted(batches)]
    return np.concatenate(found) if found else np.zeros(0, "i8")


def check_files(directory, files):
    for name, expected in files.items():
        path = directory / name
        assert path.stat().st_size == len(expected), f"{path}: st_size"
        assert path.read_bytes() == expected, f"{path}: other bytes than the source"


# --- requests ------------------------------------------------------------------------------------------------------

def waiting_requests(mounted):
    """Requests that the kernel has sent, or wants to send, and that are not answered."""
    device = os.stat(mounted.path).st_dev
    control = Path(f"/sys/fs/fuse/connections/{os.minor(device)}/waiting")
    if not control.exists():
        subprocess.run(["mount", "-t", "fusectl", "none", "/sys/fs/fuse/connections"], capture_output=True)
    return int(control.read_text()) if control.exists() else 0


def check_nothing_waits(mounted):
    deadline = time.monotonic() + 20
    while waiting_requests(mounted):
        assert time.monotonic() < deadline, f"{waiting_requests(mounted)} requests are never answered"
        time.sleep(0.02)
