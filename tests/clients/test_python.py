# SPDX-License-Identifier: Apache-2.0
"""The Python client, without torch: what it reads is what the source says, by every way; what it hands out stays."""
import contextlib
import errno
import hashlib
import itertools
import multiprocessing
import os
import pickle
import random
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
import scipy.sparse

import h5ad_corpus
import harness
import model
import shufflefs
import source
from h5ad_write import names, random_sparse, write_h5ad, Frame

VIEW = model.View(batch_size=200, world_size=2, seed=3, tail="keep")
WAYS = ["mount", "collection"]


@pytest.fixture(scope="module")
def made(convert, tmp_path_factory):
    """A collection with batches of about 100 kB, and its source."""
    path = tmp_path_factory.mktemp("source") / "cells.h5ad"
    obs = Frame(names("cell", 3100), {"depth": np.arange(3100) * 0.5})
    write_h5ad(path, random_sparse(np.random.default_rng(5), 3100, 300, density=0.25), obs=obs)
    return convert(path), source.read(path)


@pytest.fixture(scope="module")
def mounted(made, mount):
    with mount(made[0], **VIEW.options()) as mounted:
        yield shufflefs.Mount(mounted.path)


@pytest.fixture(scope="module", params=WAYS)
def client(request, made):
    """The same view by a mount and by the library."""
    if request.param == "mount":
        return request.getfixturevalue("mounted")
    return request.getfixturevalue("open_collection")(made[0], **VIEW.options())


@pytest.fixture(scope="module")
def expected(made):
    """(epoch, rank, batch) -> bytes, of two epochs."""
    matrix = made[1].matrices["X"]
    return {(epoch, rank, k): model.csr(matrix, rows, epoch, rank, k, VIEW.seed, 0)
            for epoch in range(2) for rank, k, rows in VIEW.batches(matrix.n_rows, epoch)}


def same_arrays(batch, matrix, rows):
    indptr, indices, data = matrix.take(rows)
    return (np.array_equal(batch.rows, rows) and np.array_equal(batch.indptr, indptr) and
            np.array_equal(batch.indices, indices) and batch.data.tobytes() == data.tobytes())


# --- what is read ---------------------------------------------------------------------------------------------------

def test_batches_are_those_of_the_source(client, made):
    matrix = made[1].matrices["X"]
    whole = scipy.sparse.csr_matrix((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.n_rows, matrix.n_cols))
    for epoch in range(2):
        for rank, k, rows in VIEW.batches(matrix.n_rows, epoch):
            batch = client.batch(epoch, rank, k)
            assert same_arrays(batch, matrix, rows)
            assert batch.shape == (len(rows), matrix.n_cols) and len(batch) == len(rows)
            assert (batch.epoch, batch.rank, batch.number, batch.repeated, batch.extra) == (epoch, rank, k, 0, {})
            assert (batch.scipy() != whole[rows]).nnz == 0 and (batch.dense() == whole[rows].toarray()).all()
    assert client.batches_per_rank == VIEW.steps(matrix.n_rows) and client.dataset["rows"] == matrix.n_rows
    assert f"{client.name}: 3100 x 300" in repr(client) and "values of float32" in repr(batch)


def test_rows_by_number(client, made):
    assert same_arrays(client.csr("rows/5,3,3.csr"), made[1].matrices["X"], [5, 3, 3])


def test_padded_batches_say_what_they_repeat(made, open_collection):
    client = open_collection(made[0], batch_size=200, world_size=3, tail="pad")
    last = client.batch(0, 2, client.batches_per_rank - 1)
    assert 0 < last.repeated == model.View(batch_size=200, world_size=3, tail="pad").repeated(3100, 2, 5)


@pytest.mark.parametrize("way", WAYS)
def test_columns_of_obs(way, convert, mount, open_collection, tmp_path):
    h5ad_corpus.FILES["every_kind_of_column"](tmp_path / "a.h5ad")
    truth, collection = source.read(tmp_path / "a.h5ad"), convert(tmp_path / "a.h5ad")
    with contextlib.ExitStack() as stack:
        client = (open_collection(collection) if way == "collection" else
                  shufflefs.Mount(stack.enter_context(mount(collection)).path))
        kinds = {check_column(client, name, column) for name, column in truth.obs.columns.items()}
        assert kinds == {"number", "nullable", "categorical", "string"}
        assert client.obs("_index").tolist() == truth.obs.index


