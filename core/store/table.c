/* SPDX-License-Identifier: Apache-2.0 */
#include "store/table.h"

#include <inttypes.h>
#include <string.h>

#include "store/lines.h"

sfs_status sfs_strings_line(const sfs_strings *strings, uint64_t i, const uint8_t **line,
                            uint64_t *length, sfs_error *error)
{
    SFS_TRY(sfs_array_verify(&strings->offsets, i, 2, error));
    const uint64_t *offsets = (const uint64_t *)(const void *)strings->offsets.items;
    uint64_t start = offsets[i], end = offsets[i + 1];
    if (start >= end || end > strings->text.count)
        return sfs_fail(error, -EIO,
                        "%s: expected line %" PRIu64 " within %" PRIu64 " bytes of text, found it "
                        "from %" PRIu64 " to %" PRIu64 ": convert the data again",
                        strings->offsets.map->name, i, strings->text.count, start, end);
    SFS_TRY(sfs_array_verify(&strings->text, start, end - start, error));
    *line = strings->text.items + start;
    *length = end - start;
    return 0;
}

uint64_t sfs_strings_size(const uint8_t *line, uint64_t length)
{
    uint64_t size = 0;
    for (uint64_t i = 0; i + 1 < length; i++, size++)
        i += line[i] == '\\' && i + 2 < length;
    return size;
}

void sfs_strings_unescape(const uint8_t *line, uint64_t length, uint64_t skip, uint8_t *out,
                          uint64_t room)
{
    uint64_t at = 0, end = skip + room;
    for (uint64_t i = 0; i + 1 < length && at < end; i++, at++) {
        uint8_t byte = line[i];
        if (byte == '\\' && i + 2 < length) {
            byte = line[++i];
            byte = byte == 'n' ? '\n' : byte == '0' ? '\0' : byte;
        }
        if (at >= skip)
            out[at - skip] = byte;
    }
}

uint64_t sfs_strings_hash(const uint8_t *line, uint64_t length)
{
    const uint8_t *end = line + length - 1, *escape = memchr(line, '\\', length - 1);
    if (!escape)
        return sfs_hash(0, line, length - 1);
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    for (const uint8_t *at = line; at < end; at = escape + 2) {
        uint8_t byte;
        escape = memchr(at, '\\', (size_t)(end - at));
        if (!escape || escape + 1 == end)
            escape = end;
        XXH3_64bits_update(&state, at, (size_t)(escape - at));
        if (escape == end)
            break;
        sfs_strings_unescape(escape, 3, 0, &byte, 1);
        XXH3_64bits_update(&state, &byte, 1);
    }
    return XXH3_64bits_digest(&state);
}

