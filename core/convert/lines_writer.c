/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/lines_writer.h"

#include <stdio.h>
#include <string.h>

#include "batch/csv_row.h"
#include "batch/number_text.h"
#include "convert/convert.h"
#include "store/guard.h"
#include "store/lines.h"

typedef struct lines_job {
    sfs_output *output;
    sfs_progress *progress;
    const char *name;
    json_t *object;  /* borrowed: the table's description */
    json_t *entries; /* owned: the files, without their page sums, which are not written yet */
    json_t *parts;   /* owned: of the description of the lines */
    sfs_map_set files;
    sfs_table table;
    uint64_t *part_rows; /* owned */
    size_t part_count;
    sfs_array_file *bases, *deltas; /* owned: of the open part */
    uint64_t passed;                /* bytes that were looked at since the maps were dropped */
} lines_job;

static void job_close(lines_job *job)
{
    sfs_array_file_abort(job->bases);
    sfs_array_file_abort(job->deltas);
    sfs_table_close(&job->table);
    sfs_map_set_close(&job->files);
    json_decref(job->entries);
    json_decref(job->parts);
    free(job->part_rows);
}

/* The parts that the columns of the table have, or would have. */
static sfs_status find_parts(lines_job *job, sfs_error *error)
{
    const sfs_output *output = job->output;
    uint64_t rows = (uint64_t)json_integer_value(json_object_get(job->object, "rows"));
    bool sharded = !strcmp(job->name, "obs");
    job->part_count = sharded ? sfs_output_shard_count(output) : 1;
    job->part_rows = calloc(job->part_count, sizeof *job->part_rows);
    if (!job->part_rows)
        return sfs_fail_memory(error);
    for (size_t i = 0; i < job->part_count; i++) {
        job->part_rows[i] = sharded && rows > output->shard_rows ? output->shard_rows : rows;
        rows -= job->part_rows[i];
    }
    return 0;
}

static sfs_status list_files(lines_job *job, sfs_error *error)
{
    const char *name;
    json_t *entry;
    job->entries = json_object();
    json_object_foreach (job->output->files, name, entry) {
        json_t *bytes = json_pack("{s:O}", "bytes", json_object_get(entry, "bytes"));
        if (json_object_set_new(job->entries, name, bytes))
            return sfs_fail_memory(error);
    }
    return 0;
}

static sfs_status open_table(void *context, sfs_error *error)
{
    lines_job *job = context;
    const sfs_files files = {.set = &job->files, .entries = job->entries};
    return sfs_table_open(&files, job->object, job->part_rows, job->part_count, &job->table, error);
}

/* The bytes of the longest of some strings; those of a column are known. */
static uint64_t longest(const sfs_strings *strings)
{
    const uint64_t *offsets = (const uint64_t *)(const void *)strings->offsets.items;
    uint64_t most = 0;
    for (uint64_t i = 0; i < strings->count; i++)
        most = offsets[i + 1] - offsets[i] > most ? offsets[i + 1] - offsets[i] : most;
    return most;
}

/* More bytes than any line has: every byte of a string may be a quote, and be doubled. */
static sfs_status bound_line(void *context, sfs_error *error)
{
    const lines_job *job = context;
    uint64_t bound = 1;
    for (size_t i = 0; i < job->table.column_count && bound < SFS_LINES_MAX; i++) {
        const sfs_column *column = &job->table.columns[i];
        uint64_t text = column->kind == SFS_COLUMN_CATEGORICAL ? longest(&column->categories)
                        : column->kind == SFS_COLUMN_STRING    ? column->dtype.size
                                                               : SFS_NUMBER_TEXT;
        bound += 2 * text + 3;
    }
    if (bound < SFS_LINES_MAX)
        return 0;
    return sfs_fail(error, -EFBIG, "lines may have %d bytes or more", SFS_LINES_MAX);
}

static sfs_status create(const lines_job *job, size_t part, const char *role, sfs_dtype dtype,
                         sfs_array_file **out, sfs_error *error)
{
    char name[96], shard[32] = "";
    if (!strcmp(job->name, "obs") && job->output->shard_rows != UINT64_MAX)
        snprintf(shard, sizeof shard, "s%zu.", part);
    snprintf(name, sizeof name, "%s.csv.%s%s.npy", job->name, shard, role);
    json_object_set_new(json_array_get(job->parts, part), role, json_string(name));
    return sfs_array_file_create(job->output, name, dtype, 0, true, out, error);
}

