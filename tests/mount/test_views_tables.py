# SPDX-License-Identifier: Apache-2.0
"""Whole tables and matrices inside a view: its rows and genes only. And batches with obs: .h5ad, .obs.csv, sections of .csr."""
import io
import os
import random
import shutil
import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import csr_reader
import harness
import views_model

KEYS = {"where": "n_genes > 700", "genes": "n_cells >= 50", "batch_size": 40}


@pytest.fixture(scope="module")
def cut(cells, cells_mount):
    """(the view's directory, its rows, its genes)"""
    obs, var = cells[1].obs, cells[1].var
    return cells_mount / views_model.spell(KEYS), np.nonzero((obs.n_genes > 700).to_numpy())[0], np.nonzero((var.n_cells >= 50).to_numpy())[0]


def csr_of(directory, columns):
    arrays = [np.load(directory / f"{name}.npy") for name in ("data", "indices", "indptr")]
    assert arrays[2].dtype == np.int64
    return scipy.sparse.csr_matrix(tuple(arrays), shape=(len(arrays[2]) - 1, columns))


@pytest.mark.parametrize("path", ["X", "layers/logged", "layers/scaled"])
def test_matrices(cells, cut, path):
    directory, rows, genes = cut
    expected = cells[1].adata.X if path == "X" else cells[1].adata.layers[path[7:]]
    expected = scipy.sparse.csr_matrix(expected)[rows][:, genes]
    assert (csr_of(directory / path, len(genes)) != expected).nnz == 0


def test_raw_keeps_its_own_genes(cells, cut):
    directory, rows, _ = cut
    raw = scipy.sparse.csr_matrix(cells[1].adata.raw.X)[rows]
    assert (csr_of(directory / "raw/X", raw.shape[1]) != raw).nnz == 0
    assert len((directory / "raw/var/_index.txt").read_text().splitlines()) == views_model.RAW_GENES


def test_columns(cells, cut):
    directory, rows, genes = cut
    obs = cells[1].obs.iloc[rows]
    assert (np.load(directory / "obs/n_genes.npy") == obs.n_genes).all()
    assert (np.load(directory / "obs/louvain.npy") == obs.louvain.cat.codes).all()
    assert (directory / "obs/louvain.categories.txt").read_text() == "".join(f"{name}\n" for name in views_model.LOUVAIN)
    assert (np.load(directory / "obs/score.mask.npy") == obs.score.isna()).all()
    assert (directory / "obs/donor.txt").read_text().splitlines() == list(obs.donor)
    assert [name.decode() for name in np.load(directory / "obs/_index.npy")] == list(obs.index)
    assert (directory / "var/_index.txt").read_text().splitlines() == list(cells[1].var.index[genes])
    assert (np.load(directory / "var/n_cells.npy") == cells[1].var.n_cells.to_numpy()[genes]).all()
    assert (np.load(directory / "obsm/X_pca.npy") == cells[1].adata.obsm["X_pca"][rows]).all()


def check_obs(table, obs):
    assert list(table.index) == list(obs.index) and list(table.columns) == list(obs.columns)
    for name in ("n_genes", "n_counts", "is_b_cell", "donor"):
        assert (table[name].to_numpy() == obs[name].to_numpy()).all(), name
    assert list(table.louvain.astype(object).fillna("-")) == list(obs.louvain.astype(object).fillna("-"))
    assert (table.score.isna().to_numpy() == obs.score.isna().to_numpy()).all()


def test_csv(cells, cut):
    directory, rows, genes = cut
    check_obs(pd.read_csv(directory / "obs.csv", index_col=0, float_precision="round_trip"), cells[1].obs.iloc[rows])
    table = pd.read_csv(directory / "var.csv", index_col=0)
    assert list(table.index) == list(cells[1].var.index[genes]) and list(table.n_cells) == list(cells[1].var.n_cells.iloc[genes])


def test_in_parts(cut):
    """Any range of bytes is that of the whole; sizes are known before."""
    directory, _, _ = cut
    rng = random.Random(4)
    for name in ("obs.csv", "X/data.npy", "X/indptr.npy", "obs/donor.txt", "obs/n_genes.npy", "obsm/X_pca.npy", "var.csv"):
        size = os.stat(directory / name).st_size
        whole = (directory / name).read_bytes()
        assert len(whole) == size
        with open(directory / name, "rb", buffering=0) as file:
            for _ in range(20):
                start = rng.randrange(size)
                length = rng.randrange(1, 3000)
                assert os.pread(file.fileno(), length, start) == whole[start:start + length], name


