# SPDX-License-Identifier: Apache-2.0
"""Reads batches of shufflefs: from a mount, or without one through libshufflefs. Needs numpy; copy this file, or put
its directory on PYTHONPATH.

    import shufflefs
    mount = shufflefs.Mount("mnt")                      # or shufflefs.Collection("data.sfs", batch_size=256)
    batch = mount.batch(epoch=0, rank=0, k=17)
    batch.scipy(), batch.torch(), batch.rows, mount.obs("cell_type")[batch.rows]
    for batch in mount.batches(epoch=0, rank=0): ...    # reads ahead

With torch, which is imported only when it is asked for:

    batches = shufflefs.Batches(mount)                  # an IterableDataset; the rank is that of torch.distributed
    loader = shufflefs.loader(batches, num_workers=4)   # counts what it delivered: state_dict(), load_state_dict()

Arrays are views of the file's bytes, in memory of their own: they may be written to, and stay as they are for as long
as anything refers to them, or to a neighbour that was read with them; only then is that memory used for other batches.
"""
import collections
import contextlib
import copy
import ctypes
import errno
import fcntl
import functools
import io
import json
import mmap
import os
import queue
import sys
import threading
import weakref

import numpy as np

__all__ = ["Mount", "Collection", "Batch", "Batches", "Loader", "loader", "read_batch", "Error"]

MAGIC = b"SHUFCSR1"
RUN = 14 << 20                                          # bytes of neighbours that are read as one file
SHARE = 8, 2 << 20                                      # other batches that are handed over at once, and their bytes
ALIGNMENT = 64                                          # of batches that lie one behind another in a file
SLOTS = 8                                               # shared tensors that a DataLoader's worker keeps for batches
FIXED = ("indptr", "indices", "data", "rows")
ENTRY = np.dtype([("name", "S96"), ("type", "S8"), ("offset", "<i8"), ("count", "<i8"), ("columns", "<i8")])


class Error(Exception):
    """What went wrong, as a sentence."""


# --- memory ---------------------------------------------------------------------------------------------------------

