/* SPDX-License-Identifier: Apache-2.0 */
#include "select/value_hash.h"

#include <string.h>

#include "store/guard.h"

static sfs_status hash_categories(void *context, sfs_error *error)
{
    sfs_value_hash *hash = context;
    const sfs_strings *categories = &hash->column->categories;
    for (uint64_t i = 0; i < categories->count; i++) {
        const uint8_t *line;
        uint64_t length;
        SFS_TRY(sfs_strings_line(categories, i, &line, &length, error));
        hash->categories[i] = sfs_strings_hash(line, length);
    }
    SFS_TRY(sfs_map_check_size(categories->offsets.map, error));
    return sfs_map_check_size(categories->text.map, error);
}

static sfs_status open_categories(sfs_value_hash *hash, sfs_error *error)
{
    hash->categories = malloc((hash->column->categories.count + 1) * sizeof *hash->categories);
    if (!hash->categories)
        return sfs_fail_memory(error);
    sfs_status status = sfs_guard(&hash->collection->files, hash_categories, hash, error);
    if (status)
        sfs_value_hash_close(hash);
    return status;
}

sfs_status sfs_value_hash_open(const sfs_collection *collection, const char *name, const char *key,
                               sfs_value_hash *out, sfs_error *error)
{
    *out = (sfs_value_hash){.collection = collection};
    const sfs_column *column;
    SFS_TRY(sfs_obs_column(collection, name, key, &column, error));
    if (column->kind == SFS_COLUMN_NUMBER && column->dtype.kind == 'f')
        return sfs_fail(error, -EINVAL,
                        "%s: expected a column of categories, strings, integers or booleans, found "
                        "\"%.80s\", which has floats",
                        key, name);
    out->column = column;
    return column->kind == SFS_COLUMN_CATEGORICAL ? open_categories(out, error) : 0;
}

void sfs_value_hash_of_rows(const sfs_collection *collection, sfs_value_hash *out)
{
    *out = (sfs_value_hash){.collection = collection};
    if (collection->obs.has_index)
        out->column = &collection->obs.columns[0];
}

void sfs_value_hash_close(sfs_value_hash *hash)
{
    free(hash->categories);
    *hash = (sfs_value_hash){0};
}

/* XXH3-64 of the decimal digits of an integer, or of True and False. */
static uint64_t hash_integer(sfs_dtype dtype, int64_t value)
{
    if (dtype.kind == 'b')
        return value ? sfs_hash(0, "True", 4) : sfs_hash(0, "False", 5);
    char digits[24], *end = digits + sizeof digits, *at = end;
    bool negative = dtype.kind == 'i' && value < 0;
    uint64_t rest = negative ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (negative)
        *--at = '-';
    return sfs_hash(0, at, (size_t)(end - at));
}

static sfs_status hash_value(const sfs_value_hash *hash, const sfs_column_part *part, uint64_t row,
                             uint64_t *out, sfs_error *error)
{
    const sfs_column *column = hash->column;
    if (column->kind == SFS_COLUMN_STRING) {
        const uint8_t *line;
        uint64_t length;
        SFS_TRY(sfs_column_line(part, row, &line, &length, error));
        *out = sfs_strings_hash(line, length);
        return 0;
    }
    int64_t value;
    SFS_TRY(sfs_column_integer(column, part, row, &value, error));
    *out = hash->categories ? hash->categories[value] : hash_integer(column->dtype, value);
    return 0;
}

sfs_status sfs_value_hash_read(const sfs_value_hash *hash, uint64_t first, uint64_t count,
                               uint64_t *out, sfs_error *error)
{
    if (!hash->column) {
        for (uint64_t i = 0; i < count; i++)
            out[i] = first + i;
        return 0;
    }
    const sfs_column_part *part = NULL;
    for (uint64_t row = first; row < first + count; row++, out++) {
        bool missing;
        if (!part || row - part->first_row >= part->rows)
            part = sfs_column_part_of(hash->column, row);
        SFS_TRY(sfs_column_missing(hash->column, part, row, &missing, error));
        *out = SFS_MISSING_HASH;
        if (!missing)
            SFS_TRY(hash_value(hash, part, row, out, error));
    }
    return 0;
}

sfs_status sfs_value_hash_check(const sfs_value_hash *hash, sfs_error *error)
{
    return hash->column ? sfs_column_check_sizes(hash->column, error) : 0;
}
