/* SPDX-License-Identifier: Apache-2.0 */
/* Which columns of obs and arrays of obsm a view's .csr files carry: the keys obs and obsm. */
#ifndef SFS_NAMESPACE_BIND_COLUMNS_H
#define SFS_NAMESPACE_BIND_COLUMNS_H

#include "batch/csr_file.h"
#include "namespace/view.h"
#include "store/collection.h"

typedef struct sfs_carried {
    sfs_csr_column *columns; /* owned, and the names */
    size_t count;
} sfs_carried;

/* EINVAL: a name that is none of the table's, a name twice, a section that would be too long.
 * ENOMEM. The caller clears *out. */
sfs_status sfs_bind_columns(const sfs_view *view, const sfs_collection *collection,
                            sfs_carried *out, sfs_error *error);
void sfs_carried_clear(sfs_carried *carried);

#endif
