#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Splits, as a reference: what docs/splits.md means, in slow Python with exact integers and fractions.

The C library must select exactly these rows. `python3 split.py` prints the test vectors.
"""
import json
import math
import re
from bisect import bisect_right
from collections import deque
from fractions import Fraction

import xxhash

from order import M64, Permutation, key

VERSION, VALUE, ROWS, ROUND = 1, 6, 7, 8                # streams, as in core/order/key.h
MISSING = 0


def text_of(value):
    """A value of a column as text: str, int or bool."""
    return value if isinstance(value, str) else str(value)


def value_hash(value):
    return MISSING if value is None else xxhash.xxh3_64_intdigest(text_of(value).encode())


class Parts:
    """Fractions shares[k] / whole of the parts, and which of them are wanted."""

    def __init__(self, split=None, fold=None, part=None):
        if split:
            items = [item.rsplit(":", 1) for item in split.split(";")]
            names = [name for name, _ in items]
            self.shares = [int(Fraction(text) * 10**15) for _, text in items]
            self.unit, self.wanted = 10**15, {names.index(part)}
        else:
            i, n = map(int, re.fullmatch(r"(\d+)of(\d+)", fold).groups())
            self.shares, self.unit = [1] * n, n
            self.wanted = {i - 1} if part == "val" else set(range(n)) - {i - 1}
        self.whole = sum(self.shares)

    def range_cuts(self):
        sums, cuts = 0, []
        for share in self.shares[:-1]:
            sums += share
            cuts.append((sums << 64) // self.whole)
        return cuts

    def exact_cuts(self, n):
        sums, cuts = 0.0, []
        for share in self.shares[:-1]:
            sums += share / self.unit
            cuts.append(min(round(sums * n), n))
        return cuts

    def stochastic_cuts(self, n, uniform):
        return [(cut * n + uniform) >> 64 for cut in self.range_cuts()]

    def wants(self, cuts, at):
        return bisect_right(cuts, at) in self.wanted


def place(seed, hash_value):
    return key(VERSION, seed, 0, 0, VALUE, hash_value)


def strata_counts(parts, sizes):
    """counts[c][k]: rows of class c in part k."""
    classes, count = range(len(sizes)), len(parts.shares)
    lacks = [Fraction(0)] * count
    ideal = [[Fraction(share * size, parts.whole) for share in parts.shares] for size in sizes]
    counts = [[math.floor(x) for x in row] for row in ideal]
    up = [[0] * count for _ in classes]
    for c in classes:
        bids = []
        for k in range(count):
            rest = ideal[c][k] - counts[c][k]
            lacks[k] += rest
            if rest:
                bids.append(k)
        bids.sort(key=lambda k: (-lacks[k], k))
        for k in bids[:sizes[c] - sum(counts[c])]:
            up[c][k] = 1
            lacks[k] -= 1
    while True:
        if min(lacks, default=0) <= -1:
            starts, ends = [k for k in range(count) if lacks[k] <= -1], [k for k in range(count) if lacks[k] > 0]
        elif max(lacks, default=0) >= 1:
            starts, ends = [k for k in range(count) if lacks[k] < 0], [k for k in range(count) if lacks[k] >= 1]
        else:
            break
        move_row(parts, ideal, counts, up, lacks, starts, ends)
    return [[counts[c][k] + up[c][k] for k in range(count)] for c in classes]


def move_row(parts, ideal, counts, up, lacks, starts, ends):
    came, queue = {k: None for k in starts}, deque(starts)
    while queue:
        at = queue.popleft()
        if at in ends:
            break
        for c in range(len(up)):
            for k in range(len(lacks)):
                if up[c][at] and not up[c][k] and ideal[c][k] != counts[c][k] and k not in came:
                    came[k] = (at, c)
                    queue.append(k)
    lacks[at] -= 1
    while came[at]:
        before, c = came[at]
        up[c][at], up[c][before] = 1, 0
        at = before
    lacks[at] += 1


def groups_of(values, base):
    """(hash of the value, its rows in ascending order) of every value that rows of the base have."""
    rows = {}
    for row in base:
        rows.setdefault(None if values[row] is None else text_of(values[row]), []).append(row)
    return [(value_hash(value), members) for value, members in rows.items()]


def by_permutation(parts, cuts, rows, k):
    p = Permutation(len(rows), k)
    return [rows[p(j)] for j in range(len(rows)) if parts.wants(cuts, j)]


def select(names, base, split=None, fold=None, part=None, stratify=None, group=None, method="hash", seed=0):
    """The rows of base (ascending) that are in the part. names: the index of obs, or None; stratify, group: a column's values."""
    parts, n = Parts(split, fold, part), len(base)
    hashes = [value_hash(name) for name in names] if names is not None else None
    row_place = lambda row: place(seed, hashes[row] if hashes else row)  # noqa: E731
    if stratify is not None:
        return sorted(select_strata(parts, stratify, base, method, seed, row_place, hashes))
    if method == "hash":
        cuts = parts.range_cuts()
        return [row for row in base if parts.wants(cuts, place(seed, value_hash(group[row])) if group is not None else row_place(row))]
    if group is not None:
        return sorted(select_groups(parts, group, base, method, seed))
    uniform = key(VERSION, seed, 0, n, ROUND)
    cuts = parts.exact_cuts(n) if method == "exact" else parts.stochastic_cuts(n, uniform)
    return sorted(by_permutation(parts, cuts, base, key(VERSION, seed, 0, n, ROWS)))


