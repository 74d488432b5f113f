/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a file, in the order in which it has them: either any rows, each with its place, or a
 * run of neighbours, which needs no table however long it is. */
#ifndef SFS_BATCH_ROW_LIST_H
#define SFS_BATCH_ROW_LIST_H

#include "order/deal.h"
#include "order/order.h"
#include "select/gene_set.h"
#include "select/draw.h"
#include "select/view_rows.h"
#include "store/collection.h"

typedef struct sfs_row_list {
    const sfs_collection *collection; /* borrowed */
    const sfs_matrix *matrix;         /* borrowed: whose non-zeros are counted */
    uint64_t count, nnz;
    uint64_t first;            /* of a run: the rows are first, first + 1, ... */
    int64_t *rows;             /* owned: count of them; NULL: a run */
    uint64_t *starts;          /* owned: where each row lies, as in sfs_row_place ... */
    uint32_t *sizes;           /* ... owned; NULL where the codec is not packed */
    void *indptr;              /* owned: count + 1 int32, or int64 where `wide` */
    bool wide;                 /* nnz needs int64 */
    const sfs_gene_set *genes; /* borrowed: nnz and indptr count these columns; NULL: all ... */
    uint32_t *stored;          /* ... owned: each row's non-zeros of all columns, with genes */
} sfs_row_list;

/* From this many non-zeros on, indptr (and the indices beside it) are int64. */
#define SFS_WIDE_NNZ (UINT64_C(1) << 31)

/* Each of these makes a list that the caller closes; on failure there is nothing to close. Rows are
 * less than the matrix's rows. Errors: EIO (damage), ENOMEM. */
sfs_status sfs_row_list_run(const sfs_collection *collection, const sfs_matrix *matrix,
                            uint64_t first, uint64_t count, sfs_row_list *out, sfs_error *error);

/* Takes `rows` (malloc'ed) over, also on failure. */
sfs_status sfs_row_list_table(const sfs_collection *collection, const sfs_matrix *matrix,
                              int64_t *rows, uint64_t count, sfs_row_list *out, sfs_error *error);

/* The numbers of rows alone, of no matrix: takes `rows` over. */
sfs_status sfs_row_list_numbers(const sfs_collection *collection, int64_t *rows, uint64_t count,
                                sfs_row_list *out, sfs_error *error);

/* An epoch of a view: its rows in an order, or draws from them. */
typedef struct sfs_epoch {
    const sfs_view_rows *rows; /* borrowed */
    const sfs_draw *draw;      /* borrowed; NULL: none, and order.n is that of the rows */
    sfs_order_spec order;      /* of draws: n, seed and epoch alone */
} sfs_epoch;

/* The rows at the positions of run, which are the batch of that number: step * world_size + rank.
 */
sfs_status sfs_row_list_deal(const sfs_collection *collection, const sfs_matrix *matrix,
                             const sfs_epoch *epoch, sfs_deal_run run, uint64_t batch,
                             sfs_row_list *out, sfs_error *error);

/* Leaves nothing but these columns in the list, which are of its matrix and outlive it: reads and
 * decodes each row, to count what is left of it. A run becomes a table. On failure the list is
 * closed. EINVAL where genes are of another number of columns; EIO, ENOMEM. */
sfs_status sfs_row_list_choose(sfs_row_list *list, const sfs_gene_set *genes, sfs_error *error);

/* The rows of another list, with the same genes, in another matrix. */
sfs_status sfs_row_list_like(const sfs_row_list *other, const sfs_matrix *matrix, sfs_row_list *out,
                             sfs_error *error);

void sfs_row_list_close(sfs_row_list *list);

/* The number, in the collection, of row i < count. */
static inline uint64_t sfs_row_list_row(const sfs_row_list *list, uint64_t i)
{
    return list->rows ? (uint64_t)list->rows[i] : list->first + i;
}

/* The columns that the rows have. */
static inline uint64_t sfs_row_list_columns(const sfs_row_list *list)
{
    return list->genes ? list->genes->count : list->matrix->columns;
}

/* Bytes of memory that the list holds. */
uint64_t sfs_row_list_memory(const sfs_row_list *list);

/* What follows reads maps: the caller holds a guard. */

/* The number of non-zeros before row i <= count of the list. */
sfs_status sfs_row_list_before(const sfs_row_list *list, uint64_t i, uint64_t *out,
                               sfs_error *error);

/* The row i < count that has non-zero number `at` < nnz of the list. */
sfs_status sfs_row_list_find(const sfs_row_list *list, uint64_t at, uint64_t *out,
                             sfs_error *error);

/* Where row i < count lies; its non-zeros there are those of all columns. */
sfs_status sfs_row_list_place(const sfs_row_list *list, uint64_t i, sfs_row_place *out,
                              sfs_error *error);

/* The most non-zeros, of all columns, that a row of the list has. */
sfs_status sfs_row_list_longest(const sfs_row_list *list, uint64_t *out, sfs_error *error);

#endif
