/* SPDX-License-Identifier: Apache-2.0 */
/* Dense matrices. */
#include "convert/h5_matrix.h"
#include "convert/h5_rows.h"

static sfs_status write_rows(void *context, uint64_t first, uint64_t rows, void *values,
                             sfs_error *error)
{
    sfs_h5_job *job = context;
    SFS_TRY(sfs_h5_write_dense(job, rows, values, error));
    sfs_progress_update(job->progress, first + rows);
    return 0;
}

sfs_status sfs_h5_dense_rows(sfs_h5_job *job, sfs_error *error)
{
    return sfs_h5_each_rows(&job->matrix->data, job->output, write_rows, job, error);
}
