# SPDX-License-Identifier: Apache-2.0
"""Named views: `mkshufflefs view add|list|remove`, what they keep in the collection, and what a mount makes of damage there."""
import errno
import json
import os
import shutil
import subprocess

import numpy as np
import pytest
import xxhash

import harness
import views_model


@pytest.fixture
def own(cells, tmp_path):
    """A copy of the collection that a test may write to."""
    collection = tmp_path / "own.sfs"
    subprocess.run(["cp", "-r", cells[0], collection], check=True)
    return collection


def view(*words):
    return harness.run([harness.BUILD / "mkshufflefs", "view", *words])


def add(collection, name, **keys):
    done = view("add", collection, name, *(word for key, value in keys.items() for word in (f"--{key.replace('_', '-')}", value)))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), done.stderr


def digest(rows):
    return f"xxh3-64:{xxhash.xxh3_64_hexdigest(np.asarray(rows, '<i8').tobytes())}"


def test_add_list_remove(cells, own, mount):
    assert view("list", own).stdout == b""
    add(own, "lung", where="tissue_general == 'lung'", batch_size="50", order="sequential", tail="keep")
    add(own, "a-b_9", seed="18446744073709551615")
    add(own, "plain")
    assert view("list", own).stdout.decode().splitlines() == [
        "a-b_9\t@seed=18446744073709551615", "lung\t@batch_size=50,order=sequential,where=tissue_general%20==%20'lung'", "plain\t@"]
    with mount(own) as mounted:
        assert {"lung", "a-b_9", "plain"} <= set(mounted.list())
        assert len(mounted.list()) == len(set(mounted.list()))
        selected = cells[1].view(cells[1].obs.tissue_general == "lung", batch_size=50, order="sequential")
        views_model.check_files(mounted / "lung", selected.files(0))
        views_model.check_files(mounted / "a-b_9", cells[1].view(seed=2**64 - 1).files(0))
    assert view("remove", own, "lung").returncode == 0
    assert [line.split("\t")[0] for line in view("list", own).stdout.decode().splitlines()] == ["a-b_9", "plain"]
    assert sorted(os.listdir(own / "views")) == ["a-b_9.json", "plain.json"]
    done = view("remove", own, "lung")
    assert done.returncode == 1 and "lung" in harness.sentence(done, "mkshufflefs")


def test_spellings_of_options(own):
    done = view("add", own, "a", "--batch-size=7", "--world_size", "3", "--where=n_genes > 500", "--value-dtype", "float64")
    assert done.returncode == 0 and view("list", own).stdout == b"a\t@batch_size=7,value_dtype=float64,where=n_genes%20>%20500,world_size=3\n"


def test_view_json(cells, own, mount):
    """The definition, what became of it, and a digest of the rows that anyone can compute again."""
    where = 'louvain in ["Dendritic, cells", "NK cells"]'
    add(own, "some", where=where, batch_size="20", world_size="2", genes="highly_variable", seed="9")
    rows = np.nonzero(cells[1].obs.louvain.isin(["Dendritic, cells", "NK cells"]).to_numpy())[0]
    with mount(own) as mounted:
        text = mounted.read("some/view.json")
        described = json.loads(text)
        assert described["keys"]["where"] == where and described["keys"]["batch_size"] == 20 and described["keys"]["genes"] == "highly_variable"
        assert described["keys"]["seed"] == 9 and described["keys"]["order"] == "shuffle" and "rows_file" not in described["keys"]
        assert described["rows"] == len(rows) and described["columns"] == int(cells[1].var.highly_variable.sum())
        assert described["batches_per_rank"] == len(mounted.list("some/epoch_0/rank_1"))
        assert described["rows_digest"] == digest(rows)
        assert (mounted / described["name"] / "view.json").read_bytes() == text, "the same view by its @ name"
        assert os.stat(mounted / "some/view.json").st_size == len(text)
        for name, numbers in (("@", range(cells[1].n)), ("@where=n_genes>5000", []), ("@batch_size=3,where=is_b_cell", np.nonzero(cells[1].obs.is_b_cell.to_numpy())[0])):
            assert json.loads(mounted.read(f"{name}/view.json"))["rows_digest"] == digest(numbers)


