/* SPDX-License-Identifier: Apache-2.0 */
#include "shufflefs/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The path of this process's control group below /sys/fs/cgroup; "" where it has none. */
static void find_group(char *out, size_t size)
{
    char line[4096];
    FILE *file = fopen("/proc/self/cgroup", "re");
    *out = '\0';
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "0::", 3))
            snprintf(out, size, "%s", line + 3);
    if (file)
        fclose(file);
    out[strcspn(out, "\n")] = '\0';
}

/* What memory.max of a group says; UINT64_MAX where it says nothing. */
static uint64_t limit_of(const char *group)
{
    char path[4200];
    uint64_t limit = UINT64_MAX;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%" SCNu64, &limit) != 1)
        limit = UINT64_MAX;
    if (file)
        fclose(file);
    return limit;
}

/* A group's limit holds for those below it, too. */
uint64_t sfs_memory_limit(void)
{
    char group[4096];
    uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    find_group(group, sizeof group);
    for (;;) {
        uint64_t limit = limit_of(group);
        memory = limit < memory ? limit : memory;
        char *slash = strrchr(group, '/');
        if (!slash)
            return memory;
        *slash = '\0';
    }
}
