/* SPDX-License-Identifier: Apache-2.0 */
/* The end of every codec's verify: compare, report, remember. */
#ifndef SFS_CODEC_ROW_CHECK_H
#define SFS_CODEC_ROW_CHECK_H

#include "store/matrix.h"

static inline bool sfs_row_was_verified(const sfs_row_place *place)
{
    return sfs_bit_get(place->shard->verified, place->row);
}

static inline void sfs_row_remember(const sfs_row_place *place)
{
    sfs_bit_set(place->shard->verified, place->row);
}

/* EIO where sum is not the row's checksum. `bytes`, in shard's data, is where the row's values
 * begin: what the message names. */
sfs_status sfs_row_check(const sfs_matrix *matrix, const sfs_row_place *place, uint32_t sum,
                         const uint8_t *bytes, sfs_error *error);

#endif
