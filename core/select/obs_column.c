/* SPDX-License-Identifier: Apache-2.0 */
#include "select/obs_column.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The names of the columns, as many as fit in `room` bytes. */
static void list_columns(const sfs_table *obs, char *out, size_t room)
{
    size_t used = 0, first = obs->has_index;
    *out = 0;
    for (size_t i = first; i < obs->column_count; i++) {
        const char *name = obs->columns[i].name;
        if (used + strlen(name) + sizeof ", , ..." > room) {
            snprintf(out + used, room - used, ", ...");
            return;
        }
        used += (size_t)snprintf(out + used, room - used, "%s%s", i > first ? ", " : "", name);
    }
}

sfs_status sfs_obs_column(const sfs_collection *collection, const char *name, const char *key,
                          const sfs_column **out, sfs_error *error)
{
    const sfs_table *obs = &collection->obs;
    for (size_t i = 0; i < obs->column_count; i++) {
        if (!strcmp(obs->columns[i].name, name)) {
            *out = &obs->columns[i];
            return 0;
        }
    }
    char names[700];
    list_columns(obs, names, sizeof names);
    return sfs_fail(error, -EINVAL, "%s: expected a column of obs (%s), found \"%.80s\"", key,
                    *names ? names : "it has none", name);
}

const sfs_column_part *sfs_column_part_of(const sfs_column *column, uint64_t row)
{
    return &column->parts[sfs_column_find_part(column, row, 0)];
}

static sfs_status missing_code(const sfs_column *column, const sfs_column_part *part, uint64_t row,
                               bool *missing, sfs_error *error)
{
    int64_t code;
    SFS_TRY(sfs_column_integer(column, part, row, &code, error));
    if (code < -1 || code >= (int64_t)column->categories.count)
        return sfs_fail(error, -EIO,
                        "%s: expected a code from -1 to %" PRId64 " in row %" PRIu64
                        ", found %" PRId64 ": convert the data again",
                        part->values.map->name, (int64_t)column->categories.count - 1, row, code);
    *missing = code < 0;
    return 0;
}

sfs_status sfs_column_missing(const sfs_column *column, const sfs_column_part *part, uint64_t row,
                              bool *missing, sfs_error *error)
{
    if (column->kind == SFS_COLUMN_CATEGORICAL)
        return missing_code(column, part, row, missing, error);
    *missing = false;
    if (!column->nullable)
        return 0;
    SFS_TRY(sfs_array_verify(&part->mask, row - part->first_row, 1, error));
    *missing = part->mask.items[row - part->first_row];
    return 0;
}

sfs_status sfs_column_integer(const sfs_column *column, const sfs_column_part *part, uint64_t row,
                              int64_t *out, sfs_error *error)
{
    uint64_t at = row - part->first_row, bits = 0;
    unsigned unused = 64 - 8 * column->dtype.size;
    SFS_TRY(sfs_array_verify(&part->values, at, 1, error));
    memcpy(&bits, part->values.items + at * column->dtype.size, column->dtype.size);
    if (column->dtype.kind == 'b')
        bits = bits != 0;
    *out = column->dtype.kind == 'i' ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
    return 0;
}

sfs_status sfs_column_line(const sfs_column_part *part, uint64_t row, const uint8_t **line,
                           uint64_t *length, sfs_error *error)
{
    return sfs_strings_line(&part->strings, row - part->first_row, line, length, error);
}

sfs_status sfs_column_check_sizes(const sfs_column *column, sfs_error *error)
{
    for (size_t i = 0; i < column->part_count; i++) {
        const sfs_column_part *part = &column->parts[i];
        const sfs_map *maps[] = {part->values.map, part->mask.map, part->strings.offsets.map,
                                 part->strings.text.map};
        for (size_t m = 0; m < sizeof maps / sizeof *maps; m++)
            if (maps[m])
                SFS_TRY(sfs_map_check_size(maps[m], error));
    }
    return 0;
}
