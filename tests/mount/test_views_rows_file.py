# SPDX-License-Identifier: Apache-2.0
"""`rows_file`: rows by a list, as text or as an array of numpy's, in the order asked and as often as asked."""
import json
import os
import random

import numpy as np
import pytest
import xxhash

import csr_reader
import harness
import views_model

ROWS = random.Random(6).sample(range(views_model.N), 150) + [3, 3, 699, 0, 3]


def write(tmp_path, rows, form):
    path = tmp_path / f"rows.{form.strip('<')}"
    if form in ("text", "unended", "windows"):
        ending = "\r\n" if form == "windows" else "\n"
        path.write_text(ending.join(map(str, rows)) + ("" if form == "unended" else ending), newline="")
    else:
        with open(path, "wb") as file:
            np.save(file, np.array(rows, form))
    return path


@pytest.mark.parametrize("form", ["text", "unended", "windows", "<i8", "<i4", "<u4", "<u8"])
def test_the_order_of_the_list(cells, mount, tmp_path, form):
    """order=sequential keeps the list's order and repeats; any other order permutes the list."""
    path = write(tmp_path, ROWS, form)
    view = cells[1].view(ROWS, batch_size=40, world_size=2, order="sequential")
    with mount(cells[0], rows_file=path, batch_size=40, world_size=2, order="sequential") as mounted:
        os.unlink(path)                                 # it was read when the mount began
        views_model.check_files(mounted.path, view.files(0))
        steps = [np.load(mounted / f"epoch_4/rank_{rank}/batch_{batch}/rows.npy") for batch in range(view.steps()) for rank in range(2)]
        assert np.concatenate(steps).tolist() == ROWS
        described = json.loads(mounted.read("view.json") if (mounted / "view.json").exists() else "{}")
        if described:
            assert described["rows"] == len(ROWS)
        for epoch in (0, 4):
            assert "where" not in mounted.list(f"epoch_{epoch}") and not (mounted / f"epoch_{epoch}/where").exists()
            assert not (mounted / f"epoch_{epoch}/where/3").exists()


@pytest.mark.parametrize("keys", [{}, {"order": "block", "block_size": 4, "window": 16, "tail": "pad"}, {"tail": "drop"}])
def test_shuffled(cells, mount, tmp_path, keys):
    with mount(cells[0], rows_file=write(tmp_path, ROWS, "text"), batch_size=25, world_size=3, seed=4, **keys) as mounted:
        views_model.check_files(mounted.path, cells[1].view(ROWS, batch_size=25, world_size=3, seed=4, **keys).files(1))


def test_with_where(cells, mount, tmp_path):
    """The rows of the list that the expression selects, in the list's order; the digest is that of these rows."""
    mask = (cells[1].obs.n_genes > 500).to_numpy()
    kept = [row for row in ROWS if mask[row]]
    path = write(tmp_path, ROWS, "<i8")
    with mount(cells[0], rows_file=path, where="n_genes > 500", batch_size=30, order="sequential") as mounted:
        views_model.check_files(mounted.path, cells[1].view(kept, batch_size=30, order="sequential").files(0))
        assert not (mounted / "epoch_0/where").exists()
    text = harness.cat(cells[0], "@/view.json")
    assert json.loads(text)["rows_digest"] == f"xxh3-64:{xxhash.xxh3_64_hexdigest(np.arange(views_model.N).astype('<i8').tobytes())}"


def test_nothing_left(cells, mount, tmp_path):
    for rows, where in (([], ""), ([1, 2, 3], "n_genes > 5000")):
        with mount(cells[0], rows_file=write(tmp_path, rows, "text"), where=where, world_size=2) as mounted:
            assert mounted.list("epoch_0/rank_1") == [] and not (mounted / "epoch_0/rank_0/batch_0.csr").exists()


def test_a_longer_list_than_rows(cells, mount, tmp_path):
    """Every row a hundred times: an epoch is as long as the list."""
    rows = list(range(views_model.N)) * 100
    with mount(cells[0], rows_file=write(tmp_path, rows, "<i4"), batch_size=10_000, tail="keep") as mounted:
        found = views_model.rows_below(mounted.path)
        assert (np.bincount(found) == 100).all() and len(found) == 70_000
        assert csr_reader.parse(mounted.read("epoch_0/rank_0/batch_6.csr")).n_rows == 10_000


REFUSED = {"5\n700\n": 'found "700" in line 2', "5\n-1\n": 'found "-1" in line 2', "1 \n": "line 1", "1,2\n": "line 1", "x\n": "line 1", "1.0\n": "line 1",
           "0x10\n": "line 1", "1\n\n\n9" + "9" * 30: "line 4", "18446744073709551617\n": "line 1", "1\n2\x00\n": "line 2", "+5\n": "line 1"}


@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_text_that_is_refused(cells, tmp_path, text):
    (tmp_path / "rows.txt").write_text(text)
    done = harness.cat_result(cells[0], "README.txt", rows_file=tmp_path / "rows.txt")
    said = harness.sentence(done, "shufflefs")
    assert done.returncode == 1 and REFUSED[text] in said and "rows_file" in said and "rows.txt" in said, said


ARRAYS = {"past": np.array([5, 700]), "negative": np.array([5, -1]), "negative32": np.array([5, -1], "i4"), "float": np.array([5.0]), "table": np.array([[1, 2]]),
          "big-endian": np.array([5], ">i8"), "scalar": np.array(5), "bool": np.array([True]), "short": np.array([1], "i2"), "text": np.array(["1"]),
          "huge": np.array([2**63], "u8")}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_are_refused(cells, tmp_path, name):
    np.save(tmp_path / "rows.npy", ARRAYS[name])
    done = harness.cat_result(cells[0], "README.txt", rows_file=tmp_path / "rows.npy")
    said = harness.sentence(done, "shufflefs")
    assert done.returncode == 1 and "rows_file" in said and "expected" in said, said
    if name in ("past", "negative", "negative32"):
        assert f"found {ARRAYS[name][1]} as element 1" in said


def test_an_array_cut_short(cells, tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, np.arange(10))
    blob = path.read_bytes()
    for length in (6, 10, 127, 128, 130, len(blob) - 1):
        path.write_bytes(blob[:length])
        assert harness.cat_result(cells[0], "README.txt", rows_file=path).returncode == 1, length
