# SPDX-License-Identifier: Apache-2.0
"""Drawing over a mount: by weight, balanced, and batches of one class; each draw as the reference in tests/reference/draw.py has it."""
import numpy as np
import pytest

import views_model

N = 4000


@pytest.fixture(scope="module")
def drawn(convert, mount, tmp_path_factory):
    """(mount, obs): labels of 90 to 10, in random order; weights of which some are 0."""
    import anndata
    import pandas
    import scipy.sparse
    rng = np.random.default_rng(8)
    obs = pandas.DataFrame({"label": pandas.Categorical(np.where(rng.random(N) < 0.9, "common", "rare")), "weight": rng.integers(0, 5, N) / 2,
                            "batch": rng.integers(0, 7, N)}, index=[f"cell{i}" for i in range(N)])
    path = tmp_path_factory.mktemp("drawn") / "a.h5ad"
    anndata.AnnData(scipy.sparse.random(N, 20, 0.1, "csr", np.float32), obs).write_h5ad(path)
    with mount(convert(path)) as mounted:
        yield mounted, obs


def batches_of(mounted, epoch=0, **keys):
    directory = mounted / views_model.spell(keys)
    found = {}
    for rank in (directory / f"epoch_{epoch}").glob("rank_*"):
        for batch in rank.glob("batch_*.csr"):
            number = int(batch.name[6:-4])
            found[int(rank.name[5:]), number] = np.load(rank / f"batch_{number}" / "rows.npy")
    return found


def within(found, share, draws, sigmas=4):
    assert abs(found - share) < sigmas * np.sqrt(share * (1 - share) / draws), (found, share)


def test_balanced(drawn):
    """Nine in ten rows are of one class; of the rows drawn, half, in every batch as chance has it."""
    mounted, obs = drawn
    rare = (obs.label == "rare").to_numpy()
    batches = batches_of(mounted, balance="label", batch_size=64, epoch_size=64 * 200)
    shares = np.array([rare[rows].mean() for rows in batches.values()])
    assert len(shares) == 200 and {len(rows) for rows in batches.values()} == {64}
    within(shares.mean(), 0.5, 64 * 200, 3)
    assert 0.7 < shares.std() / np.sqrt(0.25 / 64) < 1.3


def test_class_weights(drawn):
    mounted, obs = drawn
    batches = batches_of(mounted, balance="batch", class_weights="0:3;5:0", batch_size=100, epoch_size=20000)
    labels = obs.batch.to_numpy()[np.concatenate(list(batches.values()))]
    shares = np.bincount(labels, minlength=7) / len(labels)
    assert shares[5] == 0
    for label, share in enumerate(np.array([3, 1, 1, 1, 1, 0, 1]) / 8):
        if share:
            within(shares[label], share, len(labels))


def test_weights(drawn):
    mounted, obs = drawn
    rows = np.concatenate(list(batches_of(mounted, weight="weight", batch_size=500, epoch_size=100000).values()))
    weights = obs.weight.to_numpy()
    assert len(rows) == 100000 and not (weights[rows] == 0).any(), "a row without weight is never drawn"
    for value in (0.5, 1, 1.5, 2):
        within((weights[rows] == value).mean(), weights[weights == value].sum() / weights.sum(), len(rows))
    assert len(np.unique(rows)) > 0.99 * (weights > 0).sum(), "and every other one is"


def test_pure(drawn):
    """Each batch is of one class, however the rows are stored; classes come in proportion to their rows."""
    mounted, obs = drawn
    batches = batches_of(mounted, pure="label", batch_size=32, world_size=2, epoch_size=64 * 300)
    labels = obs.label.to_numpy()
    assert len(batches) == 600 and all(len(set(labels[rows])) == 1 for rows in batches.values())
    within(np.mean([labels[rows[0]] == "rare" for rows in batches.values()]), (labels == "rare").mean(), 600)


def test_any_batch_first_thing_and_ranks(drawn, convert):
    """A draw depends on its place among those of all ranks alone: whole steps are the same for any number of ranks."""
    mounted, _ = drawn
    one = batches_of(mounted, balance="label", batch_size=64, epoch_size=1000)
    four = batches_of(mounted, balance="label", batch_size=16, world_size=4, epoch_size=1000)
    for step in range(1000 // 64):
        assert list(one[0, step]) == [row for rank in range(4) for row in four[rank, step]]
    other = batches_of(mounted, epoch=1, balance="label", batch_size=64, epoch_size=1000)
    assert [*one[0, 0]] != [*other[0, 0]]


def test_with_where_and_without_rows(drawn):
    mounted, obs = drawn
    batches = batches_of(mounted, balance="label", where="batch == 3", batch_size=50)
    rows = np.concatenate(list(batches.values()))
    assert set(obs.batch.to_numpy()[rows]) == {3} and len(rows) == (obs.batch == 3).sum() // 50 * 50 + (obs.batch == 3).sum() % 50
    assert batches_of(mounted, balance="label", where="batch == 99", batch_size=50) == {}


def test_no_where_directory(drawn):
    mounted, _ = drawn
    directory = mounted / views_model.spell({"weight": "weight"})
    assert (directory / "epoch_0").is_dir() and not (directory / "epoch_0/where").exists()


@pytest.mark.parametrize("keys, phrase", [
    ({"weight": "label"}, "label"), ({"weight": "weight", "balance": "label"}, "weight"), ({"balance": "nope"}, "nope"), ({"epoch_size": 5}, "epoch_size"),
    ({"class_weights": "a:1"}, "class_weights"), ({"balance": "label", "class_weights": "nope:1"}, "nope"), ({"balance": "weight"}, "weight"),
    ({"balance": "label", "order": "sequential"}, "order"), ({"pure": "label", "class_weights": "common:0;rare:0"}, "0"),
], ids=str)
def test_refused(drawn, keys, phrase):
    mounted, _ = drawn
    name = views_model.spell(keys)
    assert not (mounted / name).exists()
    said = (mounted / ".shufflefs/explain" / name).read_text()
    assert phrase in said and "expected" in said, said
