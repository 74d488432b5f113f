/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/csv_file.h"

#include <inttypes.h>

#include "batch/csv_row.h"
#include "store/guard.h"
#include "store/lines.h"

/* The row of the table that line i of the part is. */
static uint64_t row_of(const sfs_part *part, uint64_t i)
{
    return part->rows ? sfs_row_list_row(part->rows, i) : i;
}

static uint64_t line_count(const sfs_part *part)
{
    return part->rows ? part->rows->count : part->table->rows;
}

/* Where line i <= line_count begins in the part: a table of them, or that of a run of neighbours.
 */
static sfs_status line_start(const sfs_part *part, uint64_t i, uint64_t *out, sfs_error *error)
{
    uint64_t base, at, first = part->rows ? part->rows->first : 0;
    if (part->offsets) {
        *out = part->offsets[i];
        return 0;
    }
    SFS_TRY(sfs_table_line_start(part->table, first, &base, error));
    SFS_TRY(sfs_table_line_start(part->table, first + i, &at, error));
    *out = at - base;
    return 0;
}

/* The line that has byte `at` of the part, and where it begins. */
static sfs_status find_line(const sfs_part *part, uint64_t at, uint64_t *line, uint64_t *start,
                            sfs_error *error)
{
    uint64_t low = 0, high = line_count(part); /* start(low) <= at < start(high) */
    *start = 0;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2, begin;
        SFS_TRY(line_start(part, middle, &begin, error));
        if (begin <= at) {
            low = middle;
            *start = begin;
        } else {
            high = middle;
        }
    }
    *line = low;
    return 0;
}

static sfs_status check_sizes(const sfs_table *table, const sfs_parts_read *read, sfs_error *error)
{
    for (size_t i = 0; i < table->column_count; i++)
        SFS_TRY(sfs_parts_check_sizes(read, &table->columns[i], error));
    return 0;
}

/* Lines as long as was known beforehand: whatever else they are, they were not written by the same
 * rules, or the table is damaged. */
static sfs_status check_length(const sfs_part *part, uint64_t line, uint64_t start, uint64_t length,
                               sfs_error *error)
{
    uint64_t end;
    SFS_TRY(line_start(part, line + 1, &end, error));
    if (end - start == length)
        return 0;
    return sfs_fail(error, -EIO,
                    "expected a line of %" PRIu64 " bytes for row %" PRIu64 ", found %" PRIu64
                    ": the lengths of lines and the table contradict each other, convert the data "
                    "again",
                    end - start, row_of(part, line), length);
}

static sfs_status read_lines(const sfs_file *file, const sfs_part *part, uint64_t skip,
                             uint64_t length, sfs_sink *sink, sfs_error *error)
{
    uint64_t line, start;
    size_t from = 0;
    sfs_parts_read read = {0};
    (void)file;
    SFS_TRY(find_line(part, skip, &line, &start, error));
    sfs_csv_sink csv = {
        .skip = skip - start, .room = length, .out = sfs_sink_room(sink, length), .length = 0};
    for (; csv.length < csv.skip + length && line < line_count(part); line++) {
        uint64_t before = csv.length;
        SFS_TRY(sfs_csv_put_row(part->table, row_of(part, line), &from, &csv, error));
        SFS_TRY(check_length(part, line, start + before, csv.length - before, error));
        sfs_parts_note(&read, from);
    }
    return check_sizes(part->table, &read, error);
}

static uint64_t header_length(const sfs_table *table)
{
    sfs_csv_sink sink = {0};
    sfs_csv_put_header(table, &sink);
    return sink.length;
}

/* A file whose head is room for `offsets` offsets and, behind them, the first line. */
static sfs_status open_file(const sfs_collection *collection, const sfs_table *table,
                            uint64_t offsets, sfs_file **out, sfs_error *error)
{
    uint64_t length = header_length(table);
    SFS_TRY(sfs_file_new(collection, 2, offsets * sizeof(uint64_t) + length, out, error));
    uint8_t *header = (uint8_t *)(*out)->head + offsets * sizeof(uint64_t);
    sfs_csv_sink sink = {.room = length, .out = header};
    sfs_csv_put_header(table, &sink);
    sfs_file_add(*out, sfs_part_memory, length, 1)->memory = header;
    (*out)->decoded = true;
    return 0;
}

