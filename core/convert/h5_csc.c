/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/h5_csc.h"

#include <inttypes.h>

#include "codec/nonzero.h"
#include "codec/radix.h"
#include "convert/scratch.h"

enum { MAX_BIN_BITS = 20, BLOCK_COLUMNS = 1 << 16 };

static void runs_close(sfs_csc_runs *runs)
{
    sfs_cleanup_close(&runs->fd);
    free(runs->runs);
    free(runs->bins);
}

/* Entries become runs, a block at a time. */
typedef struct sorter {
    const sfs_h5_matrix *matrix;
    uint64_t room;            /* entries in a run */
    uint64_t *keys, *other;   /* owned: row << 32 | position in the block */
    uint32_t *rows, *columns; /* owned */
    char *values;             /* owned */
    int64_t *ends;            /* owned: indptr of a block of columns, and the number before it */
    uint64_t first_column, held_columns; /* of that block */
    uint64_t column;                     /* of the next entry */
} sorter;

static void sorter_close(sorter *held)
{
    free(held->keys);
    free(held->other);
    free(held->rows);
    free(held->columns);
    free(held->values);
    free(held->ends);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Reads indptr of the next block of columns. */
static sfs_status load_columns(sorter *held, sfs_error *error)
{
    held->first_column += held->held_columns;
    held->ends[0] = held->ends[held->held_columns];
    held->held_columns = smaller(BLOCK_COLUMNS, held->matrix->columns - held->first_column);
    return sfs_h5_read_indptr(held->matrix, held->first_column, held->held_columns, held->ends,
                              error);
}

static sfs_status sorter_open(const sfs_h5_matrix *matrix, sorter *out, sfs_error *error)
{
    uint64_t item = matrix->dtype.size;
    uint64_t bytes =
        sizeof *out->keys + sizeof *out->other + sizeof *out->rows + sizeof *out->columns + item;
    out->matrix = matrix;
    out->room = smaller(SFS_CONVERT_BUFFER / bytes, matrix->data.shape[0]);
    out->keys = malloc((out->room + 1) * sizeof *out->keys);
    out->other = malloc((out->room + 1) * sizeof *out->other);
    out->rows = malloc((out->room + 1) * sizeof *out->rows);
    out->columns = malloc((out->room + 1) * sizeof *out->columns);
    out->values = malloc((out->room + 1) * item);
    out->ends = calloc(BLOCK_COLUMNS + 1, sizeof *out->ends);
    if (!out->keys || !out->other || !out->rows || !out->columns || !out->values || !out->ends)
        return sfs_fail_memory(error);
    return load_columns(out, error);
}

/* Notes the columns of entries [first, first + count), which come after those of the last call. */
static sfs_status fill_columns(sorter *held, uint64_t first, uint64_t count, sfs_error *error)
{
    for (uint64_t filled = 0; filled < count;) {
        while ((uint64_t)held->ends[held->column - held->first_column + 1] <= first + filled) {
            held->column++;
            if (held->column - held->first_column == held->held_columns)
                SFS_TRY(load_columns(held, error));
        }
        int64_t end = held->ends[held->column - held->first_column + 1];
        uint64_t stop = smaller((uint64_t)end - first, count);
        while (filled < stop)
            held->columns[filled++] = (uint32_t)held->column;
    }
    return 0;
}

/* What follows the last entry must be empty columns. */
static sfs_status finish_columns(sorter *held, sfs_error *error)
{
    while (held->first_column + held->held_columns < held->matrix->columns)
        SFS_TRY(load_columns(held, error));
    return 0;
}

static sfs_status read_entries(sorter *held, uint64_t first, uint64_t count, sfs_error *error)
{
    const sfs_h5_matrix *matrix = held->matrix;
    SFS_TRY(sfs_h5_read_indices(matrix, first, count, matrix->rows, held->rows, error));
    SFS_TRY(sfs_h5_array_read(&matrix->data, first, count, held->values, error));
    return fill_columns(held, first, count, error);
}

static void count_rows(const sorter *held, uint64_t count, sfs_csc_runs *runs)
{
    for (uint64_t i = 0; i < count; i++)
        runs->bins[held->rows[i] >> runs->bin_bits]++;
}

/* Sorts the block that was read and writes it as a run. */
static sfs_status write_run(sorter *held, const sfs_csc_run *run, int fd, sfs_error *error)
{
    uint64_t count = run->count, item = held->matrix->dtype.size;
    for (uint64_t i = 0; i < count; i++)
        held->keys[i] = (uint64_t)held->rows[i] << 32 | i;
    uint64_t *sorted =
        sfs_radix_sort(held->keys, held->other, count, 32, sfs_bit_width(held->matrix->rows - 1));
    uint64_t *spare = sorted == held->keys ? held->other : held->keys;
    for (uint64_t i = 0; i < count; i++)
        held->rows[i] = (uint32_t)(sorted[i] >> 32);
    SFS_TRY(sfs_scratch_write(fd, held->rows, count * sizeof *held->rows, run->offset, error));
    sfs_radix_gather(held->rows, held->columns, sorted, count, sizeof *held->columns);
    SFS_TRY(sfs_scratch_write(fd, held->rows, count * sizeof *held->columns,
                              sfs_csc_run_columns(run), error));
    sfs_radix_gather(spare, held->values, sorted, count, item);
    return sfs_scratch_write(fd, spare, count * item, sfs_csc_run_values(run), error);
}

static sfs_status make_run(sorter *held, uint64_t first, sfs_csc_runs *runs, sfs_error *error)
{
    const sfs_h5_matrix *matrix = held->matrix;
    sfs_csc_run *run = &runs->runs[runs->count++];
    run->count = smaller(held->room, matrix->data.shape[0] - first);
    run->offset = first * (2 * sizeof(uint32_t) + matrix->dtype.size);
    SFS_TRY(read_entries(held, first, run->count, error));
    count_rows(held, run->count, runs);
    return write_run(held, run, runs->fd, error);
}

static sfs_status make_runs(sfs_h5_job *job, sfs_csc_runs *runs, sfs_error *error)
{
    uint64_t entries = job->matrix->data.shape[0];
    __attribute__((cleanup(sorter_close))) sorter held = {0};
    SFS_TRY(sorter_open(job->matrix, &held, error));
    runs->runs = calloc(held.room ? entries / held.room + 1 : 1, sizeof *runs->runs);
    if (!runs->runs)
        return sfs_fail_memory(error);
    for (uint64_t first = 0; first < entries; first += held.room) {
        SFS_TRY(make_run(&held, first, runs, error));
        sfs_progress_update(job->progress, smaller(first + held.room, entries));
    }
    return finish_columns(&held, error);
}

static sfs_status check_rows(const sfs_h5_matrix *matrix, sfs_error *error)
{
    if (matrix->rows <= (uint64_t)UINT32_MAX + 1)
        return 0;
    return sfs_fail(error, -EINVAL,
                    "%s: expected at most 2^32 rows in a CSC matrix, found %" PRIu64
                    ": store it as CSR",
                    matrix->name, matrix->rows);
}

/* Where a column goes on in the next block. */
typedef struct last_entry {
    bool any;
    uint32_t row, column;
} last_entry;

/* False where the rows of a column do not ascend. */
static bool count_columns(const sorter *held, uint64_t count, last_entry *last, uint64_t *counts)
{
    uint32_t size = held->matrix->dtype.size;
    uint64_t mask = sfs_nonzero_mask(held->matrix->dtype);
    const uint8_t *values = (const uint8_t *)held->values;
    bool ascends = true;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t row = held->rows[i], column = held->columns[i];
        ascends &= !last->any || column != last->column || row > last->row;
        *last = (last_entry){.any = true, .row = row, .column = column};
        counts[column] += sfs_is_nonzero(values + i * size, size, mask);
    }
    return ascends;
}

