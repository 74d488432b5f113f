/* SPDX-License-Identifier: Apache-2.0 */
/* Which columns of a matrix are the columns of a view, and in what order. */
#ifndef SFS_SELECT_GENE_SET_H
#define SFS_SELECT_GENE_SET_H

#include "select/row_set.h"

/* Immutable, and so shared by any number of threads. */
typedef struct sfs_gene_set {
    uint32_t count;      /* columns of the view */
    uint32_t stored;     /* columns of the matrix */
    int32_t *column_of;  /* owned: the view's column of each stored one, or -1 */
    uint8_t *chosen;     /* owned: 1 where column_of has a column, else 0: smaller than that, and so
                            nearer in the caches; one 0 more behind them */
    uint32_t *stored_of; /* owned: the stored column of each of the view's */
    bool ascending;      /* stored_of ascends: columns keep their order */
} sfs_gene_set;

/* The columns in a sealed set, in the order of the store; set->size columns are stored. The caller
 * closes *out. EINVAL for more than INT32_MAX columns; ENOMEM. */
sfs_status sfs_gene_set_open_rows(const sfs_row_set *set, sfs_gene_set *out, sfs_error *error);

/* Columns in any order, none of them twice; all are below `stored`. The list is copied. As above,
 * and EINVAL for a list that is none such. */
sfs_status sfs_gene_set_open_list(const uint32_t *columns, uint64_t count, uint64_t stored,
                                  sfs_gene_set *out, sfs_error *error);

/* Accepts a set of zeros. */
void sfs_gene_set_close(sfs_gene_set *set);

/* Bytes of memory that the set holds. */
uint64_t sfs_gene_set_memory(const sfs_gene_set *set);

/* 1 for a stored column that is one of the view's, else 0; any number will do, as bytes of a file
 * may be any. */
static inline uint8_t sfs_gene_set_has(const sfs_gene_set *set, uint32_t stored)
{
    return set->chosen[stored < set->stored ? stored : set->stored];
}

#endif
