/* SPDX-License-Identifier: Apache-2.0 */
/* 64-bit keys from 64-bit words: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom
 * number generators", OOPSLA 2014), chained. */
#ifndef SFS_ORDER_KEY_H
#define SFS_ORDER_KEY_H

#include <stddef.h>
#include <stdint.h>

/* What a key is for, its fifth word after version, seed, epoch and number of rows: streams never
 * share keys. Those of splits have epoch 0. */
enum sfs_stream {
    SFS_STREAM_ROWS = 1,
    SFS_STREAM_BLOCKS = 2,
    SFS_STREAM_WINDOW = 3,
    SFS_STREAM_DRAW = 4,        /* a draw with replacement */
    SFS_STREAM_BATCH_CLASS = 5, /* the class of a batch of one class */
    SFS_STREAM_SPLIT_VALUE = 6, /* where a name, or the value of a group, falls in [0, 1) */
    SFS_STREAM_SPLIT_ROWS = 7,  /* the permutation whose pieces are the parts */
    SFS_STREAM_SPLIT_ROUND = 8, /* the uniform number of stochastic rounding */
};

static inline uint64_t sfs_splitmix(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* Words are hashed in turn, never added to each other, so that (seed 0, epoch 1) is not (seed 1,
 * epoch 0). */
static inline uint64_t sfs_key(const uint64_t *words, size_t count)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < count; i++)
        hash = sfs_splitmix(hash ^ words[i]);
    return hash;
}

#endif
