/* SPDX-License-Identifier: Apache-2.0 */
#include "store/matrix.h"

#include <inttypes.h>
#include <string.h>

static sfs_status open_codec_files(const sfs_files *files, const json_t *object,
                                   const sfs_matrix *matrix, sfs_matrix_shard *shard,
                                   sfs_error *error)
{
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
    uint64_t bases = shard->rows / SFS_BASE_ROWS + (shard->rows % SFS_BASE_ROWS != 0);
    SFS_TRY(sfs_json_uint(object, "nnz_total", INT64_MAX / 16, &shard->nnz_total, error));
    SFS_TRY(sfs_json_dtype(object, "nnz_dtype", &nnz_dtype, error));
    if (nnz_dtype.kind != 'u' || nnz_dtype.size > 4)
        return sfs_fail(error, -EBADMSG, "expected \"nnz_dtype\" |u1, <u2 or <u4");
    SFS_TRY(sfs_files_array(files, object, "bases", (sfs_dtype){'u', 8}, bases, 0, &shard->bases,
                            error));
    SFS_TRY(sfs_files_array(files, object, "deltas", (sfs_dtype){'u', 4}, shard->rows, 0,
                            &shard->deltas, error));
    SFS_TRY(sfs_files_array(files, object, "nnz", nnz_dtype, shard->rows, 0, &shard->nnz, error));
    SFS_TRY(sfs_files_array(files, object, "checks", (sfs_dtype){'u', 4}, shard->rows, 0,
                            &shard->checks, error));
    SFS_TRY(open_codec_files(files, object, matrix, shard, error));
    shard->verified = calloc(shard->rows / 64 + 1, sizeof *shard->verified);
    return shard->verified ? 0 : sfs_fail_memory(error);
}

static sfs_status open_header(const json_t *object, sfs_matrix *matrix, sfs_error *error)
{
    const char *name, *codec;
    SFS_TRY(sfs_json_string(object, "name", &name, error));
    SFS_TRY(sfs_json_string(object, "codec", &codec, error));
    SFS_TRY(sfs_json_uint(object, "columns", INT32_MAX, &matrix->columns, error));
    SFS_TRY(sfs_json_dtype(object, "dtype", &matrix->dtype, error));
    if (strcmp(codec, "raw") != 0 && strcmp(codec, "dense") != 0)
        return sfs_fail(error, -EBADMSG, "expected \"codec\" raw or dense, found \"%.40s\"", codec);
    matrix->codec = strcmp(codec, "raw") ? SFS_CODEC_DENSE : SFS_CODEC_RAW;
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

sfs_status sfs_matrix_locate(const sfs_matrix *matrix, uint64_t row, sfs_row_place *out,
                             sfs_error *error)
{
    const sfs_matrix_shard *shard = find_shard(matrix, row);
    uint64_t at = row - shard->first_row;
    SFS_TRY(sfs_array_verify(&shard->bases, at / SFS_BASE_ROWS, 1, error));
    SFS_TRY(sfs_array_verify(&shard->deltas, at, 1, error));
    SFS_TRY(sfs_array_verify(&shard->nnz, at, 1, error));
    uint64_t base = ((const uint64_t *)(const void *)shard->bases.items)[at / SFS_BASE_ROWS];
    uint32_t delta = ((const uint32_t *)(const void *)shard->deltas.items)[at];
    uint32_t nnz = load_nnz(&shard->nnz, at);
    if (base > shard->nnz_total || (uint64_t)delta + nnz > shard->nnz_total - base ||
        nnz > matrix->columns)
        return sfs_fail(error, -EIO,
                        "%s: expected row %" PRIu64 " within %" PRIu64 " non-zeros and %" PRIu64
                        " columns, found %" PRIu32 " from %" PRIu64 " on: convert the data again",
                        shard->deltas.map->name, row, shard->nnz_total, matrix->columns, nnz,
                        base + delta);
    *out = (sfs_row_place){.shard = shard, .row = at, .start = base + delta, .nnz = nnz};
    return 0;
}

static sfs_status check_sizes(const sfs_matrix_shard *shard, sfs_error *error)
{
    const sfs_array *arrays[] = {&shard->bases,  &shard->deltas,  &shard->nnz,
                                 &shard->checks, &shard->indices, &shard->data};
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

sfs_row_place sfs_matrix_place(const sfs_matrix *matrix, uint64_t row, uint64_t start, uint32_t nnz)
{
    const sfs_matrix_shard *shard = find_shard(matrix, row);
    return (sfs_row_place){
        .shard = shard, .row = row - shard->first_row, .start = start, .nnz = nnz};
}

sfs_status sfs_matrix_nnz_before(const sfs_matrix *matrix, uint64_t row, uint64_t *out,
                                 sfs_error *error)
{
    sfs_row_place place;
    if (row == matrix->rows) {
        *out = matrix->nnz;
        return 0;
    }
    SFS_TRY(sfs_matrix_locate(matrix, row, &place, error));
    *out = place.shard->nnz_before + place.start;
    return 0;
}
