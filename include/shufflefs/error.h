/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHUFFLEFS_ERROR_H
#define SHUFFLEFS_ERROR_H

/** What went wrong, as one sentence for the user: what was expected, what was found, where, and
 * what to do. Every function that takes an `sfs_error *` accepts NULL. Undefined after success. */
typedef struct sfs_error {
    char message[1024];
} sfs_error;

/** 0 on success, else a negated errno: the type of what can fail. The errnos in use are
 *  EINVAL (a request that means nothing), ENOENT (a name that does not exist), EIO (damage found in
 * a collection), EBADMSG (a collection whose description is damaged or not understood), ENOMEM, and
 *  what the operating system gave. */
typedef int sfs_status;

#if defined(SHUFFLEFS_BUILDING)
#define SFS_API __attribute__((visibility("default")))
#else
#define SFS_API
#endif

#endif
