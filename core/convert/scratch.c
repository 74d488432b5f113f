/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/scratch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

sfs_status sfs_scratch_open(const char *output, int *out, sfs_error *error)
{
    SFS_AUTO_FREE char *copy = strdup(output);
    if (!copy)
        return sfs_fail_memory(error);
    const char *directory = dirname(copy);
    *out = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (*out >= 0)
        return 0;
    /* Not every file system has files without names (NFS, FUSE). */
    SFS_AUTO_FREE char *path = NULL;
    if (asprintf(&path, "%s/.mkshufflefs-XXXXXX", directory) < 0) {
        path = NULL;
        return sfs_fail_memory(error);
    }
    *out = mkostemp(path, O_CLOEXEC);
    if (*out < 0)
        return sfs_fail(error, -errno, "cannot make a temporary file in %s: %s", directory,
                        strerror(errno));
    unlink(path);
    return 0;
}

sfs_status sfs_scratch_write(int fd, const void *bytes, uint64_t size, uint64_t offset,
                             sfs_error *error)
{
    const char *from = bytes;
    while (size) {
        ssize_t done = pwrite(fd, from, size, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return sfs_fail(error, -errno, "cannot write a temporary file beside the output: %s",
                            strerror(errno));
        from += done;
        offset += (uint64_t)done;
        size -= (uint64_t)done;
    }
    return 0;
}

sfs_status sfs_scratch_read(int fd, void *bytes, uint64_t size, uint64_t offset, sfs_error *error)
{
    char *to = bytes;
    while (size) {
        ssize_t done = pread(fd, to, size, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return sfs_fail(error, done ? -errno : -EIO,
                            "cannot read %" PRIu64 " bytes back from a temporary file: %s", size,
                            done ? strerror(errno) : "it ended");
        to += done;
        offset += (uint64_t)done;
        size -= (uint64_t)done;
    }
    return 0;
}
