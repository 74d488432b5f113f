/* SPDX-License-Identifier: Apache-2.0 */
/* The elements of a column for the rows of a batch, as parts of a file. */
#ifndef SFS_BATCH_COLUMN_ROWS_H
#define SFS_BATCH_COLUMN_ROWS_H

#include "batch/column_file.h"

/* Adds a part with the column's elements, in the form SFS_COLUMN_NPY or SFS_COLUMN_MASK (which the
 * column has), for these rows, all below the column's rows; the list outlives the file. NULL: all
 * rows of the column. Their type is sfs_column_form_dtype; each row takes sfs_column_form_size
 * bytes. */
sfs_part *sfs_column_add(sfs_file *file, const sfs_row_list *rows, const sfs_column *column,
                         sfs_column_form form, uint64_t alignment);

/* How such parts read: the elements in either form. */
sfs_part_read sfs_column_values, sfs_column_mask;

/* The same for the rows of the file: file->rows. */
sfs_part *sfs_column_add_rows(sfs_file *file, const sfs_column *column, sfs_column_form form,
                              uint64_t alignment);

/* The same for all rows of the column. */
sfs_part *sfs_column_add_all(sfs_file *file, const sfs_column *column, sfs_column_form form,
                             uint64_t alignment);

/* The .npy file of the column's elements for these rows, in one of those two forms. Takes the list
 * over, also on failure. The caller closes the file. ENOMEM. */
sfs_status sfs_column_rows_file_open(sfs_row_list *rows, const sfs_column *column,
                                     sfs_column_form form, sfs_file **out, sfs_error *error);

#endif
