/* SPDX-License-Identifier: Apache-2.0 */
/* Work on a collection that is cut into tasks, done by as many threads as there are cores. */
#ifndef SFS_SELECT_PARALLEL_H
#define SFS_SELECT_PARALLEL_H

#include "store/guard.h"

enum { SFS_WORKERS_MAX = 16 };

/* Does one task; worker < the number of workers, so that each can have memory of its own. Runs in a
 * guard: see store/guard.h. */
typedef sfs_status (*sfs_parallel_body)(void *context, unsigned worker, uint64_t task,
                                        sfs_error *error);

/* How many workers so many tasks are worth: at least 1, at most SFS_WORKERS_MAX, the cores that
 * this process may use, and the tasks. */
unsigned sfs_parallel_workers(uint64_t tasks);

/* Calls body once for each task, by up to `workers` threads, this one among them; tasks are begun
 * in order. Returns when all are done. After a failure no task is begun, and the first failure is
 * what this returns. */
sfs_status sfs_parallel(const sfs_map_set *files, uint64_t tasks, unsigned workers,
                        sfs_parallel_body body, void *context, sfs_error *error);

#endif
