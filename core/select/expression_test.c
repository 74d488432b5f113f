/* SPDX-License-Identifier: Apache-2.0 */
/* Turns comparisons, lists and patterns into tests of columns. */
#include <string.h>

#include "select/expression_tree.h"

struct maker {
    sfs_expression *expression;
    const sfs_source *source;
    sfs_node *node;
    sfs_test *test;
};

static sfs_shown show(const struct maker *maker, const sfs_node *node)
{
    return sfs_source_show(maker->source, node->first, node->past);
}

static bool is_column(const sfs_node *node)
{
    return node->kind == SFS_NODE_COLUMN;
}

static bool is_number(const sfs_node *node)
{
    return node->value == SFS_VALUE_INTEGER || node->value == SFS_VALUE_FLOAT;
}

/* --- masks --- */

static size_t count_columns(const sfs_node *node)
{
    if (!node)
        return 0;
    return (node->column != NULL) + count_columns(node->left) + count_columns(node->right);
}

static void add_masks(sfs_test *test, const sfs_node *node)
{
    if (!node || sfs_node_is_constant(node))
        return;
    add_masks(test, node->left);
    add_masks(test, node->right);
    if (!node->column || !node->column->nullable)
        return;
    for (size_t i = 0; i < test->mask_count; i++)
        if (test->masks[i] == node->column)
            return;
    test->masks[test->mask_count++] = node->column;
}

/* --- constants --- */

/* The sets of numbers x for which `x op constant` holds for one of the constants. */
static sfs_status make_sets(struct maker *maker, sfs_operator op, sfs_node *const *constants,
                            size_t count, sfs_error *error)
{
    sfs_test *test = maker->test;
    sfs_arena *arena = &maker->expression->arena;
    test->integers.ranges = sfs_arena_get(arena, count, sizeof(sfs_integer_range));
    test->reals.ranges = sfs_arena_get(arena, count, sizeof(sfs_real_range));
    if (!test->integers.ranges || !test->reals.ranges)
        return sfs_fail_memory(error);
    for (size_t i = 0; i < count; i++) {
        sfs_number number = constants[i]->number;
        if (test->left && is_column(test->left))
            number = sfs_number_beside(number, test->left->column->dtype);
        test->integers.ranges[i] = sfs_integers_where(op, number);
        test->reals.ranges[i] = sfs_reals_where(op, number);
    }
    test->integers.count = test->reals.count = count;
    sfs_integer_set_sort(&test->integers);
    sfs_real_set_sort(&test->reals);
    return 0;
}

static sfs_status make_texts(struct maker *maker, sfs_text_test_kind kind, sfs_operator op,
                             sfs_node *const *constants, size_t count, sfs_error *error)
{
    sfs_text_test *text = &maker->test->text;
    *text = (sfs_text_test){.kind = kind, .op = op, .count = count};
    text->values = sfs_arena_get(&maker->expression->arena, count, sizeof *text->values);
    if (!text->values)
        return sfs_fail_memory(error);
    for (size_t i = 0; i < count; i++)
        text->values[i] = constants[i]->text;
    if (kind == SFS_TEXT_IN)
        sfs_text_test_sort(text);
    return 0;
}

static const char *kind_of(const sfs_node *node)
{
    switch (node->value) {
    case SFS_VALUE_INTEGER:
    case SFS_VALUE_FLOAT:
        return node->number.is_boolean ? "a boolean" : "a number";
    case SFS_VALUE_NONE:
        return "None";
    default:
        return "a string";
    }
}

/* What operand can be compared with. */
static sfs_status fail_kind(const struct maker *maker, const sfs_node *operand,
                            const sfs_node *constant, sfs_error *error)
{
    const char *wanted = is_number(operand) ? "a number" : "a string";
    return sfs_source_fail(maker->source, constant->first, error,
                           "expected %s to compare with %s, found %s, which is %s", wanted,
                           show(maker, operand).text, show(maker, constant).text,
                           kind_of(constant));
}

static sfs_status check_constants(const struct maker *maker, const sfs_node *operand,
                                  sfs_node *const *constants, size_t count, sfs_error *error)
{
    for (size_t i = 0; i < count; i++) {
        const sfs_node *constant = constants[i];
        bool category = operand->value == SFS_VALUE_CATEGORY;
        if (!sfs_node_is_constant(constant))
            return sfs_source_fail(maker->source, constant->first, error,
                                   "expected constants in the list, found %s",
                                   show(maker, constant).text);
        if (constant->value == SFS_VALUE_NONE)
            return sfs_source_fail(maker->source, constant->first, error,
                                   "expected a number or a string, found None, which only == and "
                                   "!= accept, beside a column: write or %s == None",
                                   show(maker, operand).text);
        if (category ? is_number(constant) != is_number(constants[0])
                     : is_number(constant) != is_number(operand))
            return fail_kind(maker, category ? constants[0] : operand, constant, error);
    }
    return 0;
}

/* operand op one of the constants. */
static sfs_status make_constants(struct maker *maker, sfs_node *operand, sfs_operator op,
                                 sfs_node *const *constants, size_t count, sfs_error *error)
{
    sfs_test *test = maker->test;
    SFS_TRY(check_constants(maker, operand, constants, count, error));
    if (op == SFS_NOT_EQUAL) {
        op = SFS_EQUAL;
        test->negated = !test->negated;
    }
    test->column = operand->column;
    if (is_number(operand)) {
        test->kind = SFS_TEST_NUMBERS;
        test->left = operand;
        return make_sets(maker, op, constants, count, error);
    }
    test->kind = operand->value == SFS_VALUE_TEXT ? SFS_TEST_TEXT : SFS_TEST_CATEGORY;
    test->by_number = is_number(constants[0]);
    test->right = constants[0];
    if (test->by_number)
        return make_sets(maker, op, constants, count, error);
    return make_texts(maker, op == SFS_EQUAL ? SFS_TEXT_IN : SFS_TEXT_ORDER, op, constants, count,
                      error);
}

