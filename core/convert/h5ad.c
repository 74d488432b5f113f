/* SPDX-License-Identifier: Apache-2.0 */
/* Reads AnnData's HDF5 files, of anndata 0.5 to 0.12 and of other writers: finds what a file holds
 * and in which layout, checks that it fits together, and converts it part by part. */
#include "convert/convert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "convert/gene_order.h"
#include "convert/h5_matrix.h"
#include "convert/h5_obsm.h"
#include "convert/h5_table.h"
#include "store/collection.h"

/* A matrix to be converted. */
typedef struct part {
    const sfs_h5 *parent; /* borrowed: in the source */
    char *child, *name;   /* owned: its name there, and in the output */
    bool raw;             /* its columns are raw's variables */
} part;

/* A number that several parts of the file have to agree on. */
typedef struct extent {
    uint64_t count;
    const char *by; /* borrowed: the part that told it first; NULL: none has yet */
} extent;

typedef struct source {
    const sfs_convert_options *options;
    sfs_h5 root, raw, layers; /* raw: the group, or none */
    const sfs_h5 *raw_parent; /* of raw's X and var, or NULL where there is no raw */
    const char *raw_x, *raw_var_name;
    part *parts; /* owned */
    size_t part_count;
    sfs_h5_table obs, var, raw_var;
    extent rows, columns, raw_columns;
    sfs_gene_order genes, raw_genes; /* of X and raw/X; none unless they are to be sorted */
} source;

static void source_close(source *from)
{
    for (size_t i = 0; i < from->part_count; i++) {
        free(from->parts[i].child);
        free(from->parts[i].name);
    }
    free(from->parts);
    sfs_h5_table_close(&from->obs);
    sfs_h5_table_close(&from->var);
    sfs_h5_table_close(&from->raw_var);
    sfs_gene_order_close(&from->genes);
    sfs_gene_order_close(&from->raw_genes);
    sfs_h5_close(&from->raw);
    sfs_h5_close(&from->layers);
    sfs_h5_close(&from->root);
}

#define AUTO_SOURCE __attribute__((cleanup(source_close)))

static sfs_status add_part(source *from, const sfs_h5 *parent, const char *child,
                           const char *prefix, const char *name, sfs_error *error)
{
    part *grown = realloc(from->parts, (from->part_count + 1) * sizeof *grown);
    if (!grown)
        return sfs_fail_memory(error);
    from->parts = grown;
    part *added = &grown[from->part_count++];
    *added = (part){
        .parent = parent,
        .child = strdup(child),
        .raw = parent == from->raw_parent && !strcmp(child, from->raw_x),
    };
    if (asprintf(&added->name, "%s%s", prefix, name) < 0)
        added->name = NULL;
    return added->child && added->name ? 0 : sfs_fail_memory(error);
}

/* raw is a group (since 0.7), or raw.X and raw.var at the root; an empty or null one is none. */
static sfs_status find_raw(source *from, sfs_error *error)
{
    bool found;
    SFS_TRY(sfs_h5_has_content(&from->root, "raw", &found, error));
    if (found) {
        SFS_TRY(sfs_h5_open(&from->root, "raw", &from->raw, error));
        found = sfs_h5_is_group(&from->raw);
        if (found)
            SFS_TRY(sfs_h5_has_content(&from->raw, "X", &found, error));
        if (found) {
            from->raw_parent = &from->raw;
            from->raw_x = "X";
            from->raw_var_name = "var";
            return 0;
        }
    }
    SFS_TRY(sfs_h5_has_content(&from->root, "raw.X", &found, error));
    if (!found)
        return 0;
    from->raw_parent = &from->root;
    from->raw_x = "raw.X";
    from->raw_var_name = "raw.var";
    return 0;
}

static sfs_status find_layers(source *from, sfs_h5_names *names, sfs_error *error)
{
    bool found;
    SFS_TRY(sfs_h5_has_content(&from->root, "layers", &found, error));
    if (!found)
        return 0;
    SFS_TRY(sfs_h5_open(&from->root, "layers", &from->layers, error));
    return sfs_h5_is_group(&from->layers) ? sfs_h5_children(&from->layers, names, error) : 0;
}

static sfs_status fail_layer(const source *from, const sfs_h5_names *layers, sfs_error *error)
{
    char list[600] = "";
    size_t used = 0;
    for (size_t i = 0; i < layers->count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
                                 layers->items[i]);
    return sfs_fail(error, -ENOENT, "%s: found no layer named \"%.80s\": %s%s%s", from->root.name,
                    from->options->layer, used ? "it has " : "it has no layers", list,
                    used >= sizeof list ? "..." : "");
}

static sfs_status choose_layer(source *from, const sfs_h5_names *layers, sfs_error *error)
{
    for (size_t i = 0; i < layers->count; i++)
        if (!strcmp(layers->items[i], from->options->layer))
            return add_part(from, &from->layers, layers->items[i], "", "X", error);
    return fail_layer(from, layers, error);
}

