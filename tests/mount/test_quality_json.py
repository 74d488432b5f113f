# SPDX-License-Identifier: Apache-2.0
"""epoch_E/quality.json against numpy: the entropies of the very batches that it samples, read through the mount; the
ideal by exact enumeration and by simulation; counts of pairs against a simulation of drawing at random.
"""
import itertools
import json
import math
import os
import shutil

import numpy as np
import pytest

import document
import h5ad_corpus
import harness
from h5ad_corpus import no_entries
from h5ad_write import Categorical, Frame, names, write_h5ad

SAMPLED, SAMPLED_ROWS = 256, 1 << 22
ROWS = 20_000
MISSING = 300


def write(path, columns, rows):
    """A file without values, whose obs has these columns of codes."""
    obs = Frame(names("", rows), {name: Categorical(np.asarray(codes, "i4"), names("c", max(codes) + 1)) for name, codes in columns.items()})
    write_h5ad(path, no_entries(rows, 2), obs=obs)


def columns_of(rng):
    skewed = rng.choice(5, ROWS, p=[.9, .05, .03, .015, .005])
    holes = rng.integers(0, 40, ROWS)
    holes[rng.choice(ROWS, MISSING, replace=False)] = -1
    return {"plate": np.arange(ROWS) * 14 // ROWS, "skewed": skewed, "holes": holes, "one": np.zeros(ROWS, int),
            "each": rng.permutation(ROWS), 'odd "name" / \\ \u00e4': rng.integers(0, 3, ROWS)}


@pytest.fixture(scope="module")
def collection(convert, tmp_path_factory):
    path = tmp_path_factory.mktemp("quality") / "q.h5ad"
    write(path, columns_of(np.random.default_rng(5)), ROWS)
    return convert(path)


def read(mounted, path):
    """The parsed file; its bytes are as many as its size says, and the same when they are read again."""
    blob = mounted.read(path)
    assert os.stat(mounted / path).st_size == len(blob) and blob == mounted.read(path)
    assert blob.endswith(b"\n") and blob.count(b"}") >= 5
    return json.loads(blob, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))


