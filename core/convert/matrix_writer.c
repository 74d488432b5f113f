/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/matrix_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/nonzero.h"
#include "codec/record_encode.h"
#include "convert/exactness.h"
#include "store/checksum.h"

enum { STAGED_ROWS = 4096 };

/* The files of the shard being written. */
enum { BASES, DELTAS, NNZ, CHECKS, RECORD_BASES, RECORD_DELTAS, INDICES, DATA, FILES };

static const char *const roles[FILES] = {"bases",        "deltas",        "nnz",     "checks",
                                         "record_bases", "record_deltas", "indices", "data"};

/* Offsets of rows: each 64th as it is, and what the others are beyond it. */
struct offsets {
    uint64_t total, base; /* of the open shard so far, and at the last base */
    uint32_t staged[STAGED_ROWS];
};

struct sfs_matrix_writer {
    sfs_output *output; /* borrowed */
    sfs_matrix_spec spec;
    sfs_dtype nnz_dtype;
    json_t *shards;                 /* owned: descriptions of the finished ones */
    json_t *current;                /* owned: of the open one, or NULL */
    sfs_array_file *files[FILES];   /* owned; NULL when no shard is open */
    uint64_t rows, nnz;             /* in all */
    uint64_t shard_rows;            /* in the open shard */
    struct offsets nonzeros, bytes; /* bytes: of packed rows */
    sfs_record_encoder *encoder;    /* owned: of the codec packed, else NULL */
    sfs_exactness exactness;
    uint64_t file_bytes[FILES]; /* of the finished shards */
    uint8_t *row;               /* owned: a dense row, or the values of a sparse one */
    int32_t *row_indices;       /* owned: of the non-zeros of a dense row */
    size_t staged;
    uint32_t nnz_staged[STAGED_ROWS], checks_staged[STAGED_ROWS];
};

static sfs_dtype smallest_unsigned(uint64_t max)
{
    return (sfs_dtype){'u', max <= UINT8_MAX ? 1 : max <= UINT16_MAX ? 2 : 4};
}

sfs_status sfs_matrix_writer_open(sfs_output *output, const sfs_matrix_spec *spec,
                                  sfs_matrix_writer **out, sfs_error *error)
{
    if (spec->columns > INT32_MAX)
        return sfs_fail(error, -EINVAL, "%s: expected fewer than 2^31 columns, found %" PRIu64,
                        spec->name, spec->columns);
    sfs_matrix_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return sfs_fail_memory(error);
    writer->output = output;
    writer->spec = *spec;
    if (!spec->columns)
        writer->spec.codec =
            SFS_CODEC_RAW; /* without columns there is nothing to lay out densely */
    writer->nnz_dtype = smallest_unsigned(spec->columns);
    sfs_exactness_open(&writer->exactness, spec->dtype);
    writer->shards = json_array();
    sfs_status status = writer->shards ? 0 : sfs_fail_memory(error);
    if (!status && writer->spec.codec == SFS_CODEC_PACKED)
        status = sfs_record_encoder_new(spec->dtype, &writer->encoder, error);
    if (status) {
        sfs_matrix_writer_abort(writer);
        return status;
    }
    *out = writer;
    return 0;
}

static sfs_status create(sfs_matrix_writer *writer, int file, sfs_dtype dtype, uint64_t columns,
                         bool summed, sfs_error *error)
{
    char name[96];
    snprintf(name, sizeof name, "s%zu.m%zu.%s.npy", json_array_size(writer->shards),
             json_array_size(writer->output->matrices), roles[file]);
    json_object_set_new(writer->current, roles[file], json_string(name));
    return sfs_array_file_create(writer->output, name, dtype, columns, summed, &writer->files[file],
                                 error);
}