static sfs_status choose_raw(source *from, sfs_error *error)
{
    if (!from->raw_parent)
        return sfs_fail(error, -ENOENT, "%s: found no raw in it: convert it without --raw",
                        from->root.name);
    return add_part(from, from->raw_parent, from->raw_x, "", "X", error);
}

static sfs_status choose_all(source *from, const sfs_h5_names *layers, sfs_error *error)
{
    bool found;
    SFS_TRY(sfs_h5_has_content(&from->root, "X", &found, error));
    if (found)
        SFS_TRY(add_part(from, &from->root, "X", "", "X", error));
    if (from->raw_parent)
        SFS_TRY(add_part(from, from->raw_parent, from->raw_x, "", "raw/X", error));
    for (size_t i = 0; i < layers->count; i++)
        SFS_TRY(
            add_part(from, &from->layers, layers->items[i], "layers/", layers->items[i], error));
    return 0;
}

/* Decides which matrices to convert. */
static sfs_status choose(source *from, sfs_error *error)
{
    SFS_AUTO_H5_NAMES sfs_h5_names layers = {0};
    SFS_TRY(find_raw(from, error));
    SFS_TRY(find_layers(from, &layers, error));
    if (from->options->layer)
        return choose_layer(from, &layers, error);
    if (from->options->raw)
        return choose_raw(from, error);
    return choose_all(from, &layers, error);
}

/* Is it AnnData at all? */
static sfs_status check_root(const source *from, sfs_error *error)
{
    static const char *const parts[] = {"X", "layers", "obs", "var"};
    SFS_AUTO_FREE char *encoding = NULL;
    SFS_AUTO_H5 sfs_h5 root = {0};
    SFS_TRY(sfs_h5_open(&from->root, ".", &root, error));
    SFS_TRY(sfs_h5_attribute_text(&root, "encoding-type", &encoding, error));
    if (encoding && !strcasecmp(encoding, "mudata"))
        return sfs_fail(error, -EINVAL,
                        "%s: expected AnnData, found MuData: save one of its modalities as .h5ad",
                        from->root.name);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        bool found;
        SFS_TRY(sfs_h5_has(&from->root, parts[i], &found, error));
        if (found)
            return 0;
    }
    return sfs_fail(error, -EINVAL,
                    "%s: expected AnnData, with X, layers, obs or var in it, found none of them",
                    from->root.name);
}

/* Takes a number from the part that knows it first, and holds the others to it. */
static sfs_status agree(extent *known, uint64_t found, const char *by, const char *name,
                        const char *what, sfs_error *error)
{
    if (known->by && known->count != found)
        return sfs_fail(error, -EINVAL,
                        "%s: expected %" PRIu64 " %s, as many as %s has, found %" PRIu64, name,
                        known->count, what, known->by, found);
    if (!known->by)
        *known = (extent){.count = found, .by = by};
    return 0;
}

/* `child` is constant. */
static sfs_status open_table(const sfs_h5 *parent, const char *child, sfs_h5_table *out,
                             extent *rows, const char *what, sfs_error *error)
{
    bool found;
    SFS_TRY(sfs_h5_has_content(parent, child, &found, error));
    if (!found)
        return 0;
    SFS_TRY(sfs_h5_table_open(parent, child, out, error));
    return out->counted ? agree(rows, out->rows, child, out->object.name, what, error) : 0;
}

static sfs_status open_tables(source *from, sfs_error *error)
{
    SFS_TRY(open_table(&from->root, "obs", &from->obs, &from->rows, "rows", error));
    if (!from->options->raw)
        SFS_TRY(open_table(&from->root, "var", &from->var, &from->columns, "columns", error));
    if (!from->raw_parent || from->options->layer)
        return 0;
    return open_table(from->raw_parent, from->raw_var_name, &from->raw_var, &from->raw_columns,
                      "columns", error);
}

/* Opens every matrix once before anything is written, so that what does not fit is found at once.
 */
static sfs_status check_parts(source *from, sfs_error *error)
{
    for (size_t i = 0; i < from->part_count; i++) {
        const part *checked = &from->parts[i];
        SFS_AUTO_H5_MATRIX sfs_h5_matrix matrix = {0};
        SFS_TRY(sfs_h5_matrix_open(checked->parent, checked->child, &matrix, error));
        SFS_TRY(agree(&from->rows, matrix.rows, checked->name, matrix.name, "rows", error));
        SFS_TRY(agree(checked->raw ? &from->raw_columns : &from->columns, matrix.columns,
                      checked->name, matrix.name, "columns", error));
    }
    if (from->rows.count > SFS_MAX_ROWS || from->columns.count > INT32_MAX ||
        from->raw_columns.count > INT32_MAX)
        return sfs_fail(error, -EINVAL,
                        "%s: expected at most 2^40 observations and less than 2^31 variables",
                        from->root.name);
    return 0;
}

/* Is the name that --sort-genes gives a column still free? */
static sfs_status check_free(const sfs_h5_table *table, sfs_error *error)
{
    for (size_t i = 0; i < table->columns.count; i++)
        if (!strcmp(table->columns.items[i], SFS_GENE_POSITION))
            return sfs_fail(error, -EINVAL,
                            "%s: expected no column " SFS_GENE_POSITION
                            ", which --sort-genes adds, found one: rename it, or convert without "
                            "--sort-genes",
                            table->object.name);
    return 0;
}

