/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as a table: batch.npy, with a column for each of the view's. */
#ifndef SFS_BATCH_DENSE_FILE_H
#define SFS_BATCH_DENSE_FILE_H

#include "batch/csr_part.h"

/* Makes a file of rows, which it takes over, also on failure: the file has the columns
 * in genes (borrowed; NULL: those of the list), which a list of all columns need not have chosen:
 * no row is decoded here. Of form, only the values' type matters. The caller closes the file. EFBIG
 * where the table is larger than files can be; EINVAL, as sfs_row_list_choose; EIO, ENOMEM. */
sfs_status sfs_dense_open(sfs_row_list *rows, const sfs_gene_set *genes, const sfs_csr_form *form,
                          sfs_file **out, sfs_error *error);

#endif
