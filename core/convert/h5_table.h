/* SPDX-License-Identifier: Apache-2.0 */
/* AnnData's data frames: obs, var and raw's var, as groups (since anndata 0.7) or compound datasets
 * (before). */
#ifndef SFS_CONVERT_H5_TABLE_H
#define SFS_CONVERT_H5_TABLE_H

#include "convert/convert.h"
#include "convert/h5.h"

typedef struct sfs_h5_table {
    const sfs_h5 *parent; /* borrowed */
    char *child;          /* owned: its name there */
    sfs_h5 object;
    bool compound;
    char *index;          /* owned: the column or field of the row names, or NULL */
    sfs_h5_names columns; /* the others */
    bool counted;         /* then the table says how many rows it has: */
    uint64_t rows;
} sfs_h5_table;

void sfs_h5_table_close(sfs_h5_table *table);

#define SFS_AUTO_H5_TABLE __attribute__((cleanup(sfs_h5_table_close)))

/* Opens the child and finds its columns. The caller closes out, also on failure. */
sfs_status sfs_h5_table_open(const sfs_h5 *parent, const char *child, sfs_h5_table *out,
                             sfs_error *error);

/* Where a table goes, and what is needed besides. */
typedef struct sfs_h5_table_job {
    sfs_output *output;
    sfs_progress *progress;
    const char *table;    /* "obs", "var" or "raw_var"; declared */
    const char *shown;    /* its name in progress */
    uint64_t rows;        /* that it must have */
    const int32_t *order; /* NULL, or as in sfs_column_spec */
    const sfs_h5 *root;   /* of the file: uns may hold the categories of compound tables */
} sfs_h5_table_job;

/* Writes the index and all columns that can be stored; the others are left out with a note. EINVAL
 * where a column has not as many elements as the table rows. */
sfs_status sfs_h5_table_convert(const sfs_h5_table *table, const sfs_h5_table_job *job,
                                sfs_error *error);

#endif
