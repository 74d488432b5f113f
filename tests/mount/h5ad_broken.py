# SPDX-License-Identifier: Apache-2.0
"""Broken .h5ad files, one broken rule each: `FILES` maps a name to (function that writes it, regular expression for the message).

The expression is what at least must be said: the place in the file that is at fault.
"""
import h5py
import numpy as np

from h5ad_write import Categorical, Frame, Nullable, names, random_sparse, write_frame_2019, write_h5ad

FILES = {}


def broken(message):
    def register(function):
        FILES[function.__name__] = function, message
        return function
    return register


def good(path, **storage):
    rng = np.random.default_rng(1)
    obs = Frame(names("cell", 30), {"label": Categorical((np.arange(30) % 3).astype("i1"), ["a", "b", "c"]), "n": np.arange(30),
                                    "maybe": Nullable(np.arange(30), np.zeros(30, bool)), "text": names("t", 30)})
    write_h5ad(path, random_sparse(rng, 30, 20), obs=obs, layers={"counts": random_sparse(rng, 30, 20, kind="csc"), "dense": np.ones((30, 20))},
               raw=random_sparse(rng, 30, 25), **storage)


def replace(path, name, array, **attributes):
    """Another array in the place of a dataset or group of a good file, or nothing if it is None."""
    with h5py.File(path, "a") as h5:
        old = dict(h5[name].attrs)
        del h5[name]
        if array is not None:
            new = h5.create_dataset(name, data=array)
            for key, value in {**old, **attributes}.items():
                if key in ("encoding-type", "encoding-version"):
                    new.attrs[key] = value


def changed(path, name, at, value):
    good(path)
    with h5py.File(path, "a") as h5:
        h5[name][at] = value


# --- not a file ----------------------------------------------------------------------------------------------------

@broken("not_hdf5")
def not_hdf5(path):
    path.write_text("cell,gene,count\n" * 100)


@broken("empty_file")
def empty_file(path):
    path.write_bytes(b"")


@broken("missing_file")
def missing_file(path):
    pass


@broken("a_directory")
def a_directory(path):
    path.mkdir()


@broken("cut_in_half")
def cut_in_half(path):
    good(path)
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])


@broken("without_obs|obs")
def without_anything(path):
    h5py.File(path, "w").close()


# --- sparse matrices -----------------------------------------------------------------------------------------------

@broken(r"X/indptr")
def indptr_does_not_start_at_0(path):
    changed(path, "X/indptr", 0, 1)


@broken(r"X/indptr")
def indptr_decreases(path):
    changed(path, "X/indptr", 10, 10**6)


@broken(r"X/indptr")
def indptr_is_negative(path):
    changed(path, "X/indptr", 5, -3)


@broken(r"X/indptr")
def indptr_ends_past_the_entries(path):
    changed(path, "X/indptr", 30, 10**7)


@broken(r"layers/counts/indptr")
def indptr_of_csc_decreases(path):
    changed(path, "layers/counts/indptr", 10, 10**6)


@broken(r"X/indptr")
def indptr_too_short(path):
    good(path)
    with h5py.File(path) as h5:
        array = h5["X/indptr"][:-1]
    replace(path, "X/indptr", array)


@broken(r"X/ind(ptr|ices)|X/data")
def fewer_indices_than_values(path):
    good(path)
    with h5py.File(path) as h5:
        array = h5["X/indices"][:-1]
    replace(path, "X/indices", array)


@broken(r"X/indices")
def index_too_large(path):
    changed(path, "X/indices", 7, 20)


@broken(r"X/indices")
def index_negative(path):
    changed(path, "X/indices", 7, -1)


@broken(r"layers/counts/indices")
def row_index_of_csc_too_large(path):
    changed(path, "layers/counts/indices", 3, 30)


@broken(r"raw/X/indices")
def index_of_raw_too_large(path):
    changed(path, "raw/X/indices", 0, 25)


@broken(r"X/indices")
def indices_are_floats(path):
    good(path)
    with h5py.File(path) as h5:
        array = h5["X/indices"][()].astype("f4")
    replace(path, "X/indices", array)


@broken(r"X/data")
def values_are_text(path):
    good(path)
    with h5py.File(path) as h5:
        array = np.full(len(h5["X/data"]), b"1")
    replace(path, "X/data", array)


@broken(r"X/data")
def values_are_complex(path):
    good(path)
    with h5py.File(path) as h5:
        array = h5["X/data"][()].astype("c8")
    replace(path, "X/data", array)


@broken(r"X/indptr")
def no_indptr(path):
    good(path)
    replace(path, "X/indptr", None)


