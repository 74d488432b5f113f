/* SPDX-License-Identifier: Apache-2.0 */
#include "shufflefs/memory.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where the limits of this process's control group are: in version 2, and in version 1. */
static const struct {
    const char *line; /* of /proc/self/cgroup, behind its number */
    const char *directory, *file;
} versions[] = {{"::", "/sys/fs/cgroup", "memory.max"},
                {":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes"}};

/* The path of the group below the directory; false where there is none. */
static bool find_group(const char *wanted, char *out, size_t size)
{
    char line[4096];
    bool found = false;
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && !found && fgets(line, sizeof line, file)) {
        const char *rest = line + strspn(line, "0123456789");
        found = !strncmp(rest, wanted, strlen(wanted));
        if (found)
            snprintf(out, size, "%s", rest + strlen(wanted));
    }
    if (file)
        fclose(file);
    out[found ? strcspn(out, "\n") : 0] = '\0';
    return found;
}

/* What a group's file says; UINT64_MAX where it says nothing. */
static uint64_t limit_of(const char *directory, const char *group, const char *name)
{
    char path[4300];
    uint64_t limit;
    snprintf(path, sizeof path, "%s%s/%s", directory, group, name);
    FILE *file = fopen(path, "re");
    bool told = file && fscanf(file, "%" SCNu64, &limit) == 1;
    if (file)
        fclose(file);
    return told ? limit : UINT64_MAX;
}

/* A group's limit holds for those below it, too. */
uint64_t sfs_memory_limit(void)
{
    char group[4096];
    uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        if (!find_group(versions[i].line, group, sizeof group))
            continue;
        for (char *slash = group; slash;) {
            uint64_t limit = limit_of(versions[i].directory, group, versions[i].file);
            memory = limit < memory ? limit : memory;
            slash = strrchr(group, '/');
            if (slash)
                *slash = '\0';
        }
    }
    return memory;
}
