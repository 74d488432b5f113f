/* SPDX-License-Identifier: Apache-2.0 */
/* A block of up to 128 numbers below 2^32, each in as few bits as most of them need, and the high
 * bits of the few that need more beside them: patched frame of reference (Zukowski et al.:
 * "Super-Scalar RAM-CPU Cache Compression", 2006; Lemire and Boytsov: arXiv 1209.2137).
 *
 *     block     = width packed(n, width)                      ; width 0 to 32
 *               | 128 + width  exceptions  high_width
 *                 packed(n, width)  place{exceptions}  packed(exceptions, high_width)
 *
 * width, exceptions, high_width and each place are one byte; exceptions is 1 to n, high_width is 1
 * to 32 - width, places are below n and ascend. packed(n, w) is ceil(n w / 8) bytes, in which
 * number i is bits [i w, (i + 1) w), least significant first. Number `place` has its high bits from
 * the second packed sequence, above its low `width` ones. */
#ifndef SFS_CODEC_PFOR_H
#define SFS_CODEC_PFOR_H

#include <stddef.h>

#include "codec/block_ops.h"

/* The most bytes that a block takes. */
enum { SFS_PFOR_MAX = 3 + SFS_BLOCK * 4 + SFS_BLOCK + SFS_BLOCK * 4 };

/* Packs n (1 to SFS_BLOCK) numbers into out, small and with few exceptions; returns the number of
 * bytes. */
size_t sfs_pfor_encode(const uint32_t *numbers, unsigned n, uint8_t *out);

/* Finds the parts of a block of n numbers, which must lie in the `size` bytes that are there; for
 * the operations of sfs_block_ops, SFS_BLOCK_SLACK bytes that may be read come behind them. Returns
 * the number of bytes of the block, or 0 where they are no such block. */
size_t sfs_pfor_parse(const uint8_t *bytes, size_t size, unsigned n, sfs_packed_block *out);

/* How many bits its numbers have at most. */
static inline unsigned sfs_pfor_bits(const sfs_packed_block *block)
{
    return block->width + block->high_width;
}

#endif
