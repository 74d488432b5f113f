/* SPDX-License-Identifier: Apache-2.0 */
#include "select/column_span.h"

#include <fcntl.h>

/* The kernel cuts what is asked for at once to its read-ahead, which is rarely less. */
enum { ASK_MAX = 128 << 10 };

bool sfs_column_span_next(const sfs_column *column, uint64_t first, uint64_t count,
                          sfs_column_span *span)
{
    span->at += span->count;
    if (span->at >= count)
        return false;
    const sfs_column_part *part = &column->parts[sfs_column_find_part(column, first + span->at, 0)];
    uint64_t row = first + span->at - part->first_row, left = part->rows - row;
    span->part = part;
    span->first = row;
    span->count = left < count - span->at ? left : count - span->at;
    return true;
}

static void ask(const sfs_array *array, uint64_t first, uint64_t count)
{
    uint64_t offset = SFS_NPY_HEADER + first * array->dtype.size;
    uint64_t end = offset + count * array->dtype.size;
    for (; offset < end; offset += ASK_MAX)
        posix_fadvise(array->map->fd, (off_t)offset,
                      (off_t)(end - offset < ASK_MAX ? end - offset : ASK_MAX),
                      POSIX_FADV_WILLNEED);
}

static void ask_text(const sfs_strings *strings, uint64_t first, uint64_t count)
{
    const uint64_t *offsets = (const uint64_t *)(const void *)strings->offsets.items;
    uint64_t start = offsets[first], end = offsets[first + count];
    if (start < end && end <= strings->text.count)
        ask(&strings->text, start, end - start);
}

void sfs_column_will_need(const sfs_column *column, uint64_t first, uint64_t count, bool text)
{
    sfs_column_span span = {0};
    while (sfs_column_span_next(column, first, count, &span)) {
        if (column->kind != SFS_COLUMN_STRING && !text)
            ask(&span.part->values, span.first, span.count);
        else if (column->kind == SFS_COLUMN_STRING && text)
            ask_text(&span.part->strings, span.first, span.count);
        else if (column->kind == SFS_COLUMN_STRING)
            ask(&span.part->strings.offsets, span.first, span.count + 1);
        if (column->nullable && !text)
            ask(&span.part->mask, span.first, span.count);
    }
}
