/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/quality_column.h"

#include <inttypes.h>
#include <math.h>

#include "select/column_span.h"
#include "select/parallel.h"

enum {
    PIECE = 1024,            /* rows that are counted together ... */
    PIECES = 64,             /* ... in a task of so many */
    EXACT_MAX = 100000000,   /* with more rows, some pieces are counted, as far apart as ... */
    ESTIMATE_FROM = 1 << 24, /* ... gives about so many rows */
};

/* What the workers share. Categories are counted at code + 1, missing values at 0. */
struct measuring {
    const sfs_column *column;
    const sfs_view_rows *rows;
    const sfs_quality_sample *sample;
    uint64_t pieces;                   /* to be counted, ... */
    uint64_t spacing;                  /* ... one of so many */
    size_t categories;                 /* with that of missing values */
    uint32_t *counts[SFS_WORKERS_MAX]; /* owned, and zero between batches */
    uint64_t *total;                   /* owned */
    double *bits;                      /* owned: of each sampled batch */
};

static sfs_status bad_code(const sfs_column *column, const sfs_column_part *part, int32_t code,
                           sfs_error *error)
{
    return sfs_fail(error, -EIO,
                    "%s: expected codes of %s from -1 to %" PRIu64 ", found %" PRId32
                    ": convert the data again",
                    part->values.map->name, column->name, column->categories.count - 1, code);
}

/* Counts the codes of rows [first, first + count). */
static sfs_status count_run(const struct measuring *measuring, uint64_t first, uint64_t count,
                            uint32_t *counts, sfs_error *error)
{
    sfs_column_span span = {0};
    while (sfs_column_span_next(measuring->column, first, count, &span)) {
        SFS_TRY(sfs_array_verify(&span.part->values, span.first, span.count, error));
        const int32_t *codes = (const int32_t *)(const void *)span.part->values.items + span.first;
        for (uint64_t i = 0; i < span.count; i++) {
            uint64_t at = (uint64_t)((int64_t)codes[i] + 1);
            if (at >= measuring->categories)
                return bad_code(measuring->column, span.part, codes[i], error);
            counts[at]++;
        }
    }
    return 0;
}

static sfs_status read_code(const struct measuring *measuring, uint64_t row, uint64_t *out,
                            sfs_error *error)
{
    sfs_column_span span = {0};
    sfs_column_span_next(measuring->column, row, 1, &span);
    SFS_TRY(sfs_array_verify(&span.part->values, span.first, 1, error));
    int32_t code = ((const int32_t *)(const void *)span.part->values.items)[span.first];
    *out = (uint64_t)((int64_t)code + 1);
    return *out < measuring->categories ? 0 : bad_code(measuring->column, span.part, code, error);
}

static sfs_status check_sizes(const sfs_column *column, sfs_error *error)
{
    for (size_t i = 0; i < column->part_count; i++)
        SFS_TRY(sfs_map_check_size(column->parts[i].values.map, error));
    return 0;
}

/* The rows of the view that piece i has. */
static uint64_t piece_of(const struct measuring *measuring, uint64_t i, uint64_t *count)
{
    uint64_t first = i * measuring->spacing * PIECE, left = measuring->rows->count - first;
    *count = left < PIECE ? left : PIECE;
    return first;
}

static bool is_whole(const sfs_view_rows *rows)
{
    return !rows->list && !rows->set.words;
}

static sfs_status count_piece(const struct measuring *measuring, uint64_t i, uint32_t *counts,
                              sfs_error *error)
{
    uint64_t count, at, first = piece_of(measuring, i, &count);
    if (is_whole(measuring->rows))
        return count_run(measuring, first, count, counts, error);
    for (uint64_t j = 0; j < count; j++) {
        SFS_TRY(read_code(measuring, sfs_view_rows_at(measuring->rows, first + j), &at, error));
        counts[at]++;
    }
    return 0;
}

/* Of a list, whose rows are anywhere, nothing can be asked for at once. */
static void ask_for_piece(const struct measuring *measuring, uint64_t i)
{
    const sfs_view_rows *rows = measuring->rows;
    uint64_t count, first = piece_of(measuring, i, &count);
    if (rows->list)
        return;
    uint64_t row = sfs_view_rows_at(rows, first), last = sfs_view_rows_at(rows, first + count - 1);
    sfs_column_will_need(measuring->column, row, last - row + 1, false);
}

static sfs_status count_task(void *context, unsigned worker, uint64_t task, sfs_error *error)
{
    const struct measuring *measuring = context;
    uint64_t first = task * PIECES, left = measuring->pieces - first;
    uint64_t end = first + (left < PIECES ? left : PIECES);
    for (uint64_t i = first; i < end; i++)
        ask_for_piece(measuring, i);
    for (uint64_t i = first; i < end; i++)
        SFS_TRY(count_piece(measuring, i, measuring->counts[worker], error));
    return check_sizes(measuring->column, error);
}

/* The entropy of one batch: counted, then taken back, so that this takes no longer than the batch
 * is, however many categories there are. */
