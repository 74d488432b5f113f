/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/normalize.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "codec/radix.h"

/* Wide enough for the sum of any number of 64-bit integers that a row can have. */
__extension__ typedef __int128 wide;

/* Memory for sorting one row, as large as the largest so far. */
typedef struct scratch {
    size_t room;
    uint64_t *keys, *other; /* owned */
    char *values;           /* owned */
} scratch;

static void scratch_close(scratch *held)
{
    free(held->keys);
    free(held->other);
    free(held->values);
}

static sfs_status scratch_grow(scratch *held, size_t entries, size_t item, sfs_error *error)
{
    if (entries <= held->room)
        return 0;
    scratch_close(held);
    *held = (scratch){
        .room = entries,
        .keys = malloc(entries * sizeof *held->keys),
        .other = malloc(entries * sizeof *held->other),
        .values = malloc(entries * item),
    };
    return held->keys && held->other && held->values ? 0 : sfs_fail_memory(error);
}

typedef enum row_state { ROW_READY, ROW_UNSORTED, ROW_REPEATS, ROW_OUT_OF_RANGE } row_state;

/* What has to be done to a row: unsorted includes that it may repeat columns. */
static row_state examine(const int32_t *indices, uint32_t count, uint64_t columns)
{
    bool descends = false, repeats = false;
    uint64_t largest = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t index = (uint32_t)indices[i]; /* a negative one becomes very large */
        largest = index > largest ? index : largest;
        descends |= i && indices[i] < indices[i - 1];
        repeats |= i && indices[i] == indices[i - 1];
    }
    if (count && (largest > INT32_MAX || largest >= columns))
        return ROW_OUT_OF_RANGE;
    return descends ? ROW_UNSORTED : repeats ? ROW_REPEATS : ROW_READY;
}

/* Sorts a row by column; entries of the same column stay in the order in which they are stored. */
static sfs_status sort_row(int32_t *indices, char *values, uint32_t count,
                           const sfs_csr_block *block, scratch *held, sfs_error *error)
{
    size_t item = block->dtype.size;
    SFS_TRY(scratch_grow(held, count, item, error));
    for (uint32_t i = 0; i < count; i++)
        held->keys[i] = (uint64_t)(uint32_t)indices[i] << 32 | i;
    const uint64_t *keys =
        sfs_radix_sort(held->keys, held->other, count, 32, sfs_bit_width(block->columns - 1));
    memcpy(held->values, values, count * item);
    sfs_radix_gather(values, held->values, keys, count, item);
    for (uint32_t i = 0; i < count; i++)
        indices[i] = (int32_t)(keys[i] >> 32);
    return 0;
}

static wide load_integer(sfs_dtype dtype, const char *from)
{
    uint64_t bits = 0;
    memcpy(&bits, from, dtype.size);
    unsigned above = 64 - 8 * dtype.size;
    return dtype.kind == 'i' ? (wide)((int64_t)(bits << above) >> above) : (wide)bits;
}

/* False where the sum does not fit. */
static bool sum_integers(sfs_dtype dtype, char *to, const char *from, uint32_t count)
{
    wide sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += load_integer(dtype, from + (size_t)i * dtype.size);
    uint64_t bits = (uint64_t)sum;
    memcpy(to, &bits, dtype.size);
    return load_integer(dtype, to) == sum;
}

static void sum_booleans(char *to, const char *from, uint32_t count)
{
    char any = 0;
    for (uint32_t i = 0; i < count; i++)
        any |= from[i];
    *to = any;
}

/* Floats are added in their own precision and in order, as scipy does. */
#define DEFINE_SUM(name, type)                                                                     \
    static void name(char *to, const char *from, uint32_t count)                                   \
    {                                                                                              \
        type sum, term;                                                                            \
        memcpy(&sum, from, sizeof sum);                                                            \
        for (uint32_t i = 1; i < count; i++) {                                                     \
            memcpy(&term, from + i * sizeof term, sizeof term);                                    \
            sum = (type)(sum + term);                                                              \
        }                                                                                          \
        memcpy(to, &sum, sizeof sum);                                                              \
    }
DEFINE_SUM(sum_float, float)
DEFINE_SUM(sum_double, double)

static float half_to_float(uint16_t half)
{
    int exponent = half >> 10 & 31, mantissa = half & 1023;
    float size = exponent == 31 ? (mantissa ? NAN : INFINITY)
                 : exponent     ? ldexpf((float)(mantissa + 1024), exponent - 25)
                                : ldexpf((float)mantissa, -24);
    return half >> 15 ? -size : size;
}

static uint16_t half_from_float(float value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    float size = fabsf(value);
    if (isnan(size))
        return sign | 0x7e00;
    if (size >= 65520.0f) /* rounds to more than the largest */
        return sign | 0x7c00;
    if (size < 0x1p-14f) /* subnormal, or rounds to the smallest that is not */
        return (uint16_t)(sign + (int)rintf(ldexpf(size, 24)));
    int exponent;
    float fraction = frexpf(size, &exponent);
    return (uint16_t)(sign + ((exponent + 13) << 10) + (int)rintf(ldexpf(fraction, 11)));
}

