/* SPDX-License-Identifier: Apache-2.0 */
/* By recursive descent, a function a level of Python's grammar
 * (https://docs.python.org/3/reference/expressions.html#operator-precedence). */
#include <string.h>

#include "select/expression_lex.h"

struct parser {
    sfs_expression *expression;
    const sfs_source *source;
    sfs_token token; /* the next one */
    unsigned depth;  /* of what is open */
};

static sfs_status parse_or(struct parser *parser, sfs_node **out, sfs_error *error);
static sfs_status parse_sum(struct parser *parser, sfs_node **out, sfs_error *error);

static bool next_is(const struct parser *parser, const char *word)
{
    return sfs_token_is(parser->source, &parser->token, word);
}

static sfs_shown show_next(const struct parser *parser)
{
    return sfs_source_show(parser->source, parser->token.first, parser->token.past);
}

static sfs_status skip(struct parser *parser, sfs_error *error)
{
    return sfs_token_read(parser->source, parser->token.past, &parser->expression->arena,
                          &parser->token, error);
}

/* The token after the next one. */
static sfs_status peek(const struct parser *parser, sfs_token *out, sfs_error *error)
{
    return sfs_token_read(parser->source, parser->token.past, &parser->expression->arena, out,
                          error);
}

static sfs_status enter(struct parser *parser, sfs_error *error)
{
    if (++parser->depth <= SFS_EXPRESSION_DEPTH)
        return 0;
    return sfs_source_fail(parser->source, parser->token.first, error,
                           "expected at most %d levels of brackets and signs, found more",
                           SFS_EXPRESSION_DEPTH);
}

/* A node that begins and is at the next token. */
static sfs_status new_node(struct parser *parser, sfs_node_kind kind, sfs_node **out,
                           sfs_error *error)
{
    *out = sfs_arena_get(&parser->expression->arena, 1, sizeof **out);
    if (!*out)
        return sfs_fail_memory(error);
    **out = (sfs_node){.kind = kind,
                       .first = parser->token.first,
                       .past = parser->token.past,
                       .at = parser->token.first,
                       .height = 1};
    return 0;
}

static sfs_status check_height(const struct parser *parser, const sfs_node *node, sfs_error *error)
{
    if (node->height <= SFS_EXPRESSION_DEPTH)
        return 0;
    return sfs_source_fail(parser->source, node->at, error,
                           "expected at most %d levels of arithmetic, found more: use brackets to "
                           "pair what is long",
                           SFS_EXPRESSION_DEPTH);
}

/* Gives node its operands; right may be NULL. */
static sfs_status join(const struct parser *parser, sfs_node *node, sfs_node *left, sfs_node *right,
                       sfs_error *error)
{
    node->left = left;
    node->right = right;
    node->first = left->first < node->first ? left->first : node->first;
    node->past = right ? right->past : left->past;
    node->height = 1 + left->height;
    if (right && right->height >= left->height)
        node->height = 1 + right->height;
    return check_height(parser, node, error);
}

/* Appends to the items of node; capacities are powers of two. */
static sfs_status append(struct parser *parser, sfs_node *node, sfs_node *item, sfs_error *error)
{
    if (!(node->count & (node->count - 1))) {
        sfs_node **items = sfs_arena_get(&parser->expression->arena,
                                         node->count ? 2 * node->count : 1, sizeof(sfs_node *));
        if (!items)
            return sfs_fail_memory(error);
        if (node->count)
            memcpy(items, node->items, node->count * sizeof(sfs_node *));
        node->items = items;
    }
    node->items[node->count++] = item;
    node->past = item->past;
    if (item->height >= node->height)
        node->height = 1 + item->height;
    return check_height(parser, node, error);
}

/* --- values --- */

static sfs_status fail_value(const struct parser *parser, sfs_error *error)
{
    const char *advice = "";
    if (next_is(parser, "~") || next_is(parser, "!"))
        advice = ": write not";
    else if (next_is(parser, "&") || next_is(parser, "|"))
        advice = ": write and, or";
    else if (next_is(parser, "["))
        advice = ": a list stands after in";
    return sfs_source_fail(parser->source, parser->token.first, error,
                           "expected a column, a number or a string, found %s%s",
                           show_next(parser).text, advice);
}

static sfs_status expect(struct parser *parser, const char *sign, sfs_error *error)
{
    if (next_is(parser, sign))
        return skip(parser, error);
    return sfs_source_fail(parser->source, parser->token.first, error, "expected %s, found %s",
                           sign, show_next(parser).text);
}

