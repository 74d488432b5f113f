# SPDX-License-Identifier: Apache-2.0
"""Into how many shards a collection is cut changes no byte of what a mount has."""
import pytest

import h5ad_corpus
import model
import source
import views_model

MIXED = "csr_csc_dense_raw_and_layers"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return h5ad_corpus.write_all(tmp_path_factory.mktemp("corpus"))


@pytest.mark.parametrize("rows", ["1", "7", "64", "100", "299", "300", "1000000"])
def test_shards_change_nothing(corpus, convert, mount, rows):
    with mount(convert(corpus[MIXED])) as one, mount(convert(corpus[MIXED], "--shard-rows", rows)) as many:
        names = ["obs/_index.txt"]
        for layer in source.read(corpus[MIXED]).matrices:
            key = f"layer={views_model.encode(layer)}"
            names += [f"@batch_size={2**20},{key},order=sequential/epoch_0/rank_0/batch_0.csr",
                      f"@batch_size=50,{key},world_size=2/epoch_3/rank_1/batch_2.csr",
                      f"{model.matrix_directory(layer)}/indptr.npy"]
        for name in names:
            assert one.read(name) == many.read(name)
