/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/narrow.h"

#include <string.h>

#include "codec/pfor.h"

uint32_t sfs_narrow_decode_none(sfs_narrow_run *run, sfs_narrow_form form, uint8_t *out)
{
    (void)run;
    (void)form;
    (void)out;
    return 0;
}

#ifdef __x86_64__

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi2")))
#define AVX2_PART AVX2 static inline __attribute__((always_inline))

/* The widest numbers of which each lies in 2 bytes, whatever its first bit, and eight, or sixteen,
 * lie in 16. */
enum { EIGHTS_WIDTH_MAX = 9, SIXTEEN_WIDTH_MAX = 8 };

enum {
    BITS_MAX = 12, /* so the sum of eight numbers, and of 1 for each, has 16 bits */
    VECTOR = 16,   /* numbers in a vector */
    VECTORS = SFS_BLOCK / VECTOR,
    PLACES = 256, /* what a byte can say; a block's are below SFS_BLOCK */
};

/* For a width: which two bytes each number of a vector lies in, in either lane, and what moves it
 * from where it begins in them to the top of 16 bits. */
struct layout {
    uint8_t bytes[2 * VECTOR];
    uint16_t factors[VECTOR];
};

#define TWO_BYTES(j, w) (j) * (w) / 8, (j) * (w) / 8 + 1
#define FACTOR(j, w) (uint16_t)(0x10000u >> (w) >> ((j) * (w) % 8))
#define FOUR(of, j, w) of(j, w), of((j) + 1, w), of((j) + 2, w), of((j) + 3, w)
#define LAYOUT(a, b, c, d, w)                                                                      \
    {                                                                                              \
        {FOUR(TWO_BYTES, a, w), FOUR(TWO_BYTES, b, w), FOUR(TWO_BYTES, c, w),                      \
         FOUR(TWO_BYTES, d, w)},                                                                   \
            {FOUR(FACTOR, a, w), FOUR(FACTOR, b, w), FOUR(FACTOR, c, w), FOUR(FACTOR, d, w)},      \
    }
#define EIGHTS(w) LAYOUT(0, 4, 0, 4, w)
#define SIXTEEN(w) LAYOUT(0, 8, 4, 12, w)

/* Lanes of eight numbers, each with 16 bytes of its own, in which they begin at bit 0. */
static const struct layout eights[EIGHTS_WIDTH_MAX + 1] = {
    EIGHTS(0), EIGHTS(1), EIGHTS(2), EIGHTS(3), EIGHTS(4),
    EIGHTS(5), EIGHTS(6), EIGHTS(7), EIGHTS(8), EIGHTS(9)};

/* Sixteen numbers of the same 16 bytes: those of the first lane are 0 to 3 and 8 to 11, so that
 * what unpacks the halves of lanes has eight neighbours. */
static const struct layout sixteen[SIXTEEN_WIDTH_MAX + 1] = {SIXTEEN(0), SIXTEEN(1), SIXTEEN(2),
                                                             SIXTEEN(3), SIXTEEN(4), SIXTEEN(5),
                                                             SIXTEEN(6), SIXTEEN(7), SIXTEEN(8)};

/* A layout at hand. */
struct unpacking {
    __m256i bytes, factors;
    __m128i down; /* from the top of 16 bits */
};

AVX2_PART struct unpacking unpacking_of(const struct layout *layouts, unsigned width)
{
    const struct layout *layout = &layouts[width];
    return (struct unpacking){_mm256_loadu_si256((const __m256i *)layout->bytes),
                              _mm256_loadu_si256((const __m256i *)layout->factors),
                              _mm_cvtsi32_si128(16 - (int)width)};
}

AVX2_PART __m256i unpack(struct unpacking unpacking, __m256i bytes)
{
    __m256i words = _mm256_shuffle_epi8(bytes, unpacking.bytes);
    return _mm256_srl_epi16(_mm256_mullo_epi16(words, unpacking.factors), unpacking.down);
}

AVX2_PART __m256i both_lanes(const uint8_t *bytes)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)bytes));
}

/* A byte, eight times in a word. */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Where each of eight numbers is in vectors of lanes that are numbers [8 k, 8 k + 8) of the first
 * and of the second half of a block. */
static inline uint64_t spots_in_halves(uint64_t places)
{
    return (places & EACH(0x87)) | (places & EACH(0x38)) << 1 | (places & EACH(0x40)) >> 3;
}

