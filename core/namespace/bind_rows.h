/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows and which genes a view has: what its keys select. */
#ifndef SFS_NAMESPACE_BIND_ROWS_H
#define SFS_NAMESPACE_BIND_ROWS_H

#include "namespace/view.h"
#include "select/draw.h"
#include "select/gene_set.h"
#include "select/view_rows.h"
#include "store/collection.h"

/* The rows that where, rows_file and split leave; files are opened beneath `directory` (a
 * descriptor, or AT_FDCWD). The caller closes *out. EINVAL, EIO, ENOMEM. */
sfs_status sfs_bind_rows(const sfs_view *view, const sfs_collection *collection, int directory,
                         sfs_view_rows *out, sfs_error *error);

/* Prepares draws from these rows, where keys ask for them; *drawn is false, and *out empty, where
 * they do not. As above. */
sfs_status sfs_bind_draw(const sfs_view *view, const sfs_collection *collection,
                         const sfs_view_rows *rows, sfs_draw *out, bool *drawn, sfs_error *error);

/* The genes that `genes` or genes_file choose of `table`'s rows (NULL: there is none); *chosen is
 * false, and *out empty, where neither is given. As above. */
sfs_status sfs_bind_genes(const sfs_view *view, const sfs_collection *collection,
                          const sfs_table *table, int directory, sfs_gene_set *out, bool *chosen,
                          sfs_error *error);

#endif
