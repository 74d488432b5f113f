/* SPDX-License-Identifier: Apache-2.0 */
#include "select/alias.h"

#include "select/row_set.h"

#define FULL (UINT64_C(1) << 32)

/* Makes heights of the weights: proportional integers, rounded by cumulation, so that they sum to
 * count * 2^32 and none is off by 1. Those of FULL and above are noted in `high`. */
static void scale(sfs_alias_entry *entries, uint64_t count, sfs_row_set *high)
{
    unsigned __int128 sum = 0, carry = 0;
    for (uint64_t i = 0; i < count; i++)
        sum += entries[i].weight;
    for (uint64_t i = 0; i < count; i++) {
        unsigned __int128 scaled = (unsigned __int128)entries[i].weight * (count << 32) + carry;
        entries[i].weight = (uint64_t)(scaled / sum);
        carry = scaled % sum;
        if (entries[i].weight >= FULL)
            sfs_row_set_add(high, i);
    }
}

/* The first entry from i on that is high, or that is not; count where there is none. */
static uint64_t next(const sfs_row_set *high, uint64_t i, uint64_t count, bool is_high)
{
    while (i < count && sfs_row_set_has(high, i) != is_high)
        i++;
    return i;
}

/* Fills up each low column from the high one whose turn it is; what is left of that, once it is
 * below FULL, becomes a column that is filled from the next high one. */
static void fill_columns(sfs_alias_entry *entries, uint64_t count, const sfs_row_set *high)
{
    uint64_t low = next(high, 0, count, false), giver = next(high, 0, count, true);
    uint64_t height = entries[giver].weight;
    while (giver < count) {
        if (height < FULL) {
            uint64_t following = next(high, giver + 1, count, true);
            entries[giver].column = (sfs_alias_column){(uint32_t)height, (uint32_t)following};
            giver = following;
            height = entries[giver].weight - (FULL - height);
        } else if (low < count) {
            uint64_t own = entries[low].weight;
            entries[low].column = (sfs_alias_column){(uint32_t)own, (uint32_t)giver};
            height -= FULL - own;
            low = next(high, low + 1, count, false);
        } else {
            entries[giver].column = (sfs_alias_column){0, (uint32_t)giver};
            giver = next(high, giver + 1, count, true);
            height = giver < count ? entries[giver].weight : 0;
        }
    }
}

sfs_status sfs_alias_build(sfs_alias_entry *entries, uint64_t count, sfs_error *error)
{
    sfs_row_set high;
    SFS_TRY(sfs_row_set_open(count, &high, error));
    scale(entries, count, &high);
    fill_columns(entries, count, &high);
    sfs_row_set_close(&high);
    return 0;
}
