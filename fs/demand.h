/* SPDX-License-Identifier: Apache-2.0 */
/* How many readers are being answered at the same time: where there are as many as processors, what
 * is decoded ahead of one takes the time of another. */
#ifndef SFS_FS_DEMAND_H
#define SFS_FS_DEMAND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

enum { SFS_DEMAND_THREADS = 64 }; /* that wait; more are not counted */

/* Any number of threads may use it at once. */
typedef struct sfs_demand {
    unsigned processors;  /* constant */
    atomic_uint readers;  /* threads that wait, and reads in flight of those that do not */
    pthread_mutex_t lock; /* owns what follows */
    unsigned waiting;     /* threads that wait */
    struct {
        pid_t thread;
        unsigned reads; /* the next may begin before the last is told to have been sent */
    } threads[SFS_DEMAND_THREADS]; /* the first `waiting` of them */
} sfs_demand;

void sfs_demand_open(sfs_demand *demand);
void sfs_demand_close(sfs_demand *demand);

/* A read begins to be answered, and was answered. `waits`: its thread goes on when it has the
 * answer; else it may have several reads in flight, of which each takes a processor. */
void sfs_demand_begin(sfs_demand *demand, pid_t thread, bool waits);
void sfs_demand_end(sfs_demand *demand, pid_t thread, bool waits);

/* Whether there are as many readers as processors. */
bool sfs_demand_is_full(const sfs_demand *demand);

#endif
