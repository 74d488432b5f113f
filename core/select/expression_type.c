/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "select/expression_tree.h"

static sfs_shown show(const sfs_expression *expression, const sfs_node *node)
{
    return sfs_source_show(&expression->source, node->first, node->past);
}

/* --- values --- */

static sfs_status type_column(sfs_expression *expression, sfs_node *node, sfs_error *error)
{
    SFS_TRY(sfs_expression_bind(expression, node, error));
    const sfs_column *column = node->column;
    if (column->kind == SFS_COLUMN_STRING) {
        node->value = SFS_VALUE_TEXT;
    } else if (column->kind == SFS_COLUMN_CATEGORICAL) {
        node->value = SFS_VALUE_CATEGORY;
    } else if (column->dtype.kind == 'f') {
        node->value = SFS_VALUE_FLOAT;
    } else {
        bool is_signed = column->dtype.kind == 'i';
        unsigned bits = column->dtype.kind == 'b' ? 1 : 8 * column->dtype.size;
        node->value = SFS_VALUE_INTEGER;
        node->low = is_signed ? -((__int128)1 << (bits - 1)) : 0;
        node->high = ((__int128)1 << (bits - is_signed)) - 1;
    }
    return 0;
}

static void type_number(sfs_node *node)
{
    node->value = node->number.is_float ? SFS_VALUE_FLOAT : SFS_VALUE_INTEGER;
    node->low = node->high = node->number.integer;
}

static bool is_number(const sfs_node *node)
{
    return node->value == SFS_VALUE_INTEGER || node->value == SFS_VALUE_FLOAT;
}

static sfs_status check_number(const sfs_expression *expression, const sfs_node *node,
                               const sfs_node *operand, sfs_error *error)
{
    if (is_number(operand))
        return 0;
    return sfs_source_fail(&expression->source, operand->first, error,
                           "expected a number or a column of numbers beside %c, found %s",
                           expression->source.text[node->at], show(expression, operand).text);
}

/* low and high of an operation on integers; false where they are too large. */
static bool combine(sfs_node_kind kind, __int128 a, __int128 b, __int128 *out)
{
    bool overflow = kind == SFS_NODE_ADD        ? __builtin_add_overflow(a, b, out)
                    : kind == SFS_NODE_SUBTRACT ? __builtin_sub_overflow(a, b, out)
                                                : __builtin_mul_overflow(a, b, out);
    return !overflow && *out <= SFS_INTEGER_MAX && *out >= -SFS_INTEGER_MAX;
}

static bool bound(sfs_node *node)
{
    const __int128 left[] = {node->left->low, node->left->high};
    const __int128 right[] = {node->right->low, node->right->high};
    for (int i = 0; i < 4; i++) {
        __int128 corner;
        if (!combine(node->kind, left[i / 2], right[i % 2], &corner))
            return false;
        node->low = !i || corner < node->low ? corner : node->low;
        node->high = !i || corner > node->high ? corner : node->high;
    }
    return true;
}

static double as_real(sfs_number number)
{
    return number.is_float ? number.real : (double)number.integer;
}

/* Replaces an operation on constants by what comes out. */
static void fold(sfs_node *node)
{
    if (node->value == SFS_VALUE_INTEGER) {
        node->number = (sfs_number){.integer = node->low};
    } else {
        double a = as_real(node->left->number), b = as_real(node->right->number);
        double real = node->kind == SFS_NODE_ADD        ? a + b
                      : node->kind == SFS_NODE_SUBTRACT ? a - b
                      : node->kind == SFS_NODE_MULTIPLY ? a * b
                                                        : a / b;
        node->number = (sfs_number){.is_float = true, .real = real};
    }
    node->kind = SFS_NODE_NUMBER;
}

static sfs_status type_value(sfs_expression *expression, sfs_node *node, sfs_error *error);

static sfs_status type_arithmetic(sfs_expression *expression, sfs_node *node, sfs_error *error)
{
    sfs_node *left = node->left, *right = node->right;
    SFS_TRY(type_value(expression, left, error));
    SFS_TRY(type_value(expression, right, error));
    SFS_TRY(check_number(expression, node, left, error));
    SFS_TRY(check_number(expression, node, right, error));
    bool divides = node->kind == SFS_NODE_DIVIDE;
    if (divides && right->kind == SFS_NODE_NUMBER && as_real(right->number) == 0)
        return sfs_source_fail(&expression->source, right->first, error,
                               "expected a number to divide by, found %s",
                               show(expression, right).text);
    node->value = !divides && left->value == SFS_VALUE_INTEGER && right->value == SFS_VALUE_INTEGER
                      ? SFS_VALUE_INTEGER
                      : SFS_VALUE_FLOAT;
    if (node->value == SFS_VALUE_INTEGER && !bound(node))
        return sfs_source_fail(&expression->source, node->at, error,
                               "expected integers that stay below 2^126, found %s: make one of "
                               "them a float, as in 1.0 * n",
                               show(expression, node).text);
    if (left->kind == SFS_NODE_NUMBER && right->kind == SFS_NODE_NUMBER)
        fold(node);
    return 0;
}

