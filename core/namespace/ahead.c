/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/ahead.h"

#include "batch/ask.h"
#include "store/guard.h"

struct windows {
    const sfs_bound_view *view;
    sfs_order order;
    uint64_t from, to; /* places of the shuffled blocks */
};

/* The blocks that begin in [from, to). */
static sfs_status ask_blocks(void *context, sfs_error *error)
{
    struct windows *windows = context;
    const sfs_bound_view *view = windows->view;
    (void)error;
    for (uint64_t at = windows->from, rows; at < windows->to; at += rows) {
        uint64_t row = sfs_order_block_row(&windows->order, at, &rows);
        if (row % view->view.block_size == 0)
            sfs_ask_run(view->matrix, row, rows);
    }
    return 0;
}

static void ask_window(const sfs_collection *collection, struct windows *windows, uint64_t from,
                       uint64_t to)
{
    uint64_t n = windows->view->deal.n;
    windows->from = from < n ? from : n;
    windows->to = to < n ? to : n;
    sfs_guard(&collection->files, ask_blocks, windows, NULL);
}

void sfs_ahead_windows(const sfs_collection *collection, const sfs_bound_view *view, uint64_t epoch,
                       sfs_deal_run run, bool first)
{
    sfs_order_spec spec = sfs_bound_view_order(view, epoch);
    struct windows windows = {.view = view};
    if (!run.count || sfs_order_open(&windows.order, &spec, NULL))
        return;
    uint64_t start = run.first - run.first % spec.window;
    if (first)
        ask_window(collection, &windows, start, start + spec.window);
    ask_window(collection, &windows, run.first + spec.window, run.first + spec.window + run.count);
    sfs_order_close(&windows.order);
}
