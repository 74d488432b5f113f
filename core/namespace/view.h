/* SPDX-License-Identifier: Apache-2.0 */
/* A view as its keys say it, before it meets a collection. docs/shufflefs.1 has the keys. */
#ifndef SFS_NAMESPACE_VIEW_H
#define SFS_NAMESPACE_VIEW_H

#include <stddef.h>

#include "order/deal.h"
#include "order/order.h"
#include "select/split.h"
#include "shufflefs/view.h"
#include "store/value_type.h"

/* Rows of a batch, and ranks: so far, products of the two stay far from overflow. */
#define SFS_MAX_BATCH_SIZE (UINT64_C(1) << 24)
#define SFS_MAX_WORLD_SIZE (UINT64_C(1) << 24)

/* Which names `ls` shows in a rank, one bit each, in the order in which it shows them. */
enum {
    SFS_FORMAT_CSR = 1,
    SFS_FORMAT_NPZ = 2,
    SFS_FORMAT_NPY = 4,
    SFS_FORMAT_H5AD = 8,
    SFS_FORMAT_OBS_CSV = 16,
    SFS_FORMAT_DIR = 32,
    SFS_FORMATS = 6,
};

typedef enum sfs_tail_key {
    SFS_TAIL_OF_ORDER, /* even, or keep where order=sequential */
    SFS_TAIL_GIVEN,    /* this one and the next: + sfs_tail */
} sfs_tail_key;

/* The keys whose values are kept as they are spelled. */
typedef enum sfs_text_key {
    SFS_TEXT_LAYER,
    SFS_TEXT_WHERE,
    SFS_TEXT_GENES,
    SFS_TEXT_GENES_FILE,
    SFS_TEXT_ROWS_FILE,
    SFS_TEXT_SPLIT,
    SFS_TEXT_PART,
    SFS_TEXT_STRATIFY,
    SFS_TEXT_GROUP,
    SFS_TEXT_FOLD,
    SFS_TEXT_WEIGHT,
    SFS_TEXT_BALANCE,
    SFS_TEXT_PURE,
    SFS_TEXT_CLASS_WEIGHTS,
    SFS_TEXT_OBS,
    SFS_TEXT_OBSM,
    SFS_TEXT_KEYS,
} sfs_text_key;

struct sfs_view {
    uint64_t batch_size, world_size, seed, block_size, window, epochs, split_seed;
    uint64_t epoch_size; /* 0: as many as there are rows */
    int order;           /* sfs_order_kind */
    int tail;            /* sfs_tail_key */
    int split_method;    /* sfs_split_method */
    int value_type;      /* of sfs_value_types; SFS_VALUE_TYPES: that of the matrix */
    int index_size;      /* bytes: 4 (int32), 8 (int64) or 2 (uint16) */
    int lossy;           /* 1: values that do not fit value_type become the nearest that do */
    unsigned formats;
    char *texts[SFS_TEXT_KEYS]; /* owned; NULL: the default */
};

/* Frees what the view owns, but not the view. */
void sfs_view_clear(sfs_view *view);

/* A deep copy, which the caller clears. ENOMEM. */
sfs_status sfs_view_copy(const sfs_view *view, sfs_view *out, sfs_error *error);

/* What the view's tail is, given or not. */
sfs_tail sfs_view_tail(const sfs_view *view);

sfs_dtype sfs_view_index_dtype(const sfs_view *view);

enum { SFS_VIEW_KEYS = 31 };

/* The keys, sorted by name. */
const char *sfs_view_key_name(size_t key);

/* Whether its values are numbers. */
bool sfs_view_key_is_number(size_t key);

/* The value of a key as it is spelled, malloc'ed. NULL when out of memory. */
char *sfs_view_value(const sfs_view *view, size_t key);

/* Whether the key has its default. */
bool sfs_view_is_default(const sfs_view *view, size_t key);

#endif