def check_column(client, name, column):
    found = client.obs(name)
    if column.kind == "nullable":
        assert np.array_equal(found.mask, column.mask) and np.array_equal(found.data, column.values), name
    elif column.kind == "string":
        assert found.tolist() == list(column.values), name
    else:
        assert found.dtype == column.values.dtype, name
        assert np.array_equal(found, column.values, found.dtype.kind == "f"), name
    if column.kind == "categorical" and all(isinstance(each, str) for each in column.categories):
        assert client.categories(name) == column.categories, name
    return column.kind


def test_odd_names_of_columns(convert, open_collection, tmp_path):
    h5ad_corpus.FILES["odd_column_names"](tmp_path / "a.h5ad")
    client = open_collection(convert(tmp_path / "a.h5ad"))
    for name, column in source.read(tmp_path / "a.h5ad").obs.columns.items():
        check_column(client, name, column)


# --- by every way ---------------------------------------------------------------------------------------------------

def every_batch(client):
    return {(batch.epoch, batch.rank, batch.number): bytes(batch._bytes)
            for epoch in range(2) for rank in range(VIEW.world_size) for batch in client.batches(epoch, rank)}


def test_the_bytes_are_the_same(client, expected):
    assert every_batch(client) == expected


def refuse_direct_opens(monkeypatch):
    def plain(path, flags, real=os.open):
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(path, flags)
    monkeypatch.setattr(os, "open", plain)


def refuse_unaligned_reads(monkeypatch):
    def preadv(fd, buffers, offset, real=os.preadv):
        import fcntl
        if offset % 512 and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(fd, [buffers[0][:9999]], offset)
    monkeypatch.setattr(os, "preadv", preadv)


@pytest.mark.parametrize("hinder", [refuse_direct_opens, refuse_unaligned_reads])
def test_where_the_file_system_refuses(hinder, mounted, expected, monkeypatch):
    hinder(monkeypatch)
    assert every_batch(mounted) == expected


def test_reads_are_direct_aligned_and_whole(mounted, expected, monkeypatch):
    opened, read, real_open, real_preadv = [], [], os.open, os.preadv
    monkeypatch.setattr(os, "open", lambda path, flags: opened.append(flags) or real_open(path, flags))
    monkeypatch.setattr(os, "preadv", lambda fd, into, at: read.append((into[0], at)) or real_preadv(fd, into, at))
    assert bytes(mounted.batch(0, 0, 0)._bytes) == expected[0, 0, 0]
    (flags,), ((memory, offset),) = opened, read
    assert flags & os.O_DIRECT and offset == 0 and len(memory) % 4096 == 0
    assert np.frombuffer(memory, np.uint8).ctypes.data % 4096 == 0


def test_a_file_anywhere(expected, tmp_path):
    (tmp_path / "batch.csr").write_bytes(expected[0, 1, 2])
    assert bytes(shufflefs.read_batch(tmp_path / "batch.csr")._bytes) == expected[0, 1, 2]


def test_a_directory(tmp_path):
    before = os.listdir("/proc/self/fd")
    with pytest.raises(shufflefs.Error, match=f"{tmp_path} cannot be read: Is a directory"):
        shufflefs.read_batch(tmp_path)
    assert os.listdir("/proc/self/fd") == before, "a descriptor stays open"


def test_many_threads(client, expected):
    """Threads that share one source get the right bytes."""
    wrong = []

    def read(seed):
        places = list(expected)
        random.Random(seed).shuffle(places)
        wrong.extend(place for place in places if client.batch(*place)._bytes != expected[place])
    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes(method, client, expected):
    """Sources and batches are handed to processes; a fork uses the source of its parent."""
    places = list(expected)[::3]
    client.batch(0, 0, 0)
    with multiprocessing.get_context(method).Pool(2) as pool:
        for place, batch in zip(places, pool.starmap(client.batch, places)):
            assert bytes(batch._bytes) == expected[place] and (batch.scipy() != client.batch(*place).scipy()).nnz == 0


# --- in order, ahead ------------------------------------------------------------------------------------------------

