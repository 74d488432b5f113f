/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/h5_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "convert/h5_column.h"

#define INDEX "_index"

void sfs_h5_table_close(sfs_h5_table *table)
{
    sfs_h5_close(&table->object);
    sfs_h5_names_close(&table->columns);
    free(table->child);
    free(table->index);
    *table = (sfs_h5_table){0};
}

static bool contains(const sfs_h5_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (!strcmp(names->items[i], name))
            return true;
    return false;
}

/* The attribute _index names the column of row names; a group that has no such attribute may have a
 * column of one of the usual names. */
static sfs_status find_index(sfs_h5_table *table, sfs_error *error)
{
    const char *const usual[] = {INDEX, "index"};
    bool found = false;
    SFS_TRY(sfs_h5_attribute_text(&table->object, INDEX, &table->index, error));
    if (table->index) {
        SFS_TRY(sfs_h5_has(&table->object, table->index, &found, error));
        if (found)
            return 0;
        return sfs_fail(error, -EINVAL,
                        "%s/%s: expected this column, which the attribute _index names, found none",
                        table->object.name, table->index);
    }
    for (size_t i = 0; i < 2 && !found; i++) {
        SFS_TRY(sfs_h5_has(&table->object, usual[i], &found, error));
        if (found && !(table->index = strdup(usual[i])))
            return sfs_fail_memory(error);
    }
    return 0;
}

/* column-order says which columns there are, and in which order; where it does not, all children
 * are. */
static sfs_status find_columns(sfs_h5_table *table, sfs_error *error)
{
    SFS_AUTO_H5_NAMES sfs_h5_names listed = {0};
    SFS_TRY(sfs_h5_attribute_texts(&table->object, "column-order", &listed, error));
    if (!listed.count)
        SFS_TRY(sfs_h5_children(&table->object, &listed, error));
    for (size_t i = 0; i < listed.count; i++) {
        const char *name = listed.items[i];
        if ((table->index && !strcmp(name, table->index)) || !strcmp(name, "__categories") ||
            contains(&table->columns, name))
            continue;
        SFS_TRY(sfs_h5_names_add(&table->columns, name, error));
    }
    return 0;
}

/* The number of elements of a column; false where it is of a kind that does not tell. */
static sfs_status count_column(const sfs_h5_table *table, const char *name, bool *counted,
                               uint64_t *rows, sfs_error *error)
{
    static const char *const parts[] = {"codes", "values"};
    SFS_AUTO_H5 sfs_h5 column = {0};
    SFS_AUTO_H5_ARRAY sfs_h5_array array = {0};
    SFS_TRY(sfs_h5_has(&table->object, name, counted, error));
    if (!*counted)
        return 0;
    SFS_TRY(sfs_h5_open(&table->object, name, &column, error));
    if (!sfs_h5_is_group(&column)) {
        sfs_h5_close(&column);
        SFS_TRY(sfs_h5_array_open(&table->object, name, &array, error));
    } else {
        bool found = false;
        for (size_t i = 0; i < 2 && !found; i++) {
            SFS_TRY(sfs_h5_has(&column, parts[i], &found, error));
            if (found)
                SFS_TRY(sfs_h5_array_open(&column, parts[i], &array, error));
        }
    }
    *counted = array.rank > 0;
    *rows = array.shape[0];
    return 0;
}

static sfs_status count_rows(sfs_h5_table *table, sfs_error *error)
{
    if (table->index)
        return count_column(table, table->index, &table->counted, &table->rows, error);
    for (size_t i = 0; i < table->columns.count && !table->counted; i++)
        SFS_TRY(count_column(table, table->columns.items[i], &table->counted, &table->rows, error));
    return 0;
}

/* Finds the fields of a compound dataset: names are in the field index or _index, or in the first
 * one of strings. */
static sfs_status find_fields(sfs_h5_table *table, hid_t type, sfs_error *error)
{
    int count = H5Tget_nmembers(type), index = -1, first_text = -1;
    SFS_AUTO_H5_NAMES sfs_h5_names fields = {0};
    for (int i = 0; i < count; i++) {
        char *name = H5Tget_member_name(type, (unsigned)i);
        if (!name)
            return sfs_h5_fail(table->object.name, "cannot read its fields", error);
        sfs_status status = sfs_h5_names_add(&fields, name, error);
        H5free_memory(name);
        if (status)
            return status;
        if (index < 0 && (!strcmp(fields.items[i], "index") || !strcmp(fields.items[i], INDEX)))
            index = i;
        if (first_text < 0 && H5Tget_member_class(type, (unsigned)i) == H5T_STRING)
            first_text = i;
    }
    index = index < 0 ? first_text : index;
    for (int i = 0; i < count; i++)
        if (i != index)
            SFS_TRY(sfs_h5_names_add(&table->columns, fields.items[i], error));
    if (index >= 0 && !(table->index = strdup(fields.items[index])))
        return sfs_fail_memory(error);
    return 0;
}

