# SPDX-License-Identifier: Apache-2.0
"""Numbers are printed as Python's repr and numpy's str print them, in any locale."""
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / os.environ.get("SHUFFLEFS_BUILD", "build/release")


def printed(array, locale="C"):
    command = [BUILD / "print_numbers", array.dtype.kind, str(array.dtype.itemsize), locale]
    done = subprocess.run(command, input=array.tobytes(), capture_output=True, check=locale == "C")
    assert done.stderr == b""
    return done.stdout.decode().splitlines() if done.returncode == 0 else None


def check(array):
    expected = [repr(value) for value in array.tolist()] if array.dtype == np.float64 else [str(value) for value in array]
    found = printed(array)
    wrong = [(a, b) for a, b in zip(found, expected) if a != b]
    assert len(found) == len(expected) and not wrong, f"{len(wrong)} of {len(expected)}: {wrong[:5]}"


def random_floats(dtype, count, rng):
    """Any bits; numbers of few digits; quotients; integers; and what is near powers of ten."""
    bits = np.frombuffer(rng.bytes(count * dtype().itemsize), dtype)
    digits = rng.integers(1, 18, count)
    few = [float(f"{x:.{d}e}") for x, d in zip(rng.lognormal(0, 8, count), digits)]
    tens = 10.0 ** rng.integers(-30, 30, count)
    with np.errstate(over="ignore", invalid="ignore"):
        return [bits, np.array(few).astype(dtype), rng.random(count).astype(dtype), (rng.integers(0, 10**6, count) / 1000).astype(dtype),
                rng.integers(-10**9, 10**9, count).astype(dtype), tens.astype(dtype), np.nextafter(tens.astype(dtype), dtype(0)),
                np.nextafter(tens.astype(dtype), dtype(np.inf)), rng.normal(size=count).astype(dtype), (rng.random(count) * 1e17).astype(dtype)]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_random_floats(dtype):
    for floats in random_floats(dtype, 20_000, np.random.default_rng(0)):
        check(floats)


def test_every_half():
    check(np.arange(2**16, dtype="<u2").view(np.float16))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_power_of_two(dtype):
    """Where floats are closer below than above."""
    limits = np.finfo(dtype)
    powers = np.array([2.0**k for k in range(limits.minexp - limits.nmant, limits.maxexp)], dtype)
    check(powers)
    check(np.nextafter(powers, dtype(0)))
    check(-np.nextafter(powers, dtype(np.inf)))


def test_special_floats():
    for dtype in (np.float64, np.float32, np.float16):
        with np.errstate(over="ignore"):
            check(np.array([0.0, -0.0, 1, -1, 0.1, 1e-4, 9.999e-5, 1e-5, 1e15, 1e16, 123456789.0, np.inf, -np.inf, np.nan]).astype(dtype))
    check(np.array([5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 9007199254740992, 9007199254740993, 9007199254740994, 1e22, 1e23,
                    9.5367431640625e-07, 0.3, 2 / 3, 1e21, 4.35, 299792458.0, 123456.7, 0.1 + 0.2, 999999999999999.9, 9999999999999998.0]))


@pytest.mark.parametrize("dtype", ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_integers(dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        check(np.array([True, False]))
        return
    limits = np.iinfo(dtype)
    check(np.array([0, 1, 9, 10, 99, limits.min, limits.max, limits.max - 1, limits.min // 2], dtype))
    check(np.frombuffer(np.random.default_rng(1).bytes(8000), dtype))


def test_another_locale():
    """With a comma as decimal point: where the machine has such a locale."""
    floats = np.array([0.1, 2 / 3, 1e-300, 1.5])
    assert printed(floats, "de_DE.UTF-8") in (None, printed(floats))
