/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of every .h5ad file of a view: all that describes its arrays. libhdf5 makes it
 * once; for a batch, a copy gets that batch's numbers, and no call of HDF5 is needed. */
#ifndef SFS_BATCH_H5AD_HEAD_H
#define SFS_BATCH_H5AD_HEAD_H

#include "batch/h5ad_plan.h"
#include "batch/h5ad_words.h"

/* Immutable once made. */
typedef struct sfs_h5ad_head {
    uint8_t *bytes; /* owned */
    uint64_t size;
    sfs_h5ad_words *words; /* owned: of each object of the plan */
} sfs_h5ad_head;

/* Makes the head of a plan, and makes sure that it has all words that differ in larger and in empty
 * files. HDF5 may not be thread-safe: this function takes turns with itself, but a program that
 * uses the same libhdf5 elsewhere must not do so while this runs. The caller closes *out, also on
 * failure. EINVAL where HDF5 cannot make what the plan has; EIO where it is not as expected, or
 * libshufflefs_h5ad cannot be loaded; ENOMEM. */
sfs_status sfs_h5ad_head_open(const sfs_h5ad_plan *plan, sfs_h5ad_head *out, sfs_error *error);
void sfs_h5ad_head_close(sfs_h5ad_head *head);

/* Sets the words of a copy of the head: `extents` are the arrays' among the plan's objects, and
 * file_size is that of the file. */
void sfs_h5ad_head_set(const sfs_h5ad_head *head, const sfs_h5ad_plan *plan, uint64_t rows,
                       const sfs_h5ad_extent *extents, uint64_t file_size, uint8_t *copy);

#endif
