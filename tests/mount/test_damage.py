# SPDX-License-Identifier: Apache-2.0
"""A damaged collection never gives a wrong number: wrong sizes and headers are refused at the mount, wrong contents are EIO with
a line that names file and offset, and the daemon outlives a file that is cut short under it.
"""
import errno
import os
import random
import re
import shutil

import numpy as np
import pytest

import harness
import model
import source
import views_model
from h5ad_write import Categorical, Frame, Nullable, names, random_dense, random_sparse, write_h5ad

N = 400
INVALID = 3
WHOLE = {"batch_size": N, "tail": "keep"}               # one batch has every row
CASES = 1000


@pytest.fixture(scope="module", params=[(), ("--codec", "raw")], ids=["as is", "raw"])
def made(request, convert, tmp_path_factory):
    """A small collection with every kind of file, in several shards; and what it holds. As is, its matrices are packed or dense."""
    path = tmp_path_factory.mktemp("damage") / "a.h5ad"
    rng = np.random.default_rng(8)
    obs = Frame(names("cell", N), {"n": np.arange(N), "label": Categorical((np.arange(N) % 5).astype("i1"), names("type ", 5)),
                                   "maybe": Nullable(np.arange(N), np.arange(N) % 3 == 0), "text": [f"text {i}" for i in range(N)]})
    write_h5ad(path, random_sparse(rng, N, 50), obs=obs, layers={"dense": random_dense(rng, N, 50)}, raw=random_sparse(rng, N, 80))
    return convert(path, "--shard-rows", "150", *request.param), source.read(path)


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "copy.sfs")


def files_of(collection):
    return sorted(path for path in collection.rglob("*") if path.is_file())


def content_files(collection):
    return [path for path in files_of(collection) if path.name != "collection.json"]


def refused(collection, mountpoint, code=INVALID):
    """The sentence with which the mount is refused, which --cat says too."""
    done = harness.run([harness.BUILD / "shufflefs", collection, mountpoint, "-f"])
    said = harness.sentence(done, "shufflefs")
    assert done.returncode == code, said
    assert not harness.is_mount_point(mountpoint)
    by_cat = harness.cat_result(collection, "README.txt")
    assert (by_cat.returncode, harness.sentence(by_cat, "shufflefs"), by_cat.stdout) == (code, said, b"")
    return said


