/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5 datasets of numbers or strings, read in blocks. A field of a compound dataset is read as if
 * it were a dataset.
 *
 * Each chunk is decoded once by a reader that goes through the array in order, however large the
 * chunks are. */
#ifndef SFS_CONVERT_H5_ARRAY_H
#define SFS_CONVERT_H5_ARRAY_H

#include "convert/h5.h"
#include "store/npy.h"

typedef enum sfs_h5_kind {
    SFS_H5_OTHER, /* neither of these: cannot be read */
    SFS_H5_NUMBER,
    SFS_H5_TEXT,
} sfs_h5_kind;

typedef struct sfs_h5_array {
    sfs_h5 object;
    int rank;          /* of more than two, only object, rank and kind are set */
    uint64_t shape[2]; /* what the rank leaves out is 1: a scalar is one element */
    uint64_t chunk[2]; /* 0: not in chunks */
    uint64_t chunk_bytes;
    sfs_h5_kind kind;
    const char *found; /* static: what the elements are, for messages */
    sfs_dtype dtype;   /* of numbers */
    hid_t memory;      /* owned: the type of an element as it is read */
    size_t item;       /* bytes of such an element: of strings, of a char * or of the fixed width */
    bool varying;      /* strings: each its own length */
    bool spaces;       /* strings of fixed width are padded with spaces */
} sfs_h5_array;

void sfs_h5_array_close(sfs_h5_array *array);

#define SFS_AUTO_H5_ARRAY __attribute__((cleanup(sfs_h5_array_close)))

/* The caller closes what these three open, also on failure. EINVAL where the child is no dataset,
 * or needs a filter that is not installed. */
sfs_status sfs_h5_array_open(const sfs_h5 *parent, const char *child, sfs_h5_array *out,
                             sfs_error *error);
/* The dataset that an object reference in an attribute points to. */
sfs_status sfs_h5_array_open_reference(const sfs_h5 *holder, const char *attribute,
                                       sfs_h5_array *out, sfs_error *error);
/* One field of a compound dataset. */
sfs_status sfs_h5_array_open_field(const sfs_h5 *parent, const char *child, const char *field,
                                   sfs_h5_array *out, sfs_error *error);

/* EINVAL unless the array has so many dimensions and is of numbers. */
sfs_status sfs_h5_array_expect_numbers(const sfs_h5_array *array, int rank, sfs_error *error);

/* From now on, integers and booleans are read as this integer type (what it does not hold becomes
 * its nearest end), or floats as this float. EINVAL for other arrays. */
sfs_status sfs_h5_array_as(sfs_h5_array *array, sfs_dtype dtype, sfs_error *error);

/* Reads elements [first, first + count) of an array of one dimension, which has them. Strings of
 * varying length are HDF5's: given back by sfs_h5_array_reclaim. */
sfs_status sfs_h5_array_read(const sfs_h5_array *array, uint64_t first, uint64_t count, void *out,
                             sfs_error *error);

/* Reads a rectangle of numbers, which the array has, in C order. */
sfs_status sfs_h5_array_read_box(const sfs_h5_array *array, const uint64_t first[2],
                                 const uint64_t count[2], void *out, sfs_error *error);

void sfs_h5_array_reclaim(const sfs_h5_array *array, uint64_t count, void *items);

#endif
