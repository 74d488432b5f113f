# SPDX-License-Identifier: Apache-2.0
"""However a file is read, it has the same bytes: numpy, maps, direct I/O, sendfile, splice and programs; also at and past its end."""
import mmap
import os
import random
import subprocess
import tempfile

import numpy as np
import pytest

import model
import source
from h5ad_write import Frame, names, random_sparse, write_h5ad

VIEW = model.View(batch_size=1500, world_size=2, seed=3, tail="keep")
CACHES = ["auto", "never", "always"]
PAGE = mmap.PAGESIZE


@pytest.fixture(scope="module")
def made(convert, tmp_path_factory):
    """A collection with batches of megabytes, and its source."""
    path = tmp_path_factory.mktemp("reads") / "reads.h5ad"
    rng = np.random.default_rng(5)
    obs = Frame(names("barcode", 4000), {"label": [f"{i:x}" for i in range(4000)], "depth": rng.random(4000)})
    write_h5ad(path, random_sparse(rng, 4000, 1000, density=0.3), obs=obs)
    return convert(path), source.read(path)


@pytest.fixture(scope="module")
def files(made):
    """path -> bytes of one file of each kind and size."""
    truth = made[1]
    matrix, tables = truth.matrices["X"], model.all_table_files(truth)
    last = VIEW.steps(4000) - 1
    files = {}
    for epoch, rank, batch in ((0, 0, 0), (1, 1, last)):
        rows = VIEW.rows(4000, epoch, rank, batch)
        files.update({f"epoch_{epoch}/rank_{rank}/{name}": blob
                      for name, blob in model.batch_files(matrix, VIEW, epoch, rank, batch, rows).items()})
    files.update({name: tables[name] for name in ("obs/_index.txt", "obs/_index.npy", "obs/label.npy", "obs/depth.npy", "var/_index.txt")})
    files.update(model.matrix_files("X", matrix))
    return files


@pytest.fixture(scope="module", params=CACHES)
def mounted(request, made, mount):
    with mount(made[0], cache=request.param, **VIEW.options()) as mounted:
        yield mounted


# --- ways of reading -----------------------------------------------------------------------------------------------

def by_readall(path, size):
    with open(path, "rb", buffering=0) as file:
        return file.readall()


def by_fromfile(path, size):
    return np.fromfile(path, np.uint8).tobytes()


def by_memmap_r(path, size):
    return np.memmap(path, np.uint8, "r").tobytes()


def by_memmap_c(path, size):
    return np.memmap(path, np.uint8, "c").tobytes()


def by_mmap(flags):
    def read(path, size):
        with open(path, "rb") as file, mmap.mmap(file.fileno(), size, flags, mmap.PROT_READ) as view:
            return bytes(view)
    return read


def by_pread(path, size):
    """Pieces of random sizes at random offsets, until all is there."""
    rng, blob = random.Random(size), bytearray(size)
    cuts = sorted({0, size, *(rng.randrange(size + 1) for _ in range(40))})
    pieces = list(zip(cuts[:-1], cuts[1:]))
    rng.shuffle(pieces)
    fd = os.open(path, os.O_RDONLY)
    try:
        for start, stop in pieces:
            while start < stop:                         # a read may be short
                piece = os.pread(fd, stop - start, start)
                assert piece, f"nothing at {start}"
                blob[start:start + len(piece)] = piece
                start += len(piece)
    finally:
        os.close(fd)
    return bytes(blob)


def by_direct_io(piece):
    """O_DIRECT into an aligned buffer, `piece` bytes a call, so that the last call reaches past the end."""
    def read(path, size):
        out, at = bytearray(), 0
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
        try:
            with mmap.mmap(-1, piece) as buffer:
                while count := os.preadv(fd, [buffer], at):
                    out += buffer[:count]
                    at += count
        finally:
            os.close(fd)
        return bytes(out)
    return read


def by_readv(path, size):
    """Buffers of uneven sizes, again and again."""
    buffers, out = [bytearray(n) for n in (1, 4095, 70000, 3)], bytearray()
    fd = os.open(path, os.O_RDONLY)
    try:
        while count := os.readv(fd, buffers):
            out += b"".join(buffers)[:count]
    finally:
        os.close(fd)
    return bytes(out)


def by_sendfile(path, size):
    target, fd = os.memfd_create("target"), os.open(path, os.O_RDONLY)
    try:
        while os.sendfile(target, fd, None, 1 << 20):
            pass
        return os.pread(target, size + 1, 0)
    finally:
        os.close(fd)
        os.close(target)


def by_splice(path, size):
    out, fd = bytearray(), os.open(path, os.O_RDONLY)
    reader, writer = os.pipe()
    try:
        while count := os.splice(fd, writer, 1 << 16):
            while count:
                piece = os.read(reader, count)
                out += piece
                count -= len(piece)
    finally:
        for each in (fd, reader, writer):
            os.close(each)
    return bytes(out)


