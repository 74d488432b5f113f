# SPDX-License-Identifier: Apache-2.0
"""The clients in C and R read what the Python one reads, of a mount and of every type."""
import re
import shutil
import subprocess

import numpy as np
import pytest

import harness
import shufflefs
from h5ad_corpus import DTYPES
from test_python import craft, crafted

CLIENTS = harness.REPO / "clients"


def has_r():
    """Whether there is an R with the package Matrix."""
    test = ["Rscript", "-e", "library(Matrix)"]
    return bool(shutil.which("Rscript")) and subprocess.run(test, capture_output=True).returncode == 0


needs_r = pytest.mark.skipif(not has_r(), reason="Rscript with the package Matrix is not installed")


@pytest.fixture(scope="module", params=["c", pytest.param("r", marks=needs_r)])
def read(request, tmp_path_factory):
    """read(paths) -> the finished programs; one that reads all of them in R, which takes its time to start."""
    if request.param == "r":
        return lambda paths: [harness.run(["Rscript", CLIENTS / "r" / "read_batch.R", *paths])]
    program = tmp_path_factory.mktemp("c") / "read_batch"
    flags = ["-O1", "-std=c17", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsanitize=address,undefined"]
    subprocess.run(["gcc", *flags, "-o", program, CLIENTS / "c" / "read_batch.c"], check=True)
    return lambda paths: [harness.run([program, path]) for path in paths]


def check(read, paths):
    """The row numbers and sums that are printed are those of the batches."""
    printed = ""
    for done in read(paths):
        assert done.returncode == 0, done.stderr.decode()
        printed += done.stdout.decode()
    found = re.findall(r"^(\d+) x (\d+).*\n((?:row .*\n)*)", printed, re.M)
    assert len(found) == len(paths)
    for path, (rows, columns, lines) in zip(paths, found):
        batch = shufflefs.read_batch(path)
        sums = [line.split() for line in lines.splitlines()]
        assert (int(rows), int(columns)) == batch.shape, path
        assert [int(row.rstrip(":")) for _, row, _ in sums] == batch.rows.tolist(), path
        with np.errstate(invalid="ignore"):
            expected = batch.dense().astype("f8").sum(1)
        assert np.allclose([float(value) for *_, value in sums], expected, rtol=1e-8, equal_nan=True), path


def test_a_mount(read, convert, mount):
    with mount(convert("synthetic:rows=3000,vars=500,density=0.1,seed=0"), batch_size=512) as mounted:
        names = ("epoch_0/rank_0/batch_0.csr", "epoch_7/rank_0/batch_5.csr", "rows/2999,0,0.csr")
        check(read, [mounted / name for name in names])


def extreme(dtype):
    """Twelve values of a type, its smallest and largest among them, as far as doubles are exact."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        tiny = np.finfo(dtype)
        return np.array([0.1, -0.1, tiny.smallest_subnormal, -tiny.tiny, tiny.max, np.nan, np.inf, -0.0, -tiny.max, 1,
                         2, -np.inf], dtype)
    limit = np.iinfo(dtype) if dtype.kind in "iu" else None
    ends = [1, 0] if limit is None else [max(limit.min, -2**53), min(limit.max, 2**53)]
    return np.array([*ends, 1, 0] + [1] * 8).astype(dtype)


def test_every_type(read, tmp_path):
    for data in DTYPES:
        for index, pointer in [("<i4", "<i4"), ("<u2", "<i8"), ("<i8", "<i8")]:
            arrays, _ = crafted(data, index, pointer, **{"obs/label": np.arange(4, dtype="<i4")})
            arrays["data"] = extreme(data)
            arrays["rows"] = np.array([2**40 + 3, 0, 2**31, 2**32 - 1])
            (tmp_path / f"{data[1:]}_{index[1:]}_{pointer[1:]}.csr").write_bytes(craft(arrays, 50))
    check(read, sorted(tmp_path.iterdir()))


def test_what_is_no_batch(read, tmp_path):
    blob = crafted()[1]
    files = {"a.csr": b"SHUFCSR2" + blob[8:], "b.csr": blob[:-1], "c.csr": blob[:600], "d.csr": blob[:100]}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        done, = read([tmp_path / name])
        assert done.returncode != 0 and name in done.stderr.decode()
    done, = read([tmp_path / "no.csr"])
    assert done.returncode != 0 and "No such file" in done.stderr.decode()


@needs_r
def test_other_sections_in_r(tmp_path):
    arrays, blob = crafted(**{"obs/label": np.array([3, 1, 4, 1], "<i4"), "obsm/X_pca": np.arange(12.0).reshape(4, 3)})
    (tmp_path / "a.csr").write_bytes(blob)
    program = f"""source("{CLIENTS}/r/read_batch.R"); b <- read_batch("{tmp_path}/a.csr")
                  stopifnot(b$extra[["obs/label"]] == c(3, 1, 4, 1), b$extra[["obsm/X_pca"]][2, ] == 3:5)
                  cat(as.vector(as.matrix(b$X)))"""
    done = subprocess.run(["Rscript", "-e", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.array(done.stdout.split(), "f8").reshape(50, 4).T, shufflefs.Batch(blob).dense())
