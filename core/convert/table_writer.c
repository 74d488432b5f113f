/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/table_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Strings being written: their text, and where each begins. */
struct text_files {
    sfs_array_file *text, *offsets; /* owned */
};

/* Bytes that wait until all of a column has come. */
struct held {
    char *bytes; /* owned */
    uint64_t used, room;
};

struct sfs_column_writer {
    sfs_output *output; /* borrowed */
    json_t *table;      /* borrowed: from output */
    json_t *column;     /* owned: the description being made */
    json_t *parts;      /* owned */
    json_t *current;    /* owned: of the open part, or NULL */
    char stem[96];      /* of the file names */
    sfs_column_spec spec;
    uint64_t rows, part_rows, table_rows, rows_a_part;
    uint64_t categories, width;
    struct text_files category_files, part_strings;
    sfs_array_file *values, *mask;  /* owned; NULL when no part is open */
    struct held items, ends, flags; /* with spec.order: elements, where strings end, and the mask */
};

sfs_status sfs_table_declare(sfs_output *output, const char *table, uint64_t rows, sfs_error *error)
{
    json_t *object =
        json_pack("{s:b, s:I, s:[]}", "has_index", 0, "rows", (json_int_t)rows, "columns");
    return json_object_set_new(output->tables, table, object) ? sfs_fail_memory(error) : 0;
}

static sfs_status create(sfs_column_writer *writer, json_t *description, const char *role,
                         const char *infix, sfs_dtype dtype, uint32_t columns, sfs_array_file **out,
                         sfs_error *error)
{
    char name[160];
    snprintf(name, sizeof name, "%s.%s%s.npy", writer->stem, infix, role);
    json_object_set_new(description, role, json_string(name));
    return sfs_array_file_create(writer->output, name, dtype, columns, true, out, error);
}

static sfs_status create_text(sfs_column_writer *writer, json_t *description, const char *infix,
                              struct text_files *files, sfs_error *error)
{
    SFS_TRY(
        create(writer, description, "text", infix, (sfs_dtype){'u', 1}, 0, &files->text, error));
    return create(writer, description, "offsets", infix, (sfs_dtype){'u', 8}, 0, &files->offsets,
                  error);
}

static void abort_text(struct text_files *files)
{
    sfs_array_file_abort(files->text);
    sfs_array_file_abort(files->offsets);
    *files = (struct text_files){0};
}

static sfs_status finish_file(sfs_array_file **file, sfs_error *error)
{
    sfs_array_file *finished = *file;
    *file = NULL;
    return finished ? sfs_array_file_finish(finished, error) : 0;
}

static sfs_status append_offset(struct text_files *files, sfs_error *error)
{
    uint64_t offset = sfs_array_file_bytes(files->text);
    return sfs_array_file_append(files->offsets, &offset, sizeof offset, error);
}

static sfs_status finish_text(struct text_files *files, sfs_error *error)
{
    if (!files->text)
        return 0;
    SFS_TRY(append_offset(files, error));
    SFS_TRY(finish_file(&files->text, error));
    return finish_file(&files->offsets, error);
}

static const char *escape_of(char byte)
{
    return byte == '\n' ? "\\n" : byte == '\\' ? "\\\\" : "\\0";
}

static bool needs_escape(char byte)
{
    return byte == '\n' || byte == '\\' || byte == '\0';
}

static sfs_status append_line(struct text_files *files, const char *bytes, size_t length,
                              sfs_error *error)
{
    SFS_TRY(append_offset(files, error));
    size_t plain = 0;
    for (size_t i = 0; i < length; i++) {
        if (!needs_escape(bytes[i]))
            continue;
        SFS_TRY(sfs_array_file_append(files->text, bytes + plain, i - plain, error));
        SFS_TRY(sfs_array_file_append(files->text, escape_of(bytes[i]), 2, error));
        plain = i + 1;
    }
    SFS_TRY(sfs_array_file_append(files->text, bytes + plain, length - plain, error));
    return sfs_array_file_append(files->text, "\n", 1, error);
}

static bool is_sharded(const char *table)
{
    return !strcmp(table, "obs") || !strcmp(table, "obsm");
}

/* Bytes of a row's numbers. */
static uint64_t row_size(const sfs_column_spec *spec)
{
    return (uint64_t)spec->dtype.size * (spec->columns ? spec->columns : 1);
}

static json_t *describe_column(const sfs_column_spec *spec)
{
    static const char *const kinds[] = {"number", "categorical", "string"};
    json_t *column = json_pack("{s:s, s:s, s:b}", "name", spec->name, "kind", kinds[spec->kind],
                               "nullable", spec->nullable);
    if (column && spec->kind == SFS_COLUMN_NUMBER) {
        char typestr[SFS_TYPESTR];
        sfs_dtype_typestr(spec->dtype, typestr);
        json_object_set_new(column, "dtype", json_string(typestr));
    }
    if (column && spec->columns)
        json_object_set_new(column, "columns", json_integer(spec->columns));
    if (column && spec->kind == SFS_COLUMN_CATEGORICAL)
        json_object_set_new(column, "ordered", json_boolean(spec->ordered));
    return column;
}

