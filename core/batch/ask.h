/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the kernel which bytes of the collection's files are read soon, so that the disk can fetch
 * all of them at once, in its own order. A page fault would fetch one and wait: a twentieth of what
 * a disk can do. Hints: nothing that goes wrong here is an error. */
#ifndef SFS_BATCH_ASK_H
#define SFS_BATCH_ASK_H

#include "batch/row_list.h"
#include "codec/codec.h"

/* The share of a sample of the list's rows [first, end) that is not in memory. Asked again, it may
 * say 0: the kernel begins to read what it is asked about. Reads no maps beyond what places of rows
 * take; the caller holds a guard, here and below. */
double sfs_ask_cold_share(const sfs_row_list *list, uint64_t first, uint64_t end);

/* Asks the processor for a row that is read next, if there is such a row. Reads no map beyond what
 * places of rows take. */
void sfs_ask_row(const sfs_row_list *list, uint64_t row);

/* Asks the processor for one array of a row that is read next; and, at the first row of a walk and
 * whenever it comes to row *starts_to, for where the next few rows behind it begin and end, but for
 * neighbours, which are found without. *starts_to is 0 before the walk. Reads the first bytes of
 * the row: it must be one that is read in any case. */
void sfs_ask_array(const sfs_row_list *list, uint64_t row, sfs_row_array array,
                   uint64_t *starts_to);

/* Asks for one array of the list's rows [first, end). */
void sfs_ask_rows(const sfs_row_list *list, sfs_row_array array, uint64_t first, uint64_t end);

/* Asks for both arrays of the list's rows [first, end), unless a sample of them is in memory;
 * `again`: in any case. Returns whether it asked. */
bool sfs_ask_cold(const sfs_row_list *list, uint64_t first, uint64_t end, bool again);

/* Asks for both arrays of rows [first, first + count) of a matrix, neighbours in its files. */
void sfs_ask_run(const sfs_matrix *matrix, uint64_t first, uint64_t count);

/* Whether the row in their middle is in memory, and in no page that the rows around them may have
 * brought there. */
bool sfs_ask_run_is_resident(const sfs_matrix *matrix, uint64_t first, uint64_t count);

#endif
