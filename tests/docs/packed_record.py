# SPDX-License-Identifier: Apache-2.0
"""A decoder of the records of codec packed, written from docs/collection-format.md alone. It checks all that the document says
a reader checks."""
import numpy as np
import zstandard

COUNTS, NUMBERS, DICTIONARY, PLAIN, ZSTD = range(5)
BLOCK, PIECE = 128, 2048


class Damaged(ValueError):
    """The collection breaks a rule of its format."""


def require(condition, *what):
    if not condition:
        raise Damaged(" ".join(map(str, what)))


class Part:
    """Bytes that are taken from the front."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        require(self.at + size <= len(self.data), "a part ends in the middle of something")
        self.at += size
        return self.data[self.at - size:self.at]

    def end(self):
        require(self.at == len(self.data), "bytes are left behind the last of a part")


def decode(record, nnz, dtype, columns):
    """(columns, values) of a row."""
    part = Part(record)
    head = int(np.frombuffer(part.take(4), "<u4")[0])
    mode, index_bytes = head % 8, head // 8
    require(mode <= ZSTD, "mode", mode)
    gaps = Part(part.take(index_bytes))
    column = np.cumsum(blocks(gaps, nnz).astype("i8") + 1) - 1
    gaps.end()
    require(column[-1] < columns, "column", column[-1], "of", columns)
    values = read_values(part, mode, nnz, np.dtype(dtype))
    part.end()
    return column.astype("<i4"), values


def read_values(part, mode, nnz, dtype):
    if mode in (COUNTS, NUMBERS):
        numbers = blocks(part, nnz).astype("i8") + (mode == COUNTS)
        require(numbers.max() < 2**31, "a number of", numbers.max())
        return numbers.astype(dtype)
    if mode == DICTIONARY:
        count = int(np.frombuffer(part.take(2), "<u2")[0])
        require(1 <= count <= 1024, count, "entries")
        entries = np.frombuffer(part.take(count * dtype.itemsize), dtype)
        codes = blocks(part, nnz)
        require(codes.max() < count, "code", codes.max(), "of", count)
        return entries[codes]
    if mode == PLAIN:
        return np.frombuffer(part.take(nnz * dtype.itemsize), dtype)
    pieces = [read_piece(part, min(PIECE, nnz - at), dtype) for at in range(0, nnz, PIECE)]
    return np.concatenate(pieces)


def read_piece(part, n, dtype):
    size = int(np.frombuffer(part.take(4), "<u4")[0])
    require(size <= n * dtype.itemsize, "a piece of", size, "bytes for", n, "values")
    try:
        planes = zstandard.ZstdDecompressor().decompress(part.take(size), max_output_size=n * dtype.itemsize)
    except zstandard.ZstdError as error:
        raise Damaged("a piece that does not unpack") from error
    require(len(planes) == n * dtype.itemsize, "a piece of", len(planes), "bytes unpacked")
    by_value = np.frombuffer(planes, "u1").reshape(dtype.itemsize, n).T
    return np.ascontiguousarray(by_value).view(dtype).reshape(n)


def blocks(part, count):
    return np.concatenate([read_block(part, min(BLOCK, count - at)) for at in range(0, count, BLOCK)])


def read_block(part, n):
    first, = part.take(1)
    width = first % 128
    require(width <= 32, "width", width)
    if first < 128:
        return unpack(part, n, width).astype("u4")
    exceptions, high_width = part.take(2)
    require(1 <= exceptions <= n, exceptions, "exceptions among", n)
    require(1 <= high_width <= 32 - width, "high width", high_width, "beside", width)
    numbers = unpack(part, n, width)
    places = np.frombuffer(part.take(exceptions), "u1").astype(int)
    require((places < n).all() and (np.diff(places) > 0).all(), "places", places)
    numbers[places] += unpack(part, exceptions, high_width) << np.uint64(width)
    return numbers.astype("u4")


def unpack(part, n, width):
    bits = np.unpackbits(np.frombuffer(part.take((n * width + 7) // 8), "u1"), bitorder="little")[:n * width]
    return bits.reshape(n, width).astype("u8") @ (1 << np.arange(width, dtype="u8"))
