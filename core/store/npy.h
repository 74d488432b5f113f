/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a .npy file, as shufflefs writes it everywhere: version 1.0, little-endian, C
 * order, and always 128 bytes, so that offsets in a file are arithmetic. Format:
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#ifndef SFS_STORE_NPY_H
#define SFS_STORE_NPY_H

#include <stdbool.h>
#include <stdint.h>

#include "store/fail.h"

enum { SFS_NPY_HEADER = 128 };

/* The type of an array's elements. */
typedef struct sfs_dtype {
    char kind;     /* numpy's: b bool, i signed, u unsigned, f float, S bytes of fixed width */
    uint32_t size; /* bytes an element */
} sfs_dtype;

enum { SFS_TYPESTR = 16 }; /* bytes that hold any typestr with its NUL */

/* numpy's spelling: "<f4", "|b1", "|S12". */
void sfs_dtype_typestr(sfs_dtype dtype, char out[SFS_TYPESTR]);

/* EINVAL for what is not a number or boolean that shufflefs stores (S included). */
sfs_status sfs_dtype_parse(const char *typestr, sfs_dtype *out, sfs_error *error);

/* The header of an array of the given shape; columns == 0 means one dimension. */
void sfs_npy_header(sfs_dtype dtype, uint64_t count, uint64_t columns, char out[SFS_NPY_HEADER]);

/* The same of two dimensions, either of which may be 0, and of a single element, of none. */
void sfs_npy_header_table(sfs_dtype dtype, uint64_t rows, uint64_t columns,
                          char out[SFS_NPY_HEADER]);
void sfs_npy_header_scalar(sfs_dtype dtype, char out[SFS_NPY_HEADER]);

#endif
