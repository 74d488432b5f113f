/* SPDX-License-Identifier: Apache-2.0 */
/* The names in rows/: 7.csr, 100-199.csr, 5,3,3.csr. */
#ifndef SFS_NAMESPACE_ROWS_NAME_H
#define SFS_NAMESPACE_ROWS_NAME_H

#include "batch/row_list.h"

/* Whether it is such a name, of rows below `limit`. */
bool sfs_rows_name_is(const char *name, uint64_t limit);

/* The rows of such a name, in the order asked. The caller closes the list. ENOENT where it is none;
 * else as the constructors of lists. */
sfs_status sfs_rows_name_list(const char *name, const sfs_collection *collection,
                              const sfs_matrix *matrix, sfs_row_list *out, sfs_error *error);

#endif
