/* SPDX-License-Identifier: Apache-2.0 */
#include "select/row_set.h"

/* A block is a cache line of words; a hint stands for so many rows of the set. */
enum { BLOCK_WORDS = 8, BLOCK_ROWS = BLOCK_WORDS * 64, HINT_ROWS = 4096 };

uint64_t sfs_row_set_words(uint64_t size)
{
    return size / 64 + (size % 64 != 0);
}

/* Words are allocated by whole blocks, so that a block is always read whole. */
static uint64_t block_count(uint64_t size)
{
    return size / BLOCK_ROWS + (size % BLOCK_ROWS != 0);
}

static uint64_t hint_count(uint64_t count)
{
    return count / HINT_ROWS + 1;
}

sfs_status sfs_row_set_open(uint64_t size, sfs_row_set *out, sfs_error *error)
{
    *out = (sfs_row_set){.size = size};
    out->words = calloc(block_count(size) * BLOCK_WORDS + 1, sizeof *out->words);
    return out->words ? 0 : sfs_fail_memory(error);
}

void sfs_row_set_close(sfs_row_set *set)
{
    free(set->words);
    free(set->before);
    free(set->hints);
    *set = (sfs_row_set){0};
}

sfs_status sfs_row_set_seal(sfs_row_set *set, sfs_error *error)
{
    uint64_t blocks = block_count(set->size), count = 0;
    uint64_t *before = malloc((blocks + 1) * sizeof *before);
    if (!before)
        return sfs_fail_memory(error);
    for (uint64_t block = 0; block < blocks; block++) {
        before[block] = count;
        for (int i = 0; i < BLOCK_WORDS; i++)
            count += (uint64_t)__builtin_popcountll(set->words[block * BLOCK_WORDS + (uint64_t)i]);
    }
    before[blocks] = count;
    free(set->before);
    set->before = before;
    set->count = count;
    free(set->hints);
    set->hints = malloc(hint_count(count) * sizeof *set->hints);
    if (!set->hints)
        return sfs_fail_memory(error);
    for (uint64_t block = 0, hint = 0; hint < hint_count(count); hint++) {
        while (block + 1 < blocks && before[block + 1] <= hint * HINT_ROWS)
            block++;
        set->hints[hint] = (uint32_t)block;
    }
    return 0;
}

uint64_t sfs_row_set_memory(const sfs_row_set *set)
{
    uint64_t blocks = block_count(set->size);
    return set->words ? blocks * (BLOCK_WORDS + 1) * sizeof *set->words +
                            hint_count(set->count) * sizeof *set->hints
                      : 0;
}

/* The bit that has `rank` others below it in a word. */
static unsigned select_bit(uint64_t word, uint64_t rank)
{
    while (rank--)
        word &= word - 1;
    return (unsigned)__builtin_ctzll(word);
}

uint64_t sfs_row_set_select(const sfs_row_set *set, uint64_t i)
{
    uint64_t hint = i / HINT_ROWS, low = set->hints[hint];
    uint64_t high = (hint + 1) * HINT_ROWS < set->count ? (uint64_t)set->hints[hint + 1] + 1
                                                        : block_count(set->size);
    while (high - low > 1) { /* before[low] <= i < before[high] */
        uint64_t middle = low + (high - low) / 2;
        if (set->before[middle] <= i)
            low = middle;
        else
            high = middle;
    }
    uint64_t rank = i - set->before[low];
    for (uint64_t word = low * BLOCK_WORDS;; word++) {
        uint64_t here = (uint64_t)__builtin_popcountll(set->words[word]);
        if (rank < here)
            return word * 64 + select_bit(set->words[word], rank);
        rank -= here;
    }
}

uint64_t sfs_row_set_rank(const sfs_row_set *set, uint64_t row)
{
    uint64_t block = row / BLOCK_ROWS, rank = set->before[block];
    for (uint64_t word = block * BLOCK_WORDS; word < row / 64; word++)
        rank += (uint64_t)__builtin_popcountll(set->words[word]);
    if (row % 64)
        rank +=
            (uint64_t)__builtin_popcountll(set->words[row / 64] & ((UINT64_C(1) << row % 64) - 1));
    return rank;
}
