/* SPDX-License-Identifier: Apache-2.0 */
/* A row of the packed codec, in one run of bytes that can be read without any other:
 *
 *     record  = head  block{ceil(nnz / 128)}  values
 *     head    = mode + 8 * index bytes, a uint32               ; index bytes: of all the blocks
 *     values  = block{ceil(nnz / 128)}                         ; mode 0: value - 1; mode 1: value
 *             | entries  entry{entries}  block{ceil(nnz / 128)} ; mode 2: which entry
 *             | value{nnz}                                     ; mode 3
 *             | piece{ceil(nnz / 2048)}                        ; mode 4
 *     piece   = size (a uint32)  a zstd frame of so many bytes
 *
 * The blocks behind head (pfor.h) are the gaps of the column indices: each index less the one
 * before it (-1 before the first) less 1. Modes 0 and 1 have integers below 2^31, whatever their
 * dtype. In mode 2, `entries` is a uint16 of 1 to 1024, and an entry is a value in the matrix's
 * dtype. In mode 4, a piece of n values unpacks to n * size bytes: first the first byte of each
 * value, then the second of each, and so on. */
#ifndef SFS_CODEC_RECORD_H
#define SFS_CODEC_RECORD_H

#include "codec/block_ops.h"
#include "store/npy.h"

enum {
    SFS_RECORD_COUNTS,     /* value - 1 */
    SFS_RECORD_NUMBERS,    /* value */
    SFS_RECORD_DICTIONARY, /* of at most SFS_RECORD_ENTRIES */
    SFS_RECORD_PLAIN,
    SFS_RECORD_ZSTD,
    SFS_RECORD_MODES,
};

enum {
    SFS_RECORD_ENTRIES = 1024,
    SFS_RECORD_PIECE = 2048, /* values compressed together in mode 4 */
};

/* A record where it lies. Its bytes may change while it is decoded: what says where to read and
 * write is copied first, so that the worst that comes of it is wrong numbers. */
typedef struct sfs_record {
    const uint8_t *bytes;
    uint64_t size;
    uint32_t nnz;
    sfs_dtype dtype; /* of the values */
} sfs_record;

/* The bytes of a record of `size` bytes that come before its values; at most size. */
uint64_t sfs_record_split(const uint8_t *bytes, uint64_t size);

/* Elements [first, first + count) of a row's indices, as `wanted`: int32, int64 or uint16, which
 * hold them. out has room for them, and need not be aligned. False where the record is none. */
bool sfs_record_indices(const sfs_block_ops *ops, const sfs_record *record, sfs_dtype wanted,
                        uint32_t first, uint32_t count, void *out);

/* The same of its values, as any dtype (cast.h). What is behind the last one is looked at only
 * where that one is asked for. */
bool sfs_record_values(const sfs_block_ops *ops, const sfs_record *record, sfs_dtype wanted,
                       uint32_t first, uint32_t count, void *out);

/* Whether the indices can be decoded, are below columns, and take the bytes that head says. */
bool sfs_record_check(const sfs_record *record, uint64_t columns);

#endif
