# SPDX-License-Identifier: Apache-2.0
"""The order of an epoch, as a reference, in 100 lines of slow Python.

The C library must give exactly these numbers. `python3 order.py` checks itself and prints the test vectors.
Permutation: the variable-width Philox of Mitchell, Stokes, Frank and Holmes, "Bandwidth-Optimal Random Shuffling for
GPUs" (arXiv 2106.06161), cycle-walked into [0, n); a Fisher-Yates table below 4097, where such networks are biased.
"""
import json

M64 = (1 << 64) - 1
VERSION, ROUNDS, SMALL = 1, 12, 4096
ROWS, BLOCKS, WINDOW = 1, 2, 3          # streams: what a key is for
MULTIPLIER = 0xD2B74407B1CE6E93


def splitmix(x):
    x = (x + 0x9E3779B97F4A7C15) & M64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & M64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & M64
    return x ^ (x >> 31)


def key(*words):
    """A 64-bit key from 64-bit words; words are hashed in turn, never added to each other."""
    h = 0
    for w in words:
        h = splitmix(h ^ (w & M64))
    return h


class Permutation:
    """A permutation of [0, n) under a 64-bit key: p(i), and p.inverse(p(i)) == i."""

    def __init__(self, n, k):
        self.n = n
        if n <= SMALL:
            self.table = list(range(n))
            for i in range(n - 1, 0, -1):
                j = (key(k, i) * (i + 1)) >> 64
                self.table[i], self.table[j] = self.table[j], self.table[i]
            self.back = [0] * n
            for i, v in enumerate(self.table):
                self.back[v] = i
            return
        self.table = None
        bits = (n - 1).bit_length()
        self.left, self.right = bits // 2, bits - bits // 2
        self.keys = [key(k, r) & 0xFFFFFFFF for r in range(ROUNDS)]
        self.odd = pow(MULTIPLIER, -1, 1 << 64)

    def __call__(self, i):
        if self.table is not None:
            return self.table[i]
        while True:
            i = self._encrypt(i)
            if i < self.n:
                return i

    def inverse(self, v):
        if self.table is not None:
            return self.back[v]
        while True:
            v = self._decrypt(v)
            if v < self.n:
                return v

    def _encrypt(self, v):
        lm, rm, d = (1 << self.left) - 1, (1 << self.right) - 1, self.right - self.left
        a, b = v >> self.right, v & rm
        for k in self.keys:
            product = (MULTIPLIER * a) & M64
            hi, lo = product >> 32, product & 0xFFFFFFFF
            a, b = (hi ^ k ^ b) & lm, ((lo << d) | (b >> self.left)) & rm
        return (a << self.right) | b

    def _decrypt(self, v):
        lm, rm, d = (1 << self.left) - 1, (1 << self.right) - 1, self.right - self.left
        a, b = v >> self.right, v & rm
        for k in reversed(self.keys):
            a0 = ((b >> d) * self.odd) & lm
            hi = ((MULTIPLIER * a0) & M64) >> 32
            a, b = a0, ((b & ((1 << d) - 1)) << self.left) | ((a ^ hi ^ k) & lm)
        return (a << self.right) | b


