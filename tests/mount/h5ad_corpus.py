# SPDX-License-Identifier: Apache-2.0
"""Small .h5ad files, one for each thing that real files do and a tidy writer would not.

`FILES` maps a name to a function that writes that file.
"""
import h5py
import numpy as np

from h5ad_write import (Categorical, Frame, Nullable, Sparse, TEXT, names, random_dense, random_sparse, write_arrays, write_column,
                        write_column_order, write_frame, write_frame_2019, write_frame_2020, write_h5ad, write_h5sparse,
                        write_matrix, write_strings)

FILES = {}
NO_BATCHES = {"no_x", "no_x_but_layer", "no_rows", "no_rows_dense"}      # with the default layer, X

DTYPES = ["|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"]
INDEX_WIDTHS = [("<i4", "<i4"), ("<i8", "<i8"), ("<u4", "<i8"), ("<u4", "<u4"), ("<u2", "<u8"), ("<i2", "<i4"), ("|u1", "<i8")]


def file(function):
    FILES[function.__name__] = function
    return function


def add(name, function):
    FILES[name] = function


def seeded(name):
    return np.random.default_rng(list(name.encode()))


# --- kinds, dtypes and index widths --------------------------------------------------------------------------------

for _dtype in DTYPES:
    def _write_dtype(path, dtype=_dtype):
        rng = seeded(dtype)
        write_h5ad(path, random_sparse(rng, 40, 17, dtype=dtype),
                   layers={"csc": random_sparse(rng, 40, 17, dtype=dtype, kind="csc"), "dense": random_dense(rng, 40, 17, dtype)})
    add(f"dtype_{_dtype[1:]}", _write_dtype)

for _dtype in (">i2", ">u4", ">f4", ">f8"):
    def _write_big_endian(path, dtype=_dtype):
        rng = seeded(dtype)
        write_h5ad(path, random_sparse(rng, 30, 9, dtype=dtype, index=">i4", pointer=">i8"), layers={"dense": random_dense(rng, 30, 9, dtype)})
    add(f"big_endian_{_dtype[1:]}", _write_big_endian)

for _index, _pointer in INDEX_WIDTHS:
    def _write_index(path, index=_index, pointer=_pointer):
        rng = seeded(index + pointer)
        write_h5ad(path, random_sparse(rng, 35, 90, index=index, pointer=pointer),
                   layers={"csc": random_sparse(rng, 35, 90, kind="csc", index=index, pointer=pointer)})
    add(f"index_{_index[1:]}_{_pointer[1:]}", _write_index)


@file
def csr_csc_dense_raw_and_layers(path):
    rng = seeded("layers")
    write_h5ad(path, random_sparse(rng, 300, 40), raw=random_sparse(rng, 300, 75, dtype="<i8"),
               raw_var=Frame(names("g", 75), {"kept": rng.random(75) < 0.5}),
               layers={"spliced": random_sparse(rng, 300, 40, dtype="<u2", kind="csc"), "scaled": random_dense(rng, 300, 40, "<f8"),
                       "with space": random_sparse(rng, 300, 40), "100%": random_sparse(rng, 300, 40)})


@file
def raw_dense_and_narrower(path):
    rng = seeded("raw dense")
    write_h5ad(path, random_dense(rng, 60, 30), raw=random_dense(rng, 60, 12))


@file
def several_shards_worth(path):
    """More rows than a Fisher-Yates table takes, so that the permutation network is used."""
    rng = seeded("many")
    write_h5ad(path, random_sparse(rng, 5000, 30, density=0.1), obs=Frame(names("c", 5000), {"n": np.arange(5000)}))


# --- rows in disorder ----------------------------------------------------------------------------------------------

def rearranged(matrix, arrange):
    """The same matrix with the entries of each row (column, if CSC) permuted by `arrange(indices)`."""
    indices, data = matrix.indices.copy(), matrix.data.copy()
    for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:]):
        at = start + arrange(matrix.indices[start:stop])
        indices[start:stop], data[start:stop] = matrix.indices[at], matrix.data[at]
    return Sparse(matrix.indptr, indices, data, matrix.shape, matrix.kind)


@file
def descending_indices(path):
    rng = seeded("descending")
    write_h5ad(path, rearranged(random_sparse(rng, 50, 60), lambda i: np.argsort(i)[::-1]))


@file
def unsorted_indices(path):
    rng = seeded("unsorted")
    shuffled = [rearranged(random_sparse(rng, 50, 60, kind=kind), lambda i: rng.permutation(len(i))) for kind in ("csr", "csc")]
    write_h5ad(path, shuffled[0], layers={"csc": shuffled[1]})


