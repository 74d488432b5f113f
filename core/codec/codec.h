/* SPDX-License-Identifier: Apache-2.0 */
/* What the bytes of a stored row mean: its column indices and values, in column order. */
#ifndef SFS_CODEC_CODEC_H
#define SFS_CODEC_CODEC_H

#include "codec/sink.h"
#include "store/matrix.h"

typedef struct sfs_codec {
    /* Makes sure, once a mount, that the row's bytes match their checksum: EIO otherwise. */
    sfs_status (*verify)(const sfs_matrix *matrix, const sfs_row_place *place, sfs_error *error);
    /* Appends the int32 column indices of the row's non-zeros [first, first + count) to sink, bytes
     * [skip, skip + length) of them. The row was verified; the caller holds a guard. */
    void (*indices)(const sfs_matrix *matrix, const sfs_row_place *place, uint64_t skip,
                    uint64_t length, sfs_sink *sink);
    /* The same for the values, in the matrix's dtype. */
    void (*values)(const sfs_matrix *matrix, const sfs_row_place *place, uint64_t skip,
                   uint64_t length, sfs_sink *sink);
} sfs_codec;

/* The codec of a matrix; constant. */
const sfs_codec *sfs_codec_of(const sfs_matrix *matrix);

extern const sfs_codec sfs_codec_raw, sfs_codec_dense;

#endif
