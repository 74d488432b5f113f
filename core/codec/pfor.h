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

/* What the first byte of a block with exceptions has beside its width. */
enum { SFS_PFOR_EXCEPTIONS = 128 };

/* The most bytes that a block takes. */
enum { SFS_PFOR_MAX = 3 + SFS_BLOCK * 4 + SFS_BLOCK + SFS_BLOCK * 4 };

/* Packs n (1 to SFS_BLOCK) numbers into out, small and with few exceptions; returns the number of
 * bytes. */
size_t sfs_pfor_encode(const uint32_t *numbers, unsigned n, uint8_t *out);

/* Bytes of n packed numbers. */
static inline size_t sfs_pfor_packed(unsigned n, unsigned width)
{
    return ((size_t)n * width + 7) / 8;
}

/* Finds the parts of a block of n numbers, which must lie in the `size` bytes that are there;
 * behind them, SFS_BLOCK_SLACK bytes that may be read come for this and for the operations of
 * sfs_block_ops. Returns the number of bytes of the block, or 0 where they are no such block.
 * Without branches on what the block has: they are mispredicted. */
static inline size_t sfs_pfor_parse(const uint8_t *bytes, size_t size, unsigned n,
                                    sfs_packed_block *out)
{
    bool patched = bytes[0] >= SFS_PFOR_EXCEPTIONS;
    unsigned width = bytes[0] % SFS_PFOR_EXCEPTIONS;
    unsigned exceptions = patched ? bytes[1] : 0, high_width = patched ? bytes[2] : 0;
    bool wrong = patched & ((exceptions - 1 >= n) | (high_width - 1 >= 32 - width));
    size_t head = patched ? 3 : 1, numbers = sfs_pfor_packed(n, width);
    size_t length = head + numbers + exceptions + sfs_pfor_packed(exceptions, high_width);
    if ((length > size) | (width > 32) | wrong)
        return 0;
    *out = (sfs_packed_block){.numbers = bytes + head,
                              .places = bytes + head + numbers,
                              .n = n,
                              .width = width,
                              .exceptions = exceptions,
                              .high_width = high_width};
    return length;
}

/* How many bits its numbers have at most. */
static inline unsigned sfs_pfor_bits(const sfs_packed_block *block)
{
    return block->width + block->high_width;
}

#endif
