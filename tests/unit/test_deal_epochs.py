# SPDX-License-Identifier: Apache-2.0
"""Every small epoch, dealt by the core and by the reference: n to 200, world_size to 9, batch_size to 7, each tail, each order."""
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / os.environ.get("SHUFFLEFS_BUILD", "build/release")
sys.path.insert(0, str(REPO / "tests" / "reference"))
import order as reference  # noqa: E402

TAILS = ["even", "keep", "pad", "drop"]
ORDERS = ["sequential", "shuffle", "block"]
SEED, EPOCH, BLOCK_SIZE, WINDOW = 11, 5, 4, 12


def expected_line(rows, n, world_size, batch_size, tail):
    steps = reference.steps(n, world_size, batch_size, tail)
    batches = (reference.positions(n, world_size, batch_size, tail, rank, step) for rank in range(world_size) for step in range(steps))
    return "".join(",".join(rows[p] for p in batch) + ";" for batch in batches)


@pytest.mark.parametrize("kind", ORDERS)
def test_every_small_epoch(kind):
    cases = list(itertools.product(range(1, 201), range(1, 10), range(1, 8), TAILS))
    lines = "".join(f"{n} {SEED} {EPOCH} {ORDERS.index(kind)} {BLOCK_SIZE} {WINDOW} {w} {b} {TAILS.index(tail)}\n" for n, w, b, tail in cases)
    done = subprocess.run([BUILD / "deal_epochs"], input=lines, capture_output=True, text=True, check=True)
    dealt = done.stdout.splitlines()
    assert len(dealt) == len(cases) and done.stderr == ""
    rows = {}
    for (n, world_size, batch_size, tail), line in zip(cases, dealt):
        if n not in rows:
            epoch = reference.Order(n, SEED, EPOCH, kind, BLOCK_SIZE, WINDOW)
            rows[n] = [str(epoch.row(j)) for j in range(n)]
        assert line == expected_line(rows[n], n, world_size, batch_size, tail), (n, world_size, batch_size, tail)
