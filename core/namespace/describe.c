/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/describe.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "namespace/address.h"
#include "namespace/named.h"
#include "namespace/number.h"
#include "namespace/view_name.h"

static json_t *describe_column(const sfs_column *column)
{
    static const char *const kinds[] = {"number", "categorical", "string"};
    char typestr[SFS_TYPESTR];
    sfs_dtype_typestr(column->dtype, typestr);
    json_t *object = json_pack("{s:s, s:s, s:s, s:b}", "name", column->name, "type",
                               kinds[column->kind], "dtype", typestr, "nullable", column->nullable);
    if (column->kind == SFS_COLUMN_CATEGORICAL) {
        json_object_set_new(object, "categories",
                            json_integer((json_int_t)column->categories.count));
        json_object_set_new(object, "ordered", json_boolean(column->ordered));
    }
    return object;
}

static json_t *describe_table(const sfs_table *table)
{
    json_t *columns = json_array();
    for (size_t i = table->has_index; i < table->column_count; i++)
        json_array_append_new(columns, describe_column(&table->columns[i]));
    return columns;
}

static json_t *describe_obsm(const sfs_table *table)
{
    json_t *arrays = json_array();
    for (size_t i = 0; i < table->column_count; i++) {
        const sfs_column *column = &table->columns[i];
        char typestr[SFS_TYPESTR];
        sfs_dtype_typestr(column->dtype, typestr);
        json_array_append_new(arrays, json_pack("{s:s, s:s, s:I}", "name", column->name, "dtype",
                                                typestr, "columns", (json_int_t)column->columns));
    }
    return arrays;
}

static json_t *describe_matrix(const sfs_matrix *matrix)
{
    char typestr[SFS_TYPESTR];
    sfs_dtype_typestr(matrix->dtype, typestr);
    return json_pack("{s:I, s:I, s:I, s:s, s:s}", "rows", (json_int_t)matrix->rows, "columns",
                     (json_int_t)matrix->columns, "nnz", (json_int_t)matrix->nnz, "dtype", typestr,
                     "codec", sfs_codec_name(matrix->codec));
}

/* JSON's integers are signed here: a seed beyond them is told as a string rather than wrongly. */
static json_t *describe_value(size_t key, const char *value)
{
    uint64_t number;
    return sfs_view_key_is_number(key) && sfs_number_parse(value, &number) && number <= INT64_MAX
               ? json_integer((json_int_t)number)
               : json_string(value);
}

/* Whether a key goes without saying where it has its default. */
static bool is_silent(size_t key)
{
    static const char *const told[] = {"batch_size", "block_size",  "epochs", "index_dtype",
                                       "layer",      "lossy",       "order",  "seed",
                                       "tail",       "value_dtype", "window", "world_size"};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (!strcmp(told[i], sfs_view_key_name(key)))
            return false;
    return true;
}

static json_t *describe_keys(const sfs_view *view)
{
    json_t *object = json_object();
    for (size_t i = 0; i < SFS_VIEW_KEYS; i++) {
        SFS_AUTO_FREE char *value = sfs_view_value(view, i);
        if (value && !(is_silent(i) && sfs_view_is_default(view, i)))
            json_object_set_new(object, sfs_view_key_name(i), describe_value(i, value));
    }
    return object;
}

static json_t *describe_views(const sfs_collection *collection)
{
    char name[SFS_NAME_MAX + 1];
    json_t *names = json_array();
    for (uint64_t i = 0; sfs_named_view_list(collection, i, name); i++)
        json_array_append_new(names, json_string(name));
    return names;
}

/* Takes root over. NULL when out of memory. */
static char *dump(json_t *root)
{
    char *line = NULL, *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    json_decref(root);
    if (!text || asprintf(&line, "%s\n", text) < 0)
        line = NULL;
    free(text);
    return line;
}

char *sfs_describe_dataset(const sfs_collection *collection, const sfs_bound_view *view)
{
    json_t *layers = json_array(), *matrices = json_object();
    for (size_t i = 0; i < collection->matrix_count; i++) {
        const sfs_matrix *matrix = &collection->matrices[i];
        json_object_set_new(matrices, sfs_layer_key(matrix->name), describe_matrix(matrix));
        if (sfs_layer_name(matrix->name))
            json_array_append_new(layers, json_string(sfs_layer_name(matrix->name)));
    }
    json_t *root = json_pack(
        "{s:s, s:i, s:I, s:I, s:I, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:i}",
        "format", "shufflefs", "version", SFS_FORMAT_VERSION, "generation",
        (json_int_t)collection->generation, "rows", (json_int_t)collection->rows, "variables",
        (json_int_t)view->columns, "nnz", (json_int_t)(view->matrix ? view->matrix->nnz : 0),
        "layer", sfs_bound_view_layer(view), "layers", layers, "matrices", matrices, "obs",
        describe_table(&collection->obs), "var", describe_table(&collection->var), "obsm",
        describe_obsm(&collection->obsm), "views", describe_views(collection), "view",
        describe_keys(&view->view), "batches_per_rank", (json_int_t)view->steps, "epoch_limit",
        (json_int_t)sfs_address_epochs(view), "batches_together", SFS_RUN_MAX);
    if (root && collection->has_raw_var)
        json_object_set_new(root, "raw_var", describe_table(&collection->raw_var));
    return dump(root);
}

