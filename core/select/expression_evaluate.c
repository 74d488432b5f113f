/* SPDX-License-Identifier: Apache-2.0 */
#include "select/expression_evaluate.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "codec/cast.h"
#include "select/column_span.h"

/* Up to so many ranges are tried one after another; more are searched. */
enum { FEW_RANGES = 8 };

static uint8_t *truths_at(const sfs_evaluator *evaluator, unsigned level)
{
    return evaluator->truths + (size_t)level * SFS_CHUNK_ROWS;
}

static void *numbers_at(const sfs_evaluator *evaluator, unsigned level)
{
    return evaluator->numbers + (size_t)level * SFS_CHUNK_ROWS * sizeof(__int128);
}

sfs_status sfs_evaluator_open(const sfs_expression *expression, uint8_t *const *categories,
                              sfs_evaluator *out, sfs_error *error)
{
    size_t levels = expression->root->height + 3;
    *out = (sfs_evaluator){.expression = expression, .categories = categories};
    out->truths = malloc(levels * SFS_CHUNK_ROWS);
    out->numbers = malloc(levels * SFS_CHUNK_ROWS * sizeof(__int128));
    return out->truths && out->numbers ? 0 : sfs_fail_memory(error);
}

void sfs_evaluator_close(sfs_evaluator *evaluator)
{
    free(evaluator->truths);
    free(evaluator->numbers);
    free(evaluator->line.bytes);
    *evaluator = (sfs_evaluator){0};
}

/* --- numbers of rows --- */

/* The values of a column of numbers as another type. */
static sfs_status load(const sfs_column *column, uint64_t first, uint64_t count, sfs_dtype as,
                       uint8_t *out, sfs_error *error)
{
    sfs_column_span span = {0};
    while (sfs_column_span_next(column, first, count, &span)) {
        const sfs_array *values = &span.part->values;
        SFS_TRY(sfs_array_verify(values, span.first, span.count, error));
        sfs_cast(values->dtype, values->items + span.first * values->dtype.size, as,
                 out + span.at * as.size, span.count);
    }
    return 0;
}

static sfs_status load_integers(const sfs_column *column, uint64_t first, uint64_t count,
                                uint64_t *raw, __int128 *out, sfs_error *error)
{
    bool is_signed = column->dtype.kind == 'i';
    sfs_dtype as = {is_signed ? 'i' : 'u', sizeof *raw};
    SFS_TRY(load(column, first, count, as, (uint8_t *)raw, error));
    for (uint64_t i = 0; i < count; i++)
        out[i] = is_signed ? (__int128)(int64_t)raw[i] : (__int128)raw[i];
    return 0;
}

static sfs_status integers(const sfs_evaluator *evaluator, const sfs_node *node, uint64_t first,
                           uint64_t count, unsigned level, __int128 *out, sfs_error *error)
{
    __int128 *other = numbers_at(evaluator, level);
    if (node->kind == SFS_NODE_COLUMN)
        return load_integers(node->column, first, count, (uint64_t *)other, out, error);
    if (node->kind == SFS_NODE_NUMBER) {
        for (uint64_t i = 0; i < count; i++)
            out[i] = node->number.integer;
        return 0;
    }
    SFS_TRY(integers(evaluator, node->left, first, count, level, out, error));
    if (node->right)
        SFS_TRY(integers(evaluator, node->right, first, count, level + 1, other, error));
    for (uint64_t i = 0; i < count && node->kind == SFS_NODE_MINUS; i++)
        out[i] = -out[i];
    for (uint64_t i = 0; i < count && node->kind == SFS_NODE_ADD; i++)
        out[i] += other[i];
    for (uint64_t i = 0; i < count && node->kind == SFS_NODE_SUBTRACT; i++)
        out[i] -= other[i];
    for (uint64_t i = 0; i < count && node->kind == SFS_NODE_MULTIPLY; i++)
        out[i] *= other[i];
    return 0;
}