/* The same in vectors of which each is sixteen numbers as in `sixteen`. */
static inline uint64_t spots_in_sixteen(uint64_t places)
{
    return (places & EACH(0xf3)) | (places & EACH(0x04)) << 1 | (places & EACH(0x08)) >> 1;
}

/* Eight places, of which those that are `valid` must ascend from *least on, below SFS_BLOCK. */
static inline bool ascend(uint64_t places, uint64_t valid, uint64_t *least)
{
    uint64_t low = places & EACH(0x7f), next = low + EACH(1);
    uint64_t before = next << 8 | *least;
    *least = next >> 56;
    return !((places | ~((low | EACH(0x80)) - before)) & EACH(0x80) & valid);
}

/* What is to be added to each of a block's packed numbers: base, and of exceptions the high bits.
 * It takes eight exceptions at a time, as branches on their number are mispredicted; those that are
 * none go behind the block. False where their places are wrong. */
AVX2_PART bool spread(const sfs_packed_block *block, uint32_t base, bool halves,
                      uint16_t added[PLACES])
{
    const uint8_t *places_at = block->places, *highs_at = places_at + block->exceptions;
    const struct unpacking unpacking = unpacking_of(eights, block->high_width);
    const __m256i bases = _mm256_set1_epi16((short)base);
    const __m128i up = _mm_cvtsi32_si128((int)block->width);
    unsigned left = block->exceptions, high_width = block->high_width;
    bool good = true;
    uint64_t least = 0;
    for (unsigned i = 0; i < SFS_BLOCK; i += VECTOR)
        _mm256_storeu_si256((__m256i *)(added + i), bases);
    for (;; left -= 8, places_at += 8, highs_at += high_width) {
        uint64_t places, valid = left < 8 ? ~(UINT64_MAX << left * 8) : UINT64_MAX;
        memcpy(&places, places_at, sizeof places);
        good &= ascend(places, valid, &least);
        uint64_t spots = places | ~valid;
        spots = halves ? spots_in_halves(spots) : spots_in_sixteen(spots);
        __m128i highs = _mm256_castsi256_si128(unpack(unpacking, both_lanes(highs_at)));
        highs = _mm_add_epi16(_mm_sll_epi16(highs, up), _mm256_castsi256_si128(bases));
        uint64_t four = (uint64_t)_mm_cvtsi128_si64(highs);
        uint64_t next_four = (uint64_t)_mm_extract_epi64(highs, 1);
        for (unsigned i = 0; i < 4; i++) {
            added[spots >> 8 * i & 0xff] = (uint16_t)(four >> 16 * i);
            added[spots >> (32 + 8 * i) & 0xff] = (uint16_t)(next_four >> 16 * i);
        }
        if (left <= 8)
            return good;
    }
}

AVX2_PART __m256i load(const uint16_t *vector)
{
    return _mm256_loadu_si256((const __m256i *)vector);
}

AVX2_PART void store(uint8_t *out, __m256i vector)
{
    _mm256_storeu_si256((__m256i *)out, vector);
}

/* Lanes of the first and of the second half of a block. */
AVX2_PART void store_halves(uint8_t *out, size_t half_bytes, __m256i vector)
{
    _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(vector));
    _mm_storeu_si128((__m128i *)(out + half_bytes), _mm256_extracti128_si256(vector, 1));
}

/* Of numbers that are gaps, each with 1 added: lanes of the first and of the second half. */
AVX2_PART void unpack_gaps(const sfs_packed_block *block, const uint16_t *added,
                           __m256i gaps[VECTORS])
{
    const struct unpacking unpacking = unpacking_of(eights, block->width);
    const uint8_t *low = block->numbers, *high = low + SFS_BLOCK / 2 / 8 * block->width;
    for (unsigned k = 0; k < VECTORS; k++, low += block->width, high += block->width) {
        __m256i bytes = _mm256_blend_epi32(both_lanes(low), both_lanes(high), 0xf0);
        gaps[k] = _mm256_add_epi16(unpack(unpacking, bytes), load(added + k * VECTOR));
    }
}

/* In the second lane the sum of all of the first lanes, four times; in the first lane 0. */
AVX2_PART __m256i sum_of_half(const __m256i gaps[VECTORS])
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i sum = gaps[0];
    for (unsigned k = 1; k < VECTORS; k++)
        sum = _mm256_add_epi16(sum, gaps[k]);
    sum = _mm256_add_epi32(_mm256_blend_epi16(sum, zero, 0xaa), _mm256_srli_epi32(sum, 16));
    sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32(sum, 0x4e));
    sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32(sum, 0xb1));
    return _mm256_permute2x128_si256(sum, sum, 0x08);
}