/* What measuring the lines takes. */
struct measuring {
    const sfs_table *table;
    const sfs_row_list *rows;
    uint64_t *offsets; /* to be filled, or NULL: of a run whose lengths are stored */
    uint64_t size;     /* of all lines */
};

/* The length of a row's line: stored, or found by writing it. */
static sfs_status measure_row(const sfs_table *table, uint64_t row, size_t *part,
                              sfs_parts_read *read, uint64_t *out, sfs_error *error)
{
    uint64_t start, end;
    if (!table->lines) {
        sfs_csv_sink sink = {0};
        SFS_TRY(sfs_csv_put_row(table, row, part, &sink, error));
        sfs_parts_note(read, *part);
        *out = sink.length;
        return 0;
    }
    SFS_TRY(sfs_table_line_start(table, row, &start, error));
    SFS_TRY(sfs_table_line_start(table, row + 1, &end, error));
    if (end <= start)
        return sfs_fail(error, -EIO,
                        "row %" PRIu64 ": the lengths of lines contradict each other: convert the "
                        "data again",
                        row);
    *out = end - start;
    return 0;
}

static sfs_status measure(void *context, sfs_error *error)
{
    struct measuring *measuring = context;
    const sfs_table *table = measuring->table;
    const sfs_row_list *rows = measuring->rows;
    sfs_parts_read read = {0};
    size_t part = 0;
    uint64_t at = 0;
    for (uint64_t i = 0; measuring->offsets && i < rows->count; i++) {
        uint64_t length = 0;
        measuring->offsets[i] = at;
        SFS_TRY(measure_row(table, sfs_row_list_row(rows, i), &part, &read, &length, error));
        at += length;
    }
    if (measuring->offsets) {
        measuring->offsets[rows->count] = at;
        measuring->size = at;
    } else {
        uint64_t start, end;
        SFS_TRY(sfs_table_line_start(table, rows->first, &start, error));
        SFS_TRY(sfs_table_line_start(table, rows->first + rows->count, &end, error));
        measuring->size = end - start;
    }
    SFS_TRY(check_sizes(table, &read, error));
    return sfs_table_lines_check_sizes(table, error);
}

/* The part of all lines behind the first one. */
static void add_lines(sfs_file *file, const sfs_table *table, const sfs_row_list *rows,
                      const uint64_t *offsets, uint64_t size)
{
    sfs_part *part = sfs_file_add(file, read_lines, size, 1);
    part->table = table;
    part->rows = rows;
    part->offsets = offsets;
}

sfs_status sfs_csv_file_open(const sfs_collection *collection, const sfs_table *table,
                             sfs_file **out, sfs_error *error)
{
    SFS_TRY(open_file(collection, table, 0, out, error));
    add_lines(*out, table, NULL, NULL, sfs_table_lines_bytes(table));
    return 0;
}

sfs_status sfs_csv_rows_file_open(sfs_row_list *rows, const sfs_table *table, sfs_file **out,
                                  sfs_error *error)
{
    bool run = !rows->rows && table->lines;
    sfs_status status = open_file(rows->collection, table, run ? 0 : rows->count + 1, out, error);
    if (status) {
        sfs_row_list_close(rows);
        return status;
    }
    sfs_file *file = *out;
    file->rows = *rows;
    *rows = (sfs_row_list){0};
    struct measuring measuring = {
        .table = table, .rows = &file->rows, .offsets = run ? NULL : file->head};
    status = sfs_guard(&file->collection->files, measure, &measuring, error);
    if (status) {
        sfs_file_close(file);
        *out = NULL;
        return status;
    }
    add_lines(file, table, &file->rows, measuring.offsets, measuring.size);
    return 0;
}
