# SPDX-License-Identifier: Apache-2.0
"""A reader of `batch_K.csr`, written from the description of the format alone.

It shares nothing with the C library. It is strict: whatever the format fixes (alignment, zero gaps, where the file
ends, dtypes, sorted indices) is checked, so that reading a file here also shows that the file is well formed.
"""
from dataclasses import dataclass, field

import numpy as np

MAGIC = b"SHUFCSR1"
WORDS, ENTRY, ALIGN = 16, 128, 64
FIXED = ("indptr", "indices", "data", "rows")       # words 6 to 9 are their offsets


class Malformed(ValueError):
    """The bytes are not a batch file."""


@dataclass
class Batch:
    n_rows: int
    n_cols: int
    nnz: int
    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray
    rows: np.ndarray
    epoch: int
    rank: int
    batch: int
    seed: int
    repeated: int
    order_version: int
    columns: dict = field(default_factory=dict)     # the other sections by name, in their order

    def row(self, i):
        """(columns, values) of the i-th row of the batch."""
        at = slice(self.indptr[i], self.indptr[i + 1])
        return self.indices[at], self.data[at]


def require(condition, *what):
    if not condition:
        raise Malformed(" ".join(map(str, what)))


def parse(blob):
    """The Batch in these bytes; Malformed names the first rule that they break."""
    require(len(blob) >= 8 * WORDS, "shorter than its header:", len(blob), "bytes")
    require(blob[:8] == MAGIC, "magic is", blob[:8])
    words = np.frombuffer(blob, "<i8", WORDS)
    header, n_rows, n_cols, nnz, count = (int(w) for w in words[1:6])
    require(n_rows >= 0 and n_cols >= 0 and nnz >= 0, "negative sizes", n_rows, n_cols, nnz)
    require(count >= len(FIXED), count, "sections")
    require(header >= 8 * WORDS + ENTRY * count, "header of", header, "bytes for", count, "sections")
    require(header % ALIGN == 0, "header of", header, "bytes is not aligned")

    sections, end = {}, header
    for i in range(count):
        name, section, end = _section(blob, 8 * WORDS + ENTRY * i, end)
        require(name not in sections, "two sections named", name)
        sections[name] = section
        if i == 0:
            require(section.offset == header, "first section at", section.offset, "not at", header)
    require(end == len(blob), "sections end at", end, "file at", len(blob))
    require(tuple(sections)[:4] == FIXED, "the first sections are", *tuple(sections)[:4])
    for word, name in zip(words[6:10], FIXED):
        require(sections[name].offset == word, name, "is at", sections[name].offset, "the header says", word)

    batch = Batch(n_rows, n_cols, nnz, *(sections[name].array for name in FIXED),
                  *(int(w) for w in words[10:13]), int(words[13:14].view("<u8")[0]), int(words[14]), int(words[15]),
                  {name: section.array for name, section in sections.items() if name not in FIXED})
    _check_arrays(batch)
    return batch


@dataclass
class _Section:
    offset: int
    array: np.ndarray


def _section(blob, at, end):
    """The section whose entry is at `at`, which must begin at the first aligned byte from `end` on; and where it ends."""
    name = blob[at:at + 96].rstrip(b"\0").decode()
    dtype = np.dtype(blob[at + 96:at + 104].rstrip(b"\0").decode())
    offset, count, columns = (int(w) for w in np.frombuffer(blob, "<i8", 3, at + 104))
    require(blob[at + 96:at + 97] in b"<|", name, "is not little-endian")
    require(columns >= 1 and count >= 0 and count % columns == 0, name, count, "elements,", columns, "columns")
    aligned = -(-end // ALIGN) * ALIGN
    require(offset == aligned, name, "at", offset, "expected at", aligned)
    require(offset + count * dtype.itemsize <= len(blob), name, "runs past the end")
    require(not any(blob[end:offset]), "the gap before", name, "is not zero")
    array = np.frombuffer(blob, dtype, count, offset)
    if columns > 1:
        array = array.reshape(-1, columns)
    return name, _Section(offset, array), offset + count * dtype.itemsize


def _check_arrays(batch):
    for name, array in batch.columns.items():
        require(name.startswith(("obs/", "obsm/")) and len(name.encode()) <= 95, "a section named", name)
        require(len(array) == batch.n_rows, name, "has", len(array), "rows")
    index = np.dtype("<i8") if batch.nnz >= 2**31 else np.dtype("<i4")
    require(batch.indptr.dtype == index, "indptr is", batch.indptr.dtype)
    require(batch.indices.dtype in (index, np.dtype("<i8"), np.dtype("<u2")), "indices are", batch.indices.dtype)
    require(batch.rows.dtype == np.dtype("<i8"), "rows are", batch.rows.dtype)
    require(len(batch.indptr) == batch.n_rows + 1 and len(batch.rows) == batch.n_rows, "arrays of other lengths than n_rows")
    require(len(batch.indices) == len(batch.data) == batch.nnz, "arrays of other lengths than nnz")
    require(batch.indptr[0] == 0 and batch.indptr[-1] == batch.nnz, "indptr runs from", batch.indptr[0], "to", batch.indptr[-1])
    require((np.diff(batch.indptr) >= 0).all(), "indptr decreases")
    if batch.nnz:
        require(batch.indices.min() >= 0 and batch.indices.max() < batch.n_cols, "an index is outside the columns")
        starts = np.zeros(batch.nnz, bool)
        starts[batch.indptr[:-1][np.diff(batch.indptr) > 0]] = True
        require(((np.diff(batch.indices.astype("i8")) > 0) | starts[1:]).all(), "indices of a row are not ascending")
