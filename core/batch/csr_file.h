/* SPDX-License-Identifier: Apache-2.0 */
/* Files of sparse rows: batch.csr (docs/batch-format.md), and its arrays one by one as .npy. */
#ifndef SFS_BATCH_CSR_FILE_H
#define SFS_BATCH_CSR_FILE_H

#include "batch/csr_part.h"

/* What the header of a .csr says beside its rows; -1 where it is no batch. */
typedef struct sfs_csr_header {
    int64_t epoch, rank, batch;
    uint64_t seed, repeated;
} sfs_csr_header;

/* Both take the list over, also on failure. The caller closes the file. */
sfs_status sfs_csr_open(sfs_row_list *rows, const sfs_csr_form *form, const sfs_csr_header *header,
                        sfs_file **out, sfs_error *error);
sfs_status sfs_csr_array_open(sfs_row_list *rows, const sfs_csr_form *form, sfs_csr_array array,
                              sfs_file **out, sfs_error *error);

#endif
