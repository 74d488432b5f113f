/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluates a typed expression for a chunk of rows at a time. */
#ifndef SFS_SELECT_EXPRESSION_EVALUATE_H
#define SFS_SELECT_EXPRESSION_EVALUATE_H

#include "select/expression_tree.h"

enum { SFS_CHUNK_ROWS = 4096 };

/* Truth values, such that `and` is the minimum, `or` the maximum and `not` what is left to 2. */
enum { SFS_FALSE = 0, SFS_UNKNOWN = 1, SFS_TRUE = 2 };

/* Memory for the text of a line that has escapes. */
typedef struct sfs_line {
    uint8_t *bytes; /* owned */
    uint64_t room;
} sfs_line;

/* What one thread has for itself. */
typedef struct sfs_evaluator {
    const sfs_expression *expression;
    uint8_t *const *categories; /* by the test's number: its truth value by code + 1 */
    uint8_t *truths;            /* owned: chunks of truth values, one a level */
    uint8_t *numbers;           /* owned: chunks of numbers, likewise */
    sfs_line line;
} sfs_evaluator;

/* The caller closes it, also on failure. ENOMEM. */
sfs_status sfs_evaluator_open(const sfs_expression *expression, uint8_t *const *categories,
                              sfs_evaluator *out, sfs_error *error);
void sfs_evaluator_close(sfs_evaluator *evaluator);

/* Truth values of rows [first, first + count) of the table; count <= SFS_CHUNK_ROWS. The caller
 * holds a guard. EIO, ENOMEM. */
sfs_status sfs_evaluate(sfs_evaluator *evaluator, uint64_t first, uint64_t count, uint8_t *out,
                        sfs_error *error);

/* Evaluates a test of categories for each of them: out has one truth value more than there are
 * categories, and begins with that of what is missing. The caller holds a guard. EINVAL where they
 * are to be compared as numbers and are none, EIO, ENOMEM. */
sfs_status sfs_evaluate_categories(const sfs_expression *expression, const sfs_test *test,
                                   sfs_line *line, uint8_t *out, sfs_error *error);

/* Evaluates a test of strings for rows [first, first + count). */
sfs_status sfs_evaluate_text(const sfs_test *test, sfs_line *line, uint64_t first, uint64_t count,
                             uint8_t *out, sfs_error *error);

#endif
