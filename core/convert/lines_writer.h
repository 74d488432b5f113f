/* SPDX-License-Identifier: Apache-2.0 */
/* Works out and writes where the lines of CSV of a table's rows lie, so that a mount knows the size
 * of any file of them. */
#ifndef SFS_CONVERT_LINES_WRITER_H
#define SFS_CONVERT_LINES_WRITER_H

#include "convert/output.h"
#include "convert/progress.h"

/* Goes once through all rows of a table ("obs", "var" or "raw_var") whose columns are finished. A
 * table that does not exist is left alone; one whose lines may be too long (SFS_LINES_MAX) with a
 * note. Memory is bounded. */
sfs_status sfs_lines_write(sfs_output *output, const char *table, sfs_progress *progress,
                           sfs_error *error);

/* So many bytes of a line that a base and 63 lines are sure to fit 32 bits. */
enum { SFS_LINES_MAX = 1 << 26 };

#endif
