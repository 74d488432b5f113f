/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of narrow blocks: whole blocks (pfor.h), one behind another, whose numbers have so few bits
 * that they are worked on in 16 bits each. Most blocks of counts are narrow. With AVX2, rows of a
 * thousand counts take about four fifths of the time that they take block by block (block_ops.h),
 * and give the same. */
#ifndef SFS_CODEC_NARROW_H
#define SFS_CODEC_NARROW_H

#include <stddef.h>
#include <stdint.h>

/* What the numbers become; of the last two, the largest that the type has where it is more. */
typedef enum sfs_narrow_form {
    SFS_NARROW_SUMS_32, /* of numbers that are gaps, what sfs_block_ops.sum_gaps makes ... */
    SFS_NARROW_SUMS_16, /* ... in a uint16 */
    SFS_NARROW_FLOAT32, /* number + base ... */
    SFS_NARROW_UINT16,
    SFS_NARROW_UINT8,
    SFS_NARROW_NONE,
} sfs_narrow_form;

typedef struct sfs_narrow_run {
    const uint8_t *bytes; /* the first block; behind size, SFS_BLOCK_SLACK more may be read */
    size_t size;
    uint32_t blocks; /* at most, each of SFS_BLOCK numbers */
    uint32_t base;   /* of sums, what comes before, or UINT32_MAX; else what is added: 0 or 1 */
} sfs_narrow_run;

/* Decodes blocks from the first on, up to one that is not narrow, or not whole, or none, or has
 * sums that its type does not hold: whoever reads that one finds out. out, which need not be
 * aligned, has room for all of run->blocks; what is written behind those that were decoded means
 * nothing. Moves bytes and size behind them; of sums, base becomes what comes before the next one.
 * Returns how many they were. */
typedef uint32_t sfs_narrow_decode(sfs_narrow_run *run, sfs_narrow_form form, uint8_t *out);

/* For processors that know none: 0. */
sfs_narrow_decode sfs_narrow_decode_none;

#ifdef __x86_64__
sfs_narrow_decode sfs_narrow_decode_avx2;
#endif

#endif
