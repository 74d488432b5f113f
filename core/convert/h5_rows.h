/* SPDX-License-Identifier: Apache-2.0 */
/* Dense HDF5 arrays of two dimensions, in blocks of whole rows. */
#ifndef SFS_CONVERT_H5_ROWS_H
#define SFS_CONVERT_H5_ROWS_H

#include "convert/h5_array.h"

/* Is given each block of rows in turn, the first one beginning at row `first`. `values` may be
 * changed. */
typedef sfs_status (*sfs_h5_rows_sink)(void *context, uint64_t first, uint64_t rows, void *values,
                                       sfs_error *error);

/* Hands all rows of an array of numbers to the sink; each chunk is decoded once. Large temporary
 * files go beside `output`. EINVAL where a row takes more than SFS_CONVERT_BUFFER bytes. */
sfs_status sfs_h5_each_rows(const sfs_h5_array *array, const char *output, sfs_h5_rows_sink sink,
                            void *context, sfs_error *error);

#endif
