/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/h5_text.h"

#include <inttypes.h>
#include <string.h>

#include "batch/number_text.h"
#include "convert/convert.h"

enum { BLOCK = 8192 };

/* What is needed while an array goes by. */
typedef struct text_reader {
    const sfs_h5_array *values, *mask;
    sfs_h5_text_sink sink;
    void *context;
    char *items;    /* owned: a block of elements */
    uint8_t *flags; /* owned: of its mask */
} text_reader;

static void reader_close(text_reader *reader)
{
    free(reader->items);
    free(reader->flags);
}

/* The bytes of a string of fixed width, without its padding. */
static size_t fixed_length(const char *item, size_t width, bool spaces)
{
    size_t length = strnlen(item, width);
    while (spaces && length && item[length - 1] == ' ')
        length--;
    return length;
}

static sfs_status give_one(const text_reader *reader, const char *item, bool missing,
                           sfs_error *error)
{
    const sfs_h5_array *values = reader->values;
    if (values->kind == SFS_H5_NUMBER) {
        char text[SFS_NUMBER_TEXT];
        size_t length = sfs_number_text(values->dtype, item, text);
        return reader->sink(reader->context, text, length, missing, error);
    }
    if (!values->varying)
        return reader->sink(reader->context, item, fixed_length(item, values->item, values->spaces),
                            missing, error);
    const char *text;
    memcpy(&text, item, sizeof text);
    return reader->sink(reader->context, text ? text : "", text ? strlen(text) : 0, missing, error);
}

static sfs_status give_block(const text_reader *reader, uint64_t count, sfs_error *error)
{
    for (uint64_t i = 0; i < count; i++)
        SFS_TRY(give_one(reader, reader->items + i * reader->values->item,
                         reader->mask && reader->flags[i], error));
    return 0;
}

static sfs_status read_block(const text_reader *reader, uint64_t first, uint64_t count,
                             sfs_error *error)
{
    if (reader->mask)
        SFS_TRY(sfs_h5_array_read(reader->mask, first, count, reader->flags, error));
    SFS_TRY(sfs_h5_array_read(reader->values, first, count, reader->items, error));
    sfs_status status = give_block(reader, count, error);
    sfs_h5_array_reclaim(reader->values, count, reader->items);
    return status;
}

static sfs_status check(const sfs_h5_array *values, const sfs_h5_array *mask, sfs_error *error)
{
    const char *name = values->object.name;
    if (values->rank > 1 || values->kind == SFS_H5_OTHER)
        return sfs_fail(error, -EINVAL,
                        "%s: expected one dimension of strings or numbers, found %d of %s", name,
                        values->rank, values->found);
    if (values->item > SFS_CONVERT_BUFFER)
        return sfs_fail(error, -EINVAL, "%s: expected strings of at most %d bytes, found %zu", name,
                        SFS_CONVERT_BUFFER, values->item);
    if (mask && mask->shape[0] != values->shape[0])
        return sfs_fail(error, -EINVAL, "%s: expected %" PRIu64 " elements, found %" PRIu64,
                        mask->object.name, values->shape[0], mask->shape[0]);
    return 0;
}

sfs_status sfs_h5_each_text(sfs_h5_array *values, const sfs_h5_array *mask, sfs_h5_text_sink sink,
                            void *context, sfs_error *error)
{
    SFS_TRY(check(values, mask, error));
    uint64_t fit = SFS_CONVERT_BUFFER / values->item, block = fit < BLOCK ? fit : BLOCK;
    __attribute__((cleanup(reader_close))) text_reader reader = {
        .values = values,
        .mask = mask,
        .sink = sink,
        .context = context,
        .items = malloc(block * values->item),
        .flags = malloc(block),
    };
    if (!reader.items || !reader.flags)
        return sfs_fail_memory(error);
    uint64_t total = values->shape[0];
    for (uint64_t first = 0; first < total; first += block)
        SFS_TRY(read_block(&reader, first, total - first < block ? total - first : block, error));
    return 0;
}
