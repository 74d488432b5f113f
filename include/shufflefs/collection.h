/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHUFFLEFS_COLLECTION_H
#define SHUFFLEFS_COLLECTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "shufflefs/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A collection on disk (NAME.sfs, made by mkshufflefs), mapped read-only. Safe to use from any
 * number of threads at once. */
typedef struct sfs_collection sfs_collection;

/** Opens the collection at `path`, whose description, file sizes and array headers are checked; the
 *  contents are checked as they are first read. The caller closes *out. Errors: EBADMSG (damaged,
 * or not a collection), EIO, ENOMEM, or what the operating system gave. */
SFS_API sfs_status sfs_collection_open(const char *path, sfs_collection **out, sfs_error *error);

/** Releases the collection; every tree and file opened over it must be closed before. Accepts NULL.
 */
SFS_API void sfs_collection_close(sfs_collection *collection);

/** Reads the whole collection against its checksums. EIO names the first damaged file and offset.
 */
SFS_API sfs_status sfs_collection_check(sfs_collection *collection, sfs_error *error);

/** Asks the kernel to read what every batch needs, the offsets and checksums of rows, unless that
 * takes more than a sixteenth of the memory there is. Does not wait for it. */
SFS_API void sfs_collection_will_need(const sfs_collection *collection);

/** Whether all files together take at most half of the memory that this process may use. */
SFS_API bool sfs_collection_fits_in_memory(const sfs_collection *collection);

/** Number of rows (cells). */
SFS_API uint64_t sfs_collection_rows(const sfs_collection *collection);

/** Where the collection is: an absolute path, owned by the collection. */
SFS_API const char *sfs_collection_path(const sfs_collection *collection);

/** The owner, permission bits and modification time of the collection's description: those that
 * files made from it should have. */
SFS_API void sfs_collection_stat(const sfs_collection *collection, struct stat *out);

#ifdef __cplusplus
}
#endif

#endif