static sfs_status reals(const sfs_evaluator *evaluator, const sfs_node *node, uint64_t first,
                        uint64_t count, unsigned level, double *out, sfs_error *error)
{
    double *other = numbers_at(evaluator, level);
    if (node->kind == SFS_NODE_COLUMN)
        return load(node->column, first, count, (sfs_dtype){'f', sizeof *out}, (uint8_t *)out,
                    error);
    if (node->kind == SFS_NODE_NUMBER) {
        double constant = node->number.is_float ? node->number.real : (double)node->number.integer;
        for (uint64_t i = 0; i < count; i++)
            out[i] = constant;
        return 0;
    }
    if (node->value == SFS_VALUE_INTEGER) {
        const __int128 *exact = (const __int128 *)(const void *)other;
        SFS_TRY(integers(evaluator, node, first, count, level + 1, numbers_at(evaluator, level),
                         error));
        for (uint64_t i = 0; i < count; i++)
            out[i] = (double)exact[i];
        return 0;
    }
    SFS_TRY(reals(evaluator, node->left, first, count, level, out, error));
    if (node->right)
        SFS_TRY(reals(evaluator, node->right, first, count, level + 1, other, error));
    for (uint64_t i = 0; i < count && node->kind == SFS_NODE_MINUS; i++)
        out[i] = -out[i];
    for (uint64_t i = 0; i < count && node->kind == SFS_NODE_ADD; i++)
        out[i] += other[i];
    for (uint64_t i = 0; i < count && node->kind == SFS_NODE_SUBTRACT; i++)
        out[i] -= other[i];
    for (uint64_t i = 0; i < count && node->kind == SFS_NODE_MULTIPLY; i++)
        out[i] *= other[i];
    for (uint64_t i = 0; i < count && node->kind == SFS_NODE_DIVIDE; i++)
        out[i] /= other[i];
    return 0;
}

/* --- ranges of numbers --- */

/* Signed numbers, too: both wrap around alike. */
#define DEFINE_WITHIN(name, type)                                                                  \
    static void name(const type *values, uint64_t count, type low, type width, uint8_t *out)       \
    {                                                                                              \
        for (uint64_t i = 0; i < count; i++)                                                       \
            out[i] = (type)(values[i] - low) <= width ? SFS_TRUE : SFS_FALSE;                      \
    }
DEFINE_WITHIN(within_u8, uint8_t)
DEFINE_WITHIN(within_u16, uint16_t)
DEFINE_WITHIN(within_u32, uint32_t)
DEFINE_WITHIN(within_u64, uint64_t)

#define DEFINE_BETWEEN(name, type)                                                                 \
    static void name(const type *values, uint64_t count, type low, type high, uint8_t *out)        \
    {                                                                                              \
        for (uint64_t i = 0; i < count; i++)                                                       \
            out[i] = ((values[i] >= low) & (values[i] <= high)) ? SFS_TRUE : SFS_FALSE;            \
    }
DEFINE_BETWEEN(between_f32, float)
DEFINE_BETWEEN(between_f64, double)

/* Range is within the type of values. */
static void within(const void *values, uint32_t size, uint64_t count, sfs_integer_range range,
                   uint8_t *out)
{
    uint64_t low = (uint64_t)range.low, width = (uint64_t)(range.high - range.low);
    switch (size) {
    case 1:
        within_u8(values, count, (uint8_t)low, (uint8_t)width, out);
        break;
    case 2:
        within_u16(values, count, (uint16_t)low, (uint16_t)width, out);
        break;
    case 4:
        within_u32(values, count, (uint32_t)low, (uint32_t)width, out);
        break;
    default:
        within_u64(values, count, low, width, out);
    }
}

/* A range of float64 as the float32 that are in it. */
static void between(const void *values, uint32_t size, uint64_t count, sfs_real_range range,
                    uint8_t *out)
{
    if (size == sizeof(double)) {
        between_f64(values, count, range.low, range.high, out);
        return;
    }
    float low = (float)range.low, high = (float)range.high;
    if ((double)low < range.low)
        low = nextafterf(low, INFINITY);
    if ((double)high > range.high)
        high = nextafterf(high, -INFINITY);
    between_f32(values, count, low, high, out);
}

