/* SPDX-License-Identifier: Apache-2.0 */
#include "demand.h"

#include "processors.h"

void sfs_demand_open(sfs_demand *demand)
{
    *demand = (sfs_demand){.processors = sfs_processors()};
    pthread_mutex_init(&demand->lock, NULL);
}

void sfs_demand_close(sfs_demand *demand)
{
    pthread_mutex_destroy(&demand->lock);
}

/* Called with the lock: where a thread is, or would be. */
static unsigned find(const sfs_demand *demand, pid_t thread)
{
    unsigned i = 0;
    while (i < demand->waiting && demand->threads[i].thread != thread)
        i++;
    return i;
}

static void begin_waiting(sfs_demand *demand, pid_t thread)
{
    pthread_mutex_lock(&demand->lock);
    unsigned i = find(demand, thread);
    if (i < demand->waiting) {
        demand->threads[i].reads++;
    } else if (i < SFS_DEMAND_THREADS) {
        demand->threads[i].thread = thread;
        demand->threads[i].reads = 1;
        demand->waiting++;
        atomic_fetch_add(&demand->readers, 1);
    }
    pthread_mutex_unlock(&demand->lock);
}

static void end_waiting(sfs_demand *demand, pid_t thread)
{
    pthread_mutex_lock(&demand->lock);
    unsigned i = find(demand, thread);
    if (i < demand->waiting && !--demand->threads[i].reads) {
        demand->threads[i] = demand->threads[--demand->waiting];
        atomic_fetch_sub(&demand->readers, 1);
    }
    pthread_mutex_unlock(&demand->lock);
}

void sfs_demand_begin(sfs_demand *demand, pid_t thread, bool waits)
{
    if (waits)
        begin_waiting(demand, thread);
    else
        atomic_fetch_add(&demand->readers, 1);
}

void sfs_demand_end(sfs_demand *demand, pid_t thread, bool waits)
{
    if (waits)
        end_waiting(demand, thread);
    else
        atomic_fetch_sub(&demand->readers, 1);
}

bool sfs_demand_is_full(const sfs_demand *demand)
{
    return atomic_load(&demand->readers) >= demand->processors;
}
