/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing a number below n in proportion to weights, O(1) a draw: an alias table (Walker, "An
 * efficient method for generating discrete random variables with general distributions", ACM
 * TOMS 1977), 8 bytes an entry. Integers all through: the same table everywhere. */
#ifndef SFS_SELECT_ALIAS_H
#define SFS_SELECT_ALIAS_H

#include <stdint.h>

#include "store/fail.h"

/* A column of height 2^32: below threshold it is entry i itself, above it is `other`. */
typedef struct sfs_alias_column {
    uint32_t threshold, other;
} sfs_alias_column;

/* What becomes of weights: the same memory, as weights and then as a table. */
typedef union sfs_alias_entry {
    uint64_t weight; /* below SFS_ALIAS_WEIGHT_MAX */
    sfs_alias_column column;
} sfs_alias_entry;

#define SFS_ALIAS_WEIGHT_MAX (UINT64_C(1) << 62)

/* Turns count < 2^32 weights, not all 0, into a table, in place: entry i is drawn with a
 * probability within 2^-32 / count of its share, and never where its weight is 0. ENOMEM (a bit an
 * entry, for as long as it takes). */
sfs_status sfs_alias_build(sfs_alias_entry *entries, uint64_t count, sfs_error *error);

/* An entry, for a number uniform in [0, 2^64). */
static inline uint64_t sfs_alias_draw(const sfs_alias_entry *entries, uint64_t count,
                                      uint64_t uniform)
{
    unsigned __int128 product = (unsigned __int128)uniform * count;
    uint64_t i = (uint64_t)(product >> 64);
    uint32_t height = (uint32_t)((uint64_t)product >> 32);
    return height < entries[i].column.threshold ? i : entries[i].column.other;
}

#endif
