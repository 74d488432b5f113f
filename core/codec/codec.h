/* SPDX-License-Identifier: Apache-2.0 */
/* What the bytes of a stored row mean: its column indices and values, in column order. */
#ifndef SFS_CODEC_CODEC_H
#define SFS_CODEC_CODEC_H

#include "codec/sink.h"
#include "store/matrix.h"

/* The two sequences that a row is. */
typedef enum sfs_row_array {
    SFS_ROW_INDICES, /* int32, ascending */
    SFS_ROW_VALUES,  /* of the matrix's dtype */
} sfs_row_array;

/* All of these read maps: the caller holds a guard. */
typedef struct sfs_codec {
    /* Makes sure, once a mount, that the row's bytes match their checksum: EIO otherwise. */
    sfs_status (*verify)(const sfs_matrix *matrix, const sfs_row_place *place, sfs_error *error);
    /* Appends bytes [skip, skip + length) of one of the row's arrays to sink. The row was verified.
     */
    void (*emit)(const sfs_matrix *matrix, const sfs_row_place *place, sfs_row_array array,
                 uint64_t skip, uint64_t length, sfs_sink *sink);
    /* Where the bytes begin that emit will read for this array, so that they can be on their way
     * before. */
    const uint8_t *(*begin)(const sfs_matrix *matrix, const sfs_row_place *place,
                            sfs_row_array array);
} sfs_codec;

/* The codec of a matrix; constant. */
const sfs_codec *sfs_codec_of(const sfs_matrix *matrix);

extern const sfs_codec sfs_codec_raw, sfs_codec_dense;

#endif
