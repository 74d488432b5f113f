/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/h5_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "convert/convert.h"

enum { BLOCK = 8192, NUMBER_TEXT = 40 };

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

/* Prints the fewest digits that read back as the same value, as "1.25e+00"; returns how many follow
 * the first. */
static int print_shortest(double value, bool single, char out[NUMBER_TEXT])
{
    int digits = 0;
    for (;; digits++) {
        snprintf(out, NUMBER_TEXT, "%.*e", digits, value);
        if (digits == 16 ||
            (single ? strtof(out, NULL) == (float)value : strtod(out, NULL) == value))
            return digits;
    }
}

/* Prints a float as Python's repr does: 0.1, 1.0, 1e-05, 1e+16. */
static void print_float(double value, bool single, char out[NUMBER_TEXT])
{
    if (!isfinite(value)) {
        snprintf(out, NUMBER_TEXT, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return;
    }
    int digits = print_shortest(value, single, out);
    int exponent = atoi(strchr(out, 'e') + 1);
    if (exponent >= 16 || exponent < -4)
        return;
    int decimals = digits - exponent;
    snprintf(out, NUMBER_TEXT, "%.*f", decimals > 1 ? decimals : 1, strtod(out, NULL));
}

/* Prints a boolean, an integer of 8 bytes or a float of 4 or 8. */
static size_t print_number(sfs_dtype dtype, const char *item, char out[NUMBER_TEXT])
{
    uint64_t bits = 0;
    memcpy(&bits, item, dtype.size);
    if (dtype.kind == 'b') {
        snprintf(out, NUMBER_TEXT, "%s", bits ? "True" : "False");
    } else if (dtype.kind == 'i') {
        snprintf(out, NUMBER_TEXT, "%" PRId64, (int64_t)bits);
    } else if (dtype.kind == 'u') {
        snprintf(out, NUMBER_TEXT, "%" PRIu64, bits);
    } else if (dtype.size == 4) {
        float value;
        memcpy(&value, item, sizeof value);
        print_float((double)value, true, out);
    } else {
        double value;
        memcpy(&value, item, sizeof value);
        print_float(value, false, out);
    }
    return strlen(out);
}

/* Makes the array deliver what print_number prints. */
static sfs_status widen(sfs_h5_array *values, sfs_error *error)
{
    if (values->kind != SFS_H5_NUMBER || values->dtype.kind == 'b')
        return 0;
    if (values->dtype.kind != 'f')
        return sfs_h5_array_as(values, (sfs_dtype){values->dtype.kind, 8}, error);
    if (values->dtype.size == 2)
        return sfs_h5_array_as(values, (sfs_dtype){'f', 4}, error);
    return 0;
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
        char text[NUMBER_TEXT];
        size_t length = print_number(values->dtype, item, text);
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
    SFS_TRY(widen(values, error));
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