static void flags(const uint8_t *values, uint64_t count, uint8_t no, uint8_t yes, uint8_t *out)
{
    for (uint64_t i = 0; i < count; i++)
        out[i] = values[i] ? yes : no;
}

static void clear(uint8_t *out, uint64_t count)
{
    memset(out, SFS_FALSE, count);
}

/* One range, and one run of a column's values. */
static void try_range(const sfs_test *test, size_t range, const void *values, uint64_t count,
                      uint8_t *out)
{
    const sfs_node *node = test->left;
    uint32_t size = node->column->dtype.size;
    if (node->value == SFS_VALUE_FLOAT) {
        between(values, size, count, test->reals.ranges[range], out);
        return;
    }
    sfs_integer_range clipped = test->integers.ranges[range];
    clipped.low = clipped.low > node->low ? clipped.low : node->low;
    clipped.high = clipped.high < node->high ? clipped.high : node->high;
    if (clipped.low > clipped.high)
        clear(out, count);
    else if (node->column->dtype.kind == 'b')
        flags(values, count, clipped.low == 0 ? SFS_TRUE : SFS_FALSE,
              clipped.high == 1 ? SFS_TRUE : SFS_FALSE, out);
    else
        within(values, size, count, clipped, out);
}

static void take_larger(uint8_t *out, const uint8_t *other, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        out[i] = out[i] > other[i] ? out[i] : other[i];
}

static void take_smaller(uint8_t *out, const uint8_t *other, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        out[i] = out[i] < other[i] ? out[i] : other[i];
}

/* Values where they are: for a column of few ranges. */
static sfs_status test_in_place(const sfs_evaluator *evaluator, const sfs_test *test,
                                uint64_t first, uint64_t count, uint8_t *out, sfs_error *error)
{
    size_t ranges = test->left->value == SFS_VALUE_FLOAT ? test->reals.count : test->integers.count;
    uint8_t *other = numbers_at(evaluator, 0);
    sfs_column_span span = {0};
    while (sfs_column_span_next(test->column, first, count, &span)) {
        const sfs_array *array = &span.part->values;
        const void *values = array->items + span.first * array->dtype.size;
        SFS_TRY(sfs_array_verify(array, span.first, span.count, error));
        clear(out + span.at, ranges ? 0 : span.count);
        for (size_t i = 0; i < ranges; i++) {
            try_range(test, i, values, span.count, i ? other : out + span.at);
            if (i)
                take_larger(out + span.at, other, span.count);
        }
    }
    return 0;
}

/* Values that were loaded or computed. */
static sfs_status test_loaded(const sfs_evaluator *evaluator, const sfs_test *test, uint64_t first,
                              uint64_t count, uint8_t *out, sfs_error *error)
{
    if (test->left->value == SFS_VALUE_FLOAT) {
        double *values = numbers_at(evaluator, 0);
        SFS_TRY(reals(evaluator, test->left, first, count, 1, values, error));
        for (uint64_t i = 0; i < count; i++)
            out[i] = sfs_real_set_has(&test->reals, values[i]) ? SFS_TRUE : SFS_FALSE;
        return 0;
    }
    __int128 *values = numbers_at(evaluator, 0);
    SFS_TRY(integers(evaluator, test->left, first, count, 1, values, error));
    for (uint64_t i = 0; i < count; i++)
        out[i] = sfs_integer_set_has(&test->integers, values[i]) ? SFS_TRUE : SFS_FALSE;
    return 0;
}

static sfs_status test_numbers(const sfs_evaluator *evaluator, const sfs_test *test, uint64_t first,
                               uint64_t count, uint8_t *out, sfs_error *error)
{
    const sfs_node *node = test->left;
    bool is_half = node->value == SFS_VALUE_FLOAT && node->column && node->column->dtype.size == 2;
    size_t ranges = node->value == SFS_VALUE_FLOAT ? test->reals.count : test->integers.count;
    if (node->kind == SFS_NODE_COLUMN && !is_half && ranges <= FEW_RANGES)
        return test_in_place(evaluator, test, first, count, out, error);
    return test_loaded(evaluator, test, first, count, out, error);
}

