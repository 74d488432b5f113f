/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/block_ops.h"

#include <string.h>

static void unpack(const uint8_t *bytes, unsigned width, unsigned n, uint32_t *out)
{
    uint64_t mask = (UINT64_C(1) << width) - 1;
    for (unsigned i = 0; i < n; i++) {
        uint64_t word;
        memcpy(&word, bytes + i * width / 8, sizeof word);
        out[i] = (uint32_t)(word >> (i * width % 8) & mask);
    }
}

/* Adds the high bits of the exceptions, if there are any. False where a place is wrong; those go
 * anywhere in the block. */
static inline bool patch(const sfs_packed_block *block, uint32_t *out)
{
    if (!block->exceptions)
        return true;
    const uint8_t *highs = block->places + block->exceptions;
    uint64_t mask = (UINT64_C(1) << block->high_width) - 1;
    unsigned lowest = 0, wrong = 0;
    for (unsigned i = 0, bit = 0; i < block->exceptions; i++, bit += block->high_width) {
        unsigned place = block->places[i];
        uint64_t word;
        memcpy(&word, highs + bit / 8, sizeof word);
        out[place % SFS_BLOCK] |= (uint32_t)((word >> bit % 8 & mask) << block->width);
        wrong |= (place < lowest) | (place >= block->n);
        lowest = place + 1;
    }
    return !wrong;
}

static bool unpack_block(const sfs_packed_block *block, uint32_t *out)
{
    unpack(block->numbers, block->width, block->n, out);
    return patch(block, out);
}

static bool sum_gaps(const sfs_packed_block *block, uint32_t before, uint8_t *out)
{
    uint32_t gaps[SFS_BLOCK];
    bool whole = unpack_block(block, gaps);
    for (unsigned i = 0; i < block->n; i++) {
        before += gaps[i] + 1;
        memcpy(out + i * sizeof before, &before, sizeof before);
    }
    return whole;
}

static bool to_float32(const sfs_packed_block *block, uint32_t base, uint8_t *out)
{
    uint32_t numbers[SFS_BLOCK];
    bool whole = unpack_block(block, numbers);
    for (unsigned i = 0; i < block->n; i++) {
        float number = (float)(int32_t)(numbers[i] + base);
        memcpy(out + i * sizeof number, &number, sizeof number);
    }
    return whole;
}

static void to_uint16(const uint32_t *numbers, unsigned n, uint32_t base, uint8_t *out)
{
    for (unsigned i = 0; i < n; i++) {
        uint32_t number = numbers[i] + base;
        uint16_t narrow = (uint16_t)(number < UINT16_MAX ? number : UINT16_MAX);
        memcpy(out + i * sizeof narrow, &narrow, sizeof narrow);
    }
}

static void to_uint8(const uint32_t *numbers, unsigned n, uint32_t base, uint8_t *out)
{
    for (unsigned i = 0; i < n; i++) {
        uint32_t number = numbers[i] + base;
        out[i] = (uint8_t)(number < UINT8_MAX ? number : UINT8_MAX);
    }
}

const sfs_block_ops sfs_block_ops_portable = {.unpack = unpack_block,
                                              .sum_gaps = sum_gaps,
                                              .to_float32 = to_float32,
                                              .to_uint16 = to_uint16,
                                              .to_uint8 = to_uint8,
                                              .decode_narrow = sfs_narrow_decode_none};

#ifdef __x86_64__

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi2")))

/* A part of an operation, in which n is mostly known when it is compiled. */
#define AVX2_PART AVX2 static inline __attribute__((always_inline))

/* The widest numbers of which four, beginning at any bit of a byte, lie in 16 bytes and each in 4.
 */
enum { WIDEST = 25 };

/* For each width: which four bytes number j of four begins in, for the four that begin at bit 0 of
 * their 16 bytes and for the four behind them, which begin at bit 0 or 4; and by how many bits each
 * is then shifted. */
struct layout {
    uint8_t bytes[32];
    uint32_t shifts[8];
};

