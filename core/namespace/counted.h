/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that no arithmetic can number, such as those of rows/: each is a text, which has a node
 * from its first look-up until it is forgotten. */
#ifndef SFS_NAMESPACE_COUNTED_H
#define SFS_NAMESPACE_COUNTED_H

#include <pthread.h>

#include "shufflefs/tree.h"

typedef struct sfs_counted {
    pthread_mutex_t lock;    /* guards all that follows */
    void *by_text, *by_node; /* owned: trees (search.h) of the same entries */
    uint64_t next;           /* the node that the next new text gets */
} sfs_counted;

/* first_node and those after it, below 2^62, are free for these texts. */
void sfs_counted_open(sfs_counted *counted, uint64_t first_node);
void sfs_counted_close(sfs_counted *counted);

/* The node of a text, with one more reference. ENOMEM. */
sfs_status sfs_counted_take(sfs_counted *counted, const char *text, sfs_node *out,
                            sfs_error *error);

/* Adds a reference to those that there are. */
void sfs_counted_refer(sfs_counted *counted, sfs_node node);

/* Takes so many references back. */
void sfs_counted_forget(sfs_counted *counted, sfs_node node, uint64_t count);

/* A copy of the node's text, which the caller frees. ENOENT where the node was forgotten. */
sfs_status sfs_counted_text(sfs_counted *counted, sfs_node node, char **out, sfs_error *error);

#endif
