/* SPDX-License-Identifier: Apache-2.0 */
#include "store/matrix.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const codec_names[SFS_CODECS] = {
    [SFS_CODEC_RAW] = "raw", [SFS_CODEC_DENSE] = "dense", [SFS_CODEC_PACKED] = "packed"};

const char *sfs_codec_name(sfs_codec_id codec)
{
    return codec_names[codec];
}

sfs_status sfs_codec_parse(const char *name, sfs_codec_id *out, sfs_error *error)
{
    for (sfs_codec_id codec = 0; codec < SFS_CODECS; codec++) {
        if (!strcmp(name, codec_names[codec])) {
            *out = codec;
            return 0;
        }
    }
    return sfs_fail(error, -EBADMSG, "expected \"codec\" raw, dense or packed, found \"%.40s\"",
                    name);
}

static uint64_t base_count(uint64_t rows)
{
    return rows / SFS_BASE_ROWS + (rows % SFS_BASE_ROWS != 0);
}

static sfs_status open_packed_files(const sfs_files *files, const json_t *object,
                                    sfs_matrix_shard *shard, sfs_error *error)
{
    SFS_TRY(sfs_files_array(files, object, "record_bases", (sfs_dtype){'u', 8},
                            base_count(shard->rows), 0, &shard->record_bases, error));
    SFS_TRY(sfs_files_array(files, object, "record_deltas", (sfs_dtype){'u', 4}, shard->rows, 0,
                            &shard->record_deltas, error));
    return sfs_files_array_any_length(files, object, "data", (sfs_dtype){'u', 1}, &shard->data,
                                      error);
}

static sfs_status open_codec_files(const sfs_files *files, const json_t *object,
                                   const sfs_matrix *matrix, sfs_matrix_shard *shard,
                                   sfs_error *error)
{
    if (matrix->codec == SFS_CODEC_PACKED)
        return open_packed_files(files, object, shard, error);
    if (matrix->codec == SFS_CODEC_DENSE)
        return sfs_files_array(files, object, "data", matrix->dtype, shard->rows, matrix->columns,
                               &shard->data, error);
    SFS_TRY(sfs_files_array(files, object, "indices", (sfs_dtype){'i', 4}, shard->nnz_total, 0,
                            &shard->indices, error));
    return sfs_files_array(files, object, "data", matrix->dtype, shard->nnz_total, 0, &shard->data,
                           error);
}

static sfs_status open_shard(const sfs_files *files, const json_t *object, const sfs_matrix *matrix,
                             sfs_matrix_shard *shard, sfs_error *error)
{
    sfs_dtype nnz_dtype;
    SFS_TRY(sfs_json_uint(object, "nnz_total", INT64_MAX / 16, &shard->nnz_total, error));
    SFS_TRY(sfs_json_dtype(object, "nnz_dtype", &nnz_dtype, error));
    if (nnz_dtype.kind != 'u' || nnz_dtype.size > 4)
        return sfs_fail(error, -EBADMSG, "expected \"nnz_dtype\" |u1, <u2 or <u4");
    SFS_TRY(sfs_files_array(files, object, "bases", (sfs_dtype){'u', 8}, base_count(shard->rows), 0,
                            &shard->bases, error));
    SFS_TRY(sfs_files_array(files, object, "deltas", (sfs_dtype){'u', 4}, shard->rows, 0,
                            &shard->deltas, error));
    SFS_TRY(sfs_files_array(files, object, "nnz", nnz_dtype, shard->rows, 0, &shard->nnz, error));
    SFS_TRY(sfs_files_array(files, object, "checks", (sfs_dtype){'u', 4}, shard->rows, 0,
                            &shard->checks, error));
    SFS_TRY(open_codec_files(files, object, matrix, shard, error));
    shard->verified = calloc(shard->rows / 64 + 1, sizeof *shard->verified);
    return shard->verified ? 0 : sfs_fail_memory(error);
}

/* The key "inexact", which may be missing. */
static sfs_status open_misfits(const json_t *object, sfs_matrix *matrix, sfs_error *error)
{
    const json_t *misfits = json_object_get(object, "inexact");
    matrix->misfits_known = json_is_object(misfits);
    for (size_t i = 0; matrix->misfits_known && i < SFS_VALUE_TYPES; i++) {
        const json_t *entry = json_object_get(misfits, sfs_value_types[i].name);
        sfs_misfit *misfit = &matrix->misfits[i];
        const char *value;
        if (!entry)
            continue;
        SFS_TRY(sfs_json_uint(entry, "row", INT64_MAX, &misfit->row, error));
        SFS_TRY(sfs_json_string(entry, "value", &value, error));
        misfit->found = true;
        snprintf(misfit->value, sizeof misfit->value, "%s", value);
    }
    return 0;
}