def with_duplicates(rng, kind, dtype, shape=(40, 30)):
    """Every entry is there once, twice or three times, in any order."""
    once = random_sparse(rng, *shape, dtype=dtype, kind=kind)
    times = rng.integers(1, 4, len(once.indices))
    major = np.repeat(np.repeat(np.arange(len(once.indptr) - 1), np.diff(once.indptr)), times)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(major, minlength=len(once.indptr) - 1))]).astype("<i4")
    many = Sparse(indptr, np.repeat(once.indices, times), np.repeat(once.data, times), once.shape, kind)
    return rearranged(many, lambda i: rng.permutation(len(i)))


@file
def duplicate_entries(path):
    rng = seeded("duplicates")
    write_h5ad(path, with_duplicates(rng, "csr", "<f4"), layers={"csc": with_duplicates(rng, "csc", "<i4"), "f8": with_duplicates(rng, "csr", "<f8")})


@file
def duplicates_that_cancel(path):
    """1 and -1 in one place are an entry with the value 0, as in scipy."""
    write_h5ad(path, Sparse(np.array([0, 2, 3, 6], "<i4"), np.array([4, 4, 0, 2, 1, 2], "<i4"), np.array([1, -1, 5, 3, 7, -3], "<f4"), (3, 5)))


@file
def explicit_zeros(path):
    rng = seeded("zeros")
    matrices = []
    for kind in ("csr", "csc"):
        matrix = random_sparse(rng, 45, 20, kind=kind)
        matrix.data[rng.random(len(matrix.data)) < 0.4] = 0
        matrices.append(matrix)
    write_h5ad(path, matrices[0], layers={"csc": matrices[1]})


@file
def special_values(path):
    """NaN, infinities, denormals and -0: what is not 0 is kept bit for bit, and of a dense matrix -0 is 0."""
    rng = seeded("special")
    special = np.array([np.nan, np.inf, -np.inf, 5e-324, -0.0, 1.7976931348623157e308, 0.1], "<f8")
    sparse = random_sparse(rng, 40, 20, dtype="<f8")
    sparse.data[:] = rng.choice(special, len(sparse.data))
    dense = rng.choice(np.append(special, 0), (40, 20))
    with np.errstate(over="ignore"):
        write_h5ad(path, sparse, layers={"dense": dense, "dense_f4": dense.astype("<f4"), "dense_f2": dense.astype("<f2")})


@file
def extreme_integers(path):
    layers = {}
    for dtype in ("<i8", "<u8", "|i1", "<u4"):
        limit = np.iinfo(dtype)
        layers[dtype[1:]] = np.array([[limit.min, limit.max, 1], [0, limit.max - 1, limit.min]], dtype)
    write_h5ad(path, np.eye(2, 3, dtype="<f4"), layers=layers)


# --- empty things --------------------------------------------------------------------------------------------------

def no_entries(rows, columns):
    return Sparse(np.zeros(rows + 1, "<i4"), np.zeros(0, "<i4"), np.zeros(0, "<f4"), (rows, columns))


@file
def empty_rows_at_both_ends(path):
    rng = seeded("ends")
    matrix = random_sparse(rng, 30, 10)
    indptr = np.concatenate([np.zeros(20, "<i4"), matrix.indptr, np.full(20, matrix.indptr[-1])]).astype("<i4")
    write_h5ad(path, Sparse(indptr, matrix.indices, matrix.data, (70, 10)))


@file
def only_empty_rows(path):
    write_h5ad(path, no_entries(100, 30), chunks=True, maxshape=(None,))


@file
def no_columns(path):
    write_h5ad(path, no_entries(64, 0), layers={"dense": np.zeros((64, 0), "<f4")})


@file
def no_rows(path):
    write_h5ad(path, no_entries(0, 5))


@file
def no_rows_dense(path):
    write_h5ad(path, np.zeros((0, 5), "<f4"))


@file
def one_row_one_column(path):
    write_h5ad(path, np.array([[3]], "<i4"))


@file
def no_x(path):
    with h5py.File(path, "w") as h5:
        write_frame(h5, "obs", Frame(names("cell", 10), {"n": np.arange(10)}))
        write_frame(h5, "var", Frame(names("gene", 20)))


@file
def no_x_but_layer(path):
    write_h5ad(path, layers={"counts": random_sparse(seeded("layer"), 25, 20)})


@file
def raw_is_an_empty_group(path):
    write_h5ad(path, random_sparse(seeded("raw"), 25, 20))
    with h5py.File(path, "a") as h5:
        h5.create_group("raw")


# --- spellings of other times --------------------------------------------------------------------------------------

