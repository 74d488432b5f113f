/* SPDX-License-Identifier: Apache-2.0 */
/* The parts that the keys split, fold and part ask for, and where they are cut. docs/splits.md. */
#ifndef SFS_SELECT_SPLIT_PARTS_H
#define SFS_SELECT_SPLIT_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/fail.h"

enum {
    SFS_SPLIT_PARTS = 64,   /* most parts of split */
    SFS_SPLIT_FOLDS = 1000, /* most folds */
    SFS_SPLIT_PLACES = 15,  /* most digits behind the point of a fraction */
};

/* Part k has the fraction shares[k] / whole, and all fractions together are 1. */
typedef struct sfs_split_parts {
    uint32_t count;
    uint32_t wanted; /* the part of the key `part` ... */
    bool others;     /* ... or all but that one: part=train of folds */
    uint64_t unit;   /* what shares count, as it was spelled: 10^15 of it are 1, or the folds are */
    uint64_t whole;  /* the sum of shares */
    uint64_t shares[SFS_SPLIT_FOLDS];
} sfs_split_parts;

/* Reads "train:0.8;val:0.1;test:0.1" and the name of one of these parts. Names match
 * [A-Za-z0-9_-]+, none twice; fractions are decimal numbers above 0, of at most SFS_SPLIT_PLACES
 * digits behind the point, that sum to 1 within 1e-9. part is not NULL. EINVAL. */
sfs_status sfs_split_parse(const char *split, const char *part, sfs_split_parts *out,
                           sfs_error *error);

/* Reads "3of5" and train (all folds but the third) or val (the third). part is not NULL. EINVAL. */
sfs_status sfs_fold_parse(const char *fold, const char *part, sfs_split_parts *out,
                          sfs_error *error);

/* Whether part k of the split is asked for. */
static inline bool sfs_split_wants(const sfs_split_parts *parts, uint32_t k)
{
    return (k == parts->wanted) != parts->others;
}

/* Each of these writes count - 1 cuts: part k is what lies below cuts[k], and not below
 * cuts[k - 1]. */

/* Cuts of [0, 2^64). */
void sfs_split_cut_range(const sfs_split_parts *parts, uint64_t *cuts);

/* Cuts of n rows, at sums of fractions rounded to the nearest row, half to even. */
void sfs_split_cut_exact(const sfs_split_parts *parts, uint64_t n, uint64_t *cuts);

/* Cuts of n rows, at sums of fractions rounded by one number uniform in [0, 2^64). */
void sfs_split_cut_stochastic(const sfs_split_parts *parts, uint64_t n, uint64_t uniform,
                              uint64_t *cuts);

/* The part that `at` lies in. */
uint32_t sfs_split_find(const sfs_split_parts *parts, const uint64_t *cuts, uint64_t at);

#endif
