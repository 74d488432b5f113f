/* SPDX-License-Identifier: Apache-2.0 */
/* Makes records (record.h): of the modes that can hold a row's values exactly, the smallest. */
#ifndef SFS_CODEC_RECORD_ENCODE_H
#define SFS_CODEC_RECORD_ENCODE_H

#include "codec/record.h"
#include "store/fail.h"

/* What one thread needs to encode rows. */
typedef struct sfs_record_encoder sfs_record_encoder;

/* Bytes by part, and rows by mode, of all records so far. */
typedef struct sfs_record_totals {
    uint64_t index_bytes, value_bytes;
    uint64_t rows[SFS_RECORD_MODES];
} sfs_record_totals;

/* The caller frees *out. ENOMEM. */
sfs_status sfs_record_encoder_new(sfs_dtype dtype, sfs_record_encoder **out, sfs_error *error);

/* Accepts NULL. */
void sfs_record_encoder_free(sfs_record_encoder *encoder);

/* Encodes a row of nnz >= 1 entries, and decodes it again to see that it is the same. *bytes is the
 * encoder's, until its next use. ENOMEM; EIO where the machine did not get the same back. */
sfs_status sfs_record_encode(sfs_record_encoder *encoder, uint32_t nnz, const int32_t *indices,
                             const void *values, const uint8_t **bytes, uint64_t *size,
                             sfs_error *error);

const sfs_record_totals *sfs_record_encoder_totals(const sfs_record_encoder *encoder);

#endif