def test_any_point_to_resume_from(client, expected):
    for seed in range(30):
        draw = random.Random(seed)
        epoch, rank, first = draw.randrange(2), draw.randrange(2), draw.randrange(client.batches_per_rank + 1)
        stride, ahead = draw.randrange(1, 5), draw.randrange(4)
        found = [bytes(batch._bytes) for batch in client.batches(epoch, rank, first, stride, ahead)]
        assert found == [expected[epoch, rank, k] for k in range(first, client.batches_per_rank, stride)]


def test_reading_ahead_is_bounded():
    begun = []

    def read(share):
        for place in share:
            begun.append(place)
            yield place
    for ahead, together in itertools.product(range(4), (1, 2, 7, 60)):
        begun.clear()
        for number, place in enumerate(shufflefs._in_order(read, shares(50, together), ahead)):
            assert place == number and len(begun) <= number + (ahead + 1) * together
        assert sorted(begun) == list(range(50))


def shares(count, together):
    return [range(count)[at:at + together] for at in range(0, count, together)]


def test_reading_ahead_ends_early():
    """A consumer that stops leaves no thread; an error comes at its place and not before."""
    before = threading.active_count()

    def read(share):
        return (1 // (5 - place) for place in share)
    batches = shufflefs._in_order(read, shares(9, 1), 3)
    assert [next(batches) for _ in range(3)] == [1 // 5, 1 // 4, 1 // 3]
    batches.close()
    assert threading.active_count() == before
    for together in (1, 2, 3, 9):
        found = []
        with pytest.raises(ZeroDivisionError):
            for each in shufflefs._in_order(read, shares(9, together), 3):
                found.append(each)
        assert len(found) == 5 and threading.active_count() == before


LARGE = "synthetic:rows=5000,vars=2000,density=0.5,seed=1"              # a row is 8 kB


def test_small_batches_are_read_together(convert, open_collection, monkeypatch):
    collection, found = convert(LARGE), {}
    in_order = shufflefs._in_order
    for size in (1, 64, 300, 700, 4000):
        monkeypatch.setattr(shufflefs, "_in_order",
                            lambda read, shares, ahead, size=size: found.update({size: len(shares[0])}) or in_order(read, shares, ahead))
        next(open_collection(collection, batch_size=size).batches(0, 0))
    assert found == {1: 16, 64: 16, 300: 6, 700: 2, 4000: 1}


def test_others_are_handed_over_together(convert, open_collection, monkeypatch):
    collection, found = convert(LARGE), {}
    in_order = shufflefs._in_order
    for size in (1, 64, 300):
        monkeypatch.setattr(shufflefs, "_in_order",
                            lambda read, shares, ahead, size=size: found.update({size: len(shares[0])}) or in_order(read, shares, ahead))
        next(open_collection(collection, batch_size=size).batches(0, 0, stride=2))
    assert found == {1: 8, 64: 4, 300: 1}


def test_a_source_without_runs(client, expected, monkeypatch):
    """As of an earlier version."""
    monkeypatch.setattr(client, "_most_together", 1)
    assert every_batch(client) == expected


SMALL = model.View(batch_size=40, world_size=2, seed=3, tail="keep")    # 39 batches a rank: runs of 16, 16 and 7


@pytest.fixture(scope="module", params=WAYS)
def small(request, made, mount):
    """(a client whose epochs are several runs, (rank, batch) -> bytes of epoch 1)"""
    matrix = made[1].matrices["X"]
    files = {(rank, k): model.csr(matrix, rows, 1, rank, k, SMALL.seed, 0) for rank, k, rows in SMALL.batches(matrix.n_rows, 1)}
    if request.param == "collection":
        yield request.getfixturevalue("open_collection")(made[0], **SMALL.options()), files
        return
    with mount(made[0], **SMALL.options()) as mounted:
        yield shufflefs.Mount(mounted.path), files


@pytest.mark.parametrize("ahead", [0, 1, 2, 3])
@pytest.mark.parametrize("first,stride", [(0, 1), (1, 1), (22, 1), (38, 1), (0, 2), (3, 5)])
def test_runs_follow_each_other(small, first, stride, ahead):
    client, files = small
    for rank in range(2):
        found = [bytes(batch._bytes) for batch in client.batches(1, rank, first, stride, ahead)]
        assert found == [files[rank, k] for k in range(first, 39, stride)]


def test_one_batch_of_a_run_is_kept(small):
    """Its memory is not read over, although its neighbours are gone."""
    client, files = small
    kept = []
    for _ in range(6):
        for rank in range(2):
            kept += [batch for batch in client.batches(1, rank) if batch.number % 16 in (0, 9)]
    assert len(kept) == 6 * 2 * 5 and all(bytes(batch._bytes) == files[batch.rank, batch.number] for batch in kept)


def test_memory_of_runs_is_used_again(small, monkeypatch):
    client, buffers, mapped = small[0], shufflefs._Buffers(), []
    monkeypatch.setattr(shufflefs, "_buffers", buffers)
    monkeypatch.setattr(buffers, "_map", lambda length, real=buffers._map: mapped.append(length) or real(length))
    for epoch in range(10):
        for batch in client.batches(epoch, 0, ahead=2):
            pass
    assert len(mapped) <= 2 * 5, "two lengths of runs, of each two ahead, one in use, one before it and one to spare"


def test_neighbours_are_read_as_one_file(client, expected, monkeypatch):
    paths, real = [], client._read
    monkeypatch.setattr(client, "_read", lambda path: paths.append(path) or real(path))
    found = [bytes(batch._bytes) for batch in client.batches(1, 0, 3)]
    assert found == [expected[1, 0, k] for k in range(3, 8)] and paths == ["epoch_1/rank_0/batches_3-7.csr"]
    paths.clear()
    assert [batch.number for batch in client.batches(0, 1, 0, 3)] == [0, 3, 6]
    assert paths == [f"epoch_0/rank_1/batch_{k}.csr" for k in (0, 3, 6)], "neighbours alone"


def test_an_error_comes_at_its_batch(client, expected, monkeypatch):
    """Of batches that are read together, those before the one that cannot be read are there."""
    real = client._read

    def read(path):
        if "batches" in path or "batch_5." in path:
            raise shufflefs.Error(f"{path} cannot be read")
        return real(path)
    monkeypatch.setattr(client, "_read", read)
    found = []
    with pytest.raises(shufflefs.Error, match="batch_5.csr"):
        for batch in client.batches(0, 0):
            found.append(bytes(batch._bytes))
    assert found == [expected[0, 0, k] for k in range(5)]


def test_an_iterator_that_is_left_behind(convert, open_collection):
    """The interpreter ends while threads read ahead: they end before what they read from is closed."""
    script = """if True:
        import shufflefs, sys
        kept = [shufflefs.Collection(sys.argv[1], library=sys.argv[2], batch_size=2000, tail="pad") for _ in range(4)]
        batches = [each.batches(epoch, 0, ahead=3) for each in kept for epoch in range(5)]
        for each in batches:
            next(each)
    """
    collection = convert(LARGE)
    open_collection(collection)                         # which skips where there is no library to load
    command = [sys.executable, "-c", script, collection, harness.RELEASE / "libshufflefs.so"]
    for _ in range(5):
        done = subprocess.run(command, env=os.environ | {"PYTHONPATH": os.path.dirname(shufflefs.__file__)}, capture_output=True,
                              timeout=harness.PATIENCE)
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("name", sorted(h5ad_corpus.NO_BATCHES))
def test_a_collection_without_batches(name, convert, open_collection, tmp_path):
    """What has no X has still obs and var."""
    h5ad_corpus.write_all(tmp_path)
    client = open_collection(convert(tmp_path / f"{name}.h5ad"))
    assert client.batches_per_rank == 0 and not list(client.batches(0, 0)) and len(client.obs("_index")) == client.dataset["rows"]


# --- memory ---------------------------------------------------------------------------------------------------------

def test_what_is_kept_stays(client, expected):
    """All batches of an epoch are kept to its end, while others are read and dropped."""
    kept = list(client.batches(0, 0)) + list(client.batches(0, 1, ahead=0))
    assert len(list(client.batches(1, 0))) == client.batches_per_rank
    for batch in kept:
        assert bytes(batch._bytes) == expected[0, batch.rank, batch.number]


PARTS = [lambda b: b.data, lambda b: b.indices[5:40], lambda b: b.scipy(), lambda b: memoryview(b.rows),
         lambda b: b.data[::3].view("u4"), lambda b: b.scipy().T, lambda b: b.indptr.reshape(-1, 1),
         lambda b: b.rows[:0]]


def digest(part):
    if scipy.sparse.issparse(part):
        return digest(part.data) + digest(part.indices) + digest(part.indptr)
    return hashlib.sha1(np.asarray(part).tobytes()).digest()


def test_any_part_keeps_its_memory(client):
    """Whatever is derived of a batch without a copy: as long as one has it, nothing is read over it."""
    draw, held = random.Random(1), []
    for step in range(400):
        batch = client.batch(draw.randrange(2), draw.randrange(2), draw.randrange(client.batches_per_rank))
        part = draw.choice(PARTS)(batch)
        held.append((part, digest(part)))
        del batch, part
        if len(held) > 12:
            part, was = held.pop(draw.randrange(len(held)))
            assert digest(part) == was
            del part
    assert all(digest(part) == was for part, was in held)


def test_memory_is_used_again(client, monkeypatch):
    buffers = shufflefs._Buffers()
    monkeypatch.setattr(shufflefs, "_buffers", buffers)
    mapped = []
    monkeypatch.setattr(buffers, "_map", lambda length, real=buffers._map: mapped.append(length) or real(length))
    for epoch in range(10):
        for batch in client.batches(epoch, 0, ahead=2):
            pass
    assert len(mapped) <= 3, "an epoch is one run: it, one before it and one to spare"
    del batch
    for free in buffers._free.values():
        assert 0 < len(free) <= buffers.KEPT


def test_a_fork_writes_into_its_own_memory(client, expected):
    batch = client.batch(0, 0, 0)
    pid = os.fork()
    if pid == 0:
        batch.data[:] = -1
        os._exit(int(batch.data[0] != -1))
    assert os.waitpid(pid, 0)[1] == 0
    assert bytes(batch._bytes) == expected[0, 0, 0]


def test_a_fork_opens_its_own_collection(made, open_collection, expected):
    """Locks of the library may be held by a thread that the fork does not have."""
    client = open_collection(made[0], **VIEW.options())
    parents, pid = client._tree, os.fork()
    if pid == 0:
        same = client.batch(0, 0, 0)._bytes == expected[0, 0, 0]
        os._exit(0 if same and client._tree is not parents else 1)
    assert os.waitpid(pid, 0)[1] == 0 and client._tree is parents


def test_arrays_are_not_copied(client):
    batch = client.batch(0, 0, 1)
    matrix = batch.scipy()
    by_hand = scipy.sparse.csr_matrix((batch.data, batch.indices, batch.indptr), shape=batch.shape, copy=False)
    for name in ("data", "indices", "indptr"):
        assert np.shares_memory(getattr(matrix, name), getattr(batch, name)), name
        assert np.shares_memory(getattr(by_hand, name), getattr(batch, name)), name
    matrix.check_format(full_check=True)
    matrix.data *= 2
    assert batch.data.sum() == matrix.data.sum() != client.batch(0, 0, 1).data.sum()


# --- other types and sections ---------------------------------------------------------------------------------------

# Of indices, of indptr.
INDEX_TYPES = [("<i4", "<i4"), ("<u2", "<i4"), ("<i8", "<i8"), ("<u2", "<i8"), ("<i8", "<i4")]


def craft(arrays, n_cols):
    """A `.csr` file of these arrays, in this order."""
    header = 128 + 128 * len(arrays)
    blob, table = bytearray(header), np.zeros(len(arrays), shufflefs.ENTRY)
    for entry, (name, array) in zip(table, arrays.items()):
        blob += bytes(-len(blob) % 64)
        entry["name"], entry["type"] = name.encode(), array.dtype.str.encode()
        entry["offset"], entry["count"] = len(blob), array.size
        entry["columns"] = array.shape[1] if array.ndim > 1 else 1
        blob += array.tobytes()
    offsets = dict(zip(arrays, table["offset"]))
    words = [header, len(arrays["rows"]), n_cols, len(arrays["data"]), len(arrays),
             *(offsets[name] for name in model.SECTIONS), -1, -1, -1, 0, 0, 1]
    blob[:header] = b"SHUFCSR1" + np.array(words, "<i8").tobytes() + table.tobytes()
    return bytes(blob)


def crafted(data="<f4", index="<i4", pointer="<i4", **extra):
    rng = np.random.default_rng(1)
    indptr = np.array([0, 3, 3, 7, 12])
    indices = np.concatenate([np.sort(rng.choice(50, length, False)) for length in np.diff(indptr)])
    arrays = {"indptr": indptr.astype(pointer), "indices": indices.astype(index),
              "data": rng.integers(1, 99, 12).astype(data), "rows": np.array([9, 1, 4, 4]), **extra}
    return arrays, craft(arrays, 50)


@pytest.mark.parametrize("index, pointer", INDEX_TYPES)
@pytest.mark.parametrize("data", h5ad_corpus.DTYPES)
def test_types_are_those_of_the_file(data, index, pointer):
    arrays, blob = crafted(data, index, pointer)
    batch = shufflefs.Batch(bytearray(blob))
    for name, array in arrays.items():
        assert getattr(batch, name).dtype == array.dtype and np.array_equal(getattr(batch, name), array), name
    dense = np.zeros((4, 50), data)
    dense[np.repeat(range(4), np.diff(arrays["indptr"])), arrays["indices"]] = arrays["data"]
    assert (batch.dense() == dense).all() and batch.dense().dtype == dense.dtype
    matrix = batch.scipy()
    assert (matrix.toarray() == dense).all() and matrix.has_canonical_format
    assert matrix.dtype == (np.float32 if data == "<f2" else np.dtype(data))
    assert np.shares_memory(matrix.data, batch.data) or data == "<f2"
    assert np.shares_memory(matrix.indices, batch.indices) or index == "<u2"
    assert (matrix @ np.ones(50)).shape == (4,)


def test_other_sections():
    columns = {"obs/cell_type": np.array([1, -1, 0, 0], "<i4"), "obsm/X_pca": np.arange(12, dtype="<f8").reshape(4, 3),
               "obs/größe": np.array([True, False, True, True])}
    batch = shufflefs.Batch(crafted(**columns)[1])
    assert list(batch.extra) == list(columns)
    for name, array in columns.items():
        assert np.array_equal(batch.extra[name], array) and batch.extra[name].dtype == array.dtype
    again = pickle.loads(pickle.dumps(batch))
    assert np.array_equal(again.extra["obsm/X_pca"], columns["obsm/X_pca"]) and np.array_equal(again.rows, batch.rows)


def test_no_rows():
    arrays = {"indptr": np.zeros(1, "<i4"), "indices": np.zeros(0, "<i4"), "data": np.zeros(0, "<f4"),
              "rows": np.zeros(0, "<i8")}
    batch = shufflefs.Batch(craft(arrays, 7))
    assert batch.shape == batch.scipy().shape == batch.dense().shape == (0, 7)


# --- what goes wrong ------------------------------------------------------------------------------------------------

def test_damaged_files():
    """Cut anywhere, or with any byte of the header changed: a sentence, or arrays that can be read."""
    blob = crafted()[1]
    for length in range(0, len(blob), 7):
        with pytest.raises(shufflefs.Error, match="^these bytes (is|are) "):
            shufflefs.Batch(blob[:length])
    draw = random.Random(0)
    for _ in range(3000):
        damaged = bytearray(blob)
        damaged[draw.randrange(640)] = draw.randrange(256)
        try:
            batch = shufflefs.Batch(damaged)
        except shufflefs.Error as error:
            assert str(error).startswith("these bytes is")
        else:
            assert batch.indices.sum() is not None and repr(batch)


def test_a_file_that_shrinks(tmp_path, monkeypatch):
    (tmp_path / "a.csr").write_bytes(b"SHUFCSR1" * 100)
    monkeypatch.setattr(os, "preadv", lambda fd, into, at: 512 if at == 0 else 0)
    with pytest.raises(shufflefs.Error, match="a.csr ends after 512 bytes, but was 800 bytes long"):
        shufflefs.read_batch(tmp_path / "a.csr")


def test_sentences(client):
    for call, sentence in [
            (lambda: client.batch(0, 2, 1), "no batch 1 of rank 2 in epoch 0: there are 8 batches for each of 2 ranks"),
            (lambda: client.batch(0, 0, 8), "has no batch 8"), (lambda: client.batch(-1, 0, 0), "in epoch -1"),
            (lambda: client.batch(2**31, 0, 0), "in epoch 2147483648"),
            (lambda: client.csr("rows/3100.csr"), "rows/3100.csr"),
            (lambda: client.obs("no such"), "has no column 'no such' in obs: there are depth")]:
        with pytest.raises(shufflefs.Error, match=sentence):
            call()


def test_sentences_of_opening(open_collection, made, tmp_path):
    with pytest.raises(shufflefs.Error, match="is not a mount of shufflefs.*mount a collection there"):
        shufflefs.Mount(tmp_path)
    with pytest.raises(shufflefs.Error, match="No such file or directory"):
        open_collection(tmp_path / "no.sfs")
    with pytest.raises(shufflefs.Error, match='batch_size: expected a number from 1 to 16777216, found "0"'):
        open_collection(made[0], batch_size=0)
    with pytest.raises(shufflefs.Error, match="batchsize"):
        open_collection(made[0], batchsize=5)
    with pytest.raises(shufflefs.Error, match="libshufflefs cannot be loaded .*SHUFFLEFS_LIBRARY"):
        shufflefs.Collection(made[0], library=tmp_path / "no.so")


def test_a_daemon_that_is_gone(made, mount):
    with mount(made[0]) as mounted:
        client = shufflefs.Mount(mounted.path)
    with pytest.raises(shufflefs.Error, match="cannot be read: No such file or directory"):
        client.batch(0, 0, 0)


# --- what is imported -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("program", [
    "import sys, shufflefs; assert not {'torch', 'scipy'} & set(sys.modules)",
    "import sys; sys.modules['torch'] = sys.modules['scipy'] = None\nimport shufflefs\n"
    "for batch in shufflefs.Mount(sys.argv[1]).batches(0, 0): batch.dense()\n"
    "import pickle; pickle.loads(pickle.dumps(batch))\n"
    "try: shufflefs.Batches\nexcept ImportError: sys.exit(0)\nsys.exit('torch was there')",
    "import shufflefs\ntry: shufflefs.nothing\nexcept AttributeError as e: assert \"'nothing'\" in str(e)"])