static sfs_status start(sfs_column_writer *writer, sfs_error *error)
{
    json_t *columns = json_object_get(writer->table, "columns");
    writer->parts = json_array();
    writer->column = describe_column(&writer->spec);
    if (!writer->parts || !writer->column)
        return sfs_fail(error, -EINVAL, "%s: cannot store a column whose name is not UTF-8",
                        writer->spec.table);
    snprintf(writer->stem, sizeof writer->stem, "%s.%zu", writer->spec.table,
             json_array_size(columns));
    json_array_append(columns, writer->column);
    if (!strcmp(writer->spec.name, "_index"))
        json_object_set_new(writer->table, "has_index", json_true());
    if (writer->spec.kind != SFS_COLUMN_CATEGORICAL)
        return 0;
    json_t *categories = json_object();
    json_object_set_new(writer->column, "categories", categories);
    return create_text(writer, categories, "categories.", &writer->category_files, error);
}

sfs_status sfs_column_writer_open(sfs_output *output, const sfs_column_spec *spec,
                                  sfs_column_writer **out, sfs_error *error)
{
    sfs_column_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return sfs_fail_memory(error);
    writer->output = output;
    writer->spec = *spec;
    if (spec->kind == SFS_COLUMN_CATEGORICAL)
        writer->spec.dtype = (sfs_dtype){'i', 4};
    writer->table = json_object_get(output->tables, spec->table);
    writer->table_rows = (uint64_t)json_integer_value(json_object_get(writer->table, "rows"));
    writer->rows_a_part = is_sharded(spec->table) ? output->shard_rows : UINT64_MAX;
    sfs_status status = start(writer, error);
    if (status)
        sfs_column_writer_abort(writer);
    else
        *out = writer;
    return status;
}

sfs_status sfs_column_writer_category(sfs_column_writer *writer, const char *bytes, size_t length,
                                      sfs_error *error)
{
    writer->categories++;
    return append_line(&writer->category_files, bytes, length, error);
}

static sfs_status open_part(sfs_column_writer *writer, sfs_error *error)
{
    char infix[32] = "";
    writer->current = json_object();
    writer->part_rows = 0;
    if (writer->rows_a_part != UINT64_MAX)
        snprintf(infix, sizeof infix, "s%zu.", json_array_size(writer->parts));
    if (writer->spec.kind == SFS_COLUMN_STRING)
        SFS_TRY(create_text(writer, writer->current, infix, &writer->part_strings, error));
    else
        SFS_TRY(create(writer, writer->current, "values", infix, writer->spec.dtype,
                       writer->spec.columns, &writer->values, error));
    if (!writer->spec.nullable)
        return 0;
    return create(writer, writer->current, "mask", infix, (sfs_dtype){'b', 1}, 0, &writer->mask,
                  error);
}

static sfs_status hold(struct held *held, const void *bytes, uint64_t size, sfs_error *error)
{
    if (!held->bytes || held->room - held->used < size) {
        uint64_t room = 2 * held->room + size + 64;
        char *grown = realloc(held->bytes, room);
        if (!grown)
            return sfs_fail_memory(error);
        held->bytes = grown;
        held->room = room;
    }
    memcpy(held->bytes + held->used, bytes, size);
    held->used += size;
    return 0;
}

/* Writes what was held, all rows of the table, in their order. */
static sfs_status put_in_order(sfs_column_writer *writer, sfs_error *error)
{
    const uint64_t *ends = (const void *)writer->ends.bytes;
    uint64_t size = row_size(&writer->spec);
    for (uint64_t row = 0; row < writer->part_rows; row++) {
        uint64_t from = (uint64_t)writer->spec.order[row];
        if (writer->mask)
            SFS_TRY(sfs_array_file_append(writer->mask, writer->flags.bytes + from, 1, error));
        if (writer->spec.kind == SFS_COLUMN_STRING) {
            uint64_t start = from ? ends[from - 1] : 0;
            SFS_TRY(append_line(&writer->part_strings, writer->items.bytes + start,
                                ends[from] - start, error));
        } else {
            SFS_TRY(sfs_array_file_append(writer->values, writer->items.bytes + from * size, size,
                                          error));
        }
    }
    return 0;
}

static sfs_status close_part(sfs_column_writer *writer, sfs_error *error)
{
    if (writer->spec.order)
        SFS_TRY(put_in_order(writer, error));
    SFS_TRY(finish_file(&writer->values, error));
    SFS_TRY(finish_file(&writer->mask, error));
    SFS_TRY(finish_text(&writer->part_strings, error));
    json_array_append_new(writer->parts, writer->current);
    writer->current = NULL;
    return 0;
}

/* Makes room for at least one more row; *rows is lowered to what the open part still takes. */
static sfs_status prepare_rows(sfs_column_writer *writer, uint64_t *rows, sfs_error *error)
{
    if (writer->table_rows - writer->rows < *rows)
        return sfs_fail(error, -EINVAL, "%s column \"%s\": expected %" PRIu64 " rows, found more",
                        writer->spec.table, writer->spec.name, writer->table_rows);
    if (writer->current && writer->part_rows == writer->rows_a_part)
        SFS_TRY(close_part(writer, error));
    if (!writer->current)
        SFS_TRY(open_part(writer, error));
    uint64_t room = writer->rows_a_part - writer->part_rows;
    *rows = *rows < room ? *rows : room;
    writer->rows += *rows;
    writer->part_rows += *rows;
    return 0;
}

