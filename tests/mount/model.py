# SPDX-License-Identifier: Apache-2.0
"""What a mount must show, byte for byte, as a function of a source and a view: the independent model of the tests."""
import functools
from dataclasses import asdict, dataclass

import numpy as np

import order as reference

SECTIONS = ("indptr", "indices", "data", "rows")


class Order(reference.Order):
    """The reference order, remembering the permutations of its windows."""

    @functools.lru_cache(maxsize=None)
    def _window_at(self, start):
        return super()._window(start)

    def _window(self, j):
        return self._window_at(j - j % self.window)


@dataclass(frozen=True)
class View:
    """The mount options that say which row is where."""
    batch_size: int = 1024
    world_size: int = 1
    seed: int = 0
    order: str = "shuffle"
    block_size: int = 64
    window: int = 65536
    tail: str = None                                    # None: the default, which depends on the order
    layer: str = "X"
    value_dtype: str = "store"
    index_dtype: str = "int32"
    lossy: int = 0

    def options(self):
        """The options that differ from the defaults, as keywords of mount() and cat()."""
        return {key: value for key, value in asdict(self).items() if value != getattr(View, key)}

    def tail_policy(self):
        return self.tail or ("keep" if self.order == "sequential" else "even")

    def epoch_order(self, n, epoch):
        return Order(n, self.seed, epoch, self.order, self.block_size, self.window)

    def steps(self, n):
        """Batches of every rank."""
        return int(reference.steps(n, self.world_size, self.batch_size, self.tail_policy()))

    def rows(self, n, epoch, rank, batch, order=None):
        """The row numbers of a batch."""
        order = order or self.epoch_order(n, epoch)
        at = reference.positions(n, self.world_size, self.batch_size, self.tail_policy(), rank, batch)
        return [order.row(j) for j in at]

    def repeated(self, n, rank, batch):
        """How many rows of a batch are there a second time, because tail=pad wrapped around."""
        full, rest = divmod(n, self.world_size * self.batch_size)
        if batch < full or self.tail_policy() != "pad":
            return 0
        size = -(-rest // self.world_size)
        return min(size, max(0, (rank + 1) * size - rest))

    def batches(self, n, epoch):
        """(rank, batch, rows) of an epoch."""
        order = self.epoch_order(n, epoch)
        for rank in range(self.world_size):
            for batch in range(self.steps(n)):
                yield rank, batch, self.rows(n, epoch, rank, batch, order)


# --- files ---------------------------------------------------------------------------------------------------------

def npy(array):
    """A .npy file of version 1.0 with a header of 128 bytes."""
    array = np.ascontiguousarray(array)
    shape = f"({array.shape[0]},)" if array.ndim == 1 else str(array.shape)
    text = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.ljust(117).encode() + b"\n" + array.tobytes()


def batch_arrays(matrix, rows, view=View()):
    """indptr, indices, data and rows of these rows, in the types of a view."""
    indptr, indices, data = matrix.take(rows)
    wide = len(data) >= 2**31
    index = np.int64 if wide and view.index_dtype == "int32" else np.dtype(view.index_dtype)
    return [indptr.astype("<i8" if wide else "<i4"), indices.astype(index), cast(data, view.value_dtype), np.asarray(rows, "<i8")]


def csr(matrix, rows, epoch=-1, rank=-1, batch=-1, seed=0, repeated=0, view=View()):
    """A `.csr` file of these rows."""
    arrays = batch_arrays(matrix, rows, view)
    header = 128 + 128 * len(arrays)
    offsets, end = [], header
    for array in arrays:
        offsets.append(-(-end // 64) * 64)
        end = offsets[-1] + array.nbytes
    blob = bytearray(end)
    blob[:8] = b"SHUFCSR1"
    words = [header, len(rows), matrix.n_cols, len(arrays[1]), len(arrays), *offsets, epoch, rank, batch]
    blob[8:104] = np.array(words, "<i8").tobytes()
    blob[104:128] = np.array([seed, repeated, reference.VERSION], "<u8").tobytes()
    for i, (name, array, offset) in enumerate(zip(SECTIONS, arrays, offsets)):
        at = 128 + 128 * i
        blob[at:at + len(name)] = name.encode()
        blob[at + 96:at + 96 + len(array.dtype.str)] = array.dtype.str.encode()
        blob[at + 104:at + 128] = np.array([offset, len(array), 1], "<i8").tobytes()
        blob[offset:offset + array.nbytes] = array.tobytes()
    return bytes(blob)


def batch_files(matrix, view, epoch, rank, batch, rows, folder=True):
    """name (below the rank's directory) -> bytes of every file of a batch."""
    files = {f"batch_{batch}.csr": csr(matrix, rows, epoch, rank, batch, view.seed, view.repeated(matrix.n_rows, rank, batch), view)}
    if folder:
        for name, array in zip(SECTIONS, batch_arrays(matrix, rows, view)):
            files[f"batch_{batch}/{name}.npy"] = npy(array)
    return files


# --- types of a view -----------------------------------------------------------------------------------------------

VALUE_DTYPES = ("float64", "float32", "float16", "int64", "int32", "uint16", "uint8")


def nearest_integer(value, limits):
    """The nearest integer, ties to the even one, within these limits; 0 for NaN."""
    if value != value:
        return 0
    if value in (np.inf, -np.inf):
        return limits.max if value > 0 else limits.min
    return min(max(round(value), limits.min), limits.max)


def cast(values, dtype):
    """Values in the type of a view: the nearest ones where they do not fit. Python's own numbers are exact."""
    if dtype == "store":
        return values
    if np.dtype(dtype).kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    return np.array([nearest_integer(value, np.iinfo(dtype)) for value in values.tolist()], dtype)


def misfit(matrix, dtype):
    """(row, value as text) of the first value that a type cannot hold, or None."""
    pairs = zip(matrix.data.tolist(), cast(matrix.data, dtype).tolist())
    at = next((i for i, (value, back) in enumerate(pairs) if value != back and not (value != value and back != back)), None)
    if at is None:
        return None
    row = int(np.searchsorted(matrix.indptr, at, side="right")) - 1
    return row, value_text(matrix.data[at])


def value_text(value):
    if value.dtype.kind != "f":
        return str(int(value))
    if np.isnan(value):
        return "-nan" if np.signbit(value) else "nan"
    return "%.*g" % ({8: 17, 4: 9, 2: 5}[value.dtype.itemsize], value)


def run(files):
    """The bytes of a file that has these, one behind another, each from the next multiple of 64 on."""
    blob = bytearray()
    for each in files:
        blob += bytes(-len(blob) % 64) + each
    return bytes(blob)


def epoch_files(matrix, view, epoch, folder=True):
    """path -> bytes of every batch file of an epoch."""
    return {f"epoch_{epoch}/rank_{rank}/{name}": blob for rank, batch, rows in view.batches(matrix.n_rows, epoch)
            for name, blob in batch_files(matrix, view, epoch, rank, batch, rows, folder).items()}


def matrix_directory(name):
    """Where a whole matrix is, by the name that the option `layer` has for it."""
    return name if name in ("X", "raw/X") else f"layers/{encode(name)}"


def matrix_files(name, matrix):
    """path -> bytes of a whole matrix."""
    arrays = {"indptr": matrix.indptr, "indices": matrix.indices, "data": matrix.data}
    return {f"{matrix_directory(name)}/{key}.npy": npy(array) for key, array in arrays.items()}


def encode(name):
    """A column's name as a file name."""
    return "".join(f"%{byte:02X}" if byte < 32 or byte in b"/%\x7f" else chr(byte) for byte in name.encode()).encode("latin-1").decode()


def lines(values):
    return "".join(value.replace("\\", "\\\\").replace("\n", "\\n") + "\n" for value in values).encode()


def string_array(values):
    encoded = [value.encode() for value in values]
    return np.array(encoded, f"S{max([1, *map(len, encoded)])}")


def table_files(directory, table):
    """path -> bytes of a table; for categories that are numbers, the numbers (see same_numbers)."""
    files = {}
    if table.index is not None:
        files["_index.txt"], files["_index.npy"] = lines(table.index), npy(string_array(table.index))
    for key, column in table.columns.items():
        name = encode(key)
        if column.kind == "string":
            files[f"{name}.txt"], files[f"{name}.npy"] = lines(column.values), npy(string_array(column.values))
            continue
        files[f"{name}.npy"] = npy(column.values)
        if column.kind == "nullable":
            files[f"{name}.mask.npy"] = npy(column.mask)
        elif column.kind == "categorical":
            of_text = all(isinstance(value, str) for value in column.categories)
            files[f"{name}.categories.txt"] = lines(column.categories) if of_text else column.categories
    return {f"{directory}/{name}": blob for name, blob in files.items()}


def all_table_files(source):
    files = {**table_files("obs", source.obs), **table_files("var", source.var)}
    if source.raw_var:
        files.update(table_files("raw/var", source.raw_var))
    return files


def same_numbers(blob, numbers):
    """Whether these lines are these numbers, in their shortest exact spelling (1.0 may be written as 1)."""
    found = blob.decode().split("\n")
    return found.pop() == "" and len(found) == len(numbers) and all(
        float(line) == number and len(line) <= len(repr(number)) for line, number in zip(found, numbers))
