/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/view_file.h"

#include "batch/column_rows.h"
#include "batch/csr_file.h"
#include "batch/csv_file.h"
#include "batch/csv_row.h"
#include "store/guard.h"

enum { RUN_ROWS = 1024 }; /* rows that are made together */

/* What a file is made of; it lies in the file's head, behind the bytes that the file begins with.
 */
struct content {
    sfs_view_source source;
    /* One of these: */
    const sfs_table *table;
    const sfs_column *column;
    const sfs_matrix *matrix;
    sfs_column_form column_form; /* of the column */
    sfs_csr_array array;         /* of the matrix */
    uint64_t header;             /* bytes of the table's first line */
    uint64_t size;               /* bytes of an element, or of a byte of text */
    uint64_t before[];           /* elements before each run, and in all */
};

static uint64_t run_count(const sfs_view_source *source)
{
    return (source->rows->count + RUN_ROWS - 1) / RUN_ROWS;
}

static sfs_status run_rows(const sfs_view_source *source, uint64_t run, int64_t **rows,
                           uint64_t *count, sfs_error *error)
{
    uint64_t first = run * RUN_ROWS, left = source->rows->count - first;
    *count = left < RUN_ROWS ? left : RUN_ROWS;
    *rows = malloc(*count * sizeof **rows);
    if (!*rows)
        return sfs_fail_memory(error);
    for (uint64_t i = 0; i < *count; i++)
        (*rows)[i] = (int64_t)sfs_view_rows_at(source->rows, first + i);
    return 0;
}

static sfs_status list_run(const struct content *content, uint64_t run, sfs_row_list *out,
                           sfs_error *error)
{
    const sfs_view_source *source = &content->source;
    int64_t *rows;
    uint64_t count;
    SFS_TRY(run_rows(source, run, &rows, &count, error));
    if (!content->matrix)
        return sfs_row_list_numbers(source->collection, rows, count, out, error);
    SFS_TRY(sfs_row_list_table(source->collection, content->matrix, rows, count, out, error));
    return source->genes ? sfs_row_list_choose(out, source->genes, error) : 0;
}

struct lines {
    const sfs_column *column;
    const sfs_row_list *rows;
    uint8_t *out; /* NULL: they are counted */
    uint64_t size;
};

static sfs_status add_lines(void *context, sfs_error *error)
{
    struct lines *lines = context;
    sfs_parts_read read = {0};
    size_t likely = 0;
    lines->size = 0;
    for (uint64_t i = 0; i < lines->rows->count; i++) {
        const uint8_t *line;
        uint64_t length, row = sfs_row_list_row(lines->rows, i);
        likely = sfs_column_find_part(lines->column, row, likely);
        const sfs_column_part *part = &lines->column->parts[likely];
        SFS_TRY(sfs_strings_line(&part->strings, row - part->first_row, &line, &length, error));
        if (lines->out)
            memcpy(lines->out + lines->size, line, length);
        lines->size += length;
        sfs_parts_note(&read, likely);
    }
    return sfs_parts_check_sizes(&read, lines->column, error);
}

/* The lines of a run, as a file of their bytes. */
static sfs_status make_lines(const struct content *content, uint64_t run, sfs_file **out,
                             sfs_error *error)
{
    const sfs_collection *collection = content->source.collection;
    sfs_row_list rows;
    SFS_TRY(list_run(content, run, &rows, error));
    struct lines lines = {.column = content->column, .rows = &rows};
    sfs_status status = sfs_guard(&collection->files, add_lines, &lines, error);
    uint64_t size = lines.size;
    if (!status)
        status = sfs_file_new(collection, 1, size, out, error);
    if (!status) {
        lines.out = (*out)->head;
        status = sfs_guard(&collection->files, add_lines, &lines, error);
        sfs_file_add(*out, sfs_part_memory, size, 1)->memory = (*out)->head;
        if (status)
            sfs_file_close(*out);
    }
    sfs_row_list_close(&rows);
    return status;
}

