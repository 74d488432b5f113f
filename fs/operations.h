/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon answers to the kernel: the tree of the library, node for node. */
#ifndef SFS_FS_OPERATIONS_H
#define SFS_FS_OPERATIONS_H

#include <pthread.h>

#include "ahead.h"
#include "demand.h"
#include "later.h"
#include "negotiate.h"
#include "options.h"
#include "stats.h"

enum {
    SFS_READ_MAX = 1 << 20
}; /* bytes that the kernel asks for at once: what libfuse 3.14 negotiates */

/* The userdata of the session. Immutable while it serves, but for what is atomic. A handle of an
 * open file is what holds it in batches. */
typedef struct sfs_daemon {
    sfs_negotiated negotiated;        /* comes first */
    const sfs_collection *collection; /* borrowed */
    sfs_tree *tree;                   /* borrowed */
    atomic_int root_lookups;          /* names in the root that are being looked up */
    atomic_bool forgetting;           /* a thread tells the kernel to forget views */
    atomic_bool finishing;            /* the session has ended */
    sfs_batches *batches;             /* owned */
    sfs_ahead *ahead;                 /* owned; NULL until the threads are started */
    sfs_cache_mode cache;
    struct stat owner;            /* whose owner, modes and times the files have */
    pthread_key_t reader;         /* each thread's own sfs_reader */
    sfs_later later;              /* owned */
    sfs_demand demand;            /* owned */
    sfs_stats stats;              /* counted by all threads */
    struct fuse_session *session; /* borrowed; set before it serves */
} sfs_daemon;

/* Each fails with 1, and has said why. */
int sfs_daemon_open(sfs_daemon *daemon, sfs_tree *tree, const sfs_collection *collection,
                    const sfs_options *options);

/* Called once the process has gone to the background: threads do not go with it. */
int sfs_daemon_start(sfs_daemon *daemon, const sfs_options *options);
void sfs_daemon_close(sfs_daemon *daemon);

/* Waits for answers that are still being worked out; to be called when the session has ended and is
 * still there. */
void sfs_daemon_finish(sfs_daemon *daemon);

extern const struct fuse_lowlevel_ops sfs_operations;

#endif