class _Buffers:
    """Page-aligned memory to read files into, used again once nothing refers to what was read into it."""

    KEPT = 32                                           # of each length, and KEPT_BYTES of them: what an iterator has
    KEPT_BYTES = 16 << 20                               # in flight; but 4 in any case
    HUGE = 4 << 20                                      # from here on huge pages are worth asking for

    def __init__(self):
        self._free = {}                                 # length -> the mappings of that length which nothing refers to

    def take(self, size):
        """An array of at least `size` bytes. Its memory comes back when the array and all views of it are gone."""
        length = max(1 << 16, 1 << (size - 1).bit_length())     # powers of two, so that batches fit each other's
        free = self._free.setdefault(length, collections.deque(maxlen=min(self.KEPT, max(4, self.KEPT_BYTES // length))))
        try:
            memory = free.pop()
        except IndexError:
            memory = self._map(length)
        array = np.frombuffer(memory, np.uint8)
        # Whatever views the memory holds this array, directly or not; a deque may be appended to at any time, even by
        # a garbage collection in the middle of take().
        weakref.finalize(array, free.append, memory).atexit = False
        return array

    def _map(self, length):
        # Private: shared memory would let a forked process write into the arrays of its parent.
        memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if length >= self.HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):          # a kernel without them
                memory.madvise(mmap.MADV_HUGEPAGE)
        return memory


_buffers = _Buffers()


def _read_file(path):
    """The bytes of a file, past the page cache where the file system allows it."""
    with _explained(path), open(path, "rb", buffering=0, opener=_open) as file:
        return _read_all(file.fileno(), os.fstat(file.fileno()).st_size, path)


@contextlib.contextmanager
def _explained(path):
    try:
        yield path
    except OSError as error:
        hint = {errno.ENOTCONN: ": the daemon is gone, mount the collection again",
                errno.EIO: ": the collection is damaged; the daemon's log says where"}.get(error.errno, "")
        raise Error(f"{path} cannot be read: {error.strerror}{hint}") from error


def _open(path, flags):
    """With O_DIRECT the pieces of a large read from a mount are in flight together."""
    try:
        return os.open(path, flags | os.O_DIRECT)
    except OSError as error:
        if error.errno != errno.EINVAL:                 # EINVAL: this file system has no such reads
            raise
    return os.open(path, flags)


def _read_all(fd, size, path):
    memory, done = memoryview(_buffers.take(size)), 0
    while done < size:
        try:
            got = os.preadv(fd, [memory[done:]], done)
        except OSError as error:
            flags = fcntl.fcntl(fd, fcntl.F_GETFL)
            if error.errno != errno.EINVAL or not flags & os.O_DIRECT:
                raise
            # After a short read the place may not be aligned as the file system wants it.
            fcntl.fcntl(fd, fcntl.F_SETFL, flags & ~os.O_DIRECT)
            continue
        if not got:
            raise Error(f"{path} ends after {done} bytes, but was {size} bytes long when it was opened: "
                        "is it being written, or was its copy cut short?")
        done += got
    return memory[:size]


# --- a batch --------------------------------------------------------------------------------------------------------

class Batch:
    """Rows as a sparse matrix in CSR form. The arrays have the types that the file says, and share its memory."""

    __slots__ = ("_bytes", "_name", "_arrays", "_words")

    def __init__(self, blob, name="these bytes"):
        """Of the bytes of a `.csr` file; `name` is what errors call them."""
        self._bytes, self._name = memoryview(blob), name
        if len(self._bytes) < 128 or self._bytes[:8] != MAGIC:
            raise Error(f"{name} is no batch that this reader knows: it begins with {bytes(self._bytes[:8])!r}, "
                        f"not with {MAGIC!r}")
        self._words = np.frombuffer(self._bytes, "<i8", 16).tolist()
        sections = self._words[5]
        if sections < 0 or not 128 + ENTRY.itemsize * sections <= self._words[1] <= len(self._bytes):
            raise Error(f"{name} is cut short or damaged: {len(self._bytes)} bytes, which should begin with a header "
                        f"of {self._words[1]} bytes for {sections} sections")
        try:
            self._arrays = {}
            ends = [self._words[1], *map(self._section, np.frombuffer(self._bytes, ENTRY, sections, 128).tolist())]
        except (TypeError, ValueError) as error:        # what numpy says of types, shapes and names that mean nothing
            raise Error(f"{name} is damaged, or of a later version: the table of its sections cannot be read "
                        f"({error})") from error
        missing = [key for key in FIXED if key not in self._arrays]
        if missing:
            raise Error(f"{name} is no batch: it has no section {missing[0]}, but {', '.join(self._arrays)}")
        self._bytes = self._bytes[:max(ends)]           # in `batches_A-B.csr`, the next one is behind it

    def _section(self, entry):
        """Takes a section; returns where it ends."""
        # An array made of the bytes, not of another array: scipy copies views of much larger arrays.
        key, dtype, offset, count, columns = entry[0].decode(), np.dtype(entry[1].decode()), *entry[2:]
        end = offset + count * dtype.itemsize
        if offset < 0 or count < 0 or end > len(self._bytes):
            raise Error(f"{self._name} is cut short or damaged: {key} should be at bytes {offset} to {end}, "
                        f"the file ends at {len(self._bytes)}")
        array = np.frombuffer(self._bytes, dtype, count, offset)
        self._arrays[key] = array.reshape(-1, columns) if columns > 1 else array
        return end

    indptr = property(lambda self: self._arrays["indptr"], doc="row i has the values from indptr[i] to indptr[i + 1]")
    indices = property(lambda self: self._arrays["indices"], doc="the column of each value")
    data = property(lambda self: self._arrays["data"], doc="the values")
    rows = property(lambda self: self._arrays["rows"], doc="the number of each row in the collection")
    shape = property(lambda self: (self._words[2], self._words[3]), doc="(rows, columns)")
    epoch = property(lambda self: self._words[10], doc="-1 of a file in rows/, as rank and number")
    rank = property(lambda self: self._words[11])
    number = property(lambda self: self._words[12], doc="the k in batch_k.csr")
    repeated = property(lambda self: self._words[14], doc="how many of the last rows tail=pad repeats")
    extra = property(lambda self: {key: array for key, array in self._arrays.items() if key not in FIXED},
                     doc="the other sections by name, such as obs/COL and obsm/KEY")

    def __len__(self):
        return self._words[2]

    def __repr__(self):
        return "<shufflefs.Batch {}: {} x {}, {} values of {}>".format(self._name, *self.shape, len(self.data), self.data.dtype)

    def __reduce__(self):
        """One block of bytes, which from a worker of a DataLoader goes through shared memory."""
        return _from_blob, (_to_send(np.frombuffer(self._bytes, np.uint8)), self._name)

    def scipy(self):
        """A csr_matrix of these arrays; copied are only indices of uint16 and data of float16, which scipy lacks."""
        # Not through its constructor, which looks at all indices, and makes int64 ones smaller where it can.
        matrix = copy.copy(_empty_scipy(self.shape))
        matrix.indptr, matrix.indices = self._indices()
        matrix.data = self.data.astype(np.float32) if self.data.dtype == np.float16 else self.data
        matrix.has_sorted_indices = matrix.has_canonical_format = True
        return matrix

    def torch(self):
        """A torch.sparse_csr_tensor of these arrays; copied are only unsigned integers of more than 8 bits, which
        become signed ones of the next size (torch cannot calculate with the former)."""
        import torch
        wider = {"<u2": np.int32, "<u4": np.int64, "<u8": np.int64}.get(self.data.dtype.str)
        if self.data.dtype == np.uint64 and len(self.data) and self.data.max() >= 1 << 63:
            raise Error(f"{self._name} has values of 2^63 and more, which no integer of torch can hold: "
                        "use the array `data`")
        data = self.data.astype(wider) if wider else self.data
        return torch.sparse_csr_tensor(*map(torch.from_numpy, (*self._indices(), data)), size=self.shape)

    def dense(self):
        """A numpy array of all values, the zeros too."""
        dense = np.zeros(self.shape, self.data.dtype)
        dense[np.repeat(np.arange(len(self)), np.diff(self.indptr)), self.indices] = self.data
        return dense

    def _indices(self):
        """(indptr, indices) of one signed type, as scipy and torch want them."""
        indices = self.indices if self.indices.dtype.kind == "i" else self.indices.astype(self.indptr.dtype)
        return self.indptr.astype(np.promote_types(self.indptr.dtype, indices.dtype), copy=False), indices


@functools.lru_cache(maxsize=16)
def _empty_scipy(shape):
    """To be copied, which is five times as fast as to make one."""
    import scipy.sparse
    return scipy.sparse.csr_matrix(shape, dtype=np.int8)


_slots, _slots_lock = [], threading.Lock()              # of a DataLoader's worker: tensors in shared memory


def _to_send(blob):
    """From the workers of a DataLoader, torch moves tensors by shared memory, and all else through a pipe. New shared
    memory takes much longer than the copy: what the receiver has let go of, as its first byte says, is used again."""
    data, end = sys.modules.get("torch.utils.data"), ALIGNMENT + len(blob)
    if data is None or not data.get_worker_info():      # a worker has imported it
        return blob, 0
    torch = sys.modules["torch"]
    with _slots_lock:
        _slots[:] = [slot for slot in _slots if slot.numpy()[0] or len(slot) >= end]
        slot = next((slot for slot in _slots if not slot.numpy()[0]), None)
        if slot is None and len(_slots) == SLOTS:
            return torch.from_numpy(blob), 0
        if slot is None:
            _slots.append(slot := torch.zeros(end + end // 8, dtype=torch.uint8).share_memory_())
        slot.numpy()[0] = 1
    slot.numpy()[ALIGNMENT:end] = blob
    return slot, end


def _from_blob(sent, name):
    blob, end = sent
    array = blob if isinstance(blob, np.ndarray) else blob.numpy()
    if end:
        weakref.finalize(array, blob.numpy().__setitem__, 0, 0).atexit = False
        array = array[ALIGNMENT:end]
    return Batch(array, name)


def read_batch(path):
    """The Batch in a `.csr` file, on a mount or anywhere."""
    return Batch(_read_file(path), os.fspath(path))


# --- where batches come from ----------------------------------------------------------------------------------------

class _Source:
    """What a mount and a collection have in common. They differ in `_read(path)`, which gives the bytes of a path,
    `_size(path)`, which says how many they are, and `name`, which is what errors call them."""

    def _describe(self, directory=""):
        """`directory`: of a view, in the root; "" is the view of the mount."""
        self.dataset = json.loads(bytes(self._read("dataset.json")))
        self._directory = directory + "/" if directory else ""
        described = json.loads(bytes(self._read(directory + "/view.json"))) if directory else self.dataset
        self.view = described["keys" if directory else "view"]
        self.world_size, self.batch_size = self.view["world_size"], self.view["batch_size"]
        self.batches_per_rank, self.epoch_limit = described["batches_per_rank"], described["epoch_limit"]
        self._rows = described.get("rows_digest", self.dataset["rows"])
        self._most_together = min(self.dataset.get("batches_together", 1), max(1, (1 << 24) // self.batch_size))

    def csr(self, path):
        """The Batch of any `.csr` path, such as rows/5,3,3.csr."""
        return Batch(self._read(path), f"{self.name}/{path}")

    def batch(self, epoch, rank, k):
        """Batch k of a rank in an epoch."""
        return self.csr(self._place(epoch, rank, k))

    def batches(self, epoch, rank, first=0, stride=1, ahead=2):
        """The batches first, first + stride, ... of a rank in an epoch, in order. `ahead` of them are read by threads
        while the one before is in use; of small ones, some times as many. With stride 1 some small ones are read as one
        file, of some RUN bytes, and give their memory back together."""
        numbers, together = range(first, self.batches_per_rank, stride), 1
        if ahead and numbers:
            size = max(self._size(self._place(epoch, rank, k)) for k in numbers[::len(numbers) // 3 + 1])
            most, room = (self._most_together, RUN) if stride == 1 else SHARE
            together = min(most, max(1, room // size))
        shares = [numbers[at:at + together] for at in range(0, len(numbers), together)]
        yield from _in_order(lambda share: self._read_share(epoch, rank, share), shares, ahead)

    def _read_share(self, epoch, rank, numbers):
        """The batches of a range of numbers: neighbours from one file; where that cannot be read, one by one, up to the
        one that is to blame."""
        run = b""
        if len(numbers) > 1 and numbers.step == 1:
            with contextlib.suppress(Error):
                run = self._read(self._place(epoch, rank, numbers[0], numbers[-1]))
        for k in numbers:
            batch = Batch(run, f"{self.name}/{self._place(epoch, rank, k)}") if run else self.batch(epoch, rank, k)
            run = run[-(-len(batch._bytes) // ALIGNMENT) * ALIGNMENT:]
            yield batch

    def _place(self, epoch, rank, k, last=None):
        """The path of batch k; of the batches from k to the last."""
        epochs, ranks, batches = self.epoch_limit, self.world_size, self.batches_per_rank
        if not (0 <= epoch < epochs and 0 <= rank < ranks and 0 <= k < batches):
            raise Error(f"{self.name} has no batch {k} of rank {rank} in epoch {epoch}: there are {batches} batches "
                        f"for each of {ranks} ranks in each of {epochs} epochs, counted from 0")
        name = f"batch_{k}" if last is None else f"batches_{k}-{last}"
        return f"{self._directory}epoch_{epoch}/rank_{rank}/{name}.csr"

    def obs(self, column):
        """A column of obs for all rows of the collection: numbers, the codes of a categorical (-1: missing; see
        `categories`), or str. Nullable ones are masked arrays. "_index" is the rows' names."""
        described = {each["name"]: each for each in self.dataset["obs"]}
        if column not in described and column != "_index":
            raise Error(f"{self.name} has no column {column!r} in obs: there are {', '.join(described) or 'none'}")
        values = self._array(f"obs/{_encode(column)}.npy")
        if values.dtype.kind == "S":
            return np.char.decode(values, "utf-8")
        if described.get(column, {}).get("nullable"):
            return np.ma.MaskedArray(values, self._array(f"obs/{_encode(column)}.mask.npy"))
        return values

    def categories(self, column):
        """The categories of a categorical column of obs, by code, as str."""
        lines = bytes(self._read(f"obs/{_encode(column)}.categories.txt")).decode().split("\n")[:-1]
        return [line.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\") for line in lines]

    def _array(self, path):
        """Of a `.npy` file, whose header is of 128 bytes in shufflefs."""
        blob = self._read(path)
        shape, _, dtype = np.lib.format.read_array_header_1_0(io.BytesIO(blob[8:128]))
        return np.frombuffer(blob, dtype, offset=128).reshape(shape)

    def __repr__(self):
        return f"<shufflefs.{type(self).__name__} {self.name}: {self.dataset['rows']} x {self.dataset['variables']}>"


def _in_order(read, shares, ahead):
    """What read(share) yields, of each share in order. At most `ahead` of them are read before they are asked for."""
    if ahead < 1:
        yield from (each for share in shares for each in read(share))
        return
    lanes = [_Lane(read, shares[first::ahead]) for first in range(min(ahead, len(shares)))]
    try:
        for number in range(len(shares)):
            yield from lanes[number % ahead].take()
    finally:
        for lane in lanes:
            lane.end()


class _Lane:
    """A thread that reads its shares one after another, each when the one before it was taken."""

    def __init__(self, read, shares):
        # Not concurrent.futures: to hand a small batch over would take as long as to read it.
        self._wanted, self._results = queue.SimpleQueue(), queue.SimpleQueue()
        self._thread = threading.Thread(target=_work, args=(read, shares, self._wanted, self._results),
                                        name="shufflefs", daemon=True)
        self._thread.start()
        # At the interpreter's exit too, before what it reads from is closed, which was made before it.
        self.end = weakref.finalize(self, _end_lane, self._wanted, self._thread)
        self._wanted.put(True)

    def take(self):
        results, error = self._results.get()
        self._wanted.put(error is None)
        results.reverse()
        while results:
            yield results.pop()
        if error is not None:
            try:
                raise error
            finally:
                del error                               # which refers to this frame


def _work(read, shares, wanted, out):
    for share in shares:
        if not wanted.get():
            return
        results, result, error = [], None, None
        try:
            for result in read(share):
                results.append(result)
        except BaseException as caught:                 # for who asks for what could not be read
            error = caught
        out.put((results, error))
        del results, result, error                      # or they would stay until the next ones are there


def _end_lane(wanted, thread):
    wanted.put(False)
    if thread is not threading.current_thread():        # a garbage collection in it may close the iterator
        thread.join()


def _encode(column):
    """A column's name as a file name."""
    return "".join(f"%{ord(c):02X}" if c in "/%\x7f" or c < " " else c for c in column)


def _spell(keys):
    """The name of the directory of a view with these keys."""
    def encode(value):
        return "".join(f"%{byte:02X}" if byte < 33 or byte > 126 or byte in b"/,%" else chr(byte)
                       for byte in str(value).encode())
    return "@" + ",".join(f"{key}={encode(keys[key])}" for key in sorted(keys))


class Mount(_Source):
    """A mounted collection, by its mount point: under the view of the mount, a named view, or the view of these keys, as
    in Mount("mnt", where="tissue == 'lung'", batch_size=256)."""

    def __init__(self, path, view=None, **keys):
        self.name = os.path.abspath(path)
        if not os.path.exists(os.path.join(self.name, "dataset.json")):
            raise Error(f"{self.name} is not a mount of shufflefs, for it has no dataset.json: mount a collection "
                        f"there, with `shufflefs COLLECTION {path}`")
        if view and keys:
            raise Error(f"expected the name of a view or keys, found {view!r} and {', '.join(keys)}")
        directory = view or (_spell(keys) if keys else "")
        if directory and not os.path.isdir(os.path.join(self.name, directory)):
            raise Error(bytes(self._read(f".shufflefs/explain/{directory}")).decode().strip() if directory[0] == "@"
                        else f"{self.name} has no view named {directory!r}")
        self._describe(directory)

    def _read(self, path):
        return _read_file(os.path.join(self.name, path))

    def _size(self, path):
        with _explained(os.path.join(self.name, path)) as path:
            return os.stat(path).st_size


# --- without a mount ------------------------------------------------------------------------------------------------

class _SfsError(ctypes.Structure):
    _fields_ = [("message", ctypes.c_char * 1024)]


class _Library:
    """libshufflefs, as include/shufflefs/ declares it. Calls let other threads of Python run."""

    def __init__(self, path):
        try:
            self.c = ctypes.CDLL(path)
        except OSError as error:
            raise Error(f"libshufflefs cannot be loaded ({error}): install it, or name the file by library=, "
                        "or by the variable SHUFFLEFS_LIBRARY") from error
        pointer, error = ctypes.c_void_p, ctypes.POINTER(_SfsError)
        for name, count in (("sfs_collection_open", 2), ("sfs_view_new", 1), ("sfs_view_set", 3), ("sfs_tree_open", 3)):
            getattr(self.c, name).argtypes = [pointer] * count + [error]
        for name in ("sfs_collection_close", "sfs_view_free", "sfs_tree_close", "sfs_file_close"):
            getattr(self.c, name).argtypes, getattr(self.c, name).restype = [pointer], None
        self.c.sfs_resolve.argtypes = [pointer, ctypes.c_char_p, pointer, error]
        self.c.sfs_forget.argtypes, self.c.sfs_forget.restype = [pointer, ctypes.c_uint64, ctypes.c_uint64], None
        self.c.sfs_open.argtypes = [pointer, ctypes.c_uint64, pointer, error]
        self.c.sfs_file_size.argtypes, self.c.sfs_file_size.restype = [pointer], ctypes.c_uint64
        self.c.sfs_file_read.argtypes = [pointer, pointer, ctypes.c_size_t, ctypes.c_uint64, pointer, error]

    def call(self, name, *arguments):
        error = _SfsError()
        if getattr(self.c, name)(*arguments, ctypes.byref(error)):
            raise Error(error.message.decode(errors="replace"))

    def made(self, name, *arguments, kind=ctypes.c_void_p):
        """What a function gives through its last pointer."""
        out = kind()
        self.call(name, *arguments, ctypes.byref(out))
        return out


class _Tree:
    """A collection under a view, opened. Closed when nothing refers to it."""

    def __init__(self, library, path, view):
        self.functions, self.process = _Library(library), os.getpid()
        with contextlib.ExitStack() as opened:
            collection = self.functions.made("sfs_collection_open", os.fsencode(path))
            opened.callback(self.functions.c.sfs_collection_close, collection)
            options = self.functions.made("sfs_view_new")
            opened.callback(self.functions.c.sfs_view_free, options)
            for key, value in view.items():
                self.functions.call("sfs_view_set", options, key.encode(), str(value).encode())
            self.tree = self.functions.made("sfs_tree_open", collection, options)
            opened.callback(self.functions.c.sfs_tree_close, self.tree)
            self.close = weakref.finalize(self, opened.pop_all().close)

    @contextlib.contextmanager
    def _open(self, path):
        """(file, its size)"""
        functions = self.functions
        node = functions.made("sfs_resolve", self.tree, path.encode(), kind=ctypes.c_uint64)
        try:
            file = functions.made("sfs_open", self.tree, node)
        finally:
            functions.c.sfs_forget(self.tree, node, 1)
        try:
            yield file, functions.c.sfs_file_size(file)
        finally:
            functions.c.sfs_file_close(file)

    def size(self, path):
        with self._open(path) as (_, size):
            return size

    def read(self, path):
        """The bytes of a path."""
        with self._open(path) as (file, size):
            memory = _buffers.take(size)
            got = self.functions.made("sfs_file_read", file, memory.ctypes.data, size, 0, kind=ctypes.c_size_t).value
        return memoryview(memory)[:got]


class Collection(_Source):
    """A collection read through libshufflefs, without a mount: under the view of these keys, which are those of mounts,
    or a named one: Collection("data.sfs", batch_size=256), Collection("data.sfs", view="train")."""

    def __init__(self, path, library=None, view=None, **keys):
        self.name, self._view, self._tree = os.path.abspath(path), keys, None
        self._library = library or os.environ.get("SHUFFLEFS_LIBRARY", "libshufflefs.so.0")
        self._describe(view or "")

    def _read(self, path):
        return self._opened().read(path)

    def _size(self, path):
        return self._opened().size(path)

    def _opened(self):
        """The tree, opened by this process: a fork has the locks of its parent as other threads held them."""
        tree = self._tree
        if tree is None or tree.process != os.getpid():
            if tree is not None:
                tree.close.detach()
            tree = self._tree = _Tree(os.fspath(self._library), self.name, self._view)
        return tree

    def __getstate__(self):
        return {**self.__dict__, "_tree": None}


# --- torch ----------------------------------------------------------------------------------------------------------

class _Dealing:
    """The batches of one rank, for a torch DataLoader: one epoch an iteration. Make one by `Batches(...)`.

    source: a Mount or a Collection, with world_size as many ranks as there are.
    rank, world_size: of this process; those of torch.distributed where that is initialised.
    transform: a function of a Batch, called in the workers.
    ahead: how many batches are read before they are asked for, in each worker; of small ones, some times as many.

    Workers deal the batches among themselves: worker w of n has the batches w, w + n, ..., so that a DataLoader, which
    asks one worker after another, yields them in order. Give it batch_size=None, or use `loader`, which also counts
    batches and epochs. With workers and without `loader`, call set_epoch before each epoch, as workers cannot tell how
    far they came.
    """

    def __init__(self, source, rank=None, world_size=None, epoch=0, transform=None, ahead=2):
        import torch
        self.source, self.transform, self.ahead = source, transform, ahead
        self.rank = _own_rank(source, rank, world_size)
        # Shared, so that persistent workers see where the next iteration begins.
        self._begin = torch.tensor([epoch, 0], dtype=torch.int64).share_memory_()

    begin = property(lambda self: tuple(self._begin.tolist()), doc="(epoch, step) where the next iteration begins")

    def begin_at(self, epoch, step=0):
        self._begin.copy_(self._begin.new_tensor([epoch, step]))

    set_epoch = begin_at                                # as torch's samplers call it

    def __iter__(self):
        import torch.utils.data
        worker = torch.utils.data.get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        epoch, step = self.begin
        for batch in self.source.batches(epoch, self.rank, step + number, workers, self.ahead):
            yield self.transform(batch) if self.transform else batch
        if not worker:
            self.begin_at(epoch + 1)


def _own_rank(source, rank, world_size):
    """Which of the view's ranks this process is."""
    if rank is None:
        import torch.distributed as distributed
        if distributed.is_available() and distributed.is_initialized():
            rank, world_size = distributed.get_rank(), distributed.get_world_size()
        elif source.world_size > 1:
            raise Error(f"{source.name} has batches for {source.world_size} ranks, and nothing says which of them this "
                        "process is: pass rank=, or initialise torch.distributed first")
    step = source.world_size * source.batch_size
    if world_size not in (None, source.world_size):
        fitting = f" and batch_size={step // world_size}" if world_size > 0 and step % world_size == 0 else ""
        raise Error(f"there are {world_size} ranks, but {source.name} has batches for {source.world_size}: "
                    f"mount the collection with world_size={world_size}{fitting}")
    if not 0 <= (rank or 0) < source.world_size:
        raise Error(f"{source.name} has batches for the ranks 0 to {source.world_size - 1}, not for rank {rank}: "
                    "mount the collection with as many ranks as there are")
    return rank or 0


class Loader:
    """A DataLoader of Batches that knows how many batches it delivered, with any number of workers.

    An iteration goes on behind the batch that was delivered last, to the end of its epoch; the next one is of the next
    epoch. `state_dict()` says what was delivered, that is, including the batch in the loop's body. It is of the whole
    training run, equal on all ranks, and can be loaded with other numbers of workers and of ranks: what counts are the
    rows of the epoch that were delivered to all ranks, which must be whole steps of world_size x batch_size rows.
    """

    def __init__(self, batches, **arguments):
        from torch.utils.data import DataLoader
        self.batches, self._loader = batches, DataLoader(batches, batch_size=None, **arguments)
        self.epoch, self.step = batches.begin

    def __len__(self):
        """Batches of a whole epoch."""
        return self.batches.source.batches_per_rank

    def __iter__(self):
        self.epoch, self.step = self._position()
        self.batches.begin_at(self.epoch, self.step)
        for batch in self._loader:
            self.step += 1
            yield batch
        self.epoch, self.step = self.epoch + 1, 0

    def _position(self):
        """(epoch, step); behind an epoch's last batch is the next epoch."""
        return (self.epoch + 1, 0) if self.step and self.step >= len(self) else (self.epoch, self.step)

    def set_epoch(self, epoch):
        """Begins an epoch; where it is already at that epoch, it stays behind the last batch."""
        if epoch != self.epoch:
            self.epoch, self.step = epoch, 0

    def state_dict(self):
        source, (epoch, step) = self.batches.source, self._position()
        return {"epoch": epoch, "rows": step * source.world_size * source.batch_size, "view": self._order(),
                "collection_rows": source._rows}

    def load_state_dict(self, state):
        source = self.batches.source
        if (state["view"], state["collection_rows"]) != (self._order(), source._rows):
            raise Error(f"the state is of {state['collection_rows']} rows in the order {state['view']}, but "
                        f"{source.name} has {source._rows} rows in the order {self._order()}: "
                        "mount what the state is of")
        of_step = source.world_size * source.batch_size
        step, rest = divmod(state["rows"], of_step)
        if rest:
            raise Error(f"the state is behind {state['rows']} rows of epoch {state['epoch']}, which are no whole "
                        f"steps of {of_step} rows (world_size={source.world_size}, batch_size={source.batch_size}): "
                        "mount the collection with world_size x batch_size as it was")
        self.epoch, self.step = state["epoch"], step
        self.epoch, self.step = self._position()

    def _order(self):
        """What of the view decides which row is where in an epoch."""
        others = ("batch_size", "world_size", "tail", "epochs", "formats", "value_dtype", "index_dtype", "lossy", "layer",
                  "genes", "genes_file", "obs", "obsm")
        return {key: value for key, value in self.batches.source.view.items() if key not in others}


def loader(batches, **arguments):
    """A Loader of `Batches`; the arguments are those of torch.utils.data.DataLoader, such as num_workers=4."""
    return Loader(batches, **arguments)


def __getattr__(name):
    """Batches is made when it is first asked for, because its base class is torch's."""
    if name != "Batches":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from torch.utils.data import IterableDataset
    made = type("Batches", (_Dealing, IterableDataset), {"__module__": __name__, "__doc__": _Dealing.__doc__})
    return globals().setdefault("Batches", made)