/* attr("name"); the next token is its bracket. */
static sfs_status parse_attr(struct parser *parser, sfs_node *node, sfs_error *error)
{
    SFS_TRY(skip(parser, error));
    if (parser->token.kind != SFS_TOKEN_TEXT)
        return sfs_source_fail(parser->source, parser->token.first, error,
                               "expected the name of a column in quotes, as in attr(\"name\"), "
                               "found %s",
                               show_next(parser).text);
    node->text = parser->token.text;
    SFS_TRY(skip(parser, error));
    node->past = parser->token.past;
    return expect(parser, ")", error);
}

static sfs_status parse_val(struct parser *parser, sfs_node *node, sfs_error *error)
{
    sfs_node *inner;
    SFS_TRY(enter(parser, error));
    SFS_TRY(skip(parser, error));
    SFS_TRY(parse_sum(parser, &inner, error));
    node->kind = SFS_NODE_VALUE;
    SFS_TRY(join(parser, node, inner, NULL, error));
    node->past = parser->token.past;
    parser->depth--;
    return expect(parser, ")", error);
}

/* A name with dots, such as RNA_snn_res.0.8; the next token is its first piece. */
static sfs_status fail_dotted(const struct parser *parser, sfs_error *error)
{
    static const char ends[] = " \t\n\r\f\v\"'()[]{},;:=!<>+-*/%&|^~@#\\";
    const char *name = parser->source->text + parser->token.first;
    return sfs_source_fail(
        parser->source, parser->token.first, error,
        "expected attr(%s) for a name that has a dot, found it bare",
        sfs_bytes_show((sfs_bytes){(const uint8_t *)name, strcspn(name, ends)}).text);
}

