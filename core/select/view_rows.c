/* SPDX-License-Identifier: Apache-2.0 */
#include "select/view_rows.h"

#include "store/checksum.h"

enum { HASHED_AT_ONCE = 4096 };

void sfs_view_rows_close(sfs_view_rows *rows)
{
    sfs_row_set_close(&rows->set);
    free(rows->list);
    *rows = (sfs_view_rows){0};
}

bool sfs_view_rows_find(const sfs_view_rows *rows, uint64_t row, uint64_t *i)
{
    if (rows->set.words ? row >= rows->set.size || !sfs_row_set_has(&rows->set, row)
                        : row >= rows->count)
        return false;
    *i = rows->set.words ? sfs_row_set_rank(&rows->set, row) : row;
    return true;
}

uint64_t sfs_view_rows_memory(const sfs_view_rows *rows)
{
    return sfs_row_set_memory(&rows->set) + (rows->list ? rows->count * sizeof *rows->list : 0);
}

uint64_t sfs_view_rows_digest(const sfs_view_rows *rows)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    for (uint64_t i = 0; i < rows->count;) {
        int64_t numbers[HASHED_AT_ONCE];
        size_t count = 0;
        for (; count < HASHED_AT_ONCE && i < rows->count; count++, i++)
            numbers[count] = (int64_t)sfs_view_rows_at(rows, i);
        XXH3_64bits_update(&state, numbers, count * sizeof *numbers);
    }
    return XXH3_64bits_digest(&state);
}
