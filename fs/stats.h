/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon has done since it was mounted, for .shufflefs/stats.json. Counting takes no lock;
 * docs/shufflefs.1 lists what is told. */
#ifndef SFS_FS_STATS_H
#define SFS_FS_STATS_H

#include <stdatomic.h>

#include "batches.h"
#include "options.h"

typedef enum sfs_counter {
    SFS_COUNT_LOOKUPS,
    SFS_COUNT_OPENS,
    SFS_COUNT_BATCHES_OPENED,
    SFS_COUNT_READS,
    SFS_COUNT_BYTES_SENT,
    SFS_COUNT_ERRORS, /* answers of EIO */
    SFS_COUNTERS,
} sfs_counter;

enum { SFS_LATENCIES = 24 };

enum { SFS_CACHE_LINE = 64 };

/* Any number of threads may count at once; in cache lines of its own, as what is next to it is read
 * by all of them. */
typedef struct sfs_stats {
    _Alignas(SFS_CACHE_LINE) _Atomic uint64_t counts[SFS_COUNTERS];
    _Atomic uint64_t latencies[SFS_LATENCIES]; /* reads that took less than 2^i microseconds, and
                                                  no less than half of that; the last: or more */
    uint64_t started;                          /* on sfs_stats_clock */
    uint64_t cache_size, view_cache_size;      /* as the mount options say */
    sfs_tree *tree;                            /* borrowed, as what follows */
    sfs_batches *batches;
} sfs_stats;

void sfs_stats_open(sfs_stats *stats, sfs_tree *tree, sfs_batches *batches,
                    const sfs_options *options);

static inline void sfs_stats_add(sfs_stats *stats, sfs_counter counter, uint64_t count)
{
    atomic_fetch_add_explicit(&stats->counts[counter], count, memory_order_relaxed);
}

/* Nanoseconds from some moment on. */
uint64_t sfs_stats_clock(void);

/* A read is answered with so many segments. */
void sfs_stats_add_read(sfs_stats *stats, const struct iovec *segments, int count);

/* A read that began at `start` was answered. */
void sfs_stats_add_latency(sfs_stats *stats, uint64_t start);

/* An sfs_stats_source; context is the sfs_stats. */
char *sfs_stats_text(void *context);

#endif
