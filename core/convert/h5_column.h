/* SPDX-License-Identifier: Apache-2.0 */
/* One column of a data frame, from HDF5 arrays into the output. */
#ifndef SFS_CONVERT_H5_COLUMN_H
#define SFS_CONVERT_H5_COLUMN_H

#include "convert/h5_array.h"
#include "convert/h5_table.h"

/* The arrays are the caller's; they may be set to be read as another type. Each fails with EINVAL
 * unless the column has job->rows elements. */

/* Strings; numbers are written as text. `mask` may be NULL. */
sfs_status sfs_h5_column_text(const sfs_h5_table_job *job, const char *name, sfs_h5_array *values,
                              sfs_h5_array *mask, sfs_error *error);

/* Numbers and booleans. `mask` may be NULL. */
sfs_status sfs_h5_column_numbers(const sfs_h5_table_job *job, const char *name,
                                 const sfs_h5_array *values, sfs_h5_array *mask, sfs_error *error);

/* Codes, and the strings or numbers that they stand for. */
sfs_status sfs_h5_column_categorical(const sfs_h5_table_job *job, const char *name,
                                     sfs_h5_array *codes, sfs_h5_array *categories, bool ordered,
                                     sfs_error *error);

#endif
