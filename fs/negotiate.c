/* SPDX-License-Identifier: Apache-2.0 */
#include "negotiate.h"

#ifdef FUSE_CAP_DIRECT_IO_ALLOW_MMAP

int sfs_negotiate_prepare(struct fuse_session *session)
{
    (void)session;
    return 0;
}

void sfs_negotiate_init(sfs_negotiated *state, struct fuse_conn_info *connection)
{
    connection->want |=
        connection->capable & (FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_DIRECT_IO_ALLOW_MMAP);
    atomic_store(&state->direct_mmap, connection->capable & FUSE_CAP_DIRECT_IO_ALLOW_MMAP);
}

#else

#include <linux/fuse.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Bits of fuse_init_in and fuse_init_out, as <linux/fuse.h> has them: the last is newer than some
 * of those headers. */
#define INIT_EXTENDED (UINT32_C(1) << 30)
#define ALLOW_MMAP_FLAGS2 (UINT32_C(1) << (36 - 32))

static void note_request(sfs_negotiated *state, const void *bytes, size_t size)
{
    struct fuse_in_header header;
    struct fuse_init_in init;
    if (size < sizeof header + sizeof init)
        return;
    memcpy(&header, bytes, sizeof header);
    if (header.opcode != FUSE_INIT)
        return;
    memcpy(&init, (const char *)bytes + sizeof header, sizeof init);
    state->init_request = header.unique;
    state->flags = init.flags & FUSE_PARALLEL_DIROPS;
    state->flags2 = init.flags & INIT_EXTENDED ? init.flags2 & ALLOW_MMAP_FLAGS2 : 0;
}

static void edit_reply(sfs_negotiated *state, struct iovec *segments, int count)
{
    const struct fuse_out_header *header = segments[0].iov_base;
    if (count != 2 || header->unique != state->init_request || header->error ||
        segments[1].iov_len < sizeof(struct fuse_init_out))
        return;
    struct fuse_init_out *init = segments[1].iov_base;
    init->flags |= state->flags | (state->flags2 ? INIT_EXTENDED : 0);
    init->flags2 |= state->flags2;
    atomic_store(&state->direct_mmap, state->flags2 != 0);
    state->flags = state->flags2 = 0;
}

static ssize_t read_request(int fd, void *buffer, size_t size, void *userdata)
{
    sfs_negotiated *state = userdata;
    ssize_t got = read(fd, buffer, size);
    if (got > 0 && !state->init_request)
        note_request(state, buffer, (size_t)got);
    return got;
}

/* AddressSanitizer's writev looks at the bytes once more when the kernel has them, and by then the
 * reader may have closed the file that they belong to. */
static ssize_t send_segments(int fd, const struct iovec *segments, int count)
{
#ifdef __SANITIZE_ADDRESS__
    return syscall(SYS_writev, fd, segments, count);
#else
    return writev(fd, segments, count);
#endif
}

static ssize_t write_reply(int fd, struct iovec *segments, int count, void *userdata)
{
    sfs_negotiated *state = userdata;
    if (state->flags || state->flags2)
        edit_reply(state, segments, count);
    return send_segments(fd, segments, count);
}

int sfs_negotiate_prepare(struct fuse_session *session)
{
    static const struct fuse_custom_io io = {.read = read_request, .writev = write_reply};
    return fuse_session_custom_io(session, &io, fuse_session_fd(session));
}

void sfs_negotiate_init(sfs_negotiated *state, struct fuse_conn_info *connection)
{
    (void)state;
    (void)connection;
}

#endif
