/* SPDX-License-Identifier: Apache-2.0 */
#include "select/gene_set.h"

#include <inttypes.h>
#include <string.h>

/* A set whose stored columns are none of the view's yet. */
static sfs_status open_set(uint64_t count, uint64_t stored, sfs_gene_set *out, sfs_error *error)
{
    *out = (sfs_gene_set){.ascending = true};
    if (stored > INT32_MAX || count > stored)
        return sfs_fail(error, -EINVAL,
                        "genes: expected at most %" PRIu64 " columns of at most %" PRId32
                        ", found %" PRIu64,
                        stored, INT32_MAX, count);
    out->count = (uint32_t)count;
    out->stored = (uint32_t)stored;
    out->column_of = malloc((stored + 1) * sizeof *out->column_of);
    out->stored_of = malloc((count + 1) * sizeof *out->stored_of);
    out->chosen = calloc(stored + 1, sizeof *out->chosen);
    if (!out->column_of || !out->stored_of || !out->chosen) {
        sfs_gene_set_close(out);
        return sfs_fail_memory(error);
    }
    memset(out->column_of, 0xff, (stored + 1) * sizeof *out->column_of);
    return 0;
}

static void put(sfs_gene_set *set, uint32_t column, uint32_t stored)
{
    set->column_of[stored] = (int32_t)column;
    set->stored_of[column] = stored;
    set->chosen[stored] = 1;
}

sfs_status sfs_gene_set_open_rows(const sfs_row_set *set, sfs_gene_set *out, sfs_error *error)
{
    SFS_TRY(open_set(set->count, set->size, out, error));
    uint32_t column = 0;
    for (uint64_t word = 0; word < sfs_row_set_words(set->size); word++) {
        for (uint64_t bits = set->words[word]; bits; bits &= bits - 1) {
            uint32_t stored = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(bits);
            put(out, column++, stored);
        }
    }
    return 0;
}

sfs_status sfs_gene_set_open_list(const uint32_t *columns, uint64_t count, uint64_t stored,
                                  sfs_gene_set *out, sfs_error *error)
{
    SFS_TRY(open_set(count, stored, out, error));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t column = columns[i];
        if (column >= stored || out->column_of[column] >= 0) {
            sfs_gene_set_close(out);
            return sfs_fail(error, -EINVAL,
                            "genes: expected columns below %" PRIu64 ", each once, found %" PRIu32
                            " at place %" PRIu32,
                            stored, column, i);
        }
        put(out, i, column);
        out->ascending &= !i || columns[i - 1] < column;
    }
    return 0;
}

void sfs_gene_set_close(sfs_gene_set *set)
{
    free(set->column_of);
    free(set->stored_of);
    free(set->chosen);
    *set = (sfs_gene_set){0};
}

uint64_t sfs_gene_set_memory(const sfs_gene_set *set)
{
    return ((uint64_t)set->stored + 1) * (sizeof *set->column_of + sizeof *set->chosen) +
           ((uint64_t)set->count + 1) * sizeof *set->stored_of;
}
