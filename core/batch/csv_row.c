/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/csv_row.h"

#include <inttypes.h>
#include <string.h>

#include "batch/number_text.h"

static void put(sfs_csv_sink *sink, const void *bytes, uint64_t length)
{
    uint64_t at = sink->length, end = at + length, window_end = sink->skip + sink->room;
    uint64_t from = at > sink->skip ? at : sink->skip, to = end < window_end ? end : window_end;
    sink->length = end;
    if (from < to)
        memcpy(sink->out + (from - sink->skip), (const uint8_t *)bytes + (from - at), to - from);
}

/* The byte that an escape of a stored line stands for. */
static uint8_t unescape(uint8_t byte)
{
    return byte == 'n' ? '\n' : byte == '0' ? '\0' : byte;
}

/* What is known of a text before it is put. */
struct text {
    bool plain;  /* can be copied as it is */
    bool quoted; /* needs quotes around it */
};

static struct text look(const uint8_t *bytes, uint64_t length, bool escaped)
{
    struct text text = {.plain = length > 0, .quoted = !length};
    for (uint64_t i = 0; i < length; i++) {
        uint8_t byte = bytes[i];
        bool escape = escaped && byte == '\\' && i + 1 < length;
        if (escape)
            byte = unescape(bytes[++i]);
        bool quoted = byte == ',' || byte == '"' || byte == '\r' || byte == '\n';
        text.quoted |= quoted;
        text.plain &= !quoted && !escape;
    }
    return text;
}

/* Puts bytes as a field: in quotes where they are needed, and where there are none, so that an
 * empty string is not a missing value. `escaped`: the bytes are a stored line. */
static void put_text(sfs_csv_sink *sink, const uint8_t *bytes, uint64_t length, bool escaped)
{
    struct text text = look(bytes, length, escaped);
    if (text.plain) {
        put(sink, bytes, length);
        return;
    }
    if (text.quoted)
        put(sink, "\"", 1);
    uint64_t start = 0; /* of the run of bytes that were not put yet */
    for (uint64_t i = 0; i < length; i++) {
        if (escaped && bytes[i] == '\\' && i + 1 < length) {
            uint8_t byte = unescape(bytes[i + 1]);
            put(sink, bytes + start, i - start);
            put(sink, &byte, 1);
            start = ++i + 1;
        } else if (bytes[i] == '"') {
            put(sink, bytes + start, i - start + 1);
            start = i; /* the quote again */
        }
    }
    put(sink, bytes + start, length - start);
    if (text.quoted)
        put(sink, "\"", 1);
}

static sfs_status put_string(const sfs_strings *strings, uint64_t i, sfs_csv_sink *sink,
                             sfs_error *error)
{
    const uint8_t *line;
    uint64_t length;
    SFS_TRY(sfs_strings_line(strings, i, &line, &length, error));
    put_text(sink, line, length - 1, true);
    return 0;
}

/* A line with nothing on it would be skipped by readers: the missing value of an only column is an
 * empty text in quotes. */
static void put_missing(const sfs_table *table, sfs_csv_sink *sink)
{
    if (table->column_count == 1)
        put(sink, "\"\"", 2);
}

static sfs_status read_item(const sfs_array *array, uint64_t row, void *out, sfs_error *error)
{
    SFS_TRY(sfs_array_verify(array, row, 1, error));
    memcpy(out, array->items + row * array->dtype.size, array->dtype.size);
    return 0;
}

static sfs_status put_number(const sfs_table *table, const sfs_array *values, uint64_t row,
                             sfs_csv_sink *sink, sfs_error *error)
{
    char item[sizeof(uint64_t)], text[SFS_NUMBER_TEXT];
    SFS_TRY(read_item(values, row, item, error));
    unsigned length = sfs_number_text(values->dtype, item, text);
    if (values->dtype.kind == 'f' && text[0] == 'n')
        put_missing(table, sink);
    else
        put(sink, text, length);
    return 0;
}

static sfs_status put_category(const sfs_table *table, const sfs_column *column,
                               const sfs_array *codes, uint64_t row, sfs_csv_sink *sink,
                               sfs_error *error)
{
    int32_t code;
    SFS_TRY(read_item(codes, row, &code, error));
    if (code < -1 || (code >= 0 && (uint64_t)code >= column->categories.count))
        return sfs_fail(error, -EIO,
                        "%s: expected codes of %" PRIu64 " categories, found %" PRId32
                        " at row %" PRIu64 ": convert the data again",
                        codes->map->name, column->categories.count, code, row);
    if (code >= 0)
        return put_string(&column->categories, (uint64_t)code, sink, error);
    put_missing(table, sink);
    return 0;
}

static sfs_status put_cell(const sfs_table *table, const sfs_column *column, size_t part,
                           uint64_t row, sfs_csv_sink *sink, sfs_error *error)
{
    const sfs_column_part *from = &column->parts[part];
    uint8_t missing = 0;
    if (column->nullable)
        SFS_TRY(read_item(&from->mask, row, &missing, error));
    if (missing)
        put_missing(table, sink);
    else if (column->kind == SFS_COLUMN_STRING)
        return put_string(&from->strings, row, sink, error);
    else if (column->kind == SFS_COLUMN_CATEGORICAL)
        return put_category(table, column, &from->values, row, sink, error);
    else
        return put_number(table, &from->values, row, sink, error);
    return 0;
}

void sfs_csv_put_header(const sfs_table *table, sfs_csv_sink *sink)
{
    for (size_t i = 0; i < table->column_count; i++) {
        const char *name = table->columns[i].name;
        if (i)
            put(sink, ",", 1);
        put_text(sink, (const uint8_t *)name, strlen(name), false);
    }
    put(sink, "\n", 1);
}

sfs_status sfs_csv_put_row(const sfs_table *table, uint64_t row, size_t *part, sfs_csv_sink *sink,
                           sfs_error *error)
{
    const sfs_column *columns = table->columns;
    if (table->column_count) {
        *part = sfs_column_find_part(&columns[0], row, *part);
        row -= columns[0].parts[*part].first_row;
    }
    for (size_t i = 0; i < table->column_count; i++) {
        if (i)
            put(sink, ",", 1);
        SFS_TRY(put_cell(table, &columns[i], *part, row, sink, error));
    }
    put(sink, "\n", 1);
    return 0;
}
