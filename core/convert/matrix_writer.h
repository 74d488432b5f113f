/* SPDX-License-Identifier: Apache-2.0 */
/* Writes one matrix of a collection, from rows in storage order, sparse or dense, into any codec.
 */
#ifndef SFS_CONVERT_MATRIX_WRITER_H
#define SFS_CONVERT_MATRIX_WRITER_H

#include "convert/output.h"
#include "store/matrix.h"

typedef struct sfs_matrix_spec {
    const char *name; /* X, raw/X, layers/NAME; borrowed until the writer is finished */
    sfs_codec_id codec;
    sfs_dtype dtype;
    uint64_t columns;
} sfs_matrix_spec;

/* What the source held that a reader might want to know; the converter fills it in and the summary
 * shows it. */
typedef struct sfs_matrix_stats {
    uint64_t unsorted_rows;  /* rows whose indices had to be sorted */
    uint64_t duplicates;     /* entries that were added to another of the same row and column */
    uint64_t explicit_zeros; /* stored entries that are 0 */
} sfs_matrix_stats;

/* One matrix of an output is written at a time. */
typedef struct sfs_matrix_writer sfs_matrix_writer;

sfs_status sfs_matrix_writer_open(sfs_output *output, const sfs_matrix_spec *spec,
                                  sfs_matrix_writer **out, sfs_error *error);

/* Appends rows in CSR form: row i has nnz[i] entries; indices ascend strictly within a row and are
 * less than columns; values are of the spec's dtype. */
sfs_status sfs_matrix_writer_sparse(sfs_matrix_writer *writer, uint64_t rows, const uint32_t *nnz,
                                    const int32_t *indices, const void *values, sfs_error *error);

/* Appends rows with all their columns. */
sfs_status sfs_matrix_writer_dense(sfs_matrix_writer *writer, uint64_t rows, const void *values,
                                   sfs_error *error);

/* Ends the matrix, which must have the output's number of rows by now, and releases the writer
 * (also on failure). */
sfs_status sfs_matrix_writer_finish(sfs_matrix_writer *writer, const sfs_matrix_stats *stats,
                                    sfs_error *error);

/* Releases a writer that will not be finished. Accepts NULL. */
void sfs_matrix_writer_abort(sfs_matrix_writer *writer);

#endif
