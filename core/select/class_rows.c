/* SPDX-License-Identifier: Apache-2.0 */
#include "select/class_rows.h"

#include <inttypes.h>

/* The counter of a class: missing values are counted behind all others. */
static uint32_t *counter(const sfs_classes *classes, uint32_t *counts, uint64_t row)
{
    uint32_t class_number = classes->of_row[row];
    return &counts[class_number == SFS_CLASS_MISSING ? classes->count : class_number];
}

/* Lists the classes that have rows, and turns the counts of rows into the starts of members. */
static sfs_status list_classes(const sfs_classes *classes, uint32_t *counts, bool missing,
                               sfs_class_rows *out, sfs_error *error)
{
    uint64_t last = classes->count + (uint64_t)missing;
    for (uint64_t i = 0; i < last; i++)
        out->count += counts[i] != 0;
    out->classes = malloc(((uint64_t)out->count + 1) * sizeof *out->classes);
    out->starts = malloc(((uint64_t)out->count + 1) * sizeof *out->starts);
    if (!out->classes || !out->starts)
        return sfs_fail_memory(error);
    uint32_t listed = 0, start = 0;
    for (uint64_t i = 0; i < last; i++) {
        if (!counts[i])
            continue;
        out->classes[listed] = i == classes->count ? SFS_CLASS_MISSING : (uint32_t)i;
        out->starts[listed++] = start;
        start += counts[i];
        counts[i] = start - counts[i];
    }
    out->starts[listed] = start;
    out->members = malloc(((uint64_t)start + 1) * sizeof *out->members);
    return out->members ? 0 : sfs_fail_memory(error);
}

static sfs_status group_rows(const sfs_classes *classes, sfs_row_walk walk, bool missing,
                             sfs_class_rows *out, sfs_error *error)
{
    SFS_AUTO_FREE uint32_t *counts = calloc((uint64_t)classes->count + 1, sizeof *counts);
    if (!counts)
        return sfs_fail_memory(error);
    sfs_row_walk counted = walk;
    for (uint64_t i = 0; i < walk.count; i++)
        ++*counter(classes, counts, sfs_row_walk_next(&counted));
    SFS_TRY(list_classes(classes, counts, missing, out, error));
    for (uint64_t i = 0; i < walk.count; i++) {
        uint64_t row = sfs_row_walk_next(&walk);
        if (missing || classes->of_row[row] != SFS_CLASS_MISSING)
            out->members[(*counter(classes, counts, row))++] = (uint32_t)i;
    }
    return 0;
}

sfs_status sfs_class_rows_open(const sfs_classes *classes, sfs_row_walk walk, bool missing,
                               const char *key, sfs_class_rows *out, sfs_error *error)
{
    *out = (sfs_class_rows){0};
    if (walk.count >= SFS_CLASS_ROWS_MAX)
        return sfs_fail(error, -EINVAL,
                        "%s: expected a view of fewer than %" PRIu64 " rows, found one of %" PRIu64
                        ": select fewer with where",
                        key, SFS_CLASS_ROWS_MAX, walk.count);
    sfs_status status = group_rows(classes, walk, missing, out, error);
    if (status)
        sfs_class_rows_close(out);
    return status;
}

void sfs_class_rows_close(sfs_class_rows *rows)
{
    free(rows->classes);
    free(rows->starts);
    free(rows->members);
    *rows = (sfs_class_rows){0};
}

uint64_t sfs_class_rows_memory(const sfs_class_rows *rows)
{
    if (!rows->starts)
        return 0;
    return ((uint64_t)rows->starts[rows->count] + rows->count * UINT64_C(2) + 3) *
           sizeof *rows->members;
}
