# SPDX-License-Identifier: Apache-2.0
"""A table with columns of every kind, as pandas has it and as a collection; and select_rows, which selects from the latter."""
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "mount"), str(TESTS / "reference")]

import harness  # noqa: E402  (after the path)
from h5ad_write import Categorical, Frame, Nullable, Sparse, write_h5ad  # noqa: E402

ROWS = 4500                                             # more than a chunk of them
INTEGERS = {"tiny": "i1", "byte": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "long": "i8", "ulong": "u8"}
FLOATS = {"half": "f2", "single": "f4", "double": "f8"}
TYPES = ["B cells", "CD4 T cells", "NK cells", "T_reg", "100%", "é\\n", "", "it's", 'say "x"', "a\nb"]
WORDS = ["", "a", "b", "ab", "a b", "aB", "a_b", "a%b", "é", "aé", "日本", "it's", 'say "x"', "a\nb", "a\\nb", "\\", "c\\", "x" * 100]


@dataclass
class Table:
    """The columns by the name that an expression has for them: values for pandas, and for write_h5ad."""
    frame: pd.DataFrame
    columns: dict = field(default_factory=dict)


def pick(rng, values, count=ROWS):
    return [values[i] for i in rng.integers(0, len(values), count)]


def make_table(seed=7):
    rng = np.random.default_rng(seed)
    columns, frame = {}, {}

    def add(name, values, shown=None):
        columns[name] = values
        frame[name] = pd.Series(values if shown is None else shown)
    for name, dtype in INTEGERS.items():
        low = -3 if dtype[0] == "i" else 0
        add(name, rng.integers(low, 7, ROWS).astype(dtype))
    for name, dtype in FLOATS.items():
        add(name, rng.choice([-1.5, -0.0, 0.0, 0.1, 0.5, 1.0, 3.0, np.nan, np.inf, -np.inf], ROWS).astype(dtype))
    add("flag", rng.random(ROWS) < 0.5)
    for name, dtype, values in [("nint", "Int64", rng.integers(-2, 3, ROWS)), ("nbyte", "UInt8", rng.integers(0, 4, ROWS).astype("u1")),
                                ("nflag", "boolean", rng.random(ROWS) < 0.5)]:
        mask = rng.random(ROWS) < 0.3
        array = {"Int64": pd.arrays.IntegerArray, "UInt8": pd.arrays.IntegerArray, "boolean": pd.arrays.BooleanArray}[dtype]
        add(name, Nullable(values, mask), array(values.copy(), mask.copy()))
    for name, categories, ordered in [("cat", TYPES, False), ("ordered", sorted(TYPES, key=str.encode), True),
                                      ("digits", ["0", "1", "10", "2", "-1.5", "1e-05"], False)]:
        codes = rng.integers(-1, len(categories), ROWS)
        add(name, Categorical(codes.astype("i1"), categories, ordered), pd.Categorical.from_codes(codes, categories, ordered))
    codes = rng.integers(-1, 2, ROWS)
    add("yes", Categorical(codes.astype("i1"), np.array([False, True])), pd.Categorical.from_codes(codes, ["False", "True"]))
    words = pick(rng, WORDS)
    add("word", words, np.array(words, object))
    add("a name", rng.integers(0, 3, ROWS))
    add("dotted.name", rng.integers(0, 3, ROWS))
    columns["_index"] = [f"cell_{i}" for i in range(ROWS)]
    frame["_index"] = pd.Series(columns["_index"], dtype=object)
    return Table(pd.DataFrame(frame), columns)


def write_table(path, columns):
    """As obs; var has three genes, one of which is protein coding."""
    columns = dict(columns)
    rows = len(columns["_index"])
    x = Sparse(np.zeros(rows + 1, "i4"), np.zeros(0, "i4"), np.zeros(0, "f4"), (rows, 3))
    var = Frame(["CD4", "CD8A", "MALAT1"], {"coding": np.array([True, True, False]), "mean": np.array([0.5, 0.25, 9.0])})
    write_h5ad(path, x, Frame(columns.pop("_index"), columns), var)


def convert(directory, columns, *arguments):
    write_table(directory / "table.h5ad", columns)
    output = directory / f"table{len(arguments)}.sfs"
    done = harness.mkshufflefs(directory / "table.h5ad", output, "--quiet", *arguments)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return output


class Refused(Exception):
    """The errno's name and the sentence."""


class Selector:
    """select_rows on a collection, which stays open."""

    def __init__(self, collection, table="obs"):
        self.process = subprocess.Popen([harness.BUILD / "select_rows", collection, table], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def __call__(self, text):
        """The rows that are selected."""
        self.process.stdin.write((text if isinstance(text, bytes) else text.encode()) + b"\0")
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode(errors="replace")
        if not line:
            raise AssertionError(f"select_rows ended at {text!r}: {self.process.stderr.read().decode()}")
        if line.startswith("! "):
            raise Refused(*line[2:-1].split(" ", 1))
        return [int(row) for row in line.split(",")] if line != "\n" else []

    def close(self):
        self.process.stdin.close()
        harness.check_sanitizers(self.process.stderr.read().decode())
        assert self.process.wait(harness.PATIENCE) == 0
        self.process.stdout.close()
        self.process.stderr.close()
