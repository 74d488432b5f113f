/* SPDX-License-Identifier: Apache-2.0 */
/* Notes, while a matrix is written, the first row and value that each type of a view cannot hold,
 * so that a view that would change values can be refused before it is read. */
#ifndef SFS_CONVERT_EXACTNESS_H
#define SFS_CONVERT_EXACTNESS_H

#include <jansson.h>

#include "store/value_type.h"

typedef struct sfs_exactness {
    sfs_dtype dtype;               /* of the matrix */
    bool certain[SFS_VALUE_TYPES]; /* holds all that dtype does */
    sfs_misfit misfits[SFS_VALUE_TYPES];
} sfs_exactness;

void sfs_exactness_open(sfs_exactness *exactness, sfs_dtype dtype);

/* Takes count values of one row into account. */
void sfs_exactness_note(sfs_exactness *exactness, uint64_t row, const void *values, uint64_t count);

/* The misfits as the key "inexact" of a matrix; NULL where memory is out. The caller owns it. */
json_t *sfs_exactness_describe(const sfs_exactness *exactness);

#endif
