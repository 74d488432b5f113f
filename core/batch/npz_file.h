/* SPDX-License-Identifier: Apache-2.0 */
/* Sparse rows as scipy.sparse.load_npz opens them: batch.npz, a zip file of .npy files, which are
 * stored uncompressed. */
#ifndef SFS_BATCH_NPZ_FILE_H
#define SFS_BATCH_NPZ_FILE_H

#include "batch/csr_part.h"

/* Makes a file of rows, which it takes over, also on failure. The caller closes it. Checksums of
 * the arrays, which their headers have, are worked out by the first read that touches one: it reads
 * all of the file. EIO, ENOMEM. */
sfs_status sfs_npz_open(sfs_row_list *rows, const sfs_csr_form *form, sfs_file **out,
                        sfs_error *error);

#endif
