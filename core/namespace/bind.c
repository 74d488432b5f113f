/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/bind.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/cast.h"
#include "namespace/bind_rows.h"

static const sfs_matrix *find_layer(const sfs_collection *collection, const char *layer)
{
    for (size_t i = 0; i < collection->matrix_count; i++)
        if (!strcmp(sfs_layer_key(collection->matrices[i].name), layer))
            return &collection->matrices[i];
    return NULL;
}

static sfs_status unknown_layer(const sfs_collection *collection, const char *layer,
                                sfs_error *error)
{
    char names[512] = "";
    for (size_t i = 0; i < collection->matrix_count; i++) {
        const char *name = sfs_layer_key(collection->matrices[i].name);
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", name);
    }
    return sfs_fail(error, -EINVAL,
                    "layer: expected one of the collection's (%s), found \"%.255s\"",
                    *names ? names : "none", layer);
}

const char *sfs_bound_view_layer(const sfs_bound_view *bound)
{
    const char *layer = bound->view.texts[SFS_TEXT_LAYER];
    return layer ? layer : "X";
}

static sfs_status bind_layer(const sfs_collection *collection, sfs_bound_view *bound,
                             sfs_error *error)
{
    const char *layer = sfs_bound_view_layer(bound);
    bool raw = !strcmp(layer, "raw/X");
    bound->matrix = find_layer(collection, layer);
    if (!bound->matrix && bound->view.texts[SFS_TEXT_LAYER])
        return unknown_layer(collection, layer, error);
    bound->genes_of = !raw                      ? &collection->var
                      : collection->has_raw_var ? &collection->raw_var
                                                : NULL;
    bound->columns = bound->matrix ? bound->matrix->columns : collection->variables;
    return 0;
}

/* Refuses types that would lose values, unless that is asked for. */
static sfs_status bind_form(sfs_bound_view *bound, sfs_error *error)
{
    const sfs_view *view = &bound->view;
    const sfs_matrix *matrix = bound->matrix;
    bool stored = view->value_type == SFS_VALUE_TYPES;
    if (!matrix)
        return 0;
    bound->form =
        (sfs_csr_form){.values = stored ? matrix->dtype : sfs_value_types[view->value_type].dtype,
                       .indices = sfs_view_index_dtype(view)};
    if (view->index_size == 2 && bound->columns > UINT16_MAX + 1)
        return sfs_fail(error, -EINVAL,
                        "index_dtype: expected at most 65536 columns for uint16, found %" PRIu64
                        " in %s",
                        bound->columns, sfs_bound_view_layer(bound));
    if (stored || view->lossy || sfs_dtype_same(bound->form.values, matrix->dtype))
        return 0;
    const char *name = sfs_value_types[view->value_type].name;
    const sfs_misfit *misfit = &matrix->misfits[view->value_type];
    if (!matrix->misfits_known)
        return sfs_fail(error, -EINVAL,
                        "value_dtype: expected a collection that says whether %s fits %s, found "
                        "that it does not: convert the data again, or add lossy=1",
                        sfs_bound_view_layer(bound), name);
    if (misfit->found)
        return sfs_fail(error, -EINVAL,
                        "value_dtype: expected values that fit %s, found %s in row %" PRIu64
                        " of %s: choose another dtype, or add lossy=1 for the nearest values",
                        name, misfit->value, misfit->row, sfs_bound_view_layer(bound));
    return 0;
}

static void bind_deal(sfs_bound_view *bound)
{
    const sfs_view *view = &bound->view;
    uint64_t n = bound->draws && bound->rows.count && view->epoch_size ? view->epoch_size
                                                                       : bound->rows.count;
    bound->deal = (sfs_deal_spec){.n = bound->matrix ? n : 0,
                                  .world_size = view->world_size,
                                  .batch_size = view->batch_size,
                                  .tail = sfs_view_tail(view)};
    bound->steps = sfs_deal_steps(&bound->deal);
}