static sfs_status open_shard(sfs_matrix_writer *writer, sfs_error *error)
{
    const sfs_dtype offset = {'u', 8}, delta = {'u', 4}, check = {'u', 4};
    sfs_codec_id codec = writer->spec.codec;
    writer->current = json_object();
    writer->shard_rows = writer->nonzeros.total = writer->bytes.total = 0;
    SFS_TRY(create(writer, BASES, offset, 0, true, error));
    SFS_TRY(create(writer, DELTAS, delta, 0, true, error));
    SFS_TRY(create(writer, NNZ, writer->nnz_dtype, 0, true, error));
    SFS_TRY(create(writer, CHECKS, check, 0, true, error));
    if (codec == SFS_CODEC_PACKED) {
        SFS_TRY(create(writer, RECORD_BASES, offset, 0, true, error));
        SFS_TRY(create(writer, RECORD_DELTAS, delta, 0, true, error));
        return create(writer, DATA, (sfs_dtype){'u', 1}, 0, false, error);
    }
    if (codec == SFS_CODEC_RAW)
        SFS_TRY(create(writer, INDICES, (sfs_dtype){'i', 4}, 0, false, error));
    return create(writer, DATA, writer->spec.dtype,
                  codec == SFS_CODEC_DENSE ? writer->spec.columns : 0, false, error);
}

static sfs_status append_narrow(sfs_matrix_writer *writer, sfs_error *error)
{
    uint8_t narrow[STAGED_ROWS * sizeof(uint32_t)];
    for (size_t i = 0; i < writer->staged; i++)
        memcpy(narrow + i * writer->nnz_dtype.size, &writer->nnz_staged[i], writer->nnz_dtype.size);
    return sfs_array_file_append(writer->files[NNZ], narrow,
                                 writer->staged * writer->nnz_dtype.size, error);
}

static sfs_status flush_staged(sfs_matrix_writer *writer, sfs_error *error)
{
    size_t bytes = writer->staged * sizeof(uint32_t);
    SFS_TRY(append_narrow(writer, error));
    SFS_TRY(sfs_array_file_append(writer->files[DELTAS], writer->nonzeros.staged, bytes, error));
    if (writer->encoder)
        SFS_TRY(sfs_array_file_append(writer->files[RECORD_DELTAS], writer->bytes.staged, bytes,
                                      error));
    SFS_TRY(sfs_array_file_append(writer->files[CHECKS], writer->checks_staged, bytes, error));
    writer->staged = 0;
    return 0;
}

static sfs_status close_shard(sfs_matrix_writer *writer, sfs_error *error)
{
    SFS_TRY(flush_staged(writer, error));
    for (int i = 0; i < FILES; i++) {
        sfs_array_file *file = writer->files[i];
        writer->files[i] = NULL;
        if (!file)
            continue;
        writer->file_bytes[i] += sfs_array_file_bytes(file);
        SFS_TRY(sfs_array_file_finish(file, error));
    }
    char typestr[SFS_TYPESTR];
    sfs_dtype_typestr(writer->nnz_dtype, typestr);
    json_object_set_new(writer->current, "nnz_dtype", json_string(typestr));
    json_object_set_new(writer->current, "nnz_total",
                        json_integer((json_int_t)writer->nonzeros.total));
    json_array_append_new(writer->shards, writer->current);
    writer->current = NULL;
    return 0;
}

/* Makes room for at least one more row; *rows is lowered to what the open shard still takes. */
static sfs_status prepare_rows(sfs_matrix_writer *writer, uint64_t *rows, sfs_error *error)
{
    if (writer->output->rows - writer->rows < *rows)
        return sfs_fail(error, -EINVAL, "%s: expected %" PRIu64 " rows, found more",
                        writer->spec.name, writer->output->rows);
    if (writer->current && writer->shard_rows == writer->output->shard_rows)
        SFS_TRY(close_shard(writer, error));
    if (!writer->current)
        SFS_TRY(open_shard(writer, error));
    uint64_t room = writer->output->shard_rows - writer->shard_rows;
    *rows = *rows < room ? *rows : room;
    return 0;
}

