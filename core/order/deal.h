/* SPDX-License-Identifier: Apache-2.0 */
/* Which positions of an epoch make a batch of a rank. docs/order.md. */
#ifndef SFS_ORDER_DEAL_H
#define SFS_ORDER_DEAL_H

#include <stdbool.h>
#include <stdint.h>

/* What the last step of an epoch does, when fewer than world_size x batch_size positions are left.
 */
typedef enum sfs_tail {
    SFS_TAIL_EVEN, /* equal runs for all ranks; fewer than world_size rows wait for another epoch */
    SFS_TAIL_KEEP, /* every row once; runs differ by one row at most */
    SFS_TAIL_PAD,  /* equal runs; past the end, rows from the start of the epoch once more */
    SFS_TAIL_DROP, /* full batches only */
} sfs_tail;

typedef struct sfs_deal_spec {
    uint64_t n, world_size, batch_size;
    sfs_tail tail;
} sfs_deal_spec;

/* A run of positions: [first, first + count), those at n and beyond wrap to the start of the epoch.
 */
typedef struct sfs_deal_run {
    uint64_t first, count;
    uint64_t repeated; /* of them, rows that tail=pad repeats: those past the end */
} sfs_deal_run;

/* The number of batches that every rank has. */
uint64_t sfs_deal_steps(const sfs_deal_spec *spec);

/* Batch `step` of `rank`; step < sfs_deal_steps, rank < world_size. */
sfs_deal_run sfs_deal_batch(const sfs_deal_spec *spec, uint64_t rank, uint64_t step);

/* Where a position is dealt, at or past n (where tail=pad wraps). */
typedef struct sfs_deal_place {
    uint64_t rank, step, slot; /* slot: the row's place in the batch */
} sfs_deal_place;

/* False where the epoch does not deal it. */
bool sfs_deal_find(const sfs_deal_spec *spec, uint64_t position, sfs_deal_place *out);

#endif
