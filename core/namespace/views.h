/* SPDX-License-Identifier: Apache-2.0 */
/* The views that are in use, each in a slot: a number that nodes carry. A slot keeps its view while
 * the kernel knows a node of it; what was worked out for the view (its rows, genes, draws) is kept
 * as long as there is room, and worked out again when it is asked for. That of the view used last
 * always is. */
#ifndef SFS_NAMESPACE_VIEWS_H
#define SFS_NAMESPACE_VIEWS_H

#include <pthread.h>

#include "namespace/address.h"

typedef struct sfs_view_slot {
    char *name;            /* owned; NULL: the slot is free */
    sfs_view view;         /* owned: what it asks for */
    uint64_t references;   /* given by look-ups and not yet forgotten */
    uint64_t pins;         /* of `bound`, by what reads it */
    sfs_bound_view *bound; /* owned; NULL: not worked out, or given up */
    bool preparing;        /* by a thread that does not hold the lock */
    bool told;             /* as the oldest one, since it was looked up last */
    uint64_t used;         /* when it was used last, on the clock of uses */
} sfs_view_slot;

typedef struct sfs_views {
    const sfs_collection *collection; /* borrowed */
    uint64_t cache_size;              /* bytes that what is worked out may take, but for pins */
    pthread_mutex_t lock;             /* guards all that follows */
    pthread_cond_t prepared;
    sfs_view_slot slots[SFS_SLOTS]; /* slot 0: the view of the mount, which stays */
    uint64_t clock;
    uint64_t memory;         /* bytes worked out ... */
    unsigned bound_count;    /* ... for so many slots */
    uint64_t prepared_count; /* how often a view was */
} sfs_views;

/* Works the mount's own view out. */
sfs_status sfs_views_open(sfs_views *views, const sfs_collection *collection, const sfs_view *view,
                          uint64_t cache_size, sfs_error *error);
void sfs_views_close(sfs_views *views);

/* The slot of the view of that name, with one more reference; the first look-up copies `view`.
 * ENFILE where all slots are referred to; ENOMEM. */
sfs_status sfs_views_take(sfs_views *views, const char *name, const sfs_view *view, unsigned *slot,
                          sfs_error *error);

/* Counts references to nodes of a slot. */
void sfs_views_refer(sfs_views *views, unsigned slot);
void sfs_views_forget(sfs_views *views, unsigned slot, uint64_t count);

/* Pins what was worked out for a slot that is referred to; works it out if need be, or waits for
 * who does. ENOENT where the slot is free; else as sfs_view_bind. */
sfs_status sfs_views_hold(sfs_views *views, unsigned slot, const sfs_bound_view **out,
                          sfs_error *error);
void sfs_views_drop(sfs_views *views, unsigned slot);

/* Whether sfs_views_hold would return at once. */
bool sfs_views_is_ready(sfs_views *views, unsigned slot);

/* Pins what was worked out for a slot, if it is: as sfs_views_hold, but never waits. */
bool sfs_views_hold_ready(sfs_views *views, unsigned slot);

/* Whether what is worked out takes more than cache_size, and not by one view alone. */
bool sfs_views_is_crowded(sfs_views *views);

/* Whether no other slot was used since; slot 0 always is current. */
bool sfs_views_is_current(sfs_views *views, unsigned slot);

/* As sfs_tree_count_views. */
void sfs_views_count(sfs_views *views, sfs_view_counts *out);

/* Slots that are referred to, and were not told since they were looked up. */
unsigned sfs_views_count_untold(sfs_views *views);

/* The name of the one of them that was used longest ago, malloc'ed, which is told by this; NULL
 * where there is none, or no memory. */
char *sfs_views_oldest(sfs_views *views);

#endif
