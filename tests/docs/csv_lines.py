# SPDX-License-Identifier: Apache-2.0
"""Tables as CSV, written from docs/batch-format.md alone."""
import re

import numpy as np


def quoted(text):
    """A string as a field."""
    return b'"' + text.replace(b'"', b'""') + b'"' if not text or re.search(rb'[,"\r\n]', text) else text


def number(value):
    if value.dtype.kind == "f" and value.dtype.itemsize == 8:
        return repr(float(value)).encode()
    return str(value).encode()


def fields(column):
    """One for each row; None: missing."""
    missing = column.mask if column.mask is not None else np.zeros(len(column.values), bool)
    if column.kind == "string":
        return [None if gone else quoted(value) for value, gone in zip(column.values, missing)]
    if column.kind == "categorical":
        return [None if code < 0 else quoted(column.categories[code]) for code in column.values]
    return [None if gone or value != value else number(value) for value, gone in zip(column.values, missing)]


def lines(columns, rows):
    """The line of the names, and one for each row, of the columns of a table as collection_reader has them."""
    nothing = b'""' if len(columns) == 1 else b""
    found = [b",".join(quoted(column.name.encode()) for column in columns) + b"\n"]
    each = [[nothing if field is None else field for field in fields(column)] for column in columns]
    return found + [b",".join(line) + b"\n" for line in (zip(*each) if columns else [()] * rows)]
