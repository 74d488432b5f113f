# SPDX-License-Identifier: Apache-2.0
"""Reads an .h5ad through scDataset: block sampling over anndata's backed CSR."""
import anndata as ad
import h5py
from scdataset import BlockShuffling, scDataset
from torch.utils.data import DataLoader

import reading


class Rows:
    """The backed matrix with a length. Its own transform (adata_to_mindex) would make fetches dense."""

    def __init__(self, path):
        self.X = ad.io.sparse_dataset(h5py.File(path, "r")["X"])

    def __len__(self):
        return self.X.shape[0]

    def __getitem__(self, rows):
        return self.X[rows]


def open_h5ad(case):
    dataset = scDataset(Rows(case["store"]), BlockShuffling(block_size=case["block"]), batch_size=case["batch_size"],
                        fetch_factor=case["window"] // case["batch_size"], seed=0)
    loader = DataLoader(dataset, batch_size=None)
    return lambda epoch: loader


if __name__ == "__main__":
    reading.serve(open_h5ad)