AVX2_PART __m256i sums_in_lanes(__m256i gaps)
{
    gaps = _mm256_add_epi16(gaps, _mm256_slli_si256(gaps, 2));
    gaps = _mm256_add_epi16(gaps, _mm256_slli_si256(gaps, 4));
    return _mm256_add_epi16(gaps, _mm256_slli_si256(gaps, 8));
}

/* Both halves of a block side by side. `before` is what comes before it, in every element; so is
 * what is returned of the next block. */
AVX2_PART __m256i put_sums_32(const __m256i gaps[VECTORS], __m256i before, uint8_t *out)
{
    const __m256i zero = _mm256_setzero_si256(), last = _mm256_set1_epi32((int)0x80800f0e);
    before = _mm256_add_epi32(before, sum_of_half(gaps));
    for (unsigned k = 0; k < VECTORS; k++, out += 8 * sizeof(uint32_t)) {
        __m256i sums = sums_in_lanes(gaps[k]);
        __m256i four = _mm256_add_epi32(_mm256_unpacklo_epi16(sums, zero), before);
        __m256i next_four = _mm256_add_epi32(_mm256_unpackhi_epi16(sums, zero), before);
        store_halves(out, SFS_BLOCK / 2 * sizeof(uint32_t), four);
        store_halves(out + 4 * sizeof(uint32_t), SFS_BLOCK / 2 * sizeof(uint32_t), next_four);
        before = _mm256_add_epi32(before, _mm256_shuffle_epi8(sums, last));
    }
    return _mm256_permute2x128_si256(before, before, 0x11);
}

/* The same of 16 bits, saturated; `first` and what is returned are 1 more than what comes before,
 * as that can be -1. */
AVX2_PART uint32_t put_sums_16(const __m256i gaps[VECTORS], uint32_t first, uint8_t *out)
{
    const __m256i one = _mm256_set1_epi16(1), last = _mm256_set1_epi16(0x0f0e);
    __m256i half = sum_of_half(gaps);
    __m256i next = _mm256_set1_epi16((short)first);
    next = _mm256_adds_epu16(next, _mm256_packus_epi32(half, half));
    for (unsigned k = 0; k < VECTORS; k++, out += 8 * sizeof(uint16_t)) {
        __m256i sums = sums_in_lanes(gaps[k]);
        __m256i eight = _mm256_adds_epu16(_mm256_sub_epi16(sums, one), next);
        store_halves(out, SFS_BLOCK / 2 * sizeof(uint16_t), eight);
        next = _mm256_adds_epu16(next, _mm256_shuffle_epi8(sums, last));
    }
    return (uint16_t)_mm256_extract_epi16(next, VECTOR - 1);
}

/* Sixteen numbers of the block, in the order of `sixteen`. */
AVX2_PART __m256i numbers_at(const sfs_packed_block *block, struct unpacking unpacking,
                             const uint16_t *added, unsigned k)
{
    __m256i bytes = both_lanes(block->numbers + k * 2 * block->width);
    return _mm256_add_epi16(unpack(unpacking, bytes), load(added + k * VECTOR));
}

AVX2_PART void put_float32(const sfs_packed_block *block, const uint16_t *added, uint8_t *out)
{
    const struct unpacking unpacking = unpacking_of(sixteen, block->width);
    const __m256i zero = _mm256_setzero_si256();
    for (unsigned k = 0; k < VECTORS; k++, out += VECTOR * sizeof(float)) {
        __m256i numbers = numbers_at(block, unpacking, added, k);
        __m256 eight = _mm256_cvtepi32_ps(_mm256_unpacklo_epi16(numbers, zero));
        __m256 next_eight = _mm256_cvtepi32_ps(_mm256_unpackhi_epi16(numbers, zero));
        store(out, _mm256_castps_si256(eight));
        store(out + 8 * sizeof(float), _mm256_castps_si256(next_eight));
    }
}

AVX2_PART void put_uint16(const sfs_packed_block *block, const uint16_t *added, uint8_t *out)
{
    const struct unpacking unpacking = unpacking_of(sixteen, block->width);
    for (unsigned k = 0; k < VECTORS; k++, out += VECTOR * sizeof(uint16_t))
        store(out, _mm256_permute4x64_epi64(numbers_at(block, unpacking, added, k), 0xd8));
}

