/* SPDX-License-Identifier: Apache-2.0 */
/* How many readers are at work at the same time: where there are as many as processors, what is
 * decoded ahead of one takes the time of another. */
#ifndef SFS_FS_READERS_H
#define SFS_FS_READERS_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

enum { SFS_READERS_MAX = 64 }; /* more are not counted */

/* Any number of threads may use it at once. */
typedef struct sfs_readers {
    unsigned processors;  /* constant: that this process may use */
    pthread_mutex_t lock; /* owns what follows */
    unsigned in_flight;   /* reads whose reader does not wait for them */
    unsigned waiting;     /* readers that wait, of which there are `reads` that are being answered:
                             the next may come before the last is told to have been sent */
    struct {
        pid_t thread;
        unsigned reads;
    } readers[SFS_READERS_MAX]; /* the first `waiting` of them */
} sfs_readers;

void sfs_readers_open(sfs_readers *readers);
void sfs_readers_close(sfs_readers *readers);

/* A read begins to be answered, and was answered. `waits`: its thread goes on when it has the
 * answer; else it may have several reads in flight, of which each takes a processor. */
void sfs_readers_begin(sfs_readers *readers, pid_t thread, bool waits);
void sfs_readers_end(sfs_readers *readers, pid_t thread, bool waits);

/* Whether there are as many as processors. */
bool sfs_readers_are_many(sfs_readers *readers);

#endif