static sfs_status list_genes(sfs_bound_view *bound, sfs_error *error)
{
    sfs_view_rows *rows = &bound->gene_rows;
    bound->columns = rows->count = bound->genes.count;
    rows->list = malloc((rows->count + 1) * sizeof *rows->list);
    if (!rows->list)
        return sfs_fail_memory(error);
    for (uint64_t i = 0; i < rows->count; i++)
        rows->list[i] = bound->genes.stored_of[i];
    return 0;
}

static sfs_status bind(const sfs_collection *collection, int directory, sfs_bound_view *bound,
                       sfs_error *error)
{
    const sfs_view *view = &bound->view;

    if (view->order == SFS_ORDER_BLOCK && view->window % view->block_size != 0)
        return sfs_fail(error, -EINVAL,
                        "window: expected a multiple of block_size (%" PRIu64 "), found %" PRIu64,
                        view->block_size, view->window);
    SFS_TRY(bind_layer(collection, bound, error));
    SFS_TRY(sfs_bind_genes(view, collection, bound->genes_of, directory, &bound->genes,
                           &bound->genes_chosen, error));
    if (bound->genes_chosen)
        SFS_TRY(list_genes(bound, error));
    SFS_TRY(bind_form(bound, error));
    SFS_TRY(sfs_bind_columns(view, collection, &bound->carried, error));
    SFS_TRY(sfs_bind_rows(view, collection, directory, &bound->rows, error));
    SFS_TRY(sfs_bind_draw(view, collection, &bound->rows, &bound->draw, &bound->draws, error));
    bind_deal(bound);
    return 0;
}

sfs_status sfs_view_bind(const sfs_view *view, const sfs_collection *collection, int directory,
                         sfs_bound_view *out, sfs_error *error)
{
    *out = (sfs_bound_view){0};
    SFS_TRY(sfs_view_copy(view, &out->view, error));
    pthread_mutex_init(&out->h5ad_lock, NULL);
    sfs_status status = bind(collection, directory, out, error);
    if (status)
        sfs_bound_view_clear(out);
    return status;
}

void sfs_bound_view_clear(sfs_bound_view *bound)
{
    sfs_h5ad_close(bound->h5ad);
    pthread_mutex_destroy(&bound->h5ad_lock);
    sfs_view_clear(&bound->view);
    sfs_gene_set_close(&bound->genes);
    sfs_view_rows_close(&bound->gene_rows);
    sfs_draw_close(&bound->draw);
    sfs_carried_clear(&bound->carried);
    sfs_view_rows_close(&bound->rows);
    *bound = (sfs_bound_view){0};
}

sfs_status sfs_bound_view_h5ad(const sfs_bound_view *bound, const sfs_collection *collection,
                               const sfs_h5ad **out, sfs_error *error)
{
    sfs_bound_view *lazy = (sfs_bound_view *)(uintptr_t)bound;
    const sfs_h5ad_schema schema = {.collection = collection,
                                    .matrix = bound->matrix,
                                    .form = bound->form,
                                    .genes = bound->genes_chosen ? &bound->genes : NULL};
    pthread_mutex_lock(&lazy->h5ad_lock);
    sfs_status status = lazy->h5ad ? 0 : sfs_h5ad_open(&schema, &lazy->h5ad, error);
    *out = lazy->h5ad;
    pthread_mutex_unlock(&lazy->h5ad_lock);
    return status;
}

uint64_t sfs_bound_view_memory(const sfs_bound_view *bound)
{
    return sizeof *bound + sfs_view_rows_memory(&bound->rows) + sfs_gene_set_memory(&bound->genes) +
           sfs_view_rows_memory(&bound->gene_rows) + sfs_draw_memory(&bound->draw);
}

sfs_order_spec sfs_bound_view_order(const sfs_bound_view *bound, uint64_t epoch)
{
    return (sfs_order_spec){.kind = (sfs_order_kind)bound->view.order,
                            .n = bound->deal.n,
                            .seed = bound->view.seed,
                            .epoch = epoch,
                            .block_size = bound->view.block_size,
                            .window = bound->view.window};
}

bool sfs_bound_view_has_where(const sfs_bound_view *bound)
{
    return !bound->rows.list && !bound->draws;
}