static sfs_status type_sign(sfs_expression *expression, sfs_node *node, sfs_error *error)
{
    const sfs_node *operand = node->left;
    SFS_TRY(type_value(expression, node->left, error));
    SFS_TRY(check_number(expression, node, operand, error));
    bool minus = node->kind == SFS_NODE_MINUS;
    node->value = operand->value;
    node->low = minus ? -operand->high : operand->low;
    node->high = minus ? -operand->low : operand->high;
    if (operand->kind != SFS_NODE_NUMBER)
        return 0;
    node->kind = SFS_NODE_NUMBER;
    node->number = operand->number;
    node->number.is_boolean = false;
    node->number.integer = node->low;
    node->number.real = minus ? -operand->number.real : operand->number.real;
    return 0;
}

/* val(constant) is that constant. */
static sfs_status type_val(sfs_expression *expression, sfs_node *node, sfs_error *error)
{
    SFS_TRY(type_value(expression, node->left, error));
    const sfs_node *inner = node->left;
    if (!sfs_node_is_constant(inner))
        return sfs_source_fail(&expression->source, inner->first, error,
                               "expected a constant in val(...), found %s",
                               show(expression, inner).text);
    node->kind = inner->kind;
    node->number = inner->number;
    node->text = inner->text;
    node->value = inner->value;
    node->low = inner->low;
    node->high = inner->high;
    return 0;
}

/* What is true or false stands where a value was expected: most often, & binds tighter than the
 * writer thought. */
static sfs_status fail_truth(const sfs_expression *expression, const sfs_node *node,
                             sfs_error *error)
{
    if (node->symbol) {
        bool both = node->kind == SFS_NODE_AND;
        size_t at = node->items[0]->past;
        at += strcspn(expression->source.text + at, "&|");
        return sfs_source_fail(&expression->source, at, error,
                               "expected brackets around each comparison, since %s binds tighter "
                               "than those, found %s: write (a > 1) %s (b < 2), or a > 1 %s b < 2",
                               both ? "&" : "|", show(expression, node).text, both ? "&" : "|",
                               both ? "and" : "or");
    }
    return sfs_source_fail(&expression->source, node->first, error,
                           "expected a column, a constant or arithmetic, found %s, which is true "
                           "or false",
                           show(expression, node).text);
}

/* Safe to be called twice: a < b < c has b in two places. */
static sfs_status type_value(sfs_expression *expression, sfs_node *node, sfs_error *error)
{
    if (node->value != SFS_VALUE_UNTYPED)
        return 0;
    switch (node->kind) {
    case SFS_NODE_COLUMN:
        return type_column(expression, node, error);
    case SFS_NODE_NUMBER:
        type_number(node);
        return 0;
    case SFS_NODE_TEXT:
        node->value = SFS_VALUE_TEXT;
        return 0;
    case SFS_NODE_NONE:
        node->value = SFS_VALUE_NONE;
        return 0;
    case SFS_NODE_VALUE:
        return type_val(expression, node, error);
    case SFS_NODE_PLUS:
    case SFS_NODE_MINUS:
        return type_sign(expression, node, error);
    case SFS_NODE_ADD:
    case SFS_NODE_SUBTRACT:
    case SFS_NODE_MULTIPLY:
    case SFS_NODE_DIVIDE:
        return type_arithmetic(expression, node, error);
    default:
        return fail_truth(expression, node, error);
    }
}

/* --- truth --- */

/* A boolean column alone is a test of whether it is 1. */
static sfs_status type_flag(sfs_expression *expression, sfs_node *node, sfs_error *error)
{
    SFS_TRY(type_value(expression, node, error));
    const sfs_column *column = node->column;
    if (!column || column->kind != SFS_COLUMN_NUMBER || column->dtype.kind != 'b')
        return sfs_source_fail(&expression->source, node->first, error,
                               "expected a comparison or a boolean column, found %s",
                               show(expression, node).text);
    sfs_node *copy = sfs_arena_get(&expression->arena, 1, sizeof *copy);
    sfs_node *yes = sfs_arena_get(&expression->arena, 1, sizeof *yes);
    if (!copy || !yes)
        return sfs_fail_memory(error);
    *copy = *node;
    *yes = *node;
    yes->kind = SFS_NODE_NUMBER;
    yes->column = NULL;
    yes->number = (sfs_number){.is_boolean = true, .integer = 1};
    type_number(yes);
    *node = (sfs_node){.kind = SFS_NODE_COMPARE,
                       .first = copy->first,
                       .past = copy->past,
                       .at = copy->at,
                       .height = 1,
                       .op = SFS_EQUAL,
                       .left = copy,
                       .right = yes};
    return sfs_expression_make_test(expression, node, error);
}

static sfs_status type_truth(sfs_expression *expression, sfs_node *node, sfs_error *error)
{
    switch (node->kind) {
    case SFS_NODE_AND:
    case SFS_NODE_OR:
        for (size_t i = 0; i < node->count; i++)
            SFS_TRY(type_truth(expression, node->items[i], error));
        return 0;
    case SFS_NODE_NOT:
        return type_truth(expression, node->left, error);
    case SFS_NODE_COMPARE:
    case SFS_NODE_LIKE:
        SFS_TRY(type_value(expression, node->left, error));
        SFS_TRY(type_value(expression, node->right, error));
        return sfs_expression_make_test(expression, node, error);
    case SFS_NODE_IN:
        SFS_TRY(type_value(expression, node->left, error));
        for (size_t i = 0; i < node->count; i++)
            SFS_TRY(type_value(expression, node->items[i], error));
        return sfs_expression_make_test(expression, node, error);
    default:
        return type_flag(expression, node, error);
    }
}

sfs_status sfs_expression_type(sfs_expression *expression, sfs_error *error)
{
    return type_truth(expression, expression->root, error);
}
