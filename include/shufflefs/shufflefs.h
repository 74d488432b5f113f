/* SPDX-License-Identifier: Apache-2.0 */
/** shufflefs: shuffled batches of a single-cell collection, as files or, through this library,
 * without a mount.
 *
 *  Open a collection, describe a view, open their tree, resolve a path, read it:
 *
 *      sfs_collection_open("data.sfs", &collection, &error);
 *      sfs_view_new(&view, &error);
 *      sfs_view_set(view, "batch_size", "1024", &error);
 *      sfs_tree_open(collection, view, &tree, &error);
 *      sfs_resolve(tree, "epoch_0/rank_0/batch_3.csr", &node, &error);
 *      sfs_open(tree, node, &file, &error);
 *      sfs_file_read(file, buffer, sfs_file_size(file), 0, &got, &error);
 */
#ifndef SHUFFLEFS_SHUFFLEFS_H
#define SHUFFLEFS_SHUFFLEFS_H

#include "shufflefs/collection.h"
#include "shufflefs/error.h"
#include "shufflefs/memory.h"
#include "shufflefs/named_view.h"
#include "shufflefs/tree.h"
#include "shufflefs/version.h"
#include "shufflefs/view.h"

#endif
