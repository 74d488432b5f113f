/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a whole collection against its checksums. */
#include "codec/codec.h"
#include "store/collection.h"
#include "store/guard.h"

static sfs_status check_matrix(const sfs_matrix *matrix, sfs_error *error)
{
    const sfs_codec *codec = sfs_codec_of(matrix);
    for (uint64_t row = 0; row < matrix->rows; row++) {
        sfs_row_place place;
        SFS_TRY(sfs_matrix_locate(matrix, row, &place, error));
        SFS_TRY(codec->verify(matrix, &place, error));
    }
    return 0;
}

static sfs_status check_contents(void *context, sfs_error *error)
{
    const sfs_collection *collection = context;
    for (size_t i = 0; i < collection->files.count; i++) {
        const sfs_map *map = collection->files.maps[i];
        SFS_TRY(sfs_map_verify(map, 0, map->size, error));
    }
    for (size_t i = 0; i < collection->matrix_count; i++)
        SFS_TRY(check_matrix(&collection->matrices[i], error));
    return 0;
}

sfs_status sfs_collection_check(sfs_collection *collection, sfs_error *error)
{
    return sfs_guard(&collection->files, check_contents, collection, error);
}