static sfs_status open_compound(sfs_h5_table *table, sfs_error *error)
{
    SFS_AUTO_HID hid_t type = H5Dget_type(table->object.id);
    SFS_AUTO_HID hid_t space = H5Dget_space(table->object.id);
    if (type < 0 || space < 0)
        return sfs_h5_fail(table->object.name, "cannot read what it is", error);
    hsize_t rows;
    if (H5Tget_class(type) != H5T_COMPOUND || H5Sget_simple_extent_ndims(space) != 1)
        return sfs_fail(error, -EINVAL,
                        "%s: expected a data frame: a group, or a dataset of one dimension with "
                        "fields",
                        table->object.name);
    H5Sget_simple_extent_dims(space, &rows, NULL);
    table->compound = table->counted = true;
    table->rows = rows;
    return find_fields(table, type, error);
}

sfs_status sfs_h5_table_open(const sfs_h5 *parent, const char *child, sfs_h5_table *out,
                             sfs_error *error)
{
    out->parent = parent;
    out->child = strdup(child);
    if (!out->child)
        return sfs_fail_memory(error);
    SFS_TRY(sfs_h5_open(parent, child, &out->object, error));
    if (!sfs_h5_is_group(&out->object)) {
        SFS_TRY(open_compound(out, error));
        H5Oclose(out->object.id); /* so that its fields may set their chunk cache */
        out->object.id = 0;
        return 0;
    }
    SFS_TRY(find_index(out, error));
    SFS_TRY(find_columns(out, error));
    return count_rows(out, error);
}

/* A column that is being read, and what is known of it. */
typedef struct column_job {
    const sfs_h5_table *table;
    const sfs_h5_table_job *to;
    const char *source, *name; /* in the file, and in the output */
} column_job;

static void leave_out(const column_job *column, const char *why)
{
    sfs_progress_note(column->to->progress, "%s/%s: left out: %s", column->table->object.name,
                      column->source, why);
}

static const char other_kind[] =
    "expected one dimension of numbers, booleans, strings or categories";

/* Numbers or strings, as one or two arrays; others are left out. The index is made of strings,
 * whatever it was. */
static sfs_status convert_plain(const column_job *column, sfs_h5_array *values, sfs_h5_array *mask,
                                sfs_error *error)
{
    if (values->rank != 1 || values->kind == SFS_H5_OTHER) {
        leave_out(column, other_kind);
        return 0;
    }
    if (!strcmp(column->name, INDEX))
        return sfs_h5_column_text(column->to, column->name, values, NULL, error);
    if (values->kind == SFS_H5_TEXT)
        return sfs_h5_column_text(column->to, column->name, values, mask, error);
    return sfs_h5_column_numbers(column->to, column->name, values, mask, error);
}

static sfs_status convert_codes(const column_job *column, sfs_h5_array *codes,
                                sfs_h5_array *categories, bool ordered, sfs_error *error)
{
    if (categories->rank > 1 || categories->kind == SFS_H5_OTHER) {
        leave_out(column, "expected categories that are strings or numbers");
        return 0;
    }
    if (!strcmp(column->name, INDEX)) {
        leave_out(column, "expected an index of strings, found categories");
        return 0;
    }
    return sfs_h5_column_categorical(column->to, column->name, codes, categories, ordered, error);
}

/* The categories of a categorical group may be a nullable array, a group of its own. */
static sfs_status open_categories(const sfs_h5 *group, sfs_h5_array *out, sfs_error *error)
{
    SFS_AUTO_H5 sfs_h5 categories = {0};
    SFS_TRY(sfs_h5_open(group, "categories", &categories, error));
    if (sfs_h5_is_group(&categories))
        return sfs_h5_array_open(&categories, "values", out, error);
    sfs_h5_close(&categories);
    return sfs_h5_array_open(group, "categories", out, error);
}

