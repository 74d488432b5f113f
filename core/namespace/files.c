/* SPDX-License-Identifier: Apache-2.0 */
/* From what a node stands for to its file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "batch/column_rows.h"
#include "batch/csv_file.h"
#include "batch/dense_file.h"
#include "batch/npz_file.h"
#include "batch/view_file.h"
#include "namespace/describe.h"
#include "namespace/place.h"
#include "namespace/quality.h"
#include "namespace/rows_name.h"
#include "namespace/view_name.h"

/* A batch's rows are dealt from its address. */
static sfs_status deal_rows(const sfs_tree *tree, const sfs_place *place, uint64_t batch,
                            const sfs_matrix *matrix, sfs_row_list *out, uint64_t *repeated,
                            sfs_error *error)
{
    const sfs_bound_view *view = place->view;
    const sfs_address *address = &place->address;
    const sfs_epoch epoch = {.rows = &view->rows,
                             .draw = view->draws ? &view->draw : NULL,
                             .order = sfs_bound_view_order(view, address->epoch)};
    sfs_deal_run run = sfs_deal_batch(&view->deal, address->rank, batch);
    *repeated = run.repeated;
    return sfs_row_list_deal(tree->collection, matrix, &epoch, run,
                             batch * view->deal.world_size + address->rank, out, error);
}

/* The genes of a view, of a matrix that has the same columns as the view's; NULL: all. */
static const sfs_gene_set *genes_for(const sfs_bound_view *view, const sfs_matrix *matrix)
{
    bool raw = !strcmp(matrix->name, "raw/X");
    bool raw_view = view->matrix && !strcmp(view->matrix->name, "raw/X");
    return view->genes_chosen && raw == raw_view ? &view->genes : NULL;
}

static sfs_status make_h5ad(const sfs_tree *tree, const sfs_bound_view *view, sfs_row_list *rows,
                            sfs_file **out, sfs_error *error)
{
    const sfs_h5ad *h5ad;
    sfs_status status = sfs_bound_view_h5ad(view, tree->collection, &h5ad, error);
    if (!status)
        return sfs_h5ad_file_open(h5ad, rows, out, error);
    sfs_row_list_close(rows);
    return status;
}

/* A batch's rows, of the view's own matrix and with its genes. */
static sfs_status choose_rows(const sfs_tree *tree, const sfs_place *place, uint64_t batch,
                              sfs_row_list *out, uint64_t *repeated, sfs_error *error)
{
    const sfs_bound_view *view = place->view;
    SFS_TRY(deal_rows(tree, place, batch, view->matrix, out, repeated, error));
    return view->genes_chosen ? sfs_row_list_choose(out, &view->genes, error) : 0;
}

static sfs_csr_layout layout_of(const sfs_bound_view *view)
{
    return (sfs_csr_layout){view->form, view->carried.columns, view->carried.count};
}

/* One .csr, or as many as the address has batches. */
static sfs_status make_csr(const sfs_tree *tree, const sfs_place *place, sfs_file **out,
                           sfs_error *error)
{
    const sfs_address *address = &place->address;
    const sfs_csr_layout layout = layout_of(place->view);
    sfs_row_list lists[SFS_RUN_MAX];
    sfs_csr_header headers[SFS_RUN_MAX];
    uint64_t count = sfs_address_batches(address);
    for (uint64_t i = 0; i < count; i++) {
        headers[i] = (sfs_csr_header){.epoch = (int64_t)address->epoch,
                                      .rank = (int64_t)address->rank,
                                      .batch = (int64_t)(address->batch + i),
                                      .seed = place->view->view.seed};
        sfs_status status =
            choose_rows(tree, place, address->batch + i, &lists[i], &headers[i].repeated, error);
        if (!status)
            continue;
        while (i)
            sfs_row_list_close(&lists[--i]);
        return status;
    }
    return sfs_csr_run_open(lists, headers, count, &layout, out, error);
}

