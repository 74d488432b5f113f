/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/fixed.h"

#include <stdio.h>
#include <string.h>

bool sfs_encode_name(const char *name, size_t reserve, char out[SFS_NAME_MAX + 1])
{
    bool dots = !reserve && (!*name || !strcmp(name, ".") || !strcmp(name, ".."));
    size_t used = 0;
    for (const unsigned char *at = (const unsigned char *)name; *at; at++) {
        bool encode = *at < 32 || *at == 127 || *at == '/' || *at == '%' || dots;
        size_t needed = encode ? 3 : 1;
        if (used + needed + reserve > SFS_NAME_MAX)
            return false;
        if (encode)
            snprintf(out + used, 4, "%%%02X", *at);
        else
            out[used] = (char)*at;
        used += needed;
    }
    out[used] = '\0';
    return used + reserve > 0;
}

/* The list while it grows: directories are filled one after another, so that children stand
 * together. */
struct growing {
    sfs_fixed_list *list;
    size_t room;
    const sfs_collection *collection;
    bool of_view;
};

static sfs_fixed *add(struct growing *growing, size_t parent, sfs_fixed_kind kind, const char *name)
{
    sfs_fixed_list *list = growing->list;
    if (list->count == growing->room) {
        size_t room = growing->room ? growing->room * 2 : 64;
        sfs_fixed *nodes = realloc(list->nodes, room * sizeof *nodes);
        if (!nodes)
            return NULL;
        list->nodes = nodes;
        growing->room = room;
    }
    sfs_fixed *node = &list->nodes[list->count++];
    *node = (sfs_fixed){.kind = kind, .parent = parent};
    snprintf(node->name, sizeof node->name, "%s", name);
    return node;
}

static bool add_column(struct growing *growing, size_t parent, const sfs_table *table,
                       const sfs_column *column)
{
    for (sfs_column_form form = 0; form < SFS_COLUMN_FORMS; form++) {
        char name[SFS_NAME_MAX + 1];
        const char *suffix = sfs_column_suffixes[form];
        if (!sfs_column_has_form(column, form) ||
            !sfs_encode_name(column->name, strlen(suffix), name))
            continue;
        strcat(name, suffix);
        sfs_fixed *node = add(growing, parent, SFS_FIXED_COLUMN, name);
        if (!node)
            return false;
        node->table = table;
        node->column = column;
        node->form = form;
    }
    return true;
}

static bool add_table(struct growing *growing, size_t parent, const sfs_table *table)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (!add_column(growing, parent, table, &table->columns[i]))
            return false;
    return true;
}

/* The whole table as one file, where the lengths of its lines are known without reading them. */
static bool add_csv(struct growing *growing, size_t parent, const char *name,
                    const sfs_table *table)
{
    if (!table->lines)
        return true;
    sfs_fixed *node = add(growing, parent, SFS_FIXED_CSV, name);
    if (node)
        node->table = table;
    return node;
}

static bool add_matrix(struct growing *growing, size_t parent, const sfs_matrix *matrix)
{
    for (sfs_csr_array array = SFS_CSR_INDPTR; array <= SFS_CSR_DATA; array++) {
        char name[32];
        snprintf(name, sizeof name, "%s.npy", sfs_csr_array_names[array]);
        sfs_fixed *node = add(growing, parent, SFS_FIXED_MATRIX, name);
        if (!node)
            return false;
        node->matrix = matrix;
        node->array = array;
    }
    return true;
}

static bool has_layers(const sfs_collection *collection)
{
    for (size_t i = 0; i < collection->matrix_count; i++)
        if (sfs_layer_name(collection->matrices[i].name))
            return true;
    return false;
}

static bool add_layers(struct growing *growing, size_t parent)
{
    for (size_t i = 0; i < growing->collection->matrix_count; i++) {
        const sfs_matrix *matrix = &growing->collection->matrices[i];
        const char *own = sfs_layer_name(matrix->name);
        char name[SFS_NAME_MAX + 1];
        if (!own || !sfs_encode_name(own, 0, name))
            continue;
        sfs_fixed *node = add(growing, parent, SFS_FIXED_DIRECTORY, name);
        if (!node)
            return false;
        node->matrix = matrix;
    }
    return true;
}

static bool add_own(struct growing *growing)
{
    if (growing->of_view)
        return add(growing, 0, SFS_FIXED_VIEW_JSON, "view.json");
    return add(growing, 0, SFS_FIXED_TEXT, "README.txt") &&
           add(growing, 0, SFS_FIXED_TEXT, "dataset.json") &&
           add(growing, 0, SFS_FIXED_ROWS_DIRECTORY, "rows") &&
           add(growing, 0, SFS_FIXED_DIRECTORY, ".shufflefs");
}

