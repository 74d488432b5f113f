/* SPDX-License-Identifier: Apache-2.0 */
/* Files of sparse rows: batch.csr (docs/batch-format.md), and its arrays one by one as .npy. */
#ifndef SFS_BATCH_CSR_FILE_H
#define SFS_BATCH_CSR_FILE_H

#include "batch/column_file.h"
#include "batch/csr_part.h"

/* What the header of a .csr says beside its rows; -1 where it is no batch. */
typedef struct sfs_csr_header {
    int64_t epoch, rank, batch;
    uint64_t seed, repeated;
} sfs_csr_header;

/* A column of obs or an array of obsm that goes into a .csr, as a section of its own: numbers,
 * codes, or fixed-width bytes of strings. Behind a nullable one comes the section NAME.mask. */
typedef struct sfs_csr_column {
    const char *name;         /* borrowed: obs/COL or obsm/KEY */
    const sfs_column *column; /* borrowed */
} sfs_csr_column;

/* EINVAL where the names of the sections are too long or not all different, or strings too long:
 * what sfs_csr_open refuses, to be asked about once. */
sfs_status sfs_csr_check_columns(const sfs_csr_column *columns, size_t count, sfs_error *error);

/* What is the same in all batches of a view. */
typedef struct sfs_csr_layout {
    sfs_csr_form form;
    const sfs_csr_column *columns; /* borrowed */
    size_t column_count;
} sfs_csr_layout;

/* All of these take the lists over, also on failure. The caller closes the file. ENOMEM; EINVAL as
 * above. */
sfs_status sfs_csr_open(sfs_row_list *rows, const sfs_csr_layout *layout,
                        const sfs_csr_header *header, sfs_file **out, sfs_error *error);

/* The .csr files of count >= 1 lists, one behind another: each begins at a multiple of 64 bytes.
 * The arrays are the caller's. */
sfs_status sfs_csr_run_open(sfs_row_list *lists, const sfs_csr_header *headers, size_t count,
                            const sfs_csr_layout *layout, sfs_file **out, sfs_error *error);

sfs_status sfs_csr_array_open(sfs_row_list *rows, const sfs_csr_form *form, sfs_csr_array array,
                              sfs_file **out, sfs_error *error);

#endif
