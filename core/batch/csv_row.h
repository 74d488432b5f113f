/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a table as lines of CSV (docs/batch-format.md). */
#ifndef SFS_BATCH_CSV_ROW_H
#define SFS_BATCH_CSV_ROW_H

#include "store/table.h"

/* Takes text and keeps what falls in a window of it: bytes [skip, skip + room). So a line of any
 * length is read in pieces, and measured, without memory for it. */
typedef struct sfs_csv_sink {
    uint64_t skip, room;
    uint8_t *out;    /* borrowed: room bytes */
    uint64_t length; /* of all that was put so far */
} sfs_csv_sink;

/* Puts the first line: the names of all columns. */
void sfs_csv_put_header(const sfs_table *table, sfs_csv_sink *sink);

/* Puts the line of row < rows. *part is the part that has it, tried first. EIO where the table is
 * damaged. The caller holds a guard; nothing is allocated. */
sfs_status sfs_csv_put_row(const sfs_table *table, uint64_t row, size_t *part, sfs_csv_sink *sink,
                           sfs_error *error);

#endif