static sfs_status open_header(const json_t *object, sfs_matrix *matrix, sfs_error *error)
{
    const char *name, *codec;
    SFS_TRY(sfs_json_string(object, "name", &name, error));
    SFS_TRY(sfs_json_string(object, "codec", &codec, error));
    SFS_TRY(sfs_json_uint(object, "columns", INT32_MAX, &matrix->columns, error));
    SFS_TRY(sfs_json_dtype(object, "dtype", &matrix->dtype, error));
    SFS_TRY(sfs_codec_parse(codec, &matrix->codec, error));
    SFS_TRY(open_misfits(object, matrix, error));
    matrix->name = strdup(name);
    return matrix->name ? 0 : sfs_fail_memory(error);
}

sfs_status sfs_matrix_open(const sfs_files *files, const json_t *object, const uint64_t *shard_rows,
                           size_t shard_count, sfs_matrix *out, sfs_error *error)
{
    json_t *shards;
    uint64_t nnz;
    SFS_TRY(open_header(object, out, error));
    SFS_TRY(sfs_json_array(object, "shards", &shards, error));
    if (json_array_size(shards) != shard_count)
        return sfs_fail(error, -EBADMSG, "expected %zu \"shards\", found %zu", shard_count,
                        json_array_size(shards));
    out->shards = calloc(shard_count + 1, sizeof *out->shards);
    if (!out->shards)
        return sfs_fail_memory(error);
    for (; out->shard_count < shard_count; out->shard_count++) {
        sfs_matrix_shard *shard = &out->shards[out->shard_count];
        shard->first_row = out->rows;
        shard->rows = shard_rows[out->shard_count];
        SFS_TRY(open_shard(files, json_array_get(shards, out->shard_count), out, shard, error));
        shard->nnz_before = out->nnz;
        out->rows += shard->rows;
        out->nnz += shard->nnz_total;
        if (out->nnz > INT64_MAX / 16)
            return sfs_fail(error, -EBADMSG, "expected fewer than 2^59 non-zeros");
    }
    SFS_TRY(sfs_json_uint(object, "nnz", INT64_MAX, &nnz, error));
    if (nnz != out->nnz)
        return sfs_fail(error, -EBADMSG,
                        "%s: expected %" PRIu64 " non-zeros as \"nnz\", found %" PRIu64
                        " in its shards",
                        out->name, nnz, out->nnz);
    return 0;
}

void sfs_matrix_close(sfs_matrix *matrix)
{
    for (size_t i = 0; matrix->shards && i <= matrix->shard_count; i++)
        free(matrix->shards[i].verified);
    free(matrix->shards);
    free(matrix->name);
    *matrix = (sfs_matrix){0};
}

const char *sfs_layer_name(const char *matrix_name)
{
    static const char prefix[] = "layers/";
    return strncmp(matrix_name, prefix, strlen(prefix)) ? NULL : matrix_name + strlen(prefix);
}

const char *sfs_layer_key(const char *matrix_name)
{
    const char *own = sfs_layer_name(matrix_name);
    return own && strcmp(own, "X") != 0 && strcmp(own, "raw/X") != 0 ? own : matrix_name;
}