def test_lists_are_kept_in_the_collection(cells, own, mount, tmp_path):
    """The files are copied: what they were copied from, and the working directory, do not matter later."""
    rows, genes = tmp_path / "r.npy", tmp_path / "g.txt"
    np.save(rows, np.array([5, 3, 3, 600]))
    genes.write_text("gene9\ngene2\n")
    for relative in (False, True):
        name = f"lists{int(relative)}"
        where = {"cwd": tmp_path} if relative else {}
        command = [harness.BUILD / "mkshufflefs", "view", "add", own, name, "--order", "sequential",
                   "--rows-file", rows.name if relative else rows, "--genes-file", genes.name if relative else genes]
        assert harness.run(command, **where).returncode == 0
    assert sorted(os.listdir(own / "views")) == sorted(f"lists{i}.{end}" for i in (0, 1) for end in ("json", "rows", "genes"))
    rows.unlink(), genes.unlink()
    moved = own.rename(own.parent / "moved.sfs")
    with mount(moved) as mounted:
        for name in ("lists0", "lists1"):
            views_model.check_files(mounted / name, cells[1].view([5, 3, 3, 600], [9, 2], order="sequential").files(0))
            assert json.loads(mounted.read(f"{name}/view.json"))["rows_digest"] == digest([5, 3, 3, 600])
            assert not (mounted / name / "epoch_0/where").exists()
    assert view("remove", moved, "lists0").returncode == 0
    assert sorted(os.listdir(moved / "views")) == ["lists1.genes", "lists1.json", "lists1.rows"]


BAD_NAMES = ["", "Lung", "9lung", "_lung", "-lung", "lung.json", "lung/x", "../x", ".", "..", "@x", "lung cells", "é", "a" * 65, "obs", "var", "obsm",
             "layers", "raw", "rows", "epoch_0", "epoch_x"]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_bad_names(own, name):
    for done in (view("add", own, name, "--seed", "1"), view("remove", own, name)):
        assert done.returncode == 1 and "expected" in harness.sentence(done, "mkshufflefs"), name
    assert not (own / "views").exists() or os.listdir(own / "views") == []


def test_names_of_the_root_are_no_views(own, mount):
    """Whatever is in the root of a mount cannot be hidden by a view, nor hide one."""
    with mount(own) as mounted:
        for name in mounted.list():
            assert view("add", own, name).returncode == 1, name
    add(own, "a" * 64)
    with mount(own) as mounted:
        assert (mounted / ("a" * 64) / "view.json").exists()


UNSUITABLE = {
    "where": ("nope > 3", "where"), "genes": ("n_genes > 3", "genes"), "layer": ("nope", "layer"), "batch_size": ("0", "batch_size"),
    "order": ("random", "order"), "nope": ("1", "keys"), "rows_file": ("/nonexistent", "rows_file"), "genes_file": ("/nonexistent", "genes_file"),
    "value_dtype": ("int8", "value_dtype"),
}


@pytest.mark.parametrize("key", UNSUITABLE)
def test_views_that_do_not_suit(own, key):
    value, said = UNSUITABLE[key]
    done = view("add", own, "bad", f"--{key.replace('_', '-')}", value)
    assert done.returncode == 1 and said in harness.sentence(done, "mkshufflefs")
    assert not (own / "views").exists() or os.listdir(own / "views") == [], "nothing is left of it"


def test_duplicates_and_wrong_words(own):
    add(own, "a", seed="1")
    before = (own / "views/a.json").read_bytes()
    done = view("add", own, "a", "--seed", "2")
    assert done.returncode == 1 and "remove it first" in harness.sentence(done, "mkshufflefs")
    assert (own / "views/a.json").read_bytes() == before
    for words in ((), ("nope", own), ("add",), ("add", own), ("list",), ("list", own, "x"), ("remove", own), ("remove", own, "a", "b"),
                  ("add", own, "b", "--seed"), ("add", own, "b", "seed", "5"), ("list", own / "views"), ("list", "/nonexistent.sfs")):
        done = view(*words)
        assert done.returncode == 1 and done.stdout == b"" and len(done.stderr.splitlines()) == 1, words
    assert view("--help").returncode == 0 and b"usage: mkshufflefs view" in view("--help").stdout
    assert sorted(os.listdir(own / "views")) == ["a.json"]


# --- damage --------------------------------------------------------------------------------------------------------

def keys_of(own, **changes):
    root = json.loads((own / "views/hurt.json").read_text())
    root["keys"].update(changes)
    return json.dumps(root)