static bool add_root(struct growing *growing)
{
    const sfs_collection *collection = growing->collection;
    bool raw = collection->has_raw_var || sfs_collection_matrix(collection, "raw/X");
    return add_own(growing) && add(growing, 0, SFS_FIXED_DIRECTORY, "obs") &&
           add(growing, 0, SFS_FIXED_DIRECTORY, "var") &&
           add_csv(growing, 0, "obs.csv", &collection->obs) &&
           add_csv(growing, 0, "var.csv", &collection->var) &&
           (!collection->has_obsm || add(growing, 0, SFS_FIXED_DIRECTORY, "obsm")) &&
           (!sfs_collection_matrix(collection, "X") || add(growing, 0, SFS_FIXED_DIRECTORY, "X")) &&
           (!has_layers(collection) || add(growing, 0, SFS_FIXED_DIRECTORY, "layers")) &&
           (!raw || add(growing, 0, SFS_FIXED_DIRECTORY, "raw"));
}

/* What a directory holds follows from its name and its parent's. */
static bool add_children(struct growing *growing, size_t index)
{
    const sfs_collection *collection = growing->collection;
    const sfs_fixed *node = &growing->list->nodes[index];
    const sfs_matrix *matrix = node->matrix;
    bool in_root = node->parent == 0;
    if (!index)
        return add_root(growing);
    if (matrix)
        return add_matrix(growing, index, matrix);
    if (!strcmp(node->name, ".shufflefs"))
        return add(growing, index, SFS_FIXED_STATS, "stats.json") &&
               add(growing, index, SFS_FIXED_EXPLAIN_DIRECTORY, "explain");
    if (!strcmp(node->name, "obs"))
        return add_table(growing, index, &collection->obs);
    if (!strcmp(node->name, "obsm"))
        return add_table(growing, index, &collection->obsm);
    if (!strcmp(node->name, "var"))
        return add_table(growing, index, in_root ? &collection->var : &collection->raw_var);
    if (!strcmp(node->name, "layers"))
        return add_layers(growing, index);
    if (!strcmp(node->name, "X"))
        return add_matrix(growing, index,
                          sfs_collection_matrix(collection, in_root ? "X" : "raw/X"));
    return (!sfs_collection_matrix(collection, "raw/X") ||
            add(growing, index, SFS_FIXED_DIRECTORY, "X")) &&
           (!collection->has_raw_var || (add(growing, index, SFS_FIXED_DIRECTORY, "var") &&
                                         add_csv(growing, index, "var.csv", &collection->raw_var)));
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const sfs_fixed *)a)->name, ((const sfs_fixed *)b)->name);
}

/* Columns "a" (nullable) and "a.mask" would share the name a.mask.npy: the column of that name
 * keeps it, which is the one whose file has the shorter suffix. */
static size_t drop_clashes(sfs_fixed *nodes, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && !strcmp(nodes[kept - 1].name, nodes[i].name)) {
            if (nodes[i].form == SFS_COLUMN_NPY || nodes[i].form == SFS_COLUMN_TEXT)
                nodes[kept - 1] = nodes[i];
        } else {
            nodes[kept++] = nodes[i];
        }
    }
    return kept;
}

static sfs_status fill(struct growing *growing, sfs_error *error)
{
    sfs_fixed_list *list = growing->list;
    if (!add(growing, 0, SFS_FIXED_DIRECTORY, ""))
        return sfs_fail_memory(error);
    for (size_t i = 0; i < list->count; i++) {
        size_t first = list->count;
        if (list->nodes[i].kind != SFS_FIXED_DIRECTORY)
            continue;
        if (!add_children(growing, i))
            return sfs_fail_memory(error);
        sfs_fixed *children = list->nodes + first;
        qsort(children, list->count - first, sizeof *children, compare);
        list->count = first + drop_clashes(children, list->count - first);
        list->nodes[i].first_child = first;
        list->nodes[i].child_count = list->count - first;
    }
    return 0;
}

sfs_status sfs_fixed_open(const sfs_collection *collection, char *readme, char *dataset,
                          sfs_fixed_list *out, sfs_error *error)
{
    struct growing growing = {.list = out, .collection = collection};
    *out = (sfs_fixed_list){0};
    sfs_status status = fill(&growing, error);
    if (status) {
        free(readme);
        free(dataset);
        sfs_fixed_close(out);
        return status;
    }
    sfs_fixed *node = &out->nodes[sfs_fixed_child(out, out->nodes, "README.txt") - out->nodes];
    node->text = readme;
    node->text_size = strlen(readme);
    node = &out->nodes[sfs_fixed_child(out, out->nodes, "dataset.json") - out->nodes];
    node->text = dataset;
    node->text_size = strlen(dataset);
    return 0;
}

sfs_status sfs_fixed_open_view(const sfs_collection *collection, sfs_fixed_list *out,
                               sfs_error *error)
{
    struct growing growing = {.list = out, .collection = collection, .of_view = true};
    *out = (sfs_fixed_list){0};
    sfs_status status = fill(&growing, error);
    if (status)
        sfs_fixed_close(out);
    return status;
}

void sfs_fixed_close(sfs_fixed_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->nodes[i].text);
    free(list->nodes);
    *list = (sfs_fixed_list){0};
}

const sfs_fixed *sfs_fixed_child(const sfs_fixed_list *list, const sfs_fixed *directory,
                                 const char *name)
{
    const sfs_fixed *children = list->nodes + directory->first_child;
    size_t low = 0, high = directory->child_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, children[middle].name);
        if (!order)
            return &children[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
