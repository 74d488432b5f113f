/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a look-up made to learn their size, kept for the open that nearly always follows: a
 * batch's rows are worked out once. */
#ifndef SFS_NAMESPACE_MADE_H
#define SFS_NAMESPACE_MADE_H

#include <pthread.h>

#include "batch/file.h"
#include "shufflefs/tree.h"

enum { SFS_MADE_SLOTS = 32 };

/* Files of more rows are not kept: this bounds what all slots hold together to 25 MB. */
enum { SFS_MADE_MAX_ROWS = 32768 };

typedef struct sfs_made {
    pthread_mutex_t lock; /* guards the slots */
    struct {
        sfs_node node;
        sfs_file *file; /* owned; NULL: empty */
    } slots[SFS_MADE_SLOTS];
} sfs_made;

void sfs_made_open(sfs_made *made);
void sfs_made_close(sfs_made *made);

/* Drops all files. */
void sfs_made_clear(sfs_made *made);

/* Takes the file over, and drops the one that was in its slot. */
void sfs_made_keep(sfs_made *made, sfs_node node, sfs_file *file);

/* The file of that node, which the caller owns from now on; NULL where none is kept. */
sfs_file *sfs_made_take(sfs_made *made, sfs_node node);

#endif