/* A column, a constant with a name, attr or val. */
static sfs_status parse_name(struct parser *parser, sfs_node **out, sfs_error *error)
{
    static const char *const reserved[] = {"and", "or", "not", "in", "is"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (next_is(parser, reserved[i]))
            return fail_value(parser, error);
    if (parser->source->text[parser->token.past] == '.')
        return fail_dotted(parser, error);
    SFS_TRY(new_node(parser, SFS_NODE_COLUMN, out, error));
    sfs_node *node = *out;
    sfs_token name = parser->token;
    node->text =
        (sfs_bytes){(const uint8_t *)parser->source->text + name.first, name.past - name.first};
    bool yes = next_is(parser, "True");
    if (yes || next_is(parser, "False")) {
        node->kind = SFS_NODE_NUMBER;
        node->number = (sfs_number){.is_boolean = true, .integer = yes};
    } else if (next_is(parser, "None")) {
        node->kind = SFS_NODE_NONE;
    }
    SFS_TRY(skip(parser, error));
    if (next_is(parser, "(") && node->kind == SFS_NODE_COLUMN) {
        if (sfs_token_is(parser->source, &name, "attr"))
            return parse_attr(parser, node, error);
        if (sfs_token_is(parser->source, &name, "val"))
            return parse_val(parser, node, error);
        return sfs_source_fail(parser->source, node->first, error,
                               "expected no function but attr(\"name\") and val(constant), found "
                               "%s",
                               sfs_source_show(parser->source, name.first, name.past).text);
    }
    return 0;
}

static sfs_status parse_atom(struct parser *parser, sfs_node **out, sfs_error *error)
{
    if (parser->token.kind == SFS_TOKEN_NAME)
        return parse_name(parser, out, error);
    if (next_is(parser, "(")) {
        size_t first = parser->token.first;
        SFS_TRY(enter(parser, error));
        SFS_TRY(skip(parser, error));
        SFS_TRY(parse_or(parser, out, error));
        (*out)->first = first;
        (*out)->past = parser->token.past;
        parser->depth--;
        return expect(parser, ")", error);
    }
    if (parser->token.kind != SFS_TOKEN_NUMBER && parser->token.kind != SFS_TOKEN_TEXT)
        return fail_value(parser, error);
    bool number = parser->token.kind == SFS_TOKEN_NUMBER;
    SFS_TRY(new_node(parser, number ? SFS_NODE_NUMBER : SFS_NODE_TEXT, out, error));
    (*out)->number = parser->token.number;
    (*out)->text = parser->token.text;
    return skip(parser, error);
}

static sfs_status parse_factor(struct parser *parser, sfs_node **out, sfs_error *error)
{
    bool minus = next_is(parser, "-");
    if (!minus && !next_is(parser, "+"))
        return parse_atom(parser, out, error);
    sfs_node *node, *operand;
    SFS_TRY(new_node(parser, minus ? SFS_NODE_MINUS : SFS_NODE_PLUS, &node, error));
    SFS_TRY(enter(parser, error));
    SFS_TRY(skip(parser, error));
    SFS_TRY(parse_factor(parser, &operand, error));
    parser->depth--;
    *out = node;
    return join(parser, node, operand, NULL, error);
}

static sfs_status parse_term(struct parser *parser, sfs_node **out, sfs_error *error)
{
    SFS_TRY(parse_factor(parser, out, error));
    for (bool times; (times = next_is(parser, "*")) || next_is(parser, "/");) {
        sfs_node *node, *right;
        SFS_TRY(new_node(parser, times ? SFS_NODE_MULTIPLY : SFS_NODE_DIVIDE, &node, error));
        SFS_TRY(skip(parser, error));
        SFS_TRY(parse_factor(parser, &right, error));
        SFS_TRY(join(parser, node, *out, right, error));
        *out = node;
    }
    return 0;
}

static sfs_status parse_sum(struct parser *parser, sfs_node **out, sfs_error *error)
{
    SFS_TRY(parse_term(parser, out, error));
    for (bool plus; (plus = next_is(parser, "+")) || next_is(parser, "-");) {
        sfs_node *node, *right;
        SFS_TRY(new_node(parser, plus ? SFS_NODE_ADD : SFS_NODE_SUBTRACT, &node, error));
        SFS_TRY(skip(parser, error));
        SFS_TRY(parse_term(parser, &right, error));
        SFS_TRY(join(parser, node, *out, right, error));
        *out = node;
    }
    return 0;
}

/* --- truth --- */

typedef sfs_status (*level)(struct parser *parser, sfs_node **out, sfs_error *error);

/* One or more of `below` with `word` between them. */
static sfs_status parse_chain(struct parser *parser, level below, const char *word,
                              sfs_node_kind kind, sfs_node **out, sfs_error *error)
{
    SFS_TRY(below(parser, out, error));
    if (!next_is(parser, word))
        return 0;
    sfs_node *node, *item = *out;
    SFS_TRY(new_node(parser, kind, &node, error));
    node->symbol = *word == '&' || *word == '|';
    node->first = item->first;
    SFS_TRY(append(parser, node, item, error));
    while (next_is(parser, word)) {
        SFS_TRY(skip(parser, error));
        SFS_TRY(below(parser, &item, error));
        SFS_TRY(append(parser, node, item, error));
    }
    *out = node;
    return 0;
}

static sfs_status parse_ampersand(struct parser *parser, sfs_node **out, sfs_error *error)
{
    return parse_chain(parser, parse_sum, "&", SFS_NODE_AND, out, error);
}

static sfs_status parse_bar(struct parser *parser, sfs_node **out, sfs_error *error)
{
    return parse_chain(parser, parse_ampersand, "|", SFS_NODE_OR, out, error);
}

/* The items of a list; the next token is its bracket. */
static sfs_status parse_list(struct parser *parser, sfs_node *node, sfs_error *error)
{
    if (!next_is(parser, "["))
        return sfs_source_fail(parser->source, parser->token.first, error,
                               "expected a list in square brackets, as in [\"a\", \"b\"], found "
                               "%s",
                               show_next(parser).text);
    SFS_TRY(skip(parser, error));
    if (next_is(parser, "]"))
        return sfs_source_fail(parser->source, parser->token.first, error,
                               "expected at least one value in the list, found none");
    do {
        sfs_node *item;
        SFS_TRY(parse_sum(parser, &item, error));
        SFS_TRY(append(parser, node, item, error));
        if (next_is(parser, ","))
            SFS_TRY(skip(parser, error));
        else if (!next_is(parser, "]"))
            return sfs_source_fail(parser->source, parser->token.first, error,
                                   "expected , or ] in the list, found %s", show_next(parser).text);
    } while (!next_is(parser, "]"));
    node->past = parser->token.past;
    return skip(parser, error);
}

/* Whether in or like comes next, with `not` before it or without. */
static sfs_status next_is_member(const struct parser *parser, sfs_node_kind *kind, bool *negated,
                                 bool *found, sfs_error *error)
{
    sfs_token word = parser->token;
    *negated = next_is(parser, "not");
    if (*negated)
        SFS_TRY(peek(parser, &word, error));
    *kind = sfs_token_is(parser->source, &word, "in") ? SFS_NODE_IN : SFS_NODE_LIKE;
    *found = *kind == SFS_NODE_IN || sfs_token_is(parser->source, &word, "like");
    return 0;
}

/* in, like, and both after not; *out is the left side and becomes the whole. */
static sfs_status parse_member(struct parser *parser, sfs_node_kind kind, bool negated,
                               sfs_node **out, sfs_error *error)
{
    sfs_node *node, *left = *out;
    SFS_TRY(new_node(parser, kind, &node, error));
    node->negated = negated;
    if (negated)
        SFS_TRY(skip(parser, error));
    SFS_TRY(skip(parser, error));
    SFS_TRY(join(parser, node, left, NULL, error));
    *out = node;
    if (kind == SFS_NODE_IN)
        return parse_list(parser, node, error);
    SFS_TRY(parse_sum(parser, &node->right, error));
    return join(parser, node, left, node->right, error);
}

static bool next_is_comparison(const struct parser *parser, sfs_operator *op)
{
    static const sfs_operator all[] = {SFS_EQUAL,      SFS_NOT_EQUAL, SFS_LESS,
                                       SFS_LESS_EQUAL, SFS_GREATER,   SFS_GREATER_EQUAL};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        *op = all[i];
        if (next_is(parser, sfs_operator_text(all[i])))
            return true;
    }
    return false;
}

