# SPDX-License-Identifier: Apache-2.0
"""The names of a mount: those that exist, those that cannot, and what stat, statfs and readdir say of them."""
import ctypes
import errno
import json
import os
import stat

import numpy as np
import pytest

import csr_reader
import h5ad_corpus
import model
import source

N, OPTIONS = 300, {"batch_size": 10, "world_size": 3, "seed": 4}        # 10 batches a rank
VIEW = model.View(**OPTIONS)


@pytest.fixture(scope="module")
def made(convert, tmp_path_factory):
    path = tmp_path_factory.mktemp("namespace") / "a.h5ad"
    h5ad_corpus.FILES["csr_csc_dense_raw_and_layers"](path)
    return convert(path), source.read(path)


@pytest.fixture(scope="module")
def mounted(made, mount):
    with mount(made[0], **OPTIONS) as mounted:
        yield mounted


def errno_of(function, *arguments):
    with pytest.raises(OSError) as caught:
        function(*arguments)
    return caught.value.errno


NUMBERS = ["007", "00", "-1", "+1", "1e3", "0x1", "1.0", " 1", "1 ", "", "one", "١", "18446744073709551616", "18446744073709551617",
           "9223372036854775808", "4294967296", "340282366920938463463374607431768211456", "1" * 200]
CANNOT_EXIST = [
    *(f"epoch_{n}" for n in [*NUMBERS, "2147483648"]), *(f"epoch_0/rank_{n}" for n in [*NUMBERS, "3", "2147483648"]),
    *(f"epoch_0/rank_0/batch_{n}.csr" for n in [*NUMBERS, "10", "2147483648"]), *(f"epoch_0/rank_0/batch_{n}" for n in [*NUMBERS, "10"]),
    *(f"rows/{n}.csr" for n in [*NUMBERS, "300", "4294967300"]),
    *(f"rows/{n}.csr" for n in ["5-3", "0-300", "300-300", "007-9", "1-07", "-", "1-", "-1-2", "1--2", "1-2-3", ",", "1,", ",1", "1,,2", "1,02",
                                "1,300", "1-2,3", "1;2", "1, 2", "0-18446744073709551616"]),
    "rows/1", "rows/1.CSR", "rows/1.csr.csr", "rows/1.txt", "rows/.csr",
    "Epoch_0", "epoch_0x", "epoch", "epoch_0/Rank_0", "epoch_0/rank_0/batch_0.CSR", "epoch_0/rank_0/batch_0.csr2", "epoch_0/rank_0/batch_0.",
    "epoch_0/rank_0/Batch_0.csr", "epoch_0/rank_0/batch_0/nothing.npy", "epoch_0/rank_0/batch_0/rows", "epoch_0/rank_0/batch_10/rows.npy",
    "epoch_0/batch_0.csr", "rank_0", "batch_0.csr", "obs/nothing.npy", "var/nothing.npy", "X/nothing.npy", "layers/nothing", "layers/X", "raw/obs",
    "raw/layers", "readme.txt", "README", "dataset.json.gz", "collection.json", "x" * 255,
]


@pytest.mark.parametrize("name", CANNOT_EXIST, ids=lambda name: name if len(name) < 40 else f"{name[:36]}...")
def test_names_that_cannot_exist(mounted, name):
    assert errno_of(os.stat, mounted / name) == errno.ENOENT
    assert errno_of(os.stat, mounted / name) == errno.ENOENT, "the second time, when the kernel may know it"
    assert errno_of(os.open, mounted / name, os.O_RDONLY) == errno.ENOENT


def test_names_too_long(mounted):
    for length in (256, 1024, 4000):
        assert errno_of(os.stat, mounted / ("x" * length)) in (errno.ENOENT, errno.ENAMETOOLONG)


FILES = ["README.txt", "dataset.json", "obs/_index.txt", "X/data.npy", "layers/scaled/indptr.npy", "raw/X/indices.npy", "raw/var/kept.npy",
         "rows/7.csr", "epoch_0/rank_0/batch_0.csr", "epoch_0/rank_0/batch_0/rows.npy"]
DIRECTORIES = ["", "obs", "var", "X", "layers", "layers/scaled", "raw", "raw/X", "raw/var", "rows", "epoch_0", "epoch_9", "epoch_1000", "epoch_0/rank_2",
               "epoch_0/rank_0/batch_0"]


def test_files_are_files_and_directories_are_directories(mounted):
    for name in FILES:
        assert stat.S_ISREG(os.stat(mounted / name).st_mode), name
        assert errno_of(os.listdir, mounted / name) == errno.ENOTDIR
        assert errno_of(os.stat, mounted / name / "x") == errno.ENOTDIR
        assert errno_of(os.open, mounted / name, os.O_DIRECTORY) == errno.ENOTDIR
        assert errno_of(os.readlink, mounted / name) == errno.EINVAL
    for name in DIRECTORIES:
        assert stat.S_ISDIR(os.stat(mounted / name).st_mode), name
        fd = os.open(mounted / name, os.O_RDONLY)
        assert errno_of(os.read, fd, 1) == errno.EISDIR
        os.close(fd)
        assert os.stat(mounted / name / "..").st_ino and os.stat(mounted / name / ".").st_ino == os.stat(mounted / name).st_ino