AVX2_PART void put_uint8(const sfs_packed_block *block, const uint16_t *added, uint8_t *out)
{
    const struct unpacking unpacking = unpacking_of(sixteen, block->width);
    const __m256i fours = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (unsigned k = 0; k < VECTORS; k += 2, out += 2 * VECTOR) {
        __m256i bytes = _mm256_packus_epi16(numbers_at(block, unpacking, added, k),
                                            numbers_at(block, unpacking, added, k + 1));
        store(out, _mm256_permutevar8x32_epi32(bytes, fours));
    }
}

AVX2_PART bool is_narrow(const sfs_packed_block *block, unsigned width_max)
{
    return block->width <= width_max && sfs_pfor_bits(block) <= BITS_MAX &&
           block->high_width <= EIGHTS_WIDTH_MAX;
}

/* The next block of the run, if it is narrow, and what is to be added to its numbers. */
AVX2_PART size_t next_block(const sfs_narrow_run *run, uint32_t base, bool sums,
                            sfs_packed_block *block, uint16_t added[PLACES])
{
    size_t size = sfs_pfor_parse(run->bytes, run->size, SFS_BLOCK, block);
    bool narrow = size && is_narrow(block, sums ? EIGHTS_WIDTH_MAX : SIXTEEN_WIDTH_MAX);
    return narrow && spread(block, base, sums, added) ? size : 0;
}

/* The next block of the run, and its gaps. */
AVX2_PART size_t next_gaps(const sfs_narrow_run *run, __m256i gaps[VECTORS])
{
    sfs_packed_block block;
    uint16_t added[PLACES];
    size_t size = next_block(run, 1, true, &block, added);
    if (size)
        unpack_gaps(&block, added, gaps);
    return size;
}

static inline void step(sfs_narrow_run *run, size_t size)
{
    run->bytes += size;
    run->size -= size;
}

AVX2_PART uint32_t decode_sums_32(sfs_narrow_run *run, uint8_t *out)
{
    __m256i gaps[VECTORS], before = _mm256_set1_epi32((int)run->base);
    uint32_t done = 0;
    for (size_t size; done < run->blocks && (size = next_gaps(run, gaps)); done++) {
        before = put_sums_32(gaps, before, out);
        out += SFS_BLOCK * sizeof(uint32_t);
        step(run, size);
    }
    run->base = (uint32_t)_mm256_extract_epi32(before, 0);
    return done;
}

/* Blocks with sums that 16 bits may not hold are not decoded. */
AVX2_PART uint32_t decode_sums_16(sfs_narrow_run *run, uint8_t *out)
{
    __m256i gaps[VECTORS];
    uint32_t done = 0, next = run->base + 1;
    for (size_t size; done < run->blocks && next < UINT16_MAX && (size = next_gaps(run, gaps));) {
        next = put_sums_16(gaps, next, out);
        if (next == UINT16_MAX)
            break;
        out += SFS_BLOCK * sizeof(uint16_t);
        run->base = next - 1;
        step(run, size);
        done++;
    }
    return done;
}

typedef void put_block(const sfs_packed_block *block, const uint16_t *added, uint8_t *out);

AVX2_PART uint32_t decode_numbers(sfs_narrow_run *run, put_block *put, size_t size_of_number,
                                  uint8_t *out)
{
    uint32_t done = 0;
    for (; done < run->blocks; done++, out += SFS_BLOCK * size_of_number) {
        sfs_packed_block block;
        uint16_t added[PLACES];
        size_t size = next_block(run, run->base, false, &block, added);
        if (!size)
            break;
        put(&block, added, out);
        step(run, size);
    }
    return done;
}

AVX2 uint32_t sfs_narrow_decode_avx2(sfs_narrow_run *run, sfs_narrow_form form, uint8_t *out)
{
    switch (form) {
    case SFS_NARROW_SUMS_32:
        return decode_sums_32(run, out);
    case SFS_NARROW_SUMS_16:
        return decode_sums_16(run, out);
    case SFS_NARROW_FLOAT32:
        return decode_numbers(run, put_float32, sizeof(float), out);
    case SFS_NARROW_UINT16:
        return decode_numbers(run, put_uint16, sizeof(uint16_t), out);
    case SFS_NARROW_UINT8:
        return decode_numbers(run, put_uint8, sizeof(uint8_t), out);
    case SFS_NARROW_NONE:
        break;
    }
    return 0;
}

#endif
