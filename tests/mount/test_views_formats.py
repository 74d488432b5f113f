# SPDX-License-Identifier: Apache-2.0
"""The files of a view as programs open them: scipy, numpy (mapped too), zip tools, R; and the same bytes however they are read."""
import io
import os
import random
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

import csr_reader
import harness
import views_model

KEYS = {"batch_size": 60, "where": "is_primary_data", "world_size": 2, "genes": "n_cells>=50", "value_dtype": "float64", "tail": "keep"}
BATCH = "epoch_1/rank_1/batch_2"


@pytest.fixture(scope="module")
def shown(cells, cells_mount):
    """(the view's directory, the model of it, the rows of BATCH)"""
    keys = {key: value for key, value in KEYS.items() if key not in ("where", "genes")}
    view = cells[1].view(cells[1].obs.is_primary_data, cells[1].var.n_cells >= 50, **keys)
    rows = next(rows for rank, batch, rows in view.batches(1) if (rank, batch) == (1, 2))
    return cells_mount / views_model.spell(KEYS), view, rows


def test_scipy_and_numpy_agree(shown):
    """.npz by scipy, .npy by numpy, .csr by its description, and the arrays: one table."""
    directory, view, rows = shown
    expected = view.dense(rows)
    archive = scipy.sparse.load_npz(directory / f"{BATCH}.npz")
    assert archive.format == "csr" and archive.shape == expected.shape and archive.dtype == expected.dtype and archive.has_canonical_format
    assert (archive.toarray() == expected).all()
    dense = np.load(directory / f"{BATCH}.npy")
    assert dense.dtype == np.float64 and (dense == expected).all()
    batch = csr_reader.parse((directory / f"{BATCH}.csr").read_bytes())
    sparse = scipy.sparse.csr_matrix((batch.data, batch.indices, batch.indptr), shape=(batch.n_rows, batch.n_cols))
    sparse.check_format(full_check=True)
    assert np.shares_memory(sparse.data, batch.data) and (sparse.toarray() == expected).all()
    arrays = [np.load(directory / BATCH / f"{name}.npy") for name in ("data", "indices", "indptr", "rows")]
    assert (scipy.sparse.csr_matrix(tuple(arrays[:3]), shape=expected.shape).toarray() == expected).all() and (arrays[3] == rows).all()


