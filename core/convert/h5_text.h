/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5 arrays as text: strings as they are, numbers as Python prints them. */
#ifndef SFS_CONVERT_H5_TEXT_H
#define SFS_CONVERT_H5_TEXT_H

#include "convert/h5_array.h"

/* Is given each element in turn; bytes are borrowed for the call. */
typedef sfs_status (*sfs_h5_text_sink)(void *context, const char *bytes, size_t length,
                                       bool missing, sfs_error *error);

/* Hands all elements of an array of strings or numbers (one dimension, or a scalar) to the sink, in
 * blocks. `mask`, unless NULL, is read as bytes: not 0 where an element is missing. */
sfs_status sfs_h5_each_text(sfs_h5_array *values, const sfs_h5_array *mask, sfs_h5_text_sink sink,
                            void *context, sfs_error *error);

#endif
