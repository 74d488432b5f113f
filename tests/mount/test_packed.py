# SPDX-License-Identifier: Apache-2.0
"""The codec packed: any matrix reads as it was; damage and records that are none, even under right checksums, are EIO with a
sentence, and never wrong numbers."""
import errno
import random
import re
import shutil
import struct

import hypothesis
import numpy as np
import pytest
import scipy.sparse
from hypothesis import strategies as st

import craft
import csr_reader
import h5ad_corpus
import harness
import model
import source
from h5ad_write import Sparse, random_sparse, write_h5ad

N, COLUMNS = 90, 300
ALL = {"batch_size": 2**20, "order": "sequential"}


# --- any matrix ----------------------------------------------------------------------------------------------------

@st.composite
def values_of_rows(draw, dtype, rng, length):
    """Values of a row, of a kind that the codec has a way for."""
    size = np.dtype(dtype).itemsize
    any_bits = np.frombuffer(rng.bytes(length * size), "|u1" if dtype == "|b1" else dtype)
    kind = draw(st.sampled_from(["counts", "zeros", "few", "any bits", "coarse", "large"]))
    if dtype == "|b1":
        return (any_bits % 2).astype(bool)
    if kind == "few":
        return rng.choice(any_bits[:max(1, length // 9)], length) if length else any_bits
    if kind == "any bits":
        return any_bits
    if kind == "coarse":
        return (any_bits.view(f"<u{size}") & ((1 << 4 * size) - 1)).view(dtype)
    high = {"counts": 60, "zeros": 3, "large": 2**31 + 5}[kind]
    low = {"counts": 1, "zeros": 0, "large": 2**31 - 5}[kind]
    with np.errstate(over="ignore"):
        return rng.integers(low, high, length).astype(dtype)


@st.composite
def sparse(draw):
    dtype = draw(st.sampled_from(h5ad_corpus.DTYPES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    columns = draw(st.sampled_from([1, 2, 127, 128, 129, 3000, 70_000]))
    lengths = draw(st.lists(st.sampled_from([0, 1, 2, 127, 128, 129, 500, 2047, 2048, 2049, 3000]), min_size=1, max_size=70))
    lengths = [min(length, columns) for length in lengths]
    indices = [np.sort(rng.choice(columns, length, replace=False)) for length in lengths]
    values = [draw(values_of_rows(dtype, rng, len(row))) for row in indices]
    indptr = np.cumsum([0, *map(len, indices)])
    return Sparse(indptr.astype("<i8"), np.concatenate(indices).astype("<i4"), np.concatenate(values).astype(dtype), (len(indices), columns))


@hypothesis.settings(max_examples=60)
@hypothesis.given(matrix=sparse(), shard=st.sampled_from([1, 3, 64, 65, 10**6]))
def test_any_sparse_matrix(matrix, shard, convert, tmp_path):
    """What h5py reads from the source is what batches have, bit for bit; so it is as scipy has it."""
    write_h5ad(tmp_path / "a.h5ad", matrix)
    collection = convert(tmp_path / "a.h5ad", "--codec", "packed", "--shard-rows", str(shard))
    found = csr_reader.parse(harness.cat(collection, "epoch_0/rank_0/batch_0.csr", **ALL))
    assert (found.indptr == matrix.indptr).all() and found.indices.tobytes() == matrix.indices.tobytes()
    assert found.data.tobytes() == matrix.data.tobytes() and found.data.dtype == matrix.data.dtype
    for name, blob in model.matrix_files("X", model_of(matrix)).items():
        assert harness.cat(collection, name) == blob, name
    if matrix.data.dtype.kind in "iuf" and matrix.data.dtype.itemsize > 2:
        theirs = scipy.sparse.csr_matrix((matrix.data, matrix.indices, matrix.indptr), matrix.shape)
        mine = scipy.sparse.csr_matrix((found.data, found.indices, found.indptr), matrix.shape)
        assert (mine.indptr == theirs.indptr).all() and (mine != theirs).nnz == np.isnan(theirs.data).sum()


def model_of(matrix):
    return source.Matrix(*matrix.shape, matrix.indptr.astype("<i8"), matrix.indices, matrix.data, False)


def test_long_rows(convert, mount, tmp_path):
    """Rows of more non-zeros than anything holds at once, read in pieces from anywhere."""
    rng = np.random.default_rng(11)
    lengths, columns = [70_000, 0, 1, 40_000, 69_999], 80_000
    indices = np.concatenate([np.sort(rng.choice(columns, length, replace=False)) for length in lengths]).astype("<i4")
    for kind, data in (("counts", rng.integers(1, 40, len(indices))), ("any", rng.normal(size=len(indices))), ("coarse", rng.integers(0, 4096, len(indices)) / 4096)):
        matrix = Sparse(np.cumsum([0, *lengths]), indices, data.astype("<f4"), (5, columns))
        write_h5ad(tmp_path / "a.h5ad", matrix)
        blob = model.csr(model_of(matrix), range(5), 0, 0, 0)
        with mount(convert(tmp_path / "a.h5ad"), cache="never", **ALL) as mounted, open(mounted / "epoch_0/rank_0/batch_0.csr", "rb", buffering=0) as file:
            assert file.read(len(blob)) == blob, kind
            for start, length in zip(rng.integers(0, len(blob), 100), rng.choice([1, 3, 4000, 5001, 100_000], 100)):
                file.seek(int(start))
                assert file.read(int(length)) == blob[start:start + length], (kind, start, length)


# --- damage --------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def made(convert, tmp_path_factory):
    """A collection with rows of every mode and with empty ones; and what it holds."""
    path = tmp_path_factory.mktemp("packed") / "a.h5ad"
    rng = np.random.default_rng(9)
    matrix = random_sparse(rng, N, COLUMNS, density=0.4)
    for row, (start, stop) in enumerate(zip(matrix.indptr, matrix.indptr[1:])):
        n = stop - start
        matrix.data[start:stop] = [rng.integers(1, 30, n), rng.integers(0, 3, n), rng.choice([0.5, 1.5, 2.25], n), rng.normal(size=n),
                                   (rng.integers(0, 2**12, n).astype("<u4") << 12).view("<f4")][row % 5]
    write_h5ad(path, matrix)
    collection = convert(path)
    modes = {record[0] % 8 for record in craft.Records(collection).records if record}
    assert modes == {0, 1, 2, 3, 4}
    return collection, source.read(path).matrices["X"]


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "copy.sfs")


def read_or_eio(path):
    try:
        return path.read_bytes()
    except OSError as error:
        assert error.errno == errno.EIO, error
        return None


def test_damaged_bytes(made, copy, mount):
    """Bytes of the records changed at random: each row is EIO or as it was."""
    rng, matrix = random.Random(1), made[1]
    path = copy / craft.Records(copy).shard["data"]
    blob = path.read_bytes()
    expected = {f"rows/{row}.csr": model.csr(matrix, [row]) for row in range(N)}
    expected["epoch_0/rank_0/batch_0.csr"] = model.csr(matrix, model.View(**ALL).rows(N, 0, 0, 0), 0, 0, 0)
    expected.update(model.matrix_files("X", matrix))
    for _ in range(12):
        damaged = bytearray(blob)
        for _ in range(rng.choice([1, 1, 5, 40])):
            damaged[rng.randrange(128, len(blob))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with mount(copy, **ALL) as mounted:
            mounted.expect(re.escape(path.name))
            found = {name: read_or_eio(mounted / name) for name in expected}
            assert all(found[name] in (None, blob) for name, blob in expected.items())
            assert found["epoch_0/rank_0/batch_0.csr"] is None or damaged == blob
            assert mounted.alive()
            assert sum(each is None for each in found.values()) <= 40 + 3, "only damaged rows are lost"


@pytest.mark.parametrize("role", ["record_bases", "record_deltas"])
def test_damaged_offsets(convert, mount, tmp_path, role):
    """The rows of the page that was changed are EIO, all others as they were; the first page is missed at the mount."""
    rng, rows = random.Random(role), 70_000
    matrix = Sparse(np.arange(rows + 1), (np.arange(rows) % 7).astype("<i4"), (1 + np.arange(rows) % 250).astype("<f4"), (rows, 7))
    write_h5ad(tmp_path / "a.h5ad", matrix)
    copy = shutil.copytree(convert(tmp_path / "a.h5ad"), tmp_path / "copy.sfs")
    path = copy / craft.Records(copy).shard[role]
    blob = path.read_bytes()
    size, rows_of_element = {"record_bases": (8, 64), "record_deltas": (4, 1)}[role]
    for case in range(20):
        at = rng.randrange(4096 if case else 128, len(blob))
        path.write_bytes(blob[:at] + bytes([blob[at] ^ 1 << rng.randrange(8)]) + blob[at + 1:])
        if at < 4096:
            assert harness.cat_result(copy, "README.txt").returncode == 3
            continue
        damaged = range((at // 4096 * 4096 - 128) // size * rows_of_element, min(rows, ((at // 4096 + 1) * 4096 - 128) // size * rows_of_element))
        around = {row for edge in (damaged[0], damaged[-1]) for row in range(edge - 2, edge + 3) if 0 <= row < rows}
        with mount(copy) as mounted:
            mounted.expect(re.escape(path.name))
            for row in {0, rows - 1, *around, *rng.sample(range(rows), 20)}:
                found = read_or_eio(mounted / f"rows/{row}.csr")
                assert found is None if row in damaged else found in (None, model.csr(model_of(matrix), [row])), row
                assert found or row in damaged or row + 1 in damaged, "a row ends where the next begins"


# --- records that are none, under right checksums ------------------------------------------------------------------

def head(mode, index_bytes):
    return struct.pack("<I", mode + 8 * index_bytes)


ONE = struct.pack("<f", 1)
INDICES = b"\0"                                         # columns 0 to 3

# name -> record of four values of float32
BAD = {
    "empty": b"", "cut in its head": head(0, 1)[:3], "nothing behind its head": head(0, 1), "mode 5": head(5, 1) + INDICES + b"\0",
    "mode 7": head(7, 1) + INDICES + b"\0", "index bytes beyond the record": head(0, 9) + INDICES + b"\0",
    "index bytes left over": head(0, 2) + b"\0\0" + b"\0", "a block cut": head(0, 2) + b"\x08\0" + b"\0",
    "a column beyond the last": head(0, 5) + b"\x08\0\0\0\xff" + b"\0",
    "columns beyond 2^32": head(0, 17) + b"\x20" + b"\xff" * 16 + b"\0", "width 33": head(0, 1) + INDICES + b"\x21" + b"\1" * 20,
    "no exceptions": head(0, 1) + INDICES + b"\x80\0\1", "five exceptions": head(0, 1) + INDICES + b"\x80\5\1\0\1\2\3\4\x1f",
    "high width 0": head(0, 1) + INDICES + b"\x80\1\0\1", "high width 33": head(0, 1) + INDICES + b"\x80\1\x21\1" + b"\1" * 5,
    "place 4": head(0, 1) + INDICES + b"\x80\1\1\4\1", "a place twice": head(0, 1) + INDICES + b"\x80\2\1\3\3\3",
    "a count of 2^31": head(0, 1) + INDICES + b"\x80\1\x1f\3\xff\xff\xff\x7f", "values left over": head(0, 1) + INDICES + b"\0\0",
    "no entries": head(2, 1) + INDICES + b"\0\0\0", "1025 entries": head(2, 1) + INDICES + struct.pack("<H", 1025) + ONE * 1025 + b"\0",
    "code 1 of 1": head(2, 1) + INDICES + b"\1\0" + ONE + b"\1\x08", "plain, cut": head(3, 1) + INDICES + ONE * 3,
    "plain and more": head(3, 1) + INDICES + ONE * 5, "a piece of garbage": head(4, 1) + INDICES + struct.pack("<I", 4) + b"abcd",
    "a piece beyond the record": head(4, 1) + INDICES + struct.pack("<I", 5) + b"abcd",
    "a piece of 2^32 - 1 bytes": head(4, 1) + INDICES + b"\xff\xff\xff\xff" + b"abcd", "no piece": head(4, 1) + INDICES,
}
GOOD = {
    "counts": head(0, 1) + INDICES + b"\0", "plain": head(3, 1) + INDICES + ONE * 4, "a dictionary": head(2, 1) + INDICES + b"\1\0" + ONE + b"\0",
    "numbers": head(1, 1) + INDICES + b"\1\x0f", "width 0 and exceptions": head(1, 1) + INDICES + b"\x80\4\1\0\1\2\3\x0f",
}


@pytest.fixture
def four(convert, tmp_path):
    """Thirty rows of four ones."""
    write_h5ad(tmp_path / "a.h5ad", np.pad(np.ones((30, 4), "<f4"), ((0, 0), (0, 9))))
    return shutil.copytree(convert(tmp_path / "a.h5ad", "--codec", "packed"), tmp_path / "four.sfs")


@pytest.mark.parametrize("name", GOOD)
def test_crafted_records_are_read(four, name):
    """Records that mkshufflefs would not make, and that are ones: so the others are refused for what is wrong with them."""
    records = craft.Records(four)
    assert (records.nnz == 4).all()
    records.records[7] = GOOD[name]
    records.write()
    found = csr_reader.parse(harness.cat(four, "rows/6-8.csr"))
    assert found.indices.tolist() == [0, 1, 2, 3] * 3 and found.data.tolist() == [1] * 12


@pytest.mark.parametrize("name", BAD)
def test_crafted_records_are_refused(four, mount, name):
    """EIO and a sentence that names the file and the row; other rows read, also those of the same page."""
    records = craft.Records(four)
    records.records[7] = BAD[name]
    records.write()
    with mount(four, batch_size=10, order="sequential") as mounted:
        mounted.expect(rf"{re.escape(records.shard['data'])}: expected a packed row of 4 non-zeros.*\(row 7\)")
        for file in ("rows/7.csr", "epoch_0/rank_0/batch_0.csr", "epoch_0/rank_0/batch_0/data.npy", "X/data.npy"):
            assert read_or_eio(mounted / file) is None, file
            assert read_or_eio(mounted / file) is None, f"{file} again"
        for file in ("rows/6.csr", "rows/8-29.csr", "epoch_0/rank_0/batch_1.csr", "epoch_0/rank_0/batch_0/rows.npy", "epoch_0/rank_0/batch_0/indptr.npy"):
            assert mounted.read(file), file
        assert "row 7" in mounted.log()


@pytest.mark.parametrize("role, at, value", [("record_deltas", 7, 2**32 - 1), ("record_bases", 0, 2**64 - 1), ("record_bases", 0, 2**63), ("record_deltas", 8, 0)])
def test_records_elsewhere(four, role, at, value):
    """Offsets beyond the file, and those that go backwards."""
    records = craft.Records(four)
    array = np.load(four / records.shard[role])
    array[at] = value
    records.write_array(role, array)
    done = harness.cat_result(four, "rows/7.csr")
    assert done.returncode > 0 and b"row 7 of X within" in done.stderr and done.stdout == b""


def test_random_records(made, copy):
    """Any bytes as records, with right checksums: an error, or columns that are in order and in range."""
    rng, read = random.Random(5), 0
    original = craft.Records(copy).records
    for _ in range(60):
        records = craft.Records(copy)
        records.records = [changed(record, rng) if record else record for record in original]
        records.write()
        for first in range(0, N, 30):
            done = harness.cat_result(copy, f"rows/{first}-{first + 29}.csr")
            assert done.returncode > 0 and b"packed row" in done.stderr or csr_reader.parse(done.stdout)
        for row in rng.sample(range(N), 3):
            done = harness.cat_result(copy, f"rows/{row}.csr", value_dtype="float64", index_dtype="uint16")
            assert done.returncode > 0 and b"packed row" in done.stderr or csr_reader.parse(done.stdout).n_rows == 1
            read += done.returncode == 0
    assert read > 20, "hardly anything was ever a record"


def changed(record, rng):
    record = bytearray(record)
    for _ in range(rng.choice([0, 0, 1, 1, 3])):
        record[rng.choice([rng.randrange(len(record)), rng.randrange(min(len(record), 12))])] ^= 1 << rng.randrange(8)
    if rng.random() < 0.05:
        del record[rng.randrange(len(record)):]
    return bytes(record)
