/* SPDX-License-Identifier: Apache-2.0 */
/* Files of sparse rows: batch.csr (docs/batch-format.md), and its arrays one by one as .npy. */
#ifndef SFS_BATCH_CSR_FILE_H
#define SFS_BATCH_CSR_FILE_H

#include "batch/file.h"

/* What the header of a .csr says beside its rows; -1 where it is no batch. */
typedef struct sfs_csr_header {
    int64_t epoch, rank, batch;
    uint64_t seed, repeated;
} sfs_csr_header;

typedef enum sfs_csr_array {
    SFS_CSR_INDPTR,
    SFS_CSR_INDICES,
    SFS_CSR_DATA,
    SFS_CSR_ROWS,
    SFS_CSR_ARRAYS,
} sfs_csr_array;

/* "indptr", "indices", "data", "rows". */
extern const char *const sfs_csr_array_names[SFS_CSR_ARRAYS];

/* The types of the arrays. */
typedef struct sfs_csr_form {
    sfs_dtype values;
    sfs_dtype
        indices; /* int32, int64 or uint16; int32 becomes int64 in a batch of 2^31 non-zeros */
    bool whole;  /* a whole matrix, not a batch: indptr is always int64, indices stay */
} sfs_csr_form;

/* Both take the list over, also on failure. The caller closes the file. */
sfs_status sfs_csr_open(sfs_row_list *rows, const sfs_csr_form *form, const sfs_csr_header *header,
                        sfs_file **out, sfs_error *error);
sfs_status sfs_csr_array_open(sfs_row_list *rows, const sfs_csr_form *form, sfs_csr_array array,
                              sfs_file **out, sfs_error *error);

#endif
