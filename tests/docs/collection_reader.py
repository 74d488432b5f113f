# SPDX-License-Identifier: Apache-2.0
"""A reader of collections, written from docs/collection-format.md alone. It shares nothing with the C library.

It checks everything that the document says can be checked, before it gives out anything: slow, and strict.
"""
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xxhash

import packed_record
from packed_record import Damaged, require

PAGE = 4096
DTYPES = {"|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"}


def low32(data, seed=0):
    return xxhash.xxh3_64_intdigest(data, seed=seed) & 0xFFFFFFFF


@dataclass
class Matrix:
    dtype: str
    codec: str
    columns: int
    rows: list                  # (indices, values) of each row


@dataclass
class Column:
    name: str
    kind: str
    values: object              # an array; of strings, a list of bytes
    width: int = 0
    ordered: bool = False
    mask: np.ndarray = None
    categories: list = None     # of bytes


@dataclass
class Collection:
    description: dict
    matrices: dict = field(default_factory=dict)
    tables: dict = field(default_factory=dict)         # name -> (has_index, [Column])
    lines: dict = field(default_factory=dict)          # name -> where the lines of CSV begin, and where the last one ends


def unique(pairs):
    require(len(dict(pairs)) == len(pairs), "a key is there twice")
    return dict(pairs)


def count(value, limit):
    require(type(value) is int and 0 <= value <= limit, "expected a number up to", limit, "found", value)
    return value


def read_description(directory):
    text = (directory / "collection.json").read_bytes()
    key = text.rindex(b'"checksum"')
    found = re.fullmatch(rb'"checksum": *"([0-9a-f]{16})"\s*}\s*', text[key:])
    require(found, "no checksum at the end of collection.json")
    require(found[1].decode() == xxhash.xxh3_64_hexdigest(text[:key]), "checksum of collection.json")
    description = json.loads(text.decode(), object_pairs_hook=unique)
    require(description["format"] == "shufflefs" and description["version"] == 1, "another format or version")
    return description


class Files:
    """The arrays of a collection; every page of a covered file is verified when the file is opened."""

    def __init__(self, directory, entries):
        self.directory, self.entries, self.opened = directory, entries, set()

    def bytes_of(self, name):
        require(re.fullmatch(r"[A-Za-z0-9_.-]+", name) and name not in (".", ".."), "file name", name)
        require(name in self.entries, name, "is not in files")
        path = self.directory / name
        require(path.is_file() and not path.is_symlink(), name, "is not a regular file")
        data = path.read_bytes()
        require(len(data) == self.entries[name]["bytes"], name, "has", len(data), "bytes")
        self.opened.add(name)
        return data

    def array(self, name, dtype, *shape, covered=True):
        """shape -1: as many elements as the file has."""
        data, entry = self.bytes_of(name), self.entries[name]
        require(("sums" in entry) == covered, name, "is covered by page sums or is not, unlike others of its role")
        if shape == (-1,):
            shape = ((len(data) - 128) // np.dtype(dtype).itemsize,)
        require(data[:128] == header(dtype, shape), name, "has another header than", dtype, shape)
        array = np.frombuffer(data, dtype, offset=128)
        require(array.size == np.prod(shape, dtype=object), name, "has", array.size, "elements")
        if covered:
            self.verify_pages(name, data, entry)
        return array.reshape(shape)

    def verify_pages(self, name, data, entry):
        sums = self.array(entry["sums"], "<u4", -1, covered=False)
        for page in range(-(-len(data) // PAGE)):
            require(low32(data[PAGE * page:PAGE * (page + 1)]) == sums[entry["first_sum"] + page], name, "page", page)


def header(dtype, shape):
    shown = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shown}, }}"
    return b"\x93NUMPY\x01\x00\x76\x00" + text.encode().ljust(117) + b"\n"


def read(path):
    """All of a collection, with every checksum verified."""
    directory = Path(path)
    collection = Collection(read_description(directory))
    description = collection.description
    files = Files(directory, description["files"])
    rows = count(description["rows"], 2**40)
    count(description["generation"], 2**63 - 1)
    shard_rows = [count(shard["rows"], 2**40) for shard in description["shards"]]
    require(shard_rows and sum(shard_rows) == rows, "shards of", shard_rows, "rows")

    variables = {"obs": rows, "var": count(description["variables"], 2**31 - 1)}
    if "raw_var" in description["tables"]:
        variables["raw_var"] = count(description["tables"]["raw_var"]["rows"], 2**31 - 1)
    if "obsm" in description["tables"]:
        variables["obsm"] = rows
    require(set(description["tables"]) == set(variables), "tables", set(description["tables"]))
    for name, table in description["tables"].items():
        parts = shard_rows if name in ("obs", "obsm") else [variables[name]]
        collection.tables[name] = read_table(files, table, variables[name], parts)
        if "csv" in table:
            require(name != "obsm" and table["csv"]["version"] == 1, name, "csv")
            collection.lines[name] = read_lines(files, table["csv"]["parts"], parts)
        for column in table["columns"]:
            require(("columns" in column) == (name == "obsm"), name, column["name"], "has columns or has none")

    for matrix in description["matrices"]:
        name = matrix["name"]
        require(name in ("X", "raw/X") or name.startswith("layers/"), "matrix", name)
        require(name not in collection.matrices, "two matrices", name)
        require(matrix["columns"] == variables["raw_var" if name == "raw/X" else "var"], name, "columns")
        collection.matrices[name] = read_matrix(files, matrix, shard_rows)
    require(files.opened == set(description["files"]), "files that nothing refers to:", set(description["files"]) - files.opened)
    require(files.opened | {"collection.json"} == set(os.listdir(directory)), "files that collection.json does not name")
    return collection


