/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/ahead.h"

#include "batch/ask.h"
#include "store/guard.h"

enum { TOUCH_STEP = 64 << 10 }; /* pages that the kernel maps at once */

struct windows {
    const sfs_bound_view *view;
    bool look; /* leave out blocks in memory */
    sfs_order order;
    uint64_t from, to; /* places of the shuffled blocks */
};

static void ask_run(const struct windows *windows, uint64_t first, uint64_t count)
{
    const sfs_matrix *matrix = windows->view->matrix;
    if (!windows->look || !sfs_ask_run_is_resident(matrix, first, count))
        sfs_ask_run(matrix, first, count);
}

/* Rows [first, first + count) of the view, neighbours together. */
static void ask_rows(const struct windows *windows, uint64_t first, uint64_t count)
{
    const sfs_bound_view *view = windows->view;
    uint64_t from = sfs_view_rows_at(&view->rows, first), length = 1;
    for (uint64_t i = first + 1; i < first + count; i++, length++) {
        uint64_t row = sfs_view_rows_at(&view->rows, i);
        if (row == from + length)
            continue;
        ask_run(windows, from, length);
        from = row;
        length = 0;
    }
    ask_run(windows, from, length);
}

/* The blocks that begin in [from, to). */
static sfs_status ask_blocks(void *context, sfs_error *error)
{
    struct windows *windows = context;
    const sfs_bound_view *view = windows->view;
    (void)error;
    for (uint64_t at = windows->from, rows; at < windows->to; at += rows) {
        uint64_t row = sfs_order_block_row(&windows->order, at, &rows);
        if (row % view->view.block_size == 0)
            ask_rows(windows, row, rows);
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

void sfs_ahead_windows(const sfs_collection *collection, const sfs_bound_view *view,
                       const sfs_address *address, bool first)
{
    sfs_order_spec spec = sfs_bound_view_order(view, address->epoch);
    struct windows windows = {.view = view, .look = sfs_collection_fits_in_memory(collection)};
    uint64_t step = view->deal.world_size * view->deal.batch_size;
    uint64_t begin = address->batch * step, rows = sfs_address_batches(address) * step;
    if (!view->deal.n || sfs_order_open(&windows.order, &spec, NULL))
        return;
    uint64_t start = begin - begin % spec.window;
    if (first)
        ask_window(collection, &windows, start, start + spec.window);
    ask_window(collection, &windows, begin + spec.window, begin + spec.window + rows);
    sfs_order_close(&windows.order);
}

struct sweep {
    const sfs_matrix *matrix;
    uint64_t from, end, before; /* before: bytes of the files that were passed */
};

/* Touches what of a file lies in [from, end). */
static void sweep_file(struct sweep *sweep, const sfs_map *map)
{
    uint64_t at = sweep->from > sweep->before ? sweep->from - sweep->before : 0;
    for (; map && at < map->size && sweep->before + at < sweep->end; at += TOUCH_STEP)
        (void)*(const volatile uint8_t *)(map->bytes + at);
    sweep->before += map ? map->size : 0;
}

static sfs_status sweep_files(void *context, sfs_error *error)
{
    struct sweep *sweep = context;
    (void)error;
    for (size_t i = 0; i < sweep->matrix->shard_count; i++) {
        sweep_file(sweep, sweep->matrix->shards[i].indices.map);
        sweep_file(sweep, sweep->matrix->shards[i].data.map);
    }
    return 0;
}

bool sfs_ahead_sweep(const sfs_collection *collection, const sfs_matrix *matrix, uint64_t from,
                     uint64_t length)
{
    struct sweep sweep = {.matrix = matrix, .from = from, .end = from + length};
    sfs_guard(&collection->files, sweep_files, &sweep, NULL);
    return sweep.before > sweep.end;
}