size_t sfs_column_find_part(const sfs_column *column, uint64_t row, size_t likely)
{
    const sfs_column_part *part = &column->parts[likely];
    if (row >= part->first_row && row - part->first_row < part->rows)
        return likely;
    size_t low = 0, high = column->part_count; /* first_row(low) <= row < first_row(high) */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (column->parts[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static sfs_status check_strings(const sfs_strings *strings, sfs_error *error)
{
    SFS_TRY(sfs_map_check_size(strings->offsets.map, error));
    return sfs_map_check_size(strings->text.map, error);
}

sfs_status sfs_parts_check_sizes(const sfs_parts_read *read, const sfs_column *column,
                                 sfs_error *error)
{
    for (size_t i = 0; i < column->part_count; i++) {
        const sfs_column_part *part = &column->parts[i];
        if (!(read->bits >> i % 64 & 1))
            continue;
        if (column->kind == SFS_COLUMN_STRING)
            SFS_TRY(check_strings(&part->strings, error));
        else
            SFS_TRY(sfs_map_check_size(part->values.map, error));
        if (column->nullable)
            SFS_TRY(sfs_map_check_size(part->mask.map, error));
    }
    if (column->kind != SFS_COLUMN_CATEGORICAL || !read->bits)
        return 0;
    return check_strings(&column->categories, error);
}

static sfs_status open_strings(const sfs_files *files, const json_t *object, uint64_t count,
                               sfs_strings *out, sfs_error *error)
{
    out->count = count;
    SFS_TRY(sfs_files_array(files, object, "offsets", (sfs_dtype){'u', 8}, count + 1, 0,
                            &out->offsets, error));
    return sfs_files_array_any_length(files, object, "text", (sfs_dtype){'u', 1}, &out->text,
                                      error);
}

static sfs_status open_part(const sfs_files *files, const json_t *object, const sfs_column *column,
                            sfs_column_part *part, sfs_error *error)
{
    if (column->kind == SFS_COLUMN_STRING)
        SFS_TRY(open_strings(files, object, part->rows, &part->strings, error));
    else
        SFS_TRY(sfs_files_array(files, object, "values", column->dtype, part->rows,
                                column->matrix ? column->columns : 0, &part->values, error));
    if (!column->nullable)
        return 0;
    return sfs_files_array(files, object, "mask", (sfs_dtype){'b', 1}, part->rows, 0, &part->mask,
                           error);
}

/* How many values a row has. */
static sfs_status open_columns(const json_t *object, sfs_column *column, sfs_error *error)
{
    uint64_t columns;
    if (!json_object_get(object, "columns"))
        return 0;
    SFS_TRY(sfs_json_uint(object, "columns", INT32_MAX, &columns, error));
    if (!columns || column->nullable)
        return sfs_fail(error, -EBADMSG,
                        "%s: expected at least one of \"columns\", and none that is nullable",
                        column->name);
    column->matrix = true;
    column->columns = (uint32_t)columns;
    return 0;
}

static sfs_status open_kind(const sfs_files *files, const json_t *object, sfs_column *column,
                            sfs_error *error)
{
    const char *kind;
    uint64_t count;
    json_t *categories;
    SFS_TRY(sfs_json_string(object, "kind", &kind, error));
    SFS_TRY(sfs_json_bool(object, "nullable", &column->nullable, error));
    if (!strcmp(kind, "number")) {
        column->kind = SFS_COLUMN_NUMBER;
        SFS_TRY(open_columns(object, column, error));
        return sfs_json_dtype(object, "dtype", &column->dtype, error);
    }
    if (!strcmp(kind, "string")) {
        column->kind = SFS_COLUMN_STRING;
        SFS_TRY(sfs_json_uint(object, "width", INT32_MAX, &count, error));
        column->dtype = (sfs_dtype){'S', count ? (uint32_t)count : 1};
        return 0;
    }
    if (strcmp(kind, "categorical") != 0)
        return sfs_fail(error, -EBADMSG,
                        "expected \"kind\" number, string or categorical, found \"%.40s\"", kind);
    column->kind = SFS_COLUMN_CATEGORICAL;
    column->dtype = (sfs_dtype){'i', 4};
    SFS_TRY(sfs_json_bool(object, "ordered", &column->ordered, error));
    SFS_TRY(sfs_json_object(object, "categories", &categories, error));
    SFS_TRY(sfs_json_uint(categories, "count", INT32_MAX, &count, error));
    return open_strings(files, categories, count, &column->categories, error);
}

static sfs_status open_column(const sfs_files *files, const json_t *object,
                              const uint64_t *part_rows, size_t part_count, sfs_column *column,
                              sfs_error *error)
{
    const char *name;
    json_t *parts;
    SFS_TRY(sfs_json_string(object, "name", &name, error));
    uint64_t rows = 0, values, bytes;
    for (size_t i = 0; i < part_count; i++)
        rows += part_rows[i];
    column->columns = 1;
    column->name = strdup(name);
    column->parts = calloc(part_count + 1, sizeof *column->parts);
    if (!column->name || !column->parts)
        return sfs_fail_memory(error);
    SFS_TRY(open_kind(files, object, column, error));
    if (__builtin_mul_overflow(rows, column->columns, &values) ||
        __builtin_mul_overflow(values, column->dtype.size, &bytes) || bytes > INT64_MAX / 16)
        return sfs_fail(error, -EBADMSG,
                        "%s: expected fewer bytes than %" PRIu64 " rows of %" PRIu32 " x %" PRIu32,
                        name, rows, column->columns, column->dtype.size);
    SFS_TRY(sfs_json_array(object, "parts", &parts, error));
    if (json_array_size(parts) != part_count)
        return sfs_fail(error, -EBADMSG, "expected %zu \"parts\", found %zu", part_count,
                        json_array_size(parts));
    uint64_t first_row = 0;
    for (; column->part_count < part_count; column->part_count++) {
        sfs_column_part *part = &column->parts[column->part_count];
        part->first_row = first_row;
        part->rows = part_rows[column->part_count];
        first_row += part->rows;
        SFS_TRY(open_part(files, json_array_get(parts, column->part_count), column, part, error));
    }
    return 0;
}

sfs_status sfs_table_open(const sfs_files *files, const json_t *object, const uint64_t *part_rows,
                          size_t part_count, sfs_table *out, sfs_error *error)
{
    json_t *columns, *column;
    uint64_t rows;
    size_t i;
    SFS_TRY(sfs_json_bool(object, "has_index", &out->has_index, error));
    SFS_TRY(sfs_json_array(object, "columns", &columns, error));
    for (i = 0; i < part_count; i++)
        out->rows += part_rows[i];
    SFS_TRY(sfs_json_uint(object, "rows", out->rows, &rows, error));
    if (rows != out->rows)
        return sfs_fail(error, -EBADMSG, "expected \"rows\" of %" PRIu64 ", found %" PRIu64,
                        out->rows, rows);
    out->columns = calloc(json_array_size(columns) + 1, sizeof *out->columns);
    if (!out->columns)
        return sfs_fail_memory(error);
    json_array_foreach (columns, i, column) {
        out->column_count++;
        sfs_status status =
            open_column(files, column, part_rows, part_count, &out->columns[i], error);
        if (status) {
            sfs_error_prefix(error, "column %zu: ", i);
            return status;
        }
    }
    SFS_TRY(sfs_lines_open(files, object, part_rows, part_count, out, error));
    if (out->has_index && (!i || out->columns[0].kind != SFS_COLUMN_STRING))
        return sfs_fail(error, -EBADMSG, "expected strings as column 0, the index");
    return 0;
}

void sfs_table_close(sfs_table *table)
{
    for (size_t i = 0; i < table->column_count; i++) {
        free(table->columns[i].parts);
        free(table->columns[i].name);
    }
    free(table->columns);
    free(table->lines);
    *table = (sfs_table){0};
}