@broken(r"X/indptr")
def indptr_has_two_dimensions(path):
    good(path)
    replace(path, "X/indptr", np.zeros((31, 1), "i4"))


@broken(r"\bX\b")
def no_shape(path):
    good(path)
    with h5py.File(path, "a") as h5:
        del h5["X"].attrs["shape"]


@broken(r"\bX\b")
def shape_is_negative(path):
    good(path)
    with h5py.File(path, "a") as h5:
        h5["X"].attrs["shape"] = np.array([30, -20])


@broken(r"\bX\b")
def shape_has_three_numbers(path):
    good(path)
    with h5py.File(path, "a") as h5:
        h5["X"].attrs["shape"] = np.array([30, 20, 1])


@broken(r"\bX\b")
def too_many_columns(path):
    good(path)
    with h5py.File(path, "a") as h5:
        h5["X"].attrs["shape"] = np.array([30, 2**32])


@broken(r"\bX\b")
def encoding_unknown(path):
    good(path)
    with h5py.File(path, "a") as h5:
        h5["X"].attrs["encoding-type"] = "awkward-array"


# --- shapes that disagree ------------------------------------------------------------------------------------------

@broken(r"\bX\b")
def x_has_more_rows_than_obs(path):
    good(path)
    replace(path, "X", np.ones((31, 20)))


@broken(r"\bX\b|\bvar\b")
def x_has_more_columns_than_var(path):
    good(path)
    replace(path, "X", np.ones((30, 21)))


@broken(r"\bX\b")
def x_has_three_dimensions(path):
    good(path)
    replace(path, "X", np.ones((30, 20, 2)))


@broken(r"layers/dense")
def layer_of_another_shape(path):
    good(path)
    replace(path, "layers/dense", np.ones((30, 19)))


@broken(r"raw/X")
def raw_has_fewer_rows(path):
    good(path)
    replace(path, "raw/X", np.ones((29, 25)))


# --- tables --------------------------------------------------------------------------------------------------------

@broken(r"obs/n\b")
def column_too_short(path):
    good(path)
    replace(path, "obs/n", np.arange(29))


@broken(r"obs/n\b")
def column_missing(path):
    good(path)
    replace(path, "obs/n", None)


@broken(r"obs/_index")
def index_missing(path):
    good(path)
    replace(path, "obs/_index", None)


@broken(r"obs/label")
def code_too_large(path):
    changed(path, "obs/label/codes", 4, 3)


@broken(r"obs/label")
def code_too_small(path):
    changed(path, "obs/label/codes", 4, -2)


@broken(r"obs/label")
def codes_without_categories(path):
    good(path)
    replace(path, "obs/label/categories", None)


@broken(r"obs/maybe")
def mask_too_short(path):
    good(path)
    replace(path, "obs/maybe/mask", np.zeros(29, bool))


@broken(r"\bobs\b")
def compound_obs_of_another_length(path):
    good(path)
    with h5py.File(path, "a") as h5:
        del h5["obs"]
        write_frame_2019(h5, "obs", Frame(names("c", 31)))


@broken(r"\bobs\b")
def obs_is_an_array(path):
    good(path)
    replace(path, "obs", np.arange(30))


# --- links and damage ----------------------------------------------------------------------------------------------

@broken(r"\bX\b")
def dangling_link(path):
    good(path)
    with h5py.File(path, "a") as h5:
        del h5["X"]
        h5["X"] = h5py.SoftLink("/nowhere")


@broken(r"\bX\b")
def link_to_another_file(path):
    good(path)
    with h5py.File(path, "a") as h5:
        del h5["X"]
        h5["X"] = h5py.ExternalLink("other.h5ad", "/X")


def overwrite_chunk(path, name):
    with h5py.File(path) as h5:
        chunk = h5[name].id.get_chunk_info(0)
    with open(path, "r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\xee" * chunk.size)


@broken(r"X/data")
def damaged_gzip_chunk(path):
    good(path, compression="gzip")
    overwrite_chunk(path, "X/data")


@broken(r"X/data")
def damaged_lzf_chunk(path):
    """Incompressible bytes would be stored as they are, so the values here repeat."""
    good(path)
    with h5py.File(path, "a") as h5:
        count = len(h5["X/data"])
        del h5["X/data"]
        h5.create_dataset("X/data", data=np.ones(count, "f4"), compression="lzf")
    overwrite_chunk(path, "X/data")


@broken(r"X/data")
def checksum_of_a_chunk_is_wrong(path):
    good(path, fletcher32=True, chunks=True)
    with h5py.File(path) as h5:
        chunk = h5["X/data"].id.get_chunk_info(0)
    with open(path, "r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\x01\x02\x03")
