#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drawing with replacement, as a reference: what docs/drawing.md means, in slow Python with exact integers.

The C library must draw exactly these rows. `python3 draw.py` prints the test vectors.
"""
import json
import math

from order import key
from split import example, text_of

VERSION, DRAW, BATCH_CLASS = 1, 4, 5                    # streams, as in core/order/key.h
FULL = 2**32


def alias_table(weights):
    """(threshold, other) of every entry; weights are integers, not all 0."""
    n, total = len(weights), sum(weights)
    heights, sums, before = [], 0, 0
    for weight in weights:
        sums += weight
        heights.append(sums * n * FULL // total - before)
        before += heights[-1]
    lows = iter([i for i in range(n) if heights[i] < FULL])
    highs = iter([i for i in range(n) if heights[i] >= FULL])
    table, low, giver = [None] * n, next(lows, None), next(highs, None)
    height = heights[giver]
    while giver is not None:
        if height < FULL:
            following = next(highs)
            table[giver] = (height, following)
            height = heights[following] - (FULL - height)
            giver = following
        elif low is not None:
            table[low] = (heights[low], giver)
            height -= FULL - heights[low]
            low = next(lows, None)
        else:
            assert height == FULL
            table[giver] = (0, giver)
            giver = next(highs, None)
            height = heights[giver] if giver is not None else None
    return table


def alias_draw(table, uniform):
    product = uniform * len(table)
    i, height = product >> 64, (product >> 32) % FULL
    threshold, other = table[i]
    return i if height < threshold else other


def scaled(weights):
    """float64 weights (None: missing) as integers below 2^62."""
    weights = [0.0 if weight is None else float(weight) for weight in weights]
    exponent = math.frexp(max(weights, default=0.0))[1]
    return [math.floor(math.ldexp(weight, 62 - exponent)) for weight in weights]


class Draw:
    """values: of each row of the view, in its order. categories: the texts of all classes of the column, in the order of
    its categories, or of their first rows. class_weights: {text: weight}, as integers in billionths."""

    def __init__(self, kind, values, categories=None, class_weights=None):
        self.kind, self.n = kind, len(values)
        if kind == "weight":
            self.table = alias_table(scaled(values))
            return
        values = [None if value is None else text_of(value) for value in values]
        self.members = [[i for i, value in enumerate(values) if value == name] for name in categories if name in values]
        names = [values[rows[0]] for rows in self.members]
        if class_weights is not None:
            weights = [class_weights.get(name, 10**9) for name in names]
        else:
            weights = [len(rows) for rows in self.members] if kind == "pure" else [1] * len(names)
        self.table = alias_table(weights)

    def row(self, seed, epoch, draw, batch):
        base = (VERSION, seed, epoch, self.n)
        first = key(*base, DRAW, draw)
        if self.kind == "weight":
            return alias_draw(self.table, first)
        if self.kind == "balance":
            rows, uniform = self.members[alias_draw(self.table, first)], key(*base, DRAW, draw, 1)
        else:
            rows, uniform = self.members[alias_draw(self.table, key(*base, BATCH_CLASS, batch))], first
        return rows[uniform * len(rows) >> 64]


def vectors():
    out = []
    for n in (1, 2, 10, 300, 5000):
        names, donor, kind = example(n)
        weights = [None if value is None else abs(value) * 0.7 + 0.1 for value in kind]
        if n == 1:
            donor, weights = ["donor 5"], [3.0]
        donors = [f"donor {i}" for i in range(9)]
        for seed, epoch in ((0, 0), (0, 1), (2**64 - 1, 2**31 - 1)):
            for name, draw in (("weight", Draw("weight", weights)), ("balance", Draw("balance", donor, donors)),
                               ("pure", Draw("pure", donor, donors)),
                               ("weighted", Draw("balance", donor, donors, {"donor 1": 0, "donor 2": 25 * 10**8}))):
                out.append({"n": n, "draw": name, "seed": seed, "epoch": epoch, "batch_size": 4, "rows": [draw.row(seed, epoch, j, j // 4) for j in range(12)]})
    return out


if __name__ == "__main__":
    print("[\n" + ",\n".join(json.dumps(vector) for vector in vectors()) + "\n]")