/* Not every compiler has half precision. Through float, each sum is rounded as if it had. */
static void sum_half(char *to, const char *from, uint32_t count)
{
    uint16_t sum, term;
    memcpy(&sum, from, sizeof sum);
    for (uint32_t i = 1; i < count; i++) {
        memcpy(&term, from + i * sizeof term, sizeof term);
        sum = half_from_float(half_to_float(sum) + half_to_float(term));
    }
    memcpy(to, &sum, sizeof sum);
}

/* Writes the sum of `count` values to `to`, which may be the first of them; false where it does not
 * fit. */
static bool sum_values(sfs_dtype dtype, char *to, const char *from, uint32_t count)
{
    if (dtype.kind == 'i' || dtype.kind == 'u')
        return sum_integers(dtype, to, from, count);
    if (dtype.kind == 'b')
        sum_booleans(to, from, count);
    else if (dtype.size == 2)
        sum_half(to, from, count);
    else if (dtype.size == 4)
        sum_float(to, from, count);
    else
        sum_double(to, from, count);
    return true;
}

/* Adds up the repeats of a sorted row in place. *count becomes the number of entries left. */
static sfs_status merge_repeats(int32_t *indices, char *values, uint32_t *count, uint64_t row,
                                sfs_dtype dtype, sfs_error *error)
{
    uint32_t kept = 0;
    for (uint32_t first = 0, last; first < *count; first = last) {
        last = first + 1;
        while (last < *count && indices[last] == indices[first])
            last++;
        char *to = values + (size_t)kept * dtype.size;
        const char *from = values + (size_t)first * dtype.size;
        if (last - first == 1)
            memmove(to, from, dtype.size);
        else if (!sum_values(dtype, to, from, last - first))
            return sfs_fail(error, -EINVAL,
                            "row %" PRIu64 ", column %" PRId32 ": expected the sum of its %" PRIu32
                            " entries to fit its type, %s of %" PRIu32 " bits",
                            row, indices[first], last - first,
                            dtype.kind == 'i' ? "an integer" : "an unsigned integer",
                            8 * dtype.size);
        indices[kept++] = indices[first];
    }
    *count = kept;
    return 0;
}

static sfs_status fail_range(const int32_t *indices, uint64_t row, uint64_t columns,
                             sfs_error *error)
{
    while (*indices >= 0 && (uint64_t)*indices < columns)
        indices++;
    return sfs_fail(error, -EINVAL,
                    "row %" PRIu64 ": expected column indices from 0 to %" PRId64
                    ", found %" PRId32,
                    row, (int64_t)columns - 1, *indices);
}

static uint64_t count_zeros(const char *values, uint64_t count, sfs_dtype dtype)
{
    /* A float is 0 with any sign. */
    uint64_t ignored = dtype.kind == 'f' ? UINT64_C(1) << (8 * dtype.size - 1) : 0, zeros = 0;
    switch (dtype.size) {
    case 1:
        for (uint64_t i = 0; i < count; i++)
            zeros += !values[i];
        return zeros;
    case 2:
        for (uint64_t i = 0; i < count; i++)
            zeros += !(((const uint16_t *)(const void *)values)[i] & ~(uint16_t)ignored);
        return zeros;
    case 4:
        for (uint64_t i = 0; i < count; i++)
            zeros += !(((const uint32_t *)(const void *)values)[i] & ~(uint32_t)ignored);
        return zeros;
    default:
        for (uint64_t i = 0; i < count; i++)
            zeros += !(((const uint64_t *)(const void *)values)[i] & ~ignored);
        return zeros;
    }
}

/* Brings one row into form where it stands. */
static sfs_status normalize_row(sfs_csr_block *block, uint64_t r, uint64_t at, scratch *held,
                                sfs_matrix_stats *stats, sfs_error *error)
{
    int32_t *indices = block->indices + at;
    char *values = (char *)block->values + at * block->dtype.size;
    uint32_t before = block->nnz[r];
    row_state state = examine(indices, before, block->columns);
    if (state == ROW_READY)
        return 0;
    if (state == ROW_OUT_OF_RANGE)
        return fail_range(indices, block->first_row + r, block->columns, error);
    if (state == ROW_UNSORTED) {
        stats->unsorted_rows++;
        SFS_TRY(sort_row(indices, values, before, block, held, error));
    }
    SFS_TRY(
        merge_repeats(indices, values, &block->nnz[r], block->first_row + r, block->dtype, error));
    stats->duplicates += before - block->nnz[r];
    return 0;
}

sfs_status sfs_csr_normalize(sfs_csr_block *block, sfs_matrix_stats *stats, sfs_error *error)
{
    __attribute__((cleanup(scratch_close))) scratch held = {0};
    size_t item = block->dtype.size;
    char *values = block->values;
    uint64_t from = 0, to = 0;
    for (uint64_t r = 0; r < block->rows; r++) {
        uint32_t before = block->nnz[r];
        SFS_TRY(normalize_row(block, r, from, &held, stats, error));
        if (to != from) {
            memmove(block->indices + to, block->indices + from,
                    block->nnz[r] * sizeof *block->indices);
            memmove(values + to * item, values + from * item, block->nnz[r] * item);
        }
        from += before;
        to += block->nnz[r];
    }
    stats->explicit_zeros += count_zeros(values, to, block->dtype);
    return 0;
}
