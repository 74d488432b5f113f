/* SPDX-License-Identifier: Apache-2.0 */
/* Deals whole epochs, for a test that compares them with the reference. Reads lines of
 *   n seed epoch order block_size window world_size batch_size tail
 * (order: 0 sequential, 1 shuffle, 2 block; tail: 0 even, 1 keep, 2 pad, 3 drop) and prints for
 * each the batches of each rank in turn: rows with commas, batches with semicolons. */
#include <inttypes.h>
#include <stdio.h>

#include "order/deal.h"
#include "order/order.h"

static void print_batch(sfs_order *order, sfs_deal_run run)
{
    for (uint64_t i = 0; i < run.count; i++) {
        uint64_t row = 0;
        sfs_order_row(order, (run.first + i) % order->spec.n, &row, NULL);
        printf("%s%" PRIu64, i ? "," : "", row);
    }
    putchar(';');
}

int main(void)
{
    sfs_order_spec spec;
    sfs_deal_spec deal;
    unsigned kind, tail;
    while (scanf("%" SCNu64 " %" SCNu64 " %" SCNu64 " %u %" SCNu64 " %" SCNu64 " %" SCNu64
                 " %" SCNu64 " %u",
                 &spec.n, &spec.seed, &spec.epoch, &kind, &spec.block_size, &spec.window,
                 &deal.world_size, &deal.batch_size, &tail) == 9) {
        sfs_order order;
        spec.kind = (sfs_order_kind)kind;
        deal.n = spec.n;
        deal.tail = (sfs_tail)tail;
        if (sfs_order_open(&order, &spec, NULL))
            return 1;
        for (uint64_t rank = 0; rank < deal.world_size; rank++)
            for (uint64_t step = 0; step < sfs_deal_steps(&deal); step++)
                print_batch(&order, sfs_deal_batch(&deal, rank, step));
        putchar('\n');
        sfs_order_close(&order);
    }
    return 0;
}
