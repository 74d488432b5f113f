/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/exactness.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "codec/cast.h"

enum { PIECE = 256 };

/* Bits of a float's significand, and its largest value. */
static int precision(sfs_dtype dtype)
{
    return dtype.size == 8 ? 53 : dtype.size == 4 ? 24 : 11;
}

static double largest_float(sfs_dtype dtype)
{
    return dtype.size == 8 ? 0x1.fffffffffffffp1023 : dtype.size == 4 ? 0x1.fffffep127 : 65504;
}

/* Up to this number, a type holds every integer from 0 on. */
static double largest_integer(sfs_dtype dtype)
{
    if (dtype.kind == 'f')
        return ldexp(1, precision(dtype));
    return ldexp(1, (int)dtype.size * 8 - (dtype.kind == 'i')) - 1;
}

static double smallest_integer(sfs_dtype dtype)
{
    return dtype.kind == 'i' ? -ldexp(1, (int)dtype.size * 8 - 1) : 0;
}

/* Whether a type holds all that another does. */
static bool contains(sfs_dtype type, sfs_dtype from)
{
    if (from.kind == 'f')
        return type.kind == 'f' && type.size >= from.size;
    int bits = (int)from.size * 8 - (from.kind == 'i');
    if (type.kind == 'f')
        return bits <= precision(type) && ldexp(1, bits) <= largest_float(type);
    bool sign = from.kind == 'i' && type.kind != 'i';
    return !sign && bits <= (int)type.size * 8 - (type.kind == 'i');
}

void sfs_exactness_open(sfs_exactness *exactness, sfs_dtype dtype)
{
    *exactness = (sfs_exactness){.dtype = dtype};
    for (size_t i = 0; i < SFS_VALUE_TYPES; i++)
        exactness->certain[i] = contains(sfs_value_types[i].dtype, dtype);
}

static bool is_integer_type(sfs_dtype dtype)
{
    return dtype.kind != 'f';
}

/* An integer, as sign and size. */
static uint64_t load_size(sfs_dtype dtype, const void *value, bool *negative)
{
    int64_t wide;
    if (dtype.kind != 'i') {
        uint64_t size;
        sfs_cast(dtype, value, (sfs_dtype){'u', 8}, &size, 1);
        *negative = false;
        return size;
    }
    sfs_cast(dtype, value, (sfs_dtype){'i', 8}, &wide, 1);
    *negative = wide < 0;
    return wide < 0 ? -(uint64_t)wide : (uint64_t)wide;
}

static bool integer_fits(sfs_dtype dtype, const void *value, sfs_dtype type)
{
    bool negative;
    uint64_t size = load_size(dtype, value, &negative);
    if (type.kind == 'f') {
        int bits = size ? 64 - __builtin_clzll(size) - __builtin_ctzll(size) : 0;
        return bits <= precision(type) && (double)size <= largest_float(type);
    }
    if (negative)
        return type.kind == 'i' && size <= UINT64_C(1) << (type.size * 8 - 1);
    return size <= UINT64_MAX >> (64 - type.size * 8 + (type.kind == 'i'));
}

static bool float_fits(sfs_dtype dtype, const void *value, sfs_dtype type)
{
    double wide, back;
    uint64_t narrow;
    sfs_cast(dtype, value, (sfs_dtype){'f', 8}, &wide, 1);
    if (type.kind != 'f')
        return wide == nearbyint(wide) && wide >= smallest_integer(type) &&
               (type.size == 8 ? wide < 0x1p63 : wide <= largest_integer(type));
    sfs_cast(dtype, value, type, &narrow, 1);
    sfs_cast(type, &narrow, (sfs_dtype){'f', 8}, &back, 1);
    return isnan(wide) || wide == back;
}

static void print_value(sfs_dtype dtype, const void *value, char out[32])
{
    bool negative;
    if (is_integer_type(dtype)) {
        uint64_t size = load_size(dtype, value, &negative);
        snprintf(out, 32, "%s%" PRIu64, negative ? "-" : "", size);
        return;
    }
    double wide;
    sfs_cast(dtype, value, (sfs_dtype){'f', 8}, &wide, 1);
    snprintf(out, 32, dtype.size == 8 ? "%.17g" : dtype.size == 4 ? "%.9g" : "%.5g", wide);
}

/* Looks at values one by one, for the types that the quick look left open. */
static void look_closely(sfs_exactness *exactness, uint64_t row, const uint8_t *values,
                         uint64_t count, size_t type)
{
    sfs_misfit *misfit = &exactness->misfits[type];
    sfs_dtype dtype = exactness->dtype, wanted = sfs_value_types[type].dtype;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *value = values + i * dtype.size;
        if (is_integer_type(dtype) ? integer_fits(dtype, value, wanted)
                                   : float_fits(dtype, value, wanted))
            continue;
        misfit->found = true;
        misfit->row = row;
        print_value(dtype, value, misfit->value);
        return;
    }
}

/* The largest of the values where all of them are integers from 0 to 2^31, else infinity. */
static double largest_of_integers(sfs_dtype dtype, const uint8_t *values, uint64_t count)
{
    double piece[PIECE], largest = 0;
    for (uint64_t done = 0; done < count; done += PIECE) {
        uint64_t n = count - done < PIECE ? count - done : PIECE;
        int odd = 0;
        sfs_cast(dtype, values + done * dtype.size, (sfs_dtype){'f', 8}, piece, n);
        for (uint64_t i = 0; i < n; i++) {
            bool small = piece[i] >= 0 && piece[i] < 0x1p31;
            double value = small ? piece[i] : 0;
            odd |= !small | (value != (double)(int32_t)value);
            largest = value > largest ? value : largest;
        }
        if (odd)
            return INFINITY;
    }
    return largest;
}

void sfs_exactness_note(sfs_exactness *exactness, uint64_t row, const void *values, uint64_t count)
{
    double largest = -1;
    if (!count)
        return; /* of billions of rows, most may be empty */
    for (size_t i = 0; i < SFS_VALUE_TYPES; i++) {
        if (exactness->certain[i] || exactness->misfits[i].found)
            continue;
        if (largest < 0)
            largest = largest_of_integers(exactness->dtype, values, count);
        if (largest > largest_integer(sfs_value_types[i].dtype))
            look_closely(exactness, row, values, count, i);
    }
}

json_t *sfs_exactness_describe(const sfs_exactness *exactness)
{
    json_t *object = json_object();
    for (size_t i = 0; object && i < SFS_VALUE_TYPES; i++) {
        const sfs_misfit *misfit = &exactness->misfits[i];
        if (misfit->found)
            json_object_set_new(
                object, sfs_value_types[i].name,
                json_pack("{s:I, s:s}", "row", (json_int_t)misfit->row, "value", misfit->value));
    }
    return object;
}