static sfs_status make_dense(const sfs_bound_view *view, sfs_row_list *rows, sfs_file **out,
                             sfs_error *error)
{
    return sfs_dense_open(rows, view->genes_chosen ? &view->genes : NULL, &view->form, out, error);
}

static sfs_status make_batch(const sfs_tree *tree, const sfs_place *place, sfs_file **out,
                             sfs_error *error)
{
    const sfs_bound_view *view = place->view;
    const sfs_address *address = &place->address;
    sfs_row_list rows;
    uint64_t repeated;
    if (address->kind == SFS_ADDRESS_CSR || address->kind >= SFS_ADDRESS_RUN)
        return make_csr(tree, place, out, error);
    if (address->kind == SFS_ADDRESS_OBS_CSV || address->kind == SFS_ADDRESS_NPY) {
        SFS_TRY(deal_rows(tree, place, address->batch, view->matrix, &rows, &repeated, error));
        return address->kind == SFS_ADDRESS_NPY
                   ? make_dense(view, &rows, out, error)
                   : sfs_csv_rows_file_open(&rows, &tree->collection->obs, out, error);
    }
    SFS_TRY(choose_rows(tree, place, address->batch, &rows, &repeated, error));
    if (address->kind == SFS_ADDRESS_H5AD)
        return make_h5ad(tree, view, &rows, out, error);
    if (address->kind == SFS_ADDRESS_NPZ)
        return sfs_npz_open(&rows, &view->form, out, error);
    return sfs_csr_array_open(&rows, &view->form,
                              (sfs_csr_array)(address->kind - SFS_ADDRESS_ARRAY), out, error);
}

static sfs_status make_address(const sfs_tree *tree, const sfs_place *place, sfs_file **out,
                               sfs_error *error)
{
    if (sfs_address_is_directory(&place->address))
        return sfs_fail(error, -EISDIR, "expected a file, found a directory");
    if (place->address.kind == SFS_ADDRESS_QUALITY)
        return sfs_quality_open(tree->collection, place->view, place->address.epoch, out, error);
    return make_batch(tree, place, out, error);
}

static sfs_status make_rows(const sfs_tree *tree, const sfs_place *place, sfs_file **out,
                            sfs_error *error)
{
    const sfs_bound_view *view = place->view;
    sfs_csr_header header = {.epoch = -1, .rank = -1, .batch = -1, .seed = view->view.seed};
    sfs_row_list rows;
    SFS_TRY(sfs_rows_name_list(place->text, tree->collection, view->matrix, &rows, error));
    if (view->genes_chosen)
        SFS_TRY(sfs_row_list_choose(&rows, &view->genes, error));
    const sfs_csr_layout layout = layout_of(view);
    return sfs_csr_open(&rows, &layout, &header, out, error);
}

/* Whether the view leaves all rows where they are. */
static bool has_all_rows(const sfs_bound_view *view)
{
    return !view->rows.list && !view->rows.set.words;
}

/* A whole matrix; in a view, with its rows and, where they are of its columns, its genes. */
static sfs_status make_matrix(const sfs_tree *tree, const sfs_place *place, sfs_file **out,
                              sfs_error *error)
{
    const sfs_fixed *fixed = place->fixed;
    const sfs_bound_view *view = place->view;
    const sfs_csr_form form = {.values = fixed->matrix->dtype, .indices = {'i', 4}, .whole = true};
    const sfs_view_source source = {.collection = tree->collection,
                                    .rows = &view->rows,
                                    .genes = genes_for(view, fixed->matrix)};
    sfs_row_list rows;
    if (place->slot && (!has_all_rows(view) || source.genes))
        return sfs_view_matrix_open(&source, fixed->matrix, fixed->array, out, error);
    SFS_TRY(
        sfs_row_list_run(tree->collection, fixed->matrix, 0, fixed->matrix->rows, &rows, error));
    return sfs_csr_array_open(&rows, &form, fixed->array, out, error);
}

