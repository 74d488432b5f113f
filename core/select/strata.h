/* SPDX-License-Identifier: Apache-2.0 */
/* How many rows of each class go to each part of a split, so that every class keeps the fractions.
 * docs/splits.md. */
#ifndef SFS_SELECT_STRATA_H
#define SFS_SELECT_STRATA_H

#include "select/split_parts.h"

/* classes x parts numbers, row by row. */
typedef struct sfs_strata {
    uint32_t classes, parts;
    uint32_t *counts; /* owned: rows of class c that go to part k, at c * parts + k */
} sfs_strata;

/* Rounds sizes[c] * fraction of k down or up, to integers only where it is one, so that each class
 * is dealt out whole, and the total of each part is its fraction of all rows, rounded down or up.
 * ENOMEM. The caller closes *out. */
sfs_status sfs_strata_open(const sfs_split_parts *parts, const uint32_t *sizes, uint32_t classes,
                           sfs_strata *out, sfs_error *error);
void sfs_strata_close(sfs_strata *strata);

#endif