DAMAGE = {
    "empty": lambda own: "", "no json": lambda own: "{", "twice": lambda own: '{"format": "shufflefs view", "format": "shufflefs view", "version": 1, "keys": {}}',
    "a list": lambda own: "[]", "other format": lambda own: '{"format": "x", "version": 1, "keys": {}}',
    "later version": lambda own: '{"format": "shufflefs view", "version": 2, "keys": {}}', "no keys": lambda own: '{"format": "shufflefs view", "version": 1}',
    "number": lambda own: keys_of(own, seed=5), "unknown key": lambda own: keys_of(own, nope="1"), "bad value": lambda own: keys_of(own, batch_size="0"),
    "list elsewhere": lambda own: keys_of(own, rows_file="/etc/hostname"), "list outside": lambda own: keys_of(own, genes_file="views/../collection.json"),
    "binary": lambda own: b"\xff\xfe\x00" * 50, "large": lambda own: " " * (2 << 20),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_view(cells, own, mount, name):
    """EIO with a line in the log that names the file; the other views, and the rest, go on."""
    add(own, "good", batch_size="50")
    add(own, "hurt", seed="5")
    damage = DAMAGE[name](own)
    (own / "views/hurt.json").write_bytes(damage if isinstance(damage, bytes) else damage.encode())
    with mount(own) as mounted:
        mounted.expect(r"views/hurt\.json: ")
        for function in (os.stat, os.listdir):
            with pytest.raises(OSError) as caught:
                function(mounted / "hurt")
            assert caught.value.errno == errno.EIO
        assert "views/hurt.json" in mounted.log()
        assert {"good", "hurt"} <= set(mounted.list())
        views_model.check_files(mounted / "good", cells[1].view(batch_size=50).files(0))
        assert mounted.read("@/view.json") and mounted.read("README.txt")
    done = view("list", own)
    assert done.returncode == 1 and done.stdout == b"good\t@batch_size=50\n" and "views/hurt.json" in harness.sentence(done, "mkshufflefs")
    assert view("remove", own, "hurt").returncode == 0 and view("list", own).stdout == b"good\t@batch_size=50\n"


def test_a_list_that_is_damaged(own, mount, tmp_path):
    """Views whose lists are gone or say something else, or that no longer suit the collection, do not take others along."""
    (tmp_path / "rows").write_text("1\n2\n")
    for name in ("gone", "wrong", "good"):
        add(own, name, rows_file=tmp_path / "rows")
    (own / "views/gone.rows").unlink()
    (own / "views/wrong.rows").write_text("1\n9999\n")
    with mount(own) as mounted:
        mounted.expect("rows_file")
        for name in ("gone", "wrong"):
            with pytest.raises(OSError) as caught:
                os.stat(mounted / name)
            assert caught.value.errno == errno.EIO, name
            assert f"views/{name}.json" in mounted.log()
        assert mounted.read("good/epoch_0/rank_0/batch_0/rows.npy")


def test_things_that_are_no_views(own, mount):
    """What else lies in views/ is not shown: other names, directories, links out of the collection."""
    add(own, "good", seed="2")
    shutil.copy(own / "views/good.json", own / "views/Upper.json")
    shutil.copy(own / "views/good.json", own / "views/obs.json")
    (own / "views/notes.txt").write_text("x")
    (own / "views/.json").write_text("{}")
    os.symlink("/etc/hostname", own / "views/link.json")
    (own / "views/folder.json").mkdir()
    with mount(own) as mounted:
        mounted.expect(r"views/(link|folder)\.json")
        assert [name for name in mounted.list() if name in ("good", "Upper", "notes", "obs.json", "notes.txt", "")] == ["good"]
        assert not (mounted / "Upper").exists() and (mounted / "obs/n_genes.npy").exists()
        for name in ("link", "folder"):
            with pytest.raises(OSError) as caught:
                os.listdir(mounted / name)
            assert caught.value.errno in (errno.EIO, errno.ENOENT)
        assert mounted.read("good/view.json")


def test_a_collection_that_cannot_be_written(own, mount):
    """Read-only: views that are there are served, and adding one is refused in a sentence."""
    add(own, "there", seed="2")
    subprocess.run(["chmod", "-R", "a-w", own], check=True)
    try:
        with mount(own) as mounted:
            assert mounted.read("there/view.json") and mounted.read("@where=is_b_cell/view.json")
        if os.geteuid():
            done = view("add", own, "more", "--seed", "3")
            assert done.returncode == 1 and harness.sentence(done, "mkshufflefs")
    finally:
        subprocess.run(["chmod", "-R", "u+w", own], check=True)


def test_a_disk_that_is_read_only(own, tmp_path):
    """Even the superuser cannot write there."""
    place = tmp_path / "ro"
    place.mkdir()
    if subprocess.run(["mount", "--bind", own, place], capture_output=True).returncode:
        pytest.skip("cannot mount here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        done = view("add", place, "more", "--seed", "3")
        assert done.returncode == 1 and "Read-only" in harness.sentence(done, "mkshufflefs")
        assert harness.cat(place, "@seed=3/view.json")
    finally:
        subprocess.run(["umount", place], check=True)


def test_many_views(own, mount):
    """Listed once each, in the order of names."""
    add(own, "v0", seed="3")
    for i in range(1, 40):
        shutil.copyfile(own / "views/v0.json", own / f"views/v{i}.json")
    expected = sorted(f"v{i}" for i in range(40))
    with mount(own) as mounted:
        assert [name for name in mounted.list() if name in expected] == expected
        assert len({os.stat(mounted / name).st_ino for name in expected}) == 40