/* Notes where the next row begins, and adds what it takes. */
static inline sfs_status note_offset(sfs_matrix_writer *writer, struct offsets *offsets, int bases,
                                     uint64_t length, sfs_error *error)
{
    if (writer->shard_rows % SFS_BASE_ROWS == 0) {
        offsets->base = offsets->total;
        SFS_TRY(sfs_array_file_append(writer->files[bases], &offsets->base, sizeof offsets->base,
                                      error));
    }
    uint64_t delta = offsets->total - offsets->base;
    if (delta > UINT32_MAX)
        return sfs_fail(
            error, -EINVAL,
            "%s: expected fewer than 2^32 %s in 64 rows, found more before row %" PRIu64,
            writer->spec.name, bases == BASES ? "non-zeros" : "bytes", writer->rows);
    offsets->staged[writer->staged] = (uint32_t)delta;
    offsets->total += length;
    return 0;
}

/* Notes one row's extent and checksum; its bytes are appended by the caller. `size` is that of a
 * record. */
static inline sfs_status note_row(sfs_matrix_writer *writer, uint32_t nnz, uint64_t size,
                                  uint32_t check, sfs_error *error)
{
    SFS_TRY(note_offset(writer, &writer->nonzeros, BASES, nnz, error));
    if (writer->encoder)
        SFS_TRY(note_offset(writer, &writer->bytes, RECORD_BASES, size, error));
    writer->nnz_staged[writer->staged] = nnz;
    writer->checks_staged[writer->staged] = check;
    writer->nnz += nnz;
    writer->shard_rows++;
    writer->rows++;
    return ++writer->staged == STAGED_ROWS ? flush_staged(writer, error) : 0;
}

static sfs_status put_dense_row(sfs_matrix_writer *writer, const uint8_t *row, uint32_t nnz,
                                sfs_error *error)
{
    uint64_t bytes = writer->spec.columns * writer->spec.dtype.size;
    SFS_TRY(sfs_array_file_append(writer->files[DATA], row, bytes, error));
    sfs_exactness_note(&writer->exactness, writer->rows, row, writer->spec.columns);
    return note_row(writer, nnz, 0, nnz ? sfs_checksum(row, bytes) : 0, error);
}

/* How rows that fit the open shard are put into a codec. */
typedef sfs_status put_rows(sfs_matrix_writer *writer, uint64_t rows, const uint32_t *nnz,
                            const int32_t *indices, const uint8_t *values, sfs_error *error);

/* The raw codec: their entries are one run already. */
static sfs_status put_raw(sfs_matrix_writer *writer, uint64_t rows, const uint32_t *nnz,
                          const int32_t *indices, const uint8_t *values, sfs_error *error)
{
    uint64_t size = writer->spec.dtype.size, done = 0;
    for (uint64_t i = 0; i < rows; i++) {
        uint32_t check = 0;
        if (nnz[i])
            check = sfs_checksum_pair(indices + done, nnz[i] * sizeof *indices,
                                      values + done * size, nnz[i] * size);
        sfs_exactness_note(&writer->exactness, writer->rows, values + done * size, nnz[i]);
        done += nnz[i];
        SFS_TRY(note_row(writer, nnz[i], 0, check, error));
    }
    SFS_TRY(sfs_array_file_append(writer->files[INDICES], indices, done * sizeof *indices, error));
    return sfs_array_file_append(writer->files[DATA], values, done * size, error);
}

/* Rows that fit the open shard, into the packed codec. */
static sfs_status put_packed(sfs_matrix_writer *writer, uint64_t rows, const uint32_t *nnz,
                             const int32_t *indices, const uint8_t *values, sfs_error *error)
{
    for (uint64_t i = 0; i < rows; i++) {
        const uint8_t *record = NULL;
        uint64_t size = 0;
        uint32_t check = 0;
        if (nnz[i]) {
            SFS_TRY(
                sfs_record_encode(writer->encoder, nnz[i], indices, values, &record, &size, error));
            check = sfs_checksum(record, size);
            sfs_exactness_note(&writer->exactness, writer->rows, values, nnz[i]);
            SFS_TRY(sfs_array_file_append(writer->files[DATA], record, size, error));
        }
        SFS_TRY(note_row(writer, nnz[i], size, check, error));
        indices += nnz[i];
        values += (uint64_t)nnz[i] * writer->spec.dtype.size;
    }
    return 0;
}

