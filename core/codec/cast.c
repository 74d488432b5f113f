/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/cast.h"

#include <math.h>

/* Elements on their way are one of these three, which together hold all that is stored. */
typedef union wide {
    int64_t i[256];
    uint64_t u[256];
    double f[256];
} wide;

enum { PIECE = 256 };

double sfs_half_to_double(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double size = exponent == 31 ? (fraction ? NAN : INFINITY)
                  : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                 : ldexp(fraction, -24);
    return half >> 15 ? -size : size;
}

uint16_t sfs_half_from_double(double value)
{
    uint16_t sign = signbit(value) ? 1 << 15 : 0;
    double size = fabs(value);
    if (isnan(value))
        return (uint16_t)(sign | 0x7e00);
    if (size >= 65520) /* rounds to 2^16 */
        return (uint16_t)(sign | 0x7c00);
    int exponent;
    frexp(size, &exponent);
    if (size < 0x1p-14)
        exponent = -13; /* zero and subnormal: in units of 2^-24 */
    int units = (int)nearbyint(ldexp(size, 11 - exponent));
    return (uint16_t)(sign | (units + ((exponent + 13) << 10)));
}

#define LOAD(type, member)                                                                         \
    for (uint64_t i = 0; i < count; i++) {                                                         \
        type element;                                                                              \
        memcpy(&element, in + i * sizeof element, sizeof element);                                 \
        out->member[i] = element;                                                                  \
    }                                                                                              \
    break

static void load_integers(sfs_dtype from, const uint8_t *in, uint64_t count, wide *out)
{
    switch (from.size * 2 + (from.kind == 'i')) {
    case 2:
        LOAD(uint8_t, i);
    case 3:
        LOAD(int8_t, i);
    case 4:
        LOAD(uint16_t, i);
    case 5:
        LOAD(int16_t, i);
    case 8:
        LOAD(uint32_t, i);
    case 9:
        LOAD(int32_t, i);
    case 16:
        LOAD(uint64_t, u);
    default:
        LOAD(int64_t, i);
    }
}

static void load_floats(sfs_dtype from, const uint8_t *in, uint64_t count, wide *out)
{
    switch (from.size) {
    case 2:
        for (uint64_t i = 0; i < count; i++) {
            uint16_t half;
            memcpy(&half, in + i * sizeof half, sizeof half);
            out->f[i] = sfs_half_to_double(half);
        }
        break;
    case 4:
        LOAD(float, f);
    default:
        LOAD(double, f);
    }
}

#define STORE(type, expression)                                                                    \
    for (uint64_t i = 0; i < count; i++) {                                                         \
        type element = (type)(expression);                                                         \
        memcpy(out + i * sizeof element, &element, sizeof element);                                \
    }                                                                                              \
    break

#define CLAMP(value, low, high) ((value) < (low) ? (low) : (value) > (high) ? (high) : (value))

/* To a float: the same of any of the three. */
#define STORE_FLOAT(member)                                                                        \
    switch (to.size) {                                                                             \
    case 2:                                                                                        \
        for (uint64_t i = 0; i < count; i++) {                                                     \
            uint16_t half = sfs_half_from_double((double)in->member[i]);                           \
            memcpy(out + i * sizeof half, &half, sizeof half);                                     \
        }                                                                                          \
        break;                                                                                     \
    case 4:                                                                                        \
        STORE(float, in->member[i]);                                                               \
    default:                                                                                       \
        STORE(double, in->member[i]);                                                              \
    }

static void store_signed(const wide *in, sfs_dtype to, uint64_t count, uint8_t *out)
{
    if (to.kind == 'f') {
        STORE_FLOAT(i)
        return;
    }
    switch (to.size * 2 + (to.kind == 'i')) {
    case 2:
        STORE(uint8_t, CLAMP(in->i[i], 0, UINT8_MAX));
    case 3:
        STORE(int8_t, CLAMP(in->i[i], INT8_MIN, INT8_MAX));
    case 4:
        STORE(uint16_t, CLAMP(in->i[i], 0, UINT16_MAX));
    case 5:
        STORE(int16_t, CLAMP(in->i[i], INT16_MIN, INT16_MAX));
    case 8:
        STORE(uint32_t, CLAMP(in->i[i], 0, UINT32_MAX));
    case 9:
        STORE(int32_t, CLAMP(in->i[i], INT32_MIN, INT32_MAX));
    case 16:
        STORE(uint64_t, in->i[i] < 0 ? 0 : in->i[i]);
    default:
        STORE(int64_t, in->i[i]);
    }
}

static void store_unsigned(const wide *in, sfs_dtype to, uint64_t count, uint8_t *out)
{
    if (to.kind == 'f') {
        STORE_FLOAT(u)
        return;
    }
    if (to.kind != 'i' && to.size == 8) {
        memcpy(out, in->u, count * sizeof *in->u);
        return;
    }
    /* The others hold no more than int64 does. */
    wide clamped;
    for (uint64_t i = 0; i < count; i++)
        clamped.i[i] = in->u[i] > INT64_MAX ? INT64_MAX : (int64_t)in->u[i];
    store_signed(&clamped, to, count, out);
}

static inline int64_t integer_of(double value)
{
    if (isnan(value))
        return 0;
    value = nearbyint(value);
    return value >= 0x1p63 ? INT64_MAX : value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

static void store_floats(const wide *in, sfs_dtype to, uint64_t count, uint8_t *out)
{
    if (to.kind == 'f') {
        STORE_FLOAT(f)
        return;
    }
    wide integers;
    for (uint64_t i = 0; i < count; i++) {
        if (to.kind != 'i' && to.size == 8 && in->f[i] >= 0x1p63)
            integers.u[i] = in->f[i] >= 0x1p64 ? UINT64_MAX : (uint64_t)in->f[i];
        else
            integers.i[i] = integer_of(in->f[i]);
    }
    if (to.kind == 'i' || to.size != 8) {
        store_signed(&integers, to, count, out);
        return;
    }
    for (uint64_t i = 0; i < count; i++)
        if (!(in->f[i] >= 0x1p63) && integers.i[i] < 0)
            integers.u[i] = 0;
    memcpy(out, integers.u, count * sizeof *integers.u);
}

static void cast_piece(sfs_dtype from, const uint8_t *in, sfs_dtype to, uint8_t *out,
                       uint64_t count)
{
    wide elements;
    if (from.kind == 'f') {
        load_floats(from, in, count, &elements);
        store_floats(&elements, to, count, out);
        return;
    }
    load_integers(from, in, count, &elements);
    if (from.kind != 'i' && from.size == 8)
        store_unsigned(&elements, to, count, out);
    else
        store_signed(&elements, to, count, out);
}

void sfs_cast(sfs_dtype from, const void *in, sfs_dtype to, void *out, uint64_t count)
{
    if (sfs_dtype_same(from, to)) {
        memcpy(out, in, count * from.size);
        return;
    }
    for (uint64_t done = 0; done < count; done += PIECE) {
        uint64_t piece = count - done < PIECE ? count - done : PIECE;
        cast_piece(from, (const uint8_t *)in + done * from.size, to,
                   (uint8_t *)out + done * to.size, piece);
    }
}
