# SPDX-License-Identifier: Apache-2.0
"""Batches, matrices and tables of generated files equal what h5py reads, for everything that .h5ad files do.

Over real files the same is in test_real_data.py; here each oddity stands alone, under its name.
"""
import functools

import pytest

import checks
import h5ad_corpus
import source


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return h5ad_corpus.write_all(tmp_path_factory.mktemp("corpus"))


@functools.lru_cache(maxsize=None)
def read(path):
    return source.read(path)


@pytest.mark.parametrize("name", h5ad_corpus.FILES)
def test_matrices(name, corpus, convert, mount):
    """Every row of every batch of each matrix, over 2 epochs and 3 ranks, remounted, and with 8 readers at once."""
    truth, collection = read(corpus[name]), convert(corpus[name])
    for layer in truth.matrices:
        checks.check_matrix(mount, collection, truth, layer)


@pytest.mark.parametrize("name", h5ad_corpus.FILES)
def test_tables(name, corpus, convert, mount):
    checks.check_tables(mount, convert(corpus[name]), read(corpus[name]))


@pytest.mark.parametrize("name", sorted(h5ad_corpus.NO_BATCHES))
def test_no_batches(name, corpus, convert, mount):
    """Without X or without rows: a mount with 0 batches."""
    checks.check_no_batches(mount, convert(corpus[name]))


@pytest.mark.parametrize("name", ["no_x", "no_x_but_layer"])
def test_no_directory_of_x(name, corpus, convert, mount):
    with mount(convert(corpus[name])) as mounted:
        assert "X" not in mounted.list()
        assert not (mounted / "X").exists()


def test_only_what_there_is(corpus, convert, mount):
    """layers/ and raw/ exist only in collections that have them."""
    with mount(convert(corpus["raw_is_an_empty_group"])) as mounted:
        assert not {"raw", "layers"} & set(mounted.list())
    with mount(convert(corpus["csr_csc_dense_raw_and_layers"])) as mounted:
        assert {"raw", "layers", "X", "obs", "var", "obs.csv", "var.csv", "rows", "README.txt", "dataset.json", "epoch_0"} <= set(mounted.list())
        assert sorted(mounted.list("layers")) == ["100%25", "scaled", "spliced", "with space"]
        assert sorted(mounted.list("raw")) == ["X", "var", "var.csv"]
