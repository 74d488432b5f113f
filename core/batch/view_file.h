/* SPDX-License-Identifier: Apache-2.0 */
/* Whole columns and matrices as a view has them: with its rows, in their order, and its genes. Such
 * a file is never built as a whole: a read makes the runs of rows that it falls in. */
#ifndef SFS_BATCH_VIEW_FILE_H
#define SFS_BATCH_VIEW_FILE_H

#include "batch/column_file.h"
#include "batch/csr_part.h"

/* The rows of obs, or of var; both are borrowed, and outlive the file. */
typedef struct sfs_view_source {
    const sfs_collection *collection;
    const sfs_view_rows *rows;
    const sfs_gene_set *genes; /* of a matrix; NULL: all columns */
} sfs_view_source;

/* A file of a column in one of its forms, for the rows of the source. The caller closes it. Takes
 * O(rows) for SFS_COLUMN_TEXT. EIO, ENOMEM. */
sfs_status sfs_view_column_open(const sfs_view_source *source, const sfs_column *column,
                                sfs_column_form form, sfs_file **out, sfs_error *error);

/* The lines of a table, for the rows of the source; takes O(rows). As above. */
sfs_status sfs_view_csv_open(const sfs_view_source *source, const sfs_table *table, sfs_file **out,
                             sfs_error *error);

/* The array indptr (int64), indices or data of a matrix, as .npy. Takes O(rows), and with genes
 * decodes every row. As above. */
sfs_status sfs_view_matrix_open(const sfs_view_source *source, const sfs_matrix *matrix,
                                sfs_csr_array array, sfs_file **out, sfs_error *error);

#endif
