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

/* Whether the files that are made show a batch or a whole matrix: there, indptr is always int64 and
 * indices int32. */
typedef enum sfs_csr_width {
    SFS_CSR_BATCH,
    SFS_CSR_WHOLE,
} sfs_csr_width;

/* Both take the list over, also on failure. The caller closes the file. */
sfs_status sfs_csr_open(sfs_row_list *rows, const sfs_csr_header *header, sfs_file **out,
                        sfs_error *error);
sfs_status sfs_csr_array_open(sfs_row_list *rows, sfs_csr_width width, sfs_csr_array array,
                              sfs_file **out, sfs_error *error);

#endif
