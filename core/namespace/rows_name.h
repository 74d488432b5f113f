/* SPDX-License-Identifier: Apache-2.0 */
/* The names in rows/: 7.csr, 100-199.csr, 5,3,3.csr. Each is a node from its first look-up until it
 * is forgotten. */
#ifndef SFS_NAMESPACE_ROWS_NAME_H
#define SFS_NAMESPACE_ROWS_NAME_H

#include <pthread.h>

#include "batch/row_list.h"
#include "shufflefs/tree.h"

/* Names that are looked up, and how often; guarded by lock. */
typedef struct sfs_rows_names {
    pthread_mutex_t lock;
    void *by_name, *by_node; /* owned: trees (search.h) of the same entries */
    uint64_t next;           /* the node that the next new name gets */
} sfs_rows_names;

/* first_node and those after it, below 2^62, are free for these names. */
void sfs_rows_names_open(sfs_rows_names *names, uint64_t first_node);
void sfs_rows_names_close(sfs_rows_names *names);

/* The node of a name, with one more reference. ENOENT where the name is none, or has a row that is
 * not below `rows`. */
sfs_status sfs_rows_names_lookup(sfs_rows_names *names, const char *name, uint64_t rows,
                                 sfs_node *out, sfs_error *error);
void sfs_rows_names_forget(sfs_rows_names *names, sfs_node node, uint64_t count);

/* The rows of a node's name. The caller closes the list. ENOENT where the node was forgotten. */
sfs_status sfs_rows_names_list(sfs_rows_names *names, sfs_node node,
                               const sfs_collection *collection, const sfs_matrix *matrix,
                               sfs_row_list *out, sfs_error *error);

#endif
