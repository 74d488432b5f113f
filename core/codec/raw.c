/* SPDX-License-Identifier: Apache-2.0 */
/* The raw codec: a row's indices and values lie in two arrays, as a batch has them. */
#include "codec/cast.h"
#include "codec/codec.h"
#include "codec/row_check.h"

static sfs_extent extent(const sfs_matrix *matrix, const sfs_row_place *place, sfs_row_array array)
{
    const sfs_array *stored =
        array == SFS_ROW_INDICES ? &place->shard->indices : &place->shard->data;
    uint64_t size = array == SFS_ROW_INDICES ? sizeof(int32_t) : matrix->dtype.size;
    return (sfs_extent){.map = stored->map,
                        .bytes = stored->items + place->start * size,
                        .length = place->nnz * size};
}

static sfs_status verify(const sfs_matrix *matrix, const sfs_row_place *place, sfs_error *error)
{
    if (!place->nnz || sfs_row_was_verified(place))
        return 0;
    sfs_extent indices = extent(matrix, place, SFS_ROW_INDICES);
    sfs_extent values = extent(matrix, place, SFS_ROW_VALUES);
    uint8_t index_copy[SFS_MAP_COPY], value_copy[SFS_MAP_COPY];
    const uint8_t *stored = values.bytes;
    SFS_TRY(sfs_map_load(indices.map, &indices.bytes, indices.length, index_copy, error));
    SFS_TRY(sfs_map_load(values.map, &values.bytes, values.length, value_copy, error));
    uint32_t sum = sfs_checksum_pair(indices.bytes, indices.length, values.bytes, values.length);
    SFS_TRY(sfs_row_check(matrix, place, sum, stored, error));
    sfs_row_remember(place);
    return 0;
}

static sfs_status decode(const sfs_matrix *matrix, const sfs_row_place *place, sfs_row_array array,
                         sfs_dtype wanted, uint32_t first, uint32_t count, void *out,
                         sfs_error *error)
{
    sfs_dtype stored = array == SFS_ROW_INDICES ? (sfs_dtype){'i', 4} : matrix->dtype;
    sfs_extent all = extent(matrix, place, array);
    const uint8_t *bytes = all.bytes + (uint64_t)first * stored.size;
    uint8_t copy[SFS_MAP_COPY];
    SFS_TRY(sfs_map_load(all.map, &bytes, (uint64_t)count * stored.size, copy, error));
    sfs_cast(stored, bytes, wanted, out, count);
    return 0;
}

const sfs_codec sfs_codec_raw = {
    .verify = verify, .decode = decode, .extent = extent, .stored_as_read = true};
