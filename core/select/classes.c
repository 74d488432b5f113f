/* SPDX-License-Identifier: Apache-2.0 */
#include "select/classes.h"

#include <string.h>

#include "select/value_hash.h"
#include "store/guard.h"

/* Rows whose hashes are read at once. */
enum { CHUNK_ROWS = 1024 };

/* Finding the distinct values: an open hash table of the classes so far. Whatever it owns hangs
 * here, for a guard that may leave at any time. */
struct search {
    sfs_classes *classes;
    sfs_value_hash values;
    uint64_t *first_row; /* owned: of each class the row that it was found in */
    uint32_t *slots;     /* owned: a class + 1, or 0 */
    uint64_t slot_count; /* a power of 2 */
    uint64_t room;       /* of hashes and first_row, in classes */
};

static sfs_status same_value(const struct search *search, uint64_t left, uint64_t right, bool *same,
                             sfs_error *error)
{
    const sfs_column *column = search->values.column;
    const sfs_column_part *left_part = sfs_column_part_of(column, left);
    const sfs_column_part *right_part = sfs_column_part_of(column, right);
    if (column->kind == SFS_COLUMN_STRING) {
        const uint8_t *left_line, *right_line;
        uint64_t left_length, right_length;
        SFS_TRY(sfs_column_line(left_part, left, &left_line, &left_length, error));
        SFS_TRY(sfs_column_line(right_part, right, &right_line, &right_length, error));
        *same = left_length == right_length && !memcmp(left_line, right_line, left_length);
        return 0;
    }
    int64_t left_value, right_value;
    SFS_TRY(sfs_column_integer(column, left_part, left, &left_value, error));
    SFS_TRY(sfs_column_integer(column, right_part, right, &right_value, error));
    *same = left_value == right_value;
    return 0;
}

static void place_class(struct search *search, uint32_t class_number)
{
    uint64_t mask = search->slot_count - 1, slot = search->classes->hashes[class_number] & mask;
    while (search->slots[slot])
        slot = (slot + 1) & mask;
    search->slots[slot] = class_number + 1;
}

/* Twice the room, so that at most half of the slots are taken. */
static sfs_status grow(struct search *search, sfs_error *error)
{
    sfs_classes *classes = search->classes;
    uint64_t room = search->room ? search->room * 2 : 64;
    uint64_t *hashes = realloc(classes->hashes, room * sizeof *hashes);
    if (!hashes)
        return sfs_fail_memory(error);
    classes->hashes = hashes;
    uint64_t *first_row = realloc(search->first_row, room * sizeof *first_row);
    if (!first_row)
        return sfs_fail_memory(error);
    search->first_row = first_row;
    free(search->slots);
    search->slot_count = room * 2;
    search->slots = calloc(search->slot_count, sizeof *search->slots);
    if (!search->slots)
        return sfs_fail_memory(error);
    search->room = room;
    for (uint32_t i = 0; i < classes->count; i++)
        place_class(search, i);
    return 0;
}

static sfs_status add_class(struct search *search, uint64_t row, uint64_t hash, sfs_error *error)
{
    sfs_classes *classes = search->classes;
    if (classes->count == SFS_CLASS_MISSING)
        return sfs_fail(error, -EINVAL, "%s: expected fewer than 2^32 - 1 distinct values",
                        search->values.column->name);
    if (classes->count == search->room)
        SFS_TRY(grow(search, error));
    classes->hashes[classes->count] = hash;
    search->first_row[classes->count] = row;
    place_class(search, classes->count++);
    return 0;
}

static sfs_status find_class(struct search *search, uint64_t row, uint64_t hash, uint32_t *out,
                             sfs_error *error)
{
    sfs_classes *classes = search->classes;
    uint64_t mask = search->slot_count - 1;
    for (uint64_t slot = hash & mask; search->slots && search->slots[slot];
         slot = (slot + 1) & mask) {
        uint32_t class_number = search->slots[slot] - 1;
        bool same = false;
        if (classes->hashes[class_number] == hash)
            SFS_TRY(same_value(search, search->first_row[class_number], row, &same, error));
        if (same) {
            *out = class_number;
            return 0;
        }
    }
    *out = classes->count;
    return add_class(search, row, hash, error);
}

