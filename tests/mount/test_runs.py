# SPDX-License-Identifier: Apache-2.0
"""batches_A-B.csr: the files of batches A to B of a rank, one behind another, in one file."""
import concurrent.futures
import errno
import json
import os
import shutil

import hypothesis
import pytest
from hypothesis import strategies

import model
from test_read_ahead import LARGE, made  # noqa: F401  (a fixture)
from views_model import spell

MOST = 16
# Repeated rows, batches without rows, genes, columns, draws: all that a batch can have goes along.
VIEWS = {
    "ranks": {"batch_size": 7, "world_size": 3, "tail": "pad", "seed": 9},
    "empty": {"batch_size": 2, "world_size": 23, "tail": "keep"},
    "genes": {"batch_size": 16, "genes": "kept", "layer": "raw/X"},
    "columns": {"batch_size": 20, "obs": "louvain;score;donor", "obsm": "X_pca"},
    "draws": {"batch_size": 8, "balance": "tissue_general"},
    "block": {"batch_size": 9, "order": "block", "block_size": 3, "window": 30, "value_dtype": "float64", "index_dtype": "uint16"},
    "rows": {"batch_size": 1, "where": "n_genes == 480"},
}


def directory_of(mounted, name, epoch, rank):
    return mounted / spell(VIEWS[name]) / f"epoch_{epoch}" / f"rank_{rank}"


def batches_of(directory):
    """The bytes of each batch that is listed."""
    return [(directory / f"batch_{k}.csr").read_bytes() for k in range(len(os.listdir(directory)))]


@pytest.fixture(scope="module")
def ranks(cells_mount):
    """name of a view -> (a rank's directory, the bytes of its batches)."""
    directories = {name: directory_of(cells_mount, name, 1, options.get("world_size", 1) - 1) for name, options in VIEWS.items()}
    return {name: (directory, batches_of(directory)) for name, directory in directories.items()}


@hypothesis.given(strategies.data())
@hypothesis.settings(max_examples=200)
def test_the_bytes_are_those_of_the_batches(ranks, data):
    directory, batches = ranks[data.draw(strategies.sampled_from(sorted(VIEWS)))]
    first = data.draw(strategies.integers(0, len(batches) - 2))
    last = data.draw(strategies.integers(first + 1, min(first + MOST, len(batches)) - 1))
    expected, path = model.run(batches[first:last + 1]), directory / f"batches_{first}-{last}.csr"
    assert os.stat(path).st_size == len(expected) and path.read_bytes() == expected
    offset, size = data.draw(strategies.integers(0, len(expected))), data.draw(strategies.integers(0, len(expected)))
    fd = os.open(path, os.O_RDONLY)
    assert os.pread(fd, size, offset) == expected[offset:offset + size]
    os.close(fd)


def test_views_have_what_they_are_for(ranks):
    """Of the views above: some batches have no rows, some rows again."""
    assert any(int.from_bytes(blob[16:24], "little") == 0 for blob in ranks["empty"][1])
    assert any(int.from_bytes(blob[112:120], "little") for blob in ranks["ranks"][1])
    assert all(len(batches) >= 2 for _, batches in ranks.values())


@pytest.mark.parametrize("count", range(2, MOST + 1))
def test_without_a_mount(cells, ranks, cat, count):
    _, batches = ranks["ranks"]
    assert cat(cells[0], f"epoch_1/rank_2/batches_3-{2 + count}.csr", **VIEWS["ranks"]) == model.run(batches[3:3 + count])


def errno_of(function, *arguments):
    with pytest.raises(OSError) as caught:
        function(*arguments)
    return caught.value.errno


