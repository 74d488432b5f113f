/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of an open collection. Format: docs/collection-format.md. */
#ifndef SFS_STORE_COLLECTION_H
#define SFS_STORE_COLLECTION_H

#include "shufflefs/collection.h"
#include "store/matrix.h"
#include "store/table.h"

enum { SFS_FORMAT_VERSION = 1 };

/* Rows are addressed with room to spare in 64 bits: 2^40 of them. */
#define SFS_MAX_ROWS (UINT64_C(1) << 40)

struct sfs_collection {
    sfs_map_set files; /* owned */
    struct stat stat;  /* of collection.json */
    uint64_t checksum; /* of collection.json */
    uint64_t rows, variables, generation;
    sfs_table obs, var, raw_var, obsm;
    bool has_raw_var, has_obsm;
    sfs_matrix *matrices; /* owned */
    size_t matrix_count;
};

/* The matrix of that name (X, raw/X, layers/NAME), or NULL. */
const sfs_matrix *sfs_collection_matrix(const sfs_collection *collection, const char *name);

#endif
