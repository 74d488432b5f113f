/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a column as the runs in which its parts have them. */
#ifndef SFS_SELECT_COLUMN_SPAN_H
#define SFS_SELECT_COLUMN_SPAN_H

#include "store/table.h"

typedef struct sfs_column_span {
    const sfs_column_part *part;
    uint64_t first, count; /* rows of the part */
    uint64_t at;           /* the first one's place among the rows asked for */
} sfs_column_span;

/* Goes to the next run of the column's rows [first, first + count); begins with a span of zeros.
 * False where there is none left. The rows are within the column. */
bool sfs_column_span_next(const sfs_column *column, uint64_t first, uint64_t count,
                          sfs_column_span *span);

/* Tells the kernel that these rows are read soon: a page fault would fetch one page and wait. Of
 * strings, asks for where they are or, with `text`, for themselves. A hint: nothing that goes wrong
 * is an error. The caller holds a guard. */
void sfs_column_will_need(const sfs_column *column, uint64_t first, uint64_t count, bool text);

#endif
