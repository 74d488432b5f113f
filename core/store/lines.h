/* SPDX-License-Identifier: Apache-2.0 */
/* Where the lines of CSV of a table's rows lie, as far as the collection says it. */
#ifndef SFS_STORE_LINES_H
#define SFS_STORE_LINES_H

#include "store/table.h"

/* Lines as this version writes them (docs/batch-format.md): what is said of others is left alone.
 */
enum { SFS_LINES_VERSION = 1 };

enum { SFS_LINES_BASE_ROWS = 64 }; /* rows that share one base */

/* Opens what the description of a table says of its lines, if anything, into out->lines; part p has
 * part_rows[p] rows. The caller holds a guard, and closes the table. */
sfs_status sfs_lines_open(const sfs_files *files, const json_t *object, const uint64_t *part_rows,
                          size_t part_count, sfs_table *out, sfs_error *error);

/* Of a table whose lines are stored: the bytes of all lines before row <= rows, and of all of them.
 * The caller of the first one holds a guard. EIO. */
sfs_status sfs_table_line_start(const sfs_table *table, uint64_t row, uint64_t *out,
                                sfs_error *error);
uint64_t sfs_table_lines_bytes(const sfs_table *table);

/* sfs_map_check_size of the files that say where lines begin, if there are any. */
sfs_status sfs_table_lines_check_sizes(const sfs_table *table, sfs_error *error);

#endif