static sfs_status convert_group(const column_job *column, const sfs_h5 *group, sfs_error *error)
{
    SFS_AUTO_H5_ARRAY sfs_h5_array first = {0}, second = {0};
    bool codes, categories, values, mask;
    SFS_TRY(sfs_h5_has(group, "codes", &codes, error));
    SFS_TRY(sfs_h5_has(group, "categories", &categories, error));
    SFS_TRY(sfs_h5_has(group, "values", &values, error));
    SFS_TRY(sfs_h5_has(group, "mask", &mask, error));
    if (codes || categories) {
        SFS_TRY(sfs_h5_array_open(group, "codes", &first, error));
        SFS_TRY(open_categories(group, &second, error));
        bool ordered = sfs_h5_attribute_flag(group, "ordered");
        return convert_codes(column, &first, &second, ordered, error);
    }
    if (!values) {
        leave_out(column, other_kind);
        return 0;
    }
    SFS_TRY(sfs_h5_array_open(group, "values", &first, error));
    if (mask)
        SFS_TRY(sfs_h5_array_open(group, "mask", &second, error));
    return convert_plain(column, &first, mask ? &second : NULL, error);
}

static sfs_status convert_dataset(const column_job *column, sfs_error *error)
{
    SFS_AUTO_H5_ARRAY sfs_h5_array values = {0}, categories = {0};
    SFS_TRY(sfs_h5_array_open(&column->table->object, column->source, &values, error));
    if (!sfs_h5_has_attribute(&values.object, "categories"))
        return convert_plain(column, &values, NULL, error);
    SFS_TRY(sfs_h5_array_open_reference(&values.object, "categories", &categories, error));
    bool ordered = sfs_h5_attribute_flag(&categories.object, "ordered");
    return convert_codes(column, &values, &categories, ordered, error);
}

static sfs_status convert_child(const column_job *column, sfs_error *error)
{
    SFS_AUTO_H5 sfs_h5 child = {0};
    bool found;
    SFS_TRY(sfs_h5_has(&column->table->object, column->source, &found, error));
    if (!found)
        return sfs_fail(error, -EINVAL,
                        "%s/%s: expected this column, which column-order names, found none",
                        column->table->object.name, column->source);
    SFS_TRY(sfs_h5_open(&column->table->object, column->source, &child, error));
    if (sfs_h5_is_group(&child))
        return convert_group(column, &child, error);
    sfs_h5_close(&child);
    return convert_dataset(column, error);
}

/* Before 0.7, the categories of COL were in uns/COL_categories: strings or numbers, a scalar where
 * there was one. */
static sfs_status open_old_categories(const column_job *column, sfs_h5_array *out, bool *found,
                                      sfs_error *error)
{
    SFS_AUTO_FREE char *path = NULL;
    if (asprintf(&path, "uns/%s_categories", column->source) < 0) {
        path = NULL;
        return sfs_fail_memory(error);
    }
    SFS_TRY(sfs_h5_has(column->to->root, path, found, error));
    return *found ? sfs_h5_array_open(column->to->root, path, out, error) : 0;
}

static sfs_status convert_field(const column_job *column, sfs_error *error)
{
    const sfs_h5_table *table = column->table;
    SFS_AUTO_H5_ARRAY sfs_h5_array values = {0}, categories = {0};
    SFS_TRY(sfs_h5_array_open_field(table->parent, table->child, column->source, &values, error));
    bool whole = values.kind == SFS_H5_NUMBER && values.dtype.kind != 'f';
    bool found = false;
    if (whole && strcmp(column->name, INDEX) != 0)
        SFS_TRY(open_old_categories(column, &categories, &found, error));
    if (found)
        return convert_codes(column, &values, &categories, false, error);
    return convert_plain(column, &values, NULL, error);
}

static sfs_status convert_column(const column_job *column, sfs_error *error)
{
    return column->table->compound ? convert_field(column, error) : convert_child(column, error);
}

sfs_status sfs_h5_table_convert(const sfs_h5_table *table, const sfs_h5_table_job *job,
                                sfs_error *error)
{
    sfs_progress_start(job->progress, job->shown, table->columns.count + 1);
    column_job column = {.table = table, .to = job, .source = table->index, .name = INDEX};
    if (table->index)
        SFS_TRY(convert_column(&column, error));
    for (size_t i = 0; i < table->columns.count; i++) {
        column.source = column.name = table->columns.items[i];
        sfs_progress_update(job->progress, i + 1);
        if (!strcmp(column.name, INDEX))
            leave_out(&column, "its name is that of the index");
        else
            SFS_TRY(convert_column(&column, error));
    }
    sfs_progress_finish(job->progress);
    return 0;
}
