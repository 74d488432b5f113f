/* SPDX-License-Identifier: Apache-2.0 */
/* The order of an epoch: which row (of a view's rows, in storage order) stands at which position,
 * and back, O(1) each. docs/order.md and tests/reference/order.py define it. */
#ifndef SFS_ORDER_ORDER_H
#define SFS_ORDER_ORDER_H

#include "order/permutation.h"

enum { SFS_ORDER_VERSION = 1 };

typedef enum sfs_order_kind {
    SFS_ORDER_SEQUENTIAL,
    SFS_ORDER_SHUFFLE,
    SFS_ORDER_BLOCK,
} sfs_order_kind;

/* What an order depends on. block_size and window count rows; window is a multiple of block_size.
 */
typedef struct sfs_order_spec {
    sfs_order_kind kind;
    uint64_t n, seed, epoch, block_size, window;
} sfs_order_spec;

/* Owned by one thread: looking up a position may replace the window that is held. */
typedef struct sfs_order {
    sfs_order_spec spec;
    sfs_permutation rows;      /* of the rows, or of the blocks */
    uint64_t short_rows;       /* rows in the last block */
    uint64_t short_at;         /* where the last block falls */
    sfs_permutation in_window; /* inside window `window_index` */
    uint64_t window_index;     /* UINT64_MAX: none is held */
} sfs_order;

/* ENOMEM alone can happen, here and below. The caller closes the order. */
sfs_status sfs_order_open(sfs_order *order, const sfs_order_spec *spec, sfs_error *error);
void sfs_order_close(sfs_order *order);

/* position < n, row < n. */
sfs_status sfs_order_row(sfs_order *order, uint64_t position, uint64_t *row, sfs_error *error);
sfs_status sfs_order_position(sfs_order *order, uint64_t row, uint64_t *position, sfs_error *error);

/* The row at place c < n of the shuffled blocks, before they are shuffled inside windows
 * (SFS_ORDER_BLOCK): the rows behind it follow in the places behind it, as far as *rows tells. */
uint64_t sfs_order_block_row(const sfs_order *order, uint64_t c, uint64_t *rows);

#endif
