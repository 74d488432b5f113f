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
    uint32_t sum = sfs_checksum_pair(indices.bytes, indices.length, values.bytes, values.length);
    SFS_TRY(sfs_row_check(matrix, place, sum, values.bytes, error));
    sfs_row_remember(place);
    return 0;
}

static sfs_status decode(const sfs_matrix *matrix, const sfs_row_place *place, sfs_row_array array,
                         sfs_dtype wanted, uint32_t first, uint32_t count, void *out,
                         sfs_error *error)
{
    sfs_dtype stored = array == SFS_ROW_INDICES ? (sfs_dtype){'i', 4} : matrix->dtype;
    const uint8_t *bytes = extent(matrix, place, array).bytes + (uint64_t)first * stored.size;
    (void)error;
    sfs_cast(stored, bytes, wanted, out, count);
    return 0;
}

const sfs_codec sfs_codec_raw = {
    .verify = verify, .decode = decode, .extent = extent, .part = extent, .stored_as_read = true};
