/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/h5ad_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/guard.h"

/* What column-order can name: a message of HDF5's has at most 64 kB, a name takes 16 bytes. */
enum { MAX_COLUMNS = 4000 };

#define INDEX "_index"

struct made_column {
    sfs_column column;
    sfs_column_part part;
};

/* Appends an object, whose path is parent/name (either may be ""). */
static sfs_status add(sfs_h5ad_plan *plan, const char *parent, const char *name,
                      sfs_h5ad_encoding encoding, sfs_h5ad_object **out, sfs_error *error)
{
    size_t count = plan->object_count;
    sfs_h5ad_object *objects = plan->objects;
    if (!(count & (count - 1))) { /* room for the next power of two */
        objects = realloc(objects, (count ? 2 * count : 1) * sizeof *objects);
        if (!objects)
            return sfs_fail_memory(error);
        plan->objects = objects;
    }
    *out = &objects[count];
    **out = (sfs_h5ad_object){.encoding = encoding};
    if (asprintf(&(*out)->path, "%s%s%s", parent, *parent ? "/" : "", name) < 0)
        return sfs_fail_memory(error);
    plan->object_count++;
    return 0;
}

static sfs_status add_group(sfs_h5ad_plan *plan, const char *parent, const char *name,
                            sfs_h5ad_encoding encoding, sfs_error *error)
{
    sfs_h5ad_object *group = NULL;
    return add(plan, parent, name, encoding, &group, error);
}

/* An array that is a column's elements. */
static sfs_status add_elements(sfs_h5ad_plan *plan, const char *parent, const char *name,
                               const sfs_column *column, sfs_column_form form, sfs_h5ad_axis axis,
                               sfs_h5ad_object **out, sfs_error *error)
{
    bool is_text = column->kind == SFS_COLUMN_STRING && form == SFS_COLUMN_NPY;
    SFS_TRY(add(plan, parent, name, is_text ? SFS_H5AD_STRING_ARRAY : SFS_H5AD_ARRAY, out, error));
    (*out)->source = SFS_H5AD_COLUMN;
    (*out)->axis = axis;
    (*out)->column = column;
    (*out)->form = form;
    (*out)->dtype = sfs_column_form_dtype(column, form);
    (*out)->width = sfs_column_form_columns(column, form);
    return 0;
}

struct widest {
    const sfs_strings *strings;
    uint64_t size;
};

static sfs_status find_widest(void *context, sfs_error *error)
{
    struct widest *widest = context;
    for (uint64_t i = 0; i < widest->strings->count; i++) {
        const uint8_t *line;
        uint64_t length;
        SFS_TRY(sfs_strings_line(widest->strings, i, &line, &length, error));
        uint64_t size = sfs_strings_size(line, length);
        widest->size = size > widest->size ? size : widest->size;
    }
    return 0;
}

/* Categories, as a column of strings of the width of the longest one. */
static sfs_status add_categories(sfs_h5ad_plan *plan, const char *parent,
                                 const sfs_strings *categories, sfs_error *error)
{
    sfs_h5ad_object *object = NULL;
    struct widest widest = {categories, 1};
    SFS_TRY(sfs_guard(&plan->schema.collection->files, find_widest, &widest, error));
    if (widest.size > UINT32_MAX)
        return sfs_fail(error, -EFBIG, "%s: expected categories of less than 4 GiB", parent);
    struct made_column *made = calloc(1, sizeof *made);
    if (!made)
        return sfs_fail_memory(error);
    made->part = (sfs_column_part){.rows = categories->count, .strings = *categories};
    made->column = (sfs_column){.kind = SFS_COLUMN_STRING,
                                .dtype = {'S', (uint32_t)widest.size},
                                .columns = 1,
                                .parts = &made->part,
                                .part_count = 1};
    sfs_status status = add_elements(plan, parent, "categories", &made->column, SFS_COLUMN_NPY,
                                     SFS_H5AD_ALL, &object, error);
    if (status)
        free(made);
    else
        object->made = &made->column;
    return status;
}

