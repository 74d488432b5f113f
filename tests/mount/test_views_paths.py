# SPDX-License-Identifier: Apache-2.0
"""`@key=value,...` in the root of a mount: one canonical name a view, links from all others, errors and what explains them."""
import errno
import os
import stat
import subprocess
import time

import hypothesis
import hypothesis.strategies as st
import pytest

import harness
import views_model

LINKS = {
    "@batch_size=1024": "@", "@layer=X,lossy=0,seed=0": "@", "@where=": "@", "@value_dtype=store,index_dtype=int32": "@",
    "@formats=csr": "@", "@epochs=10": "@", "@tail=even": "@", "@genes=": "@",
    "@world_size=2,batch_size=10": "@batch_size=10,world_size=2",
    "@seed=5,batch_size=1024": "@seed=5",
    "@tail=keep,order=sequential": "@order=sequential",
    "@tail=even,order=sequential": "@order=sequential,tail=even",
    "@formats=npz;csr;npz": "@formats=csr;npz",
    "@where=n_genes > 500": "@where=n_genes%20>%20500",
    "@where=n%5fgenes%3e500": "@where=n_genes>500",
    "@where=n_genes%3E500": "@where=n_genes>500",
    '@where=louvain%3d%3D"NK%20cells"': '@where=louvain=="NK%20cells"',
    "@where=donor != 'é'": "@where=donor%20!=%20'%C3%A9'",
    '@where=attr("a%2fb%2c%20100%25")==1': '@where=attr("a%2Fb%2C%20100%25")==1',
}


@pytest.mark.parametrize("name", LINKS)
def test_other_spellings_are_links(cells_mount, name):
    canonical, path = LINKS[name], cells_mount / name
    assert stat.S_ISLNK(os.lstat(path).st_mode) and os.lstat(path).st_size == len(canonical)
    assert os.readlink(path) == canonical
    target = os.lstat(cells_mount / canonical)
    assert stat.S_ISDIR(target.st_mode) and os.stat(path).st_ino == target.st_ino
    assert os.listdir(path) == os.listdir(cells_mount / canonical)
    assert (path / "epoch_0/rank_0/batch_0.csr").read_bytes() == (cells_mount / canonical / "epoch_0/rank_0/batch_0.csr").read_bytes()


SOME = {
    "batch_size": st.sampled_from([1, 7, 1024, 2**24]), "world_size": st.sampled_from([1, 3, 2**24]),
    "seed": st.sampled_from([0, 1, 2**63, 2**64 - 1]), "order": st.sampled_from(["shuffle", "block", "sequential"]),
    "tail": st.sampled_from(["even", "keep", "pad", "drop"]), "block_size": st.sampled_from([64, 32]), "window": st.sampled_from([65536, 128]),
    "lossy": st.sampled_from([0, 1]), "layer": st.sampled_from(["X", "raw/X", "logged"]), "epochs": st.sampled_from([10, 0, 2**31]),
    "index_dtype": st.sampled_from(["int32", "int64", "uint16"]), "value_dtype": st.sampled_from(["store", "float64"]),
    "where": st.sampled_from(["", "n_genes > 3", 'louvain in ["50% sure/unsure", "Dendritic, cells"]', "donor == 'é\t~'"]),
}
DEFAULTS = {"batch_size": 1024, "world_size": 1, "seed": 0, "order": "shuffle", "block_size": 64, "window": 65536, "lossy": 0, "layer": "X",
            "epochs": 10, "index_dtype": "int32", "value_dtype": "store", "where": ""}


@st.composite
def spellings(draw):
    """(any spelling, keys): in any order, defaults too, and bytes percent-encoded that need not be."""
    chosen = draw(st.lists(st.sampled_from(sorted(SOME)), unique=True, max_size=6))
    keys = {key: draw(SOME[key]) for key in chosen}

    def spell(value):
        out = ""
        for byte in str(value).encode():
            style = draw(st.integers(0, 3))
            needed = byte in b"/,%" or byte > 126
            out += f"%{byte:02X}" if style == 0 else f"%{byte:02x}" if needed or style == 1 else chr(byte)
        return out
    return "@" + ",".join(f"{key}={spell(value)}" for key, value in keys.items()), keys


@hypothesis.settings(max_examples=150)
@hypothesis.given(spellings())
def test_any_spelling(cells_mount, drawn):
    name, keys = drawn
    of_order = "keep" if keys.get("order") == "sequential" else "even"
    canonical = views_model.spell({key: value for key, value in keys.items() if value != {"tail": of_order, **DEFAULTS}[key]})
    path = cells_mount / name
    assert (os.readlink(path) if path.is_symlink() else name) == canonical
    assert os.stat(path).st_ino == os.stat(cells_mount / canonical).st_ino
    assert stat.S_ISDIR(os.lstat(cells_mount / canonical).st_mode)


