/* SPDX-License-Identifier: Apache-2.0 */
/* A list of rows by number, as rows_file has it. */
#ifndef SFS_SELECT_ROW_NUMBERS_H
#define SFS_SELECT_ROW_NUMBERS_H

#include <stdint.h>

#include "store/fail.h"

/* The rows, all below `limit`, that a file's bytes tell: a decimal number a line (ended by \n or
 * \r\n; blank lines mean nothing), or a .npy file of one dimension of int32, int64, uint32 or
 * uint64. They keep their order, and may repeat. The caller frees *rows, *count of them, NULL on
 * failure. EINVAL names the first line, or element, that is no row; ENOMEM. */
sfs_status sfs_row_numbers_read(const char *bytes, size_t size, uint64_t limit, int64_t **rows,
                                uint64_t *count, sfs_error *error);

#endif
