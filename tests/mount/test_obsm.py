# SPDX-License-Identifier: Apache-2.0
"""obsm: dense arrays of numbers beside the rows, as anndata has them; what else is in obsm is left out, and said."""
import json
import re

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import h5ad_corpus
import harness
import model
from h5ad_write import Sparse, random_sparse, write_h5ad, write_matrix

LEFT_OUT = {"cube", "vector", "no_columns", "sparse", "frame", "strings"}


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    path = tmp_path_factory.mktemp("obsm") / "a.h5ad"
    h5ad_corpus.FILES["obsm_arrays"](path)
    return path


def write_anndata(path, n=50, **obsm):
    x = sp.random(n, 5, 0.5, "csr", np.float32, np.random.default_rng(0))
    adata = anndata.AnnData(x, obs=pd.DataFrame(index=[f"c{i}" for i in range(n)]), var=pd.DataFrame(index=list("abcde")), obsm=obsm)
    adata.write_h5ad(path)
    return adata


@pytest.mark.parametrize("shards", [(), ("--shard-rows", "7")], ids=["one shard", "shards of 7"])
def test_as_anndata_has_it(shards, convert, mount, tmp_path):
    rng = np.random.default_rng(1)
    adata = write_anndata(tmp_path / "a.h5ad", X_pca=rng.normal(size=(50, 20)).astype("f4"), X_umap=rng.normal(size=(50, 2)),
                          counts=rng.integers(0, 9, (50, 3)), spatial=rng.normal(size=(50, 1)))
    with mount(convert(tmp_path / "a.h5ad", *shards)) as mounted:
        described = json.loads((mounted / "dataset.json").read_text())["obsm"]
        assert {each["name"]: (each["dtype"], each["columns"]) for each in described} == \
            {key: (value.dtype.str, value.shape[1]) for key, value in adata.obsm.items()}
        assert sorted(mounted.list("obsm")) == sorted(f"{key}.npy" for key in adata.obsm)
        for key, value in adata.obsm.items():
            for mode in (None, "r"):
                found = np.load(mounted / f"obsm/{key}.npy", mmap_mode=mode)
                assert found.dtype == value.dtype and found.shape == value.shape and (found == value).all()
            assert mounted.read(f"obsm/{key}.npy") == model.npy(value)


@pytest.mark.parametrize("arguments", [(), ("--shard-rows", "10"), ("--raw",), ("--layer", "a"), ("--sort-genes",)], ids=" ".join)
def test_every_array(arguments, convert, tmp_path):
    """In every type and layout, whatever else is converted, with names as columns have them."""
    rng = np.random.default_rng(2)
    h5ad_corpus.FILES["obsm_arrays"](tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "a") as h5:
        write_matrix(h5["layers"], "a", random_sparse(rng, 33, 6))
        write_matrix(h5.create_group("raw"), "X", random_sparse(rng, 33, 6))
        h5.copy("var", h5["raw"], "var")
        expected = {key: h5["obsm"][key][()] for key in set(h5["obsm"]) - LEFT_OUT}
    collection = convert(tmp_path / "a.h5ad", *arguments)
    assert harness.cat(collection, "obsm").decode().splitlines() == sorted(f"{model.encode(key)}.npy" for key in expected)
    assert "100%25 tab%09here.npy" in harness.cat(collection, "obsm").decode()
    for key, value in expected.items():
        assert harness.cat(collection, f"obsm/{model.encode(key)}.npy") == model.npy(value.astype(value.dtype.newbyteorder("<")))


def test_what_is_left_out_is_said(arrays, tmp_path):
    done = harness.mkshufflefs(arrays, tmp_path / "a.sfs", "--json")
    said = set(re.findall(r"/obsm/(\w+): left out: expected", done.stderr.decode()))
    assert done.returncode == 0 and said == LEFT_OUT
    with h5py.File(arrays) as h5:
        assert json.loads(done.stdout)["obsm"] == len(h5["obsm"]) - len(LEFT_OUT)


def test_without_arrays(convert, tmp_path):
    """Nothing to store: no directory, no table, and the same collection as ever."""
    write_anndata(tmp_path / "a.h5ad", n=20, frame=pd.DataFrame({"a": range(20)}, index=[f"c{i}" for i in range(20)]))
    collection = convert(tmp_path / "a.h5ad")
    assert "obsm" not in json.loads((collection / "collection.json").read_text())["tables"]
    assert "obsm" not in harness.cat(collection, "").decode().splitlines()
    assert json.loads(harness.cat(collection, "dataset.json"))["obsm"] == []


def test_no_rows(convert, tmp_path):
    write_h5ad(tmp_path / "a.h5ad", Sparse(np.zeros(1, "i4"), np.zeros(0, "i4"), np.zeros(0, "f4"), (0, 4)))
    with h5py.File(tmp_path / "a.h5ad", "a") as h5:
        write_matrix(h5.create_group("obsm"), "a", np.zeros((0, 3)))
    assert harness.cat(convert(tmp_path / "a.h5ad"), "obsm/a.npy") == model.npy(np.zeros((0, 3)))


def test_another_number_of_rows(tmp_path):
    write_h5ad(tmp_path / "a.h5ad", random_sparse(np.random.default_rng(0), 10, 4))
    with h5py.File(tmp_path / "a.h5ad", "a") as h5:
        write_matrix(h5.create_group("obsm"), "short", np.zeros((9, 3)))
    done = harness.mkshufflefs(tmp_path / "a.h5ad", tmp_path / "a.sfs", "--quiet")
    said = harness.sentence(done, "mkshufflefs")
    assert done.returncode == 1 and "/obsm/short: expected 10 rows" in said and "found 9" in said
