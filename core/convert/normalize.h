/* SPDX-License-Identifier: Apache-2.0 */
/* Brings sparse rows into the form that a collection has: indices ascending and each once. */
#ifndef SFS_CONVERT_NORMALIZE_H
#define SFS_CONVERT_NORMALIZE_H

#include "convert/matrix_writer.h"

/* One block of rows in CSR form, changed in place. */
typedef struct sfs_csr_block {
    uint64_t first_row, rows; /* first_row: for messages */
    uint32_t *nnz;            /* entries of each row; fewer after duplicates were added up */
    int32_t *indices;
    void *values;
    sfs_dtype dtype;
    uint64_t columns;
} sfs_csr_block;

/* Sorts rows that need it, adds up duplicates, counts into stats. EINVAL names row and column where
 * an index is negative or not less than columns, or where a sum does not fit the dtype. */
sfs_status sfs_csr_normalize(sfs_csr_block *block, sfs_matrix_stats *stats, sfs_error *error);

#endif