#define BIT(j, w) ((j) < 4 ? (j) * (w) : ((j)-4) * (w) + 4 * (w) % 8)
#define FOUR_BYTES(j, w) BIT(j, w) / 8, BIT(j, w) / 8 + 1, BIT(j, w) / 8 + 2, BIT(j, w) / 8 + 3
#define LAYOUT(w)                                                                                  \
    {                                                                                              \
        {FOUR_BYTES(0, w), FOUR_BYTES(1, w), FOUR_BYTES(2, w), FOUR_BYTES(3, w),                   \
         FOUR_BYTES(4, w), FOUR_BYTES(5, w), FOUR_BYTES(6, w), FOUR_BYTES(7, w)},                  \
        {                                                                                          \
            BIT(0, w) % 8, BIT(1, w) % 8, BIT(2, w) % 8, BIT(3, w) % 8, BIT(4, w) % 8,             \
                BIT(5, w) % 8, BIT(6, w) % 8, BIT(7, w) % 8                                        \
        }                                                                                          \
    }

static const struct layout layouts[WIDEST + 1] = {
    LAYOUT(0),  LAYOUT(1),  LAYOUT(2),  LAYOUT(3),  LAYOUT(4),  LAYOUT(5),  LAYOUT(6),
    LAYOUT(7),  LAYOUT(8),  LAYOUT(9),  LAYOUT(10), LAYOUT(11), LAYOUT(12), LAYOUT(13),
    LAYOUT(14), LAYOUT(15), LAYOUT(16), LAYOUT(17), LAYOUT(18), LAYOUT(19), LAYOUT(20),
    LAYOUT(21), LAYOUT(22), LAYOUT(23), LAYOUT(24), LAYOUT(25)};

AVX2_PART void unpack_eights(const uint8_t *bytes, unsigned width, unsigned n, uint32_t *out)
{
    const struct layout *layout = &layouts[width];
    __m256i places = _mm256_loadu_si256((const __m256i *)layout->bytes);
    __m256i shifts = _mm256_loadu_si256((const __m256i *)layout->shifts);
    __m256i mask = _mm256_set1_epi32((int)((UINT32_C(1) << width) - 1));
    for (unsigned i = 0; i < n; i += 8, bytes += width) {
        __m128i low = _mm_loadu_si128((const __m128i *)bytes);
        __m128i high = _mm_loadu_si128((const __m128i *)(bytes + width / 2));
        __m256i words = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), places);
        words = _mm256_and_si256(_mm256_srlv_epi32(words, shifts), mask);
        _mm256_storeu_si256((__m256i *)(out + i), words);
    }
}

AVX2_PART bool unpack_part(const sfs_packed_block *block, unsigned n, uint32_t *out)
{
    if (__builtin_expect(block->width > WIDEST, 0))
        unpack(block->numbers, block->width, n, out);
    else
        unpack_eights(block->numbers, block->width, n, out);
    return patch(block, out);
}

/* The sums within eight numbers first, then what was before them: only that addition waits for the
 * eight before. */
AVX2_PART void sum_eights(const uint32_t *gaps, unsigned n, uint32_t before, uint8_t *out)
{
    const __m256i one = _mm256_set1_epi32(1), last = _mm256_set1_epi32(7);
    const __m256i third = _mm256_setr_epi32(0, 0, 0, 0, 3, 3, 3, 3);
    __m256i carry = _mm256_set1_epi32((int)before);
    for (unsigned i = 0; i < n; i += 8) {
        __m256i sums = _mm256_add_epi32(_mm256_loadu_si256((const __m256i *)(gaps + i)), one);
        sums = _mm256_add_epi32(sums, _mm256_slli_si256(sums, 4));
        sums = _mm256_add_epi32(sums, _mm256_slli_si256(sums, 8));
        __m256i low_half = _mm256_permutevar8x32_epi32(sums, third);
        sums = _mm256_add_epi32(sums, _mm256_blend_epi32(_mm256_setzero_si256(), low_half, 0xf0));
        _mm256_storeu_si256((__m256i *)(out + i * sizeof *gaps), _mm256_add_epi32(sums, carry));
        carry = _mm256_add_epi32(carry, _mm256_permutevar8x32_epi32(sums, last));
    }
}

