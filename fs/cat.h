/* SPDX-License-Identifier: Apache-2.0 */
/* The same bytes as a mount, without one. */
#ifndef SFS_FS_CAT_H
#define SFS_FS_CAT_H

#include "shufflefs/shufflefs.h"

/* Writes the file at path to stdout; of a directory, its names, a line each. Returns the exit
 * status, and has said what went wrong. */
int sfs_cat(sfs_tree *tree, const char *path);

#endif
