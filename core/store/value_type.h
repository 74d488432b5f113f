/* SPDX-License-Identifier: Apache-2.0 */
/* The types in which a view can ask for values, and what a matrix has that does not fit them. */
#ifndef SFS_STORE_VALUE_TYPE_H
#define SFS_STORE_VALUE_TYPE_H

#include "store/npy.h"

enum { SFS_VALUE_TYPES = 7 };

typedef struct sfs_value_type {
    const char *name; /* numpy's: float32 */
    sfs_dtype dtype;
} sfs_value_type;

extern const sfs_value_type sfs_value_types[SFS_VALUE_TYPES];

/* The place of a name among them; SFS_VALUE_TYPES where it is none. */
size_t sfs_value_type_find(const char *name);

/* The first value of a matrix that a type cannot hold. */
typedef struct sfs_misfit {
    bool found;
    uint64_t row;
    char value[32]; /* as text */
} sfs_misfit;

#endif