/* Whether a view shows a part of a table: of obs and obsm its rows, of the table of its genes
 * those. */
static bool is_cut(const sfs_tree *tree, const sfs_place *place, const sfs_table *table,
                   sfs_view_source *out)
{
    const sfs_bound_view *view = place->view;
    bool of_obs = table == &tree->collection->obs || table == &tree->collection->obsm;
    bool of_genes = table == view->genes_of && view->genes_chosen;
    *out = (sfs_view_source){.collection = tree->collection,
                             .rows = of_genes ? &view->gene_rows : &view->rows};
    return place->slot && (of_genes || (of_obs && !has_all_rows(view)));
}

/* A whole column; in a view, of its rows, or of its genes. */
static sfs_status make_column(const sfs_tree *tree, const sfs_place *place, sfs_file **out,
                              sfs_error *error)
{
    const sfs_fixed *fixed = place->fixed;
    sfs_view_source source;
    if (is_cut(tree, place, fixed->table, &source))
        return sfs_view_column_open(&source, fixed->column, fixed->form, out, error);
    return sfs_column_file_open(tree->collection, fixed->column, fixed->form, out, error);
}

/* A whole table, of the rows or genes of the view. */
static sfs_status make_csv(const sfs_tree *tree, const sfs_place *place, sfs_file **out,
                           sfs_error *error)
{
    const sfs_table *table = place->fixed->table;
    sfs_view_source source;
    return is_cut(tree, place, table, &source)
               ? sfs_view_csv_open(&source, table, out, error)
               : sfs_csv_file_open(tree->collection, table, out, error);
}

/* Takes a malloc'ed text, NULL when out of memory, over. */
static sfs_status make_text(const sfs_tree *tree, char *text, sfs_file **out, sfs_error *error)
{
    if (!text)
        return sfs_fail_memory(error);
    sfs_status status = sfs_text_copy_open(tree->collection, text, strlen(text), out, error);
    free(text);
    return status;
}

static sfs_status make_stats(sfs_tree *tree, sfs_file **out, sfs_error *error)
{
    char *text = NULL;
    if (tree->stats)
        return make_text(tree, tree->stats(tree->stats_context), out, error);
    return make_text(tree, asprintf(&text, "%-*s\n", SFS_STATS_SIZE - 1, "{}") < 0 ? NULL : text,
                     out, error);
}

static sfs_status make_fixed(sfs_tree *tree, const sfs_place *place, sfs_file **out,
                             sfs_error *error)
{
    const sfs_fixed *fixed = place->fixed;
    switch (fixed->kind) {
    case SFS_FIXED_TEXT:
        return sfs_text_file_open(tree->collection, fixed->text, fixed->text_size, out, error);
    case SFS_FIXED_STATS:
        return make_stats(tree, out, error);
    case SFS_FIXED_VIEW_JSON:
        return make_text(tree, sfs_describe_view(tree->collection, place->view), out, error);
    case SFS_FIXED_COLUMN:
        return make_column(tree, place, out, error);
    case SFS_FIXED_CSV:
        return make_csv(tree, place, out, error);
    case SFS_FIXED_MATRIX:
        return make_matrix(tree, place, out, error);
    default:
        return sfs_fail(error, -EISDIR, "expected a file, found a directory");
    }
}

/* Why a name in the root is no view; or that it is one. */
static char *explain(sfs_tree *tree, const char *name)
{
    sfs_view *view;
    sfs_bound_view bound;
    sfs_error error;
    char *text = NULL;
    sfs_status status = sfs_view_name_parse(name, &view, &error);
    SFS_AUTO_FREE char *canonical = status ? NULL : sfs_view_name(view);
    if (!status) {
        status = sfs_view_bind(view, tree->collection, tree->collection->files.directory, &bound,
                               &error);
        sfs_view_free(view);
    }
    if (status) {
        status = asprintf(&text, "%s\n", error.message);
        return status < 0 ? NULL : text;
    }
    int written = asprintf(&text,
                           "This is a view: %" PRIu64 " rows, %" PRIu64 " columns, %" PRIu64
                           " batches a rank; its name is %s\n",
                           bound.deal.n, bound.columns, bound.steps, canonical ? canonical : "");
    sfs_bound_view_clear(&bound);
    return written < 0 ? NULL : text;
}

