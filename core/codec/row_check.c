/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/row_check.h"

#include <inttypes.h>

sfs_status sfs_row_check(const sfs_matrix *matrix, const sfs_row_place *place, uint32_t sum,
                         const uint8_t *bytes, sfs_error *error)
{
    const sfs_matrix_shard *shard = place->shard;
    SFS_TRY(sfs_array_verify(&shard->checks, place->row, 1, error));
    uint32_t expected = ((const uint32_t *)(const void *)shard->checks.items)[place->row];
    if (sum != expected) {
        SFS_TRY(sfs_shards_check_sizes(&(sfs_shards_read){UINT64_MAX}, matrix, error));
        return sfs_fail(error, -EIO,
                        "%s: expected the checksum %08" PRIx32 " of row %" PRIu64
                        ", found %08" PRIx32 " at offset %" PRIu64 ": restore this file%s%s",
                        shard->data.map->name, expected, shard->first_row + place->row, sum,
                        (uint64_t)(bytes - shard->data.map->bytes),
                        shard->indices.map ? " and " : "",
                        shard->indices.map ? shard->indices.map->name : "");
    }
    return 0;
}