class Order:
    """position j of an epoch -> index into the view's rows (in storage order), and back."""

    def __init__(self, n, seed, epoch, order="shuffle", block_size=64, window=65536):
        self.n, self.kind, self.block, self.window = n, order, block_size, window
        self.base = (VERSION, seed, epoch, n)
        if order == "shuffle":
            self.rows = Permutation(n, key(*self.base, ROWS))
        elif order == "block":
            blocks = -(-n // block_size)
            self.blocks = Permutation(blocks, key(*self.base, BLOCKS))
            self.short = n - (blocks - 1) * block_size if blocks else 0          # rows in the last block
            self.short_at = self.blocks.inverse(blocks - 1) if blocks else 0     # where it falls
            self.last = blocks - 1

    def _window(self, j):
        start = j - j % self.window
        size = min(self.window, self.n - start)
        return start, Permutation(size, key(*self.base, WINDOW, start // self.window))

    def row(self, j):
        if self.kind == "sequential":
            return j
        if self.kind == "shuffle":
            return self.rows(j)
        start, p = self._window(j)
        c = start + p(j - start)                 # position in the concatenated blocks
        cut = self.short_at * self.block
        if c < cut:
            return self.blocks(c // self.block) * self.block + c % self.block
        if c < cut + self.short:
            return self.last * self.block + c - cut
        c -= self.short
        return self.blocks(c // self.block + 1) * self.block + c % self.block

    def position(self, row):
        if self.kind == "sequential":
            return row
        if self.kind == "shuffle":
            return self.rows.inverse(row)
        at = self.blocks.inverse(row // self.block)
        c = at * self.block + row % self.block
        if at > self.short_at:
            c += self.short - self.block
        start, p = self._window(c)
        return start + p.inverse(c - start)


def steps(n, world, batch, tail):
    """Number of batches that every rank has."""
    full, rest = divmod(n, world * batch)
    return full + {"even": rest // world > 0, "keep": rest > 0, "pad": rest > 0, "drop": False}[tail]


def positions(n, world, batch, tail, rank, t):
    """The positions that make batch t of a rank, in order."""
    full, rest = divmod(n, world * batch)
    base = t * world * batch
    if t < full:
        return [base + rank * batch + i for i in range(batch)]
    q, m = divmod(rest, world)
    if tail == "keep":
        at, size = rank * q + min(rank, m), q + (rank < m)
    elif tail == "pad":
        size = -(-rest // world)
        return [(base + rank * size + i) % n for i in range(size)]
    else:
        at, size = rank * q, q
    return [base + at + i for i in range(size)]


def vectors():
    out = {"permutation": [], "block": []}
    for n in (1, 2, 3, 5, 7, 8, 9, 255, 256, 257, 4096, 4097, 65535, 65536, 65537, 262145, 10**6, 2**32 - 1, 2**32 + 1, 2**40 + 1):
        for seed, epoch in ((0, 0), (0, 1), (1, 0), (M64, 2**31 - 1)):
            o = Order(n, seed, epoch)
            at = sorted({0, 1, 2, n // 3, n // 2, n - 2, n - 1} & set(range(n) if n < 10 else [0, 1, 2, n // 3, n // 2, n - 2, n - 1]))
            out["permutation"].append({"n": n, "seed": seed, "epoch": epoch, "position": at, "row": [o.row(j) for j in at]})
    for n, b, w in ((1000, 64, 256), (1024, 64, 256), (5000, 7, 700), (300_000, 64, 65536), (64, 64, 64), (65, 64, 64)):
        o = Order(n, 7, 3, "block", b, w)
        at = sorted({0, 1, n // 3, n // 2, n - 1})
        out["block"].append({"n": n, "seed": 7, "epoch": 3, "block_size": b, "window": w, "position": at, "row": [o.row(j) for j in at]})
    return out


if __name__ == "__main__":
    for n in [*range(1, 60), 4095, 4096, 4097, 5000, 8191, 8192, 8193, 16385]:
        p = Permutation(n, key(n, 5))
        seen = [p(i) for i in range(n)]
        assert sorted(seen) == list(range(n)) and all(p.inverse(v) == i for i, v in enumerate(seen)), n
    for n, b, w in ((1, 64, 64), (63, 64, 64), (1000, 64, 256), (1024, 64, 256), (5000, 7, 700), (9001, 1, 8192), (9001, 9, 9)):
        o = Order(n, 3, 1, "block", b, w)
        seen = [o.row(j) for j in range(n)]
        assert sorted(seen) == list(range(n)) and all(o.position(r) == j for j, r in enumerate(seen)), (n, b, w)
    for n in range(1, 60):
        for world in range(1, 6):
            for batch in range(1, 6):
                for tail in ("even", "keep", "pad", "drop"):
                    got = [p for t in range(steps(n, world, batch, tail)) for r in range(world) for p in positions(n, world, batch, tail, r, t)]
                    assert all(0 <= p < n for p in got)
                    if tail != "pad":
                        assert len(got) == len(set(got)), (n, world, batch, tail)
                    if tail in ("keep", "pad"):
                        assert set(got) == set(range(n)), (n, world, batch, tail)
                    if tail == "even":
                        assert len(got) > n - world, (n, world, batch)
    print(json.dumps(vectors(), indent=None))
