/* SPDX-License-Identifier: Apache-2.0 */
/* AnnData's obsm: dense arrays with a row for each observation. */
#ifndef SFS_CONVERT_H5_OBSM_H
#define SFS_CONVERT_H5_OBSM_H

#include "convert/convert.h"
#include "convert/h5.h"

/* Writes every array of the file's obsm that is dense, of two dimensions and of numbers, as a
 * column of the table obsm; everything else in it is left out with a note. Without such an array,
 * there is no such table. EINVAL where an array has another number of rows than `rows`. */
sfs_status sfs_h5_obsm_convert(const sfs_h5 *root, uint64_t rows, sfs_progress *progress,
                               sfs_output *output, sfs_error *error);

#endif
