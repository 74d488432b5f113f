/* SPDX-License-Identifier: Apache-2.0 */
/* The checksum of the format: the low 32 bits of XXH3-64 (https://xxhash.com), seed 0. */
#ifndef SFS_STORE_CHECKSUM_H
#define SFS_STORE_CHECKSUM_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdint.h>

enum { SFS_PAGE = 4096 }; /* bytes of a file that one page sum covers */

static inline uint32_t sfs_checksum(const void *bytes, size_t size)
{
    return (uint32_t)XXH3_64bits(bytes, size);
}

/* All 64 bits of it. */
static inline uint64_t sfs_hash64(const void *bytes, size_t size)
{
    return XXH3_64bits(bytes, size);
}

/* The checksum of two runs of bytes, each hashed on its own: a sparse row's indices and its values.
 */
static inline uint32_t sfs_checksum_pair(const void *first, size_t first_size, const void *second,
                                         size_t second_size)
{
    uint64_t hash = XXH3_64bits(first, first_size);
    return (uint32_t)XXH3_64bits_withSeed(second, second_size, hash);
}

#endif