static const sfs_matrix_shard *find_shard(const sfs_matrix *matrix, uint64_t row)
{
    size_t low = 0, high = matrix->shard_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (matrix->shards[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return &matrix->shards[low];
}

static uint32_t load_nnz(const sfs_array *nnz, uint64_t row)
{
    switch (nnz->dtype.size) {
    case 1:
        return nnz->items[row];
    case 2:
        return ((const uint16_t *)(const void *)nnz->items)[row];
    default:
        return ((const uint32_t *)(const void *)nnz->items)[row];
    }
}

/* What comes before row `at` of a shard: bases[at / 64] + deltas[at]. Verifies what it reads. */
static inline sfs_status load_start(const sfs_array *bases, const sfs_array *deltas, uint64_t at,
                                    uint64_t *out, sfs_error *error)
{
    uint64_t sum;
    SFS_TRY(sfs_array_verify(bases, at / SFS_BASE_ROWS, 1, error));
    SFS_TRY(sfs_array_verify(deltas, at, 1, error));
    uint64_t base = ((const uint64_t *)(const void *)bases->items)[at / SFS_BASE_ROWS];
    uint32_t delta = ((const uint32_t *)(const void *)deltas->items)[at];
    *out = __builtin_add_overflow(base, delta, &sum) ? UINT64_MAX : sum;
    return 0;
}

/* The non-zeros of the shard before a row, checked together with its own. */
static sfs_status locate_nonzeros(const sfs_matrix *matrix, const sfs_matrix_shard *shard,
                                  uint64_t at, uint32_t nnz, uint64_t *out, sfs_error *error)
{
    SFS_TRY(load_start(&shard->bases, &shard->deltas, at, out, error));
    if (*out > shard->nnz_total || nnz > shard->nnz_total - *out)
        return sfs_fail(error, -EIO,
                        "%s: expected row %" PRIu64 " of %s within %" PRIu64
                        " non-zeros, found %" PRIu32 " from %" PRIu64 " on: convert the data again",
                        shard->deltas.map->name, shard->first_row + at, matrix->name,
                        shard->nnz_total, nnz, *out);
    return 0;
}

/* Where a packed row begins and ends. */
static sfs_status locate_record(const sfs_matrix *matrix, const sfs_matrix_shard *shard,
                                uint64_t at, sfs_row_place *out, sfs_error *error)
{
    uint64_t end = shard->data.count;
    SFS_TRY(load_start(&shard->record_bases, &shard->record_deltas, at, &out->start, error));
    if (at + 1 < shard->rows)
        SFS_TRY(load_start(&shard->record_bases, &shard->record_deltas, at + 1, &end, error));
    if (out->start > end || end > shard->data.count || end - out->start > UINT32_MAX)
        return sfs_fail(error, -EIO,
                        "%s: expected row %" PRIu64 " of %s within %" PRIu64
                        " bytes, found it from %" PRIu64 " to %" PRIu64 ": convert the data again",
                        shard->record_deltas.map->name, shard->first_row + at, matrix->name,
                        shard->data.count, out->start, end);
    out->size = (uint32_t)(end - out->start);
    return 0;
}

static inline sfs_status locate_nnz(const sfs_matrix *matrix, const sfs_matrix_shard *shard,
                                    uint64_t at, uint32_t *out, sfs_error *error)
{
    SFS_TRY(sfs_array_verify(&shard->nnz, at, 1, error));
    *out = load_nnz(&shard->nnz, at);
    if (*out > matrix->columns)
        return sfs_fail(error, -EIO,
                        "%s: expected at most %" PRIu64 " non-zeros in row %" PRIu64
                        ", found %" PRIu32 ": convert the data again",
                        shard->nnz.map->name, matrix->columns, shard->first_row + at, *out);
    return 0;
}

sfs_status sfs_matrix_locate(const sfs_matrix *matrix, uint64_t row, sfs_row_place *out,
                             sfs_error *error)
{
    const sfs_matrix_shard *shard = find_shard(matrix, row);
    *out = (sfs_row_place){.shard = shard, .row = row - shard->first_row};
    SFS_TRY(locate_nnz(matrix, shard, out->row, &out->nnz, error));
    if (matrix->codec == SFS_CODEC_PACKED)
        return locate_record(matrix, shard, out->row, out, error);
    return locate_nonzeros(matrix, shard, out->row, out->nnz, &out->start, error);
}

void sfs_matrix_prefetch(const sfs_matrix *matrix, uint64_t row)
{
    const sfs_matrix_shard *shard = find_shard(matrix, row);
    bool packed = matrix->codec == SFS_CODEC_PACKED;
    const sfs_array *bases = packed ? &shard->record_bases : &shard->bases;
    const sfs_array *deltas = packed ? &shard->record_deltas : &shard->deltas;
    uint64_t at = row - shard->first_row;
    __builtin_prefetch(shard->nnz.items + at * shard->nnz.dtype.size);
    __builtin_prefetch(bases->items + at / SFS_BASE_ROWS * bases->dtype.size);
    __builtin_prefetch(deltas->items + at * deltas->dtype.size);
}

static sfs_status check_sizes(const sfs_matrix_shard *shard, sfs_error *error)
{
    const sfs_array *arrays[] = {&shard->bases,        &shard->deltas,       &shard->nnz,
                                 &shard->checks,       &shard->indices,      &shard->data,
                                 &shard->record_bases, &shard->record_deltas};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (arrays[i]->map)
            SFS_TRY(sfs_map_check_size(arrays[i]->map, error));
    return 0;
}

sfs_status sfs_shards_check_sizes(const sfs_shards_read *read, const sfs_matrix *matrix,
                                  sfs_error *error)
{
    for (size_t i = 0; i < matrix->shard_count; i++)
        if (read->bits >> (i % 64) & 1)
            SFS_TRY(check_sizes(&matrix->shards[i], error));
    return 0;
}

sfs_status sfs_matrix_check_sizes(const sfs_matrix *matrix, uint64_t first, uint64_t count,
                                  sfs_error *error)
{
    const sfs_matrix_shard *end = matrix->shards + matrix->shard_count;
    for (const sfs_matrix_shard *shard = find_shard(matrix, first);
         shard < end && shard->first_row <= first + count; shard++)
        SFS_TRY(check_sizes(shard, error));
    return 0;
}

void sfs_matrix_place(const sfs_matrix *matrix, uint64_t row, uint64_t start, uint32_t size,
                      uint32_t nnz, sfs_row_place *out)
{
    const sfs_matrix_shard *shard = find_shard(matrix, row);
    out->shard = shard;
    out->row = row - shard->first_row;
    out->start = start;
    out->size = size;
    out->nnz = nnz;
}

sfs_status sfs_matrix_nnz_before(const sfs_matrix *matrix, uint64_t row, uint64_t *out,
                                 sfs_error *error)
{
    if (row == matrix->rows) {
        *out = matrix->nnz;
        return 0;
    }
    const sfs_matrix_shard *shard = find_shard(matrix, row);
    uint32_t nnz;
    SFS_TRY(locate_nnz(matrix, shard, row - shard->first_row, &nnz, error));
    SFS_TRY(locate_nonzeros(matrix, shard, row - shard->first_row, nnz, out, error));
    *out += shard->nnz_before;
    return 0;
}
