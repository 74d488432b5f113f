# SPDX-License-Identifier: Apache-2.0
"""Splits over a mount: the rows of each part, which the reference in tests/reference/split.py divides; and what is promised of them."""
import numpy as np
import pytest

import split as reference
import views_model

SPLIT = "train:0.7;val:0.2;test:0.1"
PARTS = ("train", "val", "test")


def rows_of(cells_mount, **keys):
    keys = {"batch_size": 64, "order": "sequential", "tail": "keep"} | keys
    keys.pop("tail")                                    # the default of sequential
    return views_model.rows_below(cells_mount / views_model.spell(keys))


def column(cells, name):
    return None if name is None else [None if value != value else value for value in cells[1].obs[name].astype(object)]


@pytest.mark.parametrize("method", ["hash", "exact", "stochastic"])
@pytest.mark.parametrize("keys", [{}, {"stratify": "louvain"}, {"group": "donor"}, {"split_seed": 5}, {"group": "tissue_general", "split_seed": 9}],
                         ids=str)
def test_parts_are_those_of_the_reference(cells, cells_mount, method, keys):
    found = []
    for part in PARTS:
        spelled = {"split": SPLIT, "part": part} | ({} if method == "hash" else {"split_method": method}) | keys
        rows = rows_of(cells_mount, **spelled)
        expected = reference.select(list(cells[1].obs.index), range(cells[1].n), split=SPLIT, part=part, method=method, seed=keys.get("split_seed", 0),
                                    stratify=column(cells, keys.get("stratify")), group=column(cells, keys.get("group")))
        assert list(rows) == sorted(expected), part
        found.append(rows)
    assert sorted(np.concatenate(found)) == list(range(cells[1].n)), "each row is in one part"


def test_sizes(cells, cells_mount):
    """Rounded as numpy rounds the sums of fractions."""
    ends = np.rint(np.cumsum([0.7, 0.2, 0.1]) * cells[1].n).astype(int)
    sizes = [len(rows_of(cells_mount, split=SPLIT, part=part, split_method="exact")) for part in PARTS]
    assert sizes == list(np.diff(ends, prepend=0))


def test_no_donor_on_both_sides(cells, cells_mount):
    donor = cells[1].obs.donor.to_numpy()
    for method in ("hash", "exact", "stochastic"):
        sides = [set(donor[rows_of(cells_mount, split="train:0.6;test:0.4", part=part, group="donor",
                                   **({} if method == "hash" else {"split_method": method}))]) for part in ("train", "test")]
        assert not sides[0] & sides[1], method


def test_stratified_within_one(cells, cells_mount):
    labels = cells[1].obs.tissue_general
    for part, share in zip(PARTS, (0.7, 0.2, 0.1)):
        rows = rows_of(cells_mount, split=SPLIT, part=part, stratify="tissue_general", split_method="exact")
        for label, count in labels.value_counts().items():
            assert abs((labels.to_numpy()[rows] == label).sum() - share * count) < 1, (part, label)


def test_folds(cells, cells_mount):
    """Every row is left out once, and train is the rest."""
    left_out = []
    for fold in range(1, 6):
        val = rows_of(cells_mount, fold=f"{fold}of5", part="val")
        train = rows_of(cells_mount, fold=f"{fold}of5", part="train")
        assert sorted([*val, *train]) == list(range(cells[1].n))
        left_out.append(val)
    assert sorted(np.concatenate(left_out)) == list(range(cells[1].n))


def test_what_moves_no_row(cells, cells_mount, convert, mount, tmp_path):
    """Under hash: neither the seed, nor the number of ranks, nor `where`, nor rows that are added."""
    train = set(rows_of(cells_mount, split=SPLIT, part="train"))
    seeded = views_model.rows_below(cells_mount / views_model.spell({"split": SPLIT, "part": "train", "seed": 7, "world_size": 3, "tail": "keep",
                                                                     "batch_size": 10}))
    assert set(seeded) == train
    some = set(rows_of(cells_mount, split=SPLIT, part="train", where="is_primary_data"))
    assert some == {row for row in train if cells[1].obs.is_primary_data.iloc[row]}
    grown = cells[1].adata[list(range(400))].copy()
    grown.write_h5ad(tmp_path / "some.h5ad")
    with mount(convert(tmp_path / "some.h5ad"), split=SPLIT, part="train", order="sequential", batch_size=64) as mounted:
        assert set(views_model.rows_below(mounted.path)) == {row for row in train if row < 400}


def test_other_seeds_give_other_parts(cells_mount):
    parts = {tuple(rows_of(cells_mount, split=SPLIT, part="test", **({"split_seed": seed} if seed else {}))) for seed in range(5)}
    assert len(parts) == 5


def test_of_a_list(cells, tmp_path, mount):
    """A part of rows_file keeps the list's order."""
    rows = np.random.default_rng(3).permutation(cells[1].n)[:300]
    np.save(tmp_path / "rows.npy", rows)
    found = []
    for part in PARTS:
        with mount(cells[0], rows_file=tmp_path / "rows.npy", split=SPLIT, part=part, order="sequential", batch_size=50) as mounted:
            got = views_model.rows_below(mounted.path)
        assert list(got) == [row for row in rows if row in set(got)]
        found.append(got)
    assert sorted(np.concatenate(found)) == sorted(rows)


@pytest.mark.parametrize("keys, phrase", [
    ({"split": "train:0.5;test:0.4", "part": "train"}, "0.9"), ({"split": "train:0.999;test:0", "part": "train"}, "split"),
    ({"split": SPLIT}, "part"), ({"part": "train"}, "split"), ({"split": SPLIT, "part": "other"}, "other"),
    ({"fold": "6of5", "part": "val"}, "fold"), ({"fold": "1of5", "part": "test"}, "part"), ({"split": SPLIT, "fold": "1of5", "part": "val"}, "fold"),
    ({"split": SPLIT, "part": "val", "group": "no such"}, "no such"), ({"split": SPLIT, "part": "val", "stratify": "percent_mito"}, "percent_mito"),
    ({"split": SPLIT, "part": "val", "stratify": "louvain", "group": "donor"}, "group"), ({"stratify": "louvain"}, "split"),
], ids=str)
def test_refused(cells_mount, keys, phrase):
    name = views_model.spell(keys)
    assert not (cells_mount / name).exists()
    said = (cells_mount / ".shufflefs/explain" / name).read_text()
    assert phrase in said and "expected" in said and said.count("\n") == 1, said