def test_the_default_view(cells, cells_mount):
    """`@` alone, and everything in it but its name as in a mount without options."""
    assert stat.S_ISDIR(os.lstat(cells_mount / "@").st_mode)
    views_model.check_files(cells_mount / "@", cells[1].view().files(0))
    assert [name for name in cells_mount.list() if name.startswith("@")] == [], "@ names are not listed"


# --- names that are no views ---------------------------------------------------------------------------------------

REFUSED = {
    "@nope=1": "expected one of the keys", "@Batch_size=5": "expected one of the keys", "@batch-size=5": "expected one of the keys",
    "@=5": "expected one of the keys", "@ seed=5": "expected one of the keys",
    "@batch_size": "expected key=value", "@,": "expected key=value", "@seed=5,": "expected key=value", "@,seed=5": "expected key=value",
    "@seed=5,,order=block": "expected key=value", '@where=donor in ["a","b"]': "expected key=value", "@@seed=5": "expected one of the keys",
    "@seed=5,seed=6": "each key once", "@seed=5,seed=5": "each key once", "@where=,seed=1,where=": "each key once",
    "@where=%": "%25", "@where=5%": "%25", "@where=%g0": "%25", "@where=%5": "%25", "@where=%0g": "%25", "@where=%00": "where",
    "@where=n_genes>5%00": "where", "@layer=%00": "layer",
    "@batch_size=0": "from 1 to 16777216", "@batch_size=16777217": "from 1 to 16777216", "@batch_size=-1": "from 1 to", "@batch_size=+1": "from 1",
    "@batch_size=1e3": "batch_size", "@batch_size=007": "batch_size", "@batch_size= 5": "batch_size", "@batch_size=": "batch_size",
    "@batch_size=0x10": "batch_size", "@batch_size=1.0": "batch_size", "@batch_size=18446744073709551617": "batch_size",
    "@world_size=0": "world_size", "@world_size=16777217": "world_size", "@seed=18446744073709551616": "seed", "@seed=-1": "seed",
    "@epochs=2147483649": "epochs", "@block_size=0": "block_size", "@window=0": "window", "@window=1099511627777": "window",
    "@order=random": "shuffle, block, sequential", "@order=": "order", "@order=Block": "order", "@tail=rotate": "even, keep, pad, drop",
    "@value_dtype=int8": "value_dtype", "@index_dtype=int16": "index_dtype", "@lossy=2": "lossy", "@lossy=true": "lossy", "@formats=zarr": "formats",
    "@formats=": "formats", "@formats=csr;": "formats",
    "@order=block,window=100": "multiple of block_size", "@layer=nope": "nope", "@layer=": "layer", "@layer=raw": "raw/X",
    "@genes_file=%2Fetc%2Fhostname": "mount option", "@rows_file=rows.txt": "mount option", "@genes_file=": "mount option",
    "@genes%5Ffile=genes.txt": "expected one of the keys",
    "@value_dtype=uint8,layer=logged": "lossy=1", "@where=nope>3": "nope", "@where=n_genes>": "where", "@where=louvain==5": "louvain",
    "@where=attr('a')": "where", "@genes=nope==1": "nope", "@genes=n_genes>500": "n_genes", "@where=n_cells>5": "n_cells",
    "@where=\xff": "where", "@where=%FF": "where", "@where=n%0Aevil: line": "where", "@layer=a%0Ab%0D%1B[31m": "layer", "@a\nb=5": "expected one of",
}


def errno_of(function, *arguments):
    with pytest.raises(OSError) as caught:
        function(*arguments)
    return caught.value.errno


@pytest.mark.parametrize("name", REFUSED)
def test_refused(cells_mount, name):
    path = os.fsencode(cells_mount.path) + b"/" + name.encode("latin-1")
    explained = os.fsencode(cells_mount.path) + b"/.shufflefs/explain/" + name.encode("latin-1")
    for _ in range(2):
        assert errno_of(os.stat, path) == errno.ENOENT
        assert errno_of(os.listdir, path) == errno.ENOENT
        assert errno_of(os.open, path + b"/epoch_0/rank_0/batch_0.csr", os.O_RDONLY) == errno.ENOENT
    with open(explained, "rb") as file:
        text = file.read().decode("utf-8", "replace")
    assert os.stat(explained).st_size > 10 and text.endswith("\n") and text[:-1].isprintable(), "one line, without control characters"
    assert REFUSED[name] in text and "This is a view" not in text, text


def test_refused_without_a_mount(cells):
    for name in ("@nope=1", "@where=nope>3", "@batch_size=0"):
        done = harness.cat_result(cells[0], f"{name}/view.json")
        assert done.returncode == 1 and done.stdout == b"" and REFUSED[name] in harness.sentence(done, "shufflefs")


LONG = 'donor == "' + "x" * 2000


