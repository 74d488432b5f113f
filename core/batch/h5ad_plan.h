/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of an .h5ad file of a batch, in the file's order: what each is called, how anndata
 * encodes it, and what its elements are made of. */
#ifndef SFS_BATCH_H5AD_PLAN_H
#define SFS_BATCH_H5AD_PLAN_H

#include "batch/column_file.h"
#include "batch/csr_part.h"
#include "batch/h5ad_words.h"

/* The obs column with the rows' numbers in the collection, unless obs has a column of that name. */
#define SFS_H5AD_ROW_COLUMN "shufflefs_row"

/* What the batches of a view have in common. */
typedef struct sfs_h5ad_schema {
    const sfs_collection *collection; /* borrowed */
    /* Borrowed: X of the batch. The collection's other matrices with the same columns are its
     * layers, in the type in which they are stored; X among them is layers/X. */
    const sfs_matrix *matrix;
    sfs_csr_form form;         /* of X */
    const sfs_gene_set *genes; /* borrowed; NULL: all columns */
} sfs_h5ad_schema;

/* How anndata calls what an object is: its attribute encoding-type. */
typedef enum sfs_h5ad_encoding {
    SFS_H5AD_FILE,
    SFS_H5AD_DICT,
    SFS_H5AD_CSR_MATRIX,
    SFS_H5AD_DATAFRAME,
    SFS_H5AD_CATEGORICAL,
    SFS_H5AD_NULLABLE_INTEGER,
    SFS_H5AD_NULLABLE_BOOLEAN,
    SFS_H5AD_NULLABLE_STRINGS,
    SFS_H5AD_ARRAY, /* from here on arrays, before groups */
    SFS_H5AD_STRING_ARRAY,
    SFS_H5AD_ENCODINGS,
} sfs_h5ad_encoding;

/* What an array's elements are. */
typedef enum sfs_h5ad_source {
    SFS_H5AD_SPARSE,  /* an array of a matrix's rows */
    SFS_H5AD_COLUMN,  /* elements of a column */
    SFS_H5AD_FILLED,  /* floats of a nullable column, NaN where missing */
    SFS_H5AD_NUMBERS, /* row numbers, as text */
} sfs_h5ad_source;

/* Of which rows. */
typedef enum sfs_h5ad_axis {
    SFS_H5AD_OBS, /* the batch's */
    SFS_H5AD_VAR, /* the view's genes */
    SFS_H5AD_ALL, /* all of the column */
} sfs_h5ad_axis;

typedef struct sfs_h5ad_object {
    char *path; /* owned: "obs/donor/codes"; of the file "/" */
    sfs_h5ad_encoding encoding;

    /* Of a data frame: its columns in order, beside _index; of categories: whether ordered. */
    const char **columns; /* owned; the names are borrowed */
    size_t column_count;
    bool ordered;

    /* Of an array. */
    sfs_h5ad_source source;
    sfs_h5ad_axis axis;
    sfs_dtype dtype;
    uint32_t width; /* elements of a row; 0: one dimension */
    const sfs_column *column;
    sfs_column_form form;
    sfs_column *made; /* owned: `column`, where it is a list of categories */

    /* Of a sparse matrix and its arrays: which of the plan's, and which array. */
    size_t matrix;
    sfs_csr_array array;
} sfs_h5ad_object;

/* Immutable once made. */
typedef struct sfs_h5ad_plan {
    sfs_h5ad_schema schema;
    sfs_row_list genes;          /* owned: the view's genes, as rows of var */
    sfs_h5ad_object *objects;    /* owned, and each; a group comes before what is in it */
    const sfs_matrix **matrices; /* owned; borrowed each: X, then the layers */
    size_t object_count, matrix_count;
} sfs_h5ad_plan;

/* How much a batch has. */
typedef struct sfs_h5ad_counts {
    uint64_t rows;
    const uint64_t *nnz; /* of each matrix of the plan */
} sfs_h5ad_counts;

/* Reads the categories of obs and var, to know how wide they are. The caller closes the plan, also
 * on failure, and before what schema has. EINVAL where a table has too many columns; EIO, ENOMEM.
 */
sfs_status sfs_h5ad_plan_open(const sfs_h5ad_schema *schema, sfs_h5ad_plan *out, sfs_error *error);
void sfs_h5ad_plan_close(sfs_h5ad_plan *plan);

static inline bool sfs_h5ad_is_array(const sfs_h5ad_object *object)
{
    return object->encoding >= SFS_H5AD_ARRAY;
}

/* The types of a matrix's arrays. */
sfs_csr_form sfs_h5ad_form(const sfs_h5ad_plan *plan, size_t matrix);

/* What an array is like in a file of so much, but for its address. EFBIG where it is larger than
 * files can be. */
sfs_status sfs_h5ad_measure(const sfs_h5ad_plan *plan, const sfs_h5ad_object *array,
                            const sfs_h5ad_counts *counts, sfs_h5ad_extent *out, sfs_error *error);

#endif
