/* SPDX-License-Identifier: Apache-2.0 */
/* A view: what its keys say, and what follows for a collection. */
#ifndef SFS_NAMESPACE_VIEW_H
#define SFS_NAMESPACE_VIEW_H

#include "batch/csr_file.h"
#include "order/deal.h"
#include "order/order.h"
#include "shufflefs/view.h"
#include "store/collection.h"

/* Rows of a batch, and ranks: so far, products of the two stay far from overflow. */
#define SFS_MAX_BATCH_SIZE (UINT64_C(1) << 24)
#define SFS_MAX_WORLD_SIZE (UINT64_C(1) << 24)

/* Which names `ls` shows in a rank, one bit each. */
enum { SFS_FORMAT_CSR = 1, SFS_FORMAT_DIR = 2 };

struct sfs_view {
    uint64_t batch_size, world_size, seed, block_size, window, epochs;
    sfs_order_kind order;
    sfs_tail tail;
    bool tail_given; /* else it follows the order */
    unsigned formats;
    char layer[256];
    bool layer_given;
    size_t value_type;     /* of sfs_value_types; SFS_VALUE_TYPES: that of the matrix */
    sfs_dtype index_dtype; /* int32, int64 or uint16 */
    bool lossy;            /* values that do not fit value_type become the nearest that do */
};

/* A view of one collection: checked, with what follows from both. */
typedef struct sfs_bound_view {
    sfs_view view;
    const sfs_matrix *matrix; /* NULL: the collection has no X, and there are no batches */
    sfs_csr_form form;        /* what its batches are made of */
    sfs_deal_spec deal;
    uint64_t steps; /* batches of a rank */
} sfs_bound_view;

/* EINVAL where keys contradict each other or the collection. */
sfs_status sfs_view_bind(const sfs_view *view, const sfs_collection *collection,
                         sfs_bound_view *out, sfs_error *error);

/* What order_version, seed and the rest make of an epoch. */
sfs_order_spec sfs_bound_view_order(const sfs_bound_view *bound, uint64_t epoch);

/* The spelling of a view's order and tail. */
const char *sfs_order_name(sfs_order_kind order);
const char *sfs_tail_name(sfs_tail tail);

/* The spelling of its value_dtype and index_dtype. */
const char *sfs_value_dtype_name(const sfs_view *view);
const char *sfs_index_dtype_name(const sfs_view *view);

#endif
