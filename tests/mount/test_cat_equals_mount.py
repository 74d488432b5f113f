# SPDX-License-Identifier: Apache-2.0
"""`shufflefs --cat COLLECTION PATH` and the mount agree: on every file's bytes, every directory's names, and on what is not there."""
import os
import random

import pytest

import h5ad_corpus
import harness

OPTIONS = {"batch_size": 40, "world_size": 2, "seed": 11, "epochs": 2, "tail": "keep", "formats": "csr;dir"}
NAMES = ["csr_csc_dense_raw_and_layers", "as_in_2018", "every_kind_of_column", "odd_column_names", "no_x", "no_rows", "no_columns",
         "only_empty_rows"]
UNLISTED = ["rows/0.csr", "rows/3-7.csr", "rows/5,3,3.csr", "epoch_5/rank_1/batch_0.csr", "epoch_2147483646/rank_0/batch_0/rows.npy",
            "epoch_1/quality.json"]
LIVE = ".shufflefs/stats.json"                          # tells of the daemon: test_stats.py
FILES_A_COLLECTION = 120                                # --cat is a process each


@pytest.fixture
def cat():
    """As that of all other tests, by a process each: the one that users start."""
    def cat(*arguments, **options):
        done = harness.cat_process(*arguments, **options)
        assert (done.returncode, done.stderr) == (0, b""), arguments
        return done.stdout
    return cat


def walk(root):
    """(directories, files) below a mount point, as paths relative to it."""
    directories, files = [], []
    for here, folders, names in os.walk(root):
        directories.append(os.path.relpath(here, root))
        files += [os.path.relpath(os.path.join(here, name), root) for name in names]
    return directories, files


@pytest.mark.parametrize("name", NAMES)
def test_everything(name, convert, mount, cat, tmp_path):
    path = tmp_path / f"{name}.h5ad"
    h5ad_corpus.FILES[name](path)
    collection = convert(path)
    with mount(collection, **OPTIONS) as mounted:
        directories, files = walk(mounted.path)
        files += [unlisted for unlisted in UNLISTED if (mounted / unlisted).exists()]
        files.remove(LIVE)
        assert len(files) > 4
        random.Random(1).shuffle(files)
        for file in files[:FILES_A_COLLECTION]:
            assert cat(collection, file, **OPTIONS) == mounted.read(file), file
        for directory in directories[:40]:
            found = cat(collection, "/" if directory == "." else directory, **OPTIONS).split(b"\n")
            assert found.pop() == b"", "every name has its line end"
            if not any("\n" in each for each in mounted.list(directory)):
                assert sorted(map(os.fsdecode, found)) == sorted(mounted.list(directory)), directory


def test_unlisted_names(convert, mount, cat, tmp_path):
    """The names that exist without being listed do so in both."""
    h5ad_corpus.FILES["csr_csc_dense_raw_and_layers"](tmp_path / "a.h5ad")
    collection = convert(tmp_path / "a.h5ad")
    with mount(collection, **OPTIONS) as mounted:
        for name in UNLISTED:
            assert cat(collection, name, **OPTIONS) == mounted.read(name), name


@pytest.mark.parametrize("name", ["nothing", "epoch_0/rank_2", "epoch_0/rank_0/batch_99.csr", "epoch_0/rank_0/batch_007.csr", "obs/none.npy",
                                  "rows/300.csr", "rows/2-1.csr", "README.txt/x", "../collection.json", "epoch_0/../README.txt", "X/data.npy/"])
def test_names_that_are_in_neither(name, convert, mount, tmp_path):
    """--cat fails with a sentence that names the path, and writes nothing."""
    h5ad_corpus.FILES["csr_csc_dense_raw_and_layers"](tmp_path / "a.h5ad")
    collection = convert(tmp_path / "a.h5ad")
    done = harness.cat_process(collection, name, **OPTIONS)
    assert done.returncode != 0 and done.stdout == b""
    assert name in harness.sentence(done, "shufflefs")


def test_a_slash_in_front_changes_nothing(convert, cat, tmp_path):
    h5ad_corpus.FILES["csr_csc_dense_raw_and_layers"](tmp_path / "a.h5ad")
    collection = convert(tmp_path / "a.h5ad")
    assert cat(collection, "/epoch_0/rank_0/batch_0.csr") == cat(collection, "epoch_0/rank_0/batch_0.csr")


def test_a_reader_that_goes_away(convert, tmp_path):
    """`shufflefs --cat ... | head -c 1` ends without a complaint of the shell's kind (a signal is as good as an exit)."""
    h5ad_corpus.FILES["several_shards_worth"](tmp_path / "a.h5ad")
    command = f"'{harness.BUILD}/shufflefs' --cat '{convert(tmp_path / 'a.h5ad')}' X/data.npy | head -c 1 | wc -c"
    done = harness.run(["sh", "-c", command])
    assert done.stdout.strip() == b"1"
