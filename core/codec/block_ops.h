/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with the 128 numbers of a block of the packed codec, once portably and once with
 * AVX2 and BMI2: the same results, bit for bit. */
#ifndef SFS_CODEC_BLOCK_OPS_H
#define SFS_CODEC_BLOCK_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/narrow.h"

enum {
    SFS_BLOCK = 128,     /* numbers in a block; the last one of a sequence may have fewer */
    SFS_BLOCK_SLACK = 64 /* bytes behind a block that may be read, and are not used */
};

/* Where the parts of a block of n numbers are; pfor.h says what they mean. */
typedef struct sfs_packed_block {
    const uint8_t *numbers; /* n of `width` bits, 0 to 32 */
    const uint8_t *places;  /* of the exceptions; behind them, their high bits */
    unsigned n, width, exceptions, high_width;
} sfs_packed_block;

/* Every array has room for SFS_BLOCK elements, whatever n is: what is written behind the first n
 * means nothing. `out` as bytes need not be aligned to its elements. The operations that take a
 * block return false where its places do not ascend below n. */
typedef struct sfs_block_ops {
    /* The block's numbers. */
    bool (*unpack)(const sfs_packed_block *block, uint32_t *out);
    /* Of numbers that are gaps: out[i], a uint32, is the sum of the first i + 1 of them, of i + 1,
     * and of before. */
    bool (*sum_gaps)(const sfs_packed_block *block, uint32_t before, uint8_t *out);
    /* Its numbers + base, all below 2^31, as float32. */
    bool (*to_float32)(const sfs_packed_block *block, uint32_t base, uint8_t *out);
    /* out[i] = numbers[i] + base; the largest that the type has where it is more. */
    void (*to_uint16)(const uint32_t *numbers, unsigned n, uint32_t base, uint8_t *out);
    void (*to_uint8)(const uint32_t *numbers, unsigned n, uint32_t base, uint8_t *out);
    /* What some of these do, of many blocks at once; may do none, and return 0. */
    sfs_narrow_decode *decode_narrow;
} sfs_block_ops;

extern const sfs_block_ops sfs_block_ops_portable;

/* Those for this processor; constant. */
const sfs_block_ops *sfs_block_ops_best(void);

#endif
