# SPDX-License-Identifier: Apache-2.0
"""`genes` and `genes_file`: which columns a batch has, in every format, type and codec, and in the order asked."""
import random
import subprocess

import numpy as np
import pytest
import scipy.sparse

import csr_reader
import harness
import views_model

VAR = {"highly_variable": lambda v: v.highly_variable, "n_cells >= 100": lambda v: v.n_cells >= 100,
       'chromosome in ["X", "MT"]': lambda v: v.chromosome.isin(["X", "MT"]), "not highly_variable and n_cells < 250":
       lambda v: ~v.highly_variable & (v.n_cells < 250), "_index == 'gene7'": lambda v: v.index == "gene7",
       "_index in ['gene59', 'gene0']": lambda v: v.index.isin(["gene0", "gene59"]), "n_cells >= 0": lambda v: v.n_cells >= 0}


@pytest.mark.parametrize("expression", VAR)
def test_an_expression(cells, cells_mount, expression):
    view = cells[1].view(columns=VAR[expression](cells[1].var), batch_size=100, world_size=2)
    directory = cells_mount / views_model.spell({"batch_size": 100, "genes": expression, "world_size": 2})
    views_model.check_files(directory, view.files(0))
    assert csr_reader.parse((directory / "epoch_0/rank_1/batch_2.csr").read_bytes()).n_cols == view.matrix.n_cols


def test_no_genes(cells, cells_mount):
    """As rows, so columns: none is no error. Batches have rows without entries."""
    view = cells[1].view(columns=cells[1].var.n_cells > 9999, batch_size=100)
    directory = cells_mount / "@batch_size=100,genes=n_cells>9999"
    views_model.check_files(directory, view.files(0))
    assert scipy.sparse.load_npz(directory / "epoch_0/rank_0/batch_0.npz").shape == (100, 0)
    assert np.load(directory / "epoch_0/rank_0/batch_0.npy").shape == (100, 0)


@pytest.fixture(scope="module", params=["packed", "raw", "dense"])
def coded(request, cells, convert, mount):
    """A mount of the same cells in each codec."""
    arguments = () if request.param == "packed" else ("--codec", request.param)
    collection = convert(cells[1].path, *arguments)
    with mount(collection) as mounted:
        yield collection, mounted


LAYERS = {"X": ("highly_variable", "uint8"), "raw/X": ("kept", "float64"), "logged": ("highly_variable", "float32"), "scaled": ("highly_variable", "float32")}


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_codecs_and_types(cells, coded, layer):
    """raw/X has raw's own genes; values come in the type asked for; a dense source has no zeros in sparse files."""
    key, dtype = LAYERS[layer]
    table = cells[1].adata.raw.var if layer == "raw/X" else cells[1].var
    for value_dtype, index_dtype in (("store", "int32"), (dtype, "uint16")):
        view = cells[1].view(cells[1].obs.is_b_cell, table[key], batch_size=77, layer=layer, value_dtype=value_dtype, index_dtype=index_dtype)
        spelled = {"batch_size": 77, "genes": key, "where": "is_b_cell", "layer": layer, "value_dtype": value_dtype, "index_dtype": index_dtype}
        directory = (coded[1] / views_model.spell(spelled)).resolve()
        views_model.check_files(directory, view.files(0))


# --- genes_file ----------------------------------------------------------------------------------------------------

def listed(tmp_path, text):
    path = tmp_path / "genes.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("codec", ["packed", "raw", "dense"])
def test_a_file_gives_the_order(cells, convert, mount, tmp_path, codec):
    """Columns are in the order of the file, whatever the order of the store; every format agrees."""
    wanted = random.Random(3).sample(range(views_model.GENES), 25)
    path = listed(tmp_path, "".join(f"gene{i}\n" for i in wanted))
    collection = convert(cells[1].path, *(() if codec == "packed" else ("--codec", codec)))
    view = cells[1].view(columns=wanted, batch_size=128, value_dtype="uint16")
    with mount(collection, genes_file=path, batch_size=128, value_dtype="uint16") as mounted:
        files = view.files(0)
        views_model.check_files(mounted.path, files)
        archive = scipy.sparse.load_npz(mounted / "epoch_0/rank_0/batch_1.npz")
        assert archive.shape == (128, 25) and (archive.toarray() == np.load(mounted / "epoch_0/rank_0/batch_1.npy")).all()
        one = csr_reader.parse(mounted.read("rows/5.csr"))
        assert one.n_cols == 25 and (one.indices == view.matrix.take([5])[1]).all()


