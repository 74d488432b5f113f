/* SPDX-License-Identifier: Apache-2.0 */
#include "order/order.h"

#include "order/key.h"

static uint64_t stream_key(const sfs_order_spec *spec, uint64_t stream)
{
    return sfs_key((const uint64_t[]){SFS_ORDER_VERSION, spec->seed, spec->epoch, spec->n, stream},
                   5);
}

static uint64_t window_key(const sfs_order_spec *spec, uint64_t window_index)
{
    return sfs_key((const uint64_t[]){SFS_ORDER_VERSION, spec->seed, spec->epoch, spec->n,
                                      SFS_STREAM_WINDOW, window_index},
                   6);
}

sfs_status sfs_order_open(sfs_order *order, const sfs_order_spec *spec, sfs_error *error)
{
    *order = (sfs_order){.spec = *spec, .window_index = UINT64_MAX};
    if (spec->kind == SFS_ORDER_SHUFFLE)
        return sfs_permutation_open(&order->rows, spec->n, stream_key(spec, SFS_STREAM_ROWS),
                                    error);
    if (spec->kind == SFS_ORDER_SEQUENTIAL || !spec->n)
        return 0;
    uint64_t blocks = (spec->n - 1) / spec->block_size + 1;
    SFS_TRY(sfs_permutation_open(&order->rows, blocks, stream_key(spec, SFS_STREAM_BLOCKS), error));
    order->short_rows = spec->n - (blocks - 1) * spec->block_size;
    order->short_at = sfs_permutation_inverse(&order->rows, blocks - 1);
    return 0;
}

void sfs_order_close(sfs_order *order)
{
    sfs_permutation_close(&order->rows);
    sfs_permutation_close(&order->in_window);
}

static sfs_status hold_window(sfs_order *order, uint64_t window_index, sfs_error *error)
{
    const sfs_order_spec *spec = &order->spec;
    if (order->window_index == window_index)
        return 0;
    uint64_t rest = spec->n - window_index * spec->window;
    sfs_permutation_close(&order->in_window);
    order->window_index = UINT64_MAX;
    SFS_TRY(sfs_permutation_open(&order->in_window, rest < spec->window ? rest : spec->window,
                                 window_key(spec, window_index), error));
    order->window_index = window_index;
    return 0;
}

/* The row at place c of the concatenated shuffled blocks. */
static uint64_t block_row(const sfs_order *order, uint64_t c)
{
    uint64_t size = order->spec.block_size, cut = order->short_at * size;
    if (c >= cut && c < cut + order->short_rows)
        return (order->rows.n - 1) * size + (c - cut);
    if (c >= cut)
        c += size - order->short_rows;
    return sfs_permutation_at(&order->rows, c / size) * size + c % size;
}

uint64_t sfs_order_block_row(const sfs_order *order, uint64_t c, uint64_t *rows)
{
    uint64_t row = block_row(order, c), size = order->spec.block_size;
    uint64_t block_end = row / size * size + size;
    *rows = (block_end < order->spec.n ? block_end : order->spec.n) - row;
    return row;
}

sfs_status sfs_order_row(sfs_order *order, uint64_t position, uint64_t *row, sfs_error *error)
{
    switch (order->spec.kind) {
    case SFS_ORDER_SEQUENTIAL:
        *row = position;
        return 0;
    case SFS_ORDER_SHUFFLE:
        *row = sfs_permutation_at(&order->rows, position);
        return 0;
    case SFS_ORDER_BLOCK:
        break;
    }
    uint64_t start = position - position % order->spec.window;
    SFS_TRY(hold_window(order, position / order->spec.window, error));
    *row = block_row(order, start + sfs_permutation_at(&order->in_window, position - start));
    return 0;
}

sfs_status sfs_order_position(sfs_order *order, uint64_t row, uint64_t *position, sfs_error *error)
{
    switch (order->spec.kind) {
    case SFS_ORDER_SEQUENTIAL:
        *position = row;
        return 0;
    case SFS_ORDER_SHUFFLE:
        *position = sfs_permutation_inverse(&order->rows, row);
        return 0;
    case SFS_ORDER_BLOCK:
        break;
    }
    uint64_t size = order->spec.block_size;
    uint64_t at = sfs_permutation_inverse(&order->rows, row / size);
    uint64_t c = at * size + row % size;
    if (at > order->short_at)
        c -= size - order->short_rows;
    uint64_t start = c - c % order->spec.window;
    SFS_TRY(hold_window(order, c / order->spec.window, error));
    *position = start + sfs_permutation_inverse(&order->in_window, c - start);
    return 0;
}
