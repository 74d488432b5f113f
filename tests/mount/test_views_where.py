# SPDX-License-Identifier: Apache-2.0
"""`where`: the rows that pandas selects, each once an epoch, in the reference's order; through paths and through options."""
import io
import random

import numpy as np
import pytest

import csr_reader
import harness
import views_model
import xxhash

# TileDB's examples as they are written (research on loaders, part 1.3), and what pandas says to each.
EXAMPLES = {
    "n_genes > 500": lambda o: o.n_genes > 500,
    'louvain == "NK cells"': lambda o: o.louvain == "NK cells",
    "percent_mito > 0.02": lambda o: o.percent_mito > np.float32(0.02),
    "is_b_cell == True": lambda o: o.is_b_cell,
    "0 <= n_genes < 500": lambda o: (o.n_genes >= 0) & (o.n_genes < 500),
    'louvain in ["NK cells","CD4 T cells"]': lambda o: o.louvain.isin(["NK cells", "CD4 T cells"]),
    'louvain not in ["NK cells","CD4 T cells"]': lambda o: ~o.louvain.isin(["NK cells", "CD4 T cells"]),
    "1 > n_genes": lambda o: o.n_genes < 1,
    "n_genes > -(+(-1))": lambda o: o.n_genes > 1,
    "not n_genes == 480": lambda o: o.n_genes != 480,
    'n_genes > 500 and percent_mito < 0.02 or louvain == "B cells"':
        lambda o: (o.n_genes > 500) & (o.percent_mito < np.float32(0.02)) | (o.louvain == "B cells"),
    "(n_genes > 500) & (n_genes < 1000)": lambda o: (o.n_genes > 500) & (o.n_genes < 1000),
    "attr('n_genes') == 480": lambda o: o.n_genes == 480,
    "n_genes > val(100.0)": lambda o: o.n_genes > 100,
    'is_primary_data == True and tissue_general in ["pancreas","kidney"] and nnz >= 300':
        lambda o: o.is_primary_data & o.tissue_general.isin(["pancreas", "kidney"]) & (o.nnz >= 300),
}
# Beyond them: what is missing, names and values that need encoding, and the operators that are ours.
MORE = {
    'louvain == "nope"': lambda o: o.n_genes < 0,
    "louvain == None": lambda o: o.louvain.isna(),
    "louvain != None": lambda o: o.louvain.notna(),
    "score == None": lambda o: o.score.isna(),
    "score > 0": lambda o: o.score > 0,
    "not score > 0": lambda o: ~(o.score > 0),
    'louvain == "Dendritic, cells"': lambda o: o.louvain == "Dendritic, cells",
    "louvain == '50% sure/unsure'": lambda o: o.louvain == "50% sure/unsure",
    "louvain like \"%T cells\"": lambda o: o.louvain.str.endswith("T cells") == True,  # noqa: E712 (NaN is not True)
    'attr("a/b, 100%") >= 2': lambda o: o["a/b, 100%"] >= 2,
    "donor in ['donor1', 'donor8']": lambda o: o.donor.isin(["donor1", "donor8"]),
    "_index == 'cell17'": lambda o: o.index == "cell17",
    "n_counts / n_genes > 10 and n_genes > 0": lambda o: (o.n_genes > 0) & (o.n_counts / o.n_genes.where(o.n_genes > 0) > 10),
    'donor == "back\\\\slash"': lambda o: o.n_genes < 0,
    "n_genes >= 0": lambda o: o.n_genes >= 0,
}
SELECT = {**EXAMPLES, **MORE, 'tissue_general in ["lung", "kidney"] and n_genes >= 480':
          lambda o: o.tissue_general.isin(["lung", "kidney"]) & (o.n_genes >= 480), "louvain == 'Dendritic, cells'": MORE['louvain == "Dendritic, cells"']}


def select(obs, expression):
    """The mask that pandas selects; None where there is no expression."""
    return SELECT[expression](obs) if expression else None


@pytest.mark.parametrize("expression", [*EXAMPLES, *MORE])
def test_rows_are_those_of_pandas(cells, cells_mount, cat, expression):
    view = cells[1].view(select(cells[1].obs, expression), batch_size=23, world_size=3, tail="keep", seed=9)
    directory = cells_mount / views_model.spell({"batch_size": 23, "seed": 9, "tail": "keep", "where": expression, "world_size": 3})
    found = views_model.rows_below(directory, epoch=2)
    assert sorted(found) == view.rows.tolist()
    assert found.tolist() == [row for _, _, rows in view.batches(2) for row in rows.tolist()]
    at_once = np.load(io.BytesIO(cat(cells[0], "epoch_2/rank_0/batch_0/rows.npy", where=expression, tail="keep", seed=9))) if len(view.rows) else []
    assert sorted(at_once) == view.rows.tolist(), "as an option"


