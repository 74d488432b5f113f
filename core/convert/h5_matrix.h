/* SPDX-License-Identifier: Apache-2.0 */
/* The matrices of an HDF5 file in AnnData's layouts: CSR or CSC groups, and dense datasets. Each is
 * read once (and once more to count) and in blocks, so that memory does not depend on its size. */
#ifndef SFS_CONVERT_H5_MATRIX_H
#define SFS_CONVERT_H5_MATRIX_H

#include "convert/convert.h"
#include "convert/gene_order.h"
#include "convert/h5_array.h"
#include "convert/normalize.h"

typedef enum sfs_h5_layout {
    SFS_H5_DENSE,
    SFS_H5_CSR,
    SFS_H5_CSC,
} sfs_h5_layout;

typedef struct sfs_h5_matrix {
    sfs_h5_layout layout;
    uint64_t rows, columns;
    sfs_dtype dtype;
    char *name;                   /* owned: as in sfs_h5 */
    sfs_h5_array data;            /* dense: the dataset itself */
    sfs_h5_array indices, indptr; /* of a sparse matrix; read as int32 (or int64) and int64 */
} sfs_h5_matrix;

void sfs_h5_matrix_close(sfs_h5_matrix *matrix);

#define SFS_AUTO_H5_MATRIX __attribute__((cleanup(sfs_h5_matrix_close)))

/* Opens the child and checks its shape, types and the lengths of its arrays. The caller closes out,
 * also on failure. EINVAL says what is not as it must be. */
sfs_status sfs_h5_matrix_open(const sfs_h5 *parent, const char *child, sfs_h5_matrix *out,
                              sfs_error *error);

/* Adds the non-zeros of each column to counts; `name` is for progress. */
sfs_status sfs_h5_matrix_count(const sfs_h5_matrix *matrix, const char *name,
                               const sfs_convert_options *options, sfs_progress *progress,
                               uint64_t *counts, sfs_error *error);

/* Writes the whole matrix under that name into the output, which has as many rows. `genes`: NULL,
 * or where its columns go. */
sfs_status sfs_h5_matrix_convert(const sfs_h5_matrix *matrix, const char *name,
                                 const sfs_gene_order *genes, const sfs_convert_options *options,
                                 sfs_progress *progress, sfs_output *output, sfs_error *error);

/* What a reader of one layout needs. */
typedef struct sfs_h5_job {
    const sfs_h5_matrix *matrix;
    const char *output; /* its path: large temporary files go beside it */
    uint64_t *counts;   /* not NULL: rows are counted, not written; no writer is needed */
    sfs_matrix_writer *writer;
    const sfs_gene_order *genes; /* or NULL */
    sfs_matrix_stats stats;      /* of the rows as they are in the source */
    sfs_progress *progress; /* started, in rows; of CSC in entries, each of which is seen twice */
} sfs_h5_job;

/* Each of these hands all rows to the two functions at the end. */
sfs_status sfs_h5_dense_rows(sfs_h5_job *job, sfs_error *error);
sfs_status sfs_h5_csr_rows(sfs_h5_job *job, sfs_error *error);
sfs_status sfs_h5_csc_rows(sfs_h5_job *job, sfs_error *error);

/* Counts from the columns as they are, without transposing. *exact becomes false where that cannot
 * be, because an entry may be there twice; counts are of no use then. */
sfs_status sfs_h5_csc_count(sfs_h5_job *job, bool *exact, sfs_error *error);

/* Reads indptr[first, first + count] (count + 1 numbers) to out, and checks that they neither
 * decrease nor leave the data, and that all of indptr begins and ends as it must. */
sfs_status sfs_h5_read_indptr(const sfs_h5_matrix *matrix, uint64_t first, uint64_t count,
                              int64_t *out, sfs_error *error);

/* Reads entries [first, first + count) of indices; each is from 0 to limit - 1. */
sfs_status sfs_h5_read_indices(const sfs_h5_matrix *matrix, uint64_t first, uint64_t count,
                               uint64_t limit, uint32_t *out, sfs_error *error);

/* Normalises the block, whose values are final then, and counts it, or puts its columns in their
 * places and hands it to the writer. */
sfs_status sfs_h5_write_block(sfs_h5_job *job, sfs_csr_block *block, sfs_error *error);

/* The same of rows with all their columns; `values` are changed. */
sfs_status sfs_h5_write_dense(sfs_h5_job *job, uint64_t rows, void *values, sfs_error *error);

#endif
