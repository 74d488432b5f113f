/* SPDX-License-Identifier: Apache-2.0 */
/* A temporary file without a name beside the output, for what does not fit in memory; gone when it
 * is closed. */
#ifndef SFS_CONVERT_SCRATCH_H
#define SFS_CONVERT_SCRATCH_H

#include <stdint.h>

#include "store/fail.h"

/* *out is a descriptor, for SFS_AUTO_CLOSE. `output` is the path of the collection to be. */
sfs_status sfs_scratch_open(const char *output, int *out, sfs_error *error);

/* Write or read exactly that many bytes. */
sfs_status sfs_scratch_write(int fd, const void *bytes, uint64_t size, uint64_t offset,
                             sfs_error *error);
sfs_status sfs_scratch_read(int fd, void *bytes, uint64_t size, uint64_t offset, sfs_error *error);

#endif