def test_mapped(shown):
    directory, view, rows = shown
    mapped = np.load(directory / f"{BATCH}.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap) and (mapped[::-1] == view.dense(rows)[::-1]).all()
    data = np.load(directory / f"{BATCH}/data.npy", mmap_mode="r")
    assert (data == view.matrix.take(rows)[2]).all()
    with pytest.raises(ValueError, match="read-only"):
        mapped[0, 0] = 1


def test_archives_are_zip_files(shown):
    """Every tool for zip files reads them, and their checksums are right."""
    directory, _, _ = shown
    blob = (directory / f"{BATCH}.npz").read_bytes()
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["data.npy", "format.npy", "indices.npy", "indptr.npy", "shape.npy"]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        for name in ("indptr", "indices", "data"):
            assert archive.read(f"{name}.npy") == (directory / BATCH / f"{name}.npy").read_bytes()
    if shutil.which("unzip"):
        assert b"No errors detected" in subprocess.run(["unzip", "-t", directory / f"{BATCH}.npz"], capture_output=True, check=True).stdout


def test_obs_accompanies_a_batch(cells, shown):
    """Row i of every column is that of row i of the batch; categories have the code that they have everywhere."""
    directory, _, rows = shown
    obs = cells[1].obs.iloc[rows]
    for name in ("n_genes", "percent_mito", "is_b_cell", "nnz"):
        assert (np.load(directory / BATCH / f"obs/{name}.npy") == obs[name].to_numpy()).all()
    assert (np.load(directory / BATCH / "obs/louvain.npy") == obs.louvain.cat.codes.to_numpy()).all()
    mask = np.load(directory / BATCH / "obs/score.mask.npy")
    assert (mask == obs.score.isna().to_numpy()).all()
    assert (np.load(directory / BATCH / "obs/score.npy")[~mask] == obs.score[~mask].astype(int)).all()
    assert np.load(directory / BATCH / "obs/donor.npy").astype(str).tolist() == obs.donor.tolist()
    assert np.load(directory / BATCH / "obs/_index.npy").astype(str).tolist() == obs.index.tolist()
    assert (np.load(directory / BATCH / "obs/a%2Fb, 100%25.npy") == obs["a/b, 100%"].to_numpy()).all()


def test_layers_accompany_a_batch(cells, shown):
    directory, _, rows = shown
    for name in ("logged", "scaled"):
        chosen = views_model.columns_of(cells[1].source.matrices[name], cells[1].var.n_cells >= 50)
        for part, expected in zip(("indptr", "indices", "data"), chosen.take(rows)):
            found = np.load(directory / BATCH / f"layers/{name}/{part}.npy")
            assert (found == expected).all() and (part != "data" or found.dtype == expected.dtype)


def test_obsm_accompanies_a_batch(cells, shown):
    """With the columns of the array, and in the batch's order of rows."""
    directory, _, rows = shown
    for name, array in cells[1].adata.obsm.items():
        found = np.load(directory / BATCH / f"obsm/{name}.npy")
        assert found.dtype == array.dtype and (found == array[rows]).all()
    assert len(cells[1].adata.obsm) == 2


def test_batches_of_one_row(cells, cells_mount):
    """One row is a table of one row, never a vector."""
    at = cells_mount / "@batch_size=1,where=n_genes>1400/epoch_0/rank_0/batch_3"
    assert np.load(f"{at}.npy").shape == (1, 60) and scipy.sparse.load_npz(f"{at}.npz").shape == (1, 60)
    assert csr_reader.parse(at.with_suffix(".csr").read_bytes()).n_rows == 1 and np.load(at / "rows.npy").shape == (1,)
    assert np.load(at / "obsm/X_pca.npy").shape == (1, 5)


SUFFIXES = [".csr", ".npz", ".npy", "/indices.npy", "/data.npy", "/rows.npy", "/indptr.npy", "/obs/louvain.npy", "/obs/donor.npy", "/layers/scaled/data.npy",
            "/layers/logged/indices.npy"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_however_it_is_read(cells, mount, shown, suffix):
    """Size before it is opened; whole, from odd offsets in odd pieces, past the end, backwards, mapped, by dd."""
    name = f"{shown[0].name}/{BATCH}{suffix}"
    whole = (shown[0] / f"{BATCH}{suffix}").read_bytes()
    for cache in ("auto", "never"):
        with mount(cells[0], cache=cache) as mounted:
            size = os.stat(mounted / name).st_size
            assert size == len(whole)
            rng = random.Random(3)
            fd = os.open(mounted / name, os.O_RDONLY)
            try:
                for _ in range(60):                     # the first read of an archive is not of its beginning
                    at, length = rng.randrange(size + 10), rng.choice([1, 3, 127, 4097, size])
                    assert os.pread(fd, length, at) == whole[at:at + length]
                assert b"".join(os.pread(fd, 509, at) for at in range(0, size, 509)) == whole
                assert os.pread(fd, 10, size) == b"" and os.pread(fd, 10, size + 10**6) == b""
            finally:
                os.close(fd)
            assert mounted.read(name) == whole
            assert subprocess.run(["dd", f"if={mounted / name}", "bs=777"], capture_output=True, check=True).stdout == whole


def test_sizes_of_all_formats(shown):
    """`ls -l` and reading agree in every file of an epoch that is listed."""
    directory = (shown[0].parent / (shown[0].name + ",formats=csr;npz;npy;dir")).resolve()
    count = 0
    for here, _, files in os.walk(directory / "epoch_0"):
        for name in files:
            path = os.path.join(here, name)
            with open(path, "rb") as file:
                assert os.stat(path).st_size == len(file.read()), path
            count += 1
    assert count > 100


def has_r():
    return shutil.which("Rscript") and not subprocess.run(["Rscript", "-e", "library(Matrix)"], capture_output=True).returncode


def libraries(mounted):
    maps = Path(f"/proc/{mounted.process.pid}/maps").read_text()
    return {line.split("/")[-1] for line in maps.splitlines() if ".so" in line}


def test_hdf5_is_loaded_when_it_is_needed(cells, mount):
    """It brings dozens of libraries with it: only who reads an .h5ad waits for them."""
    with mount(cells[0]) as mounted:
        mounted.read("epoch_0/rank_0/batch_0.npz")
        assert not any("hdf5" in name or "h5ad" in name for name in libraries(mounted))
        mounted.read("epoch_0/rank_0/batch_0.h5ad")
        assert any("hdf5" in name for name in libraries(mounted))


def test_the_part_that_makes_h5ad_is_missing(cells, tmp_path):
    """A sentence, and all other formats are there."""
    for part in harness.RELEASE.glob("libshufflefs_h5ad.so.*"):
        (tmp_path / part.name).write_bytes(b"")         # found before the one that was built, but not by sanitized programs
    found = [harness.run([harness.RELEASE / "shufflefs", "--cat", cells[0], f"epoch_0/rank_0/batch_0.{suffix}"],
                         env=os.environ | {"LD_LIBRARY_PATH": str(tmp_path)}) for suffix in ("h5ad", "csr")]
    assert [done.returncode for done in found] == [3, 0] and found[1].stdout and not found[0].stdout
    assert "the part of shufflefs that makes .h5ad files" in harness.sentence(found[0], "shufflefs")


def test_the_part_that_makes_h5ad_is_of_another_build(cells, tmp_path):
    """As after an upgrade beneath a mount: its structures are not those of this program, which says so rather than call it."""
    for part in harness.RELEASE.glob("libshufflefs_h5ad.so.*"):
        code = "unsigned long sfs_h5ad_image_sizes[3]; int sfs_h5ad_make_image(void) { __builtin_trap(); }"
        subprocess.run(["gcc", "-shared", "-fPIC", "-xc", "-", "-o", tmp_path / part.name], input=code, text=True, check=True)
    done = harness.run([harness.RELEASE / "shufflefs", "--cat", cells[0], "epoch_0/rank_0/batch_0.h5ad"],
                       env=os.environ | {"LD_LIBRARY_PATH": str(tmp_path)})
    assert done.returncode == 3 and "one of another build" in harness.sentence(done, "shufflefs")


@pytest.mark.skipif(not has_r(), reason="Rscript with the package Matrix is not installed")
def test_r_reads_an_archive(shown):
    """unz() of base R opens the members of an archive: no package that knows numpy is needed."""
    directory, view, rows = shown
    program = """
        arguments <- commandArgs(trailingOnly = TRUE)
        member <- function(name, what, size) {
          connection <- unz(arguments[1], paste0(name, ".npy"), "rb"); on.exit(close(connection))
          head <- readBin(connection, "raw", 10); readBin(connection, "raw", sum(as.integer(head[9:10]) * c(1, 256)))
          readBin(connection, what, 1e6, size = size)
        }
        x <- Matrix::sparseMatrix(p = member("indptr", "integer", 4), j = member("indices", "integer", 4), index1 = FALSE,
                                  x = member("data", "double", 8), dims = as.integer(arguments[2:3]), repr = "R")
        write.table(as.matrix(x), row.names = FALSE, col.names = FALSE)
    """
    expected = view.dense(rows)
    done = subprocess.run(["Rscript", "-e", program, directory / f"{BATCH}.npz", *map(str, expected.shape)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (np.loadtxt(io.StringIO(done.stdout)) == expected).all()