def by_program(*command):
    def read(path, size):
        return subprocess.run([part.format(path) for part in command], check=True, capture_output=True).stdout
    return read


def by_cp(path, size):
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(["cp", str(path), copy.name], check=True)
        return copy.read()


WAYS = {
    "readall": by_readall, "np.fromfile": by_fromfile, "np.memmap r": by_memmap_r, "np.memmap c": by_memmap_c,
    "mmap shared": by_mmap(mmap.MAP_SHARED), "mmap private": by_mmap(mmap.MAP_PRIVATE), "pread": by_pread, "readv": by_readv,
    "O_DIRECT 64 KiB": by_direct_io(1 << 16), "O_DIRECT 4 MiB": by_direct_io(1 << 22), "O_DIRECT page": by_direct_io(PAGE),
    "sendfile": by_sendfile, "splice": by_splice, "cp": by_cp, "cat": by_program("cat", "{}"),
    "dd": by_program("dd", "if={}", "bs=37k", "status=none"), "dd direct": by_program("dd", "if={}", "bs=1M", "iflag=direct", "status=none"),
}
SHARED_MAPS = {"np.memmap r", "mmap shared"}            # not promised with cache=never: direct I/O says no to them on some systems
PROMISED = [(cache, way) for cache in CACHES for way in WAYS if not (cache == "never" and way in SHARED_MAPS)]


@pytest.mark.parametrize("mounted, way", PROMISED, indirect=["mounted"])
def test_same_bytes(mounted, files, way):
    for name, expected in files.items():
        path = mounted / name
        assert os.stat(path).st_size == len(expected), name
        assert WAYS[way](path, len(expected)) == expected, name


def test_all_ways_at_once(mounted, files):
    """Many descriptors of one file, opened in several ways, read in turn."""
    name = "epoch_0/rank_0/batch_0.csr"
    expected, path = files[name], mounted / name
    fds = [os.open(path, os.O_RDONLY | extra) for extra in (0, os.O_DIRECT, 0, os.O_DIRECT, os.O_NOATIME)]
    try:
        with mmap.mmap(-1, 1 << 18) as buffer:
            for at in range(0, len(expected), 1 << 18):
                for fd in fds:
                    count = os.preadv(fd, [buffer], at)
                    assert buffer[:count] == expected[at:at + count] and count
    finally:
        for fd in fds:
            os.close(fd)


def test_the_end(mounted, files):
    """Reads at the end and past it have no bytes, reads over it those before it."""
    for name, expected in files.items():
        size = len(expected)
        for flags in (os.O_RDONLY, os.O_RDONLY | os.O_DIRECT):
            fd = os.open(mounted / name, flags)
            try:
                with mmap.mmap(-1, PAGE) as buffer:
                    for at in (-(-size // PAGE) * PAGE, size + PAGE - size % PAGE, 1 << 40, (1 << 62)):
                        assert os.preadv(fd, [buffer], at) == 0, (name, at)
                if flags == os.O_RDONLY:
                    assert os.pread(fd, 100, size) == os.pread(fd, 100, size + 1) == b""
                    assert os.pread(fd, 100, size - 10) == expected[-10:]
                    assert os.lseek(fd, 0, os.SEEK_END) == size
            finally:
                os.close(fd)


def test_last_page_of_a_map(made, mount, files):
    """Past the end of the file a mapped page is zero, as on any file system."""
    with mount(made[0], **VIEW.options()) as mounted:
        for name in ("epoch_0/rank_0/batch_0.csr", "obs/_index.txt"):
            size = len(files[name])
            assert size % PAGE
            with open(mounted / name, "rb") as file, mmap.mmap(file.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ) as view:
                assert view[size - size % PAGE:size] == files[name][size - size % PAGE:]


def test_parts_as_documented(made, mount, files):
    """np.fromfile with an offset from the header reads each section."""
    name = "epoch_0/rank_0/batch_0.csr"
    with mount(made[0], **VIEW.options()) as mounted:
        words = np.fromfile(mounted / name, "i8", 16)
        n_rows, nnz = words[2], words[4]
        indptr = np.fromfile(mounted / name, "i4", n_rows + 1, offset=words[6])
        indices = np.fromfile(mounted / name, "i4", nnz, offset=words[7])
        data = np.fromfile(mounted / name, "f4", nnz, offset=words[8])
        rows = np.fromfile(mounted / name, "i8", n_rows, offset=words[9])
        expected = made[1].matrices["X"].take(rows)
        assert (indptr == expected[0]).all() and (indices == expected[1]).all() and (data == expected[2]).all()
        for kind, array in (("indptr", indptr), ("indices", indices), ("data", data), ("rows", rows)):
            for mode in (None, "r", "c"):
                assert (np.load(mounted / f"epoch_0/rank_0/batch_0/{kind}.npy", mmap_mode=mode) == array).all()
