/* SPDX-License-Identifier: Apache-2.0 */
/* `mkshufflefs view`: adds, lists and removes the named views of a collection. */
#ifndef SFS_CONVERT_VIEW_COMMAND_H
#define SFS_CONVERT_VIEW_COMMAND_H

/* argv begins with what follows `view`, and ends with NULL. The exit status: 0, or 1 when it has
 * said why. */
int sfs_view_command(char **argv);

#endif
