# SPDX-License-Identifier: Apache-2.0
"""mkshufflefs: what its options select, what its summary says, and that how it stores changes nothing that is read."""
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest

import csr_reader
import h5ad_corpus
import harness
import model
import source

MIXED = "csr_csc_dense_raw_and_layers"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return h5ad_corpus.write_all(tmp_path_factory.mktemp("corpus"))


def dataset(collection, **options):
    return json.loads(harness.cat(collection, "dataset.json", **options))


def all_rows(collection, **options):
    """One batch with every row, in the order of the store."""
    return harness.cat(collection, "epoch_0/rank_0/batch_0.csr", batch_size=2**20, order="sequential", **options)


def summary(path, output, *arguments):
    done = harness.mkshufflefs(path, output, "--json", "--quiet", *arguments)
    assert done.returncode == 0 and done.stderr == b"", done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", [MIXED, "duplicate_entries", "unsorted_indices", "descending_indices", "explicit_zeros", "no_x", "special_values",
                                  "duplicates_that_cancel", "as_in_2018", "no_rows", "every_kind_of_column"])
def test_summary(name, corpus, tmp_path):
    """--json reports what was converted, and what was put in order on the way."""
    truth = source.read(corpus[name])
    said = summary(corpus[name], tmp_path / "a.sfs")
    assert said["output"].endswith("a.sfs") and (said["rows"], said["variables"]) == (truth.rows, truth.variables)
    assert (said["obs"], said["var"]) == (len(truth.obs.columns), len(truth.var.columns))
    assert said["bytes"] == sum(path.stat().st_size for path in (tmp_path / "a.sfs").rglob("*") if path.is_file()) and said["seconds"] >= 0
    assert {each["name"] for each in said["matrices"]} == set(truth.matrices)
    for each in said["matrices"]:
        matrix = truth.matrices[each["name"]]
        assert (each["columns"], each["nnz"], each["dtype"]) == (matrix.n_cols, matrix.nnz, matrix.data.dtype.str), each
        assert (each["codec"], each["duplicates"]) == ("dense" if matrix.dense else "packed", matrix.duplicates), each
        check_sizes(each, matrix, tmp_path / "a.sfs")
        if not matrix.dense:
            assert each["explicit_zeros"] == matrix.explicit_zeros, each
    if name == "descending_indices":
        assert said["matrices"][0]["unsorted_rows"] == truth.matrices["X"].unsorted_rows > 0
    if name == MIXED:
        assert all(each["unsorted_rows"] == 0 for each in said["matrices"])


def check_sizes(said, matrix, collection):
    """`bytes` are those of the matrix's files, but for headers of 128 bytes; `modes` counts the rows that are not empty."""
    described = json.loads((collection / "collection.json").read_text())["matrices"]
    name = said["name"] if said["name"] in ("X", "raw/X") else f"layers/{said['name']}"
    shards = next(each for each in described if each["name"] == name)["shards"]
    files = [value for shard in shards for key, value in shard.items() if isinstance(value, str) and key != "nnz_dtype"]
    total = sum((collection / file).stat().st_size for file in files)
    assert set(said["bytes"]) == {"indices", "values", "rows"}
    assert 0 <= total - sum(said["bytes"].values()) <= 128 * len(files), said
    assert sum(said["modes"].values()) == (np.count_nonzero(np.diff(matrix.indptr)) if said["codec"] == "packed" else 0)


@pytest.mark.parametrize("codec", ["packed", "raw", "dense"])
@pytest.mark.parametrize("name", [MIXED, "dtype_u2", "dtype_b1", "special_values", "no_columns", "several_shards_worth"])
def test_codecs_change_nothing(corpus, convert, name, codec):
    """Without explicit zeros a matrix reads the same whichever way it is stored."""
    stored = convert(corpus[name], "--codec", codec)
    for layer, matrix in source.read(corpus[name]).matrices.items():
        if matrix.explicit_zeros == 0:
            assert dataset(stored)["matrices"][layer]["codec"] == (codec if matrix.n_cols else "raw")
            assert all_rows(stored, layer=layer) == all_rows(convert(corpus[name]), layer=layer)


@pytest.mark.parametrize("layer", ["spliced", "scaled", "with space", "100%"])
def test_one_layer(corpus, convert, layer):
    """--layer NAME takes only that layer, as X."""
    collection = convert(corpus[MIXED], "--layer", layer)
    assert list(dataset(collection)["matrices"]) == ["X"] and dataset(collection)["layers"] == []
    assert all_rows(collection) == all_rows(convert(corpus[MIXED]), layer=layer)
    assert harness.cat_result(collection, "raw/var/_index.txt").returncode != 0


def test_raw_alone(corpus, convert):
    """--raw takes only raw, as X, with raw's own var."""
    for name in (MIXED, "as_in_2018", "as_seurat_disk"):
        both, collection = convert(corpus[name]), convert(corpus[name], "--raw")
        assert list(dataset(collection)["matrices"]) == ["X"]
        assert all_rows(collection) == all_rows(both, layer="raw/X")
        assert harness.cat(collection, "var/_index.txt") == harness.cat(both, "raw/var/_index.txt")
        assert harness.cat(collection, "obs/_index.txt") == harness.cat(both, "obs/_index.txt")


