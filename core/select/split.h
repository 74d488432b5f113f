/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of one part of a split: what the keys split, part, split_seed, split_method, stratify,
 * group and fold select. docs/splits.md defines it; tests/reference/split.py is it in Python. */
#ifndef SFS_SELECT_SPLIT_H
#define SFS_SELECT_SPLIT_H

#include "select/row_set.h"
#include "store/collection.h"

typedef enum sfs_split_method {
    SFS_SPLIT_HASH,       /* by the name of a row, or the value of its group, alone */
    SFS_SPLIT_EXACT,      /* a permutation of the rows, cut at rounded counts */
    SFS_SPLIT_STOCHASTIC, /* the same, rounded without bias */
} sfs_split_method;

/* The keys, as they are spelled; NULL where not given. */
typedef struct sfs_split_spec {
    const char *split, *fold, *part, *stratify, *group;
    sfs_split_method method;
    uint64_t seed;
} sfs_split_spec;

/* Whether one of the keys asks for a split, or is there for nothing, which select tells. */
static inline bool sfs_split_is_given(const sfs_split_spec *spec)
{
    return spec->split || spec->fold || spec->part || spec->stratify || spec->group;
}

/* The rows of the part, as a sealed set that the caller closes, out of those of base (sealed; NULL:
 * all rows). Rows of a list are given as the set of them. The same for every order in which it is
 * asked, on every machine. EINVAL where keys are missing, contradict each other, or the collection;
 * EIO, ENOMEM. */
sfs_status sfs_split_select(const sfs_collection *collection, const sfs_split_spec *spec,
                            const sfs_row_set *base, sfs_row_set *out, sfs_error *error);

#endif
