/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a tree, and what a node of it stands for. */
#ifndef SFS_NAMESPACE_PLACE_H
#define SFS_NAMESPACE_PLACE_H

#include <stdatomic.h>

#include "namespace/address.h"
#include "namespace/counted.h"
#include "namespace/fixed.h"
#include "namespace/made.h"
#include "namespace/views.h"

struct sfs_tree {
    const sfs_collection *collection; /* borrowed */
    sfs_views views;                  /* owned; slot 0: that of the mount */
    sfs_fixed_list fixed;             /* owned: the names in the root and below */
    sfs_fixed_list view_fixed;        /* owned: those of every other view */
    sfs_counted counted;              /* owned: nodes that are texts, see sfs_place */
    sfs_made made;                    /* owned */
    _Atomic uint64_t asked_step;      /* the last one whose blocks were asked for */
    sfs_stats_source *stats;          /* what stats.json says; NULL: nothing is counted */
    void *stats_context;
};

/* Which node a text is of: its first letter. The rest is a name, or numbers with a space between.
 */
typedef enum sfs_name_kind {
    SFS_NAME_ROWS = 'r',    /* NAME: rows/NAME */
    SFS_NAME_LINK = 'l',    /* NAME: a link in the root to NAME */
    SFS_NAME_EXPLAIN = 'e', /* NAME: .shufflefs/explain/NAME */
    SFS_NAME_WHERE = 'w',   /* SLOT EPOCH ROW: epoch_E/where/ROW */
    SFS_NAME_BATCH = 'b',   /* SLOT EPOCH RANK BATCH FIXED: a name in a batch's directory */
} sfs_name_kind;

typedef enum sfs_place_kind {
    SFS_PLACE_FIXED,   /* `fixed`, of the root, or of a view where there is a slot */
    SFS_PLACE_ADDRESS, /* `address`, in a view */
    SFS_PLACE_TEXT,    /* `text` */
} sfs_place_kind;

/* What a node stands for. Holds its view until it is closed. */
typedef struct sfs_place {
    sfs_place_kind kind;
    unsigned slot;
    const sfs_bound_view *view; /* pinned; of the mount where the node is of no other */
    const sfs_fixed *fixed;
    sfs_address address; /* also of SFS_NAME_BATCH and, as far as it goes, SFS_NAME_WHERE */
    char *text;          /* owned; behind the kind's letter */
    sfs_name_kind name_kind;
    uint64_t row; /* of SFS_NAME_WHERE */
} sfs_place;

/* ENOENT where the node stands for nothing; else as sfs_views_hold. */
sfs_status sfs_place_open(sfs_tree *tree, sfs_node node, sfs_place *out, sfs_error *error);
void sfs_place_close(sfs_tree *tree, sfs_place *place);

bool sfs_place_is_directory(const sfs_place *place);

/* The node of a fixed name, of the root (slot 0) or of another view. */
sfs_node sfs_place_fixed_node(const sfs_tree *tree, unsigned slot, const sfs_fixed *fixed);

/* Nodes of texts begin here; fixed ones are below, addresses beyond. */
#define SFS_FIRST_TEXT_NODE (UINT64_C(1) << 48)

bool sfs_place_is_text(sfs_node node);

/* The slot that a text's node counts a reference of; 0: none. */
unsigned sfs_text_slot(const char *text);

/* Whether a name of a batch's directory stands for something there: some columns' files do not. */
bool sfs_place_in_batch(const sfs_tree *tree, const sfs_fixed *fixed);

sfs_status sfs_fail_no_entry(const char *name, sfs_error *error);
sfs_status sfs_fail_not_directory(sfs_error *error);

/* The file of a place that is one. EISDIR. The caller closes it. */
sfs_status sfs_place_make_file(sfs_tree *tree, const sfs_place *place, sfs_file **out,
                               sfs_error *error);

#endif