@file
def as_in_2018(path):
    """Compound obs and var, categories in uns, h5sparse attributes, raw as `raw.X` and `raw.var`."""
    rng = seeded("2018")
    with h5py.File(path, "w") as h5:
        write_h5sparse(h5, "X", random_sparse(rng, 50, 12), compression="gzip")
        write_h5sparse(h5, "raw.X", random_sparse(rng, 50, 20, kind="csc"))
        write_frame_2019(h5, "obs", Frame(names("cell", 50), {
            "louvain": Categorical(rng.integers(-1, 3, 50).astype("i1"), ["B cells", "CD4+/T", "NK"]), "n_counts": rng.random(50).astype("<f4"),
            "a/b": np.arange(50), "batch": [f"run {i % 3}" for i in range(50)], "flag": rng.random(50) < 0.5}), compression="gzip")
        write_frame_2019(h5, "var", Frame(names("gene", 12), {"means": rng.random(12)}))
        write_frame_2019(h5, "raw.var", Frame(names("raw", 20)))


@file
def as_in_2020_lzf(path):
    """`__categories`, no root encoding, and LZF on every array."""
    rng = seeded("2020")
    with h5py.File(path, "w") as h5:
        write_matrix(h5, "X", random_sparse(rng, 90, 25), compression="lzf")
        write_frame_2020(h5, "obs", Frame(names("cell", 90), {
            "type": Categorical(rng.integers(-1, 4, 90).astype("i1"), ["a", "b", "c", "d"], ordered=True), "n": np.arange(90),
            "note": [f"text {i}" for i in range(90)]}, index_name="CellID"), compression="lzf")
        write_frame_2020(h5, "var", Frame(names("gene", 25)), compression="lzf")
        write_matrix(h5.create_group("layers"), "dense", random_dense(rng, 90, 25, "<f8"), compression="lzf", shuffle=True)


@file
def as_seurat_disk(path):
    """No encoding at the root and on var, `shape` as int32, raw/var without column-order."""
    rng = seeded("seurat")
    with h5py.File(path, "w") as h5:
        for name in ("X", "raw/X"):
            group = write_arrays(h5, name, random_sparse(rng, 40, 15, dtype="<f8"), compression="gzip")
            group.attrs["encoding-type"], group.attrs["encoding-version"] = "csr_matrix", "0.1.0"
            group.attrs["shape"] = np.array([40, 15], "<i4")
        write_frame(h5, "obs", Frame(names("cell", 40), {"nCount_RNA": rng.random(40)}))
        for name in ("var", "raw/var"):
            group = h5.create_group(name)
            group.attrs["_index"] = "_index"
            group.create_dataset("_index", data=np.array(names("gene", 15), object), dtype=TEXT)
            group.create_dataset("features", data=np.array(names("feature", 15), object), dtype=TEXT)
        write_column_order(h5["var"], Frame([], {"features": None}))


@file
def userblock(path):
    write_h5ad(path, random_sparse(seeded("userblock"), 30, 10), userblock=512)
    with open(path, "r+b") as raw:
        raw.write(b"a file that says something before the HDF5 signature")


for _storage in ({"compression": "lzf"}, {"compression": "gzip", "shuffle": True}, {"compression": "lzf", "shuffle": True, "fletcher32": True}):
    def _write_storage(path, storage=_storage):
        rng = seeded("storage")
        write_h5ad(path, random_sparse(rng, 500, 200), layers={"csc": random_sparse(rng, 500, 200, kind="csc"), "dense": random_dense(rng, 500, 200)}, **storage)
    add("stored_" + "_".join(str(v) if k == "compression" else k for k, v in _storage.items()), _write_storage)


@file
def dense_in_small_chunks(path):
    """Chunks that no number of rows or columns is a multiple of."""
    rng = seeded("chunks")
    write_h5ad(path, random_dense(rng, 101, 53, "<f4"), chunks=(7, 11), compression="gzip")


# --- tables --------------------------------------------------------------------------------------------------------

AWKWARD = ["", " ", "two words", "a,b", 'say "x"', "line\nbreak", "back\\slash", "\\n", "tab\there", "größe", "細胞", "🧬", "\r", "x" * 300]


@file
def every_kind_of_column(path):
    rng = seeded("columns")
    n = 2 * len(AWKWARD)
    numbers = {f"number_{d[1:]}": random_sparse(rng, 1, n, density=1.1, dtype=d).data for d in DTYPES if d != "|b1"}
    numbers = {key: np.resize(value, n) if len(value) else np.zeros(n, value.dtype) for key, value in numbers.items()}
    obs = Frame(names("cell", n), {
        **numbers, "float_with_nan": np.where(rng.random(n) < 0.3, np.nan, 1.5), "big_endian": np.arange(n).astype(">i4"),
        "boolean": rng.random(n) < 0.5, "nullable_int": Nullable(rng.integers(0, 9, n), rng.random(n) < 0.3),
        "nullable_u1": Nullable(rng.integers(0, 9, n).astype("u1"), rng.random(n) < 0.3),
        "nullable_bool": Nullable(rng.random(n) < 0.5, rng.random(n) < 0.3), "strings": AWKWARD * 2,
        "empty_strings": [""] * n, "categorical": Categorical(rng.integers(-1, len(AWKWARD), n).astype("i1"), AWKWARD),
        "categorical_i2": Categorical(rng.integers(-1, 300, n).astype("<i2"), [f"c{i}" for i in range(300)], ordered=True),
        "categorical_of_int": Categorical(rng.integers(-1, 3, n).astype("i1"), np.array([-5, 10, 2**40])),
        "categorical_of_float": Categorical(rng.integers(0, 4, n).astype("i1"), np.array([0.1, 0.5, 1e300, -3.25])),
        "nothing_known": Categorical(np.full(n, -1, "i1"), []), "all_missing": Nullable(np.zeros(n, "i8"), np.ones(n, bool))}, index_name="barcode")
    write_h5ad(path, random_sparse(rng, n, 4), obs=obs, var=Frame(["g", "g", "größe", "a\nb"], {"chromosome": ["1", "1", "X", "MT"]}))