/* --- the other tests --- */

static unsigned compare_reals(double left, double right)
{
    return left < right    ? SFS_LESS
           : left > right  ? SFS_GREATER
           : left == right ? SFS_EQUAL
                           : SFS_NOT_EQUAL & ~(unsigned)(SFS_LESS | SFS_GREATER);
}

static sfs_status test_pair(const sfs_evaluator *evaluator, const sfs_test *test, uint64_t first,
                            uint64_t count, uint8_t *out, sfs_error *error)
{
    const sfs_node *left = test->left, *right = test->right;
    sfs_operator op = test->op;
    if (left->value == SFS_VALUE_FLOAT && right->value != SFS_VALUE_FLOAT) {
        left = test->right;
        right = test->left;
        op = sfs_operator_mirror(op);
    }
    void *a = numbers_at(evaluator, 0), *b = numbers_at(evaluator, 1);
    const double *left_reals = a, *right_reals = b;
    const __int128 *left_integers = a, *right_integers = b;
    if (left->value == SFS_VALUE_FLOAT) {
        SFS_TRY(reals(evaluator, left, first, count, 2, a, error));
        SFS_TRY(reals(evaluator, right, first, count, 2, b, error));
        for (uint64_t i = 0; i < count; i++)
            out[i] = op & compare_reals(left_reals[i], right_reals[i]) ? SFS_TRUE : SFS_FALSE;
        return 0;
    }
    SFS_TRY(integers(evaluator, left, first, count, 2, a, error));
    if (right->value == SFS_VALUE_FLOAT) {
        SFS_TRY(reals(evaluator, right, first, count, 2, b, error));
        for (uint64_t i = 0; i < count; i++)
            out[i] =
                op & sfs_compare_mixed(left_integers[i], right_reals[i]) ? SFS_TRUE : SFS_FALSE;
        return 0;
    }
    SFS_TRY(integers(evaluator, right, first, count, 2, b, error));
    for (uint64_t i = 0; i < count; i++) {
        unsigned found = left_integers[i] < right_integers[i]   ? SFS_LESS
                         : left_integers[i] > right_integers[i] ? SFS_GREATER
                                                                : SFS_EQUAL;
        out[i] = op & found ? SFS_TRUE : SFS_FALSE;
    }
    return 0;
}

static sfs_status test_category(const sfs_evaluator *evaluator, const sfs_test *test,
                                uint64_t first, uint64_t count, uint8_t *out, sfs_error *error)
{
    const uint8_t *truth = evaluator->categories[test->number];
    uint64_t categories = test->column->categories.count;
    sfs_column_span span = {0};
    while (sfs_column_span_next(test->column, first, count, &span)) {
        const sfs_array *array = &span.part->values;
        const uint32_t *codes = (const uint32_t *)(const void *)array->items + span.first;
        SFS_TRY(sfs_array_verify(array, span.first, span.count, error));
        for (uint64_t i = 0; i < span.count; i++) {
            uint32_t place = codes[i] + 1;
            if (place > categories)
                return sfs_fail(error, -EIO,
                                "%s: expected codes from -1 to %" PRIu64 ", found %" PRId32
                                " in row %" PRIu64 ": convert the data again",
                                array->map->name, categories - 1, (int32_t)codes[i],
                                first + span.at + i);
            out[span.at + i] = truth[place];
        }
    }
    return 0;
}

/* Sets what the mask of a nullable column has. */
static sfs_status put_mask(const sfs_column *column, uint64_t first, uint64_t count, uint8_t value,
                           uint8_t *out, sfs_error *error)
{
    sfs_column_span span = {0};
    while (sfs_column_span_next(column, first, count, &span)) {
        const sfs_array *array = &span.part->mask;
        const uint8_t *mask = array->items + span.first;
        SFS_TRY(sfs_array_verify(array, span.first, span.count, error));
        for (uint64_t i = 0; i < span.count; i++)
            out[span.at + i] = mask[i] ? value : out[span.at + i];
    }
    return 0;
}

