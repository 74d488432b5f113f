/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers, and random rows of every dtype and of every kind that the packed codec treats in
 * its own way: for the codec's tests. */
#ifndef SFS_TESTS_ROWS_H
#define SFS_TESTS_ROWS_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec/cast.h"
#include "codec/record_encode.h"

static uint64_t random_state;

static inline uint64_t random_bits(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline uint32_t random_below(uint32_t limit)
{
    return (uint32_t)(random_bits() % limit);
}

/* A number of 0 to most bits. */
static inline uint32_t random_of_width(unsigned most)
{
    return (uint32_t)(random_bits() & ((UINT64_C(1) << random_below(most + 1)) - 1));
}

enum { DTYPES = 12 };

static const sfs_dtype dtypes[DTYPES] = {{'b', 1}, {'i', 1}, {'i', 2}, {'i', 4},
                                         {'i', 8}, {'u', 1}, {'u', 2}, {'u', 4},
                                         {'u', 8}, {'f', 2}, {'f', 4}, {'f', 8}};

typedef enum kind {
    KIND_COUNTS,
    KIND_ZEROS,    /* counts and zeros */
    KIND_LARGE,    /* around 2^31 and beyond */
    KIND_NEGATIVE, /* and positive */
    KIND_SPECIAL,  /* NaN, -0.0, infinities; the limits of integers */
    KIND_FEW,      /* distinct ones, of any bits */
    KIND_ANY,      /* any bits */
    KIND_COARSE,   /* fractions with few bits, but many of them */
    KINDS,
} kind;

typedef struct row {
    sfs_dtype dtype;
    uint32_t nnz;
    int32_t *indices; /* owned */
    uint8_t *values;  /* owned */
} row;

static inline double random_number(kind of)
{
    static const double specials[] = {NAN, -0.0, 0.0, INFINITY, -INFINITY, 5e-324, 0x1p63, 0x1p64};
    switch (of) {
    case KIND_COUNTS:
        return 1 + random_of_width(random_below(4) ? 2 : 14);
    case KIND_ZEROS:
        return random_of_width(3);
    case KIND_LARGE:
        return 0x1p31 + random_below(3) - 1 + (random_below(3) ? 0 : random_of_width(32));
    case KIND_NEGATIVE:
        return (double)random_of_width(20) - 1000;
    case KIND_SPECIAL:
        return specials[random_below(8)];
    default:
        return 1 + (double)random_below(1 << 13) / (1 << 13);
    }
}

static inline void random_values(kind of, row *out)
{
    uint64_t few[40];
    for (unsigned i = 0; i < 40; i++)
        few[i] = random_bits();
    for (uint32_t i = 0; i < out->nnz; i++) {
        uint64_t bits = of == KIND_FEW ? few[random_below(40)] : random_bits();
        double number = random_number(of);
        uint8_t *value = out->values + (uint64_t)i * out->dtype.size;
        if (out->dtype.kind == 'b')
            *value = bits & 1;
        else if (of == KIND_FEW || of == KIND_ANY)
            memcpy(value, &bits, out->dtype.size);
        else
            sfs_cast((sfs_dtype){'f', 8}, &number, out->dtype, value, 1);
    }
}

/* Ascending, the last one below columns >= nnz. */
static inline void random_indices(uint64_t columns, row *out)
{
    uint64_t spare = columns - out->nnz, next = 0;
    unsigned style = random_below(3);
    for (uint32_t i = 0; i < out->nnz; i++) {
        uint64_t fair = spare / (out->nnz - i), gap = 0;
        if (style == 0 || (style == 1 && !random_below(40)))
            gap = random_bits() % (2 * fair + 1);
        else if (style == 1)
            gap = random_below(4);
        gap = gap < spare ? gap : spare;
        spare -= gap;
        next += gap;
        out->indices[i] = (int32_t)next++;
    }
}

static inline row random_row(sfs_dtype dtype, kind of, uint32_t nnz, uint64_t columns)
{
    row made = {.dtype = dtype,
                .nnz = nnz,
                .indices = malloc(nnz * sizeof *made.indices),
                .values = malloc((size_t)nnz * dtype.size)};
    if (!made.indices || !made.values)
        abort();
    random_indices(columns, &made);
    random_values(of, &made);
    return made;
}

static inline void free_row(row *made)
{
    free(made->indices);
    free(made->values);
}

/* A copy of exactly so many bytes, so that the address sanitizer sees a read behind them. */
static inline uint8_t *exact_copy(const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

/* Room for exactly so many bytes, behind which there is something that must stay. */
enum { CANARY = 32 };

static inline uint8_t *guarded_room(size_t size)
{
    uint8_t *room = malloc(size + CANARY);
    if (!room)
        abort();
    memset(room, 0xa5, size + CANARY);
    return room;
}

static inline bool guard_holds(const uint8_t *room, size_t size)
{
    for (size_t i = 0; i < CANARY; i++)
        if (room[size + i] != 0xa5)
            return false;
    return true;
}

#endif
