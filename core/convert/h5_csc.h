/* SPDX-License-Identifier: Apache-2.0 */
/* A CSC matrix being transposed: blocks of its entries, each sorted by row into a run in a
 * temporary file (h5_csc.c), and put together again, a block of rows at a time (h5_csc_merge.c). */
#ifndef SFS_CONVERT_H5_CSC_H
#define SFS_CONVERT_H5_CSC_H

#include "convert/h5_matrix.h"

/* Sorted entries in the temporary file: all their rows, then all their columns (uint32), then all
 * their values. */
typedef struct sfs_csc_run {
    uint64_t offset, count;
} sfs_csc_run;

static inline uint64_t sfs_csc_run_columns(const sfs_csc_run *run)
{
    return run->offset + run->count * sizeof(uint32_t);
}

static inline uint64_t sfs_csc_run_values(const sfs_csc_run *run)
{
    return run->offset + 2 * run->count * sizeof(uint32_t);
}

/* Runs are in order of columns, and sorting keeps that order within a row. */
typedef struct sfs_csc_runs {
    int fd;            /* owned */
    sfs_csc_run *runs; /* owned */
    size_t count;
    uint64_t *bins; /* owned: entries in rows [b << bin_bits, (b + 1) << bin_bits) */
    unsigned bin_bits;
} sfs_csc_runs;

/* Hands the rows of the runs, which hold all entries of job->matrix, to job->writer. Uses up the
 * bins. */
sfs_status sfs_csc_merge(sfs_h5_job *job, sfs_csc_runs *runs, sfs_error *error);

#endif