static sfs_status test_missing(const sfs_evaluator *evaluator, const sfs_test *test, uint64_t first,
                               uint64_t count, uint8_t *out, sfs_error *error)
{
    const sfs_column *column = test->column;
    clear(out, count);
    if (column->kind == SFS_COLUMN_NUMBER && column->dtype.kind == 'f') {
        double *values = numbers_at(evaluator, 0);
        SFS_TRY(
            load(column, first, count, (sfs_dtype){'f', sizeof *values}, (uint8_t *)values, error));
        for (uint64_t i = 0; i < count; i++)
            out[i] = isnan(values[i]) ? SFS_TRUE : SFS_FALSE;
    }
    if (column->kind == SFS_COLUMN_CATEGORICAL) {
        int64_t *codes = numbers_at(evaluator, 0);
        SFS_TRY(
            load(column, first, count, (sfs_dtype){'i', sizeof *codes}, (uint8_t *)codes, error));
        for (uint64_t i = 0; i < count; i++)
            out[i] = codes[i] == -1 ? SFS_TRUE : SFS_FALSE;
    }
    return column->nullable ? put_mask(column, first, count, SFS_TRUE, out, error) : 0;
}

static void negate(uint8_t *out, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        out[i] = (uint8_t)(SFS_TRUE - out[i]);
}

static sfs_status evaluate_test(sfs_evaluator *evaluator, const sfs_test *test, uint64_t first,
                                uint64_t count, uint8_t *out, sfs_error *error)
{
    bool negated = test->negated;
    switch (test->kind) {
    case SFS_TEST_MISSING:
        SFS_TRY(test_missing(evaluator, test, first, count, out, error));
        break;
    case SFS_TEST_NUMBERS:
        SFS_TRY(test_numbers(evaluator, test, first, count, out, error));
        break;
    case SFS_TEST_PAIR:
        SFS_TRY(test_pair(evaluator, test, first, count, out, error));
        break;
    case SFS_TEST_TEXT:
        SFS_TRY(sfs_evaluate_text(test, &evaluator->line, first, count, out, error));
        negated = false;
        break;
    case SFS_TEST_CATEGORY:
        SFS_TRY(test_category(evaluator, test, first, count, out, error));
        negated = false;
        break;
    }
    if (negated)
        negate(out, count);
    for (size_t i = 0; i < test->mask_count; i++)
        SFS_TRY(put_mask(test->masks[i], first, count, SFS_UNKNOWN, out, error));
    return 0;
}

/* --- the tree --- */

/* Whether all are this truth value, which ends an `and` or an `or`. */
static bool all_are(const uint8_t *truths, uint64_t count, uint8_t value)
{
    uint8_t differ = 0;
    for (uint64_t i = 0; i < count; i++)
        differ |= truths[i] ^ value;
    return !differ;
}

static sfs_status evaluate(sfs_evaluator *evaluator, const sfs_node *node, uint64_t first,
                           uint64_t count, unsigned level, uint8_t *out, sfs_error *error)
{
    if (node->kind == SFS_NODE_TEST)
        return evaluate_test(evaluator, node->test, first, count, out, error);
    if (node->kind == SFS_NODE_NOT) {
        SFS_TRY(evaluate(evaluator, node->left, first, count, level, out, error));
        negate(out, count);
        return 0;
    }
    bool both = node->kind == SFS_NODE_AND;
    uint8_t *other = truths_at(evaluator, level);
    SFS_TRY(evaluate(evaluator, node->items[0], first, count, level, out, error));
    for (size_t i = 1; i < node->count && !all_are(out, count, both ? SFS_FALSE : SFS_TRUE); i++) {
        SFS_TRY(evaluate(evaluator, node->items[i], first, count, level + 1, other, error));
        if (both)
            take_smaller(out, other, count);
        else
            take_larger(out, other, count);
    }
    return 0;
}

sfs_status sfs_evaluate(sfs_evaluator *evaluator, uint64_t first, uint64_t count, uint8_t *out,
                        sfs_error *error)
{
    return evaluate(evaluator, evaluator->expression->root, first, count, 0, out, error);
}