/* The elements of indptr that end the rows of a run. */
static sfs_status make_indptr(const struct content *content, uint64_t run, sfs_file **out,
                              sfs_error *error)
{
    sfs_row_list rows;
    SFS_TRY(list_run(content, run, &rows, error));
    sfs_status status =
        sfs_file_new(content->source.collection, 1, rows.count * sizeof(int64_t), out, error);
    for (uint64_t i = 0; i < rows.count && !status; i++) {
        uint64_t ended = 0;
        status = sfs_row_list_before(&rows, i + 1, &ended, error);
        ((int64_t *)(*out)->head)[i] = (int64_t)(content->before[run] + ended);
    }
    if (!status)
        sfs_file_add(*out, sfs_part_memory, rows.count * sizeof(int64_t), 1)->memory = (*out)->head;
    sfs_row_list_close(&rows);
    return status;
}

/* A file that has the run's elements behind *skip bytes. */
static sfs_status make_run(const struct content *content, uint64_t run, sfs_file **out,
                           uint64_t *skip, sfs_error *error)
{
    sfs_row_list rows;
    *skip = 0;
    if (content->column && content->column_form == SFS_COLUMN_TEXT)
        return make_lines(content, run, out, error);
    if (content->matrix && content->array == SFS_CSR_INDPTR)
        return make_indptr(content, run, out, error);
    SFS_TRY(list_run(content, run, &rows, error));
    *skip = content->table ? content->header : SFS_NPY_HEADER;
    if (content->table)
        return sfs_csv_rows_file_open(&rows, content->table, out, error);
    if (!content->matrix)
        return sfs_column_rows_file_open(&rows, content->column, content->column_form, out, error);
    const sfs_csr_form form = {
        .values = content->matrix->dtype, .indices = {'i', 4}, .whole = true};
    return sfs_csr_array_open(&rows, &form, content->array, out, error);
}

/* What a run begins at, in elements. */
static uint64_t run_start(const struct content *content, uint64_t run)
{
    bool counted = content->table    ? true
                   : content->matrix ? content->array != SFS_CSR_INDPTR
                                     : content->column_form == SFS_COLUMN_TEXT;
    uint64_t rows = content->source.rows->count, start = run * RUN_ROWS;
    return counted ? content->before[run] : start < rows ? start : rows;
}

