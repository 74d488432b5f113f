/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the kernel for what libfuse asks it for from 3.17.1 on:
 * - that shared memory maps of direct-I/O files be (FUSE_DIRECT_IO_ALLOW_MMAP, protocol 7.39);
 * - that names in one directory be looked up, and the directory listed, at the same time
 *   (FUSE_PARALLEL_DIROPS, 7.25): else a view that takes long holds up all names in the root.
 *
 * Earlier versions do not know the first flag, and do not pass on the second: there, the reply to
 * INIT is edited on its way to the kernel. */
#ifndef SFS_FS_NEGOTIATE_H
#define SFS_FS_NEGOTIATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

/* Written while INIT, the first request, is handled, before there is any other; read by all
 * threads. */
typedef struct sfs_negotiated {
    _Atomic uint64_t init_request;  /* its number, once it was seen */
    _Atomic uint32_t flags, flags2; /* to be added to the reply: what the kernel offers */
    atomic_bool direct_mmap;        /* shared maps of direct-I/O files work */
} sfs_negotiated;

/* Called on a session that is mounted and not yet serving; its userdata begins with an
 * sfs_negotiated. Returns 0 or a negated errno. */
int sfs_negotiate_prepare(struct fuse_session *session);

/* Called from the session's init operation. */
void sfs_negotiate_init(sfs_negotiated *state, struct fuse_conn_info *connection);

#endif
