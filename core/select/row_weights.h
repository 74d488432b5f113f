/* SPDX-License-Identifier: Apache-2.0 */
/* The key weight: a column of numbers as integers that are in proportion. */
#ifndef SFS_SELECT_ROW_WEIGHTS_H
#define SFS_SELECT_ROW_WEIGHTS_H

#include "select/alias.h"
#include "select/row_walk.h"
#include "store/collection.h"

/* Writes the weight of each row of the walk, in its order: the value of the column as float64,
 * times the power of 2 that brings the largest of these rows to 2^61 or above, but below 2^62,
 * rounded down; missing values are 0. EINVAL: no column of numbers or booleans of that name, a
 * value below 0 or not finite (the sentence names it and its row), or none above 0 in a walk that
 * has rows. EIO. */
sfs_status sfs_row_weights_read(const sfs_collection *collection, const char *name,
                                sfs_row_walk walk, sfs_alias_entry *out, sfs_error *error);

#endif