/* --- the kinds of tests --- */

static sfs_status make_missing(struct maker *maker, const sfs_node *column, const sfs_node *none,
                               sfs_error *error)
{
    sfs_operator op = maker->node->op;
    if (op != SFS_EQUAL && op != SFS_NOT_EQUAL)
        return sfs_source_fail(maker->source, maker->node->at, error,
                               "expected == or != with None, found %s", sfs_operator_text(op));
    if (!is_column(column))
        return sfs_source_fail(maker->source, none->first, error,
                               "expected None to be compared with a column, found %s beside it",
                               show(maker, column).text);
    maker->test->kind = SFS_TEST_MISSING;
    maker->test->negated = op == SFS_NOT_EQUAL;
    maker->test->column = column->column;
    return 0;
}

static sfs_status make_pair(struct maker *maker, sfs_error *error)
{
    sfs_node *left = maker->node->left, *right = maker->node->right;
    if (is_column(left) && is_column(right))
        return sfs_source_fail(maker->source, maker->node->at, error,
                               "expected a constant or arithmetic on one side of %s, found the "
                               "columns %s and %s: of numbers, compare the difference with 0",
                               sfs_operator_text(maker->node->op), show(maker, left).text,
                               show(maker, right).text);
    if (!is_number(left) || !is_number(right))
        return fail_kind(maker, left, right, error);
    maker->test->kind = SFS_TEST_PAIR;
    maker->test->op = maker->node->op;
    maker->test->left = left;
    maker->test->right = right;
    return 0;
}

static sfs_status make_compare(struct maker *maker, sfs_error *error)
{
    sfs_node *left = maker->node->left, *right = maker->node->right;
    bool left_constant = sfs_node_is_constant(left), right_constant = sfs_node_is_constant(right);
    if (left_constant && right_constant)
        return sfs_source_fail(maker->source, left->first, error,
                               "expected a column on one side of %s, found the constants %s and "
                               "%s",
                               sfs_operator_text(maker->node->op), show(maker, left).text,
                               show(maker, right).text);
    if (left->value == SFS_VALUE_NONE)
        return make_missing(maker, right, left, error);
    if (right->value == SFS_VALUE_NONE)
        return make_missing(maker, left, right, error);
    if (right_constant)
        return make_constants(maker, left, maker->node->op, &maker->node->right, 1, error);
    if (left_constant)
        return make_constants(maker, right, sfs_operator_mirror(maker->node->op),
                              &maker->node->left, 1, error);
    return make_pair(maker, error);
}

static sfs_status make_in(struct maker *maker, sfs_error *error)
{
    sfs_node *node = maker->node;
    if (sfs_node_is_constant(node->left))
        return sfs_source_fail(maker->source, node->left->first, error,
                               "expected a column before in, found the constant %s",
                               show(maker, node->left).text);
    maker->test->negated = node->negated;
    return make_constants(maker, node->left, SFS_EQUAL, node->items, node->count, error);
}

static sfs_status make_like(struct maker *maker, sfs_error *error)
{
    sfs_node *column = maker->node->left, *pattern = maker->node->right;
    if (column->value == SFS_VALUE_NONE || is_number(column) || !is_column(column))
        return sfs_source_fail(maker->source, column->first, error,
                               "expected a column of strings or categories before like, found %s",
                               show(maker, column).text);
    if (pattern->kind != SFS_NODE_TEXT)
        return sfs_source_fail(maker->source, pattern->first, error,
                               "expected a pattern in quotes after like, as in \"T%%\", found %s",
                               show(maker, pattern).text);
    size_t backslashes = 0;
    while (backslashes < pattern->text.size &&
           pattern->text.bytes[pattern->text.size - 1 - backslashes] == '\\')
        backslashes++;
    if (backslashes % 2)
        return sfs_source_fail(maker->source, pattern->first, error,
                               "expected a character after the last backslash of the pattern, "
                               "found %s",
                               show(maker, pattern).text);
    maker->test->kind = column->value == SFS_VALUE_TEXT ? SFS_TEST_TEXT : SFS_TEST_CATEGORY;
    maker->test->negated = maker->node->negated;
    maker->test->column = column->column;
    return make_texts(maker, SFS_TEXT_LIKE, SFS_EQUAL, &pattern, 1, error);
}

sfs_status sfs_expression_make_test(sfs_expression *expression, sfs_node *node, sfs_error *error)
{
    struct maker maker = {.expression = expression, .source = &expression->source, .node = node};
    maker.test = sfs_arena_get(&expression->arena, 1, sizeof *maker.test);
    if (!maker.test)
        return sfs_fail_memory(error);
    maker.test->number = expression->test_count++;
    if (node->kind == SFS_NODE_IN)
        SFS_TRY(make_in(&maker, error));
    else if (node->kind == SFS_NODE_LIKE)
        SFS_TRY(make_like(&maker, error));
    else
        SFS_TRY(make_compare(&maker, error));
    if (maker.test->kind != SFS_TEST_MISSING) {
        maker.test->masks = sfs_arena_get(
            &expression->arena, count_columns(node->left) + count_columns(node->right) + 1,
            sizeof *maker.test->masks);
        if (!maker.test->masks)
            return sfs_fail_memory(error);
        add_masks(maker.test, node->left);
        add_masks(maker.test, node->right);
    }
    node->test = maker.test;
    node->kind = SFS_NODE_TEST;
    return 0;
}
