/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as an .h5ad file, which anndata.read_h5ad opens: batch.h5ad. */
#ifndef SFS_BATCH_H5AD_FILE_H
#define SFS_BATCH_H5AD_FILE_H

#include "batch/h5ad_plan.h"

/* What the .h5ad files of a view have in common. Immutable, so any number of threads may use it. */
typedef struct sfs_h5ad sfs_h5ad;

/* The one step that takes HDF5, and a few milliseconds; see sfs_h5ad_head_open. The caller closes
 * *out, after the files made from it and before what schema has. EINVAL, EFBIG where such a file
 * cannot be; EIO, ENOMEM. */
sfs_status sfs_h5ad_open(const sfs_h5ad_schema *schema, sfs_h5ad **out, sfs_error *error);

/* Accepts NULL. */
void sfs_h5ad_close(sfs_h5ad *h5ad);

/* Bytes of memory that it holds. */
uint64_t sfs_h5ad_memory(const sfs_h5ad *h5ad);

/* Makes a file of rows, a list of the schema's matrix and genes, which it takes over, also on
 * failure; finds the same rows in the layers. The caller closes it. EFBIG where it is larger than
 * files can be; EIO, ENOMEM. */
sfs_status sfs_h5ad_file_open(const sfs_h5ad *h5ad, sfs_row_list *rows, sfs_file **out,
                              sfs_error *error);

#endif
