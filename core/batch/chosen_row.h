/* SPDX-License-Identifier: Apache-2.0 */
/* A row's non-zeros in the columns of a view. */
#ifndef SFS_BATCH_CHOSEN_ROW_H
#define SFS_BATCH_CHOSEN_ROW_H

#include "codec/codec.h"
#include "select/gene_set.h"

/* Valid until the scratch memory is used again. */
typedef struct sfs_chosen_row {
    uint32_t count;
    int32_t *columns; /* of the view */
    uint8_t *values;  /* of the type that was wanted */
    uint8_t *spare;   /* room for as many elements of any type */
} sfs_chosen_row;

/* What of a row is wanted. */
typedef struct sfs_chosen_form {
    const sfs_gene_set *genes; /* NULL: all columns */
    bool sorted;               /* by the view's columns; else in any order */
    bool with_values;
    sfs_dtype values;
} sfs_chosen_form;

/* Bytes of scratch memory for rows of at most so many non-zeros of all columns. */
uint64_t sfs_chosen_scratch(uint64_t longest);

/* EINVAL where genes are not of so many columns as the matrix has. */
sfs_status sfs_chosen_check(const sfs_matrix *matrix, const sfs_gene_set *genes, sfs_error *error);

/* Decodes a row that was verified into scratch memory, aligned as malloc does, of the size above.
 * Columns are below those of the view: EIO where others are stored. The genes were checked. The
 * caller holds a guard; allocates nothing. */
sfs_status sfs_chosen_decode(const sfs_matrix *matrix, const sfs_row_place *place,
                             const sfs_chosen_form *form, void *scratch, sfs_chosen_row *out,
                             sfs_error *error);

#endif
