/* SPDX-License-Identifier: Apache-2.0 */
#include "store/map.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

sfs_status sfs_map_set_open(sfs_map_set *set, const char *path, sfs_error *error)
{
    *set = (sfs_map_set){.directory = -1};
    set->path = realpath(path, NULL);
    if (set->path)
        set->directory = open(set->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (set->directory >= 0)
        return 0;
    sfs_status status = -errno;
    sfs_map_set_close(set);
    return sfs_fail(error, status,
                    "expected a collection (a directory NAME.sfs made by mkshufflefs) at %s: %s",
                    path, strerror(-status));
}

void sfs_map_set_close(sfs_map_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        sfs_map *map = set->maps[i];
        munmap((void *)(uintptr_t)map->bytes, map->size);
        close(map->fd);
        free(map->verified);
        free(map->name);
        free(map);
    }
    free(set->maps);
    free(set->path);
    if (set->directory >= 0)
        close(set->directory);
    *set = (sfs_map_set){.directory = -1};
}

static bool name_is_plain(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    return *name && name[strspn(name, allowed)] == '\0' && strcmp(name, ".") && strcmp(name, "..");
}

/* O_NONBLOCK, so that a pipe put there does not hold us up before we see that it is no file. */
static sfs_status open_regular(const sfs_map_set *set, const char *name, uint64_t size, int *out,
                               sfs_error *error)
{
    if (!name_is_plain(name))
        return sfs_fail(error, -EBADMSG,
                        "%s/collection.json: expected file names of A-Z a-z 0-9 _ . - only, found "
                        "\"%.80s\"",
                        set->path, name);
    SFS_AUTO_CLOSE int fd =
        openat(set->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat stat;
    if (fd < 0 || fstat(fd, &stat)) {
        sfs_status status = errno == ELOOP || errno == ENOENT ? -EBADMSG : -errno;
        return sfs_fail(error, status, "%s/%s: expected a regular file: %s", set->path, name,
                        strerror(errno));
    }
    if (!S_ISREG(stat.st_mode))
        return sfs_fail(error, -EBADMSG, "%s/%s: expected a regular file, found something else",
                        set->path, name);
    if ((uint64_t)stat.st_size != size || !size)
        return sfs_fail(error, -EBADMSG,
                        "%s/%s: expected %" PRIu64 " bytes, found %" PRIu64
                        ": the collection is damaged, convert or copy it again",
                        set->path, name, size, (uint64_t)stat.st_size);
    *out = fd;
    fd = -1;
    return 0;
}

sfs_status sfs_map_set_add(sfs_map_set *set, const char *name, uint64_t size, sfs_map **out,
                           sfs_error *error)
{
    SFS_AUTO_CLOSE int fd = -1;
    SFS_TRY(open_regular(set, name, size, &fd, error));

    sfs_map **maps = realloc(set->maps, (set->count + 1) * sizeof *maps);
    if (!maps)
        return sfs_fail_memory(error);
    set->maps = maps;
    SFS_AUTO_FREE sfs_map *map = calloc(1, sizeof *map);
    SFS_AUTO_FREE char *owned_name = strdup(name);
    if (!map || !owned_name)
        return sfs_fail_memory(error);
    void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED)
        return sfs_fail(error, -errno, "%s/%s: cannot map %" PRIu64 " bytes: %s", set->path, name,
                        size, strerror(errno));
    static const int advice[] = {
        [SFS_MAP_HUGE] = MADV_HUGEPAGE,
        [SFS_MAP_PAGES] = MADV_RANDOM,
        [SFS_MAP_IN_ORDER] = MADV_SEQUENTIAL,
    };
    madvise(bytes, size, advice[set->mode]);
    if (set->mode == SFS_MAP_PAGES)
        posix_fadvise(fd, 0, 0, POSIX_FADV_NOREUSE); /* heeded from Linux 6.3 on */
    *map = (sfs_map){.name = owned_name, .fd = fd, .bytes = bytes, .size = size};
    fd = -1;
    set->maps[set->count++] = map;
    *out = map;
    owned_name = NULL;
    map = NULL;
    return 0;
}

