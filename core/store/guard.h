/* SPDX-License-Identifier: Apache-2.0 */
/* Survives a mapped file that is cut short, or whose disk fails, while we read it: the kernel then
 * sends SIGBUS, which would end the process. */
#ifndef SFS_STORE_GUARD_H
#define SFS_STORE_GUARD_H

#include "store/map.h"

/* Calls body(context), which may read the maps of set. A SIGBUS inside one of them ends the call
 * with EIO and a sentence that names file and offset; body does not return then, so it must hold no
 * lock and own nothing that is not also reachable through context. Calls nest; the innermost guard
 * answers.
 *
 * Installs, once in a process, a SIGBUS handler that hands signals from elsewhere to the handler
 * that was there before. */
sfs_status sfs_guard(const sfs_map_set *set, sfs_status (*body)(void *context, sfs_error *error),
                     void *context, sfs_error *error);

#endif
