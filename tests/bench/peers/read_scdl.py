# SPDX-License-Identifier: Apache-2.0
"""Reads an archive of BioNeMo-SCDL as its README does: torch's DataLoader, and its own collation to sparse CSR."""
import warnings

import torch
from bionemo.scdl.io.single_cell_memmap_dataset import SingleCellMemMapDataset
from bionemo.scdl.util.torch_dataloader_utils import collate_sparse_matrix_batch
from torch.utils.data import DataLoader

import reading

# With more, torch's OpenMP threads spin beside the one that works: 10 times slower on a small machine.
torch.set_num_threads(1)
warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")


def open_archive(case):
    torch.manual_seed(0)
    loader = DataLoader(SingleCellMemMapDataset(case["store"]), batch_size=case["batch_size"], shuffle=True,
                        num_workers=case["workers"], persistent_workers=case["workers"] > 0,
                        collate_fn=collate_sparse_matrix_batch)
    return lambda epoch: loader


if __name__ == "__main__":
    reading.serve(open_archive)