# --- sizes and headers ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["empty", "one byte less", "half", "one byte more"])
def test_other_size(copy, mountpoint, how):
    """Any file of another size than the manifest says: the sentence names it, the size expected and the size found."""
    for path in content_files(copy):
        blob = path.read_bytes()
        other = {"empty": b"", "one byte less": blob[:-1], "half": blob[:len(blob) // 2], "one byte more": blob + b"\0"}[how]
        if other == blob:
            continue                                    # a file that is empty anyway cannot be cut
        path.write_bytes(other)
        said = refused(copy, mountpoint)
        assert path.name in said
        assert re.search(rf"\b{len(blob)}\b", said) and re.search(rf"\b{len(other)}\b", said), said
        path.write_bytes(blob)
    assert harness.cat(copy, "README.txt")


def test_missing_file(copy, mountpoint):
    for path in content_files(copy):
        kept = path.rename(path.with_suffix(".kept"))
        assert path.name in refused(copy, mountpoint)
        kept.rename(path)
    assert harness.cat(copy, "README.txt")


def test_only_regular_files_beneath_the_collection(copy, mountpoint, tmp_path):
    """A link is refused even to the right bytes, as is a directory or a pipe in a file's place (which must not hang)."""
    path = max(content_files(copy), key=os.path.getsize)
    outside = tmp_path / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    assert path.name in refused(copy, mountpoint)
    path.unlink()
    path.mkdir()
    assert path.name in refused(copy, mountpoint)
    path.rmdir()
    os.mkfifo(path)
    assert path.name in refused(copy, mountpoint)


def test_manifest_cut(copy, mountpoint):
    manifest = copy / "collection.json"
    blob = manifest.read_bytes()
    for length in sorted({0, 1, 2, len(blob) // 2, len(blob) - 2, *random.Random(1).sample(range(len(blob) - 1), 30)}):
        manifest.write_bytes(blob[:length])
        assert "collection.json" in refused(copy, mountpoint), length


def test_manifest_flipped(copy, mountpoint):
    """Any bit of it: it carries its own checksum."""
    manifest, rng = copy / "collection.json", random.Random(2)
    blob = manifest.read_bytes()
    for at in [0, *rng.sample(range(len(blob) - 1), 200)]:
        damaged = bytearray(blob)
        damaged[at] ^= 1 << rng.randrange(8)
        manifest.write_bytes(damaged)
        assert "collection.json" in refused(copy, mountpoint), f"byte {at}: {blob[at:at + 1]} to {damaged[at:at + 1]}"


def test_manifest_of_garbage(copy, mountpoint):
    for blob in (b"{}", b"[]", b"null", b"{" * 100_000, b"\0" * 1000, b"\xff" * 1000, b'{"format": 1e999}', b'"' + b"a" * 1_000_000):
        (copy / "collection.json").write_bytes(blob)
        assert "collection.json" in refused(copy, mountpoint), blob[:20]


# --- contents ------------------------------------------------------------------------------------------------------

def truths(truth):
    """(path, options, bytes): reads that together touch every file of the collection."""
    view = model.View(**WHOLE)
    reads = []
    for layer, matrix in truth.matrices.items():
        blob = model.csr(matrix, view.rows(N, 1, 0, 0), 1, 0, 0)
        reads.append(("epoch_1/rank_0/batch_0.csr", {**WHOLE, "layer": layer}, blob))
        reads += [(name, {}, expected) for name, expected in model.matrix_files(layer, matrix).items()]
    reads += [(name, {}, expected) for name, expected in model.all_table_files(truth).items()]
    return reads


def names_file_and_offset(said, path):
    return path.name in said and re.search(r"\d", said.replace(path.name, ""))


def test_flipped_bits(made, copy):
    """1,000 times one bit of one file, then a read: the right bytes, or an error that names file and offset."""
    reads, files, rng = truths(made[1]), content_files(copy), random.Random(3)
    found = 0
    for case in range(CASES):
        path = rng.choice([each for each in files if each.stat().st_size])
        name, options, expected = rng.choice(reads)
        at, bit = rng.randrange(path.stat().st_size), 1 << rng.randrange(8)
        flip(path, at, bit)
        done = harness.cat_result(copy, name, **options)
        flip(path, at, bit)
        where = f"case {case}: bit {bit} of byte {at} of {path.name}, reading {name}"
        if done.returncode == 0:
            assert done.stdout == expected and done.stderr == b"", where
        else:
            found += 1
            assert expected.startswith(done.stdout), f"{where}: wrong bytes before the error"
            assert names_file_and_offset(done.stderr.decode(), path), f"{where}: {done.stderr.decode()}"
            assert done.returncode > 0, f"{where}: killed"
    assert found >= CASES // 50, "hardly any damage was ever met"


def flip(path, at, bit):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ bit]))


def test_every_file_is_checked(made, copy, mount):
    """A flip in the middle of each file is met by some read: no file goes unchecked."""
    reads = [(f"{views_model.spell(options)}/{name}" if options else name, expected) for name, options, expected in truths(made[1])]
    for path in content_files(copy):
        size = path.stat().st_size
        if size <= 128:
            continue                                    # nothing but a header
        at = 128 + (size - 128) // 2
        flip(path, at, 4)
        at_once = harness.cat_result(copy, "README.txt")
        if at_once.returncode:
            assert names_file_and_offset(at_once.stderr.decode(), path), path.name
            flip(path, at, 4)
            continue
        with mount(copy) as mounted:
            mounted.expect(re.escape(path.name))
            found = [read_or_eio(mounted, name) for name, _ in reads]
            assert all(each in (None, expected) for each, (_, expected) in zip(found, reads)), path.name
            assert any(names_file_and_offset(line, path) for line in mounted.log().splitlines()), path.name
        assert None in found, path.name
        flip(path, at, 4)


def read_or_eio(mounted, name):
    """The bytes, or None for EIO."""
    try:
        return mounted.read(name)
    except OSError as error:
        assert error.errno == errno.EIO, error
        return None


def file_with_values(collection):
    """The file that X/data.npy is made of, the largest if several: found by damaging each."""
    for path in sorted(content_files(collection), key=os.path.getsize, reverse=True):
        last = path.stat().st_size - 1
        flip(path, last, 1)
        done = harness.cat_result(collection, "X/data.npy")
        flip(path, last, 1)
        if done.returncode:
            return path
    raise AssertionError("X/data.npy reads well whatever file is damaged")


@pytest.mark.parametrize("cache", ["auto", "always"])
def test_flipped_over_a_mount(made, copy, mountpoint, cache):
    """EIO for the batch with the damaged row and a log line, the right bytes for all others."""
    matrix, view = made[1].matrices["X"], model.View(batch_size=20, tail="keep")
    path = file_with_values(copy)
    flip(path, path.stat().st_size - 1, 1)
    expected = model.epoch_files(matrix, view, 0, folder=False)
    with harness.mounted(copy, mountpoint, cache=cache, **view.options()) as mounted:
        mounted.expect(re.escape(path.name))
        found = {name: read_or_eio(mounted, name) for name in expected}
        again = {name: read_or_eio(mounted, name) for name in expected}
        assert found == again, "damage that was met stays met"
        assert all(found[name] in (None, expected[name]) for name in expected)
        assert sum(each is None for each in found.values()) == 1, "one row is damaged, and one batch has it"
        assert any(names_file_and_offset(line, path) for line in mounted.log().splitlines())
        assert mounted.alive() and mounted.list("epoch_0/rank_0")


# --- cut short while mounted ---------------------------------------------------------------------------------------

@pytest.fixture(scope="module", params=[(), ("--codec", "raw")], ids=["as is", "raw"])
def bigger(request, convert, tmp_path_factory):
    """Files of many pages, so that half of one can go."""
    path = tmp_path_factory.mktemp("bigger") / "a.h5ad"
    rng = np.random.default_rng(9)
    obs = Frame(names("cell", 6000), {"n": np.arange(6000)})
    write_h5ad(path, random_sparse(rng, 6000, 400), obs=obs, layers={"dense": random_dense(rng, 6000, 400)})
    return convert(path, *request.param), source.read(path)


@pytest.mark.parametrize("cache", ["auto", "never", "always"])
@pytest.mark.parametrize("layer", ["X", "dense"])
def test_cut_short_while_mounted(bigger, mountpoint, tmp_path, layer, cache):
    """Every file is cut in turn: reads give EIO or the right bytes, and the daemon goes on serving what is left."""
    view = model.View(batch_size=500, tail="keep", layer=layer)
    expected = {**model.epoch_files(bigger[1].matrices[layer], view, 0), **model.matrix_files(layer, bigger[1].matrices[layer]),
                **model.table_files("obs", bigger[1].obs)}
    collection = shutil.copytree(bigger[0], tmp_path / "copy.sfs")
    big = [path for path in content_files(collection) if path.stat().st_size > 3 * 4096]
    assert big
    for path in big:
        blob = path.read_bytes()
        with harness.mounted(collection, mountpoint, cache=cache, **view.options()) as mounted:
            mounted.expect(re.escape(path.name))
            first = "epoch_0/rank_0/batch_0.csr"
            assert mounted.read(first) == expected[first]
            os.truncate(path, len(blob) // 2)
            for name in expected:
                found = read_or_eio(mounted, name)
                assert found is None or found == expected[name], f"{path.name} cut, {name} is wrong"
            assert mounted.alive() and "epoch_0" in mounted.list() and mounted.read("README.txt")
        path.write_bytes(blob)


def test_cut_short_gives_eio(bigger, mountpoint, tmp_path):
    """With all data gone, every batch that was not read is EIO, with a line in the log."""
    collection = shutil.copytree(bigger[0], tmp_path / "copy.sfs")
    with harness.mounted(collection, mountpoint, batch_size=500) as mounted:
        mounted.expect(r"\w")
        for path in content_files(collection):
            os.truncate(path, 0)
        for batch in range(12):
            with pytest.raises(OSError) as caught:
                mounted.read(f"epoch_0/rank_0/batch_{batch}.csr")
            assert caught.value.errno == errno.EIO
        assert mounted.alive() and mounted.log()


def test_removed_while_mounted(bigger, mountpoint, tmp_path):
    """A mounted generation stays as it was, even if the collection is deleted."""
    view = model.View(batch_size=500, tail="keep")
    expected = model.epoch_files(bigger[1].matrices["X"], view, 0, folder=False)
    collection = shutil.copytree(bigger[0], tmp_path / "copy.sfs")
    with harness.mounted(collection, mountpoint, **view.options()) as mounted:
        shutil.rmtree(collection)
        for name, blob in expected.items():
            assert mounted.read(name) == blob


def test_listing_damaged_batches(bigger, mountpoint, tmp_path):
    """`ls -l` asks for the size of every batch: those that cannot be told are errors of their own."""
    copy = shutil.copytree(bigger[0], tmp_path / "copy.sfs")
    for path in content_files(copy):
        if path.name.endswith(("deltas.npy", ".nnz.npy")) and ".csv." not in path.name:
            flip(path, path.stat().st_size - 1, 1)
    with harness.mounted(copy, mountpoint, batch_size=2) as mounted:
        mounted.expect("restore this file")
        done = harness.run(["ls", "-l", mounted / "epoch_0/rank_0"])
        assert done.returncode and b"Input/output error" in done.stderr and mounted.alive()
        sizes = 0
        for name in mounted.list("epoch_0/rank_0"):
            try:
                sizes += os.stat(mounted / "epoch_0/rank_0" / name).st_size
            except OSError as error:
                assert error.errno == errno.EIO
        assert sizes and mounted.alive()