@file
def odd_column_names(path):
    n = 12
    awkward = ["100%", "per%2Fcent", "tab\there", "line\nbreak", "bell\x07", "delete\x7f", "two words", ".hidden", "größe", 'quo"te', "a,b", "-o"]
    obs = Frame(names("c", n), {name: np.arange(n) + i for i, name in enumerate(awkward)})
    write_h5ad(path, random_sparse(seeded("names"), n, 4), obs=obs)
    with h5py.File(path, "a") as h5:                    # a slash in a name makes a group in the group, and anndata reads it back
        write_column(h5["obs"], "nested/name", np.arange(n) * 2)
        write_column_order(h5["obs"], Frame([], dict.fromkeys([*awkward, "nested/name"])))


@file
def fixed_width_strings(path):
    write_h5ad(path, random_sparse(seeded("fixed"), 6, 4))
    with h5py.File(path, "a") as h5:
        del h5["obs/_index"]
        h5["obs"].create_dataset("_index", data=np.array([b"a", b"bb", b"ccc", b"", b"e e", b"f"]))
        h5["obs"].create_dataset("padded", data=np.array([b"x", b"yy", b"", b"zzz", b"q", b"r"], "S8"))
        write_column_order(h5["obs"], Frame([], {"padded": None}))


@file
def columns_not_in_their_order(path):
    """column-order says the order of the columns, not the alphabet."""
    obs = Frame(names("c", 5), {"z": np.arange(5), "a": np.arange(5) * 2, "m": np.arange(5) * 3})
    write_h5ad(path, random_sparse(seeded("order"), 5, 4), obs=obs)


@file
def obsm_arrays(path):
    """Arrays of every type, of one column and of many, stored in one piece and in chunks both ways; and what is not stored."""
    rng, n = seeded("obsm"), 33
    write_h5ad(path, random_sparse(rng, n, 6))
    with h5py.File(path, "a") as h5:
        obsm = h5.create_group("obsm")
        for dtype in DTYPES:
            write_matrix(obsm, f"of_{dtype[1:]}", random_dense(rng, n, 3, dtype, density=0.9))
        write_matrix(obsm, "X_pca", rng.normal(size=(n, 50)).astype("<f4"), chunks=(7, 11), compression="gzip")
        write_matrix(obsm, "one_column", rng.normal(size=(n, 1)))
        write_matrix(obsm, "big_endian", rng.normal(size=(n, 2)).astype(">f8"))
        write_matrix(obsm, "wide", rng.integers(0, 9, (n, 3000)).astype("<i2"))
        write_matrix(obsm, "100% tab\there", rng.normal(size=(n, 2)))
        write_matrix(obsm, "cube", np.zeros((n, 2, 2)))
        write_matrix(obsm, "vector", np.zeros(n))
        write_matrix(obsm, "no_columns", np.zeros((n, 0)))
        write_matrix(obsm, "sparse", random_sparse(rng, n, 4))
        write_frame(obsm, "frame", Frame(names("cell", n), {"a": np.arange(n)}))
        obsm.create_dataset("strings", data=np.full((n, 2), b"x"))


@file
def things_that_are_ignored(path):
    """varm, obsp, uns and strangers at the root and among the arrays do not disturb."""
    rng = seeded("ignored")
    write_h5ad(path, random_sparse(rng, 20, 8))
    with h5py.File(path, "a") as h5:
        for name in ("obsm", "varm", "obsp", "varp", "uns", "stranger"):
            write_matrix(h5.create_group(name), "thing", rng.random((20, 3)))
        write_strings(h5, "uns/names", ["a", "b"])
        h5["X"].create_dataset("scalar_dataset", data=1.5)


def write_all(directory):
    """name -> path of every file of the corpus."""
    paths = {}
    for name, function in FILES.items():
        paths[name] = directory / f"{name}.h5ad"
        function(paths[name])
    return paths
