/* SPDX-License-Identifier: Apache-2.0 */
/* The texts that tell a user what a mount holds: README.txt and dataset.json. */
#ifndef SFS_NAMESPACE_DESCRIBE_H
#define SFS_NAMESPACE_DESCRIBE_H

#include "namespace/bind.h"

/* All return a malloc'ed text, or NULL when out of memory. */
char *sfs_describe_readme(const sfs_collection *collection, const sfs_bound_view *view);
char *sfs_describe_dataset(const sfs_collection *collection, const sfs_bound_view *view);

/* view.json: what a view is, and a digest of its rows. Takes time, with many rows. */
char *sfs_describe_view(const sfs_collection *collection, const sfs_bound_view *view);

#endif
