/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with the 128 numbers of a block of the packed codec, once portably and once with
 * AVX2: the same results, bit for bit. */
#ifndef SFS_CODEC_BLOCK_OPS_H
#define SFS_CODEC_BLOCK_OPS_H

#include <stdint.h>

enum {
    SFS_BLOCK = 128,     /* numbers in a block; the last one of a sequence may have fewer */
    SFS_BLOCK_SLACK = 64 /* bytes behind packed numbers that unpack may read, and not use */
};

/* Every array has room for SFS_BLOCK elements, whatever n is: what is written behind the first n
 * means nothing. `out` as bytes need not be aligned to its elements. */
typedef struct sfs_block_ops {
    /* Number i < n is bits [i * width, (i + 1) * width) of the bytes, least significant first.
     * width is 0 to 32. */
    void (*unpack)(const uint8_t *bytes, unsigned width, unsigned n, uint32_t *out);
    /* out[i], a uint32, is the sum of gaps[0] + 1 to gaps[i] + 1, and of before; returns the last.
     */
    uint32_t (*sum_gaps)(const uint32_t *gaps, unsigned n, uint32_t before, uint8_t *out);
    /* out[i] = numbers[i] + base, as another type: below 2^31 for float32; the largest that uint16
     * or uint8 have where it is more. */
    void (*to_float32)(const uint32_t *numbers, unsigned n, uint32_t base, uint8_t *out);
    void (*to_uint16)(const uint32_t *numbers, unsigned n, uint32_t base, uint8_t *out);
    void (*to_uint8)(const uint32_t *numbers, unsigned n, uint32_t base, uint8_t *out);
} sfs_block_ops;

extern const sfs_block_ops sfs_block_ops_portable;

/* Those for this processor; constant. */
const sfs_block_ops *sfs_block_ops_best(void);

#endif