@pytest.mark.parametrize("name", [
    "@where=" + LONG[:1016], "@where=" + LONG[:1017], "@where=" + LONG[:1500], "@where=" + " " * 300 + "n_genes>5", "@where=" + " " * 360 + "n_genes>5",
    "@where=" + " " * 900 + "n_genes>5", "@" + "x" * 1023, "@" + "," * 1000], ids=lambda name: f"{name[:9]}...{len(name)}")
def test_names_that_are_too_long(cells_mount, name):
    """A name, or the canonical name that a link would point to, of more bytes than names may have."""
    canonical = views_model.spell({"where": name[7:]})
    good = name.endswith("n_genes>5") and len(canonical) <= 1023
    if good:
        assert len(os.listdir(cells_mount / name)) > 5
        return
    for function in (os.stat, os.lstat, os.listdir):
        assert errno_of(function, cells_mount / name) in (errno.ENOENT, errno.ENAMETOOLONG)
    if len(name) < 1024:
        assert b"xpected" in (cells_mount / ".shufflefs/explain" / name).read_bytes()


def test_explanations_of_views(cells, cells_mount):
    selected = cells[1].view(cells[1].obs.n_genes > 500, batch_size=10, world_size=3)
    for name in ("@batch_size=10,where=n_genes>500,world_size=3", "@where=n_genes>500,world_size=3,batch_size=10"):
        text = (cells_mount / ".shufflefs/explain" / name).read_text()
        assert text == (f"This is a view: {len(selected.rows)} rows, 60 columns, {selected.steps()} batches a rank; "
                        "its name is @batch_size=10,where=n_genes>500,world_size=3\n")
    assert cells_mount.list(".shufflefs/explain") == []
    for name in ("seed=5", "x", "README.txt"):
        assert errno_of(os.stat, cells_mount / ".shufflefs/explain" / name) == errno.ENOENT


def test_nothing_in_a_view_can_be_changed(cells_mount):
    for path in (cells_mount / "@seed=5", cells_mount / "@seed=5/epoch_0"):
        assert errno_of(os.mkdir, path / "new") == errno.EROFS
        assert errno_of(os.rmdir, path) == errno.EROFS
    assert errno_of(os.mkdir, cells_mount / "@seed=77") in (errno.EROFS, errno.EEXIST)
    assert errno_of(os.open, cells_mount / "@seed=5/epoch_0/rank_0/batch_0.csr", os.O_WRONLY) == errno.EROFS
    assert errno_of(os.symlink, "@", cells_mount / "@seed=5x") == errno.EROFS


def test_names_in_a_view(cells_mount):
    """What cannot exist in a view does not, first and later; a view has no views, no rows/ beside it, and no .shufflefs."""
    for name in ("@seed=6", "epoch_2147483648", "epoch_00", "epoch_0/rank_2", "epoch_0/rank_0/batch_35.csr", "epoch_0/rank_0/batch_0.txt",
                 "epoch_0/rank_0/batch_0/nothing.npy", ".shufflefs", "lung", "epoch_0/where/700", "epoch_0/where/-1", "epoch_0/where/007",
                 "epoch_0/where/x", "epoch_0/where/18446744073709551616"):
        for _ in range(2):
            assert errno_of(os.stat, cells_mount / "@batch_size=10,world_size=2" / name) == errno.ENOENT, name
    assert errno_of(os.stat, cells_mount / "@seed=5/view.json/x") == errno.ENOTDIR
    assert errno_of(os.stat, cells_mount / "epoch_0/@seed=5") == errno.ENOENT


def test_a_missing_name_is_not_remembered(cells, mount, tmp_path):
    """A view that is added while mounted appears, one that is removed disappears, and what is open goes on."""
    collection = tmp_path / "a.sfs"
    subprocess.run(["cp", "-r", cells[0], collection], check=True)
    command = harness.BUILD / "mkshufflefs", "view"
    with mount(collection) as mounted:
        assert errno_of(os.stat, mounted / "lung") == errno.ENOENT and "lung" not in mounted.list()
        assert harness.run([*command, "add", collection, "lung", "--where", "tissue_general == 'lung'"]).returncode == 0
        assert os.stat(mounted / "lung") and "lung" in mounted.list()
        expected = (mounted / "lung/epoch_0/rank_0/batch_0.csr").read_bytes()
        with open(mounted / "lung/epoch_1/rank_0/batch_0.csr", "rb", buffering=0) as file:
            begin = file.read(100)
            assert harness.run([*command, "remove", collection, "lung"]).returncode == 0
            deadline = time.monotonic() + 2.5
            while (mounted / "lung").exists():
                assert time.monotonic() < deadline, "still there 2 s after it was removed"
                time.sleep(0.05)
            assert "lung" not in mounted.list()
            assert harness.run([*command, "add", collection, "lung", "--where", "tissue_general == 'kidney'"]).returncode == 0
            assert (mounted / "lung/epoch_0/rank_0/batch_0.csr").read_bytes() != expected
            assert begin + file.read() == cells[1].view(cells[1].obs.tissue_general == "lung").files(1)["epoch_1/rank_0/batch_0.csr"]
