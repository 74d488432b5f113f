# SPDX-License-Identifier: Apache-2.0
"""docs/order.md, written down as code line by line, is the same order as tests/reference/order.py and its vectors."""
import json
import random

import pytest

import document
import order as reference

M64 = 2**64 - 1


def splitmix(x):
    x = (x + 0x9E3779B97F4A7C15) & M64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & M64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & M64
    return x ^ (x >> 31)


def key(*words):
    h = 0
    for w in words:
        h = splitmix(h ^ w)
    return h


def table(n, k):
    t = list(range(n))
    for i in range(n - 1, 0, -1):
        j = key(k, i) * (i + 1) // 2**64
        t[i], t[j] = t[j], t[i]
    return t


def network(n, k, i):
    bits = len(f"{n - 1:b}")
    L = bits // 2
    R = bits - L
    v = i
    while True:
        a, b = v // 2**R, v % 2**R
        for r in range(12):
            k_r = key(k, r) % 2**32
            product = 0xD2B74407B1CE6E93 * a % 2**64
            a, b = ((product >> 32) ^ k_r ^ b) % 2**L, (((product % 2**32) << (R - L)) | (b >> L)) % 2**R
        v = a * 2**R + b
        if v < n:
            return v


def permutation(n, k):
    if n <= 4096:
        return table(n, k).__getitem__
    return lambda i: network(n, k, i)


def block_order(n, seed, epoch, block_size, window):
    """All of p, as the page builds it: blocks laid one after another, then windows of places."""
    blocks = -(-n // block_size)
    of_blocks = permutation(blocks, key(1, seed, epoch, n, 2))
    sequence = [row for i in range(blocks) for b in [of_blocks(i)] for row in range(b * block_size, min(n, (b + 1) * block_size))]
    p = []
    for w in range(-(-n // window)):
        s = w * window
        q = permutation(min(window, n - s), key(1, seed, epoch, n, 3, w))
        p += [sequence[s + q(j - s)] for j in range(s, min(n, s + window))]
    return p


def dealt(n, W, b, tail, r):
    """The positions of each batch of rank r."""
    batches = [list(range(t * W * b + r * b, t * W * b + r * b + b)) for t in range(n // (W * b))]
    m = n % (W * b)
    s, q, e = n - m, m // W, m % W
    if tail == "even" and q > 0:
        batches.append(list(range(s + r * q, s + r * q + q)))
    if tail == "keep" and m > 0:
        first = s + r * q + min(r, e)
        batches.append(list(range(first, first + q + (r < e))))
    if tail == "pad" and m > 0:
        z = q + (e > 0)
        batches.append([i % n for i in range(s + r * z, s + r * z + z)])
    return batches


@pytest.mark.parametrize("n", [1, 2, 3, 8, 100, 4096, 4097, 5000, 65537, 10**9 + 7, 2**40])
def test_shuffle(n):
    for seed, epoch in ((0, 0), (7, 3), (M64, 2**31 - 1)):
        p, theirs = permutation(n, key(1, seed, epoch, n, 1)), reference.Order(n, seed, epoch)
        for j in {0, n // 2, n - 1, *(random.Random(n).randrange(n) for _ in range(20))}:
            assert p(j) == theirs.row(j)


@pytest.mark.parametrize("n,block_size,window", [(1, 1, 1), (65, 64, 64), (1000, 64, 256), (1024, 64, 256), (5000, 7, 700), (9001, 1, 8192)])
def test_block(n, block_size, window):
    theirs = reference.Order(n, 5, 2, "block", block_size, window)
    found = block_order(n, 5, 2, block_size, window)
    at = range(n) if n < 2000 else random.Random(1).sample(range(n), 500)
    assert sorted(found) == list(range(n)) and all(found[j] == theirs.row(j) for j in at)


def test_the_frozen_vectors():
    vectors = json.loads((document.REPO / "tests/reference/order_vectors.json").read_text())
    for v in vectors["permutation"]:
        p = permutation(v["n"], key(1, v["seed"], v["epoch"], v["n"], 1))
        assert [p(j) for j in v["position"]] == v["row"]
    for v in vectors["block"]:
        if v["n"] < 10**5:
            p = block_order(v["n"], v["seed"], v["epoch"], v["block_size"], v["window"])
            assert [p[j] for j in v["position"]] == v["row"]


@pytest.mark.parametrize("tail", ["even", "keep", "pad", "drop"])
def test_dealing(tail):
    for n in range(0, 50):
        for W in range(1, 6):
            for b in range(1, 6):
                steps = reference.steps(n, W, b, tail)
                for r in range(W):
                    assert dealt(n, W, b, tail, r) == [reference.positions(n, W, b, tail, r, t) for t in range(steps)]
