/* SPDX-License-Identifier: Apache-2.0 */
#include "readers.h"

#include <sched.h>
#include <unistd.h>

void sfs_readers_open(sfs_readers *readers)
{
    cpu_set_t processors;
    long count = sched_getaffinity(0, sizeof processors, &processors)
                     ? sysconf(_SC_NPROCESSORS_ONLN) /* more than the set has room for */
                     : CPU_COUNT(&processors);
    *readers = (sfs_readers){.processors = count > 1 ? (unsigned)count : 1};
    pthread_mutex_init(&readers->lock, NULL);
}

void sfs_readers_close(sfs_readers *readers)
{
    pthread_mutex_destroy(&readers->lock);
}

/* Called with the lock: where a reader is, or would be. */
static unsigned find(const sfs_readers *readers, pid_t thread)
{
    unsigned i = 0;
    while (i < readers->waiting && readers->readers[i].thread != thread)
        i++;
    return i;
}

void sfs_readers_begin(sfs_readers *readers, pid_t thread, bool waits)
{
    pthread_mutex_lock(&readers->lock);
    if (!waits) {
        readers->in_flight++;
    } else {
        unsigned i = find(readers, thread);
        if (i < readers->waiting) {
            readers->readers[i].reads++;
        } else if (i < SFS_READERS_MAX) {
            readers->readers[i].thread = thread;
            readers->readers[i].reads = 1;
            readers->waiting++;
        }
    }
    pthread_mutex_unlock(&readers->lock);
}

void sfs_readers_end(sfs_readers *readers, pid_t thread, bool waits)
{
    pthread_mutex_lock(&readers->lock);
    if (!waits) {
        readers->in_flight--;
    } else {
        unsigned i = find(readers, thread);
        if (i < readers->waiting && !--readers->readers[i].reads)
            readers->readers[i] = readers->readers[--readers->waiting];
    }
    pthread_mutex_unlock(&readers->lock);
}

bool sfs_readers_are_many(sfs_readers *readers)
{
    pthread_mutex_lock(&readers->lock);
    bool many = readers->in_flight + readers->waiting >= readers->processors;
    pthread_mutex_unlock(&readers->lock);
    return many;
}
