# SPDX-License-Identifier: Apache-2.0
"""Reads a collection of annbatch, with the zarrs pipeline that its documentation asks for, into scipy's CSR."""
import anndata as ad
import numpy as np
import zarr
from annbatch import DatasetCollection, Loader

import reading

zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})


def load_adata(group, columns):
    """X where it is, and little of obs, which annbatch would hold in memory altogether."""
    obs = ad.io.read_elem(group["obs"])
    return ad.AnnData(X=ad.io.sparse_dataset(group["X"]), obs=obs[columns])


def open_collection(case):
    loader = Loader(batch_size=case["batch_size"], chunk_size=case["chunk"], preload_nchunks=case["preload"],
                    shuffle=True, preload_to_gpu=False, to=None, rng=np.random.default_rng(1))
    collection = DatasetCollection(case["store"], mode="r")
    loader.use_collection(collection, load_adata=lambda group: load_adata(group, case["obs"][:1]))
    return lambda epoch: (batch["X"] for batch in loader)


if __name__ == "__main__":
    reading.serve(open_collection)