def select_strata(parts, values, base, method, seed, row_place, hashes):
    strata = sorted(groups_of(values, base))
    counts = strata_counts(parts, [len(rows) for _, rows in strata]) if method != "stochastic" else [None] * len(strata)
    for (value, rows), shares in zip(strata, counts):
        n = len(rows)
        if method == "stochastic":
            cuts = parts.stochastic_cuts(n, key(VERSION, seed, 0, n, ROUND, value))
        else:
            cuts = [sum(shares[:k + 1]) for k in range(len(shares) - 1)]
        if method == "hash":
            ordered = sorted(rows, key=lambda row: (row_place(row), hashes[row] if hashes else row, row))
            yield from (row for j, row in enumerate(ordered) if parts.wants(cuts, j))
        else:
            yield from by_permutation(parts, cuts, rows, key(VERSION, seed, 0, n, ROWS, value))


def select_groups(parts, values, base, method, seed):
    groups, n = sorted((place(seed, value), value, rows) for value, rows in groups_of(values, base)), len(base)
    lacks = [share * n for share in parts.shares]
    turn, cuts, before = key(VERSION, seed, 0, n, ROUND), parts.range_cuts(), 0
    for _, _, rows in groups:
        if method == "exact":
            to = lacks.index(max(lacks))
            lacks[to] -= parts.whole * len(rows)
            wanted = to in parts.wanted
        else:
            wanted = parts.wants(cuts, ((before << 64) // n + turn) & M64)
            before += len(rows)
        if wanted:
            yield from rows


def example(n):
    """Names and two columns with missing values, of n rows."""
    names = [f"cell_{i}" for i in range(n)]
    donor = [None if key(i, 1) % 17 == 0 else f"donor {key(i, 2) % 9}" for i in range(n)]
    kind = [None if key(i, 3) % 23 == 0 else key(i, 4) % 5 - 2 for i in range(n)]
    return names, donor, kind


def vectors():
    out = []
    for n in (4, 15, 300, 5000):
        names, donor, kind = example(n)
        for keys in ({"split": "train:0.8;val:0.1;test:0.1", "part": "train"}, {"split": "a:0.4;b:0.3;c:0.2;d:0.1", "part": "c"},
                     {"split": "train:0.7;val:0.2;test:0.1", "part": "test"}, {"fold": "3of5", "part": "val"}, {"fold": "1of3", "part": "train"}):
            for method in ("hash", "exact", "stochastic"):
                for column in (None, "stratify", "group"):
                    for seed in (0, M64):
                        values = {column: donor if seed else kind} if column else {}
                        rows = select(names, list(range(n)), method=method, seed=seed, **keys, **values)
                        digest = xxhash.xxh3_64_hexdigest(b"".join(row.to_bytes(8, "little") for row in rows))
                        out.append({"n": n, **keys, "method": method, "seed": seed, "count": len(rows), "rows_xxh3": digest, "first": rows[:5],
                                    **({column: "donor" if seed else "kind"} if column else {})})
    return out


if __name__ == "__main__":
    print("[\n" + ",\n".join(json.dumps(vector) for vector in vectors()) + "\n]")
