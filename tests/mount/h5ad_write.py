# SPDX-License-Identifier: Apache-2.0
"""Writes .h5ad files with h5py, piece by piece, in every spelling that the format has had.

Nothing here uses anndata: the tests need files that anndata would not write (any more).
"""
from dataclasses import dataclass, field

import h5py
import numpy as np

TEXT = h5py.string_dtype()


@dataclass
class Categorical:
    codes: np.ndarray
    categories: list
    ordered: bool = False


@dataclass
class Nullable:
    values: np.ndarray
    mask: np.ndarray


@dataclass
class Frame:
    """obs or var: the index and the columns by name (arrays, lists of str, Categorical, Nullable)."""
    index: list
    columns: dict = field(default_factory=dict)
    index_name: str = "_index"


@dataclass
class Sparse:
    """A matrix as three arrays, in the order and with the flaws that they come with."""
    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray
    shape: tuple
    kind: str = "csr"


def names(prefix, count):
    return [f"{prefix}{i}" for i in range(count)]


def random_sparse(rng, rows, columns, density=0.2, dtype="<f4", kind="csr", index="<i4", pointer="<i4"):
    """Sorted indices, some rows and columns empty, and values that every dtype holds exactly."""
    present = rng.random((rows, columns)) < density
    present[rng.random(rows) < 0.1] = False
    major = present if kind == "csr" else present.T
    indptr = np.concatenate([[0], np.cumsum(major.sum(axis=1))])
    indices = np.nonzero(major)[1]
    return Sparse(indptr.astype(pointer), indices.astype(index), random_values(rng, len(indices), dtype), (rows, columns), kind)