/* A column that is a group of two arrays. */
static sfs_status add_pair(sfs_h5ad_plan *plan, const char *parent, const sfs_column *column,
                           sfs_h5ad_encoding encoding, sfs_h5ad_axis axis, sfs_error *error)
{
    sfs_h5ad_object *object = NULL;
    bool categorical = encoding == SFS_H5AD_CATEGORICAL;
    SFS_TRY(add(plan, parent, column->name, encoding, &object, error));
    object->ordered = column->ordered;
    SFS_AUTO_FREE char *path = strdup(object->path);
    if (!path)
        return sfs_fail_memory(error);
    SFS_TRY(add_elements(plan, path, categorical ? "codes" : "values", column, SFS_COLUMN_NPY, axis,
                         &object, error));
    if (categorical)
        return add_categories(plan, path, &column->categories, error);
    return add_elements(plan, path, "mask", column, SFS_COLUMN_MASK, axis, &object, error);
}

static sfs_status add_column(sfs_h5ad_plan *plan, const char *parent, const sfs_column *column,
                             sfs_h5ad_axis axis, sfs_error *error)
{
    sfs_h5ad_object *object = NULL;
    if (column->kind == SFS_COLUMN_CATEGORICAL)
        return add_pair(plan, parent, column, SFS_H5AD_CATEGORICAL, axis, error);
    if (column->nullable && column->kind == SFS_COLUMN_STRING)
        return add_pair(plan, parent, column, SFS_H5AD_NULLABLE_STRINGS, axis, error);
    if (column->nullable && column->dtype.kind == 'b')
        return add_pair(plan, parent, column, SFS_H5AD_NULLABLE_BOOLEAN, axis, error);
    if (column->nullable && column->dtype.kind != 'f')
        return add_pair(plan, parent, column, SFS_H5AD_NULLABLE_INTEGER, axis, error);
    SFS_TRY(add_elements(plan, parent, column->name, column, SFS_COLUMN_NPY, axis, &object, error));
    if (column->nullable) /* anndata knows no nullable floats */
        object->source = SFS_H5AD_FILLED;
    return 0;
}

/* The names of the rows: the index, or where there is none, their numbers below `rows`. */
static sfs_status add_index(sfs_h5ad_plan *plan, const char *parent, const sfs_table *table,
                            uint64_t rows, sfs_h5ad_axis axis, sfs_error *error)
{
    sfs_h5ad_object *object = NULL;
    if (table && table->has_index)
        return add_elements(plan, parent, INDEX, &table->columns[0], SFS_COLUMN_NPY, axis, &object,
                            error);
    SFS_TRY(add(plan, parent, INDEX, SFS_H5AD_STRING_ARRAY, &object, error));
    object->source = SFS_H5AD_NUMBERS;
    object->axis = axis;
    object->dtype = (sfs_dtype){'S', (uint32_t)snprintf(NULL, 0, "%" PRIu64, rows ? rows - 1 : 0)};
    return 0;
}

/* An array of the rows of a matrix. */
static sfs_status add_sparse(sfs_h5ad_plan *plan, const char *parent, const char *name,
                             size_t matrix, sfs_csr_array array, sfs_error *error)
{
    sfs_h5ad_object *object = NULL;
    SFS_TRY(add(plan, parent, name, SFS_H5AD_ARRAY, &object, error));
    object->source = SFS_H5AD_SPARSE;
    object->matrix = matrix;
    object->array = array;
    return 0;
}

static bool has_column(const sfs_table *table, const char *name)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (!strcmp(table->columns[i].name, name))
            return true;
    return false;
}

