/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/h5_csc.h"

#include <inttypes.h>
#include <string.h>

#include "convert/scratch.h"

enum { MAX_BLOCK_ROWS = 1 << 20, MIN_LOOKAHEAD = 4096 };

/* How far a run was read. */
typedef struct reader {
    uint64_t next;  /* its entries before this one are in the output */
    uint64_t taken; /* from there on, entries in the block being made */
    uint64_t ahead,
        held; /* the rows of entries [ahead, ahead + held) are in its part of lookahead */
} reader;

typedef struct merger {
    sfs_h5_job *job;
    sfs_csc_runs *runs;
    reader *readers;     /* owned: one for each run */
    uint32_t *lookahead; /* owned */
    uint64_t lookahead_room;
    uint64_t room, block_rows; /* the most entries and rows of a block */
    uint32_t *nnz, *places;    /* owned: of each row of the block: entries, where its next goes */
    uint32_t *rows;            /* owned: of each entry gathered, counted from the block's first */
    uint32_t *columns, *out_columns; /* owned: as gathered, and in their place */
    char *values, *out_values;       /* owned: likewise */
} merger;

static void merger_close(merger *held)
{
    free(held->readers);
    free(held->lookahead);
    free(held->nnz);
    free(held->places);
    free(held->rows);
    free(held->columns);
    free(held->out_columns);
    free(held->values);
    free(held->out_values);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static sfs_status merger_open(sfs_h5_job *job, sfs_csc_runs *runs, merger *out, sfs_error *error)
{
    const sfs_h5_matrix *matrix = job->matrix;
    uint64_t item = matrix->dtype.size, share = SFS_CONVERT_BUFFER / (runs->count + 1);
    out->job = job;
    out->runs = runs;
    out->lookahead_room = (share > MIN_LOOKAHEAD ? share : MIN_LOOKAHEAD) / sizeof(uint32_t);
    out->block_rows = smaller(matrix->rows, MAX_BLOCK_ROWS);
    uint64_t left = SFS_CONVERT_BUFFER - out->block_rows * (sizeof *out->nnz + sizeof *out->places);
    out->room = smaller(left / (3 * sizeof *out->rows + 2 * item), matrix->data.shape[0]);
    out->readers = calloc(runs->count + 1, sizeof *out->readers);
    out->lookahead = malloc((runs->count + 1) * out->lookahead_room * sizeof *out->lookahead);
    out->nnz = malloc((out->block_rows + 1) * sizeof *out->nnz);
    out->places = malloc((out->block_rows + 1) * sizeof *out->places);
    out->rows = malloc((out->room + 1) * sizeof *out->rows);
    out->columns = malloc((out->room + 1) * sizeof *out->columns);
    out->out_columns = malloc((out->room + 1) * sizeof *out->out_columns);
    out->values = malloc((out->room + 1) * item);
    out->out_values = malloc((out->room + 1) * item);
    bool complete = out->readers && out->lookahead && out->nnz && out->places && out->rows &&
                    out->columns && out->out_columns && out->values && out->out_values;
    return complete ? 0 : sfs_fail_memory(error);
}

/* Finds the row of an entry of run i. */
static inline sfs_status look_at(merger *held, size_t i, uint64_t entry, uint32_t *row,
                                 sfs_error *error)
{
    reader *from = &held->readers[i];
    const sfs_csc_run *run = &held->runs->runs[i];
    uint32_t *part = held->lookahead + i * held->lookahead_room;
    if (entry - from->ahead >= from->held) {
        from->ahead = entry;
        from->held = smaller(held->lookahead_room, run->count - entry);
        SFS_TRY(sfs_scratch_read(held->runs->fd, part, from->held * sizeof *part,
                                 run->offset + entry * sizeof *part, error));
    }
    *row = part[entry - from->ahead];
    return 0;
}

/* Notes the rows of the entries before row `end`, run after run; *total becomes more than there is
 * room for where they do not fit. */
static sfs_status gather_rows(merger *held, uint64_t first, uint64_t end, uint64_t *total,
                              sfs_error *error)
{
    *total = 0;
    for (size_t i = 0; i < held->runs->count && *total <= held->room; i++) {
        reader *from = &held->readers[i];
        uint64_t count = held->runs->runs[i].count;
        from->taken = 0;
        for (uint64_t entry = from->next; entry < count; entry++) {
            uint32_t row;
            SFS_TRY(look_at(held, i, entry, &row, error));
            if (row >= end)
                break;
            if (*total == held->room) {
                *total = held->room + 1;
                break;
            }
            held->rows[(*total)++] = (uint32_t)(row - first);
            from->taken++;
        }
    }
    return 0;
}

/* Reads the columns and values of the entries whose rows were noted. */
static sfs_status gather_rest(merger *held, sfs_error *error)
{
    uint64_t item = held->job->matrix->dtype.size, done = 0;
    for (size_t i = 0; i < held->runs->count; i++) {
        reader *from = &held->readers[i];
        const sfs_csc_run *run = &held->runs->runs[i];
        if (!from->taken)
            continue;
        SFS_TRY(sfs_scratch_read(
            held->runs->fd, held->columns + done, from->taken * sizeof *held->columns,
            sfs_csc_run_columns(run) + from->next * sizeof *held->columns, error));
        SFS_TRY(sfs_scratch_read(held->runs->fd, held->values + done * item, from->taken * item,
                                 sfs_csc_run_values(run) + from->next * item, error));
        from->next += from->taken;
        done += from->taken;
    }
    return 0;
}

static void scatter(void *to, const void *from, const uint32_t *places, uint64_t count,
                    uint64_t item)
{
    char *out = to;
    const char *in = from;
    for (uint64_t i = 0; i < count; i++)
        switch (item) { /* of a known size, a copy is one instruction */
        case 1:
            memcpy(out + places[i], in + i, 1);
            break;
        case 2:
            memcpy(out + 2 * (uint64_t)places[i], in + 2 * i, 2);
            break;
        case 4:
            memcpy(out + 4 * (uint64_t)places[i], in + 4 * i, 4);
            break;
        default:
            memcpy(out + 8 * (uint64_t)places[i], in + 8 * i, 8);
        }
}

/* Puts the gathered entries into the order of rows. */
static void place(merger *held, uint64_t rows, uint64_t total)
{
    memset(held->nnz, 0, rows * sizeof *held->nnz);
    for (uint64_t i = 0; i < total; i++)
        held->nnz[held->rows[i]]++;
    uint32_t start = 0;
    for (uint64_t row = 0; row < rows; row++) {
        held->places[row] = start;
        start += held->nnz[row];
    }
    for (uint64_t i = 0; i < total; i++)
        held->rows[i] = held->places[held->rows[i]]++;
    scatter(held->out_columns, held->columns, held->rows, total, sizeof *held->columns);
    scatter(held->out_values, held->values, held->rows, total, held->job->matrix->dtype.size);
}

/* The end of the block of rows that begins at `first`: as many bins as fit, and at least one, or
 * what of it fits. */
static uint64_t plan_block(const merger *held, uint64_t first)
{
    const sfs_csc_runs *runs = held->runs;
    uint64_t rows = held->job->matrix->rows, entries = 0, end = first;
    while (end < rows) {
        uint64_t bin = end >> runs->bin_bits;
        uint64_t next = smaller((bin + 1) << runs->bin_bits, rows);
        entries += runs->bins[bin];
        if (end > first && (entries > held->room || next - first > held->block_rows))
            break;
        end = next;
    }
    return smaller(end, first + held->block_rows);
}

/* Gathers a block that fits, from `first` on; a bin of too many entries is halved until it does. */
static sfs_status gather(merger *held, uint64_t first, uint64_t *end, uint64_t *total,
                         sfs_error *error)
{
    sfs_csc_runs *runs = held->runs;
    for (*end = plan_block(held, first);; *end = first + (*end - first) / 2) {
        SFS_TRY(gather_rows(held, first, *end, total, error));
        if (*total <= held->room)
            break;
        if (*end - first == 1)
            return sfs_fail(error, -EINVAL,
                            "%s: expected at most %" PRIu64 " entries in a row, found more in row "
                            "%" PRIu64,
                            held->job->matrix->name, held->room, first);
    }
    if (first >> runs->bin_bits == (*end - 1) >> runs->bin_bits)
        runs->bins[first >> runs->bin_bits] -= *total; /* what the next block still finds there */
    return gather_rest(held, error);
}

static sfs_status write_block(merger *held, uint64_t first, uint64_t end, uint64_t total,
                              sfs_error *error)
{
    place(held, end - first, total);
    sfs_csr_block block = {
        .first_row = first,
        .rows = end - first,
        .nnz = held->nnz,
        .indices = (int32_t *)held->out_columns,
        .values = held->out_values,
        .dtype = held->job->matrix->dtype,
        .columns = held->job->matrix->columns,
    };
    return sfs_h5_write_block(held->job, &block, error);
}

sfs_status sfs_csc_merge(sfs_h5_job *job, sfs_csc_runs *runs, sfs_error *error)
{
    __attribute__((cleanup(merger_close))) merger held = {0};
    SFS_TRY(merger_open(job, runs, &held, error));
    uint64_t done = job->matrix->data.shape[0]; /* in the first pass */
    for (uint64_t first = 0, end, total; first < job->matrix->rows; first = end) {
        SFS_TRY(gather(&held, first, &end, &total, error));
        SFS_TRY(write_block(&held, first, end, total, error));
        done += total;
        sfs_progress_update(job->progress, done);
    }
    return 0;
}
