/* SPDX-License-Identifier: Apache-2.0 */
/* Selections of many rows, kept in the user's cache directory from one mount to the next. */
#ifndef SFS_NAMESPACE_KEPT_H
#define SFS_NAMESPACE_KEPT_H

#include "select/row_set.h"
#include "store/collection.h"

/* The rows that an expression selects of obs: found as kept by an earlier process, or else
 * evaluated and, where there are many rows, kept. That a set cannot be kept is no error. The caller
 * closes *out. As sfs_expression_open and sfs_expression_select. */
sfs_status sfs_kept_select(const sfs_collection *collection, const char *where, sfs_row_set *out,
                           sfs_error *error);

#endif
