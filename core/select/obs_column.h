/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of obs that keys of a view name, and values of them one by one. */
#ifndef SFS_SELECT_OBS_COLUMN_H
#define SFS_SELECT_OBS_COLUMN_H

#include "store/collection.h"

/* The column of obs that `key` names; _index is the index. EINVAL lists the columns there are. */
sfs_status sfs_obs_column(const sfs_collection *collection, const char *name, const char *key,
                          const sfs_column **out, sfs_error *error);

/* The part of the column that has `row`, which is below the rows of obs. */
const sfs_column_part *sfs_column_part_of(const sfs_column *column, uint64_t row);

/* What follows reads maps: the caller holds a guard. */

/* Whether the value of a row is missing: by the mask of a nullable column, or by code -1. EIO also
 * where a code is none. */
sfs_status sfs_column_missing(const sfs_column *column, const sfs_column_part *part, uint64_t row,
                              bool *missing, sfs_error *error);

/* Integers and booleans as an integer; numbers of 64 bits without sign keep their bits. */
sfs_status sfs_column_integer(const sfs_column *column, const sfs_column_part *part, uint64_t row,
                              int64_t *out, sfs_error *error);

/* The escaped line of a value of a column of strings. */
sfs_status sfs_column_line(const sfs_column_part *part, uint64_t row, const uint8_t **line,
                           uint64_t *length, sfs_error *error);

/* EIO where a file of the column is shorter by now: to be asked after its values were read. */
sfs_status sfs_column_check_sizes(const sfs_column *column, sfs_error *error);

#endif