def test_neither_torch_nor_scipy_is_needed(program, mounted):
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(shufflefs.__file__)}
    done = subprocess.run([sys.executable, "-c", program, mounted.name], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


# --- views ----------------------------------------------------------------------------------------------------------

def rows_of(client):
    return np.concatenate([batch.rows for rank in range(client.world_size) for batch in client.batches(0, rank)])


def test_views_by_their_keys(made, mounted, open_collection):
    """A mount gives any view; the library the same one."""
    keys = {"where": "depth >= 1000 and _index != 'a,/%'", "batch_size": 64, "tail": "keep", "world_size": 3}
    mine, other = shufflefs.Mount(mounted.name, **keys), open_collection(made[0], **keys)
    assert sorted(rows_of(mine)) == list(range(2000, 3100)) and (rows_of(mine) == rows_of(other)).all()
    assert mine.view["batch_size"] == 64 and mine.batches_per_rank == other.batches_per_rank == -(-1100 // 192)
    assert (mine.obs("depth")[mine.batch(0, 2, 1).rows] >= 1000).all()


def test_named_views(made, mount, open_collection, tmp_path):
    collection = shutil.copytree(made[0], tmp_path / "copy.sfs")
    subprocess.run([harness.BUILD / "mkshufflefs", "view", "add", collection, "deep", "--where", "depth > 1500", "--batch-size=16"], check=True)
    with mount(collection) as mounted:
        mine = shufflefs.Mount(mounted.path, "deep")
        assert len(mine.batch(0, 0, 3)) == 16 and (mine.batch(2, 0, 5).rows > 3000).all()
        with pytest.raises(shufflefs.Error, match="no view named 'shallow'"):
            shufflefs.Mount(mounted.path, "shallow")
    other = open_collection(collection, view="deep")
    assert (other.batch(2, 0, 5).rows > 3000).all()


def test_views_that_are_refused(mounted):
    with pytest.raises(shufflefs.Error, match='where: at character 1.*"dept": did you mean "depth"'):
        shufflefs.Mount(mounted.name, where="dept > 3")
    with pytest.raises(shufflefs.Error, match="batch_size: expected a number"):
        shufflefs.Mount(mounted.name, batch_size=0)
    with pytest.raises(shufflefs.Error, match="expected the name of a view or keys"):
        shufflefs.Mount(mounted.name, "train", batch_size=5)
