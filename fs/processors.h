/* SPDX-License-Identifier: Apache-2.0 */
/* How many processors this process may use. */
#ifndef SFS_FS_PROCESSORS_H
#define SFS_FS_PROCESSORS_H

#include <sched.h>
#include <unistd.h>

/* At least 1. */
static inline unsigned sfs_processors(void)
{
    cpu_set_t processors;
    long count = sched_getaffinity(0, sizeof processors, &processors)
                     ? sysconf(_SC_NPROCESSORS_ONLN) /* more than the set has room for */
                     : CPU_COUNT(&processors);
    return count > 1 ? (unsigned)count : 1;
}

#endif