static sfs_status measure_batch(void *context, unsigned worker, uint64_t task, sfs_error *error)
{
    const struct measuring *measuring = context;
    uint64_t batch = measuring->sample->batch_rows, at;
    const uint64_t *rows = measuring->sample->rows + task * batch;
    uint32_t *counts = measuring->counts[worker];
    double sum = 0;
    for (uint64_t i = 0; i < batch; i++) {
        SFS_TRY(read_code(measuring, rows[i], &at, error));
        counts[at]++;
    }
    for (uint64_t i = 0; i < batch; i++) {
        SFS_TRY(read_code(measuring, rows[i], &at, error));
        sum += counts[at] ? counts[at] * log2(counts[at]) : 0;
        counts[at] = 0;
    }
    measuring->bits[task] = fmax(0, log2((double)batch) - sum / (double)batch);
    return check_sizes(measuring->column, error);
}

/* Adds up what the workers counted, as if it had been all rows; leaves zeros. */
static void add_up(struct measuring *measuring, unsigned workers, sfs_quality_column *out)
{
    uint64_t counted = 0, n = measuring->rows->count;
    for (size_t i = 0; i < measuring->categories; i++) {
        for (unsigned worker = 0; worker < workers; worker++) {
            measuring->total[i] += measuring->counts[worker][i];
            measuring->counts[worker][i] = 0;
        }
        counted += measuring->total[i];
    }
    out->estimated = counted < n;
    for (size_t i = 0; i < measuring->categories; i++) {
        if (out->estimated)
            measuring->total[i] =
                (uint64_t)llround((double)measuring->total[i] * ((double)n / (double)counted));
        out->categories += measuring->total[i] > 0;
    }
    out->missing = measuring->total[0];
    out->entropy = sfs_entropy_bits(measuring->total, measuring->categories);
}

static void summarise(const double *bits, uint64_t count, sfs_quality_column *out)
{
    double sum = 0, square = 0;
    out->least = bits[0];
    for (uint64_t i = 0; i < count; i++) {
        sum += bits[i];
        out->least = fmin(out->least, bits[i]);
    }
    out->mean = sum / (double)count;
    for (uint64_t i = 0; i < count; i++)
        square += (bits[i] - out->mean) * (bits[i] - out->mean);
    out->sd = count > 1 ? sqrt(square / (double)(count - 1)) : NAN;
}

static sfs_status open_measuring(struct measuring *measuring, unsigned workers, sfs_error *error)
{
    uint64_t n = measuring->rows->count;
    measuring->spacing = n > EXACT_MAX ? n / ESTIMATE_FROM : 1;
    measuring->pieces = n ? (n - 1) / PIECE / measuring->spacing + 1 : 0;
    measuring->categories = measuring->column->categories.count + 1;
    measuring->total = calloc(measuring->categories, sizeof *measuring->total);
    measuring->bits = calloc(measuring->sample->batches + 1, sizeof *measuring->bits);
    if (!measuring->total || !measuring->bits)
        return sfs_fail_memory(error);
    for (unsigned i = 0; i < workers; i++) {
        measuring->counts[i] = calloc(measuring->categories, sizeof *measuring->counts[i]);
        if (!measuring->counts[i])
            return sfs_fail_memory(error);
    }
    return 0;
}

static sfs_status measure(const sfs_collection *collection, struct measuring *measuring,
                          unsigned workers, sfs_quality_column *out, sfs_error *error)
{
    const sfs_quality_sample *sample = measuring->sample;
    SFS_TRY(sfs_parallel(&collection->files, (measuring->pieces + PIECES - 1) / PIECES, workers,
                         count_task, measuring, error));
    add_up(measuring, workers, out);
    if (!sample->batches)
        return 0;
    SFS_TRY(sfs_parallel(&collection->files, sample->batches, workers, measure_batch, measuring,
                         error));
    summarise(measuring->bits, sample->batches, out);
    if (sample->batch_rows > measuring->rows->count)
        return 0; /* drawn with replacement */
    return sfs_entropy_ideal_of(measuring->total, measuring->categories, sample->batch_rows,
                                &out->ideal, error);
}

sfs_status sfs_quality_column_measure(const sfs_collection *collection, const sfs_column *column,
                                      const sfs_view_rows *rows, const sfs_quality_sample *sample,
                                      sfs_quality_column *out, sfs_error *error)
{
    struct measuring measuring = {.column = column, .rows = rows, .sample = sample};
    unsigned workers = sfs_parallel_workers(rows->count / PIECE + sample->batches);
    *out = (sfs_quality_column){.mean = NAN, .sd = NAN, .least = NAN, .ideal = {NAN, NAN, NAN}};
    sfs_status status = open_measuring(&measuring, workers, error);
    if (!status)
        status = measure(collection, &measuring, workers, out, error);
    for (unsigned i = 0; i < workers; i++)
        free(measuring.counts[i]);
    free(measuring.total);
    free(measuring.bits);
    return status;
}