def test_far_epochs(mounted):
    """Epochs resolve as far as dataset.json says, whether or not they are listed, and no further."""
    limit = json.loads(mounted.read("dataset.json"))["epoch_limit"]
    assert 0 < limit <= 2**31
    for epoch in {10, 1000, 10**6, limit - 1}:
        found = csr_reader.parse(mounted.read(f"epoch_{epoch}/rank_2/batch_9.csr"))
        assert found.rows.tolist() == VIEW.rows(N, epoch, 2, 9) and found.epoch == epoch
    assert errno_of(os.stat, mounted / f"epoch_{limit}") == errno.ENOENT


def test_rows_by_number(made, mounted):
    """rows/ reads rows by number: one, an inclusive range, a list in the order asked; nothing is listed there."""
    matrix = made[1].matrices["X"]
    assert mounted.list("rows") == []
    for name, rows in (("0", [0]), ("299", [299]), ("7", [7]), ("7-7", [7]), ("100-199", range(100, 200)), ("0-299", range(300)),
                       ("5,3,3", [5, 3, 3]), ("299,0", [299, 0]), ("1,2", [1, 2])):
        blob = mounted.read(f"rows/{name}.csr")
        found, expected = csr_reader.parse(blob), csr_reader.parse(model.csr(matrix, list(rows)))
        assert (found.epoch, found.rank, found.batch, found.repeated) == (-1, -1, -1, 0), name
        assert os.stat(mounted / f"rows/{name}.csr").st_size == len(blob)
        for field in model.SECTIONS:
            assert (getattr(found, field) == getattr(expected, field)).all(), (name, field)


def walk(root):
    for here, folders, names in os.walk(root):
        for name in [".", *names]:
            yield os.path.join(os.path.relpath(here, root), name)


def test_stat_is_the_same_after_a_remount(made, mount):
    """Inode, size, times, mode, owner: of everything that is listed, and no two things share an inode."""
    seen = []
    for _ in range(2):
        with mount(made[0], epochs=3, **OPTIONS) as mounted:
            seen.append({name: os.stat(mounted / name) for name in [*walk(mounted.path), *FILES, *(d for d in DIRECTORIES if d)]})
    first, second = seen
    assert len(first) > 100 and first.keys() == second.keys()
    for name in first:
        for field in ("st_ino", "st_mode", "st_nlink", "st_size", "st_blocks", "st_blksize", "st_mtime_ns", "st_ctime_ns", "st_uid", "st_gid"):
            assert getattr(first[name], field) == getattr(second[name], field), (name, field)
    inodes = {os.path.normpath(name): status.st_ino for name, status in first.items()}
    assert len(set(inodes.values())) == len(inodes), "two things share an inode"


