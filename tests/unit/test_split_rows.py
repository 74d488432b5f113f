# SPDX-License-Identifier: Apache-2.0
"""Splits, and draws with replacement, over real collections: what the core selects is what the references in
tests/reference select, and what users were promised."""
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / os.environ.get("SHUFFLEFS_BUILD", "build/release")
sys.path[:0] = [str(REPO / "tests" / folder) for folder in ("reference", "mount")]
import draw as draw_reference  # noqa: E402
import split as split_reference  # noqa: E402
from h5ad_write import Categorical, Frame, Nullable, random_sparse, write_h5ad  # noqa: E402

MASKS = 2**64 - 1
METHODS = ["hash", "exact", "stochastic"]
SEEDS = st.integers(0, MASKS) | st.integers(0, 3)


class Selector:
    """The test program over one collection, asked line by line."""

    def __init__(self, collection):
        self.process = subprocess.Popen([BUILD / "split_rows", collection], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(self, *fields):
        self.process.stdin.write("\t".join("-" if field is None else str(field) for field in fields) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().rstrip("\n")
        if line.startswith("error "):
            _, code, sentence = line.split(" ", 2)
            raise OSError(int(code), sentence)
        return [int(row) for row in line.split(",")] if line else []

    def split(self, split=None, fold=None, part=None, stratify=None, group=None, method="hash", seed=0, base=None):
        return self.ask("split", split, fold, part, stratify, group, method, seed, "all" if base is None else "set:" + ",".join(map(str, base)))

    def draw(self, weight=None, balance=None, pure=None, class_weights=None, rows="all", seed=0, epoch=0, draws=100, batch_size=8):
        return self.ask("draw", weight, balance, pure, class_weights, rows, seed, epoch, draws, batch_size)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


def convert(path, names, columns, *arguments):
    """A collection with these rows, whose X does not matter."""
    n = len(names)
    h5ad, collection = path.with_suffix(".h5ad"), path.with_suffix(".sfs")
    write_h5ad(h5ad, random_sparse(np.random.default_rng(n), n, 3), obs=Frame(names, columns))
    subprocess.run([BUILD / "mkshufflefs", h5ad, "-o", collection, "--quiet", *arguments], check=True)
    return collection


@pytest.fixture
def select(tmp_path):
    """select(names, columns, *arguments of the converter) -> a Selector, closed at the end."""
    opened = []

    def make(names, columns=None, *arguments):
        opened.append(Selector(convert(tmp_path / f"c{len(opened)}", names, columns or {}, *arguments)))
        return opened[-1]
    yield make
    for selector in opened:
        selector.close()


# --- a collection with every kind of column, in shards that follow no word of a bitmap -------------------------------

N = 700
ODD = ["plain", "", "new\nline", "back\\slash", "zero\\0", "a;b:c", "\"quoted\"", "'q''", "ü—汉", "tab\there", "\\", "x" * 5000]


def masked(values, mask):
    return [None if m else v for v, m in zip(values, mask)]


class Everything:
    def __init__(self):
        rng = np.random.default_rng(5)
        mask = rng.random(N) < 0.1
        codes = rng.choice(len(ODD) + 1, N, p=np.array([6, 3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 2]) / 24).astype("i1") - 1
        small, big = rng.integers(-3, 4, N).astype("i1"), rng.choice(np.array([0, 1, 2**63, MASKS], "u8"), N)
        text = [ODD[i] for i in rng.integers(0, len(ODD), N)]
        flag = rng.random(N) < 0.3
        lowest = rng.choice(np.array([-2**63, -1, 0, 2**63 - 1]), N)
        self.names = [f"cell {i if i % 50 else 0}" + ("\n" if i % 7 == 0 else "") for i in range(N)]
        heavy = rng.pareto(0.5, N)
        heavy[rng.random(N) < 0.3] = 0
        self.weights = {"heavy": heavy, "half": rng.integers(0, 9, N).astype("f2"), "flag": flag, "small+": abs(small).astype("i2"), "u64": big,
                        "tiny": np.where(flag, 5e-324, 0), "single": heavy.astype("f4")}
        nullable = rng.integers(0, 5, N)
        self.columns = {"codes": Categorical(codes, [*ODD[1:], "unused", ODD[0]]), "text": text, "small": small, "flag": flag, "lowest": lowest,
                        "maybe": Nullable(nullable, mask), "maybe_flag": Nullable(flag, mask), "unique": [f"u{i}" for i in range(N)],
                        **{key: value for key, value in self.weights.items() if key != "flag"}}
        self.weights["maybe"] = masked(nullable.tolist(), mask)
        categories = [*ODD[1:], "unused", ODD[0]]
        self.values = {"codes": [None if code < 0 else categories[code] for code in codes], "text": text, "small": small.tolist(), "flag": flag.tolist(),
                       "lowest": lowest.tolist(), "maybe": masked(nullable.tolist(), mask), "maybe_flag": masked(flag.tolist(), mask),
                       "unique": self.columns["unique"], "u64": big.tolist(), "_index": self.names}
        self.order = {column: list(dict.fromkeys(split_reference.text_of(value) for value in values if value is not None)) for column, values in self.values.items()}
        self.order["codes"] = categories


EVERYTHING = Everything()


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    path = tmp_path_factory.mktemp("everything") / "a"
    selector = Selector(convert(path, EVERYTHING.names, EVERYTHING.columns, "--shard-rows", "90"))
    yield selector
    selector.close()


COLUMNS = sorted(EVERYTHING.values)


@st.composite
def fractions(draw):
    """A valid value of split: fractions of up to 15 digits that sum to 1."""
    places = draw(st.integers(1, 15))
    cuts = sorted(draw(st.sets(st.integers(1, 10**places - 1), max_size=min(9**places, 8))))
    shares = [b - a for a, b in zip([0, *cuts], [*cuts, 10**places])]
    texts = [f"{share // 10**places}.{share % 10**places:0{places}d}" for share in shares]
    return ";".join(f"part_{i}-x:{text}" for i, text in enumerate(texts)), len(texts)


@st.composite
def split_keys(draw):
    keys = {"method": draw(st.sampled_from(METHODS)), "seed": draw(SEEDS)}
    if draw(st.booleans()):
        n = draw(st.integers(1, 12) | st.just(97))
        keys |= {"fold": f"{draw(st.integers(1, n))}of{n}", "part": draw(st.sampled_from(["train", "val"]))}
    else:
        keys["split"], count = draw(fractions())
        keys["part"] = f"part_{draw(st.integers(0, count - 1))}-x"
    column = draw(st.sampled_from([None, "stratify", "group"]))
    if column:
        keys[column] = draw(st.sampled_from(COLUMNS))
    return keys


bases = st.none() | st.just([]) | st.tuples(st.integers(0, 2**32), st.sampled_from([0.01, 0.2, 0.9])).map(
    lambda pick: np.flatnonzero(np.random.default_rng(pick[0]).random(N) < pick[1]).tolist())


@settings(deadline=None, derandomize=True, max_examples=200)
@given(keys=split_keys(), base=bases)
def test_splits_are_those_of_the_reference(everything, keys, base):
    values = {key: EVERYTHING.values[keys[key]] for key in ("stratify", "group") if key in keys}
    expected = split_reference.select(EVERYTHING.names, list(range(N)) if base is None else base, **{**keys, **values})
    assert everything.split(**keys, base=base) == expected


@settings(deadline=None, derandomize=True, max_examples=150)
@given(keys=split_keys(), base=bases)
def test_every_row_is_in_one_part(everything, keys, base):
    seen = []
    if "fold" in keys:
        n = min(int(keys["fold"].split("of")[1]), 12)
        keys["fold"] = f"1of{n}"
        assert sorted(everything.split(**{**keys, "part": "train"}, base=base) + everything.split(**{**keys, "part": "val"}, base=base)) == (list(range(N)) if base is None else base)
        for i in range(n):
            seen += everything.split(**{**keys, "fold": f"{i + 1}of{n}", "part": "val"}, base=base)
    else:
        for item in keys["split"].split(";"):
            seen += everything.split(**{**keys, "part": item.split(":")[0]}, base=base)
    assert sorted(seen) == (list(range(N)) if base is None else base)


# --- the frozen vectors ----------------------------------------------------------------------------------------------

def example_columns(n):
    names, donor, kind = split_reference.example(n)
    categories = [f"donor {i}" for i in range(9)]
    codes = np.array([-1 if value is None else categories.index(value) for value in donor], "i1")
    mask = np.array([value is None for value in kind])
    weights = np.array([0.0 if value is None else abs(value) * 0.7 + 0.1 for value in kind])
    return names, {"donor": Categorical(codes, categories), "kind": Nullable(np.array([value or 0 for value in kind]), mask), "w": weights}


def test_split_vectors(select):
    vectors = json.loads((REPO / "tests/reference/split_vectors.json").read_text())
    assert vectors == split_reference.vectors() and len(vectors) > 300
    selectors = {n: select(*example_columns(n)) for n in {vector["n"] for vector in vectors}}
    for vector in vectors:
        keys = {key: value for key, value in vector.items() if key not in ("n", "count", "rows_xxh3", "first")}
        rows = selectors[vector["n"]].split(**keys)
        assert rows[:5] == vector["first"] and len(rows) == vector["count"], vector
        assert xxhash.xxh3_64_hexdigest(np.array(rows, "<u8").tobytes()) == vector["rows_xxh3"], vector


def test_draw_vectors(select):
    vectors = json.loads((REPO / "tests/reference/draw_vectors.json").read_text())
    assert vectors == draw_reference.vectors() and len(vectors) == 60
    keys = {"weight": {"weight": "w"}, "balance": {"balance": "donor"}, "pure": {"pure": "donor"},
            "weighted": {"balance": "donor", "class_weights": "donor 1:0;donor 2:2.5"}}
    selectors = {n: select(*example_columns(n)) for n in {vector["n"] for vector in vectors} - {1}}
    selectors[1] = select(["cell"], {**example_columns(1)[1], "donor": Categorical(np.array([5], "i1"), [f"donor {i}" for i in range(9)]), "w": np.array([3.0])})
    for vector in vectors:
        drawn = selectors[vector["n"]].draw(**keys[vector["draw"]], seed=vector["seed"], epoch=vector["epoch"], draws=12, batch_size=vector["batch_size"])
        assert drawn == vector["rows"], vector


# --- what splits promise ---------------------------------------------------------------------------------------------

NAMES = [f"cell{i:05d}" for i in range(5000)]
THREE = "train:0.8;val:0.1;test:0.1"


def test_sizes_of_exact(select):
    for n, split, sizes in ((12, "a:0.7;b:0.3", [8, 4]), (15, "a:0.7;b:0.3", [10, 5]), (15, "a:0.7;b:0.2;c:0.1", [10, 3, 2]), (1, "a:0.5;b:0.5", [0, 1]),
                            (11, "a:0.7;b:0.3", [8, 3]), (7, "a:0.5;b:0.5", [4, 3])):
        selector = select(NAMES[:n])
        assert [len(selector.split(split=split, part=part, method="exact")) for part in "abc"[:len(sizes)]] == sizes
        shares = [float(item[2:]) for item in split.split(";")]
        assert np.diff([0, *np.round(np.cumsum(shares) * n).astype(int)]).tolist() == sizes


def test_stochastic_is_unbiased(select):
    """Of 4 rows, over 10,000 seeds: each part's size is rounded down or up, and right in the mean; so is each row's part."""
    selector, seeds, shares = select(NAMES[:4]), 10000, np.array([0.4, 0.3, 0.2, 0.1])
    sizes, rows = np.zeros((seeds, 4)), np.zeros((4, 4))
    for seed in range(seeds):
        for k, part in enumerate("abcd"):
            chosen = selector.split(split="a:0.4;b:0.3;c:0.2;d:0.1", part=part, method="stochastic", seed=seed)
            sizes[seed, k] = len(chosen)
            rows[k, chosen] += 1
    assert (abs(sizes - 4 * shares) < 1).all() and (sizes.sum(axis=1) == 4).all()
    rest = 4 * shares - np.floor(4 * shares)
    assert (abs(sizes.mean(axis=0) - 4 * shares) < 4 * np.sqrt(rest * (1 - rest) / seeds)).all()
    assert (abs(rows / seeds - shares[:, None]) < 4 * np.sqrt(shares * (1 - shares) / seeds)[:, None]).all()


def test_stochastic_groups_are_unbiased(select):
    """Three groups of 1, 3 and 6 rows: each group is in each part as often as its fraction says."""
    selector, seeds = select(NAMES[:10], {"g": ["a"] + ["b"] * 3 + ["c"] * 6}), 4000
    counts = np.zeros(10)
    for seed in range(seeds):
        counts[selector.split(split="x:0.7;y:0.3", part="y", group="g", method="stochastic", seed=seed)] += 1
    assert (abs(counts / seeds - 0.3) < 4 * math.sqrt(0.3 * 0.7 / seeds)).all()
    assert len(set(counts[1:4])) == 1 and len(set(counts[4:])) == 1


def test_hash_keeps_to_fractions_and_seeds(select):
    selector = select(NAMES)
    for part, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
        chosen = [set(selector.split(split=THREE, part=part, seed=seed)) for seed in (0, 1)]
        for rows in chosen:
            assert abs(len(rows) / 5000 - share) < 4 * math.sqrt(share * (1 - share) / 5000)
        assert abs(len(chosen[0] & chosen[1]) / 5000 - share**2) < 4 * math.sqrt(share**2 / 5000)


def test_hash_survives_appends_orders_and_where(select):
    """A row's part depends on its name alone."""
    rng = np.random.default_rng(1)
    half, shuffled = NAMES[:2500], [NAMES[i] for i in rng.permutation(5000)]
    few = sorted(rng.choice(5000, 1000, replace=False).tolist())
    whole = select(NAMES)
    train = {NAMES[row] for row in whole.split(split=THREE, part="train", seed=9)}
    assert {half[row] for row in select(half).split(split=THREE, part="train", seed=9)} == train & set(half)
    assert {shuffled[row] for row in select(shuffled).split(split=THREE, part="train", seed=9)} == train
    assert {NAMES[row] for row in whole.split(split=THREE, part="train", seed=9, base=few)} == train & {NAMES[row] for row in few}


@pytest.mark.parametrize("method", METHODS)
def test_groups_are_not_cut(select, method):
    rng = np.random.default_rng(3)
    donor = rng.choice(40, 5000, p=rng.dirichlet(np.ones(40)))
    selector = select(NAMES, {"donor": [f"d{i}" for i in donor]})
    for seed in range(20):
        parts = [selector.split(split=THREE, part=part, group="donor", method=method, seed=seed) for part in ("train", "val", "test")]
        donors = [set(donor[rows]) for rows in parts]
        assert sum(len(d) for d in donors) == len(set(donor)) and sum(map(len, parts)) == 5000
        if method == "exact":
            assert abs(len(parts[0]) - 4000) <= np.bincount(donor).max()


def test_groups_depend_on_values_alone(select):
    """Codes, strings and integers of the same text, and other rows, change nothing."""
    rng = np.random.default_rng(4)
    number = rng.integers(0, 30, 5000)
    texts = [str(i) for i in number]
    categories = [str(i) for i in rng.permutation(30)]
    codes = np.array([categories.index(text) for text in texts], "i1")
    selector = select(NAMES, {"i8": number, "u1": number.astype("u1"), "text": texts, "codes": Categorical(codes, categories)})
    for method in METHODS:
        found = [selector.split(split=THREE, part="val", group=column, method=method, seed=2) for column in ("i8", "u1", "text", "codes")]
        assert found[0] == found[1] == found[2] == found[3]
    few = select(NAMES[:100], {"text": texts[:100]})
    train = set(number[selector.split(split=THREE, part="train", group="i8")])
    assert set(number[few.split(split=THREE, part="train", group="text")]) == train & set(number[:100])


HARD = [([1, 1, 1, 8, 8, 1], [5, 1, 6, 22, 5, 1]), ([4, 4, 5, 3, 4], [4, 37, 25, 3, 10, 4, 32]), ([16, 16, 16, 1, 1], [11, 4, 8, 2]),
        ([3, 8, 2, 3, 2, 2], [10, 1, 22, 4, 33]), ([14, 12, 2, 2, 5, 5], [4, 16])]


@pytest.mark.parametrize("shares, sizes", HARD)
@pytest.mark.parametrize("method", ["hash", "exact"])
def test_stratified_counts_are_within_one(select, shares, sizes, method):
    """Also where rounding one class after the other would be off by a row in the end; classes come in the order of their hashes."""
    labels = sorted((f"k{i}" for i in range(len(sizes))), key=split_reference.value_hash)
    kind = [label for label, size in zip(labels, sizes) for _ in range(size)]
    n, split = len(kind), ";".join(f"p{k}:{share / sum(shares):.15f}" for k, share in enumerate(shares))
    selector = select(NAMES[:n], {"kind": kind})
    counts = []
    for k, share in enumerate(shares):
        rows = selector.split(split=split, part=f"p{k}", stratify="kind", method=method)
        assert rows == split_reference.select(NAMES[:n], list(range(n)), split=split, part=f"p{k}", stratify=kind, method=method)
        counts.append([sum(kind[row] == label for row in rows) for label in labels])
        ideal = share / sum(shares)
        assert abs(len(rows) - ideal * n) < 1 and all(abs(count - ideal * size) < 1 for count, size in zip(counts[-1], sizes))
    expected = split_reference.strata_counts(split_reference.Parts(split, part="p0"), sizes)
    assert np.array(expected).T.tolist() == counts


@pytest.mark.parametrize("method", METHODS)
def test_folds_of_strata(select, method):
    kind = ["a"] * 10 + ["b"] * 23 + ["c"] * 3
    selector = select(NAMES[:36], {"kind": kind})
    for i in range(5):
        val = selector.split(fold=f"{i + 1}of5", part="val", stratify="kind", method=method)
        counts = [sum(kind[row] == label for row in val) for label in "abc"]
        assert counts[0] == 2 and counts[1] in (4, 5) and counts[2] in (0, 1) and (method == "stochastic" or len(val) in (7, 8))
        assert set(val) | set(selector.split(fold=f"{i + 1}of5", part="train", stratify="kind", method=method)) == set(range(36))


def test_rows_without_names(tmp_path):
    """Without an index, a row is known by its number."""
    write_h5ad(tmp_path / "a.h5ad", random_sparse(np.random.default_rng(0), 500, 3), obs=Frame(NAMES[:500], {"x": np.arange(500)}))
    with h5py.File(tmp_path / "a.h5ad", "r+") as file:
        del file["obs"].attrs["_index"], file["obs/_index"]
    subprocess.run([BUILD / "mkshufflefs", tmp_path / "a.h5ad", "-o", tmp_path / "a.sfs", "--quiet"], check=True)
    selector = Selector(tmp_path / "a.sfs")
    for stratify in (None, "x"):
        rows = selector.split(split=THREE, part="train", seed=5, stratify=stratify)
        assert rows == split_reference.select(None, list(range(500)), split=THREE, part="train", seed=5, stratify=stratify and list(range(500)))
    with pytest.raises(OSError, match="_index"):
        selector.split(split=THREE, part="train", group="_index")
    selector.close()


SPLIT = {"split": THREE, "part": "train"}


@pytest.mark.parametrize("keys, sentence", [
    ({"split": THREE}, r"split: expected part beside it, found none: add part=NAME"),
    ({"fold": "1of5"}, r"fold: expected part beside it, found none: add part=train or part=val"),
    ({"part": "train"}, r"part: expected split or fold beside it, found neither"),
    ({"stratify": "small"}, r"stratify: expected split or fold beside it"),
    ({"group": "small"}, r"group: expected split or fold beside it"),
    ({**SPLIT, "fold": "1of5"}, r"fold: expected either split or fold, found both"),
    ({**SPLIT, "part": "dev"}, r"part: expected one of the parts of split \(train, val, test\), found \"dev\""),
    ({**SPLIT, "split": "train:0.9;val:0.099"}, r"split: .* found a sum of 0\.999$"),
    ({**SPLIT, "stratify": "small", "group": "small"}, r"stratify: expected either stratify or group, found both"),
    ({**SPLIT, "group": "donor"}, r"group: expected a column of obs \(codes, text, small, flag, .*\), found \"donor\""),
    ({**SPLIT, "stratify": "heavy"}, r"stratify: expected a column of categories, strings, integers or booleans, found \"heavy\", which has floats"),
    ({**SPLIT, "group": "half", "method": "exact"}, r"group: .* found \"half\", which has floats"),
])
def test_refused_splits(everything, keys, sentence):
    with pytest.raises(OSError, match=sentence) as caught:
        everything.split(**keys)
    assert caught.value.errno == 22


# --- drawing with replacement ----------------------------------------------------------------------------------------

def quote(name):
    return "'" + name.replace("'", "''") + "'"


views = st.just(("all", list(range(N)))) | st.tuples(st.integers(0, 2**32), st.sampled_from([1, 5, 300]), st.booleans()).map(
    lambda pick: view_rows(np.random.default_rng(pick[0]).integers(0, N, pick[1]).tolist(), pick[2]))


def view_rows(rows, as_set):
    rows = sorted(set(rows)) if as_set else rows
    return f"{'set' if as_set else 'list'}:{','.join(map(str, rows))}", rows


@settings(deadline=None, derandomize=True, max_examples=200)
@given(data=st.data(), view=views, seed=SEEDS, epoch=st.integers(0, 2**31 - 1))
def test_draws_are_those_of_the_reference(everything, data, view, seed, epoch):
    kind, (text, rows) = data.draw(st.sampled_from(["weight", "balance", "pure"])), view
    keys, arguments = {}, {}
    if kind == "weight":
        column = data.draw(st.sampled_from(sorted(EVERYTHING.weights)))
        values = [EVERYTHING.weights[column][row] for row in rows]
        if not any(values):
            return
    else:
        column = data.draw(st.sampled_from(COLUMNS))
        values, order = [EVERYTHING.values[column][row] for row in rows], EVERYTHING.order[column]
        present = {split_reference.text_of(value) for value in values if value is not None}
        writable = [name for name in order if "\n" not in name and "\t" not in name]
        named = data.draw(st.none() | st.dictionaries(st.sampled_from(writable), st.integers(0, 3 * 10**9), min_size=1))
        if not present or named and not any(named.get(name, 1) for name in present):
            return
        arguments = {"categories": order, "class_weights": named}
        if named:
            keys["class_weights"] = ";".join(f"{quote(name)}:{weight // 10**9}.{weight % 10**9:09d}" for name, weight in named.items())
    expected = draw_reference.Draw(kind, values, **arguments)
    batch_size = data.draw(st.integers(1, 20))
    assert everything.draw(**{kind: column}, **keys, rows=text, seed=seed, epoch=epoch, batch_size=batch_size) == [
        expected.row(seed, epoch, j, j // batch_size) for j in range(100)]


def within(count, trials, share, sigmas=4):
    return abs(count - trials * share) <= sigmas * math.sqrt(trials * share * (1 - share)) + 1e-9


def test_weights_shares(select):
    weights = np.array([0, 1, 2, 3.5, 1e-3, 0, 10])
    drawn = np.bincount(select(NAMES[:7], {"w": weights}).draw(weight="w", draws=200000), minlength=7)
    assert drawn[0] == drawn[5] == 0 and all(within(count, 200000, w / weights.sum()) for count, w in zip(drawn, weights))


def test_balanced_batches(select):
    """Nine of ten rows are of one class; half of what is drawn is, and every row of a class equally often."""
    kind = np.array(["rare" if i % 10 == 0 else "common" for i in range(1000)])
    selector = select(NAMES[:1000], {"kind": kind.tolist()})
    drawn = np.array(selector.draw(balance="kind", draws=64000, batch_size=64))
    assert within((kind[drawn] == "rare").sum(), 64000, 0.5, 3)
    of_batches = (kind[drawn].reshape(1000, 64) == "rare").sum(axis=1)
    assert abs(of_batches.var() / 16 - 1) < 4 * math.sqrt(2 / 1000)
    seen = np.bincount(drawn, minlength=1000)
    rare = kind == "rare"
    assert abs(((seen[rare] - 320)**2 / 320).sum() - 100) < 4 * math.sqrt(200) and abs(((seen[~rare] - 320 / 9)**2 * 9 / 320).sum() - 900) < 4 * math.sqrt(1800)
    weighted = np.array(selector.draw(balance="kind", class_weights="rare:3", draws=64000))
    assert within((kind[weighted] == "rare").sum(), 64000, 0.75, 3)
    assert (kind[selector.draw(balance="kind", class_weights="rare:0", draws=1000)] == "common").all()


def test_pure_batches(select):
    """On a store in random order, every batch is of one class; classes come as often as their rows do, or as their weights say."""
    kind = np.random.default_rng(7).choice(["a", "b", "c"], 1000, p=[0.7, 0.2, 0.1])
    selector = select(NAMES[:1000], {"kind": kind.tolist()})
    for keys, shares in (({}, [(kind == k).mean() for k in "abc"]), ({"class_weights": "a:1"}, [1 / 3] * 3), ({"class_weights": "a:0;b:3"}, [0, 0.75, 0.25])):
        batches = kind[selector.draw(pure="kind", draws=160000, batch_size=16, **keys)].reshape(10000, 16)
        assert (batches == batches[:, :1]).all()
        assert all(within((batches[:, 0] == k).sum(), 10000, share) for k, share in zip("abc", shares))


def test_draws_depend_on_seed_and_epoch_alone(select):
    selector = select(NAMES[:1000], {"w": np.ones(1000)})
    first = selector.draw(weight="w", seed=1, epoch=2, draws=1000)
    assert first[:400] == selector.draw(weight="w", seed=1, epoch=2, draws=400, batch_size=3)
    assert within(len(set(first)), 1000, 1 - math.exp(-1))
    for seed, epoch in ((2, 1), (1, 3), (2, 2)):
        assert sum(a == b for a, b in zip(first, selector.draw(weight="w", seed=seed, epoch=epoch, draws=1000))) < 10


def test_an_empty_view_draws_nothing(everything):
    for keys in ({"weight": "heavy"}, {"balance": "codes"}, {"pure": "text", "class_weights": "plain:0"}):
        assert everything.draw(**keys, rows="list:") == []


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    names, columns = NAMES[:6], {"nan": np.array([1, 2, np.nan, 1, 1, 1]), "negative": np.array([1, 1, 1, -2, 1, 1]), "infinite": np.array([1, 1, np.inf, 1, 1, 1.]),
                                 "zero": np.zeros(6), "text": ["a", "b", "b", "b", "b", "b"], "codes": Categorical(np.array([-1, -1, 0, 0, 0, 0], "i1"), ["A", "B"])}
    selector = Selector(convert(tmp_path_factory.mktemp("refusing") / "a", names, columns))
    yield selector
    selector.close()


@pytest.mark.parametrize("keys, sentence", [
    ({"weight": "nan"}, r"weight: expected numbers of 0 or more in the column \"nan\", found -?nan in row 2"),
    ({"weight": "negative"}, r"weight: .* found -2 in row 3"),
    ({"weight": "infinite"}, r"weight: .* found inf in row 2"),
    ({"weight": "zero"}, r"weight: expected a weight above 0 in the column \"zero\", found none among the 6 rows"),
    ({"weight": "text"}, r"weight: expected a column of numbers or booleans, found \"text\", which has strings"),
    ({"weight": "codes"}, r"weight: .* which has categories"),
    ({"weight": "none"}, r"weight: expected a column of obs \(nan, negative, infinite, zero, text, codes\), found \"none\""),
    ({"balance": "none"}, r"balance: expected a column of obs"),
    ({"pure": "nan"}, r"pure: expected a column of categories, strings, integers or booleans, found \"nan\""),
    ({"balance": "text", "pure": "text"}, r"balance: expected one of weight, balance and pure, found two"),
    ({"weight": "nan", "balance": "text", "pure": "text"}, r"weight: .* found all three"),
    ({"weight": "nan", "class_weights": "a:1"}, r"class_weights: expected balance or pure beside it, found neither"),
    ({"class_weights": "a:1"}, r"class_weights: expected balance or pure beside it, found neither"),
    ({"balance": "codes", "rows": "set:0,1"}, r"balance: expected a class with rows and a weight above 0 .* found none among the 2 rows"),
    ({"balance": "text", "class_weights": "a:0;b:0"}, r"class_weights: expected a class with rows"),
    ({"balance": "text", "class_weights": "c:1"}, r"class_weights: expected values of the column \"text\", found \"c\""),
    ({"balance": "text", "class_weights": "a:1;a:2"}, r"class_weights: expected each class once, found \"a\" twice"),
    ({"balance": "text", "class_weights": "a:-1"}, r"class_weights: expected a weight .* found \"-1\""),
    ({"balance": "text", "class_weights": "a:1,5"}, r"class_weights: expected a weight .* found \"1,5\""),
    ({"balance": "text", "class_weights": "a:9000000000"}, r"class_weights: expected a weight .* found \"9000000000\""),
    ({"balance": "text", "class_weights": "a"}, r"class_weights: expected NAME:WEIGHT .* found \"a\""),
    ({"balance": "text", "class_weights": "a:1;"}, r"class_weights: expected NAME:WEIGHT .* found \"\""),
    ({"balance": "text", "class_weights": "'a:1"}, r"class_weights: expected NAME:WEIGHT"),
    ({"balance": "text", "class_weights": "'a' :1"}, r"class_weights: expected NAME:WEIGHT"),
])
def test_refused_draws(refusing, keys, sentence):
    with pytest.raises(OSError, match=sentence) as caught:
        refusing.draw(**keys)
    assert caught.value.errno == 22


def test_only_rows_of_the_view_are_weighed(refusing):
    assert set(refusing.draw(weight="nan", rows="set:0,1,5")) == {0, 1, 2}
    assert set(refusing.draw(balance="codes")) == {2, 3, 4, 5}
    assert set(refusing.draw(balance="text", class_weights="b:0")) == {0}
    assert set(refusing.draw(balance="codes", class_weights="B:5", rows="list:2,0,3")) == {0, 2}


# --- damage ----------------------------------------------------------------------------------------------------------

USES = [{"group": "text"}, {"group": "codes"}, {"stratify": "maybe"}, {}, {"group": "maybe", "method": "exact"}]
PAGE = 4096                                             # the first one, with the header, is verified when a collection is opened


def damage(path, cut):
    with open(path, "r+b") as file:
        if cut:
            file.truncate(PAGE + 1)
        else:
            file.seek(PAGE + 500)
            byte = file.read(1)[0]
            file.seek(PAGE + 500)
            file.write(bytes([byte ^ 64]))


def test_damage_is_an_error(tmp_path):
    """Flip a byte of each file of obs, or cut it short, behind an open collection: whoever reads it says so, and the others are right."""
    n, rng = 9000, np.random.default_rng(8)
    columns = {"text": [f"t{i}" for i in rng.integers(0, 99, n)], "maybe": Nullable(rng.integers(0, 9, n), rng.random(n) < 0.1),
               "codes": Categorical(rng.integers(-1, 1000, n).astype("i2"), [f"category {i}" for i in range(1000)])}
    made = convert(tmp_path / "a", [f"cell{i}" for i in range(n)], columns)
    whole = Selector(made)
    expected = [whole.split(**SPLIT, **use) for use in USES]
    whole.close()
    files = sorted(path.name for path in made.glob("obs.*.npy") if path.stat().st_size > PAGE + 600 and ".csv." not in path.name)
    assert len(files) == 9, "those of columns"
    for name in files:
        for cut in (False, True):
            copy = shutil.copytree(made, tmp_path / "b.sfs")
            process, found = Selector(copy), False
            assert len(process.split(fold="1of2", part="val", method="exact")) == n // 2
            damage(copy / name, cut)
            for use, rows in zip(USES, expected):
                try:
                    assert process.split(**SPLIT, **use) == rows
                except OSError as error:
                    assert error.errno == 5 and name in str(error), (name, error)
                    found = True
            assert found, (name, cut)
            process.close()
            shutil.rmtree(copy)
