/* SPDX-License-Identifier: Apache-2.0 */
/* The hash of the value that a row has in a column: XXH3-64 of the value's text. So it is the same
 * whatever the codes, the width of the integers and the other rows are. docs/splits.md. */
#ifndef SFS_SELECT_VALUE_HASH_H
#define SFS_SELECT_VALUE_HASH_H

#include "select/obs_column.h"

/* The hash of a missing value; no text that anyone has written has it. */
#define SFS_MISSING_HASH UINT64_C(0)

/* Immutable, and so shared by any number of threads. */
typedef struct sfs_value_hash {
    const sfs_collection *collection; /* borrowed */
    const sfs_column *column;         /* borrowed; NULL: the number of a row is its hash */
    uint64_t *categories;             /* owned: of a categorical column, the hash of each */
} sfs_value_hash;

/* Of the column that `key` names. EINVAL: there is none of that name, or it has floats, which are
 * no classes. EIO, ENOMEM. The caller closes *out, and accepts zeros there. */
sfs_status sfs_value_hash_open(const sfs_collection *collection, const char *name, const char *key,
                               sfs_value_hash *out, sfs_error *error);

/* Of the names of the rows, or where obs has no index, of their numbers in the collection. */
void sfs_value_hash_of_rows(const sfs_collection *collection, sfs_value_hash *out);

void sfs_value_hash_close(sfs_value_hash *hash);

/* The hashes of rows first to first + count - 1. The caller holds a guard, and at the end of what
 * it reads asks sfs_value_hash_check. */
sfs_status sfs_value_hash_read(const sfs_value_hash *hash, uint64_t first, uint64_t count,
                               uint64_t *out, sfs_error *error);

/* EIO where the files that were read are shorter by now. */
sfs_status sfs_value_hash_check(const sfs_value_hash *hash, sfs_error *error);

#endif
