# SPDX-License-Identifier: Apache-2.0
"""Makes an archive of BioNeMo-SCDL: convert_scdl.py H5AD ARCHIVE. X, for its default is raw.X."""
import sys

from bionemo.scdl.io.single_cell_memmap_dataset import SingleCellMemMapDataset

SingleCellMemMapDataset(sys.argv[2], h5ad_path=sys.argv[1], use_X_not_raw=True)
