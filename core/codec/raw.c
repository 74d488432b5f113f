/* SPDX-License-Identifier: Apache-2.0 */
/* The raw codec: a row's indices and values lie in two arrays, as a batch has them, so that a read
 * is one copy. */
#include "codec/codec.h"
#include "codec/row_check.h"

static const uint8_t *row_indices(const sfs_row_place *place)
{
    return place->shard->indices.items + place->start * sizeof(int32_t);
}

static const uint8_t *row_values(const sfs_matrix *matrix, const sfs_row_place *place)
{
    return place->shard->data.items + place->start * matrix->dtype.size;
}

static sfs_status verify(const sfs_matrix *matrix, const sfs_row_place *place, sfs_error *error)
{
    if (!place->nnz || sfs_row_was_verified(place))
        return 0;
    const uint8_t *values = row_values(matrix, place);
    uint32_t sum = sfs_checksum_pair(row_indices(place), place->nnz * sizeof(int32_t), values,
                                     (size_t)place->nnz * matrix->dtype.size);
    return sfs_row_check(place, sum, values, error);
}

static void indices(const sfs_matrix *matrix, const sfs_row_place *place, uint64_t skip,
                    uint64_t length, sfs_sink *sink)
{
    (void)matrix;
    sfs_sink_bytes(sink, row_indices(place) + skip, length);
}

static void values(const sfs_matrix *matrix, const sfs_row_place *place, uint64_t skip,
                   uint64_t length, sfs_sink *sink)
{
    sfs_sink_bytes(sink, row_values(matrix, place) + skip, length);
}

const sfs_codec sfs_codec_raw = {.verify = verify, .indices = indices, .values = values};
