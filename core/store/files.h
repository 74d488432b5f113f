/* SPDX-License-Identifier: Apache-2.0 */
/* The files that collection.json names: found by name, mapped once, covered by their page sums. */
#ifndef SFS_STORE_FILES_H
#define SFS_STORE_FILES_H

#include "store/json.h"
#include "store/map.h"

typedef struct sfs_files {
    sfs_map_set *set; /* borrowed: owns the maps */
    json_t *entries;  /* borrowed: the "files" object of collection.json */
} sfs_files;

/* Maps the array file that `object` names under `role`, and checks its header. */
sfs_status sfs_files_array(const sfs_files *files, const json_t *object, const char *role,
                           sfs_dtype dtype, uint64_t rows, uint64_t columns, sfs_array *out,
                           sfs_error *error);

/* The same for a one-dimensional array whose length is only known from its file's size. */
sfs_status sfs_files_array_any_length(const sfs_files *files, const json_t *object,
                                      const char *role, sfs_dtype dtype, sfs_array *out,
                                      sfs_error *error);

#endif
