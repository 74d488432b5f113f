/* SPDX-License-Identifier: Apache-2.0 */
/* Elements of one type as another, one by one and through the widest type that there is: what
 * codec/cast.h says, said a second time. */
#ifndef SFS_TESTS_REFERENCE_CAST_H
#define SFS_TESTS_REFERENCE_CAST_H

#include <math.h>

#include "codec/cast.h"

_Static_assert(sizeof(long double) > 8, "long double holds every int64 and uint64");

static inline long double load_integer(sfs_dtype dtype, const void *element)
{
    uint64_t bits = 0;
    memcpy(&bits, element, dtype.size);
    unsigned sign = dtype.size * 8 - 1;
    if (dtype.kind == 'i' && bits >> sign)
        return (long double)bits - 2 * (long double)(UINT64_C(1) << sign);
    return (long double)bits;
}

static inline long double load_element(sfs_dtype dtype, const void *element)
{
    uint16_t half;
    float single;
    double twice;
    if (dtype.kind != 'f')
        return load_integer(dtype, element);
    if (dtype.size == 8) {
        memcpy(&twice, element, sizeof twice);
        return twice;
    }
    if (dtype.size == 4) {
        memcpy(&single, element, sizeof single);
        return single;
    }
    memcpy(&half, element, sizeof half);
    long double size = half >> 10 & 31 ? ldexpl(1024 + (half & 1023), (half >> 10 & 31) - 25)
                                       : ldexpl(half & 1023, -24);
    if ((half & 0x7c00) == 0x7c00)
        size = half & 1023 ? (long double)NAN : (long double)INFINITY;
    return half >> 15 ? -size : size;
}

static inline void store_integer(sfs_dtype dtype, long double value, void *element)
{
    long double range = ldexpl(1, (int)dtype.size * 8);
    long double low = dtype.kind == 'i' ? -range / 2 : 0, high = low + range - 1;
    value = isnan(value) ? 0 : rintl(value);
    value = value < low ? low : value > high ? high : value;
    uint64_t bits = value < 0 ? (uint64_t)(int64_t)value : (uint64_t)value;
    memcpy(element, &bits, dtype.size);
}

/* The half nearest to a number: the largest one below it, or the next, found by halving. */
static inline uint16_t nearest_half(long double value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0, low = 0, high = 0x7c00;
    long double size = fabsl(value);
    if (isnan(value))
        return (uint16_t)(sign | 0x7e00);
    while (high - low > 1) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        if (load_element((sfs_dtype){'f', 2}, &middle) <= size)
            low = middle;
        else
            high = middle;
    }
    long double below = load_element((sfs_dtype){'f', 2}, &low);
    long double above = high == 0x7c00 ? 65536 : load_element((sfs_dtype){'f', 2}, &high);
    long double middle = (below + above) / 2;
    bool up = size > middle || (size == middle && low % 2);
    return (uint16_t)(sign | (up ? high : low));
}

static inline void store_element(sfs_dtype dtype, long double value, void *element)
{
    double twice = (double)value;
    float single = (float)value;
    uint16_t half;
    if (dtype.kind != 'f') {
        store_integer(dtype, value, element);
    } else if (dtype.size == 8) {
        memcpy(element, &twice, sizeof twice);
    } else if (dtype.size == 4) {
        memcpy(element, &single, sizeof single);
    } else {
        half = nearest_half(value);
        memcpy(element, &half, sizeof half);
    }
}

static inline void reference_cast(sfs_dtype from, const void *in, sfs_dtype to, void *out,
                                  uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        store_element(to, load_element(from, (const char *)in + i * from.size),
                      (char *)out + i * to.size);
}

/* The same bytes; of NaN, any. */
static inline bool same_elements(sfs_dtype dtype, const void *a, const void *b, uint64_t count)
{
    if (!memcmp(a, b, count * dtype.size))
        return true;
    for (uint64_t i = 0; i < count; i++) {
        const char *left = (const char *)a + i * dtype.size,
                   *right = (const char *)b + i * dtype.size;
        bool both_nan = isnan(load_element(dtype, left)) && isnan(load_element(dtype, right));
        if (memcmp(left, right, dtype.size) != 0 && !both_nan)
            return false;
    }
    return true;
}

#endif