/* Counts the first matrix with these columns: X where there is one, else the first layer. Where
 * there is none, columns stay as they are. */
static sfs_status order_genes(const source *from, bool raw, uint64_t columns,
                              sfs_progress *progress, sfs_gene_order *out, sfs_error *error)
{
    SFS_AUTO_FREE uint64_t *counts = calloc(columns + 1, sizeof *counts);
    if (!counts)
        return sfs_fail_memory(error);
    size_t i = 0;
    while (i < from->part_count && from->parts[i].raw != raw)
        i++;
    if (i < from->part_count) {
        const part *first = &from->parts[i];
        SFS_AUTO_H5_MATRIX sfs_h5_matrix matrix = {0};
        SFS_TRY(sfs_h5_matrix_open(first->parent, first->child, &matrix, error));
        SFS_TRY(sfs_h5_matrix_count(&matrix, first->name, from->options, progress, counts, error));
    }
    return sfs_gene_order_open(counts, columns, out, error);
}

static sfs_status order_all_genes(source *from, sfs_progress *progress, sfs_error *error)
{
    if (!from->options->raw)
        SFS_TRY(order_genes(from, false, from->columns.count, progress, &from->genes, error));
    if (!from->raw_parent || from->options->layer)
        return 0;
    return order_genes(from, true, from->raw_columns.count, progress, &from->raw_genes, error);
}

/* Declares a table and converts it, unless the file has none. `genes`: of its rows, or NULL. */
static sfs_status convert_table(const source *from, const sfs_h5_table *table, const char *name,
                                const char *shown, uint64_t rows, const sfs_gene_order *genes,
                                sfs_progress *progress, sfs_output *output, sfs_error *error)
{
    const int32_t *order = genes ? genes->source : NULL;
    const sfs_h5_table_job job = {
        .output = output,
        .progress = progress,
        .table = name,
        .shown = shown,
        .rows = rows,
        .order = order,
        .root = &from->root,
    };
    SFS_TRY(sfs_table_declare(output, name, rows, error));
    if (table->child)
        SFS_TRY(sfs_h5_table_convert(table, &job, error));
    return order ? sfs_gene_order_write(genes, name, output, error) : 0;
}

static sfs_status convert_tables(const source *from, sfs_progress *progress, sfs_output *output,
                                 sfs_error *error)
{
    SFS_TRY(convert_table(from, &from->obs, "obs", "obs", from->rows.count, NULL, progress, output,
                          error));
    if (from->options->raw)
        return convert_table(from, &from->raw_var, "var", "raw/var", from->raw_columns.count,
                             &from->raw_genes, progress, output, error);
    SFS_TRY(convert_table(from, &from->var, "var", "var", from->columns.count, &from->genes,
                          progress, output, error));
    if (!from->raw_parent || from->options->layer)
        return 0;
    return convert_table(from, &from->raw_var, "raw_var", "raw/var", from->raw_columns.count,
                         &from->raw_genes, progress, output, error);
}

static sfs_status convert_parts(const source *from, sfs_progress *progress, sfs_output *output,
                                sfs_error *error)
{
    for (size_t i = 0; i < from->part_count; i++) {
        const part *converted = &from->parts[i];
        const sfs_gene_order *genes = converted->raw ? &from->raw_genes : &from->genes;
        SFS_AUTO_H5_MATRIX sfs_h5_matrix matrix = {0};
        SFS_TRY(sfs_h5_matrix_open(converted->parent, converted->child, &matrix, error));
        SFS_TRY(sfs_h5_matrix_convert(&matrix, converted->name, genes->source ? genes : NULL,
                                      from->options, progress, output, error));
    }
    return 0;
}

sfs_status sfs_convert_h5ad(const sfs_convert_options *options, sfs_progress *progress,
                            sfs_output *output, uint64_t *variables, sfs_error *error)
{
    AUTO_SOURCE source from = {.options = options};
    SFS_TRY(sfs_h5_open_file(options->input, &from.root, error));
    SFS_TRY(check_root(&from, error));
    SFS_TRY(choose(&from, error));
    SFS_TRY(open_tables(&from, error));
    SFS_TRY(check_parts(&from, error));
    if (options->sort_genes) {
        SFS_TRY(check_free(&from.var, error));
        SFS_TRY(check_free(&from.raw_var, error));
    }
    *variables = options->raw ? from.raw_columns.count : from.columns.count;
    SFS_TRY(sfs_output_open(output, options->output, from.rows.count, options->shard_rows, error));
    if (options->sort_genes)
        SFS_TRY(order_all_genes(&from, progress, error));
    SFS_TRY(convert_tables(&from, progress, output, error));
    SFS_TRY(sfs_h5_obsm_convert(&from.root, from.rows.count, progress, output, error));
    return convert_parts(&from, progress, output, error);
}