# --- matrices ------------------------------------------------------------------------------------------------------

def read_matrix(files, matrix, shard_rows):
    codec, dtype, columns = matrix["codec"], matrix["dtype"], count(matrix["columns"], 2**31 - 1)
    require(dtype in DTYPES and codec in READERS, "dtype", dtype, "codec", codec)
    require(len(matrix["shards"]) == len(shard_rows), "shards of", matrix["name"])
    rows = []
    for shard, n in zip(matrix["shards"], shard_rows):
        rows += READERS[codec](files, shard, n, dtype, columns)
    total = sum(shard["nnz_total"] for shard in matrix["shards"])
    require(matrix["nnz"] == total < 2**59, "nnz of", matrix["name"])
    check_inexact(matrix, rows)
    return Matrix(dtype, codec, columns, rows)


def check_inexact(matrix, rows):
    """The rows named in `inexact` have values that do not fit; the first one that has is named."""
    for name, misfit in matrix.get("inexact", {}).items():
        require(name in ("float64", "float32", "float16", "int64", "int32", "uint16", "uint8"), "value dtype", name)
        require(len(misfit["value"].encode()) <= 31, "a value of", misfit["value"])
        require(not fits(rows[misfit["row"]][1], np.dtype(name)).all(), "row", misfit["row"], "fits", name)
    for name in {"float64", "float32", "float16", "int64", "int32", "uint16", "uint8"} if "inexact" in matrix else ():
        first = next((r for r, (_, values) in enumerate(rows) if not fits(values, np.dtype(name)).all()), None)
        require(first == matrix["inexact"].get(name, {"row": None})["row"], name, "does not fit row", first)


