/* SPDX-License-Identifier: Apache-2.0 */
/* How the library reports failure, and how it cleans up on the way out. */
#ifndef SFS_STORE_FAIL_H
#define SFS_STORE_FAIL_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "shufflefs/error.h"

/* Writes the sentence into error (unless NULL) and returns status, so that a caller can
 * `return sfs_fail(error, -EINVAL, "...")`. */
sfs_status sfs_fail(sfs_error *error, sfs_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

sfs_status sfs_fail_memory(sfs_error *error) __attribute__((cold));

/* Puts "where: " before the sentence that is already in error. */
void sfs_error_prefix(sfs_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

#define SFS_TRY(expression)                                                                        \
    do {                                                                                           \
        sfs_status sfs_try_status = (expression);                                                  \
        if (sfs_try_status)                                                                        \
            return sfs_try_status;                                                                 \
    } while (0)

/* A variable declared with these is released when it goes out of scope. */
#define SFS_AUTO_FREE __attribute__((cleanup(sfs_cleanup_free)))
#define SFS_AUTO_CLOSE __attribute__((cleanup(sfs_cleanup_close)))

static inline void sfs_cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

/* Closes the descriptor unless it is -1, and keeps errno. */
static inline void sfs_cleanup_close(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
    }
}

#endif
