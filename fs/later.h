/* SPDX-License-Identifier: Apache-2.0 */
/* Answers requests that may take long, such as those that work out a view, in threads of their own:
 * they hold up no other request. */
#ifndef SFS_FS_LATER_H
#define SFS_FS_LATER_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdbool.h>

typedef struct sfs_later {
    pthread_mutex_t lock; /* guards running */
    pthread_cond_t ended;
    unsigned running; /* threads that have not answered yet */
} sfs_later;

void sfs_later_open(sfs_later *later);

/* Waits until all have answered. */
void sfs_later_close(sfs_later *later);

/* A request, and what it is answered with. */
typedef struct sfs_late_request {
    fuse_req_t request;
    fuse_ino_t node;
    const char *name; /* NULL where the request has none */
    size_t size;
    off_t offset;
    struct fuse_file_info info;
    void (*answer)(const struct sfs_late_request *request);
} sfs_late_request;

/* Has a thread answer a copy of the request. False where there is none to be had: the caller then
 * answers it. */
bool sfs_later_answer(sfs_later *later, const sfs_late_request *request);

#endif