AVX2_PART bool sum_part(const sfs_packed_block *block, unsigned n, uint32_t before, uint8_t *out)
{
    uint32_t gaps[SFS_BLOCK];
    bool whole = unpack_part(block, n, gaps);
    sum_eights(gaps, n, before, out);
    return whole;
}

AVX2_PART bool float_part(const sfs_packed_block *block, unsigned n, uint32_t base, uint8_t *out)
{
    uint32_t numbers[SFS_BLOCK];
    bool whole = unpack_part(block, n, numbers);
    const __m256i bases = _mm256_set1_epi32((int)base);
    for (unsigned i = 0; i < n; i += 8) {
        __m256i eight = _mm256_loadu_si256((const __m256i *)(numbers + i));
        __m256 floats = _mm256_cvtepi32_ps(_mm256_add_epi32(eight, bases));
        _mm256_storeu_ps((float *)(void *)(out + i * sizeof *numbers), floats);
    }
    return whole;
}

AVX2 static bool unpack_avx2(const sfs_packed_block *block, uint32_t *out)
{
    return block->n == SFS_BLOCK ? unpack_part(block, SFS_BLOCK, out)
                                 : unpack_part(block, block->n, out);
}

AVX2 static bool sum_gaps_avx2(const sfs_packed_block *block, uint32_t before, uint8_t *out)
{
    return block->n == SFS_BLOCK ? sum_part(block, SFS_BLOCK, before, out)
                                 : sum_part(block, block->n, before, out);
}

AVX2 static bool to_float32_avx2(const sfs_packed_block *block, uint32_t base, uint8_t *out)
{
    return block->n == SFS_BLOCK ? float_part(block, SFS_BLOCK, base, out)
                                 : float_part(block, block->n, base, out);
}

/* Sixteen numbers as uint16: the largest that fits where it is more. */
AVX2 static inline __m256i sixteen_shorts(const uint32_t *numbers, __m256i bases)
{
    const __m256i most = _mm256_set1_epi32(UINT16_MAX);
    __m256i low = _mm256_add_epi32(_mm256_loadu_si256((const __m256i *)numbers), bases);
    __m256i high = _mm256_add_epi32(_mm256_loadu_si256((const __m256i *)(numbers + 8)), bases);
    __m256i packed = _mm256_packus_epi32(_mm256_min_epu32(low, most), _mm256_min_epu32(high, most));
    return _mm256_permute4x64_epi64(packed, 0xd8);
}

AVX2 static void to_uint16_avx2(const uint32_t *numbers, unsigned n, uint32_t base, uint8_t *out)
{
    const __m256i bases = _mm256_set1_epi32((int)base);
    for (unsigned i = 0; i < n; i += 16)
        _mm256_storeu_si256((__m256i *)(out + i * sizeof(uint16_t)),
                            sixteen_shorts(numbers + i, bases));
}

AVX2 static void to_uint8_avx2(const uint32_t *numbers, unsigned n, uint32_t base, uint8_t *out)
{
    const __m256i bases = _mm256_set1_epi32((int)base), most = _mm256_set1_epi16(UINT8_MAX);
    for (unsigned i = 0; i < n; i += 32) {
        __m256i low = _mm256_min_epu16(sixteen_shorts(numbers + i, bases), most);
        __m256i high = _mm256_min_epu16(sixteen_shorts(numbers + i + 16, bases), most);
        __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high), 0xd8);
        _mm256_storeu_si256((__m256i *)(out + i), packed);
    }
}

static const sfs_block_ops avx2 = {.unpack = unpack_avx2,
                                   .sum_gaps = sum_gaps_avx2,
                                   .to_float32 = to_float32_avx2,
                                   .to_uint16 = to_uint16_avx2,
                                   .to_uint8 = to_uint8_avx2,
                                   .decode_narrow = sfs_narrow_decode_avx2};

const sfs_block_ops *sfs_block_ops_best(void)
{
    bool has_both = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
    return has_both ? &avx2 : &sfs_block_ops_portable;
}

#else

const sfs_block_ops *sfs_block_ops_best(void)
{
    return &sfs_block_ops_portable;
}

#endif