def sample_of(quality, steps):
    """(rank, step) of the sampled batches, as docs/quality.md says; `steps`: those with full batches."""
    world, m = quality["world_size"], quality["sample"]["batches"]
    return [(i * world // m if world > m else i % world, i * steps // m) for i in range(m)]


def bits(labels):
    counts = np.unique(labels, return_counts=True)[1]
    return float(-(counts / len(labels) * np.log2(counts / len(labels))).sum())


VIEWS = {"shuffle": {"batch_size": 64, "world_size": 8}, "few batches": {"batch_size": 1000, "world_size": 3},
         "sequential": {"batch_size": 64, "world_size": 4, "order": "sequential"},
         "block": {"batch_size": 100, "world_size": 2, "order": "block", "block_size": 16, "window": 512, "seed": 9},
         "many ranks": {"batch_size": 7, "world_size": 1000}, "one row": {"batch_size": 1, "world_size": 3},
         "where": {"batch_size": 32, "world_size": 2, "where": 'skewed == "c0" and plate != "c3"'}}


@pytest.mark.parametrize("name", VIEWS)
def test_against_the_batches(name, collection, mount):
    """Everything counted, from rows.npy of the sampled batches and of those of the next epoch."""
    options = VIEWS[name]
    with mount(collection, **options) as mounted:
        quality = read(mounted, "epoch_1/quality.json")
        world, size = options["world_size"], options["batch_size"]
        labels = columns_of(np.random.default_rng(5))
        inside = np.ones(ROWS, bool)
        if "where" in options:
            inside = (labels["skewed"] == 0) & (labels["plate"] != 3)
        n, place = int(inside.sum()), np.cumsum(inside) - 1
        assert (quality["rows"], quality["world_size"], quality["batch_size"], quality["epoch"]) == (n, world, size, 1)
        full = n // (world * size)
        assert quality["sample"] == {"batches": min(SAMPLED, full * world), "rows_per_batch": size}
        batches = sample_of(quality, full)
        assert len(set(batches)) == len(batches)
        rows, later = ([np.load(mounted / f"epoch_{epoch}/rank_{r}/batch_{k}/rows.npy") for r, k in batches] for epoch in (1, 2))
        pairs = sum(int((np.diff(np.sort(place[each])) == 1).sum()) for each in rows)
        assert quality["neighbour_pairs"]["found"] == pairs
        assert quality["next_epoch"]["found"] == sum(len(np.intersect1d(a, b)) for a, b in zip(rows, later))
        assert set(quality["columns"]) == set(labels) and quality["truncated"] is False
        for column, codes in labels.items():
            found, each = quality["columns"][column], [bits(codes[batch]) for batch in rows]
            assert found["categories"] == len(np.unique(codes[inside])) and not found["estimated"]
            assert found["missing"] == int((codes[inside] == -1).sum())
            assert found["entropy"] == pytest.approx(bits(codes[inside]), abs=1e-7)
            assert found["batch_entropy"] == pytest.approx({"mean": np.mean(each), "sd": np.std(each, ddof=1), "min": np.min(each)}, abs=1e-7)


DRAWN = {"balance": {"balance": "skewed", "batch_size": 100}, "pure": {"pure": "plate", "batch_size": 64, "world_size": 3},
         "more than there are": {"balance": "plate", "epoch_size": 50 * ROWS, "batch_size": 2 * ROWS, "where": 'skewed == "c4"'}}


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_with_replacement(name, collection, mount):
    """Entropies are those of the batches; what pairs would be by chance is not told."""
    options = DRAWN[name]
    with mount(collection, **options) as mounted:
        quality = read(mounted, "epoch_1/quality.json")
        world, size = options.get("world_size", 1), options["batch_size"]
        batches = sample_of(quality, options.get("epoch_size", ROWS) // (world * size))
        rows = [np.load(mounted / f"epoch_1/rank_{r}/batch_{k}/rows.npy") for r, k in batches]
    assert quality["drawn"] is True and all(len(each) == size for each in rows)
    assert quality["coverage"] is quality["neighbour_pairs"] is quality["next_epoch"] is None
    for column, codes in columns_of(np.random.default_rng(5)).items():
        found, each = quality["columns"][column], [bits(codes[batch]) for batch in rows]
        assert found["batch_entropy"] == pytest.approx({"mean": np.mean(each), "sd": np.std(each, ddof=1), "min": np.min(each)}, abs=1e-7)
        assert found["z"] is None and (found["ideal"]["mean"] is found["ideal"]["sd"] is None) == (size > quality["rows"])
    if name == "pure":
        assert quality["columns"]["plate"]["batch_entropy"]["mean"] == 0


def listed_rows(mounted, world):
    """Rows of all batches of an epoch."""
    found = []
    for rank in range(world):
        for name in mounted.list(f"epoch_0/rank_{rank}"):
            found += np.load(mounted / f"epoch_0/rank_{rank}" / name[:-4] / "rows.npy").tolist()
    return found


@pytest.mark.parametrize("tail", ["even", "keep", "pad", "drop"])
@pytest.mark.parametrize("n, world, size", [(100, 7, 5), (103, 4, 6), (9, 4, 5), (3, 5, 2), (1, 1, 4), (0, 2, 3)])
def test_coverage(n, world, size, tail, convert, mount, tmp_path):
    write(tmp_path / "a.h5ad", {"c": [i % 3 for i in range(max(n, 1))]}, n) if n else write_h5ad(tmp_path / "a.h5ad", no_entries(0, 2))
    with mount(convert(tmp_path / "a.h5ad"), world_size=world, batch_size=size, tail=tail) as mounted:
        quality = read(mounted, "epoch_0/quality.json")
        rows = listed_rows(mounted, world)
        assert quality["coverage"] == {"dealt": len(set(rows)), "repeated": len(rows) - len(set(rows)), "waiting": n - len(set(rows))}
        assert quality["batches_per_rank"] == len(mounted.list("epoch_0/rank_0"))


# --- the ideal -----------------------------------------------------------------------------------------------------

def exact_ideal(counts, size):
    """Mean and deviation of the entropy over all that a batch can be."""
    total, moments = math.comb(sum(counts), size), [0.0, 0.0]
    for taken in itertools.product(*(range(min(c, size) + 1) for c in counts[:-1])):
        rest = size - sum(taken)
        if not 0 <= rest <= counts[-1]:
            continue
        share = math.prod(math.comb(c, k) for c, k in zip(counts, (*taken, rest))) / total
        entropy = -sum(k / size * math.log2(k / size) for k in (*taken, rest) if k)
        moments = [moments[0] + share * entropy, moments[1] + share * entropy**2]
    return moments[0], math.sqrt(max(0, moments[1] - moments[0]**2))


def simulated_ideal(counts, size, draws=40_000):
    taken = np.random.default_rng(2).multivariate_hypergeometric(counts, size, draws, method="marginals")
    entropy = -np.where(taken > 0, taken / size * np.log2(np.where(taken > 0, taken, 1) / size), 0).sum(axis=1)
    return entropy.mean(), entropy.std()


def ideal_of(counts, size, convert, cat, tmp_path):
    codes = np.repeat(np.arange(len(counts)), counts)
    write(tmp_path / "a.h5ad", {"c": codes}, len(codes))
    quality = json.loads(cat(convert(tmp_path / "a.h5ad"), "epoch_0/quality.json", batch_size=size))
    assert quality["sample"]["rows_per_batch"] == size
    return quality["columns"]["c"]["ideal"]


@pytest.mark.parametrize("counts, size", [((3, 3, 4), 5), ((1, 9), 4), ((500, 500), 2), ((500, 500), 7), ((50, 30, 15, 5), 20), ((10, 10), 20), ((7,), 3),
                                          ((2, 2, 2, 2), 3), ((1, 1, 1, 1, 1), 2), ((40, 1), 40), ((600, 300, 100), 200)])
def test_ideal_is_exact(counts, size, convert, cat, tmp_path):
    ideal = ideal_of(counts, size, convert, cat, tmp_path)
    mean, sd = exact_ideal(counts, size)
    assert ideal["mean"] == pytest.approx(mean, abs=1e-7)
    assert ideal["sd"] == pytest.approx(sd, rel=2e-3, abs=1e-7)


@pytest.mark.parametrize("counts, size", [([1429] * 14, 64), ([5] * 300, 256), ([9000, 900, 90, 10], 512), (list(range(1, 100)), 100), ([3000, 3000], 4000)])
def test_ideal_is_that_of_a_simulation(counts, size, convert, cat, tmp_path):
    ideal = ideal_of(counts, size, convert, cat, tmp_path)
    mean, sd = simulated_ideal(counts, size)
    assert abs(ideal["mean"] - mean) < 5 * sd / 200
    assert ideal["sd"] == pytest.approx(sd, rel=.02)


def random_epoch(rng, n, m, size):
    return rng.permutation(n)[:m * size].reshape(m, size)


def test_pairs_by_chance(convert, cat, tmp_path):
    """What is expected, and by how much it varies, from epochs that numpy shuffles: z has deviation 1."""
    n, size, world = 3000, 50, 2
    write(tmp_path / "a.h5ad", {"c": np.arange(n) % 4}, n)
    collection, rng, draws = convert(tmp_path / "a.h5ad"), np.random.default_rng(3), 4000
    quality = json.loads(cat(collection, "epoch_0/quality.json", batch_size=size, world_size=world))
    m = quality["sample"]["batches"]
    assert m == n // size
    batch_of = np.empty((draws, n), int)
    for draw in range(draws):
        batch_of[draw, random_epoch(rng, n, m, size).ravel()] = np.repeat(np.arange(m), size)
    counts = {"neighbour_pairs": (batch_of[:, 1:] == batch_of[:, :-1]).sum(axis=1), "next_epoch": (batch_of[1:] == batch_of[:-1]).sum(axis=1)}
    for name, simulated in counts.items():
        found = quality[name]
        assert found["expected"] == pytest.approx(simulated.mean(), abs=5 * simulated.std() / draws**.5), name
        deviation = (found["found"] - found["expected"]) / found["z"] if found["z"] else simulated.std()
        assert deviation == pytest.approx(simulated.std(), rel=.06), name


# --- what it says of orders ------------------------------------------------------------------------------------------

def worst(quality):
    return max(abs(z) for z in [quality["neighbour_pairs"]["z"], quality["next_epoch"]["z"], *(c["z"] or 0 for c in quality["columns"].values())])


def test_good_and_bad_orders(collection, mount):
    """A shuffled epoch is within chance; a sorted one is not, nor one of blocks as large as a plate."""
    with mount(collection, batch_size=64, world_size=8) as mounted:
        assert max(worst(read(mounted, f"epoch_{epoch}/quality.json")) for epoch in range(10)) < 5
        sorted_one = read(mounted, "@batch_size=64,order=sequential/epoch_0/quality.json")
        assert sorted_one["columns"]["plate"]["z"] < -100 and sorted_one["neighbour_pairs"]["z"] > 100 and sorted_one["next_epoch"]["z"] > 100
        assert abs(sorted_one["columns"]["skewed"]["z"]) < 5, "that column is in random order in the store"
        blocks = read(mounted, "@batch_size=64,block_size=1000,order=block,window=1000/epoch_0/quality.json")
        assert blocks["columns"]["plate"]["z"] < -100 and blocks["neighbour_pairs"]["z"] > 10 and abs(blocks["next_epoch"]["z"]) < 20


def test_z_has_deviation_1(collection, mount):
    """Over many epochs, z of each kind is as standard as its name says: also where all batches are sampled."""
    found = {}
    with mount(collection, batch_size=500) as mounted:
        for epoch in range(150):
            quality = read(mounted, f"epoch_{epoch}/quality.json")
            for name in ("neighbour_pairs", "next_epoch"):
                found.setdefault(name, []).append(quality[name]["z"])
            for name in ("plate", "skewed", "holes"):
                found.setdefault(name, []).append(quality["columns"][name]["z"])
    for name, z in found.items():
        assert abs(np.mean(z)) < 4 / 150**.5, name
        assert .75 < np.std(z) < 1.25, name


@pytest.mark.parametrize("seed", [0, 1])
def test_plates_on_8_ranks(seed, convert, mount, tmp_path_factory):
    """Sorted by plate: 3.60 bits and more of the 3.65 that are possible, on any number of ranks."""
    path = tmp_path_factory.mktemp("plates") / "plates.h5ad"
    write(path, {"plate": np.arange(200_000) * 14 // 200_000}, 200_000)
    with mount(convert(path), batch_size=64, world_size=8, seed=seed) as mounted:
        plate = read(mounted, "epoch_0/quality.json")["columns"]["plate"]
        assert plate["categories"] == 14 and plate["ideal"]["mean"] == pytest.approx(3.653, abs=.002)
        assert plate["ideal"]["sd"] == pytest.approx(.062, abs=.001)
        assert plate["batch_entropy"]["mean"] >= 3.60 and abs(plate["z"]) < 5


# --- the file ------------------------------------------------------------------------------------------------------

def test_size_follows_from_the_columns(collection, mount, cat):
    """Of every view and epoch the same; listed nowhere; the same bytes without a mount and under another path."""
    with mount(collection, batch_size=64, world_size=2) as mounted:
        paths = ["epoch_0/quality.json", "epoch_2147483647/quality.json", "@batch_size=7,seed=3/epoch_4/quality.json", "@where=one==\"no\"/epoch_0/quality.json"]
        paths = [path for path in paths if (mounted / path).exists()]
        assert len(paths) >= 3 and len({os.stat(mounted / path).st_size for path in paths}) == 1
        assert mounted.list("epoch_0") == ["rank_0", "rank_1"]
        blob = mounted.read("epoch_3/quality.json")
        assert blob == cat(collection, "epoch_3/quality.json", batch_size=64, world_size=2)
        assert blob == mounted.read("@batch_size=64,world_size=2/epoch_3/quality.json")
        assert blob != mounted.read("epoch_2/quality.json")
        with open(mounted / "epoch_5/quality.json", "rb") as file:      # from its end
            file.seek(-10, os.SEEK_END)
            assert file.read() == b" " * 9 + b"\n"


def members(value):
    """{path: type} of all there is."""
    if not isinstance(value, dict):
        return {(): type(value)}
    return {(key, *path): kind for key, each in value.items() for path, kind in members(each).items()}


def test_the_page_shows_what_there_is(convert, mount, tmp_path):
    """docs/quality.md has an example with all members."""
    example, = (json.loads(block.text) for block in document.blocks("docs/quality.md") if block.language == "json")
    write(tmp_path / "a.h5ad", {"plate": np.arange(5000) % 9}, 5000)
    with mount(convert(tmp_path / "a.h5ad"), batch_size=64, world_size=8) as mounted:
        assert members(read(mounted, "epoch_0/quality.json")) == members(example)


def test_nothing_to_sample(collection, mount):
    with mount(collection, where='one == "c7"') as mounted:
        quality = read(mounted, "epoch_0/quality.json")
    assert quality["rows"] == quality["batches_per_rank"] == quality["sample"]["batches"] == 0
    assert quality["neighbour_pairs"] == {"found": 0, "expected": 0, "z": None}
    assert quality["columns"]["plate"]["categories"] == 0 and quality["columns"]["plate"]["z"] is None


@pytest.mark.parametrize("name", ["no_x", "no_rows", "only_empty_rows", "every_kind_of_column", "odd_column_names", "one_row_one_column"])
def test_any_collection(name, convert, mount, tmp_path):
    h5ad_corpus.FILES[name](tmp_path / "a.h5ad")
    with mount(convert(tmp_path / "a.h5ad"), batch_size=3) as mounted:
        quality = read(mounted, "epoch_0/quality.json")
        obs = json.loads(mounted.read("dataset.json"))["obs"]
    assert set(quality["columns"]) == {column["name"] for column in obs if column["type"] == "categorical"}
    if name == "no_x":
        assert quality["batches_per_rank"] == quality["sample"]["batches"] == quality["coverage"]["dealt"] == 0


def test_a_column_of_too_many_categories(convert, cat, tmp_path):
    rows = (1 << 18) + 1
    write(tmp_path / "a.h5ad", {"each": np.arange(rows), "c": np.arange(rows) % 3}, rows)
    quality = json.loads(cat(convert(tmp_path / "a.h5ad"), "epoch_0/quality.json"))
    assert quality["truncated"] is True and list(quality["columns"]) == ["c"]


def test_batches_of_very_many_rows(convert, cat, tmp_path):
    """Fewer of them are sampled."""
    rows, size = 3_000_000, 1_000_000
    codes = np.arange(rows) % 7
    codes[codes == 6] = 0
    write(tmp_path / "a.h5ad", {"c": codes}, rows)
    quality = json.loads(cat(convert(tmp_path / "a.h5ad", build=harness.RELEASE), "epoch_0/quality.json", build=harness.RELEASE, batch_size=size))
    assert quality["sample"] == {"batches": min(3, SAMPLED_ROWS // size), "rows_per_batch": size}
    assert worst(quality) < 5 and quality["columns"]["c"]["ideal"]["mean"] == pytest.approx(quality["columns"]["c"]["entropy"], abs=1e-4)


def test_damage(convert, mount, tmp_path):
    """A damaged column is an input/output error with its file's name in the log, and no wrong number."""
    write(tmp_path / "a.h5ad", {"c": np.arange(5000) % 3}, 5000)
    shutil.copytree(convert(tmp_path / "a.h5ad"), tmp_path / "b.sfs")
    damaged = [path for path in (tmp_path / "b.sfs").iterdir() if path.suffix == ".npy" and path.stat().st_size == 128 + 4 * 5000 and "values" in path.name]
    assert len(damaged) == 1
    blob = bytearray(damaged[0].read_bytes())
    blob[9000] ^= 1
    damaged[0].write_bytes(blob)
    with mount(tmp_path / "b.sfs", batch_size=64) as mounted:
        mounted.expect(damaged[0].name)
        with pytest.raises(OSError):
            mounted.read("epoch_0/quality.json")
