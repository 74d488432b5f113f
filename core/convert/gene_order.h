/* SPDX-License-Identifier: Apache-2.0 */
/* Columns in the order of their frequency (--sort-genes): the one with the most non-zeros first,
 * and those of the same number as in the source. Indices of a row are then close together, which
 * codecs of few bits make use of. */
#ifndef SFS_CONVERT_GENE_ORDER_H
#define SFS_CONVERT_GENE_ORDER_H

#include "convert/normalize.h"
#include "convert/output.h"

/* The column of var that says where each gene was in the source, from 0. */
#define SFS_GENE_POSITION "original_position"

/* What a progress line adds to the name of the matrix that decides. */
#define SFS_GENE_COUNTING ": counting genes"

/* {0} is no order: columns stay where they are. */
typedef struct sfs_gene_order {
    uint64_t columns;
    int32_t *source; /* owned: the column of the source that each column is */
    int32_t *place;  /* owned: where each column of the source is */
} sfs_gene_order;

void sfs_gene_order_close(sfs_gene_order *order);

/* Add the non-zeros of each column, where explicit zeros are none. The block is normalised, so that
 * a place counts once. */
void sfs_gene_count_sparse(uint64_t *counts, const sfs_csr_block *block);
void sfs_gene_count_dense(uint64_t *counts, uint64_t rows, uint64_t columns, sfs_dtype dtype,
                          const void *values);

/* `columns` counts, fewer than 2^31. The caller closes out, also on failure. */
sfs_status sfs_gene_order_open(const uint64_t *counts, uint64_t columns, sfs_gene_order *out,
                               sfs_error *error);

/* Move the columns of rows to their places. A block must be normalised, and is so again. */
sfs_status sfs_gene_order_sparse(const sfs_gene_order *order, sfs_csr_block *block,
                                 sfs_error *error);
sfs_status sfs_gene_order_dense(const sfs_gene_order *order, uint64_t rows, sfs_dtype dtype,
                                void *values, sfs_error *error);

/* Writes the column of that name into the table, which is declared and has a row for each column.
 */
sfs_status sfs_gene_order_write(const sfs_gene_order *order, const char *table, sfs_output *output,
                                sfs_error *error);

#endif
