# SPDX-License-Identifier: Apache-2.0
"""What a collection made with --sort-genes must hold: the source with its columns in the order of their frequency."""
from dataclasses import replace

import numpy as np

import source

POSITION = "original_position"


def frequencies(matrix):
    """Non-zeros of each column; an explicit zero is none, and what was summed to 0 is one of those."""
    return np.bincount(matrix.indices[matrix.data != 0], minlength=matrix.n_cols)


def order_of(matrix):
    """The column of the source that each column is; numbers that are the same stay in order."""
    return np.lexsort((np.arange(matrix.n_cols), -frequencies(matrix)))


def permute_matrix(matrix, order):
    """matrix[:, order], with its explicit zeros."""
    place = np.empty(len(order), "i8")
    place[order] = np.arange(len(order))
    rows = np.repeat(np.arange(matrix.n_rows), np.diff(matrix.indptr))
    columns = place[matrix.indices]
    at = np.lexsort((columns, rows))
    return replace(matrix, indices=columns[at].astype("i4"), data=matrix.data[at])


def take(values, order):
    return [values[i] for i in order] if isinstance(values, list) else values[order]


def permute_table(table, order):
    columns = {name: replace(column, values=take(column.values, order), mask=None if column.mask is None else column.mask[order])
               for name, column in table.columns.items()}
    columns[POSITION] = source.Column("number", order.astype("<i8"))
    return source.Table(len(order), None if table.index is None else take(table.index, order), columns)


def identity(table):
    return np.arange(table.n)


def sort_source(truth):
    """The whole source, sorted: by X or else by the first layer, and raw by itself."""
    mine = [name for name in truth.matrices if name != "raw/X"]
    order = order_of(truth.matrices[mine[0]]) if mine else identity(truth.var)
    raw_order = order_of(truth.matrices["raw/X"]) if "raw/X" in truth.matrices else None
    matrices = {name: permute_matrix(matrix, raw_order if name == "raw/X" else order) for name, matrix in truth.matrices.items()}
    raw_var = permute_table(truth.raw_var, raw_order) if truth.raw_var else None
    return source.Source(truth.rows, truth.variables, matrices, truth.obs, permute_table(truth.var, order), raw_var)


def layer_alone(truth, name):
    """The source that --layer NAME (or --raw, for raw/X) converts, before it is sorted."""
    var = truth.raw_var if name == "raw/X" else truth.var
    return source.Source(truth.rows, var.n, {"X": truth.matrices[name]}, truth.obs, var)
