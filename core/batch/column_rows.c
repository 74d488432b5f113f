/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/column_rows.h"

#include <inttypes.h>

/* Bytes [within, within + length) of a row of an array, whose rows have `size` bytes. */
static sfs_status copy_items(const sfs_array *array, uint64_t row, uint64_t size, uint64_t within,
                             uint64_t length, uint8_t *out, sfs_error *error)
{
    uint64_t at = row * size + within;
    SFS_TRY(sfs_map_verify(array->map, SFS_NPY_HEADER + at, length, error));
    memcpy(out, array->items + at, length);
    return 0;
}

/* The same of a string, padded with zeros to `width` bytes. */
static sfs_status copy_string(const sfs_strings *strings, uint64_t i, uint64_t width,
                              uint64_t within, uint64_t length, uint8_t *out, sfs_error *error)
{
    const uint8_t *line;
    uint64_t line_length;
    SFS_TRY(sfs_strings_line(strings, i, &line, &line_length, error));
    if (sfs_strings_size(line, line_length) > width)
        return sfs_fail(error, -EIO,
                        "%s: expected strings of at most %" PRIu64 " bytes, found a longer one in "
                        "line %" PRIu64 ": convert the data again",
                        strings->text.map->name, width, i);
    memset(out, 0, length);
    sfs_strings_unescape(line, line_length, within, out, length);
    return 0;
}

static sfs_status gather(const sfs_part *part, sfs_column_form form, uint64_t skip, uint64_t length,
                         sfs_sink *sink, sfs_error *error)
{
    const sfs_column *column = part->column;
    bool is_string = form == SFS_COLUMN_NPY && column->kind == SFS_COLUMN_STRING;
    sfs_parts_read read = {0};
    size_t last = 0;
    uint8_t *out = sfs_sink_room(sink, length);
    uint64_t size = sfs_column_form_size(column, form), end = skip + length;
    while (skip < end) {
        uint64_t i = skip / size, within = skip % size;
        uint64_t taken = size - within < end - skip ? size - within : end - skip;
        uint64_t row = part->rows ? sfs_row_list_row(part->rows, i) : i;
        last = sfs_column_find_part(column, row, last);
        sfs_parts_note(&read, last);
        const sfs_column_part *found = &column->parts[last];
        const sfs_array *array = form == SFS_COLUMN_MASK ? &found->mask : &found->values;
        row -= found->first_row;
        SFS_TRY(is_string ? copy_string(&found->strings, row, size, within, taken, out, error)
                          : copy_items(array, row, size, within, taken, out, error));
        out += taken;
        skip += taken;
    }
    return sfs_parts_check_sizes(&read, column, error);
}

sfs_status sfs_column_values(const sfs_file *file, const sfs_part *part, uint64_t skip,
                             uint64_t length, sfs_sink *sink, sfs_error *error)
{
    (void)file;
    return gather(part, SFS_COLUMN_NPY, skip, length, sink, error);
}

sfs_status sfs_column_mask(const sfs_file *file, const sfs_part *part, uint64_t skip,
                           uint64_t length, sfs_sink *sink, sfs_error *error)
{
    (void)file;
    return gather(part, SFS_COLUMN_MASK, skip, length, sink, error);
}

sfs_part *sfs_column_add(sfs_file *file, const sfs_row_list *rows, const sfs_column *column,
                         sfs_column_form form, uint64_t alignment)
{
    sfs_part_read *read = form == SFS_COLUMN_MASK ? sfs_column_mask : sfs_column_values;
    uint64_t count = rows ? rows->count : sfs_column_rows(column);
    uint64_t size = sfs_column_form_size(column, form);
    sfs_part *part = sfs_file_add(file, read, count * size, alignment);
    part->column = column;
    part->dtype = sfs_column_form_dtype(column, form);
    part->rows = rows;
    return part;
}

sfs_part *sfs_column_add_rows(sfs_file *file, const sfs_column *column, sfs_column_form form,
                              uint64_t alignment)
{
    return sfs_column_add(file, &file->rows, column, form, alignment);
}

sfs_part *sfs_column_add_all(sfs_file *file, const sfs_column *column, sfs_column_form form,
                             uint64_t alignment)
{
    return sfs_column_add(file, NULL, column, form, alignment);
}

sfs_status sfs_column_rows_file_open(sfs_row_list *rows, const sfs_column *column,
                                     sfs_column_form form, sfs_file **out, sfs_error *error)
{
    sfs_status status = sfs_file_new(rows->collection, 2, SFS_NPY_HEADER, out, error);
    if (status) {
        sfs_row_list_close(rows);
        return status;
    }
    sfs_file *file = *out;
    file->rows = *rows;
    *rows = (sfs_row_list){0};
    sfs_npy_header(sfs_column_form_dtype(column, form), file->rows.count,
                   sfs_column_form_columns(column, form), file->head);
    sfs_file_add(file, sfs_part_memory, SFS_NPY_HEADER, 1)->memory = file->head;
    sfs_column_add_rows(file, column, form, 1);
    return 0;
}
