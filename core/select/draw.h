/* SPDX-License-Identifier: Apache-2.0 */
/* Rows drawn with replacement: by weight, with classes balanced, or batches of one class each.
 * docs/drawing.md defines it; tests/reference/draw.py is it in Python. */
#ifndef SFS_SELECT_DRAW_H
#define SFS_SELECT_DRAW_H

#include "select/alias.h"
#include "select/class_rows.h"

/* The keys, as they are spelled; NULL where not given. */
typedef struct sfs_draw_spec {
    const char *weight, *balance, *pure, *class_weights;
} sfs_draw_spec;

/* Whether one of the keys asks for draws, or is there for nothing, which open tells. */
static inline bool sfs_draw_is_given(const sfs_draw_spec *spec)
{
    return spec->weight || spec->balance || spec->pure || spec->class_weights;
}

typedef enum sfs_draw_kind {
    SFS_DRAW_WEIGHT,
    SFS_DRAW_BALANCE,
    SFS_DRAW_PURE,
} sfs_draw_kind;

/* What draws are made from. Immutable, and so shared by any number of threads. */
typedef struct sfs_draw {
    sfs_draw_kind kind;
    uint64_t n;             /* rows of the view, drawn or not */
    sfs_alias_entry *table; /* owned: of rows (weight), or of classes */
    sfs_class_rows rows;    /* owned: of balance and pure */
} sfs_draw;

/* Prepares draws, which sfs_draw_is_given, from the rows of a view: 8 bytes a row (weight), or 4 a
 * row and 16 a class. walk is at its start and is only used now. EINVAL: keys that contradict each
 * other or the collection, a weight that is none, nothing to draw; EIO, ENOMEM. A view without rows
 * is accepted: nothing can be drawn from it. The caller closes *out. */
sfs_status sfs_draw_open(const sfs_collection *collection, const sfs_draw_spec *spec,
                         sfs_row_walk walk, sfs_draw *out, sfs_error *error);
void sfs_draw_close(sfs_draw *draw);

/* Bytes of memory that it holds. */
uint64_t sfs_draw_memory(const sfs_draw *draw);

/* Draw number `draw_index` of an epoch, counted over all ranks: the place that the row has in the
 * view, below draw->n, which is above 0. batch_index is that of the batch it is in: step *
 * world_size + rank. Only draws of pure depend on it, only others do not. */
uint64_t sfs_draw_row(const sfs_draw *draw, uint64_t seed, uint64_t epoch, uint64_t draw_index,
                      uint64_t batch_index);

#endif