def test_names(cells_mount, ranks):
    """From 2 to 16 batches, all of which there are; numbers have one spelling; nothing of it is listed."""
    directory, batches = ranks["ranks"]
    last = len(batches) - 1
    assert last > 20 and json.loads(cells_mount.read("dataset.json"))["batches_together"] == MOST
    inodes = set()
    for first, end in [(0, 1), (0, MOST - 1), (last - MOST + 1, last), (last - 1, last), (1, 2), (1, 3)]:
        inodes.add(os.stat(directory / f"batches_{first}-{end}.csr").st_ino)
    assert len(inodes) == 6 and not inodes & {os.stat(directory / name).st_ino for name in os.listdir(directory)}
    for name in ("0-0", "1-0", f"0-{MOST}", f"{last}-{last + 1}", f"{last - 1}-{last + 1}", "00-1", "0-01", "-1", "0-", "0,1", "0-1-2", "+0-1",
                 f"0-{2**64}", f"{2**64 - 1}-{2**64}", f"{2**64}-{2**64 + 1}", f"{2**63}-{2**63 + 1}", " 0-1", "0 -1", "0-1 ", ""):
        assert errno_of(os.stat, directory / f"batches_{name}.csr") == errno.ENOENT, name
    for name in ("batches_0-1", "batches_0-1.npz", "batches_0-1.csr.csr", "batch_0-1.csr", "Batches_0-1.csr"):
        assert errno_of(os.stat, directory / name) == errno.ENOENT, name
    assert errno_of(os.listdir, directory / "batches_0-1.csr") == errno.ENOTDIR
    assert sorted(os.listdir(directory)) == sorted(f"batch_{k}.csr" for k in range(last + 1))


def test_no_more_rows_than_a_batch_may_have(cells_mount):
    """A name alone must not make the daemon work out more."""
    view = cells_mount / spell({"balance": "tissue_general", "batch_size": 2**23, "epoch_size": 2**25})
    assert json.loads((view / "view.json").read_text())["batches_per_rank"] == 4
    for first, last in ((0, 2), (0, 3), (1, 3)):
        assert errno_of(os.stat, view / f"epoch_0/rank_0/batches_{first}-{last}.csr") == errno.ENOENT


def read_runs(root, runs):
    return {run: (root / f"batches_{run[0]}-{run[1]}.csr").read_bytes() for run in runs}


@pytest.mark.parametrize("codec", ["packed", "raw"])
@pytest.mark.parametrize("cache_size", ["0", "5m", "64m"])
def test_in_sequence_by_several_readers(made, convert, mount, codec, cache_size):  # noqa: F811
    """Runs that follow each other, from any batch on, are decoded ahead; other runs and batches are read meanwhile."""
    collection = convert(made[0], "--codec", codec)
    with mount(collection, cache_size=cache_size, **LARGE.options()) as mounted:
        directory = mounted / "epoch_0/rank_1"
        batches = batches_of(directory)
        turns = [[(first, first + length - 1) for first in range(begin, len(batches) + 1 - length, length)]
                 for begin, length in ((0, 2), (1, 2), (0, 3), (2, 3), (0, 5))]
        for _ in range(2):
            with concurrent.futures.ThreadPoolExecutor(len(turns)) as pool:
                for seen in pool.map(read_runs, [directory] * len(turns), turns):
                    for (first, last), blob in seen.items():
                        assert blob == model.run(batches[first:last + 1])


def test_what_is_read_next_is_decoded_ahead(made, convert, mount):  # noqa: F811
    with mount(convert(made[0]), cache_size="64m", batch_size=500) as mounted:
        for first in range(3, 39, 4):
            mounted.read(f"epoch_0/rank_0/batches_{first}-{first + 3}.csr")
        said = json.loads(mounted.read(".shufflefs/stats.json"))
        assert said["prefetch"]["used"] > 0, said


def read_or_errno(path):
    try:
        return path.read_bytes()
    except OSError as error:
        return error.errno


def test_damage_is_an_error_of_the_runs_that_have_it(cells, tmp_path, mount):
    copy = shutil.copytree(cells[0], tmp_path / "copy.sfs")
    rows = copy / "s0.m0.data.npy"
    with open(rows, "r+b") as file:
        file.seek(rows.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0x40]))
    with mount(copy, batch_size=8, order="sequential") as mounted:
        mounted.expect("checksum")
        directory = mounted / "epoch_0/rank_0"
        batches = [read_or_errno(directory / name) for name in sorted(os.listdir(directory), key=lambda name: int(name[6:-4]))]
        damaged = [k for k, found in enumerate(batches) if found == errno.EIO]
        assert len(damaged) == 1 and 8 < damaged[0] < len(batches) - 8
        for first in range(damaged[0] - 8, damaged[0] + 8):
            found = read_or_errno(directory / f"batches_{first}-{first + 3}.csr")
            assert found == (errno.EIO if first <= damaged[0] <= first + 3 else model.run(batches[first:first + 4])), first
