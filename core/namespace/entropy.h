/* SPDX-License-Identifier: Apache-2.0 */
/* The entropy of the categories in a batch, and what it would be if the batch's rows were drawn at
 * random without replacement. */
#ifndef SFS_NAMESPACE_ENTROPY_H
#define SFS_NAMESPACE_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

#include "store/fail.h"

/* Of the entropy in bits of such a batch. */
typedef struct sfs_entropy_ideal {
    double mean;   /* exact */
    double linear; /* variance of what is linear in the counts of the categories: it adds up to 0
                      over the batches of an epoch; exact */
    double rest;   /* variance of all else; docs/quality.md says how far it is exact */
} sfs_entropy_ideal;

/* The entropy in bits of so many rows each; 0 where there are none. */
double sfs_entropy_bits(const uint64_t *counts, size_t count);

/* Of a batch of `batch` rows, at least 1 and at most as many as there are, out of categories with
 * so many rows each. Sorts counts. ENOMEM. */
sfs_status sfs_entropy_ideal_of(uint64_t *counts, size_t count, uint64_t batch,
                                sfs_entropy_ideal *out, sfs_error *error);

/* The variance of the mean over m batches of `batch` rows of one epoch of n rows. */
double sfs_entropy_mean_variance(const sfs_entropy_ideal *ideal, uint64_t m, uint64_t batch,
                                 uint64_t n);

#endif
