/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a view, grouped by their class: 4 bytes a row and 8 a class. */
#ifndef SFS_SELECT_CLASS_ROWS_H
#define SFS_SELECT_CLASS_ROWS_H

#include "select/classes.h"
#include "select/row_walk.h"

/* Views of more rows are not grouped: their rows' numbers are kept in 32 bits. */
#define SFS_CLASS_ROWS_MAX (UINT64_C(1) << 32)

/* Immutable once made. Classes without rows in the view are left out. */
typedef struct sfs_class_rows {
    uint32_t count;    /* of classes that have rows */
    uint32_t *classes; /* owned: which ones, ascending; SFS_CLASS_MISSING, where it is in, last */
    uint32_t *starts;  /* owned, count + 1: where the rows of each begin in members */
    uint32_t *members; /* owned: numbers of rows in the view, ascending within a class */
} sfs_class_rows;

/* walk is at its start; its rows are below classes->rows. Rows with a missing value are a class of
 * their own, or left out. EINVAL for a view of 2^32 rows or more (`key` begins the sentence),
 * ENOMEM. The caller closes *out, and accepts zeros there. */
sfs_status sfs_class_rows_open(const sfs_classes *classes, sfs_row_walk walk, bool missing,
                               const char *key, sfs_class_rows *out, sfs_error *error);
void sfs_class_rows_close(sfs_class_rows *rows);

/* The number of rows of the i-th of the classes. */
static inline uint32_t sfs_class_rows_size(const sfs_class_rows *rows, uint32_t i)
{
    return rows->starts[i + 1] - rows->starts[i];
}

uint64_t sfs_class_rows_memory(const sfs_class_rows *rows);

#endif
