/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions over the columns of a table: which rows of obs (`where`), which of var (`genes`). The
 * language is described in docs/expressions.md.
 *
 * What is missing: a value whose mask is true in a nullable column, NaN in a column of floats, code
 * -1 in a categorical one. `COLUMN == None` holds for exactly those, `COLUMN != None` for the rest.
 * In any other test,
 * - a missing value of a nullable column makes the test neither true nor false, and so it stays
 *   under `not`, and under `and` and `or` unless the other side decides (Kleene's logic, that of
 *   pandas.NA); a row for which the expression as a whole is neither is left out;
 * - NaN and the missing value of a categorical column equal nothing, come before and after nothing
 *   and are in no list: ==, <, <=, >, >=, in and like are false; !=, not in and not like are true.
 */
#ifndef SFS_SELECT_EXPRESSION_H
#define SFS_SELECT_EXPRESSION_H

#include "select/row_set.h"
#include "store/table.h"

/* Immutable, and so shared by any number of threads. */
typedef struct sfs_expression sfs_expression;

/* Parses text and types it against table, which must stay open as long as *out; reads no mapped
 * file. key ("where", "genes") begins the sentences of errors, which name the place in text by its
 * character, from 1. text may have any bytes. The caller closes *out. EINVAL, ENOMEM. */
sfs_status sfs_expression_open(const char *text, const char *key, const sfs_table *table,
                               sfs_expression **out, sfs_error *error);

/* Accepts NULL. */
void sfs_expression_close(sfs_expression *expression);

/* The rows of the table for which the expression is true, as a sealed set that the caller closes.
 * Evaluated by all cores; files are those of the table's collection. Guards itself. EINVAL where
 * numbers are compared with categories that are none: only reading them tells. EIO, ENOMEM. */
sfs_status sfs_expression_select(const sfs_expression *expression, const sfs_map_set *files,
                                 sfs_row_set *out, sfs_error *error);

#endif