/* table may be NULL. */
static sfs_status add_table(sfs_h5ad_plan *plan, const char *name, const sfs_table *table,
                            uint64_t rows, sfs_h5ad_axis axis, sfs_error *error)
{
    sfs_h5ad_object *frame = NULL;
    size_t first = table && table->has_index, count = table ? table->column_count : 0, used = 0;
    bool numbered = axis == SFS_H5AD_OBS && !has_column(table, SFS_H5AD_ROW_COLUMN);
    if (count > MAX_COLUMNS)
        return sfs_fail(
            error, -EINVAL,
            "%s: expected at most %d columns in an .h5ad file, found %zu: read them one "
            "by one, as .npy files",
            name, MAX_COLUMNS, count);
    SFS_TRY(add(plan, "", name, SFS_H5AD_DATAFRAME, &frame, error));
    const char **columns = frame->columns = calloc(count + 1, sizeof *frame->columns);
    if (!columns)
        return sfs_fail_memory(error);
    for (size_t i = first; i < count; i++)
        columns[used++] = table->columns[i].name;
    if (numbered)
        columns[used++] = SFS_H5AD_ROW_COLUMN;
    frame->column_count = used;
    SFS_TRY(add_index(plan, name, table, rows, axis, error));
    for (size_t i = first; i < count; i++)
        SFS_TRY(add_column(plan, name, &table->columns[i], axis, error));
    return numbered ? add_sparse(plan, name, SFS_H5AD_ROW_COLUMN, 0, SFS_CSR_ROWS, error) : 0;
}

static sfs_status add_matrix(sfs_h5ad_plan *plan, const char *parent, const char *name,
                             const sfs_matrix *matrix, sfs_error *error)
{
    size_t number = plan->matrix_count++;
    sfs_h5ad_object *group = NULL;
    plan->matrices[number] = matrix;
    SFS_TRY(add(plan, parent, name, SFS_H5AD_CSR_MATRIX, &group, error));
    group->matrix = number;
    SFS_AUTO_FREE char *path = strdup(group->path);
    if (!path)
        return sfs_fail_memory(error);
    for (sfs_csr_array array = SFS_CSR_INDPTR; array <= SFS_CSR_DATA; array++)
        SFS_TRY(add_sparse(plan, path, sfs_csr_array_names[array], number, array, error));
    return 0;
}

static bool is_raw(const sfs_matrix *matrix)
{
    return !strcmp(matrix->name, "raw/X");
}

static sfs_status add_layers(sfs_h5ad_plan *plan, sfs_error *error)
{
    const sfs_collection *collection = plan->schema.collection;
    SFS_TRY(add_group(plan, "", "layers", SFS_H5AD_DICT, error));
    for (size_t i = 0; i < collection->matrix_count; i++) {
        const sfs_matrix *matrix = &collection->matrices[i];
        const char *name = sfs_layer_name(matrix->name);
        if (matrix == plan->schema.matrix || is_raw(matrix) || is_raw(plan->schema.matrix))
            continue;
        if (!name && sfs_collection_matrix(collection, "layers/X"))
            continue; /* X, whose name a layer has */
        SFS_TRY(add_matrix(plan, "layers", name ? name : "X", matrix, error));
    }
    return 0;
}

static sfs_status add_obsm(sfs_h5ad_plan *plan, sfs_error *error)
{
    const sfs_table *obsm = &plan->schema.collection->obsm;
    SFS_TRY(add_group(plan, "", "obsm", SFS_H5AD_DICT, error));
    for (size_t i = 0; i < obsm->column_count; i++)
        SFS_TRY(add_column(plan, "obsm", &obsm->columns[i], SFS_H5AD_OBS, error));
    return 0;
}

/* The chosen genes as rows of var. */
static sfs_status list_genes(sfs_h5ad_plan *plan, sfs_error *error)
{
    const sfs_gene_set *genes = plan->schema.genes;
    plan->genes = (sfs_row_list){.collection = plan->schema.collection,
                                 .count = plan->schema.matrix->columns};
    if (!genes)
        return 0;
    plan->genes.count = genes->count;
    plan->genes.rows = malloc(((size_t)genes->count + 1) * sizeof *plan->genes.rows);
    if (!plan->genes.rows)
        return sfs_fail_memory(error);
    for (uint32_t i = 0; i < genes->count; i++)
        plan->genes.rows[i] = genes->stored_of[i];
    return 0;
}

