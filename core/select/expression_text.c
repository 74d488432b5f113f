/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of strings, row by row, and of categories, once each. */
#include <inttypes.h>
#include <string.h>

#include "select/column_span.h"
#include "select/expression_evaluate.h"

static uint8_t truth(const sfs_test *test, bool holds)
{
    return holds != test->negated ? SFS_TRUE : SFS_FALSE;
}

/* The string of an escaped line: the line itself unless it has an escape. */
static sfs_status read_line(const uint8_t *bytes, uint64_t length, sfs_line *line, sfs_bytes *out,
                            sfs_error *error)
{
    *out = (sfs_bytes){bytes, length - 1};
    if (!memchr(bytes, '\\', length - 1))
        return 0;
    if (line->room < length) {
        free(line->bytes);
        line->bytes = malloc(length);
        line->room = line->bytes ? length : 0;
        if (!line->bytes)
            return sfs_fail_memory(error);
    }
    uint64_t size = sfs_strings_size(bytes, length);
    sfs_strings_unescape(bytes, length, 0, line->bytes, size);
    *out = (sfs_bytes){line->bytes, size};
    return 0;
}

/* Lines whose text was verified as a whole. */
struct run {
    uint64_t start, end; /* of their text */
    bool escaped;        /* some line has an escape */
};

static sfs_status verify_run(const sfs_strings *strings, uint64_t first, uint64_t count,
                             struct run *run, sfs_error *error)
{
    const uint64_t *offsets = (const uint64_t *)(const void *)strings->offsets.items;
    SFS_TRY(sfs_array_verify(&strings->offsets, first, count + 1, error));
    *run = (struct run){.start = offsets[first], .end = offsets[first + count]};
    if (run->start >= run->end || run->end > strings->text.count) {
        run->end = 0; /* damage: each line is looked at on its own, and the bad one named */
        return 0;
    }
    SFS_TRY(sfs_array_verify(&strings->text, run->start, run->end - run->start, error));
    run->escaped = memchr(strings->text.items + run->start, '\\', run->end - run->start) != NULL;
    return 0;
}

static sfs_status evaluate_span(const sfs_test *test, const sfs_strings *strings, uint64_t first,
                                uint64_t count, sfs_line *line, uint8_t *out, sfs_error *error)
{
    const uint64_t *offsets = (const uint64_t *)(const void *)strings->offsets.items;
    struct run run;
    SFS_TRY(verify_run(strings, first, count, &run, error));
    for (uint64_t i = first; i < first + count; i++) {
        uint64_t start = offsets[i], end = offsets[i + 1], length;
        const uint8_t *bytes;
        sfs_bytes string;
        if (run.start <= start && start < end && end <= run.end && !run.escaped) {
            string = (sfs_bytes){strings->text.items + start, end - start - 1};
        } else {
            SFS_TRY(sfs_strings_line(strings, i, &bytes, &length, error));
            SFS_TRY(read_line(bytes, length, line, &string, error));
        }
        out[i - first] = truth(test, sfs_text_test_holds(&test->text, string));
    }
    return 0;
}

sfs_status sfs_evaluate_text(const sfs_test *test, sfs_line *line, uint64_t first, uint64_t count,
                             uint8_t *out, sfs_error *error)
{
    sfs_column_span span = {0};
    while (sfs_column_span_next(test->column, first, count, &span))
        SFS_TRY(evaluate_span(test, &span.part->strings, span.first, span.count, line,
                              out + span.at, error));
    return 0;
}

/* --- categories --- */

/* Categories that were booleans before they were text. */
static bool parse_boolean(sfs_bytes text, sfs_number *out)
{
    bool yes = text.size == 4 && !memcmp(text.bytes, "True", 4);
    *out = (sfs_number){.is_boolean = true, .integer = yes};
    return yes || (text.size == 5 && !memcmp(text.bytes, "False", 5));
}

static sfs_status test_number(const sfs_expression *expression, const sfs_test *test,
                              sfs_bytes category, bool *holds, sfs_error *error)
{
    sfs_number number;
    if (!sfs_number_of_text(category.bytes, category.size, &number) &&
        !parse_boolean(category, &number))
        return sfs_source_fail(
            &expression->source, test->right->first, error,
            "expected a string to compare with \"%.40s\", which has categories such as %s, found "
            "%s",
            test->column->name, sfs_bytes_show(category).text,
            sfs_source_show(&expression->source, test->right->first, test->right->past).text);
    *holds = number.is_float ? sfs_real_set_has(&test->reals, number.real)
                             : sfs_integer_set_has(&test->integers, number.integer);
    return 0;
}

sfs_status sfs_evaluate_categories(const sfs_expression *expression, const sfs_test *test,
                                   sfs_line *line, uint8_t *out, sfs_error *error)
{
    const sfs_strings *categories = &test->column->categories;
    out[0] = truth(test, false);
    for (uint64_t i = 0; i < categories->count; i++) {
        const uint8_t *bytes;
        uint64_t length;
        sfs_bytes category;
        bool holds = false;
        SFS_TRY(sfs_strings_line(categories, i, &bytes, &length, error));
        SFS_TRY(read_line(bytes, length, line, &category, error));
        if (test->by_number)
            SFS_TRY(test_number(expression, test, category, &holds, error));
        else
            holds = sfs_text_test_holds(&test->text, category);
        out[i + 1] = truth(test, holds);
    }
    return 0;
}