static sfs_status number_values(void *context, sfs_error *error)
{
    struct search *search = context;
    const sfs_column *column = search->values.column;
    uint64_t hashes[CHUNK_ROWS];
    for (uint64_t row = 0, chunk = 0; row < search->classes->rows; row++) {
        bool missing;
        if (row == chunk) {
            uint64_t left = search->classes->rows - row;
            chunk += left < CHUNK_ROWS ? left : CHUNK_ROWS;
            SFS_TRY(sfs_value_hash_read(&search->values, row, chunk - row, hashes, error));
        }
        SFS_TRY(sfs_column_missing(column, sfs_column_part_of(column, row), row, &missing, error));
        uint32_t *out = &search->classes->of_row[row];
        *out = SFS_CLASS_MISSING;
        if (!missing)
            SFS_TRY(find_class(search, row, hashes[row % CHUNK_ROWS], out, error));
    }
    return sfs_column_check_sizes(column, error);
}

static sfs_status copy_codes(void *context, sfs_error *error)
{
    struct search *search = context;
    const sfs_column *column = search->values.column;
    for (size_t i = 0; i < column->part_count; i++) {
        const sfs_column_part *part = &column->parts[i];
        for (uint64_t row = part->first_row; row < part->first_row + part->rows; row++) {
            bool missing;
            int64_t code;
            SFS_TRY(sfs_column_missing(column, part, row, &missing, error));
            SFS_TRY(sfs_column_integer(column, part, row, &code, error));
            search->classes->of_row[row] = missing ? SFS_CLASS_MISSING : (uint32_t)code;
        }
    }
    return sfs_column_check_sizes(column, error);
}

static sfs_status find_classes(struct search *search, sfs_error *error)
{
    sfs_classes *classes = search->classes;
    const sfs_column *column = search->values.column;
    classes->of_row = malloc((classes->rows + 1) * sizeof *classes->of_row);
    if (!classes->of_row)
        return sfs_fail_memory(error);
    const sfs_map_set *files = &search->values.collection->files;
    if (column->kind != SFS_COLUMN_CATEGORICAL)
        return sfs_guard(files, number_values, search, error);
    classes->count = (uint32_t)column->categories.count;
    classes->hashes = search->values.categories;
    search->values.categories = NULL;
    return sfs_guard(files, copy_codes, search, error);
}

sfs_status sfs_classes_open(const sfs_collection *collection, const char *name, const char *key,
                            sfs_classes *out, sfs_error *error)
{
    *out = (sfs_classes){.rows = collection->rows};
    struct search search = {.classes = out};
    SFS_TRY(sfs_value_hash_open(collection, name, key, &search.values, error));
    sfs_status status = find_classes(&search, error);
    sfs_value_hash_close(&search.values);
    free(search.first_row);
    free(search.slots);
    if (status)
        sfs_classes_close(out);
    return status;
}

void sfs_classes_close(sfs_classes *classes)
{
    free(classes->of_row);
    free(classes->hashes);
    *classes = (sfs_classes){0};
}

uint32_t sfs_classes_find(const sfs_classes *classes, const char *text, size_t size)
{
    uint64_t hash = sfs_hash(0, text, size);
    for (uint32_t i = 0; i < classes->count; i++)
        if (classes->hashes[i] == hash)
            return i;
    return SFS_CLASS_MISSING;
}

uint64_t sfs_classes_hash(const sfs_classes *classes, uint32_t class_number)
{
    return class_number == SFS_CLASS_MISSING ? SFS_MISSING_HASH : classes->hashes[class_number];
}