sfs_status sfs_h5ad_plan_open(const sfs_h5ad_schema *schema, sfs_h5ad_plan *out, sfs_error *error)
{
    static const char *const empty[] = {"obsp", "varm", "varp", "uns"};
    const sfs_collection *collection = schema->collection;
    const sfs_table *var = !is_raw(schema->matrix)   ? &collection->var
                           : collection->has_raw_var ? &collection->raw_var
                                                     : NULL;
    *out = (sfs_h5ad_plan){.schema = *schema};
    out->matrices = calloc(collection->matrix_count + 1, sizeof *out->matrices);
    if (!out->matrices)
        return sfs_fail_memory(error);
    SFS_TRY(list_genes(out, error));
    SFS_TRY(add_group(out, "", "/", SFS_H5AD_FILE, error));
    SFS_TRY(add_table(out, "obs", &collection->obs, collection->rows, SFS_H5AD_OBS, error));
    SFS_TRY(add_table(out, "var", var, schema->matrix->columns, SFS_H5AD_VAR, error));
    SFS_TRY(add_obsm(out, error));
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        SFS_TRY(add_group(out, "", empty[i], SFS_H5AD_DICT, error));
    SFS_TRY(add_matrix(out, "", "X", schema->matrix, error));
    return add_layers(out, error);
}

void sfs_h5ad_plan_close(sfs_h5ad_plan *plan)
{
    for (size_t i = 0; i < plan->object_count; i++) {
        free(plan->objects[i].path);
        free(plan->objects[i].columns);
        free(plan->objects[i].made); /* the first member of a made_column */
    }
    free(plan->objects);
    free(plan->matrices);
    free(plan->genes.rows);
    *plan = (sfs_h5ad_plan){0};
}

sfs_csr_form sfs_h5ad_form(const sfs_h5ad_plan *plan, size_t matrix)
{
    if (!matrix)
        return plan->schema.form;
    return (sfs_csr_form){.values = plan->matrices[matrix]->dtype, .indices = {'i', 4}};
}

static uint64_t count_rows(const sfs_h5ad_plan *plan, const sfs_h5ad_object *array,
                           const sfs_h5ad_counts *counts)
{
    if (array->source == SFS_H5AD_SPARSE)
        return sfs_csr_array_count(array->array, counts->rows, counts->nnz[array->matrix]);
    if (array->axis == SFS_H5AD_ALL)
        return sfs_column_rows(array->column);
    return array->axis == SFS_H5AD_OBS ? counts->rows : plan->genes.count;
}

sfs_status sfs_h5ad_measure(const sfs_h5ad_plan *plan, const sfs_h5ad_object *array,
                            const sfs_h5ad_counts *counts, sfs_h5ad_extent *out, sfs_error *error)
{
    *out = (sfs_h5ad_extent){.rows = count_rows(plan, array, counts),
                             .address = SFS_H5AD_NOWHERE,
                             .dtype = array->dtype};
    if (array->source == SFS_H5AD_SPARSE) {
        sfs_csr_form form = sfs_h5ad_form(plan, array->matrix);
        out->dtype = sfs_csr_array_dtype(&form, array->array, counts->nnz[array->matrix]);
    }
    uint64_t row = (uint64_t)out->dtype.size * (array->width ? array->width : 1);
    if (!__builtin_mul_overflow(out->rows, row, &out->bytes) && out->bytes <= INT64_MAX)
        return 0;
    return sfs_fail(error, -EFBIG,
                    "%s: expected an array that fits in a file, found %" PRIu64 " rows of %" PRIu64
                    " bytes",
                    array->path, out->rows, row);
}
