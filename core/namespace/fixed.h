/* SPDX-License-Identifier: Apache-2.0 */
/* The names of a tree that are there once and for all: README.txt, dataset.json, the tables, the
 * whole matrices. Each is a node by its place in one list. */
#ifndef SFS_NAMESPACE_FIXED_H
#define SFS_NAMESPACE_FIXED_H

#include "batch/column_file.h"
#include "batch/csr_file.h"
#include "batch/csv_file.h"

typedef enum sfs_fixed_kind {
    SFS_FIXED_DIRECTORY,
    SFS_FIXED_ROWS_DIRECTORY,
    SFS_FIXED_EXPLAIN_DIRECTORY,
    SFS_FIXED_TEXT,
    SFS_FIXED_STATS,     /* .shufflefs/stats.json */
    SFS_FIXED_VIEW_JSON, /* view.json of a view */
    SFS_FIXED_COLUMN,
    SFS_FIXED_CSV,
    SFS_FIXED_MATRIX,
} sfs_fixed_kind;

typedef struct sfs_fixed {
    sfs_fixed_kind kind;
    size_t parent, first_child,
        child_count; /* children of a directory stand together, sorted by name */
    char name[SFS_NAME_MAX + 1];
    const sfs_table *table;   /* borrowed: of a column's file, or of its own */
    const sfs_column *column; /* borrowed; with form: a column's file */
    sfs_column_form form;
    const sfs_matrix *matrix; /* borrowed; with array: a matrix's file */
    sfs_csr_array array;
    char *text; /* owned; with text_size: a text */
    size_t text_size;
} sfs_fixed;

typedef struct sfs_fixed_list {
    sfs_fixed *nodes; /* owned; nodes[0] is the root */
    size_t count;
} sfs_fixed_list;

/* Takes readme and dataset (malloc'ed) over, also on failure. */
sfs_status sfs_fixed_open(const sfs_collection *collection, char *readme, char *dataset,
                          sfs_fixed_list *out, sfs_error *error);
void sfs_fixed_close(sfs_fixed_list *list);

/* The names of a view other than the mount's. */
sfs_status sfs_fixed_open_view(const sfs_collection *collection, sfs_fixed_list *out,
                               sfs_error *error);

static inline bool sfs_fixed_is_directory(const sfs_fixed *fixed)
{
    return fixed->kind <= SFS_FIXED_EXPLAIN_DIRECTORY;
}

/* The child of a directory by name, or NULL. */
const sfs_fixed *sfs_fixed_child(const sfs_fixed_list *list, const sfs_fixed *directory,
                                 const char *name);

/* A name as a file has it: `/`, `%` and control bytes percent-encoded, and "." and ".." too. False
 * where it does not fit with a suffix of `reserve` bytes. */
bool sfs_encode_name(const char *name, size_t reserve, char out[SFS_NAME_MAX + 1]);

#endif
