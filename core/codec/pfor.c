/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/pfor.h"

#include <string.h>

enum { WIDTHS = 33 };

static unsigned width_of(uint32_t number)
{
    return number ? 32 - (unsigned)__builtin_clz(number) : 0;
}

static void pack(const uint32_t *numbers, unsigned n, unsigned width, uint8_t *out)
{
    uint64_t mask = (UINT64_C(1) << width) - 1, word = 0;
    unsigned bits = 0;
    for (unsigned i = 0; i < n; i++) {
        word |= (numbers[i] & mask) << bits;
        for (bits += width; bits >= 8; bits -= 8, word >>= 8)
            *out++ = (uint8_t)word;
    }
    if (bits)
        *out = (uint8_t)word;
}

/* What a block takes, without its first byte, when `over` of its numbers have more than `width` of
 * the `most` bits. */
static size_t size_with(unsigned n, unsigned width, unsigned most, unsigned over)
{
    size_t size = sfs_pfor_packed(n, width);
    return over ? size + 2 + over + sfs_pfor_packed(over, most - width) : size;
}

/* The width that makes the block smallest, where an exception counts as a byte more than it takes:
 * patching one takes as long as unpacking several numbers. Of counts, that is 1.02 times the bytes
 * and half the exceptions. Of two such widths, the one with fewer of them. */
static unsigned best_width(const uint32_t *numbers, unsigned n, unsigned *most)
{
    unsigned counts[WIDTHS] = {0}, best, over = 0;
    for (unsigned i = 0; i < n; i++)
        counts[width_of(numbers[i])]++;
    for (best = WIDTHS - 1; best && !counts[best]; best--)
        ;
    *most = best;
    size_t smallest = size_with(n, best, best, 0);
    for (unsigned width = best; width-- > 0;) {
        over += counts[width + 1];
        size_t size = size_with(n, width, *most, over) + over;
        if (size < smallest) {
            smallest = size;
            best = width;
        }
    }
    return best;
}

size_t sfs_pfor_encode(const uint32_t *numbers, unsigned n, uint8_t *out)
{
    unsigned most, width = best_width(numbers, n, &most), exceptions = 0;
    uint32_t highs[SFS_BLOCK];
    uint8_t places[SFS_BLOCK];
    for (unsigned i = 0; width < most && i < n; i++) {
        if (numbers[i] >> width) {
            highs[exceptions] = numbers[i] >> width;
            places[exceptions++] = (uint8_t)i;
        }
    }
    uint8_t *at = out;
    *at++ = (uint8_t)(exceptions ? SFS_PFOR_EXCEPTIONS + width : width);
    if (exceptions) {
        *at++ = (uint8_t)exceptions;
        *at++ = (uint8_t)(most - width);
    }
    pack(numbers, n, width, at);
    at += sfs_pfor_packed(n, width);
    if (exceptions) {
        memcpy(at, places, exceptions);
        at += exceptions;
        pack(highs, exceptions, most - width, at);
        at += sfs_pfor_packed(exceptions, most - width);
    }
    return (size_t)(at - out);
}