def test_stat(made, mounted):
    collection = os.stat(made[0])
    for name in [*FILES, *DIRECTORIES]:
        status = os.stat(mounted / name)
        assert status.st_mode & 0o222 == 0, f"{name} may be written"
        assert status.st_mode & 0o400 and status.st_ino > 0 and status.st_blksize == 1 << 20
        assert (status.st_uid, status.st_gid) == (collection.st_uid, collection.st_gid)
    for name in FILES:
        status = os.stat(mounted / name)
        assert status.st_size == len(mounted.read(name)) and status.st_blocks == -(-status.st_size // 512), name


def test_statfs(mounted):
    status = os.statvfs(mounted.path)
    assert status.f_blocks * status.f_frsize > 0 and status.f_bfree == status.f_bavail == status.f_ffree == 0
    assert status.f_namemax == 255 and status.f_flag & os.ST_RDONLY


# --- directories at offsets ----------------------------------------------------------------------------------------

class Directory:
    """opendir, readdir, telldir and seekdir of the C library, which Python does not offer."""
    LIBC = ctypes.CDLL(None, use_errno=True)
    for _name, _result, _arguments in (("opendir", ctypes.c_void_p, [ctypes.c_char_p]), ("readdir", ctypes.c_void_p, [ctypes.c_void_p]),
                                       ("telldir", ctypes.c_long, [ctypes.c_void_p]), ("closedir", ctypes.c_int, [ctypes.c_void_p]),
                                       ("seekdir", None, [ctypes.c_void_p, ctypes.c_long]), ("rewinddir", None, [ctypes.c_void_p])):
        getattr(LIBC, _name).restype, getattr(LIBC, _name).argtypes = _result, _arguments
    NAME_AT = 19                                        # d_name in struct dirent of 64-bit Linux

    def __init__(self, path):
        self.stream = self.LIBC.opendir(os.fsencode(path))
        assert self.stream

    def next(self):
        entry = self.LIBC.readdir(self.stream)
        return os.fsdecode(ctypes.string_at(entry + self.NAME_AT)) if entry else None

    def tell(self):
        return self.LIBC.telldir(self.stream)

    def seek(self, at):
        self.LIBC.seekdir(self.stream, at)

    def rewind(self):
        self.LIBC.rewinddir(self.stream)

    def close(self):
        self.LIBC.closedir(self.stream)


@pytest.mark.parametrize("name", ["", "obs", "epoch_0", "epoch_0/rank_1", "layers", "epoch_0/rank_0/batch_0", "rows"])
def test_readdir_at_offsets(made, mount, name):
    """Going on from any remembered place gives the same rest; `.` and `..` come first, and each name once."""
    with mount(made[0], batch_size=1, world_size=2, formats="csr;dir", epochs=50) as mounted:
        directory = Directory(mounted / name)
        entries = []
        while True:
            at = directory.tell()
            entry = directory.next()
            if entry is None:
                break
            entries.append((at, entry))
        everything = [entry for _, entry in entries]
        assert everything[:2] == [".", ".."] and len(set(everything)) == len(everything)
        assert sorted(everything[2:]) == sorted(mounted.list(name))
        for i in range(len(entries) - 1, -1, -max(1, len(entries) // 23)):
            directory.seek(entries[i][0])
            rest = []
            while (entry := directory.next()) is not None:
                rest.append(entry)
            assert rest == everything[i:], f"from entry {i}"
        directory.rewind()
        assert directory.next() == "."
        directory.close()


# --- what the mount says of itself ---------------------------------------------------------------------------------

def test_dataset_json(made, mounted):
    truth, said = made[1], json.loads(mounted.read("dataset.json"))
    assert (said["rows"], said["variables"], said["nnz"], said["layer"]) == (N, 40, truth.matrices["X"].nnz, "X")
    assert sorted(said["layers"]) == ["100%", "scaled", "spliced", "with space"]
    assert set(said["matrices"]) == set(truth.matrices)
    for name, matrix in truth.matrices.items():
        assert said["matrices"][name] == {"rows": N, "columns": matrix.n_cols, "nnz": matrix.nnz, "dtype": matrix.data.dtype.str,
                                          "codec": "dense" if matrix.dense else "packed"}, name
    assert said["obs"] == [] and said["var"] == [] and [each["name"] for each in said["raw_var"]] == ["kept"]
    assert said["views"] == [] and said["batches_per_rank"] == 10
    assert said["view"] == {"batch_size": 10, "world_size": 3, "seed": 4, "order": "shuffle", "block_size": 64, "window": 65536, "tail": "even",
                            "layer": "X", "value_dtype": "store", "index_dtype": "int32", "lossy": 0, "epochs": 10}
    assert {"format", "version", "generation"} <= said.keys()


def test_dataset_json_says_every_column(convert, mount, tmp_path):
    h5ad_corpus.FILES["every_kind_of_column"](tmp_path / "a.h5ad")
    truth = source.read(tmp_path / "a.h5ad")
    with mount(convert(tmp_path / "a.h5ad"), order="sequential", seed=2**64 - 1) as mounted:
        said = json.loads(mounted.read("dataset.json"))
        assert (said["view"]["tail"], said["view"]["seed"]) == ("keep", str(2**64 - 1))
        for table, columns in (("obs", truth.obs.columns), ("var", truth.var.columns)):
            assert [each["name"] for each in said[table]] == list(columns)
            for each in said[table]:
                assert each["type"] and each["dtype"]
                if columns[each["name"]].kind in ("number", "nullable"):
                    assert each["dtype"] == columns[each["name"]].values.dtype.str


def test_dataset_json_of_a_layer(made, mount):
    truth = made[1].matrices["raw/X"]
    with mount(made[0], layer="raw/X") as mounted:
        said = json.loads(mounted.read("dataset.json"))
        assert (said["layer"], said["variables"], said["nnz"]) == ("raw/X", truth.n_cols, truth.nnz)


def test_readme(mounted):
    """Says how to read this mount, with its own sizes and names, in plain lines."""
    text = mounted.read("README.txt").decode()
    for word in ("300", "40", "epoch_", "rank_", "batch_", ".csr", "dataset.json"):
        assert word in text, word
    assert text.endswith("\n") and "\t" not in text and max(map(len, text.splitlines())) <= 120


def test_column_names(convert, mount, tmp_path):
    """A slash, a percent sign and control bytes are %XX in file names; everything else stands as it is."""
    h5ad_corpus.FILES["odd_column_names"](tmp_path / "a.h5ad")
    with mount(convert(tmp_path / "a.h5ad")) as mounted:
        assert set(mounted.list("obs")) == {
            "_index.txt", "_index.npy", "100%25.npy", "per%252Fcent.npy", "tab%09here.npy", "line%0Abreak.npy", "bell%07.npy", "delete%7F.npy",
            "two words.npy", ".hidden.npy", "größe.npy", 'quo"te.npy', "a,b.npy", "-o.npy", "nested%2Fname.npy"}
        assert (np.load(mounted / "obs/nested%2Fname.npy") == np.arange(12) * 2).all()
        for other in ("100%.npy", "100%2525.npy", "tab\there.npy", "line%0abreak.npy", "two%20words.npy"):
            assert not (mounted / "obs" / other).exists(), f"a second spelling: {other}"
