/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/column_file.h"

#include <inttypes.h>

const char *const sfs_column_suffixes[SFS_COLUMN_FORMS] = {".npy", ".mask.npy", ".txt",
                                                           ".categories.txt"};

bool sfs_column_has_form(const sfs_column *column, sfs_column_form form)
{
    switch (form) {
    case SFS_COLUMN_MASK:
        return column->nullable;
    case SFS_COLUMN_TEXT:
        return column->kind == SFS_COLUMN_STRING;
    case SFS_COLUMN_CATEGORIES:
        return column->kind == SFS_COLUMN_CATEGORICAL;
    default:
        return true;
    }
}

/* Strings as elements of part->width bytes, padded with zeros. */
static sfs_status read_fixed(const sfs_file *file, const sfs_part *part, uint64_t skip,
                             uint64_t length, sfs_sink *sink, sfs_error *error)
{
    (void)file;
    uint8_t *out = sfs_sink_room(sink, length);
    uint64_t width = part->width, end = skip + length;
    memset(out, 0, length);
    while (skip < end) {
        const uint8_t *line;
        uint64_t line_length, i = skip / width, within = skip % width;
        uint64_t taken = width - within < end - skip ? width - within : end - skip;
        SFS_TRY(sfs_strings_line(part->strings, i, &line, &line_length, error));
        if (sfs_strings_size(line, line_length) > width)
            return sfs_fail(error, -EIO,
                            "%s: expected strings of at most %" PRIu64
                            " bytes, found a longer one in "
                            "line %" PRIu64 ": convert the data again",
                            part->strings->text.map->name, width, i);
        sfs_strings_unescape(line, line_length, within, out, taken);
        out += taken;
        skip += taken;
    }
    SFS_TRY(sfs_map_check_size(part->strings->offsets.map, error));
    return sfs_map_check_size(part->strings->text.map, error);
}

static uint64_t array_bytes(const sfs_array *array)
{
    return array->count * array->dtype.size;
}

static void add_part(sfs_file *file, const sfs_column *column, const sfs_column_part *part,
                     sfs_column_form form)
{
    if (form == SFS_COLUMN_NPY && column->kind == SFS_COLUMN_STRING) {
        sfs_part *added = sfs_file_add(file, read_fixed, part->rows * column->dtype.size, 1);
        added->strings = &part->strings;
        added->width = column->dtype.size;
        return;
    }
    const sfs_array *array = form == SFS_COLUMN_MASK   ? &part->mask
                             : form == SFS_COLUMN_TEXT ? &part->strings.text
                                                       : &part->values;
    sfs_file_add(file, sfs_part_array, array_bytes(array), 1)->array = array;
}

static uint64_t column_rows(const sfs_column *column)
{
    const sfs_column_part *last = &column->parts[column->part_count - 1];
    return last->first_row + last->rows;
}

sfs_status sfs_column_file_open(const sfs_collection *collection, const sfs_column *column,
                                sfs_column_form form, sfs_file **out, sfs_error *error)
{
    SFS_TRY(sfs_file_new(collection, 1 + column->part_count, SFS_NPY_HEADER, out, error));
    sfs_file *file = *out;
    if (form == SFS_COLUMN_CATEGORIES) {
        const sfs_array *text = &column->categories.text;
        sfs_file_add(file, sfs_part_array, array_bytes(text), 1)->array = text;
        return 0;
    }
    if (form != SFS_COLUMN_TEXT) {
        sfs_dtype dtype = form == SFS_COLUMN_MASK ? (sfs_dtype){'b', 1} : column->dtype;
        sfs_npy_header(dtype, column_rows(column), 0, file->head);
        sfs_file_add(file, sfs_part_memory, SFS_NPY_HEADER, 1)->memory = file->head;
    }
    for (size_t i = 0; i < column->part_count; i++)
        add_part(file, column, &column->parts[i], form);
    return 0;
}

sfs_status sfs_text_file_open(const sfs_collection *collection, const char *text, size_t size,
                              sfs_file **out, sfs_error *error)
{
    SFS_TRY(sfs_file_new(collection, 1, 0, out, error));
    sfs_file_add(*out, sfs_part_memory, size, 1)->memory = text;
    return 0;
}

sfs_status sfs_text_copy_open(const sfs_collection *collection, const char *text, size_t size,
                              sfs_file **out, sfs_error *error)
{
    SFS_TRY(sfs_file_new(collection, 1, size, out, error));
    memcpy((*out)->head, text, size);
    sfs_file_add(*out, sfs_part_memory, size, 1)->memory = (*out)->head;
    return 0;
}
