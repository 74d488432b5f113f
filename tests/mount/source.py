# SPDX-License-Identifier: Apache-2.0
"""What an .h5ad file holds, read with h5py alone: the truth that mounted files are compared with.

Matrices come as the rows that batches must have: columns ascending, duplicates summed in the order of storage,
explicit zeros kept of a sparse source, values that are not 0 of a dense one.
"""
from dataclasses import dataclass

import h5py
import numpy as np


@dataclass
class Matrix:
    n_rows: int
    n_cols: int
    indptr: np.ndarray          # int64
    indices: np.ndarray         # int32
    data: np.ndarray            # the dtype of the source, little-endian
    dense: bool
    duplicates: int = 0         # entries that were summed into another one
    unsorted_rows: int = 0      # rows (CSR only) whose indices are not in ascending order
    nnz = property(lambda self: len(self.data))
    explicit_zeros = property(lambda self: int((self.data == 0).sum()))

    def take(self, rows):
        """(indptr, indices, data) of these rows, in this order."""
        rows = np.asarray(rows, "i8")
        starts, lengths = self.indptr[rows], self.indptr[rows + 1] - self.indptr[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype("i8")
        at = np.repeat(starts - indptr[:-1], lengths) + np.arange(indptr[-1])
        return indptr, self.indices[at], self.data[at]


@dataclass
class Column:
    """A column of obs or var. `kind` is number, nullable, categorical or string; the other fields as that needs."""
    kind: str
    values: np.ndarray
    mask: np.ndarray = None
    categories: list = None


@dataclass
class Table:
    n: int
    index: list                 # of str, or None where the file has none
    columns: dict


@dataclass
class Source:
    rows: int
    variables: int
    matrices: dict              # "X", "raw/X" and the names of the layers, as the option `layer` spells them
    obs: Table
    var: Table
    raw_var: Table = None


def read(path):
    with h5py.File(path, "r") as h5:
        obs, var = read_table(h5, "obs"), read_table(h5, "var")
        matrices = {}
        if "X" in h5:
            matrices["X"] = read_matrix(h5["X"])
        for name in h5.get("layers", {}):
            matrices[name] = read_matrix(h5["layers"][name])
        raw = next((name for name in ("raw/X", "raw.X") if name in h5), None)
        raw_var = None
        if raw:
            matrices["raw/X"] = read_matrix(h5[raw])
            raw_var = read_table(h5, raw[:-1] + "var")
        return Source(obs.n, var.n, matrices, obs, var, raw_var)


# --- matrices ------------------------------------------------------------------------------------------------------

def little_endian(array):
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def read_matrix(node):
    if isinstance(node, h5py.Dataset):
        return from_dense(little_endian(node[()]))
    kind = text(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format")))[:3]
    shape = node.attrs.get("shape", node.attrs.get("h5sparse_shape"))
    indptr, indices = (node[name][()].astype("i8") for name in ("indptr", "indices"))
    major = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    rows, columns = (major, indices) if kind == "csr" else (indices, major)
    matrix = from_entries(rows, columns, little_endian(node["data"][()]), *(int(s) for s in shape))
    if kind == "csr":
        backwards = (np.diff(indices) < 0) & (np.diff(major) == 0)
        matrix.unsorted_rows = len(np.unique(major[1:][backwards]))
    return matrix


def from_dense(dense):
    rows, columns = np.nonzero(dense)                   # NaN is not 0; -0 is
    indptr = np.searchsorted(rows, np.arange(dense.shape[0] + 1))
    return Matrix(*dense.shape, indptr.astype("i8"), columns.astype("i4"), dense[rows, columns], True)


def from_entries(rows, columns, data, n_rows, n_cols):
    at = np.lexsort((columns, rows))                    # stable: duplicates stay in the order of storage
    rows, columns, data = rows[at], columns[at], data[at]
    first = np.ones(len(rows), bool)
    first[1:] = (np.diff(rows) != 0) | (np.diff(columns) != 0)
    duplicates = int((~first).sum())
    if duplicates:
        place, total = np.cumsum(first) - 1, data[first].copy()
        for i in np.nonzero(~first)[0]:
            total[place[i]] += data[i]
        rows, columns, data = rows[first], columns[first], total
    indptr = np.searchsorted(rows, np.arange(n_rows + 1))
    return Matrix(n_rows, n_cols, indptr.astype("i8"), columns.astype("i4"), data, False, duplicates)


# --- tables --------------------------------------------------------------------------------------------------------

def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def texts(array):
    return [text(value) for value in array]


def read_table(h5, name):
    node = h5[name]
    if isinstance(node, h5py.Dataset):
        return read_compound(node[()], h5.get("uns", {}))
    index = None
    index_name = text(node.attrs["_index"]) if "_index" in node.attrs else None
    if index_name is not None:
        index = texts(node[index_name][()])
    if "column-order" in node.attrs:
        order = texts(node.attrs["column-order"])
    else:
        order = [key for key in node if key not in (index_name, "__categories")]
    return Table(len(index) if index is not None else None, index, {key: read_column(h5, node[key]) for key in order})


def read_compound(table, uns):
    columns = {}
    for key in table.dtype.names[1:]:
        values = table[key]
        if f"{key}_categories" in uns:
            columns[key] = Column("categorical", values.astype("i4"), categories=texts(uns[f"{key}_categories"][()]))
        elif values.dtype.kind in "SO":
            columns[key] = Column("string", texts(values))
        else:
            columns[key] = Column("number", little_endian(values))
    return Table(len(table), texts(table[table.dtype.names[0]]), columns)


def read_column(h5, node):
    if isinstance(node, h5py.Group):
        if "codes" in node:
            return Column("categorical", node["codes"][()].astype("i4"), categories=plain(node["categories"][()]))
        return Column("nullable", little_endian(node["values"][()]), mask=node["mask"][()].astype(bool))
    if "categories" in node.attrs:
        return Column("categorical", node[()].astype("i4"), categories=plain(h5[node.attrs["categories"]][()]))
    if node.dtype.kind in "SO":
        return Column("string", texts(node[()]))
    return Column("number", little_endian(node[()]))


def plain(categories):
    """Categories as str, or as the numbers that they are."""
    return texts(categories) if categories.dtype.kind in "SO" else categories.tolist()
