/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a view one after another: a set, a list, or all rows of a collection. */
#ifndef SFS_SELECT_ROW_WALK_H
#define SFS_SELECT_ROW_WALK_H

#include "select/row_set.h"

typedef struct sfs_row_walk {
    const sfs_row_set *set; /* borrowed, sealed; NULL: a list, or all */
    const int64_t *list;    /* borrowed; NULL: a set, or all */
    uint64_t count;         /* rows of the view */
    uint64_t i;             /* rows seen so far */
    uint64_t word, left;    /* of a set: which word is walked, and its bits not yet seen */
} sfs_row_walk;

/* set and list NULL: rows 0 to count - 1. count is not used with a set. */
static inline sfs_row_walk sfs_row_walk_start(const sfs_row_set *set, const int64_t *list,
                                              uint64_t count)
{
    return (sfs_row_walk){.set = set,
                          .list = list,
                          .count = set ? set->count : count,
                          .left = set && set->size ? set->words[0] : 0};
}

/* The next row; to be called `count` times at most. */
static inline uint64_t sfs_row_walk_next(sfs_row_walk *walk)
{
    uint64_t i = walk->i++;
    if (!walk->set)
        return walk->list ? (uint64_t)walk->list[i] : i;
    while (!walk->left)
        walk->left = walk->set->words[++walk->word];
    uint64_t row = walk->word * 64 + (uint64_t)__builtin_ctzll(walk->left);
    walk->left &= walk->left - 1;
    return row;
}

#endif
