/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/quality.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "namespace/quality_column.h"

enum {
    VERSION = 1,
    DIGITS = 9,        /* of numbers that are no counts */
    HEAD_ROOM = 1536,  /* bytes of all that is no column, with every number at its longest */
    COLUMN_ROOM = 768, /* bytes of a column, but for its name */
    ESCAPED_BYTE = 6,  /* a byte of a name at its longest: \u001f */
};

/* Deviations below this are those of the arithmetic. */
static const double rounding = 1e-9;

/* A file's head. */
struct quality {
    const sfs_bound_view *view; /* borrowed */
    uint64_t epoch;
    char text[];
};

static bool is_measured(const sfs_column *column)
{
    return column->kind == SFS_COLUMN_CATEGORICAL &&
           column->categories.count <= SFS_QUALITY_CATEGORIES;
}

static uint64_t size_of(const sfs_table *obs)
{
    uint64_t size = HEAD_ROOM;
    for (size_t i = 0; i < obs->column_count; i++)
        if (is_measured(&obs->columns[i]))
            size += COLUMN_ROOM + ESCAPED_BYTE * strlen(obs->columns[i].name);
    return size;
}

/* null where there is no number. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* By how many standard deviations a value is off; NAN where it could be no other. */
static double z_of(double value, double expected, double variance)
{
    return variance > rounding * rounding ? (value - expected) / sqrt(variance) : NAN;
}

static json_t *describe_pairs(const sfs_bound_view *view, const sfs_quality_sample *sample,
                              uint64_t found, sfs_quality_chance chance)
{
    if (view->draws)
        return json_null();
    double z = sample->batches ? z_of((double)found, chance.expected, chance.variance) : NAN;
    return json_pack("{s:o, s:o, s:o}", "found", count(found), "expected", number(chance.expected),
                     "z", number(z));
}

/* Every row that a run has stands before those of the next run, so the last one's end tells. */
static json_t *describe_coverage(const sfs_bound_view *view)
{
    const sfs_deal_spec *deal = &view->deal;
    uint64_t end = 0, dealt;
    if (view->draws)
        return json_null();
    if (view->steps) {
        sfs_deal_run last = sfs_deal_batch(deal, deal->world_size - 1, view->steps - 1);
        end = last.first + last.count;
    }
    dealt = end < deal->n ? end : deal->n;
    return json_pack("{s:o, s:o, s:o}", "dealt", count(dealt), "repeated", count(end - dealt),
                     "waiting", count(view->rows.count - dealt));
}

/* Where the ideal is estimated, a z would tell how well. */
static json_t *describe_column(const sfs_quality_column *column, const sfs_bound_view *view,
                               const sfs_quality_sample *sample)
{
    uint64_t n = view->rows.count;
    sfs_entropy_ideal ideal = column->ideal;
    double mean = NAN, sd = NAN, z = NAN;
    if (sample->batches) {
        mean = ideal.mean;
        sd = sqrt(ideal.linear + ideal.rest);
    }
    if (sample->batches && !column->estimated && !view->draws)
        z = z_of(column->mean, mean,
                 sfs_entropy_mean_variance(&ideal, sample->batches, sample->batch_rows, n));
    return json_pack("{s:o, s:o, s:b, s:o, s:{s:o, s:o, s:o}, s:{s:o, s:o}, s:o}", "categories",
                     count(column->categories), "missing", count(column->missing), "estimated",
                     column->estimated, "entropy", number(column->entropy), "batch_entropy", "mean",
                     number(column->mean), "sd", number(column->sd), "min", number(column->least),
                     "ideal", "mean", number(mean), "sd", number(sd), "z", number(z));
}

