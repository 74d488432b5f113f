/* SPDX-License-Identifier: Apache-2.0 */
/* Sorts integers: for rows of sparse matrices, whose keys are an index above and a position below.
 */
#ifndef SFS_CODEC_RADIX_H
#define SFS_CODEC_RADIX_H

#include <stddef.h>
#include <stdint.h>

/* The number of bits that hold all values up to max. */
static inline unsigned sfs_bit_width(uint64_t max)
{
    return max ? 64 - (unsigned)__builtin_clzll(max) : 0;
}

/* Sorts keys by their bits [low, low + width); keys equal in these stay in order. Both arrays have
 * room for count keys; returns the one that holds the result. */
uint64_t *sfs_radix_sort(uint64_t *keys, uint64_t *scratch, size_t count, unsigned low,
                         unsigned width);

/* Copies items to their place in the order of the keys, whose low 32 bits say where they were: item
 * (uint32_t)keys[i] of `from` goes to item i of `to`. An item has 1, 2, 4 or 8 bytes. */
void sfs_radix_gather(void *to, const void *from, const uint64_t *keys, size_t count, size_t item);

#endif
