# SPDX-License-Identifier: Apache-2.0
"""Makes the .h5ad of the race from a synthetic collection, and notes what readers check batches with.

    make_data.py FOLDER H5AD [SHUFFLEFS COLLECTION]

H5AD is made from the collection if one is given. signatures.npy and meta.json are written to FOLDER.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

import reading

BLOCK = 1 << 24                                         # values at a time


def write_h5ad(h5ad, shufflefs, collection):
    """Through --cat, which needs no mount; as anndata writes it: CSR of int32 and float32 without compression."""
    with tempfile.TemporaryDirectory(dir=h5ad.parent) as folder:
        def array(path):
            copy = Path(folder) / path.replace("/", "_")
            with open(copy, "wb") as out:
                subprocess.run([shufflefs, "--cat", collection, path], stdout=out, check=True)
            return np.load(copy, mmap_mode="r")

        def names(path):
            return subprocess.run([shufflefs, "--cat", collection, path], capture_output=True, text=True,
                                  check=True).stdout.split("\n")[:-1]

        var = pd.DataFrame(index=names("var/_index.txt"))
        obs = pd.DataFrame(index=names("obs/_index.txt"))
        for column in ("cell_type", "plate"):
            obs[column] = pd.Categorical.from_codes(array(f"obs/{column}.npy"), names(f"obs/{column}.categories.txt"))
        for column in ("n_counts", "n_genes"):
            obs[column] = np.array(array(f"obs/{column}.npy"))
        X = sp.csr_matrix((len(obs), len(var)), dtype=np.float32)
        X.data, X.indices, X.indptr = array("X/data.npy"), array("X/indices.npy"), array("X/indptr.npy")
        ad.AnnData(X=X, obs=obs, var=var).write_h5ad(h5ad)


def note(h5ad, folder):
    with h5py.File(h5ad, "r") as file:
        X = file["X"]
        if not isinstance(X, h5py.Group) or X.attrs["encoding-type"] != "csr_matrix":
            sys.exit("X must be CSR: not all contestants take anything else")
        indptr = X["indptr"][:].astype(np.int64)
        rows, columns = (int(n) for n in X.attrs["shape"])
        parts, at = [], 0
        while at < rows:
            to = max(at + 1, int(np.searchsorted(indptr, indptr[at] + BLOCK, "right")) - 1)
            values = slice(indptr[at], indptr[to])
            parts.append(reading.signatures(indptr[at:to + 1] - indptr[at], X["indices"][values], X["data"][values]))
            at = to
        np.save(folder / "signatures.npy", np.unique(np.concatenate(parts)))
        meta = {"rows": rows, "vars": columns, "nnz": int(indptr[-1]), "bytes": h5ad.stat().st_size,
                "obs": [str(name) for name in file["obs"].attrs["column-order"]]}
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def main(folder, h5ad, *source):
    if source:
        write_h5ad(Path(h5ad), *source)
    note(Path(h5ad), Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