def test_rows_of_a_list(cells, mount, convert, tmp_path):
    """More than one run of rows, in the order of a list, with repeats; no where is needed."""
    rows = np.random.default_rng(1).integers(0, cells[1].n, 3000)
    (tmp_path / "rows.txt").write_text("".join(f"{row}\n" for row in rows))
    collection = shutil.copytree(cells[0], tmp_path / "copy.sfs")
    harness.run([harness.BUILD / "mkshufflefs", "view", "add", collection, "listed", "--rows-file", tmp_path / "rows.txt"])
    with mount(collection) as mounted:
        directory = mounted / "listed"
        assert (csr_of(directory / "X", views_model.GENES) != scipy.sparse.csr_matrix(cells[1].adata.X)[rows]).nnz == 0
        assert (np.load(directory / "obs/n_genes.npy") == cells[1].obs.n_genes.to_numpy()[rows]).all()
        assert list(pd.read_csv(directory / "obs.csv", index_col=0).index) == list(cells[1].obs.index[rows])


def test_batches_of_h5ad(cells, cut):
    directory, _, genes = cut
    batch = directory / "epoch_1/rank_0/batch_2"
    rows = np.load(batch / "rows.npy")
    size = os.stat(f"{batch}.h5ad").st_size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = anndata.read_h5ad(f"{batch}.h5ad")
    source = cells[1].adata[rows]
    assert size == len(open(f"{batch}.h5ad", "rb").read())
    assert list(read.obs_names) == list(source.obs_names) and list(read.var_names) == list(cells[1].var.index[genes])
    assert (read.X != scipy.sparse.csr_matrix(cells[1].adata.X)[rows][:, genes]).nnz == 0
    assert (read.layers["logged"] != scipy.sparse.csr_matrix(cells[1].adata.layers["logged"])[rows][:, genes]).nnz == 0
    assert (read.obsm["X_pca"] == source.obsm["X_pca"]).all() and (read.obs.shufflefs_row == rows).all()
    assert list(read.obs.louvain.astype(object).fillna("-")) == list(source.obs.louvain.astype(object).fillna("-"))
    assert list(read.obs.louvain.cat.categories) == views_model.LOUVAIN


def test_batches_of_obs_csv(cells, cut):
    directory, _, _ = cut
    batch = directory / "epoch_0/rank_0/batch_1"
    text = open(f"{batch}.obs.csv", "rb").read()
    assert os.stat(f"{batch}.obs.csv").st_size == len(text)
    check_obs(pd.read_csv(io.BytesIO(text), index_col=0, float_precision="round_trip"), cells[1].obs.iloc[np.load(batch / "rows.npy")])


def test_sections_of_csr(cells, cells_mount):
    """obs and obsm inside .csr, aligned with its rows."""
    keys = {"batch_size": 50, "obs": "louvain;score;donor;n_counts", "obsm": "X_pca", "where": "is_b_cell"}
    directory = cells_mount / views_model.spell(keys)
    blob = (directory / "epoch_0/rank_0/batch_0.csr").read_bytes()
    batch = csr_reader.parse(blob)
    obs = cells[1].obs.iloc[batch.rows]
    assert (batch.columns["obs/louvain"] == obs.louvain.cat.codes).all() and (batch.columns["obs/n_counts"] == obs.n_counts).all()
    assert (batch.columns["obs/score.mask"] == obs.score.isna()).all()
    assert [name.decode() for name in batch.columns["obs/donor"]] == list(obs.donor)
    assert (batch.columns["obsm/X_pca"] == cells[1].adata.obsm["X_pca"][batch.rows]).all()


@pytest.mark.parametrize("keys, phrase", [({"obs": "nope"}, "nope"), ({"obsm": "louvain"}, "louvain"), ({"obs": "louvain;louvain"}, "louvain")], ids=str)
def test_sections_that_are_refused(cells_mount, keys, phrase):
    name = views_model.spell(keys)
    assert not (cells_mount / name).exists() and phrase in (cells_mount / ".shufflefs/explain" / name).read_text()


def test_no_rows(cells_mount):
    """A view that selects nothing has tables without rows, and no batches."""
    directory = cells_mount / views_model.spell({"where": "n_genes > 99999"})
    assert np.load(directory / "obs/n_genes.npy").shape == (0,) and np.load(directory / "X/indptr.npy").tolist() == [0]
    assert len((directory / "obs.csv").read_text().splitlines()) == 1 and not list((directory / "epoch_0/rank_0").iterdir())


def test_text_that_was_cut_short(cells, mount, tmp_path):
    """Behind an open mount: an error that names the file, not the zeros that the kernel shows in its last page."""
    collection = shutil.copytree(cells[0], tmp_path / "copy.sfs")
    donors = cells[1].obs.donor[cells[1].obs.n_genes > 700]
    text, = (path for path in collection.glob("obs.*.text.npy") if b"donor" in path.read_bytes()[128:200])
    with mount(collection) as mounted:
        path = mounted / views_model.spell({"where": "n_genes > 700"}) / "obs/donor.txt"
        assert path.stat().st_size == sum(len(donor) + 1 for donor in donors)
        os.truncate(text, text.stat().st_size - 100)
        mounted.expect(text.name)
        with pytest.raises(OSError):
            path.read_bytes()
