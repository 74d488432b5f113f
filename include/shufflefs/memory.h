/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHUFFLEFS_MEMORY_H
#define SHUFFLEFS_MEMORY_H

#include <stdint.h>

#include "shufflefs/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes of memory that this process may use: the machine's, or less where a control group of
 * the process has a limit. */
SFS_API uint64_t sfs_memory_limit(void);

#ifdef __cplusplus
}
#endif

#endif
