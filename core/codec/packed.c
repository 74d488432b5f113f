/* SPDX-License-Identifier: Apache-2.0 */
/* The packed codec: a row is one record (record.h). */
#include <inttypes.h>

#include "codec/codec.h"
#include "codec/record.h"
#include "codec/row_check.h"

static sfs_extent extent(const sfs_matrix *matrix, const sfs_row_place *place, sfs_row_array array)
{
    (void)matrix;
    (void)array;
    return (sfs_extent){.map = place->shard->data.map,
                        .bytes = place->shard->data.items + place->start,
                        .length = place->size};
}

static sfs_extent part(const sfs_matrix *matrix, const sfs_row_place *place, sfs_row_array array)
{
    sfs_extent whole = extent(matrix, place, array);
    uint64_t split = place->nnz ? sfs_record_split(whole.bytes, whole.length) : 0;
    if (array == SFS_ROW_VALUES)
        whole.bytes += split;
    whole.length = array == SFS_ROW_VALUES ? whole.length - split : split;
    return whole;
}

static sfs_record record_of(const sfs_matrix *matrix, const sfs_row_place *place)
{
    return (sfs_record){.bytes = place->shard->data.items + place->start,
                        .size = place->size,
                        .nnz = place->nnz,
                        .dtype = matrix->dtype};
}

static sfs_status fail_record(const sfs_matrix *matrix, const sfs_row_place *place,
                              sfs_error *error)
{
    const sfs_map *map = place->shard->data.map;
    sfs_extent bytes = extent(matrix, place, SFS_ROW_VALUES);
    SFS_TRY(sfs_map_check_size(map, error));
    return sfs_fail(error, -EIO,
                    "%s: expected a packed row of %" PRIu32 " non-zeros below column %" PRIu64
                    " at offset %" PRIu64 " (row %" PRIu64 "), found none: convert the data again",
                    map->name, place->nnz, matrix->columns, (uint64_t)(bytes.bytes - map->bytes),
                    place->shard->first_row + place->row);
}

static sfs_status verify(const sfs_matrix *matrix, const sfs_row_place *place, sfs_error *error)
{
    if (!place->nnz || sfs_row_was_verified(place))
        return 0;
    sfs_record record = record_of(matrix, place);
    SFS_TRY(
        sfs_row_check(matrix, place, sfs_checksum(record.bytes, record.size), record.bytes, error));
    if (!sfs_record_check(&record, matrix->columns))
        return fail_record(matrix, place, error);
    sfs_row_remember(place);
    return 0;
}

static sfs_status decode(const sfs_matrix *matrix, const sfs_row_place *place, sfs_row_array array,
                         sfs_dtype wanted, uint32_t first, uint32_t count, void *out,
                         sfs_error *error)
{
    const sfs_block_ops *ops = sfs_block_ops_best();
    sfs_record record = record_of(matrix, place);
    bool decoded = array == SFS_ROW_INDICES
                       ? sfs_record_indices(ops, &record, wanted, first, count, out)
                       : sfs_record_values(ops, &record, wanted, first, count, out);
    return decoded ? 0 : fail_record(matrix, place, error);
}

const sfs_codec sfs_codec_packed = {
    .verify = verify, .decode = decode, .extent = extent, .part = part, .one_extent = true};