def test_same_input_same_bytes(corpus, tmp_path):
    """Two conversions differ in no file of contents."""
    made = []
    for name in ("a.sfs", "b.sfs"):
        summary(corpus[MIXED], tmp_path / name)
        files = {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}
        made.append({name: blob for name, blob in files.items() if name.name != "collection.json"})
    assert made[0] == made[1]


def test_arrays_open_with_numpy(corpus, convert):
    """The arrays of a collection are true .npy files with names that any shell takes."""
    collection = convert(corpus["every_kind_of_column"])
    arrays = list(collection.rglob("*.npy"))
    assert len(arrays) > 10
    for path in arrays:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+", path.name)
        blob = path.read_bytes()
        assert blob[:10] == b"\x93NUMPY\x01\x00\x76\x00"
        assert len(blob) == 128 + np.load(path, mmap_mode="r" if len(blob) > 128 else None).nbytes
    assert (collection / "collection.json").is_file() and json.loads((collection / "collection.json").read_bytes())


def test_output_is_not_private(corpus, tmp_path):
    """Modes follow the umask, as for any program that writes files."""
    previous = os.umask(0o027)
    try:
        summary(corpus[MIXED], tmp_path / "a.sfs")
    finally:
        os.umask(previous)
    assert (tmp_path / "a.sfs").stat().st_mode & 0o777 == 0o750
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "a.sfs").rglob("*") if path.is_file()} <= {0o640, 0o440}


def test_log_without_a_terminal(corpus, tmp_path):
    """What is said on the way is plain lines on stderr: no carriage returns, no escapes; stdout stays empty without --json."""
    done = harness.mkshufflefs(corpus["several_shards_worth"], tmp_path / "a.sfs")
    assert done.returncode == 0 and done.stdout == b""
    assert b"\r" not in done.stderr and b"\x1b" not in done.stderr


# --- synthetic input -----------------------------------------------------------------------------------------------

SYNTHETIC = "synthetic:rows=3000,vars=2000,density=0.05,seed={}"


def test_synthetic_is_like_a_real_dataset(convert):
    """Counts of about the density asked, genes and rows of very unequal sizes, unequal classes, sorted into plates."""
    collection = convert(SYNTHETIC.format(0))
    said, batch = dataset(collection), csr_reader.parse(all_rows(convert(SYNTHETIC.format(0))))
    assert (said["rows"], said["variables"]) == (3000, 2000)
    assert 0.04 < batch.nnz / (3000 * 2000) < 0.06
    assert (batch.data == np.round(batch.data)).all() and batch.data.min() >= 1 and batch.data.max() > 5
    genes, depths = np.bincount(batch.indices, minlength=2000), np.diff(batch.indptr)
    assert np.percentile(genes, 99) > 10 * max(1, np.percentile(genes, 25)), "genes are alike"
    assert np.percentile(depths, 95) > 1.5 * np.percentile(depths, 5), "rows are alike"
    assert "plate" in {each["name"] for each in said["obs"]}
    plate = np.frombuffer(harness.cat(collection, "obs/plate.npy"), "<i4", offset=128)
    assert (np.diff(plate) >= 0).all() and len(np.unique(plate)) > 1


def test_synthetic_follows_its_seed(convert, tmp_path):
    again = tmp_path / "again.sfs"
    summary(SYNTHETIC.format(0), again)
    assert all_rows(again) == all_rows(convert(SYNTHETIC.format(0))) != all_rows(convert(SYNTHETIC.format(1)))


@pytest.mark.parametrize("text", ["synthetic:", "synthetic:rows=-1,vars=5,density=0.1,seed=0", "synthetic:rows=5,vars=5,density=2,seed=0",
                                  "synthetic:rows=5,vars=5,density=nan,seed=0", "synthetic:rows=x,vars=5,density=0.1,seed=0",
                                  "synthetic:rows=5,vars=5,density=0.1,seed=0,more=1", "synthetic:rows=5,vars=99999999999999,density=0.1,seed=0"])
def test_synthetic_nonsense(text, tmp_path):
    done = harness.mkshufflefs(text, tmp_path / "a.sfs")
    assert done.returncode == 1 and "synthetic" in harness.sentence(done, "mkshufflefs")
    assert os.listdir(tmp_path) == []


def test_an_input_whose_name_is_no_utf8(corpus, tmp_path):
    source_path = tmp_path / os.fsdecode(b"in\xe9.h5ad")
    shutil.copy(corpus[MIXED], source_path)
    done = harness.mkshufflefs(source_path, tmp_path / "a.sfs", "--quiet")
    assert done.returncode == 0, done.stderr


def test_a_summary_that_cannot_be_written(corpus, tmp_path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([harness.BUILD / "mkshufflefs", corpus[MIXED], "-o", tmp_path / "a.sfs", "--json", "--quiet"],
                              stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "summary could not be written" in done.stderr


def test_two_converters_of_one_output(corpus, tmp_path):
    """Any number at once: one collection comes out whole, the others say why not."""
    command = [harness.BUILD / "mkshufflefs", corpus[MIXED], "-o", tmp_path / "a.sfs", "--quiet"]
    for _ in range(5):
        started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
        said = [process.communicate(timeout=120)[1] for process in started]
        codes = sorted(process.returncode for process in started)
        assert codes == [0, 1, 1, 1], said
        assert harness.cat(tmp_path / "a.sfs", "X/data.npy") and os.listdir(tmp_path) == ["a.sfs"]
        shutil.rmtree(tmp_path / "a.sfs")
