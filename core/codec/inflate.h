/* SPDX-License-Identifier: Apache-2.0 */
/* The compressed pieces of a record (mode 4 in record.h). */
#ifndef SFS_CODEC_INFLATE_H
#define SFS_CODEC_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most bytes of a piece that is worth being compressed, with its size. */
enum { SFS_INFLATE_MAX = 4 + 2048 * 8 };

/* Decompresses n values of `element` bytes. False where the bytes are no such piece, or memory is
 * out. */
bool sfs_inflate(const uint8_t *bytes, size_t size, unsigned n, uint32_t element, uint8_t *out);

/* Compresses n values into out, which has room for n * element bytes; returns the size, or 0 where
 * they do not fit. */
size_t sfs_deflate(const uint8_t *values, unsigned n, uint32_t element, uint8_t *out);

#endif