static inline __attribute__((always_inline)) uint32_t scatter(uint8_t *row, uint32_t count,
                                                              const int32_t *indices,
                                                              const uint8_t *values, uint32_t size,
                                                              uint64_t mask)
{
    uint32_t nonzero = 0;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(row + (uint64_t)indices[i] * size, values + (uint64_t)i * size, size);
        nonzero += sfs_is_nonzero(values + (uint64_t)i * size, size, mask);
    }
    return nonzero;
}

/* Room for one row of all columns, and for their indices: not every source and codec needs it. */
static sfs_status reserve_row(sfs_matrix_writer *writer, sfs_error *error)
{
    if (writer->row)
        return 0;
    writer->row = malloc(writer->spec.columns * writer->spec.dtype.size + 1);
    writer->row_indices = malloc(writer->spec.columns * sizeof *writer->row_indices + 1);
    return writer->row && writer->row_indices ? 0 : sfs_fail_memory(error);
}

static sfs_status spread(sfs_matrix_writer *writer, uint64_t rows, const uint32_t *nnz,
                         const int32_t *indices, const uint8_t *values, sfs_error *error)
{
    uint32_t size = writer->spec.dtype.size, nonzero = 0;
    uint64_t mask = sfs_nonzero_mask(writer->spec.dtype);
    SFS_TRY(reserve_row(writer, error));
    for (uint64_t i = 0; i < rows; i++) {
        memset(writer->row, 0, writer->spec.columns * size);
        SFS_FOR_SIZE(size, nonzero = scatter(writer->row, nnz[i], indices, values, ELEMENT, mask))
        SFS_TRY(put_dense_row(writer, writer->row, nonzero, error));
        indices += nnz[i];
        values += (uint64_t)nnz[i] * size;
    }
    return 0;
}

sfs_status sfs_matrix_writer_sparse(sfs_matrix_writer *writer, uint64_t rows, const uint32_t *nnz,
                                    const int32_t *indices, const void *values, sfs_error *error)
{
    const uint8_t *bytes = values;
    while (rows) {
        uint64_t taken = rows, entries = 0;
        SFS_TRY(prepare_rows(writer, &taken, error));
        put_rows *put = writer->spec.codec == SFS_CODEC_RAW      ? put_raw
                        : writer->spec.codec == SFS_CODEC_PACKED ? put_packed
                                                                 : spread;
        SFS_TRY(put(writer, taken, nnz, indices, bytes, error));
        for (uint64_t i = 0; i < taken; i++)
            entries += nnz[i];
        nnz += taken;
        indices += entries;
        bytes += entries * writer->spec.dtype.size;
        rows -= taken;
    }
    return 0;
}

static inline __attribute__((always_inline)) uint32_t gather(const uint8_t *row, uint64_t columns,
                                                             uint32_t size, uint64_t mask,
                                                             int32_t *indices, uint8_t *values)
{
    uint32_t count = 0;
    for (uint64_t column = 0; column < columns; column++) {
        if (!sfs_is_nonzero(row + column * size, size, mask))
            continue;
        indices[count] = (int32_t)column;
        memcpy(values + (uint64_t)count * size, row + column * size, size);
        count++;
    }
    return count;
}

sfs_status sfs_matrix_writer_dense(sfs_matrix_writer *writer, uint64_t rows, const void *values,
                                   sfs_error *error)
{
    const uint8_t *row = values;
    uint32_t size = writer->spec.dtype.size, nnz = 0;
    uint64_t columns = writer->spec.columns, mask = sfs_nonzero_mask(writer->spec.dtype);
    SFS_TRY(reserve_row(writer, error));
    for (uint64_t i = 0; i < rows; i++, row += columns * size) {
        uint64_t one = 1;
        SFS_TRY(prepare_rows(writer, &one, error));
        SFS_FOR_SIZE(size,
                     nnz = gather(row, columns, ELEMENT, mask, writer->row_indices, writer->row))
        if (writer->spec.codec == SFS_CODEC_DENSE)
            SFS_TRY(put_dense_row(writer, row, nnz, error));
        else if (writer->spec.codec == SFS_CODEC_PACKED)
            SFS_TRY(put_packed(writer, 1, &nnz, writer->row_indices, writer->row, error));
        else
            SFS_TRY(put_raw(writer, 1, &nnz, writer->row_indices, writer->row, error));
    }
    return 0;
}

