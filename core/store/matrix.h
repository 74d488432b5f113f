/* SPDX-License-Identifier: Apache-2.0 */
/* A matrix of a collection: which file holds which row, and how many non-zeros come before it. What
 * the bytes of a row mean is the codec's (codec/codec.h). */
#ifndef SFS_STORE_MATRIX_H
#define SFS_STORE_MATRIX_H

#include "store/files.h"
#include "store/value_type.h"

typedef enum sfs_codec_id {
    SFS_CODEC_RAW,
    SFS_CODEC_DENSE,
    SFS_CODEC_PACKED,
    SFS_CODECS,
} sfs_codec_id;

/* How a codec is called, and the codec that is called so: EBADMSG where none is. */
const char *sfs_codec_name(sfs_codec_id codec);
sfs_status sfs_codec_parse(const char *name, sfs_codec_id *out, sfs_error *error);

enum { SFS_BASE_ROWS = 64 }; /* rows that share one base */

/* The rows of one shard. Row r has nnz[r] non-zeros, after bases[r / 64] + deltas[r] others. */
typedef struct sfs_matrix_shard {
    uint64_t first_row, rows;
    uint64_t nnz_total, nnz_before; /* of the shard, and of all before it */
    sfs_array bases;                /* uint64 */
    sfs_array deltas;               /* uint32 */
    sfs_array nnz;                  /* uint8, uint16 or uint32 */
    sfs_array checks;               /* uint32: a checksum a row */
    sfs_array indices;              /* raw: int32, nnz_total */
    sfs_array data;                 /* raw: nnz_total; dense: rows x columns; packed: uint8 */
    /* packed: row r is the bytes of data from record_bases[r / 64] + record_deltas[r] on, up to
     * those of the next row. */
    sfs_array record_bases;     /* uint64 */
    sfs_array record_deltas;    /* uint32 */
    _Atomic uint64_t *verified; /* owned; bit r: row r was found to match its checksum */
} sfs_matrix_shard;

typedef struct sfs_matrix {
    char *name; /* owned: X, raw/X or layers/NAME */
    sfs_codec_id codec;
    sfs_dtype dtype;
    sfs_misfit misfits[SFS_VALUE_TYPES]; /* what types other than dtype cannot hold ... */
    bool misfits_known;                  /* ... if that was recorded */
    uint64_t rows, columns, nnz;
    sfs_matrix_shard *shards; /* owned */
    size_t shard_count;
} sfs_matrix;

/* The own name of a matrix named layers/NAME, or NULL. */
const char *sfs_layer_name(const char *matrix_name);

/* A matrix as the key `layer` of a view spells it: X, raw/X, or a layer's own name (layers/X for a
 * layer named X). */
const char *sfs_layer_key(const char *matrix_name);

/* Where a row lies. */
typedef struct sfs_row_place {
    const sfs_matrix_shard *shard;
    uint64_t row;   /* within the shard */
    uint64_t start; /* non-zeros of the shard before it; packed: bytes of data before it ... */
    uint32_t size;  /* ... and its own; else 0 */
    uint32_t nnz;
} sfs_row_place;

/* The caller holds a guard; on failure it still closes the matrix. */
sfs_status sfs_matrix_open(const sfs_files *files, const json_t *object, const uint64_t *shard_rows,
                           size_t shard_count, sfs_matrix *out, sfs_error *error);
void sfs_matrix_close(sfs_matrix *matrix);

/* Finds row < rows. This is the one place where a row's extent is checked against its file. The
 * caller holds a guard. */
sfs_status sfs_matrix_locate(const sfs_matrix *matrix, uint64_t row, sfs_row_place *out,
                             sfs_error *error);

/* The same of all shards that have rows first to first + count. */
sfs_status sfs_matrix_check_sizes(const sfs_matrix *matrix, uint64_t first, uint64_t count,
                                  sfs_error *error);

/* The place of a row whose start, size and nnz sfs_matrix_locate told before: reads no map. */
void sfs_matrix_place(const sfs_matrix *matrix, uint64_t row, uint64_t start, uint32_t size,
                      uint32_t nnz, sfs_row_place *out);

/* Asks the processor for what sfs_matrix_locate reads, which takes a while to come. */
void sfs_matrix_prefetch(const sfs_matrix *matrix, uint64_t row);

/* The shards that one operation read, to be asked about when it is done. */
typedef struct sfs_shards_read {
    uint64_t bits; /* bit s % 64: shard s was read */
} sfs_shards_read;

static inline void sfs_shards_note(sfs_shards_read *read, const sfs_matrix *matrix,
                                   const sfs_matrix_shard *shard)
{
    read->bits |= UINT64_C(1) << ((size_t)(shard - matrix->shards) % 64);
}

/* sfs_map_check_size of the files of those shards. */
sfs_status sfs_shards_check_sizes(const sfs_shards_read *read, const sfs_matrix *matrix,
                                  sfs_error *error);

/* The number of non-zeros before row <= rows, in the whole matrix. The caller holds a guard. */
sfs_status sfs_matrix_nnz_before(const sfs_matrix *matrix, uint64_t row, uint64_t *out,
                                 sfs_error *error);

#endif