@pytest.mark.parametrize("tail", ["even", "keep", "pad", "drop"])
@pytest.mark.parametrize("order", ["shuffle", "block", "sequential"])
def test_every_file_of_an_epoch(cells, cells_mount, tail, order):
    """Position j holds S[p(j)], whatever the order and the last batches: the files are those of the reference."""
    mask = cells[1].obs.tissue_general == "kidney"
    keys = {"batch_size": 17, "world_size": 3, "tail": tail, "order": order, "seed": 3, **({"block_size": 8, "window": 32} if order == "block" else {})}
    view = cells[1].view(mask, **keys)
    shown = {key: value for key, value in keys.items() if (key, value) not in (("order", "shuffle"), ("tail", "keep" if order == "sequential" else "even"))}
    directory = cells_mount / views_model.spell({**shown, "where": "tissue_general=='kidney'"})
    views_model.check_files(directory, view.files(1))
    assert len(list((directory / "epoch_1/rank_2").iterdir())) == view.steps()


def test_thresholds(cells, cells_mount):
    """Selections of every size from none to all, told by view.json with a digest of the rows."""
    rng = random.Random(4)
    for threshold in [-1, 0, 1499, 1500, *(rng.randrange(1500) for _ in range(25))]:
        rows = np.nonzero((cells[1].obs.n_genes <= threshold).to_numpy())[0]
        text = (cells_mount / f"@where=n_genes<={threshold}/view.json").read_text()
        assert f'"rows": {len(rows)},' in text
        assert f'"xxh3-64:{xxhash.xxh3_64_hexdigest(rows.astype("<i8").tobytes())}"' in text


@pytest.mark.parametrize("tail", ["even", "keep", "pad", "drop"])
@pytest.mark.parametrize("keys", [{"where": 'louvain=="nope"'}, {"where": "n_genes>5000", "order": "block"}, {"where": "n_genes>5000", "order": "sequential"}])
def test_no_rows(cells_mount, keys, tail):
    """A view may select no rows: no batches, and no error anywhere."""
    directory = cells_mount / views_model.spell({**keys, **({"tail": tail} if tail != "even" else {}), "world_size": 2, "formats": "csr;npz;npy;dir"})
    directory = directory.resolve()
    assert [list(rank.iterdir()) for rank in sorted((directory / "epoch_0").iterdir())] == [[], []]
    assert not (directory / "epoch_0/rank_0/batch_0.csr").exists() and not (directory / "epoch_0/rank_0/batch_0").exists()
    assert (directory / "epoch_5/where/7").read_bytes() == b""
    assert '"rows": 0,' in (directory / "view.json").read_text() and '"batches_per_rank": 0,' in (directory / "view.json").read_text()


def test_no_rows_as_an_option(cells, mount):
    with mount(cells[0], where="n_genes > 5000", world_size=2) as mounted:
        assert mounted.list("epoch_0/rank_1") == [] and not (mounted / "epoch_0/rank_0/batch_0.npz").exists()
        assert mounted.read("epoch_0/where/3") == b"" and mounted.read("obs/n_genes.npy") and mounted.read("rows/3.csr")


def test_an_option_that_is_refused(cells, mountpoint):
    """One sentence that names the option and the place, and no mount."""
    for value, said in (("nope > 3", "where: at character 1"), ("n_genes >", "where: at character"), ("louvain in [1\\,", "where"),
                        ("n_genes == 3 == ", "where"), ("louvain == 5", "where: at character")):
        done = harness.run([harness.BUILD / "shufflefs", cells[0], mountpoint, "-f", "-o", f"where={value}"])
        assert done.returncode == 1 and said in harness.sentence(done, "shufflefs"), done.stderr


def test_commas_in_options(cells, mount):
    """`\\,` and `\\\\` are the only escapes of -o, and `%` is plain there."""
    expression = 'louvain in ["Dendritic, cells", "50% sure/unsure"]'
    mask = cells[1].obs.louvain.isin(["Dendritic, cells", "50% sure/unsure"])
    with mount(cells[0], arguments=["-o", "batch_size=50,where=" + expression.replace(",", "\\,") + ",seed=3"]) as mounted:
        views_model.check_files(mounted.path, cells[1].view(mask, batch_size=50, seed=3).files(0))


@pytest.fixture(scope="module")
def many(convert, tmp_path_factory):
    """More rows than a Fisher-Yates table takes, before and after selecting."""
    path = tmp_path_factory.mktemp("where") / "many.h5ad"
    views_model.write_cells(path, 9000, seed=5)
    return convert(path, "--shard-rows", "3500"), views_model.Cells(path)


@pytest.mark.parametrize("threshold", [300, 1000])
def test_beyond_the_table(many, mount, threshold):
    """Fewer and more than 4,096 rows selected of 9,000 in three shards: each once, in the reference's order."""
    collection, cells = many
    view = cells.view(cells.obs.n_genes < threshold, batch_size=512, world_size=2, tail="keep", seed=8)
    assert (len(view.rows) > 4096) == (threshold == 1000)
    with mount(collection) as mounted:
        directory = mounted / f"@batch_size=512,seed=8,tail=keep,where=n_genes<{threshold},world_size=2"
        found = views_model.rows_below(directory, epoch=3)
        assert found.tolist() == [row for _, _, rows in view.batches(3) for row in rows.tolist()]
        blob = (directory / "epoch_3/rank_1/batch_1.csr").read_bytes()
        csr_reader.parse(blob)
        assert blob == view.files(3)["epoch_3/rank_1/batch_1.csr"]