def random_values(rng, count, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.ones(count, dtype)
    values = rng.integers(1, 100, count)
    if dtype.kind == "f":
        values = values * rng.choice([-0.5, 0.25, 1.0], count)
    elif dtype.kind == "i":
        values = values * rng.choice([-1, 1], count)
    return values.astype(dtype)


def random_dense(rng, rows, columns, dtype="<f4", density=0.3):
    dense = np.zeros((rows, columns), np.dtype(dtype))
    present = rng.random((rows, columns)) < density
    dense[present] = random_values(rng, int(present.sum()), dtype)
    return dense


# --- matrices ------------------------------------------------------------------------------------------------------

def write_matrix(parent, name, matrix, **storage):
    """A matrix in today's spelling; `storage` goes to create_dataset (chunks, compression)."""
    if isinstance(matrix, Sparse):
        group = write_arrays(parent, name, matrix, **storage)
        group.attrs["encoding-type"] = f"{matrix.kind}_matrix"
        group.attrs["encoding-version"] = "0.1.0"
        group.attrs["shape"] = np.array(matrix.shape, "i8")
        return group
    dataset = parent.create_dataset(name, data=matrix, **storage)
    dataset.attrs["encoding-type"], dataset.attrs["encoding-version"] = "array", "0.2.0"
    return dataset


def write_h5sparse(parent, name, matrix, **storage):
    """A sparse matrix as before 2019."""
    group = write_arrays(parent, name, matrix, **storage)
    group.attrs["h5sparse_format"] = matrix.kind
    group.attrs["h5sparse_shape"] = np.array(matrix.shape, "i8")
    return group


def write_arrays(parent, name, matrix, **storage):
    group = parent.create_group(name)
    for key in ("indptr", "indices", "data"):
        group.create_dataset(key, data=getattr(matrix, key), **storage)
    return group


# --- tables --------------------------------------------------------------------------------------------------------

def write_frame(parent, name, frame, **storage):
    """A table in today's spelling: a group with a dataset or a group a column."""
    group = parent.create_group(name)
    group.attrs["encoding-type"], group.attrs["encoding-version"] = "dataframe", "0.2.0"
    group.attrs["_index"] = frame.index_name
    write_column_order(group, frame)
    write_strings(group, frame.index_name, frame.index, **storage)
    for key, column in frame.columns.items():
        write_column(group, key, column, **storage)
    return group


def write_column_order(group, frame):
    if frame.columns:
        group.attrs.create("column-order", list(frame.columns), dtype=TEXT)
    else:
        group.attrs["column-order"] = np.array([], "f8")        # so does anndata


def write_strings(group, key, values, **storage):
    dataset = group.create_dataset(key, data=np.array(values, object), dtype=TEXT, **storage)
    dataset.attrs["encoding-type"], dataset.attrs["encoding-version"] = "string-array", "0.2.0"
    return dataset


def write_column(group, key, column, **storage):
    if isinstance(column, Categorical):
        sub = group.create_group(key)
        sub.attrs["encoding-type"], sub.attrs["encoding-version"] = "categorical", "0.2.0"
        sub.attrs["ordered"] = column.ordered
        sub.create_dataset("codes", data=column.codes, **storage)
        write_column(sub, "categories", column.categories, **storage)
    elif isinstance(column, Nullable):
        sub = group.create_group(key)
        kind = "boolean" if column.values.dtype.kind == "b" else "integer"
        sub.attrs["encoding-type"], sub.attrs["encoding-version"] = f"nullable-{kind}", "0.1.0"
        sub.create_dataset("values", data=column.values, **storage)
        sub.create_dataset("mask", data=column.mask, **storage)
    elif isinstance(column, list):
        write_strings(group, key, column, **storage)
    else:
        dataset = group.create_dataset(key, data=column, **storage)
        dataset.attrs["encoding-type"], dataset.attrs["encoding-version"] = "array", "0.2.0"


def write_frame_2020(parent, name, frame, **storage):
    """A table as in anndata 0.7: categories stand under `__categories`, referred to by an attribute."""
    group = parent.create_group(name)
    group.attrs["encoding-type"], group.attrs["encoding-version"] = "dataframe", "0.1.0"
    group.attrs["_index"] = frame.index_name
    write_column_order(group, frame)
    group.create_dataset(frame.index_name, data=np.array(frame.index, object), dtype=TEXT, **storage)
    for key, column in frame.columns.items():
        if isinstance(column, Categorical):
            categories = group.require_group("__categories").create_dataset(
                key, data=np.array(column.categories, object), dtype=TEXT, **storage)
            categories.attrs["ordered"] = column.ordered
            group.create_dataset(key, data=column.codes, **storage).attrs["categories"] = categories.ref
        elif isinstance(column, list):
            group.create_dataset(key, data=np.array(column, object), dtype=TEXT, **storage)
        else:
            group.create_dataset(key, data=column, **storage)
    return group


def write_frame_2019(file, name, frame, **storage):
    """A table as before 0.7: one compound dataset, and the categories in `uns/<column>_categories`."""
    fields = [("index", np.array([s.encode() for s in frame.index]))]
    for key, column in frame.columns.items():
        if isinstance(column, Categorical):
            file.require_group("uns").create_dataset(f"{key}_categories", data=np.array([c.encode() for c in column.categories]))
            column = column.codes
        elif isinstance(column, list):
            column = np.array([s.encode() for s in column])
        fields.append((key, column))
    table = np.zeros(len(frame.index), [(key, column.dtype) for key, column in fields])
    for key, column in fields:
        table[key] = column
    return file.create_dataset(name, data=table, **storage)


def write_h5ad(path, x=None, obs=None, var=None, layers=None, raw=None, raw_var=None, userblock=0, **storage):
    """A whole file in today's spelling; obs and var default to names alone."""
    some = next(m for m in (x, *(layers or {}).values(), raw) if m is not None)
    with h5py.File(path, "w", userblock_size=userblock) as file:
        file.attrs["encoding-type"], file.attrs["encoding-version"] = "anndata", "0.1.0"
        write_frame(file, "obs", obs or Frame(names("cell", some.shape[0])))
        write_frame(file, "var", var or Frame(names("gene", some.shape[1])))
        if x is not None:
            write_matrix(file, "X", x, **storage)
        group = file.create_group("layers")
        for name, matrix in (layers or {}).items():
            write_matrix(group, name, matrix, **storage)
        if raw is not None:
            group = file.create_group("raw")
            write_matrix(group, "X", raw, **storage)
            write_frame(group, "var", raw_var or Frame(names("rawgene", raw.shape[1])))
