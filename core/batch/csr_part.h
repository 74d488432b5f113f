/* SPDX-License-Identifier: Apache-2.0 */
/* The arrays of sparse rows, as parts of a file. */
#ifndef SFS_BATCH_CSR_PART_H
#define SFS_BATCH_CSR_PART_H

#include "batch/file.h"

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

/* The type of each array's elements, and how many there are. */
sfs_dtype sfs_csr_array_dtype(const sfs_csr_form *form, sfs_csr_array array, uint64_t nnz);
uint64_t sfs_csr_array_count(sfs_csr_array array, uint64_t rows, uint64_t nnz);

/* Adds an array of these rows, which the file owns, behind its last part. */
sfs_part *sfs_csr_add_array(sfs_file *file, const sfs_row_list *rows, const sfs_csr_form *form,
                            sfs_csr_array array, uint64_t alignment);

#endif
