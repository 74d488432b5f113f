/* SPDX-License-Identifier: Apache-2.0 */
/* Named views: views/NAME.json in a collection, outside its generations.
 *
 *   {"format": "shufflefs view", "version": 1, "keys": {"batch_size": "64", ...}}
 *
 * The lists that genes_file and rows_file name are kept beside it, as NAME.genes and NAME.rows. */
#ifndef SFS_NAMESPACE_NAMED_H
#define SFS_NAMESPACE_NAMED_H

#include "namespace/view.h"
#include "shufflefs/named_view.h"
#include "shufflefs/tree.h"
#include "store/collection.h"

/* Whether a name is one that a view may have: [a-z][a-z0-9_-]{0,63}, and no name of the root. */
bool sfs_named_view_name_is_valid(const char *name);

/* The view of that name, as it is now; the caller frees it. ENOENT where there is none, EIO where
 * its file is damaged. */
sfs_status sfs_named_view_load(const sfs_collection *collection, const char *name, sfs_view **out,
                               sfs_error *error);

/* The name of view `index`, in the order of names, as things are now. */
bool sfs_named_view_list(const sfs_collection *collection, uint64_t index,
                         char out[SFS_NAME_MAX + 1]);

#endif
