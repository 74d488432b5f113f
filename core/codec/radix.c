/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/radix.h"

#include <string.h>

enum { DIGIT = 8, SMALL = 48 };

static void insertion_sort(uint64_t *keys, size_t count, unsigned low, uint64_t mask)
{
    for (size_t i = 1; i < count; i++) {
        uint64_t key = keys[i];
        size_t to = i;
        for (; to && (keys[to - 1] >> low & mask) > (key >> low & mask); to--)
            keys[to] = keys[to - 1];
        keys[to] = key;
    }
}

static void sort_digit(const uint64_t *from, uint64_t *to, size_t count, unsigned low,
                       unsigned mask)
{
    size_t starts[1 << DIGIT] = {0};
    for (size_t i = 0; i < count; i++)
        starts[from[i] >> low & mask]++;
    size_t start = 0;
    for (unsigned digit = 0; digit <= mask; digit++) {
        size_t here = starts[digit];
        starts[digit] = start;
        start += here;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[from[i] >> low & mask]++] = from[i];
}

uint64_t *sfs_radix_sort(uint64_t *keys, uint64_t *scratch, size_t count, unsigned low,
                         unsigned width)
{
    if (count <= SMALL) {
        insertion_sort(keys, count, low, width < 64 ? (UINT64_C(1) << width) - 1 : UINT64_MAX);
        return keys;
    }
    for (unsigned done = 0; done < width; done += DIGIT) {
        unsigned digit = width - done < DIGIT ? width - done : DIGIT;
        sort_digit(keys, scratch, count, low + done, (1u << digit) - 1);
        uint64_t *sorted = scratch;
        scratch = keys;
        keys = sorted;
    }
    return keys;
}

void sfs_radix_gather(void *to, const void *from, const uint64_t *keys, size_t count, size_t item)
{
    char *out = to;
    const char *in = from;
    for (size_t i = 0; i < count; i++) {
        size_t source = (uint32_t)keys[i];
        switch (item) { /* of a known size, a copy is one instruction */
        case 1:
            memcpy(out + i, in + source, 1);
            break;
        case 2:
            memcpy(out + 2 * i, in + 2 * source, 2);
            break;
        case 4:
            memcpy(out + 4 * i, in + 4 * source, 4);
            break;
        default:
            memcpy(out + 8 * i, in + 8 * source, 8);
        }
    }
}
