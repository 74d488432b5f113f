# SPDX-License-Identifier: Apache-2.0
"""Makes a collection of annbatch, shuffled once as it is meant to be: convert_annbatch.py H5AD COLLECTION."""
import sys

import numpy as np
import zarr
from annbatch import DatasetCollection

if __name__ == "__main__":
    zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
    DatasetCollection(sys.argv[2]).add_adatas([sys.argv[1]], shuffle=True, rng=np.random.default_rng(0))