/* a < b < c is a < b and b < c. */
static sfs_status parse_compare(struct parser *parser, sfs_node **out, sfs_error *error)
{
    sfs_node *left = *out, *chain = NULL, *node = NULL;
    sfs_operator op;
    while (next_is_comparison(parser, &op)) {
        sfs_node *right;
        SFS_TRY(new_node(parser, SFS_NODE_COMPARE, &node, error));
        node->op = op;
        SFS_TRY(skip(parser, error));
        SFS_TRY(parse_bar(parser, &right, error));
        SFS_TRY(join(parser, node, left, right, error));
        if (chain) {
            SFS_TRY(append(parser, chain, node, error));
        } else if (next_is_comparison(parser, &op)) {
            SFS_TRY(new_node(parser, SFS_NODE_AND, &chain, error));
            chain->first = left->first;
            chain->at = node->at;
            SFS_TRY(append(parser, chain, node, error));
        }
        left = right;
    }
    *out = chain ? chain : node;
    return 0;
}

static sfs_status parse_comparison(struct parser *parser, sfs_node **out, sfs_error *error)
{
    bool negated, found;
    sfs_operator op;
    sfs_node_kind kind;
    SFS_TRY(parse_bar(parser, out, error));
    if (next_is_comparison(parser, &op)) {
        SFS_TRY(parse_compare(parser, out, error));
    } else {
        SFS_TRY(next_is_member(parser, &kind, &negated, &found, error));
        if (!found)
            return 0;
        SFS_TRY(parse_member(parser, kind, negated, out, error));
    }
    SFS_TRY(next_is_member(parser, &kind, &negated, &found, error));
    if (!found && !next_is_comparison(parser, &op))
        return 0;
    return sfs_source_fail(parser->source, parser->token.first, error,
                           "expected in and like to stand alone, found %s after another "
                           "comparison: join the two with and",
                           show_next(parser).text);
}

static sfs_status parse_not(struct parser *parser, sfs_node **out, sfs_error *error)
{
    if (!next_is(parser, "not"))
        return parse_comparison(parser, out, error);
    sfs_node *node, *operand;
    SFS_TRY(new_node(parser, SFS_NODE_NOT, &node, error));
    SFS_TRY(enter(parser, error));
    SFS_TRY(skip(parser, error));
    SFS_TRY(parse_not(parser, &operand, error));
    parser->depth--;
    *out = node;
    return join(parser, node, operand, NULL, error);
}

static sfs_status parse_and(struct parser *parser, sfs_node **out, sfs_error *error)
{
    return parse_chain(parser, parse_not, "and", SFS_NODE_AND, out, error);
}

static sfs_status parse_or(struct parser *parser, sfs_node **out, sfs_error *error)
{
    return parse_chain(parser, parse_and, "or", SFS_NODE_OR, out, error);
}

/* --- the whole --- */

/* What others write, and what is meant. */
static const char *advice_for(const struct parser *parser)
{
    static const char *const advice[][2] = {
        {"=", ": write =="},      {"&&", ": write and"},
        {"||", ": write or"},     {"is", ": write == or !="},
        {"AND", ": write and"},   {"OR", ": write or"},
        {"NOT", ": write not"},   {"IN", ": write in"},
        {"LIKE", ": write like"}, {"<>", ": write !="},
        {"!", ": write !="},      {"[", ": a column is named by attr(\"name\")"}};
    for (size_t i = 0; i < sizeof advice / sizeof *advice; i++)
        if (next_is(parser, advice[i][0]))
            return advice[i][1];
    return "";
}

sfs_status sfs_expression_parse(sfs_expression *expression, sfs_error *error)
{
    struct parser parser = {.expression = expression, .source = &expression->source};
    SFS_TRY(skip(&parser, error));
    if (parser.token.kind == SFS_TOKEN_END)
        return sfs_source_fail(parser.source, 0, error,
                               "expected an expression such as n_genes > 500, found nothing");
    SFS_TRY(parse_or(&parser, &expression->root, error));
    if (parser.token.kind == SFS_TOKEN_END)
        return 0;
    return sfs_source_fail(parser.source, parser.token.first, error,
                           "expected an operator or the end, found %s%s", show_next(&parser).text,
                           advice_for(&parser));
}