def test_a_file_of_raw_genes(cells, mount, tmp_path):
    path = listed(tmp_path, "raw89\nraw0\nraw44\n")
    with mount(cells[0], genes_file=path, layer="raw/X", batch_size=300) as mounted:
        views_model.check_files(mounted.path, cells[1].view(columns=[89, 0, 44], layer="raw/X", batch_size=300).files(0))


@pytest.mark.parametrize("text", ["gene3\ngene1", "gene3\r\ngene1\r\n", "\ngene3\n\n\ngene1\n\n"], ids=["unended", "windows", "blank"])
def test_lines(cells, cat, tmp_path, text):
    expected = cells[1].view(columns=[3, 1], batch_size=300).files(0)
    assert cat(cells[0], "epoch_0/rank_0/batch_0.csr", genes_file=listed(tmp_path, text), batch_size=300) == expected["epoch_0/rank_0/batch_0.csr"]


REFUSED = {"gene3\nnope\n": '"nope" in line 2', "gene3\ngene1\ngene3\n": '"gene3" in line 1 and again in line 3', "": "found none", "\n\n": "found none",
           "gene 3\n": "line 1", "GENE3\n": "line 1", "gene3\x00\n": "line 1", "raw3\n": "line 1", "gene3,gene4\n": "line 1", "x" * 100_000: "line 1"}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:20]))
def test_a_file_that_is_refused(cells, mountpoint, tmp_path, text):
    path = listed(tmp_path, text)
    done = harness.run([harness.BUILD / "shufflefs", cells[0], mountpoint, "-f", "-o", f"genes_file={path}"])
    said = harness.sentence(done, "shufflefs")
    assert done.returncode == 1 and REFUSED[text] in said and "genes_file" in said and len(said) < 1000, said


def test_no_such_file(cells, tmp_path):
    for path in (tmp_path / "nope", tmp_path, "/dev/zero"):
        for key in ("genes_file", "rows_file"):
            done = harness.cat_result(cells[0], "view.json", **{key: path})
            assert done.returncode == 1 and key in harness.sentence(done, "shufflefs")
    subprocess.run(["mkfifo", tmp_path / "pipe"], check=True)
    assert harness.cat_result(cells[0], "README.txt", genes_file=tmp_path / "pipe").returncode == 1, "a pipe would hang"


def test_both_are_one_too_many(cells, tmp_path):
    done = harness.cat_result(cells[0], "README.txt", genes="highly_variable", genes_file=listed(tmp_path, "gene1\n"))
    assert done.returncode == 1 and "leave one out" in harness.sentence(done, "shufflefs")


def test_layers_that_accompany_a_batch(cells, cells_mount):
    """Of the view's genes too, where they have the same; raw's choice does not touch the layers."""
    logged = cells[1].view(columns=cells[1].var.highly_variable, batch_size=100, layer="logged")
    for rank, batch, rows in list(logged.batches(0))[:3]:
        indptr, indices, data = logged.matrix.take(rows)
        at = cells_mount / f"@batch_size=100,genes=highly_variable/epoch_0/rank_{rank}/batch_{batch}/layers/logged"
        for name, expected in (("indptr", indptr), ("indices", indices), ("data", data)):
            assert (np.load(at / f"{name}.npy") == expected).all()
        whole = cells[1].source.matrices["logged"].take(rows)
        at = cells_mount / f"@batch_size=100,genes=kept,layer=raw%2FX/epoch_0/rank_{rank}/batch_{batch}/layers/logged"
        for name, expected in zip(("indptr", "indices", "data"), whole):
            assert (np.load(at / f"{name}.npy") == expected).all()
