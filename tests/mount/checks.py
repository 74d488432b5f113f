# SPDX-License-Identifier: Apache-2.0
"""What must hold of any source and the mount of its collection; used over generated and over real files."""
import hashlib
import multiprocessing
import random
from pathlib import Path

import numpy as np

import csr_reader
import model

EPOCHS, RANKS, PROCESSES = 2, 3, 8


def digest(blob):
    return hashlib.blake2b(blob, digest_size=16).digest()


def view_of(matrix, layer, seed=7):
    """Three ranks, several batches each, none left out."""
    return model.View(batch_size=max(1, matrix.n_rows // 13), world_size=RANKS, seed=seed, tail="keep", layer=layer)


def expected_epochs(matrix, view, folder):
    files = {}
    for epoch in range(EPOCHS):
        files.update(model.epoch_files(matrix, view, epoch, folder))
    steps = view.steps(matrix.n_rows)
    if steps > 1:
        files[f"epoch_1/rank_2/batches_0-{steps - 1}.csr"] = model.run(files[f"epoch_1/rank_2/batch_{k}.csr"] for k in range(steps))
    return files


def check_bytes(root, files):
    """Every file is there with these bytes, and its size is known before it is opened."""
    for name, expected in files.items():
        path = root / name
        assert path.stat().st_size == len(expected), f"{name}: st_size"
        blob = path.read_bytes()
        if name.endswith(".csr") and "/batches_" not in name:
            csr_reader.parse(blob)                      # says what is wrong, where comparing only says that something is
        assert blob == expected, f"{name}: other bytes than the source"


def check_listing(root, view, n):
    steps = view.steps(n)
    for epoch in range(EPOCHS):
        for rank in range(view.world_size):
            found = sorted(path.name for path in (root / f"epoch_{epoch}" / f"rank_{rank}").iterdir())
            assert found == sorted(f"batch_{k}.csr" for k in range(steps)), f"epoch_{epoch}/rank_{rank}"
        assert sorted(path.name for path in (root / f"epoch_{epoch}").glob("rank_*")) == [f"rank_{r}" for r in range(view.world_size)]


def check_each_row_once(root, view, n):
    """The rows of an epoch, as the mount says them, are each row once; two epochs have them in other orders."""
    orders = []
    for epoch in range(EPOCHS):
        rows = [np.load(root / f"epoch_{epoch}/rank_{rank}/batch_{batch}/rows.npy")
                for rank in range(view.world_size) for batch in range(view.steps(n))]
        orders.append(np.concatenate(rows) if rows else np.zeros(0, "i8"))
        assert (np.sort(orders[-1]) == np.arange(n)).all() and len(orders[-1]) == n, f"epoch {epoch} is not each row once"
    if n >= 20:                                         # below, two permutations may well be the same
        assert (orders[0] != orders[1]).any(), "two epochs have the same order"


def _read_in_disorder(root, names, seed):
    names = list(names)
    random.Random(seed).shuffle(names)
    return {name: digest((Path(root) / name).read_bytes()) for name in names}


def check_many_readers(root, files):
    """Processes that read everything at once, each in its own order, all get the right bytes."""
    expected = {name: digest(blob) for name, blob in files.items()}
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        found = pool.starmap(_read_in_disorder, [(root, list(files), seed) for seed in range(PROCESSES)])
    for each in found:
        assert each == expected


def check_matrix(mount, collection, source, layer):
    """All of the above for one matrix, over two mounts."""
    matrix = source.matrices[layer]
    view = view_of(matrix, layer)
    files = {**expected_epochs(matrix, view, folder=True), **model.matrix_files(layer, matrix)}
    with mount(collection, **view.options()) as mounted:
        check_listing(mounted.path, view, source.rows)
        check_bytes(mounted.path, files)
        check_each_row_once(mounted.path, view, source.rows)
    with mount(collection, **view.options()) as mounted:
        check_many_readers(mounted.path, files)


def check_no_batches(mount, collection):
    """Mounts, and every epoch is there with no batch in it."""
    with mount(collection, world_size=RANKS) as mounted:
        for rank in range(RANKS):
            assert mounted.list(f"epoch_0/rank_{rank}") == []
            assert not (mounted / f"epoch_0/rank_{rank}/batch_0.csr").exists()


def check_tables(mount, collection, source):
    """obs, var and raw/var: the files are those of the columns, no more and no less, with the source's values."""
    files = model.all_table_files(source)
    with mount(collection) as mounted:
        for directory in ("obs", "var", *(["raw/var"] if source.raw_var else [])):
            expected = sorted(name.rpartition("/")[2] for name in files if name.rpartition("/")[0] == directory)
            assert sorted(mounted.list(directory)) == expected, directory
        for name, expected in files.items():
            blob = (mounted / name).read_bytes()
            if isinstance(expected, list):
                assert model.same_numbers(blob, expected), f"{name}: {blob!r} for {expected}"
            else:
                assert blob == expected, name