sfs_status sfs_h5_csc_count(sfs_h5_job *job, bool *exact, sfs_error *error)
{
    uint64_t entries = job->matrix->data.shape[0];
    last_entry last = {0};
    __attribute__((cleanup(sorter_close))) sorter held = {0};
    *exact = true;
    SFS_TRY(check_rows(job->matrix, error));
    SFS_TRY(sorter_open(job->matrix, &held, error));
    for (uint64_t first = 0; first < entries && *exact; first += held.room) {
        uint64_t count = smaller(held.room, entries - first);
        SFS_TRY(read_entries(&held, first, count, error));
        *exact = count_columns(&held, count, &last, job->counts);
        sfs_progress_update(job->progress, first + count);
    }
    return *exact ? finish_columns(&held, error) : 0;
}

sfs_status sfs_h5_csc_rows(sfs_h5_job *job, sfs_error *error)
{
    const sfs_h5_matrix *matrix = job->matrix;
    SFS_TRY(check_rows(matrix, error));
    unsigned width = matrix->rows ? sfs_bit_width(matrix->rows - 1) : 0;
    __attribute__((cleanup(runs_close))) sfs_csc_runs runs = {
        .fd = -1,
        .bin_bits = width > MAX_BIN_BITS ? width - MAX_BIN_BITS : 0,
    };
    runs.bins = calloc((matrix->rows >> runs.bin_bits) + 1, sizeof *runs.bins);
    if (!runs.bins)
        return sfs_fail_memory(error);
    SFS_TRY(sfs_scratch_open(job->output, &runs.fd, error));
    SFS_TRY(make_runs(job, &runs, error));
    return sfs_csc_merge(job, &runs, error);
}
