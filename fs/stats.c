/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const uint64_t second = 1000000000;

void sfs_stats_open(sfs_stats *stats, sfs_tree *tree, sfs_batches *batches,
                    const sfs_options *options)
{
    *stats = (sfs_stats){.started = sfs_stats_clock(),
                         .cache_size = options->cache_size,
                         .view_cache_size = options->view_cache_size,
                         .tree = tree,
                         .batches = batches};
}

uint64_t sfs_stats_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * second + (uint64_t)now.tv_nsec;
}

void sfs_stats_add_read(sfs_stats *stats, const struct iovec *segments, int count)
{
    uint64_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += segments[i].iov_len;
    sfs_stats_add(stats, SFS_COUNT_READS, 1);
    sfs_stats_add(stats, SFS_COUNT_BYTES_SENT, bytes);
}

void sfs_stats_add_latency(sfs_stats *stats, uint64_t start)
{
    uint64_t microseconds = (sfs_stats_clock() - start) / 1000;
    unsigned power = microseconds ? 64 - (unsigned)__builtin_clzll(microseconds) : 0;
    atomic_fetch_add_explicit(&stats->latencies[power < SFS_LATENCIES ? power : SFS_LATENCIES - 1],
                              1, memory_order_relaxed);
}

static uint64_t count_of(const sfs_stats *stats, sfs_counter counter)
{
    return atomic_load_explicit(&stats->counts[counter], memory_order_relaxed);
}

/* Bytes of this process in memory; 0 where the system does not say. */
static uint64_t resident(void)
{
    uint64_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*u %" SCNu64, &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Microseconds that so many of a thousand reads were faster than. */
static uint64_t faster_than(const uint64_t latencies[SFS_LATENCIES], uint64_t thousandths)
{
    uint64_t all = 0, so_far = 0;
    for (int i = 0; i < SFS_LATENCIES; i++)
        all += latencies[i];
    for (int i = 0; i < SFS_LATENCIES; i++) {
        so_far += latencies[i];
        if (so_far && so_far * 1000 >= all * thousandths)
            return UINT64_C(1) << i;
    }
    return 0;
}

static void print_reads(FILE *out, const sfs_stats *stats)
{
    uint64_t latencies[SFS_LATENCIES];
    for (int i = 0; i < SFS_LATENCIES; i++)
        latencies[i] = atomic_load_explicit(&stats->latencies[i], memory_order_relaxed);
    fprintf(out,
            " \"lookups\": %" PRIu64 ",\n \"opens\": %" PRIu64 ",\n \"batches_opened\": %" PRIu64
            ",\n \"reads\": %" PRIu64 ",\n \"bytes_sent\": %" PRIu64 ",\n \"errors\": %" PRIu64
            ",\n",
            count_of(stats, SFS_COUNT_LOOKUPS), count_of(stats, SFS_COUNT_OPENS),
            count_of(stats, SFS_COUNT_BATCHES_OPENED), count_of(stats, SFS_COUNT_READS),
            count_of(stats, SFS_COUNT_BYTES_SENT), count_of(stats, SFS_COUNT_ERRORS));
    fprintf(out,
            " \"read_microseconds\": {\n  \"p50\": %" PRIu64 ",\n  \"p99\": %" PRIu64
            ",\n  \"below_powers_of_2\": [",
            faster_than(latencies, 500), faster_than(latencies, 990));
    for (int i = 0; i < SFS_LATENCIES; i++)
        fprintf(out, "%s%" PRIu64, i ? ", " : "", latencies[i]);
    fputs("]\n },\n", out);
}

static void print_pieces(FILE *out, const sfs_stats *stats)
{
    sfs_batches_counts counts;
    sfs_batches_count(stats->batches, &counts);
    fprintf(out,
            " \"pieces\": {\n  \"hits\": %" PRIu64 ",\n  \"misses\": %" PRIu64
            ",\n  \"without_buffer\": %" PRIu64 "\n },\n",
            counts.hits, counts.misses, counts.without_buffer);
    fprintf(out,
            " \"prefetch\": {\n  \"decoded\": %" PRIu64 ",\n  \"used\": %" PRIu64
            ",\n  \"dropped\": %" PRIu64 "\n },\n",
            counts.ahead, counts.ahead_used, counts.ahead_dropped);
    fprintf(out,
            " \"cache\": {\n  \"size\": %" PRIu64 ",\n  \"used\": %" PRIu64
            ",\n  \"files\": %" PRIu64 "\n },\n",
            stats->cache_size, counts.buffer_bytes, counts.files);
}

static void print_views(FILE *out, const sfs_stats *stats)
{
    sfs_view_counts counts;
    sfs_tree_count_views(stats->tree, &counts);
    fprintf(out,
            " \"views\": {\n  \"prepared\": %" PRIu64 ",\n  \"known\": %" PRIu64
            ",\n  \"in_memory\": %" PRIu64 ",\n  \"bytes\": %" PRIu64 ",\n  \"size\": %" PRIu64
            "\n }\n",
            counts.prepared, counts.known, counts.in_memory, counts.bytes, stats->view_cache_size);
}

/* The object as it is, however long. */
static char *print(const sfs_stats *stats)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out,
            "{\n \"format\": \"shufflefs stats\",\n \"version\": \"%s\",\n"
            " \"uptime_seconds\": %" PRIu64 ",\n \"resident_bytes\": %" PRIu64 ",\n",
            SFS_VERSION, (sfs_stats_clock() - stats->started) / second, resident());
    print_reads(out, stats);
    print_pieces(out, stats);
    print_views(out, stats);
    fputs("}", out);
    if (!fclose(out))
        return text;
    free(text);
    return NULL;
}

char *sfs_stats_text(void *context)
{
    char *padded = NULL, *text = print(context);
    if (!text || asprintf(&padded, "%-*s\n", SFS_STATS_SIZE - 1, text) < 0)
        padded = NULL;
    free(text);
    return padded;
}
