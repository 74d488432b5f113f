# SPDX-License-Identifier: Apache-2.0
"""A view is the same whichever way it is asked for: in a path, as mount options, by a name, with or without a mount; and it is what the source says."""
import os
import subprocess

import pytest

import harness
import views_model
from test_views_where import select

CONFIGURATIONS = {
    "defaults": {},
    "ranks": {"batch_size": 40, "world_size": 3, "seed": 2**64 - 1, "tail": "keep"},
    "block": {"batch_size": 33, "world_size": 2, "order": "block", "block_size": 16, "window": 64, "tail": "pad"},
    "sequential": {"batch_size": 100, "world_size": 2, "order": "sequential"},
    "sequential_even": {"batch_size": 100, "world_size": 3, "order": "sequential", "tail": "even"},
    "drop": {"batch_size": 32, "tail": "drop", "seed": 5, "index_dtype": "uint16", "value_dtype": "uint8"},
    "float16": {"batch_size": 200, "value_dtype": "float16", "index_dtype": "int64"},
    "raw": {"batch_size": 90, "world_size": 2, "layer": "raw/X", "value_dtype": "int64"},
    "lossy": {"batch_size": 90, "layer": "logged", "value_dtype": "int32", "lossy": 1},
    "dense": {"batch_size": 90, "layer": "scaled", "value_dtype": "float32"},
    "where": {"batch_size": 10, "world_size": 4, "tail": "pad", "where": 'tissue_general in ["lung", "kidney"] and n_genes >= 480'},
    "where_genes": {"batch_size": 50, "where": "louvain == 'Dendritic, cells'", "genes": "highly_variable", "value_dtype": "uint8", "layer": "X"},
    "genes_raw": {"batch_size": 64, "genes": "kept", "layer": "raw/X", "world_size": 2},
}


def expected(cells, options):
    keys = {key: value for key, value in options.items() if key not in ("where", "genes")}
    var = cells.var if keys.get("layer") != "raw/X" else cells.adata.raw.var
    columns = var[options["genes"]] if "genes" in options else None
    return cells.view(select(cells.obs, options.get("where")), columns, **keys)


def listing(root):
    """Everything below an epoch: names, and whether they are directories."""
    return sorted((os.path.relpath(os.path.join(here, name), root), name in folders)
                  for here, folders, files in os.walk(root) for name in [*folders, *files])


def others(files):
    """The files of the same batches that the model does not have byte for byte: archives, and what accompanies a batch."""
    batches = [name[:-4] for name in files if name.endswith(".csr")]
    return [f"{batch}{suffix}" for batch in batches
            for suffix in (".npz", "/obs/louvain.npy", "/obs/score.npy", "/obs/score.mask.npy", "/layers/logged/data.npy", "/layers/scaled/indices.npy")]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_path_and_options(cells, cells_mount, mount, name):
    options = CONFIGURATIONS[name]
    directory = cells_mount / views_model.spell({**options, "formats": "csr;npz;npy;dir"})
    files = expected(cells[1], options).files(1)
    views_model.check_files(directory, files)
    with mount(cells[0], **options, formats="csr;npz;npy;dir") as mounted:
        assert listing(directory / "epoch_1") == listing(mounted / "epoch_1")
        views_model.check_files(mounted.path, files)
        for other in others(files):
            assert (directory / other).read_bytes() == mounted.read(other), other
            assert (directory / other).stat().st_size == (mounted / other).stat().st_size


@pytest.mark.parametrize("name", ["ranks", "where_genes", "dense", "genes_raw"])
def test_without_a_mount(cells, cells_mount, cat, name):
    """`shufflefs --cat` of the path, of the path below a mount with options, and of links."""
    options = CONFIGURATIONS[name]
    spelled = views_model.spell(options)
    backwards = "@" + ",".join(reversed(spelled[1:].split(",")))
    view = expected(cells[1], options)
    files = view.files(1)
    for path in [next(path for path in files if path.endswith(end)) for end in ("batch_0.csr", "batch_0.npy", "/data.npy")]:
        assert cat(cells[0], f"{spelled}/{path}") == files[path], path
        assert cat(cells[0], f"{backwards}//./{path}") == files[path], path
        assert cat(cells[0], path, **options) == files[path], path
    row = int(view.rows[0])
    assert cat(cells[0], f"{spelled}/epoch_1/where/{row}") == (cells_mount / spelled / f"epoch_1/where/{row}").read_bytes()
    assert cat(cells[0], f"{spelled}/view.json") == (cells_mount / spelled / "view.json").read_bytes()


def test_a_path_does_not_inherit(cells, mount):
    """On a mount with options, a path means what it means on every mount."""
    with mount(cells[0], batch_size=7, world_size=3, seed=5, order="sequential", where="n_genes < 100", genes="highly_variable",
               layer="logged", value_dtype="float64") as mounted:
        views_model.check_files(mounted / "@", expected(cells[1], {}).files(0))
        views_model.check_files(mounted / views_model.spell(CONFIGURATIONS["ranks"]), expected(cells[1], CONFIGURATIONS["ranks"]).files(0))


@pytest.mark.parametrize("name", ["block", "where", "raw", "where_genes"])
def test_a_named_view(cells, mount, tmp_path, name):
    """The same keys under a name, on a mount of which they are no option."""
    collection = tmp_path / "a.sfs"
    subprocess.run(["cp", "-r", cells[0], collection], check=True)
    keys = [word for key, value in CONFIGURATIONS[name].items() for word in (f"--{key.replace('_', '-')}", str(value))]
    done = harness.run([harness.BUILD / "mkshufflefs", "view", "add", collection, "mine", *keys])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    with mount(collection, batch_size=3, seed=1) as mounted:
        assert not (mounted / "mine").is_symlink()
        views_model.check_files(mounted / "mine", expected(cells[1], CONFIGURATIONS[name]).files(2))
