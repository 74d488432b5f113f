/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a collection, mapped read-only, and their pages' checksums, each verified on its
 * first use. */
#ifndef SFS_STORE_MAP_H
#define SFS_STORE_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/checksum.h"
#include "store/fail.h"
#include "store/npy.h"

/* How files are mapped, by how much memory there is for them. */
typedef enum sfs_map_mode {
    /* In huge pages: random rows of 4 kB are read faster by an eighth. A first read of anything
     * then reads 2 MiB, so only for what fits in memory as a whole. */
    SFS_MAP_HUGE,
    /* A first read reads one page: what is read beside it would push out others. And a page is
     * given up as if it had been read once, however often it was: else those that were asked for,
     * and are read next, go first. Not so what is covered by sums: offsets and tables. */
    SFS_MAP_PAGES,
    /* Files are read once, from the front to the back. */
    SFS_MAP_IN_ORDER,
} sfs_map_mode;

/* One mapped file. Immutable but for `verified`, whose bits any thread may set. */
typedef struct sfs_map {
    char *name; /* owned */
    int fd;     /* owned */
    const uint8_t *bytes;
    uint64_t size;
    const uint32_t *page_sums;      /* one each SFS_PAGE bytes, in sums_map; NULL: not covered */
    const struct sfs_map *sums_map; /* borrowed */
    _Atomic uint64_t *verified;     /* owned; bit p: page p was found to match its sum */
} sfs_map;

/* All files of a collection. */
typedef struct sfs_map_set {
    int directory;  /* owned descriptor, or -1 */
    char *path;     /* owned; of the directory, for messages */
    sfs_map **maps; /* owned, and each of them */
    size_t count;
    sfs_map_mode mode; /* of files that are added from now on */
} sfs_map_set;

sfs_status sfs_map_set_open(sfs_map_set *set, const char *path, sfs_error *error);
void sfs_map_set_close(sfs_map_set *set);

/* Maps the regular file `name` beneath the directory; no links, no other directories. Refused with
 * EBADMSG when its size is not the one expected. The set owns the result. */
sfs_status sfs_map_set_add(sfs_map_set *set, const char *name, uint64_t size, sfs_map **out,
                           sfs_error *error);

/* The map that contains address, or NULL. Safe in a signal handler. */
const sfs_map *sfs_map_set_find(const sfs_map_set *set, const void *address);

/* Gives the memory of all maps back to the kernel, which may keep it as its cache; what is read
 * next is mapped anew. */
void sfs_map_set_drop(const sfs_map_set *set);

/* From now on, pages of map, one of the set, are checked against these sums in sums_map, which
 * outlives map. */
sfs_status sfs_map_cover(const sfs_map_set *set, sfs_map *map, const sfs_map *sums_map,
                         const uint32_t *sums, sfs_error *error);

/* EIO where the file is shorter or longer by now. To be asked after its bytes were read: in the
 * page where a file was cut short, the kernel shows zeros, and only beyond it sends SIGBUS. */
sfs_status sfs_map_check_size(const sfs_map *map, sfs_error *error);

static inline uint64_t sfs_page_count(uint64_t bytes)
{
    return bytes / SFS_PAGE + (bytes % SFS_PAGE != 0);
}

static inline bool sfs_bit_get(const _Atomic uint64_t *bits, uint64_t i)
{
    return atomic_load_explicit(&bits[i / 64], memory_order_relaxed) >> (i % 64) & 1;
}

static inline void sfs_bit_set(_Atomic uint64_t *bits, uint64_t i)
{
    atomic_fetch_or_explicit(&bits[i / 64], UINT64_C(1) << (i % 64), memory_order_relaxed);
}

sfs_status sfs_map_verify_page(const sfs_map *map, uint64_t page, sfs_error *error);

/* Makes sure that bytes [offset, offset + length) are what the converter wrote: EIO otherwise. The
 * caller has checked that they lie in the file, and holds a guard. */
static inline sfs_status sfs_map_verify(const sfs_map *map, uint64_t offset, uint64_t length,
                                        sfs_error *error)
{
    if (!map->verified || !length)
        return 0;
    uint64_t last = (offset + length - 1) / SFS_PAGE;
    for (uint64_t page = offset / SFS_PAGE; page <= last; page++)
        if (__builtin_expect(!sfs_bit_get(map->verified, page), 0))
            SFS_TRY(sfs_map_verify_page(map, page, error));
    return 0;
}

/* A .npy file's elements. */
typedef struct sfs_array {
    const sfs_map *map;
    const uint8_t *items; /* in map; element i is at items + i * dtype.size */
    uint64_t count;
    sfs_dtype dtype;
} sfs_array;

/* Views map as a one- or (columns > 0) two-dimensional array whose header must be exactly the one
 * of that type and shape: EBADMSG otherwise. The caller holds a guard. */
sfs_status sfs_array_open(const sfs_map *map, sfs_dtype dtype, uint64_t rows, uint64_t columns,
                          sfs_array *out, sfs_error *error);

static inline sfs_status sfs_array_verify(const sfs_array *array, uint64_t first, uint64_t count,
                                          sfs_error *error)
{
    return sfs_map_verify(array->map, SFS_NPY_HEADER + first * array->dtype.size,
                          count * array->dtype.size, error);
}

#endif
