/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the kernel to let shared memory maps of direct-I/O files be (FUSE_DIRECT_IO_ALLOW_MMAP,
 * protocol 7.39).
 *
 * libfuse can ask from 3.17.1 on. Before, it does not know the flag: there, the reply to INIT is
 * edited on its way to the kernel. */
#ifndef SFS_FS_DIRECT_MMAP_H
#define SFS_FS_DIRECT_MMAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

/* Written while INIT, the first request, is handled, before there is any other; read by all
 * threads. */
typedef struct sfs_direct_mmap {
    _Atomic uint64_t init_request; /* its number, once it was seen */
    atomic_bool offered;           /* by the kernel */
    atomic_bool granted;           /* shared maps of direct-I/O files work */
} sfs_direct_mmap;

/* Called on a session that is mounted and not yet serving; `state` lives as long as the session,
 * whose userdata begins with it. Returns 0 or a negated errno. */
int sfs_direct_mmap_prepare(struct fuse_session *session);

/* Called from the session's init operation. */
void sfs_direct_mmap_init(sfs_direct_mmap *state, struct fuse_conn_info *connection);

#endif
