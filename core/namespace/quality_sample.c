/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/quality_sample.h"

#include "select/parallel.h"

/* What the workers share. */
struct sampling {
    const sfs_bound_view *view;
    uint64_t epoch;
    uint64_t ranks, steps; /* batches with as many rows as the first one are of these */
    sfs_quality_sample *sample;
    _Atomic uint64_t neighbours, kept;
    struct sampler {
        sfs_order order, next; /* owned: of this epoch and of the one behind it */
        uint64_t *next_rows;   /* owned: batch_rows */
    } workers[SFS_WORKERS_MAX];
};

/* The ranks, from 0 on, whose run in the only step is as long as that of rank 0. */
static uint64_t count_equal_ranks(const sfs_deal_spec *deal, uint64_t rows)
{
    uint64_t low = 0, high = deal->world_size; /* runs do not get longer from rank to rank */
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (sfs_deal_batch(deal, middle, 0).count == rows)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Only full batches, where there are any. */
static void choose(struct sampling *sampling)
{
    const sfs_deal_spec *deal = &sampling->view->deal;
    sfs_quality_sample *sample = sampling->sample;
    if (!sampling->view->steps)
        return;
    sample->batch_rows = sfs_deal_batch(deal, 0, 0).count;
    sampling->steps = deal->n / (deal->world_size * deal->batch_size);
    sampling->ranks = deal->world_size;
    if (!sampling->steps) {
        sampling->steps = 1;
        sampling->ranks = count_equal_ranks(deal, sample->batch_rows);
    }
    uint64_t all = sampling->ranks * sampling->steps, most = SFS_QUALITY_ROWS / sample->batch_rows;
    most = most < SFS_QUALITY_BATCHES ? most : SFS_QUALITY_BATCHES;
    most = most ? most : 1;
    sample->batches = all < most ? all : most;
}

/* Sampled batch i: as even as can be over the steps and over the ranks. *batch is its number among
 * those of all ranks. */
static sfs_deal_run run_of(const struct sampling *sampling, uint64_t i, uint64_t *batch)
{
    const sfs_deal_spec *deal = &sampling->view->deal;
    uint64_t m = sampling->sample->batches, ranks = sampling->ranks;
    uint64_t rank = ranks > m ? i * ranks / m : i % ranks, step = i * sampling->steps / m;
    *batch = step * deal->world_size + rank;
    return sfs_deal_batch(deal, rank, step);
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Which rows of the view an order puts into a run, ascending. */
static sfs_status order_run(sfs_order *order, sfs_deal_run run, uint64_t *out, sfs_error *error)
{
    for (uint64_t i = 0; i < run.count; i++)
        SFS_TRY(sfs_order_row(order, (run.first + i) % order->spec.n, &out[i], error));
    qsort(out, run.count, sizeof *out, ascending);
    return 0;
}

static uint64_t count_neighbours(const uint64_t *rows, uint64_t count)
{
    uint64_t found = 0;
    for (uint64_t i = 1; i < count; i++)
        found += rows[i] == rows[i - 1] + 1;
    return found;
}

static uint64_t count_common(const uint64_t *a, const uint64_t *b, uint64_t count)
{
    uint64_t found = 0;
    for (uint64_t i = 0, j = 0; i < count && j < count;) {
        found += a[i] == b[j];
        uint64_t x = a[i], y = b[j];
        i += x <= y;
        j += y <= x;
    }
    return found;
}

static void draw_run(const struct sampling *sampling, sfs_deal_run run, uint64_t batch,
                     uint64_t *out)
{
    const sfs_bound_view *view = sampling->view;
    for (uint64_t i = 0; i < run.count; i++)
        out[i] = sfs_view_rows_at(&view->rows,
                                  sfs_draw_row(&view->draw, view->view.seed, sampling->epoch,
                                               (run.first + i) % view->deal.n, batch));
}

static sfs_status sample_batch(void *context, unsigned worker, uint64_t task, sfs_error *error)
{
    struct sampling *sampling = context;
    struct sampler *sampler = &sampling->workers[worker];
    const sfs_quality_sample *sample = sampling->sample;
    uint64_t *rows = sample->rows + task * sample->batch_rows;
    uint64_t batch;
    sfs_deal_run run = run_of(sampling, task, &batch);
    if (sampling->view->draws) {
        draw_run(sampling, run, batch, rows);
        return 0;
    }
    SFS_TRY(order_run(&sampler->order, run, rows, error));
    SFS_TRY(order_run(&sampler->next, run, sampler->next_rows, error));
    sampling->neighbours += count_neighbours(rows, run.count);
    sampling->kept += count_common(rows, sampler->next_rows, run.count);
    for (uint64_t i = 0; i < run.count; i++)
        rows[i] = sfs_view_rows_at(&sampling->view->rows, rows[i]);
    return 0;
}

static sfs_status open_worker(struct sampling *sampling, uint64_t epoch, struct sampler *worker,
                              sfs_error *error)
{
    sfs_order_spec spec = sfs_bound_view_order(sampling->view, epoch);
    SFS_TRY(sfs_order_open(&worker->order, &spec, error));
    spec = sfs_bound_view_order(sampling->view, epoch + 1);
    SFS_TRY(sfs_order_open(&worker->next, &spec, error));
    worker->next_rows = malloc(sampling->sample->batch_rows * sizeof *worker->next_rows);
    return worker->next_rows ? 0 : sfs_fail_memory(error);
}

static sfs_status sample_all(const sfs_collection *collection, struct sampling *sampling,
                             uint64_t epoch, sfs_error *error)
{
    sfs_quality_sample *sample = sampling->sample;
    unsigned workers = sfs_parallel_workers(sample->batches);
    sample->rows = malloc(sample->batches * sample->batch_rows * sizeof *sample->rows);
    if (!sample->rows)
        return sfs_fail_memory(error);
    for (unsigned i = 0; i < workers; i++)
        SFS_TRY(open_worker(sampling, epoch, &sampling->workers[i], error));
    SFS_TRY(
        sfs_parallel(&collection->files, sample->batches, workers, sample_batch, sampling, error));
    sample->neighbours = sampling->neighbours;
    sample->kept = sampling->kept;
    return 0;
}

sfs_status sfs_quality_sample_open(const sfs_collection *collection, const sfs_bound_view *view,
                                   uint64_t epoch, sfs_quality_sample *out, sfs_error *error)
{
    struct sampling sampling = {.view = view, .epoch = epoch, .sample = out};
    *out = (sfs_quality_sample){0};
    choose(&sampling);
    sfs_status status = out->batches ? sample_all(collection, &sampling, epoch, error) : 0;
    for (unsigned i = 0; i < SFS_WORKERS_MAX; i++) {
        sfs_order_close(&sampling.workers[i].order);
        sfs_order_close(&sampling.workers[i].next);
        free(sampling.workers[i].next_rows);
    }
    if (status)
        sfs_quality_sample_close(out);
    return status;
}

void sfs_quality_sample_close(sfs_quality_sample *sample)
{
    free(sample->rows);
    *sample = (sfs_quality_sample){0};
}

/* The sum over m batches of a count each, with variance and covariance. */
static sfs_quality_chance sum_of(double m, double expected, double variance, double covariance)
{
    return (sfs_quality_chance){m * expected, m * variance + m * (m - 1) * covariance};
}

/* In b of n rows in a line there are as many pairs of neighbours as b - (the number of runs), which
 * is hypergeometric. */
sfs_quality_chance sfs_quality_neighbours_by_chance(const sfs_quality_sample *sample, uint64_t n)
{
    double b = (double)sample->batch_rows, all = (double)n, pairs = b * (b - 1) / all;
    if (!sample->batches || n < 2)
        return (sfs_quality_chance){0};
    return sum_of((double)sample->batches, pairs,
                  pairs * ((all - b + 1) / all) * ((all - b) / (all - 1)),
                  pairs * (pairs / (all - 1)));
}

/* Two draws of b from n rows have a hypergeometric number of rows in common. */
sfs_quality_chance sfs_quality_kept_by_chance(const sfs_quality_sample *sample, uint64_t n)
{
    double b = (double)sample->batch_rows, all = (double)n, rows = b * b / all;
    if (!sample->batches || n < 2)
        return (sfs_quality_chance){0};
    return sum_of((double)sample->batches, rows, rows * ((all - b) / all) * ((all - b) / (all - 1)),
                  rows * (rows / (all - 1)));
}
