/* SPDX-License-Identifier: Apache-2.0 */
/* A set of rows (or of columns), with rank and select: a bitmap, and counts of what comes before
 * each block of it. One thirtieth of 8 bytes a row, whatever is in the set. */
#ifndef SFS_SELECT_ROW_SET_H
#define SFS_SELECT_ROW_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "store/fail.h"

/* Immutable, and so shared by any number of threads, from sfs_row_set_seal on. */
typedef struct sfs_row_set {
    uint64_t size;    /* rows are below this */
    uint64_t count;   /* rows in the set; sealed */
    uint64_t *words;  /* owned: bit r % 64 of word r / 64; bits from size on are 0 */
    uint64_t *before; /* owned: the rows of the set before each block; sealed */
    uint32_t *hints;  /* owned: the block of every so-manieth row of the set; sealed */
} sfs_row_set;

/* An empty set, to be filled by its words or sfs_row_set_add, and then sealed. The caller closes
 * it. ENOMEM. */
sfs_status sfs_row_set_open(uint64_t size, sfs_row_set *out, sfs_error *error);

/* Accepts a set of zeros. */
void sfs_row_set_close(sfs_row_set *set);

/* Counts what is in the set. ENOMEM. */
sfs_status sfs_row_set_seal(sfs_row_set *set, sfs_error *error);

uint64_t sfs_row_set_words(uint64_t size);

/* Bytes of memory that the set holds. */
uint64_t sfs_row_set_memory(const sfs_row_set *set);

static inline void sfs_row_set_add(sfs_row_set *set, uint64_t row)
{
    set->words[row / 64] |= UINT64_C(1) << row % 64;
}

static inline bool sfs_row_set_has(const sfs_row_set *set, uint64_t row)
{
    return set->words[row / 64] >> row % 64 & 1;
}

/* Row i < count of the set, ascending. */
uint64_t sfs_row_set_select(const sfs_row_set *set, uint64_t i);

/* The number of rows of the set below row <= size. */
uint64_t sfs_row_set_rank(const sfs_row_set *set, uint64_t row);

#endif
