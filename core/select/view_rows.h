/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a view: S, the list that an epoch's order permutes. Storage order, or that of a list
 * which the user gave. */
#ifndef SFS_SELECT_VIEW_ROWS_H
#define SFS_SELECT_VIEW_ROWS_H

#include "select/row_set.h"

/* Immutable once made. */
typedef struct sfs_view_rows {
    uint64_t count;
    sfs_row_set set; /* owned; words NULL: all rows, or a list */
    int64_t *list;   /* owned; NULL: storage order */
} sfs_view_rows;

void sfs_view_rows_close(sfs_view_rows *rows);

/* Row i < count of the view. */
static inline uint64_t sfs_view_rows_at(const sfs_view_rows *rows, uint64_t i)
{
    return rows->list        ? (uint64_t)rows->list[i]
           : rows->set.words ? sfs_row_set_select(&rows->set, i)
                             : i;
}

/* Whether the view, which has no list, has that row, and as which. */
bool sfs_view_rows_find(const sfs_view_rows *rows, uint64_t row, uint64_t *i);

/* Bytes of memory that they hold. */
uint64_t sfs_view_rows_memory(const sfs_view_rows *rows);

/* A hash of the sequence of rows: XXH3-64 of their numbers as int64, little-endian. */
uint64_t sfs_view_rows_digest(const sfs_view_rows *rows);

#endif