static void print_place(FILE *out, const sfs_bound_view *view, uint64_t position)
{
    sfs_deal_place dealt;
    for (; sfs_deal_find(&view->deal, position, &dealt); position += view->deal.n)
        fprintf(out, "rank_%" PRIu64 "/batch_%" PRIu64 " %" PRIu64 "\n", dealt.rank, dealt.step,
                dealt.slot);
}

/* Where the epoch deals a row: nowhere, once, or, as it pads, several times. */
static sfs_status make_where(const sfs_tree *tree, const sfs_place *place, sfs_file **out,
                             sfs_error *error)
{
    const sfs_bound_view *view = place->view;
    sfs_order_spec spec = sfs_bound_view_order(view, place->address.epoch);
    sfs_order order;
    char *text = NULL;
    size_t size;
    uint64_t index, position = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return sfs_fail_memory(error);
    sfs_status status = 0;
    if (view->deal.n && sfs_view_rows_find(&view->rows, place->row, &index)) {
        status = sfs_order_open(&order, &spec, error);
        if (!status)
            status = sfs_order_position(&order, index, &position, error);
        if (!status)
            print_place(stream, view, position);
        sfs_order_close(&order);
    }
    bool complete = !fclose(stream);
    if (!status)
        return make_text(tree, complete ? text : NULL, out, error);
    free(text);
    return status;
}

static sfs_status make_in_batch(const sfs_tree *tree, const sfs_place *place, sfs_file **out,
                                sfs_error *error)
{
    const sfs_fixed *fixed = place->fixed;
    const sfs_bound_view *view = place->view;
    sfs_row_list rows;
    uint64_t repeated;
    if (sfs_fixed_is_directory(fixed))
        return sfs_fail(error, -EISDIR, "expected a file, found a directory");
    SFS_TRY(deal_rows(tree, place, place->address.batch,
                      fixed->matrix ? fixed->matrix : view->matrix, &rows, &repeated, error));
    if (!fixed->matrix)
        return sfs_column_rows_file_open(&rows, fixed->column, fixed->form, out, error);
    const sfs_gene_set *genes = genes_for(view, fixed->matrix);
    if (genes)
        SFS_TRY(sfs_row_list_choose(&rows, genes, error));
    sfs_csr_form form = {.values = fixed->matrix->dtype, .indices = view->form.indices};
    return sfs_csr_array_open(&rows, &form, fixed->array, out, error);
}

static sfs_status make_of_text(sfs_tree *tree, const sfs_place *place, sfs_file **out,
                               sfs_error *error)
{
    switch (place->name_kind) {
    case SFS_NAME_ROWS:
        return make_rows(tree, place, out, error);
    case SFS_NAME_EXPLAIN:
        return make_text(tree, explain(tree, place->text), out, error);
    case SFS_NAME_WHERE:
        return make_where(tree, place, out, error);
    case SFS_NAME_BATCH:
        return make_in_batch(tree, place, out, error);
    default:
        return sfs_fail(error, -EINVAL, "expected a file, found a symbolic link");
    }
}

sfs_status sfs_place_make_file(sfs_tree *tree, const sfs_place *place, sfs_file **out,
                               sfs_error *error)
{
    if (place->kind == SFS_PLACE_FIXED)
        return make_fixed(tree, place, out, error);
    if (place->kind == SFS_PLACE_ADDRESS)
        return make_address(tree, place, out, error);
    return make_of_text(tree, place, out, error);
}
