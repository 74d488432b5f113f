/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a mount, from mounting to unmounting. */
#ifndef SFS_FS_SESSION_H
#define SFS_FS_SESSION_H

#include "options.h"

/* Mounts, goes behind unless asked not to, serves until a signal or an unmount. Returns the exit
 * status, and has said what went wrong. */
int sfs_session_run(const sfs_options *options, const sfs_collection *collection, sfs_tree *tree);

#endif
