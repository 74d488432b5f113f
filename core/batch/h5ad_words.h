/* SPDX-License-Identifier: Apache-2.0 */
/* Where an HDF5 file of the first version (superblock 0, object headers 1: no checksums) has the
 * words that change when an array grows. Format: "HDF5 File Format Specification", version 3.0. */
#ifndef SFS_BATCH_H5AD_WORDS_H
#define SFS_BATCH_H5AD_WORDS_H

#include "store/fail.h"
#include "store/npy.h"

/* An address that is none: an array without bytes. */
#define SFS_H5AD_NOWHERE UINT64_MAX

/* Offsets in the file; 0: the object has no such word. */
typedef struct sfs_h5ad_words {
    uint64_t rows, max_rows; /* of an array: its first dimension, and that dimension's limit */
    uint64_t type;           /* of an array of integers: the description of their type */
    uint64_t address, bytes; /* of an array: where its elements are, and how many bytes */
    uint64_t shape;          /* of a sparse matrix: the first number of its attribute shape */
} sfs_h5ad_words;

/* Finds the words of the object whose header is at `header`: an array (contiguous, without elements
 * so far), or a group with an attribute `shape` of int64 where has_shape. EIO, with a sentence
 * about what is not as expected. */
sfs_status sfs_h5ad_words_find_array(const uint8_t *file, uint64_t size, uint64_t header,
                                     sfs_h5ad_words *out, sfs_error *error);
sfs_status sfs_h5ad_words_find_shape(const uint8_t *file, uint64_t size, uint64_t header,
                                     sfs_h5ad_words *out, sfs_error *error);

/* Whether the file begins with the superblock that is expected, and says that it has `size` bytes.
 */
bool sfs_h5ad_words_begin(const uint8_t *file, uint64_t size);

/* What an array is like. */
typedef struct sfs_h5ad_extent {
    uint64_t rows, address, bytes;
    sfs_dtype dtype;
} sfs_h5ad_extent;

/* Sets an array's words: of its type, only the size of an integer. */
void sfs_h5ad_words_set_array(uint8_t *file, const sfs_h5ad_words *words,
                              const sfs_h5ad_extent *extent);
void sfs_h5ad_words_set_shape(uint8_t *file, const sfs_h5ad_words *words, uint64_t rows);

/* Sets the number of bytes of the file. */
void sfs_h5ad_words_set_size(uint8_t *file, uint64_t size);

#endif
