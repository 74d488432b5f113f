/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHUFFLEFS_NAMED_VIEW_H
#define SHUFFLEFS_NAMED_VIEW_H

#include "shufflefs/collection.h"
#include "shufflefs/view.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Keeps a view in the collection under a name ([a-z][a-z0-9_-]{0,63}): it appears in the root of
 * every mount, running ones too. The lists that genes_file and rows_file name are copied into the
 * collection. The view is worked out first: EINVAL where it does not suit the collection, EEXIST
 * where there is one of that name, or what the operating system gave. */
SFS_API sfs_status sfs_named_view_add(const sfs_collection *collection, const char *name,
                                      const sfs_view *view, sfs_error *error);

/** Takes a view away; what has it open goes on. ENOENT where there is none of that name. */
SFS_API sfs_status sfs_named_view_remove(const sfs_collection *collection, const char *name,
                                         sfs_error *error);

/** The name of view `index` and its spelling as a path (`@key=value,...`), both malloc'ed. ENOENT
 * past the last one. EIO where its file is damaged: *name is given all the same. */
SFS_API sfs_status sfs_named_view_get(const sfs_collection *collection, uint64_t index, char **name,
                                      char **spelling, sfs_error *error);

#ifdef __cplusplus
}
#endif

#endif
