/* SPDX-License-Identifier: Apache-2.0 */
/* A keyed permutation of [0, n), forward and inverse, O(1) a value.
 *
 * Variable-width Philox with cycle-walking: Mitchell, Stokes, Frank, Holmes, "Bandwidth-Optimal
 * Random Shuffling for GPUs" (arXiv 2106.06161). Up to SFS_PERMUTATION_TABLE values, where such
 * networks are biased, a Fisher-Yates table. */
#ifndef SFS_ORDER_PERMUTATION_H
#define SFS_ORDER_PERMUTATION_H

#include <stdint.h>

#include "store/fail.h"

enum { SFS_PERMUTATION_TABLE = 4096, SFS_PERMUTATION_ROUNDS = 12 };

typedef struct sfs_permutation {
    uint64_t n;
    uint16_t *forward, *inverse; /* owned, in one allocation; NULL when n > SFS_PERMUTATION_TABLE */
    unsigned left, right;        /* bits of the two halves */
    uint32_t keys[SFS_PERMUTATION_ROUNDS];
} sfs_permutation;

/* ENOMEM alone can happen. A zeroed sfs_permutation may be closed too. */
sfs_status sfs_permutation_open(sfs_permutation *permutation, uint64_t n, uint64_t key,
                                sfs_error *error);
void sfs_permutation_close(sfs_permutation *permutation);

/* i < n. */
uint64_t sfs_permutation_at(const sfs_permutation *permutation, uint64_t i);
uint64_t sfs_permutation_inverse(const sfs_permutation *permutation, uint64_t value);

#endif
