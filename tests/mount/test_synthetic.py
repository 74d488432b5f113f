# SPDX-License-Identifier: Apache-2.0
"""Synthetic rows are drawn independently, however many there are: none repeats an earlier one."""
import io

import numpy as np
import pytest

import harness


@pytest.mark.large
def test_rows_beyond_2_to_the_24_do_not_repeat(tmp_path):
    """A stream of random numbers was once used for row i and for row i + 2^24."""
    rows = 2**24 + 1000
    done = harness.mkshufflefs(f"synthetic:rows={rows},vars=4,density=0.5", tmp_path / "a.sfs", "--quiet", build=harness.RELEASE)
    assert done.returncode == 0, done.stderr
    counts = np.load(io.BytesIO(harness.cat(tmp_path / "a.sfs", "obs/n_counts.npy", build=harness.RELEASE)))
    by_chance = (counts[5000:6000] == counts[:1000]).mean()
    assert len(counts) == rows and abs((counts[2**24:] == counts[:1000]).mean() - by_chance) < 0.1
