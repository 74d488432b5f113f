/* SPDX-License-Identifier: Apache-2.0 */
/* The raw codec: a row's indices and values lie in two arrays, as a batch has them. */
#include "codec/codec.h"
#include "codec/row_check.h"

static const uint8_t *begin(const sfs_matrix *matrix, const sfs_row_place *place,
                            sfs_row_array array)
{
    return array == SFS_ROW_INDICES ? place->shard->indices.items + place->start * sizeof(int32_t)
                                    : place->shard->data.items + place->start * matrix->dtype.size;
}

static sfs_status verify(const sfs_matrix *matrix, const sfs_row_place *place, sfs_error *error)
{
    if (!place->nnz || sfs_row_was_verified(place))
        return 0;
    const uint8_t *values = begin(matrix, place, SFS_ROW_VALUES);
    uint32_t sum =
        sfs_checksum_pair(begin(matrix, place, SFS_ROW_INDICES), place->nnz * sizeof(int32_t),
                          values, (size_t)place->nnz * matrix->dtype.size);
    return sfs_row_check(matrix, place, sum, values, error);
}

static void emit(const sfs_matrix *matrix, const sfs_row_place *place, sfs_row_array array,
                 uint64_t skip, uint64_t length, sfs_sink *sink)
{
    sfs_sink_bytes(sink, begin(matrix, place, array) + skip, length);
}

const sfs_codec sfs_codec_raw = {.verify = verify, .emit = emit, .begin = begin};