/* The run that has an element. */
static uint64_t find_run(const struct content *content, uint64_t element)
{
    uint64_t low = 0, high = run_count(&content->source);
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (run_start(content, middle) <= element)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Runs are made, and read, under guards of their own: nothing here reads a map, and so what is
 * owned here is never left behind. */
static sfs_status read_runs(const sfs_file *file, const sfs_part *part, uint64_t skip,
                            uint64_t length, sfs_sink *sink, sfs_error *error)
{
    const struct content *content = part->memory;
    uint8_t *out = sfs_sink_room(sink, length);
    (void)file;
    for (uint64_t end = skip + length, run; skip < end;) {
        run = find_run(content, skip / content->size);
        uint64_t start = run_start(content, run) * content->size, within;
        uint64_t stop = run_start(content, run + 1) * content->size;
        size_t got = 0, wanted = (stop < end ? stop : end) - skip;
        sfs_file *made;
        SFS_TRY(make_run(content, run, &made, &within, error));
        sfs_status status = sfs_file_read(made, out, wanted, within + skip - start, &got, error);
        sfs_file_close(made);
        if (status)
            return status;
        if (got != wanted)
            return sfs_fail(error, -EIO,
                            "expected the collection to stay as it was when it was mounted, found "
                            "rows changed: restore it and mount it again");
        out += got;
        skip += got;
    }
    return 0;
}

static sfs_status count_lines(const struct content *content, uint64_t run, uint64_t *out,
                              sfs_error *error)
{
    uint64_t skip;
    sfs_file *made;
    SFS_TRY(make_run(content, run, &made, &skip, error));
    *out = sfs_file_size(made) - skip;
    sfs_file_close(made);
    return 0;
}

static sfs_status count_run(const struct content *content, uint64_t run, uint64_t *out,
                            sfs_error *error)
{
    sfs_row_list rows;
    if (content->table)
        return count_lines(content, run, out, error);
    SFS_TRY(list_run(content, run, &rows, error));
    struct lines lines = {.column = content->column, .rows = &rows};
    sfs_status status = 0;
    if (!content->matrix)
        status = sfs_guard(&content->source.collection->files, add_lines, &lines, error);
    *out = content->matrix ? rows.nnz : lines.size;
    sfs_row_list_close(&rows);
    return status;
}

static sfs_status count_runs(struct content *content, sfs_error *error)
{
    uint64_t runs = run_count(&content->source);
    for (uint64_t run = 0, size; run < runs; run++) {
        SFS_TRY(count_run(content, run, &size, error));
        content->before[run + 1] = content->before[run] + size;
    }
    return 0;
}

/* A file with room for what it begins with, a content behind that, to be filled, and behind its
 * runs room for a first line. */
static sfs_status new_file(const sfs_view_source *source, uint64_t line, sfs_file **out,
                           struct content **content, sfs_error *error)
{
    size_t size = SFS_NPY_HEADER + sizeof(int64_t) + sizeof **content +
                  (run_count(source) + 1) * sizeof *(*content)->before + line;
    SFS_TRY(sfs_file_new(source->collection, 3, size, out, error));
    *content = (struct content *)(void *)((char *)(*out)->head + SFS_NPY_HEADER + sizeof(int64_t));
    (*content)->source = *source;
    (*out)->decoded = true;
    return 0;
}

static void add_header(sfs_file *file, sfs_dtype dtype, uint64_t count, uint64_t columns)
{
    sfs_npy_header(dtype, count, columns, file->head);
    sfs_file_add(file, sfs_part_memory, SFS_NPY_HEADER, 1)->memory = file->head;
}

static void add_runs(sfs_file *file, const struct content *content, uint64_t bytes)
{
    sfs_file_add(file, read_runs, bytes, 1)->memory = content;
}

sfs_status sfs_view_column_open(const sfs_view_source *source, const sfs_column *column,
                                sfs_column_form form, sfs_file **out, sfs_error *error)
{
    struct content *content;
    if (form == SFS_COLUMN_CATEGORIES)
        return sfs_column_file_open(source->collection, column, form, out, error);
    SFS_TRY(new_file(source, 0, out, &content, error));
    content->column = column;
    content->column_form = form;
    content->size = form == SFS_COLUMN_TEXT ? 1 : sfs_column_form_size(column, form);
    if (form == SFS_COLUMN_TEXT) {
        sfs_status status = count_runs(content, error);
        if (status)
            sfs_file_close(*out);
        else
            add_runs(*out, content, content->before[run_count(source)]);
        return status;
    }
    add_header(*out, sfs_column_form_dtype(column, form), source->rows->count,
               sfs_column_form_columns(column, form));
    add_runs(*out, content, source->rows->count * content->size);
    return 0;
}

sfs_status sfs_view_csv_open(const sfs_view_source *source, const sfs_table *table, sfs_file **out,
                             sfs_error *error)
{
    struct content *content;
    sfs_csv_sink measured = {0};
    sfs_csv_put_header(table, &measured);
    SFS_TRY(new_file(source, measured.length, out, &content, error));
    content->table = table;
    content->size = 1;
    content->header = measured.length;
    sfs_status status = count_runs(content, error);
    if (status) {
        sfs_file_close(*out);
        return status;
    }
    sfs_csv_sink line = {.room = measured.length,
                         .out = (uint8_t *)(content->before + run_count(source) + 1)};
    sfs_csv_put_header(table, &line);
    sfs_file_add(*out, sfs_part_memory, line.length, 1)->memory = line.out;
    add_runs(*out, content, content->before[run_count(source)]);
    return 0;
}

sfs_status sfs_view_matrix_open(const sfs_view_source *source, const sfs_matrix *matrix,
                                sfs_csr_array array, sfs_file **out, sfs_error *error)
{
    const sfs_csr_form form = {.values = matrix->dtype, .indices = {'i', 4}, .whole = true};
    struct content *content;
    SFS_TRY(new_file(source, 0, out, &content, error));
    content->matrix = matrix;
    content->array = array;
    sfs_status status = count_runs(content, error);
    if (status) {
        sfs_file_close(*out);
        return status;
    }
    uint64_t rows = source->rows->count, nnz = content->before[run_count(source)];
    sfs_dtype dtype = sfs_csr_array_dtype(&form, array, nnz);
    content->size = dtype.size;
    add_header(*out, dtype, sfs_csr_array_count(array, rows, nnz), 0);
    if (array == SFS_CSR_INDPTR)
        sfs_file_add(*out, sfs_part_memory, sizeof(int64_t), 1)->memory =
            (char *)(*out)->head + SFS_NPY_HEADER;
    add_runs(*out, content, (array == SFS_CSR_INDPTR ? rows : nnz) * dtype.size);
    return 0;
}
