# SPDX-License-Identifier: Apache-2.0
"""The Python client's torch half, under real DataLoaders and torchrun: each batch once, in order, and resumed anywhere.

Runs with a Python that has torch: torch_env.sh finds or makes one.
"""
import copy
import json
import pickle
import random
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import harness
import model
import shufflefs
import source
from h5ad_write import random_sparse, write_h5ad
from h5ad_corpus import DTYPES
from test_python import INDEX_TYPES, craft, crafted

torch = pytest.importorskip("torch", reason="torch is not installed, and torch_env.sh could not get it")
pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support", "ignore:This DataLoader will create")

import torch.multiprocessing.reductions  # noqa: E402
import torch.utils.data  # noqa: E402  (after the check that there is one)

VIEW = model.View(batch_size=40, world_size=2, seed=3)
PROGRAM = Path(__file__).with_name("distributed.py")


@pytest.fixture(scope="module")
def made(convert, tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "cells.h5ad"
    write_h5ad(path, random_sparse(np.random.default_rng(5), 1030, 60))
    return convert(path), source.read(path).matrices["X"]


@pytest.fixture(scope="module")
def opened(made, open_collection):
    """opened(**view) -> the collection under a view, those of VIEW if not said otherwise."""
    return lambda **view: open_collection(made[0], **{**VIEW.options(), **view})


@pytest.fixture(scope="module")
def mounted(made, mount):
    with mount(made[0], **VIEW.options()) as mounted:
        yield shufflefs.Mount(mounted.path)


@pytest.fixture(params=["mount", "collection"])
def client(request):
    return request.getfixturevalue("mounted") if request.param == "mount" else request.getfixturevalue("opened")()


def expected_rows(made, epoch, rank, view=VIEW):
    """The row numbers of each batch of a rank."""
    return [rows for r, _, rows in view.batches(made[1].n_rows, epoch) if r == rank]


def rows_of(batches):
    return [batch.rows.tolist() for batch in batches]


def workers(number, method="fork", **more):
    return {"num_workers": number, "multiprocessing_context": method if number else None, **more}


# --- tensors --------------------------------------------------------------------------------------------------------

def test_tensors_share_the_memory(client):
    batch = client.batch(0, 0, 0)
    tensor = batch.torch()
    assert tensor.layout == torch.sparse_csr and tuple(tensor.shape) == batch.shape
    for part, array in ((tensor.values(), batch.data), (tensor.col_indices(), batch.indices),
                        (tensor.crow_indices(), batch.indptr)):
        assert part.data_ptr() == array.ctypes.data
    assert np.array_equal(tensor.to_dense().numpy(), batch.dense())
    vector = torch.rand(batch.shape[1], 1)
    assert np.allclose((tensor @ vector).numpy(), batch.dense() @ vector.numpy(), rtol=1e-4)


@pytest.mark.parametrize("index, pointer", INDEX_TYPES)
@pytest.mark.parametrize("data", DTYPES)
def test_tensors_of_all_types(data, index, pointer):
    batch = shufflefs.Batch(bytearray(crafted(data, index, pointer)[1]))
    tensor = batch.torch()
    assert np.array_equal(tensor.values().numpy(), batch.data)
    assert np.array_equal(tensor.col_indices().numpy(), batch.indices)
    assert np.array_equal(tensor.crow_indices().numpy(), batch.indptr)
    assert tensor.values().numpy().dtype == {"<u2": "<i4", "<u4": "<i8", "<u8": "<i8"}.get(data, data)


def test_values_that_torch_cannot_hold():
    arrays = crafted("<u8")[0]
    arrays["data"][3] = 2**63
    with pytest.raises(shufflefs.Error, match="values of 2\\^63 and more"):
        shufflefs.Batch(bytearray(craft(arrays, 50))).torch()


# --- each batch once, in order --------------------------------------------------------------------------------------

@pytest.mark.parametrize("number, method", [(0, None), (1, "fork"), (4, "fork"), (3, "spawn")])
@pytest.mark.parametrize("client", ["mount", "collection"], indirect=True)
def test_an_epoch_in_order(number, method, client, made):
    batches = shufflefs.Batches(client, rank=1)
    loader = shufflefs.loader(batches, **workers(number, method))
    kept = list(loader)
    assert rows_of(kept) == expected_rows(made, 0, 1) and len(kept) == len(loader)
    for batch in kept:
        assert batch._bytes == client.batch(0, 1, batch.number)._bytes
        assert torch.equal(batch.torch().to_dense(), torch.from_numpy(batch.dense()))


def test_a_dataloader_by_hand(client, made):
    """Without loader(): set_epoch says which one, with workers; without them, epochs count up."""
    batches = shufflefs.Batches(client, rank=0)
    assert isinstance(batches, torch.utils.data.IterableDataset)
    assert [rows_of(batches) for _ in range(2)] == [expected_rows(made, epoch, 0) for epoch in range(2)]
    loader = torch.utils.data.DataLoader(batches, batch_size=None, num_workers=2)
    for epoch in (5, 3):
        batches.set_epoch(epoch)
        assert rows_of(loader) == expected_rows(made, epoch, 0)


@pytest.mark.parametrize("arguments", [workers(0), workers(3), workers(2, persistent_workers=True),
                                       workers(1, "spawn", persistent_workers=True)])
def test_epochs_count_up(arguments, mounted, made):
    loader = shufflefs.loader(shufflefs.Batches(mounted, rank=0, epoch=4), **arguments)
    for epoch in (4, 5, 6):
        assert loader.epoch == epoch and rows_of(loader) == expected_rows(made, epoch, 0)
    loader.set_epoch(2)
    assert rows_of(loader) == expected_rows(made, 2, 0) and loader.state_dict()["epoch"] == 3


def add_up(batch):
    return {"rows": torch.from_numpy(batch.rows), "sums": torch.from_numpy(batch.dense().sum(1))}


def test_transform(mounted, made):
    loader = shufflefs.loader(shufflefs.Batches(mounted, rank=0, transform=add_up), num_workers=2)
    found = list(loader)
    assert [each["rows"].tolist() for each in found] == expected_rows(made, 0, 0)
    for k, each in enumerate(found):
        assert torch.equal(each["sums"], torch.from_numpy(mounted.batch(0, 0, k).dense().sum(1)))


def count_slots(batch):
    return batch, len(shufflefs._slots)


def test_shared_memory_is_used_again(client):
    """A loop that lets go of its batches has a worker share new memory for the first few only."""
    loader = shufflefs.loader(shufflefs.Batches(client, rank=1, transform=count_slots), num_workers=1)
    for batch, slots in loader:
        assert batch._bytes == client.batch(0, 1, batch.number)._bytes
        assert slots <= 5, "more than the two that torch asks for ahead, the one in the loop, and those on their way"


@pytest.mark.parametrize("seed", range(10))
def test_what_is_kept_is_not_written_over(seed, client, monkeypatch):
    """As a worker sends batches of any size, and their receiver keeps some for any time, or tensors made of them."""
    draw, kept, seen = random.Random(seed), {}, set()
    monkeypatch.setattr(torch.utils.data, "get_worker_info", lambda: True)
    monkeypatch.setattr(shufflefs, "_slots", [])
    for number in range(200):
        blob = bytearray(client.batch(0, 0, draw.randrange(13))._bytes) + bytes(draw.choice([0, 0, 0, 64, 10**5]))
        blob[12 * 8:13 * 8] = number.to_bytes(8, "little")
        batch = pickle.loads(torch_pickle(shufflefs.Batch(blob)))
        seen.add(len(shufflefs._slots))
        kept[number] = batch.data if draw.random() < 0.3 else batch, batch._bytes.tobytes(), batch.data.copy()
        del batch
        for old in draw.sample(sorted(kept), draw.randrange(min(len(kept), draw.choice([2, 14])) + 1)):
            del kept[old]
        for what, data_of, data in kept.values():
            assert np.array_equal(what, data) if isinstance(what, np.ndarray) else what._bytes == data_of
    assert 1 < max(seen) <= shufflefs.SLOTS


def torch_pickle(batch):
    """As torch's queues send it: tensors go as handles of shared memory."""
    return bytes(torch.multiprocessing.reductions.ForkingPickler.dumps(batch))


def copy_by_value(batch):
    return pickle.loads(pickle.dumps(batch)), copy.deepcopy(batch), copy.copy(batch)


def test_copies_in_a_worker(client):
    """Of more batches than have memory of their own."""
    loader = shufflefs.loader(shufflefs.Batches(client, rank=0, transform=copy_by_value), num_workers=1)
    for number, copies in enumerate(loader):
        assert all(each._bytes == client.batch(0, 0, number)._bytes for each in copies)


def test_pickled(client, made):
    batches = pickle.loads(pickle.dumps(shufflefs.Batches(client, rank=1, epoch=2)))
    assert type(batches) is shufflefs.Batches and rows_of(batches) == expected_rows(made, 2, 1)


# --- resumed --------------------------------------------------------------------------------------------------------

def test_stopped_and_gone_on(mounted, made):
    """A loop that ends early is gone on with by the next loop, whatever workers had read ahead."""
    draw = random.Random(2)
    loader = shufflefs.loader(shufflefs.Batches(mounted, rank=1), **workers(2, persistent_workers=True))
    steps, found = len(loader), []
    while loader.epoch < 3:
        for batch in loader:
            found.append(batch.rows.tolist())
            if draw.random() < 0.15:
                break
    assert found == sum((expected_rows(made, epoch, 1) for epoch in range(3)), [])
    assert len(found) == 3 * steps


def test_stopped_at_the_end_of_an_epoch(mounted, made):
    loader = shufflefs.loader(shufflefs.Batches(mounted, rank=1))
    for _ in zip(range(len(loader)), loader):
        pass
    assert loader.state_dict()["epoch"] == 1 and loader.state_dict()["rows"] == 0
    assert rows_of(loader) == expected_rows(made, 1, 1)


@pytest.mark.parametrize("seed", range(8))
def test_resumed_with_other_workers(seed, client, made):
    """The state goes through JSON, as a checkpoint does, and is one for all ranks."""
    draw, number = random.Random(seed), [0, 1, 2, 4]
    epoch, delivered = draw.randrange(3), draw.randrange(1, VIEW.steps(1030))
    first = shufflefs.loader(shufflefs.Batches(client, rank=0, epoch=epoch), num_workers=draw.choice(number))
    before = rows_of(batch for _, batch in zip(range(delivered), first))
    state = json.loads(json.dumps(first.state_dict()))
    for rank in range(2):
        second = shufflefs.loader(shufflefs.Batches(client, rank=rank), num_workers=draw.choice(number))
        second.load_state_dict(state)
        second.set_epoch(second.epoch)                  # as loops over epochs do
        after, whole = rows_of(second), expected_rows(made, epoch, rank)
        assert after == whole[len(whole) - len(after):] and (rank or before + after == whole)
        assert rows_of(second) == expected_rows(made, epoch + 1, rank)


@pytest.mark.parametrize("world_size, batch_size", [(1, 80), (4, 20), (8, 10), (1, 40), (5, 8)])
def test_resumed_with_other_ranks(world_size, batch_size, opened, made):
    """With any number of ranks, what is left of the epoch is read once: whole steps have the same rows."""
    first = shufflefs.loader(shufflefs.Batches(opened(tail="keep"), rank=0, epoch=1), num_workers=2)
    for _ in zip(range(7), first):
        pass
    other = opened(world_size=world_size, batch_size=batch_size, tail="keep")
    left = []
    for rank in range(world_size):
        loader = shufflefs.loader(shufflefs.Batches(other, rank=rank))
        loader.load_state_dict(first.state_dict())
        assert loader.state_dict() == first.state_dict()
        left += sum(rows_of(loader), [])
    order = VIEW.epoch_order(1030, 1)
    assert sorted(left) == sorted(order.row(j) for j in range(7 * 80, 1030))


def test_states_that_do_not_fit(opened):
    loader = shufflefs.loader(shufflefs.Batches(opened(), rank=0))
    for _ in zip(range(3), loader):
        pass
    for view, sentence in [({"batch_size": 50}, "behind 240 rows of epoch 0, which are no whole steps of 100 rows"),
                           ({"seed": 4}, "'seed': 3.* has 1030 rows in the order .*'seed': 4"),
                           ({"order": "block"}, "'order': 'block'")]:
        other = shufflefs.loader(shufflefs.Batches(opened(**view), rank=0))
        with pytest.raises(shufflefs.Error, match=sentence):
            other.load_state_dict(loader.state_dict())


# --- ranks ----------------------------------------------------------------------------------------------------------

def test_ranks_that_do_not_fit(opened):
    for arguments, sentence in [
            ({}, "batches for 2 ranks, and nothing says which of them this process is: pass rank="),
            ({"rank": 2}, "for the ranks 0 to 1, not for rank 2"), ({"rank": -1}, "not for rank -1"),
            ({"rank": 0, "world_size": 4}, "there are 4 ranks, .*: mount the .* with world_size=4 and batch_size=20$"),
            ({"rank": 0, "world_size": 3}, "mount the collection with world_size=3$")]:
        with pytest.raises(shufflefs.Error, match=sentence):
            shufflefs.Batches(opened(), **arguments)
    assert shufflefs.Batches(opened(world_size=1)).rank == 0


def test_torchrun(mounted, made, tmp_path):
    """Two processes, each its own rank as torch.distributed says it."""
    # Debian 12's torchrun cannot leave both streams alone (torch 1.13, Python 3.11); this shows stderr and logs it.
    streams = ["--redirects=2", "--tee=2", f"--log_dir={tmp_path / 'log'}"]
    with socket.create_server(("127.0.0.1", 0)) as free:      # not --standalone, which needs the machine's name to be known
        where = ["--master_addr=127.0.0.1", f"--master_port={free.getsockname()[1]}"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", *where, "--nproc_per_node=2", *streams]
    done = subprocess.run([*torchrun, PROGRAM, mounted.name, tmp_path], capture_output=True, timeout=harness.PATIENCE)
    assert done.returncode == 0, done.stderr.decode()
    found = [json.loads((tmp_path / f"rank_{rank}.json").read_text()) for rank in range(2)]
    assert found == [expected_rows(made, 0, rank) for rank in range(2)]
    assert sorted(sum(sum(found, []), [])) == list(range(1030)), "the ranks have every row once"