static sfs_status describe_columns(const sfs_collection *collection, const sfs_bound_view *view,
                                   const sfs_quality_sample *sample, json_t *columns,
                                   sfs_error *error)
{
    for (size_t i = 0; i < collection->obs.column_count; i++) {
        const sfs_column *column = &collection->obs.columns[i];
        sfs_quality_column measured;
        if (!is_measured(column))
            continue;
        SFS_TRY(
            sfs_quality_column_measure(collection, column, &view->rows, sample, &measured, error));
        if (json_object_set_new(columns, column->name, describe_column(&measured, view, sample)))
            return sfs_fail_memory(error);
    }
    return 0;
}

static bool leaves_out(const sfs_table *obs)
{
    for (size_t i = 0; i < obs->column_count; i++)
        if (obs->columns[i].kind == SFS_COLUMN_CATEGORICAL && !is_measured(&obs->columns[i]))
            return true;
    return false;
}

/* Takes columns over. NULL when out of memory. */
static json_t *describe(const sfs_collection *collection, const struct quality *quality,
                        const sfs_quality_sample *sample, json_t *columns)
{
    const sfs_bound_view *view = quality->view;
    uint64_t n = view->rows.count;
    return json_pack(
        "{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:{s:o, s:o}, s:o, s:o, s:b, s:o}", "format",
        "shufflefs quality", "version", VERSION, "epoch", count(quality->epoch), "rows", count(n),
        "world_size", count(view->view.world_size), "batch_size", count(view->view.batch_size),
        "batches_per_rank", count(view->steps), "drawn", view->draws, "coverage",
        describe_coverage(view), "sample", "batches", count(sample->batches), "rows_per_batch",
        count(sample->batch_rows), "neighbour_pairs",
        describe_pairs(view, sample, sample->neighbours,
                       sfs_quality_neighbours_by_chance(sample, n)),
        "next_epoch",
        describe_pairs(view, sample, sample->kept, sfs_quality_kept_by_chance(sample, n)),
        "truncated", leaves_out(&collection->obs), "columns", columns);
}

static sfs_status measure(const sfs_collection *collection, const struct quality *quality,
                          json_t **out, sfs_error *error)
{
    const sfs_bound_view *view = quality->view;
    sfs_quality_sample sample;
    SFS_TRY(sfs_quality_sample_open(collection, view, quality->epoch, &sample, error));
    json_t *columns = json_object();
    sfs_status status = describe_columns(collection, view, &sample, columns, error);
    if (status)
        json_decref(columns);
    else
        *out = describe(collection, quality, &sample, columns);
    sfs_quality_sample_close(&sample);
    return status;
}

/* Writes the text, and spaces and a newline up to the file's size. */
static sfs_status complete(const sfs_file *file, sfs_error *error)
{
    struct quality *quality = file->head;
    json_t *root = NULL;
    SFS_TRY(measure(file->collection, quality, &root, error));
    SFS_AUTO_FREE char *text =
        root ? json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(DIGITS)) : NULL;
    json_decref(root);
    size_t length = text ? strlen(text) : 0;
    if (!text)
        return sfs_fail_memory(error);
    if (length >= file->size)
        return sfs_fail(error, -EIO, "quality.json: expected less than %zu bytes, found %zu",
                        (size_t)file->size, length);
    memset(quality->text, ' ', file->size - 1);
    memcpy(quality->text, text, length);
    quality->text[file->size - 1] = '\n';
    return 0;
}

sfs_status sfs_quality_open(const sfs_collection *collection, const sfs_bound_view *view,
                            uint64_t epoch, sfs_file **out, sfs_error *error)
{
    uint64_t size = size_of(&collection->obs);
    SFS_TRY(sfs_file_new(collection, 1, sizeof(struct quality) + size, out, error));
    sfs_file *file = *out;
    struct quality *quality = file->head;
    quality->view = view;
    quality->epoch = epoch;
    sfs_part *part = sfs_file_add(file, sfs_part_memory, size, 1);
    part->memory = quality->text;
    part->late = true;
    sfs_status status = sfs_file_complete_late(file, complete, error);
    if (status)
        sfs_file_close(file);
    return status;
}
