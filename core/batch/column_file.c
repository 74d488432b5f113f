/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/column_file.h"

#include "batch/column_rows.h"

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

sfs_dtype sfs_column_form_dtype(const sfs_column *column, sfs_column_form form)
{
    return form == SFS_COLUMN_MASK ? (sfs_dtype){'b', 1} : column->dtype;
}

uint32_t sfs_column_form_columns(const sfs_column *column, sfs_column_form form)
{
    return form == SFS_COLUMN_NPY && column->matrix ? column->columns : 0;
}

uint64_t sfs_column_form_size(const sfs_column *column, sfs_column_form form)
{
    uint32_t columns = sfs_column_form_columns(column, form);
    return (uint64_t)sfs_column_form_dtype(column, form).size * (columns ? columns : 1);
}

static uint64_t array_bytes(const sfs_array *array)
{
    return array->count * array->dtype.size;
}

uint64_t sfs_column_rows(const sfs_column *column)
{
    const sfs_column_part *last = &column->parts[column->part_count - 1];
    return last->first_row + last->rows;
}

/* One part after another, just as they are stored. */
static void add_arrays(sfs_file *file, const sfs_column *column, sfs_column_form form)
{
    for (size_t i = 0; i < column->part_count; i++) {
        const sfs_column_part *part = &column->parts[i];
        const sfs_array *array = form == SFS_COLUMN_MASK   ? &part->mask
                                 : form == SFS_COLUMN_TEXT ? &part->strings.text
                                                           : &part->values;
        sfs_file_add(file, sfs_part_array, array_bytes(array), 1)->array = array;
    }
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
        sfs_npy_header(sfs_column_form_dtype(column, form), sfs_column_rows(column),
                       sfs_column_form_columns(column, form), file->head);
        sfs_file_add(file, sfs_part_memory, SFS_NPY_HEADER, 1)->memory = file->head;
    }
    if (form == SFS_COLUMN_NPY && column->kind == SFS_COLUMN_STRING)
        sfs_column_add_all(file, column, form, 1);
    else
        add_arrays(file, column, form);
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
