/* SPDX-License-Identifier: Apache-2.0 */
/* A view of one collection: its keys checked, its rows, genes and draws worked out. */
#ifndef SFS_NAMESPACE_BIND_H
#define SFS_NAMESPACE_BIND_H

#include <pthread.h>

#include "batch/csr_file.h"
#include "batch/h5ad_file.h"
#include "namespace/bind_columns.h"
#include "namespace/view.h"
#include "select/draw.h"
#include "select/gene_set.h"
#include "select/view_rows.h"
#include "store/collection.h"

/* Immutable once made, but for h5ad. Never moved. */
typedef struct sfs_bound_view {
    sfs_view view;             /* owned */
    const sfs_matrix *matrix;  /* NULL: the collection has no X, and there are no batches */
    const sfs_table *genes_of; /* the table whose rows are the matrix's columns; NULL: none is */
    sfs_csr_form form;         /* what its batches are made of */
    uint64_t columns;          /* of its batches */
    sfs_gene_set genes;        /* owned: which columns of the matrix these are ... */
    bool genes_chosen;         /* ... where not all */
    sfs_view_rows gene_rows;   /* owned: the same, as rows of genes_of */
    sfs_view_rows rows;        /* owned: what an epoch is an order of */
    sfs_draw draw;             /* owned: where rows are drawn, with replacement, ... */
    bool draws;                /* ... and not dealt */
    sfs_carried carried;       /* owned: columns in .csr files */
    sfs_deal_spec deal;
    uint64_t steps; /* batches of a rank */

    pthread_mutex_t h5ad_lock; /* guards: */
    sfs_h5ad *h5ad;            /* owned; NULL: no .h5ad file of the view was asked for yet */
} sfs_bound_view;

/* EINVAL where keys contradict each other or the collection; EIO where it is damaged; ENOMEM. What
 * the files say that keys name is read from beneath `directory` (a descriptor; AT_FDCWD: the
 * working directory). The caller clears *out. */
sfs_status sfs_view_bind(const sfs_view *view, const sfs_collection *collection, int directory,
                         sfs_bound_view *out, sfs_error *error);
void sfs_bound_view_clear(sfs_bound_view *bound);

/* What the view's .h5ad files have in common, made by the first call. As sfs_h5ad_open. */
sfs_status sfs_bound_view_h5ad(const sfs_bound_view *bound, const sfs_collection *collection,
                               const sfs_h5ad **out, sfs_error *error);

/* Bytes of memory that it holds, but for h5ad, which is small. */
uint64_t sfs_bound_view_memory(const sfs_bound_view *bound);

/* What order_version, seed and the rest make of an epoch. */
sfs_order_spec sfs_bound_view_order(const sfs_bound_view *bound, uint64_t epoch);

/* Whether a row's place in an epoch can be told: not where rows are drawn, or are a list. */
bool sfs_bound_view_has_where(const sfs_bound_view *bound);

/* The name of the matrix as the key `layer` spells it. */
const char *sfs_bound_view_layer(const sfs_bound_view *bound);

#endif
