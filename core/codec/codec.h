/* SPDX-License-Identifier: Apache-2.0 */
/* What the bytes of a stored row mean: its column indices and values, in column order. */
#ifndef SFS_CODEC_CODEC_H
#define SFS_CODEC_CODEC_H

#include "store/matrix.h"

/* The two sequences that a row is. */
typedef enum sfs_row_array {
    SFS_ROW_INDICES, /* ascending; stored as int32 where not packed */
    SFS_ROW_VALUES,  /* of the matrix's dtype */
} sfs_row_array;

/* Bytes of a mapped file. */
typedef struct sfs_extent {
    const sfs_map *map;
    const uint8_t *bytes; /* in map */
    uint64_t length;
} sfs_extent;

/* All of these but extent read maps: the caller holds a guard. */
typedef struct sfs_codec {
    /* Makes sure, once a mount, that the row's bytes match their checksum: EIO otherwise. */
    sfs_status (*verify)(const sfs_matrix *matrix, const sfs_row_place *place, sfs_error *error);
    /* Puts elements [first, first + count) of one of the row's arrays, count >= 1, into out, which
     * need not be aligned, as elements of another type (cast.h). The row was verified. */
    sfs_status (*decode)(const sfs_matrix *matrix, const sfs_row_place *place, sfs_row_array array,
                         sfs_dtype wanted, uint32_t first, uint32_t count, void *out,
                         sfs_error *error);
    /* Where the bytes lie that decode reads for this array. */
    sfs_extent (*extent)(const sfs_matrix *matrix, const sfs_row_place *place, sfs_row_array array);
    /* The part of that extent which this array alone needs. Of a packed row, its first bytes tell.
     */
    sfs_extent (*part)(const sfs_matrix *matrix, const sfs_row_place *place, sfs_row_array array);
    /* The extent is the array itself, element by element, in the type that it has. */
    bool stored_as_read;
    /* Both arrays have the same extent. */
    bool one_extent;
} sfs_codec;

/* The codec of a matrix; constant. */
const sfs_codec *sfs_codec_of(const sfs_matrix *matrix);

extern const sfs_codec sfs_codec_raw, sfs_codec_dense, sfs_codec_packed;

#endif
