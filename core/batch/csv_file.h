/* SPDX-License-Identifier: Apache-2.0 */
/* Tables as files of CSV (docs/batch-format.md): lines are written when they are read. */
#ifndef SFS_BATCH_CSV_FILE_H
#define SFS_BATCH_CSV_FILE_H

#include "batch/file.h"

/* All rows of a table whose lengths as lines are stored (table->lines). The caller closes the file.
 * ENOMEM. */
sfs_status sfs_csv_file_open(const sfs_collection *collection, const sfs_table *table,
                             sfs_file **out, sfs_error *error);

/* These rows of the table, all below its rows, in the order of the list. Takes the list over, also
 * on failure. The caller closes the file. EIO (damage), ENOMEM. */
sfs_status sfs_csv_rows_file_open(sfs_row_list *rows, const sfs_table *table, sfs_file **out,
                                  sfs_error *error);

#endif