/* Bytes of the matrix's files, by what they are for. */
static json_t *describe_bytes(const sfs_matrix_writer *writer)
{
    uint64_t rows = 0, indices = writer->file_bytes[INDICES], values = writer->file_bytes[DATA];
    for (int i = 0; i < INDICES; i++)
        rows += writer->file_bytes[i];
    if (writer->encoder) {
        indices = sfs_record_encoder_totals(writer->encoder)->index_bytes;
        values = sfs_record_encoder_totals(writer->encoder)->value_bytes;
    }
    return json_pack("{s:I, s:I, s:I}", "indices", (json_int_t)indices, "values",
                     (json_int_t)values, "rows", (json_int_t)rows);
}

/* How many rows have their values in which mode of the packed codec. */
static json_t *describe_modes(const sfs_matrix_writer *writer)
{
    static const char *const modes[SFS_RECORD_MODES] = {"counts", "numbers", "dictionary", "plain",
                                                        "zstd"};
    json_t *object = json_object();
    for (int i = 0; writer->encoder && i < SFS_RECORD_MODES; i++)
        json_object_set_new(
            object, modes[i],
            json_integer((json_int_t)sfs_record_encoder_totals(writer->encoder)->rows[i]));
    return object;
}

static sfs_status describe(sfs_matrix_writer *writer, const sfs_matrix_stats *stats,
                           sfs_error *error)
{
    const char *codec = sfs_codec_name(writer->spec.codec);
    char typestr[SFS_TYPESTR];
    sfs_dtype_typestr(writer->spec.dtype, typestr);
    json_t *matrix = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:o, s:O}", "name", writer->spec.name, "codec", codec, "dtype",
        typestr, "columns", (json_int_t)writer->spec.columns, "nnz", (json_int_t)writer->nnz,
        "inexact", sfs_exactness_describe(&writer->exactness), "shards", writer->shards);
    json_t *summary =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "name",
                  sfs_layer_key(writer->spec.name), "codec", codec, "dtype", typestr, "columns",
                  (json_int_t)writer->spec.columns, "nnz", (json_int_t)writer->nnz, "duplicates",
                  (json_int_t)stats->duplicates, "unsorted_rows", (json_int_t)stats->unsorted_rows,
                  "explicit_zeros", (json_int_t)stats->explicit_zeros, "bytes",
                  describe_bytes(writer), "modes", describe_modes(writer));
    if (!matrix || !summary || json_array_append_new(writer->output->matrices, matrix) ||
        json_array_append_new(writer->output->summary, summary))
        return sfs_fail(error, -EINVAL, "cannot describe a matrix whose name is not UTF-8");
    return 0;
}

static sfs_status finish(sfs_matrix_writer *writer, const sfs_matrix_stats *stats, sfs_error *error)
{
    if (writer->rows != writer->output->rows)
        return sfs_fail(error, -EINVAL, "%s: expected %" PRIu64 " rows, found %" PRIu64,
                        writer->spec.name, writer->output->rows, writer->rows);
    if (!writer->current && !writer->rows)
        SFS_TRY(open_shard(writer, error));
    if (writer->current)
        SFS_TRY(close_shard(writer, error));
    return describe(writer, stats, error);
}

sfs_status sfs_matrix_writer_finish(sfs_matrix_writer *writer, const sfs_matrix_stats *stats,
                                    sfs_error *error)
{
    sfs_status status = finish(writer, stats, error);
    sfs_matrix_writer_abort(writer);
    return status;
}

void sfs_matrix_writer_abort(sfs_matrix_writer *writer)
{
    if (!writer)
        return;
    for (int i = 0; i < FILES; i++)
        sfs_array_file_abort(writer->files[i]);
    json_decref(writer->current);
    json_decref(writer->shards);
    sfs_record_encoder_free(writer->encoder);
    free(writer->row_indices);
    free(writer->row);
    free(writer);
}