def fits(values, dtype):
    """Which values come back equal from another type; NaN from any float."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return np.array([v == v and v not in (np.inf, -np.inf) and int(v) == v and limits.min <= int(v) <= limits.max
                         for v in values.tolist()], bool)
    with np.errstate(over="ignore"):
        back = values.astype(dtype).tolist()
    return np.array([a == b or a != a for a, b in zip(values.tolist(), back)], bool)


def read_places(files, shard, n, columns):
    """(start, nnz, check) of each row."""
    smallest = next(t for t, most in (("|u1", 2**8), ("<u2", 2**16), ("<u4", 2**32)) if columns < most)
    require(shard["nnz_dtype"] == smallest, "nnz_dtype", shard["nnz_dtype"], "for", columns, "columns")
    bases = files.array(shard["bases"], "<u8", -(-n // 64)).astype(object)
    deltas = files.array(shard["deltas"], "<u4", n)
    nnz = files.array(shard["nnz"], shard["nnz_dtype"], n).astype("i8")
    checks = files.array(shard["checks"], "<u4", n)
    starts = [int(bases[r // 64]) + int(deltas[r]) for r in range(n)]
    require(starts == [int(sum) for sum in np.cumsum(nnz) - nnz], "rows do not follow one another")
    require(int(nnz.sum()) == shard["nnz_total"] and (nnz <= columns).all(), "nnz_total or nnz")
    return [(start, int(k), int(check)) for start, k, check in zip(starts, nnz, checks)]


def read_raw(files, shard, n, dtype, columns):
    indices = files.array(shard["indices"], "<i4", shard["nnz_total"], covered=False)
    data = files.array(shard["data"], dtype, shard["nnz_total"], covered=False)
    rows = []
    for start, nnz, check in read_places(files, shard, n, columns):
        row = indices[start:start + nnz], data[start:start + nnz]
        h = xxhash.xxh3_64_intdigest(row[0].tobytes())
        require(check == (low32(row[1].tobytes(), seed=h) if nnz else 0), "checksum of row", len(rows))
        require((np.diff(row[0].astype("i8")) > 0).all() and (row[0] >= 0).all() and (row[0] < columns).all(), "indices of row", len(rows))
        rows.append(row)
    return rows


def read_dense(files, shard, n, dtype, columns):
    require("indices" not in shard and columns, "indices, or no columns, with codec dense")
    data = files.array(shard["data"], dtype, n, columns, covered=False)
    rows = []
    for start, nnz, check in read_places(files, shard, n, columns):
        row = data[len(rows)]
        require(check == (low32(row.tobytes()) if nnz else 0), "checksum of row", len(rows))
        at = np.nonzero(row != 0)[0] if nnz else np.zeros(0, int)
        require(len(at) == nnz, "non-zeros of row", len(rows))
        rows.append((at.astype("<i4"), row[at]))
    return rows


def read_packed(files, shard, n, dtype, columns):
    require("indices" not in shard, "indices with codec packed")
    data = files.array(shard["data"], "|u1", -1, covered=False)
    bases = files.array(shard["record_bases"], "<u8", -(-n // 64)).astype(object)
    deltas = files.array(shard["record_deltas"], "<u4", n)
    begins = [int(bases[r // 64]) + int(deltas[r]) for r in range(n)] + [len(data)]
    rows = []
    for r, (_, nnz, check) in enumerate(read_places(files, shard, n, columns)):
        require(begins[r] <= begins[r + 1] <= len(data) and begins[r + 1] - begins[r] < 2**32, "record of row", r)
        record = data[begins[r]:begins[r + 1]].tobytes()
        require((len(record) == 0) == (nnz == 0), "bytes of row", r)
        require(check == (low32(record) if nnz else 0), "checksum of row", r)
        rows.append(packed_record.decode(record, nnz, dtype, columns) if nnz else (np.zeros(0, "<i4"), np.zeros(0, dtype)))
    return rows


READERS = {"packed": read_packed, "raw": read_raw, "dense": read_dense}


# --- tables --------------------------------------------------------------------------------------------------------

def read_table(files, table, rows, parts):
    require(table["rows"] == rows, "table of", table["rows"], "rows")
    columns = [read_column(files, column, parts) for column in table["columns"]]
    names = [column.name for column in columns]
    require(table["has_index"] == ("_index" in names) and "_index" not in names[1:], "the index among", names)
    if table["has_index"]:
        require(columns[0].kind == "string" and columns[0].mask is None, "the index is no plain strings")
    return table["has_index"], columns


def read_column(files, column, parts):
    kind = column["kind"]
    require(len(column["parts"]) == len(parts), column["name"], "parts")
    both = list(zip(column["parts"], parts))
    mask = None
    if column["nullable"]:
        mask = np.concatenate([files.array(part["mask"], "|b1", n) for part, n in both])
    require(column["nullable"] or not any("mask" in part for part in column["parts"]), column["name"], "mask")
    if kind == "string":
        strings = [string for part, n in both for string in read_strings(files, part, n)]
        require(column["width"] == max(map(len, strings), default=0), column["name"], "width")
        return Column(column["name"], kind, strings, column["width"], mask=mask)
    if kind == "number":
        require(column["dtype"] in DTYPES, column["name"], "dtype")
        width = [count(column["columns"], 2**31 - 1)] if "columns" in column else []
        require(not width or width[0] and not column["nullable"], column["name"], "columns", width)
        return Column(column["name"], kind, np.concatenate([files.array(p["values"], column["dtype"], n, *width) for p, n in both]), mask=mask)
    require(kind == "categorical" and not column["nullable"], column["name"], "kind", kind)
    categories = read_strings(files, column["categories"], count(column["categories"]["count"], 2**31 - 1))
    codes = np.concatenate([files.array(part["values"], "<i4", n) for part, n in both])
    require((codes >= -1).all() and (codes < len(categories)).all(), column["name"], "codes")
    return Column(column["name"], kind, codes, ordered=column["ordered"], categories=categories)


def read_lines(files, described, parts):
    require(len(described) == len(parts), "parts of csv")
    begins, total = [], 0
    for part, n in zip(described, parts):
        bases, deltas = files.array(part["bases"], "<u8", -(-n // 64)), files.array(part["deltas"], "<u4", n)
        begins += [total + int(bases[r // 64]) + int(deltas[r]) for r in range(n)]
        total += count(part["bytes"], 2**59)
    begins.append(total)
    require(begins[0] == 0 and all(a < b for a, b in zip(begins, begins[1:])), "lines do not follow one another")
    return begins


def read_strings(files, where, n):
    text = files.array(where["text"], "|u1", -1).tobytes()
    offsets = [int(offset) for offset in files.array(where["offsets"], "<u8", n + 1)]
    require(offsets[0] == 0 and offsets[-1] == len(text), "offsets of", where["text"])
    return [unescape(text[a:b]) for a, b in zip(offsets, offsets[1:])]


def unescape(line):
    require(re.fullmatch(rb"([^\\\n\0]|\\[\\n0])*\n", line), "line", line)
    return re.sub(rb"\\(.)", lambda m: {b"n": b"\n", b"0": b"\0", b"\\": b"\\"}[m[1]], line[:-1])