static sfs_status check_codes(const sfs_column_writer *writer, uint64_t count, const int32_t *codes,
                              sfs_error *error)
{
    for (uint64_t i = 0; i < count; i++)
        if (codes[i] < -1 || (codes[i] >= 0 && (uint64_t)codes[i] >= writer->categories))
            return sfs_fail(error, -EINVAL,
                            "%s column \"%s\": expected codes from -1 to %" PRId64
                            ", found %" PRId32 " at row %" PRIu64,
                            writer->spec.table, writer->spec.name, (int64_t)writer->categories - 1,
                            codes[i], writer->rows + i);
    return 0;
}

static sfs_status put_values(sfs_column_writer *writer, const uint8_t *values, uint64_t count,
                             sfs_error *error)
{
    uint64_t bytes = count * row_size(&writer->spec);
    if (writer->spec.order)
        return hold(&writer->items, values, bytes, error);
    return sfs_array_file_append(writer->values, values, bytes, error);
}

static sfs_status put_mask(sfs_column_writer *writer, const uint8_t *mask, uint64_t count,
                           sfs_error *error)
{
    if (!writer->mask)
        return 0;
    if (writer->spec.order)
        return hold(&writer->flags, mask, count, error);
    return sfs_array_file_append(writer->mask, mask, count, error);
}

static sfs_status put_string(sfs_column_writer *writer, const char *bytes, size_t length,
                             sfs_error *error)
{
    if (!writer->spec.order)
        return append_line(&writer->part_strings, bytes, length, error);
    SFS_TRY(hold(&writer->items, bytes, length, error));
    return hold(&writer->ends, &writer->items.used, sizeof writer->items.used, error);
}

sfs_status sfs_column_writer_values(sfs_column_writer *writer, uint64_t count, const void *values,
                                    const uint8_t *mask, sfs_error *error)
{
    const uint8_t *bytes = values;
    if (writer->spec.kind == SFS_COLUMN_CATEGORICAL)
        SFS_TRY(check_codes(writer, count, values, error));
    while (count) {
        uint64_t taken = count;
        SFS_TRY(prepare_rows(writer, &taken, error));
        SFS_TRY(put_values(writer, bytes, taken, error));
        SFS_TRY(put_mask(writer, mask, taken, error));
        if (writer->mask)
            mask += taken;
        bytes += taken * row_size(&writer->spec);
        count -= taken;
    }
    return 0;
}

sfs_status sfs_column_writer_string(sfs_column_writer *writer, const char *bytes, size_t length,
                                    bool missing, sfs_error *error)
{
    uint64_t one = 1;
    SFS_TRY(prepare_rows(writer, &one, error));
    if (length > INT32_MAX)
        return sfs_fail(error, -EINVAL,
                        "%s column \"%s\": expected strings of fewer than 2^31 bytes",
                        writer->spec.table, writer->spec.name);
    writer->width = length > writer->width ? length : writer->width;
    SFS_TRY(put_mask(writer, &(uint8_t){missing}, 1, error));
    return put_string(writer, bytes, length, error);
}

static sfs_status finish(sfs_column_writer *writer, sfs_error *error)
{
    if (writer->rows != writer->table_rows)
        return sfs_fail(error, -EINVAL,
                        "%s column \"%s\": expected %" PRIu64 " rows, found %" PRIu64,
                        writer->spec.table, writer->spec.name, writer->table_rows, writer->rows);
    if (!writer->current && !writer->rows)
        SFS_TRY(open_part(writer, error));
    if (writer->current)
        SFS_TRY(close_part(writer, error));
    SFS_TRY(finish_text(&writer->category_files, error));
    if (writer->spec.kind == SFS_COLUMN_CATEGORICAL)
        json_object_set_new(json_object_get(writer->column, "categories"), "count",
                            json_integer((json_int_t)writer->categories));
    if (writer->spec.kind == SFS_COLUMN_STRING)
        json_object_set_new(writer->column, "width", json_integer((json_int_t)writer->width));
    return json_object_set(writer->column, "parts", writer->parts) ? sfs_fail_memory(error) : 0;
}

sfs_status sfs_column_writer_finish(sfs_column_writer *writer, sfs_error *error)
{
    sfs_status status = finish(writer, error);
    sfs_column_writer_abort(writer);
    return status;
}

void sfs_column_writer_abort(sfs_column_writer *writer)
{
    if (!writer)
        return;
    abort_text(&writer->category_files);
    abort_text(&writer->part_strings);
    sfs_array_file_abort(writer->values);
    sfs_array_file_abort(writer->mask);
    free(writer->items.bytes);
    free(writer->ends.bytes);
    free(writer->flags.bytes);
    json_decref(writer->current);
    json_decref(writer->parts);
    json_decref(writer->column);
    free(writer);
}
