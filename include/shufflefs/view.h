/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHUFFLEFS_VIEW_H
#define SHUFFLEFS_VIEW_H

#include <stdbool.h>

#include "shufflefs/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A view: how a collection is ordered, dealt and batched, as a set of key=value. One owner at a
 * time; not changed any more once a tree was opened with it, which keeps a copy. */
typedef struct sfs_view sfs_view;

/** Makes the view that has every key's default. The caller frees *out. ENOMEM. */
SFS_API sfs_status sfs_view_new(sfs_view **out, sfs_error *error);

/** Accepts NULL. */
SFS_API void sfs_view_free(sfs_view *view);

/** Whether a view has such a key: batch_size world_size seed order block_size window tail layer
 * epochs formats. */
SFS_API bool sfs_view_has_key(const char *key);

/** Sets one key. EINVAL, with a sentence that names key, value and what is accepted. */
SFS_API sfs_status sfs_view_set(sfs_view *view, const char *key, const char *value,
                                sfs_error *error);

#ifdef __cplusplus
}
#endif

#endif