char *sfs_describe_view(const sfs_collection *collection, const sfs_bound_view *view)
{
    char digest[32];
    char *name = sfs_view_name(&view->view);
    snprintf(digest, sizeof digest, "xxh3-64:%016" PRIx64, sfs_view_rows_digest(&view->rows));
    json_t *root = json_pack(
        "{s:s, s:i, s:s*, s:o, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:I}", "format", "shufflefs view",
        "version", 1, "name", name, "keys", describe_keys(&view->view), "rows",
        (json_int_t)view->rows.count, "columns", (json_int_t)view->columns, "epoch_size",
        (json_int_t)view->deal.n, "batches_per_rank", (json_int_t)view->steps, "epoch_limit",
        (json_int_t)sfs_address_epochs(view), "rows_digest", digest, "collection",
        collection->files.path, "generation", (json_int_t)collection->generation);
    free(name);
    return dump(root);
}

static void describe_batches(FILE *out, const sfs_bound_view *view)
{
    char typestr[SFS_TYPESTR], index_typestr[SFS_TYPESTR];
    if (!view->matrix) {
        fputs(
            "This collection has no X, so there are no batches. Mount a layer with -o layer=NAME\n"
            "where dataset.json names one.\n\n",
            out);
        return;
    }
    sfs_dtype_typestr(view->form.values, typestr);
    sfs_dtype_typestr(view->form.indices, index_typestr);
    fprintf(out,
            "Batches of %s: %" PRIu64 " columns, values %s. Each rank has %" PRIu64
            " batches an epoch,\nof %" PRIu64 " rows at most; there are %" PRIu64
            " ranks, and epochs below %" PRIu64 ".\n\n",
            sfs_bound_view_layer(view), view->columns, typestr, view->steps, view->view.batch_size,
            view->view.world_size, sfs_address_epochs(view));
    fprintf(
        out,
        "epoch_E/rank_R/batch_K.csr is one shuffled batch, sparse, made when it is read:\n\n"
        "  import numpy as np, scipy.sparse as sp\n"
        "  path = \"epoch_0/rank_0/batch_0.csr\"\n"
        "  head = np.fromfile(path, np.int64, 16)\n"
        "  rows, cols, nnz = head[2:5]\n"
        "  indptr = np.fromfile(path, np.int32, rows + 1, offset=head[6])\n"
        "  indices = np.fromfile(path, \"%s\", nnz, offset=head[7])\n"
        "  data = np.fromfile(path, \"%s\", nnz, offset=head[8])\n"
        "  numbers = np.fromfile(path, np.int64, rows, offset=head[9])\n"
        "  X = sp.csr_matrix((data, indices, indptr), shape=(rows, cols))\n\n"
        "epoch_E/rank_R/batch_K/{indptr,indices,data,rows}.npy are the same arrays for np.load;\n"
        "batch_K.npz opens with scipy.sparse.load_npz, batch_K.npy (dense) with np.load, "
        "batch_K.h5ad\n"
        "with anndata.read_h5ad, and batch_K.obs.csv has the rows of obs.\n"
        "(Beyond 2^31 non-zeros in a batch, indptr is int64, and indices are where they are "
        "int32.)\n"
        "epoch_E/rank_R/batches_A-B.csr is batches A to B, 2 to %d, one behind another, each\n"
        "from a multiple of 64 bytes on: one file to open instead of many small ones.\n"
        "rows/7.csr, rows/100-199.csr, rows/5,3,3.csr are rows by number, in the order asked.\n"
        "@batch_size=64,where=COLUMN=='VALUE'/ is another view of the same data, with rows, genes "
        "and\n"
        "batches as its keys say; .shufflefs/explain/@... tells why there is no such view.\n"
        "epoch_E/where/ROW says which batch has a row, epoch_E/quality.json how well it is "
        "shuffled.\n",
        index_typestr, typestr, SFS_RUN_MAX);
}

char *sfs_describe_readme(const sfs_collection *collection, const sfs_bound_view *view)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out,
            "A shufflefs mount of %s:\n%" PRIu64 " rows, %" PRIu64 " variables. Read-only.\n\n",
            collection->files.path, collection->rows, collection->variables);
    describe_batches(out, view);
    fputs("obs/ and var/ have a file a column: COL.npy for np.load (categories as codes, named by\n"
          "COL.categories.txt, a line each; -1 is missing), COL.mask.npy where values may be\n"
          "missing, COL.txt for strings. _index.txt has the names of the rows.\n"
          "obs.csv and var.csv are the whole tables for pandas.read_csv(..., index_col=0).\n"
          "obsm/KEY.npy, where there are any, are arrays with a row for each of obs.\n"
          "X/, layers/NAME/ and raw/X/, where there are any, are whole matrices as three .npy "
          "files.\n"
          "dataset.json describes all of this to programs.\n",
          out);
    return fclose(out) ? NULL : text;
}
