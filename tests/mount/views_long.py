# SPDX-License-Identifier: Apache-2.0
"""A collection of many rows without entries, over which an expression takes a while."""
import h5py
import numpy as np

from h5ad_write import Frame, Sparse, TEXT, names, write_frame, write_matrix

ROWS = 2_000_000


def slow_expression(number):
    """Takes a second or so, and selects what `u >= 0.5` does: no product is 1,000 or more."""
    terms = [f"u*v>{number + 1}{term:04d}" for term in range(1000, 1030)]
    return " or ".join(["u >= 0.5", *terms]).replace(" ", "%20")


def write_long(path):
    """Writes the .h5ad file; returns the columns u and v of obs."""
    rng = np.random.default_rng(1)
    u, v = rng.random(ROWS).astype("f4"), rng.integers(0, 1000, ROWS).astype("i4")
    with h5py.File(path, "w") as file:
        obs = file.create_group("obs")
        obs.attrs["encoding-type"], obs.attrs["encoding-version"] = "dataframe", "0.2.0"
        obs.attrs.create("column-order", ["u", "v"], dtype=TEXT)
        obs.create_dataset("u", data=u)
        obs.create_dataset("v", data=v)
        write_frame(file, "var", Frame(names("gene", 3)))
        write_matrix(file, "X", Sparse(np.zeros(ROWS + 1, "i8"), np.zeros(0, "i4"), np.zeros(0, "f4"), (ROWS, 3)))
    return u, v