void sfs_map_set_drop(const sfs_map_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        madvise((void *)(uintptr_t)set->maps[i]->bytes, set->maps[i]->size, MADV_DONTNEED);
}

sfs_status sfs_map_check_size(const sfs_map *map, sfs_error *error)
{
    struct stat stat;
    if (!fstat(map->fd, &stat) && (uint64_t)stat.st_size == map->size)
        return 0;
    return sfs_fail(error, -EIO,
                    "%s: expected %" PRIu64 " bytes as when it was opened, found %" PRIu64
                    ": restore the collection and mount it again",
                    map->name, map->size, (uint64_t)stat.st_size);
}

const sfs_map *sfs_map_set_find(const sfs_map_set *set, const void *address)
{
    uintptr_t at = (uintptr_t)address;
    for (size_t i = 0; i < set->count; i++) {
        uintptr_t start = (uintptr_t)set->maps[i]->bytes;
        if (at >= start && at - start < set->maps[i]->size)
            return set->maps[i];
    }
    return NULL;
}

sfs_status sfs_map_cover(const sfs_map_set *set, sfs_map *map, const sfs_map *sums_map,
                         const uint32_t *sums, sfs_error *error)
{
    map->verified = calloc(sfs_page_count(map->size) / 64 + 1, sizeof *map->verified);
    if (!map->verified)
        return sfs_fail_memory(error);
    map->page_sums = sums;
    map->sums_map = sums_map;
    if (set->mode == SFS_MAP_PAGES) { /* offsets and tables, which are read again and again */
        madvise((void *)(uintptr_t)map->bytes, map->size, MADV_NORMAL);
        posix_fadvise(map->fd, 0, 0, POSIX_FADV_NORMAL);
    }
    return 0;
}

sfs_status sfs_map_verify_page(const sfs_map *map, uint64_t page, sfs_error *error)
{
    uint64_t offset = page * SFS_PAGE;
    uint64_t length = map->size - offset < SFS_PAGE ? map->size - offset : SFS_PAGE;
    if (sfs_checksum(map->bytes + offset, length) != map->page_sums[page]) {
        SFS_TRY(sfs_map_check_size(map, error));
        SFS_TRY(sfs_map_check_size(map->sums_map, error));
        return sfs_fail(error, -EIO,
                        "%s: expected the bytes that mkshufflefs wrote, found a wrong checksum at "
                        "offset %" PRIu64 " (%" PRIu64 " bytes): restore this file or %s",
                        map->name, offset, length, map->sums_map->name);
    }
    sfs_bit_set(map->verified, page);
    return 0;
}

sfs_status sfs_array_open(const sfs_map *map, sfs_dtype dtype, uint64_t rows, uint64_t columns,
                          sfs_array *out, sfs_error *error)
{
    char header[SFS_NPY_HEADER];
    uint64_t count, bytes;
    sfs_npy_header(dtype, rows, columns, header);
    if (__builtin_mul_overflow(rows, columns ? columns : 1, &count) ||
        __builtin_mul_overflow(count, dtype.size, &bytes) ||
        __builtin_add_overflow(bytes, SFS_NPY_HEADER, &bytes) || bytes != map->size)
        return sfs_fail(error, -EBADMSG,
                        "%s: expected an array of %" PRIu64 " x %" PRIu64 " elements of %" PRIu32
                        " bytes and a header of %d, found %" PRIu64 " bytes",
                        map->name, rows, columns ? columns : 1, dtype.size, SFS_NPY_HEADER,
                        map->size);
    SFS_TRY(sfs_map_verify(map, 0, SFS_NPY_HEADER, error));
    if (memcmp(map->bytes, header, SFS_NPY_HEADER) != 0)
        return sfs_fail(error, -EBADMSG, "%s: expected the .npy header %.*s", map->name,
                        SFS_NPY_HEADER - 11, header + 10);
    *out = (sfs_array){
        .map = map, .items = map->bytes + SFS_NPY_HEADER, .count = count, .dtype = dtype};
    return 0;
}