static sfs_status finish(sfs_array_file **file, sfs_error *error)
{
    sfs_array_file *finished = *file;
    *file = NULL;
    return sfs_array_file_finish(finished, error);
}

/* What was read is given back now and then: it would count as memory of this process. */
static void pass(lines_job *job, uint64_t bytes)
{
    job->passed += bytes;
    if (job->passed < SFS_CONVERT_BUFFER)
        return;
    sfs_map_set_drop(&job->files);
    job->passed = 0;
}

static sfs_status write_part(lines_job *job, uint64_t first, uint64_t rows, uint64_t *bytes,
                             sfs_error *error)
{
    uint64_t cells = 16 * job->table.column_count;
    uint32_t deltas[SFS_LINES_BASE_ROWS];
    sfs_csv_sink sink = {0};
    size_t part = 0;
    for (uint64_t row = 0, count; row < rows; row += count) {
        uint64_t base = sink.length;
        count = rows - row < SFS_LINES_BASE_ROWS ? rows - row : SFS_LINES_BASE_ROWS;
        for (uint64_t i = 0; i < count; i++) {
            deltas[i] = (uint32_t)(sink.length - base);
            SFS_TRY(sfs_csv_put_row(&job->table, first + row + i, &part, &sink, error));
        }
        SFS_TRY(sfs_array_file_append(job->bases, &base, sizeof base, error));
        SFS_TRY(sfs_array_file_append(job->deltas, deltas, count * sizeof *deltas, error));
        pass(job, sink.length - base + count * cells);
        if (row % (1 << 16) == 0)
            sfs_progress_update(job->progress, first + row);
    }
    *bytes = sink.length;
    return 0;
}

static sfs_status write_parts(void *context, sfs_error *error)
{
    lines_job *job = context;
    uint64_t first = 0, bytes = 0;
    for (size_t i = 0; i < job->part_count; i++) {
        json_array_append_new(job->parts, json_object());
        SFS_TRY(create(job, i, "bases", (sfs_dtype){'u', 8}, &job->bases, error));
        SFS_TRY(create(job, i, "deltas", (sfs_dtype){'u', 4}, &job->deltas, error));
        SFS_TRY(write_part(job, first, job->part_rows[i], &bytes, error));
        SFS_TRY(finish(&job->bases, error));
        SFS_TRY(finish(&job->deltas, error));
        json_object_set_new(json_array_get(job->parts, i), "bytes",
                            json_integer((json_int_t)bytes));
        first += job->part_rows[i];
    }
    return 0;
}

static sfs_status write_lines(lines_job *job, sfs_error *error)
{
    char shown[32];
    snprintf(shown, sizeof shown, "%s.csv", job->name);
    sfs_progress_start(job->progress, shown, job->table.rows);
    job->parts = json_array();
    SFS_TRY(sfs_guard(&job->files, write_parts, job, error));
    json_t *csv = json_pack("{s:i, s:O}", "version", SFS_LINES_VERSION, "parts", job->parts);
    sfs_progress_finish(job->progress);
    return json_object_set_new(job->object, "csv", csv) ? sfs_fail_memory(error) : 0;
}

sfs_status sfs_lines_write(sfs_output *output, const char *table, sfs_progress *progress,
                           sfs_error *error)
{
    __attribute__((cleanup(job_close))) lines_job job = {
        .output = output,
        .progress = progress,
        .name = table,
        .object = json_object_get(output->tables, table),
        .files = {.directory = -1},
    };
    if (!job.object)
        return 0;
    SFS_TRY(find_parts(&job, error));
    SFS_TRY(list_files(&job, error));
    SFS_TRY(sfs_map_set_open(&job.files, output->partial, error));
    job.files.mode = SFS_MAP_IN_ORDER;
    SFS_TRY(sfs_guard(&job.files, open_table, &job, error));
    sfs_status status = sfs_guard(&job.files, bound_line, &job, error);
    if (!status)
        return write_lines(&job, error);
    if (status == -EFBIG)
        sfs_progress_note(progress, "%s.csv: left out: its lines may have %d bytes or more", table,
                          SFS_LINES_MAX);
    return status == -EFBIG ? 0 : status;
}
