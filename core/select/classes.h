/* SPDX-License-Identifier: Apache-2.0 */
/* The values of an obs column as small integers. */
#ifndef SFS_SELECT_CLASSES_H
#define SFS_SELECT_CLASSES_H

#include "store/collection.h"

/* The class of rows whose value is missing. */
#define SFS_CLASS_MISSING UINT32_MAX

/* Immutable once made. A categorical column has its codes as classes, used or not; any other column
 * has its distinct values, numbered as they first appear. */
typedef struct sfs_classes {
    uint64_t rows;
    uint32_t count;   /* of classes, SFS_CLASS_MISSING left out */
    uint32_t *of_row; /* owned: the class of each row of the collection */
    uint64_t *hashes; /* owned: of each class the hash of its value, as in select/value_hash.h */
} sfs_classes;

/* `key` begins the sentences of errors. EINVAL: no column of that name, or one of floats. EIO,
 * ENOMEM. The caller closes *out, and accepts zeros there. */
sfs_status sfs_classes_open(const sfs_collection *collection, const char *name, const char *key,
                            sfs_classes *out, sfs_error *error);
void sfs_classes_close(sfs_classes *classes);

/* The class whose value is this text, SFS_CLASS_MISSING where there is none. */
uint32_t sfs_classes_find(const sfs_classes *classes, const char *text, size_t size);

/* The hash of a class's value, that of a missing one too. */
uint64_t sfs_classes_hash(const sfs_classes *classes, uint32_t class_number);

#endif
