/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of an expression: its text, the tree that is parsed from it, and the tests that are
 * its leaves once it is typed. */
#ifndef SFS_SELECT_EXPRESSION_TREE_H
#define SFS_SELECT_EXPRESSION_TREE_H

#include "select/expression.h"
#include "select/number_set.h"
#include "select/text_test.h"

/* How deep an expression may be nested. Chains of `and`, `or`, `&` and `|` are one level each,
 * however long. */
enum { SFS_EXPRESSION_DEPTH = 100 };

/* Memory that is released as a whole. */
typedef struct sfs_arena {
    struct sfs_arena_block *blocks; /* owned */
    size_t used, size;              /* of the first block */
} sfs_arena;

/* Zeros, aligned for anything; NULL when there is no memory. */
void *sfs_arena_get(sfs_arena *arena, size_t count, size_t size);
void sfs_arena_close(sfs_arena *arena);

/* What is parsed, and how errors call it. */
typedef struct sfs_source {
    const char *key;
    const char *text; /* ends with a NUL */
    size_t length;
} sfs_source;

/* Fails with EINVAL and "KEY: at character N, " before the sentence; `at` is a byte of the text. */
sfs_status sfs_source_fail(const sfs_source *source, size_t at, sfs_error *error,
                           const char *format, ...) __attribute__((format(printf, 4, 5), cold));

/* A piece of text for a sentence: cut, printable, between quotes. */
typedef struct sfs_shown {
    char text[64];
} sfs_shown;

/* Bytes [first, past) of the source between backquotes, as it has quotes of its own; or "the end".
 */
sfs_shown sfs_source_show(const sfs_source *source, size_t first, size_t past);
sfs_shown sfs_bytes_show(sfs_bytes bytes);

typedef enum sfs_node_kind {
    SFS_NODE_COLUMN,
    SFS_NODE_NUMBER, /* True and False, too */
    SFS_NODE_TEXT,
    SFS_NODE_NONE,
    SFS_NODE_VALUE, /* val(left) */
    SFS_NODE_PLUS,  /* +left */
    SFS_NODE_MINUS, /* -left */
    SFS_NODE_ADD,
    SFS_NODE_SUBTRACT,
    SFS_NODE_MULTIPLY,
    SFS_NODE_DIVIDE,
    SFS_NODE_COMPARE, /* left op right; a chain is an `and` of these */
    SFS_NODE_IN,      /* left in items */
    SFS_NODE_LIKE,    /* left like right */
    SFS_NODE_NOT,     /* left */
    SFS_NODE_AND,     /* of items */
    SFS_NODE_OR,
    SFS_NODE_TEST, /* what compares, after typing */
} sfs_node_kind;

/* What a value is. */
typedef enum sfs_value_kind {
    SFS_VALUE_UNTYPED,
    SFS_VALUE_INTEGER, /* booleans, too, as 0 and 1 */
    SFS_VALUE_FLOAT,   /* evaluated as float64 */
    SFS_VALUE_TEXT,
    SFS_VALUE_CATEGORY,
    SFS_VALUE_NONE,
} sfs_value_kind;

typedef struct sfs_node sfs_node;

typedef enum sfs_test_kind {
    SFS_TEST_MISSING, /* column */
    SFS_TEST_NUMBERS, /* left is in integers or reals, as it is INTEGER or FLOAT */
    SFS_TEST_PAIR,    /* left op right */
    SFS_TEST_TEXT,    /* strings of column */
    SFS_TEST_CATEGORY /* categories of column: by text, or by integers and reals */
} sfs_test_kind;

/* A leaf of the tree of truth values. All pointers are into the arena or the table. */
typedef struct sfs_test {
    sfs_test_kind kind;
    size_t number;  /* its place among the expression's tests */
    bool negated;   /* true where the test is false, and the other way round */
    bool by_number; /* categories are compared as numbers */
    sfs_operator op;
    const sfs_node *left, *right;
    const sfs_column *column;
    const sfs_column **masks; /* the nullable columns that it reads, unless it asks for missing */
    size_t mask_count;
    sfs_integer_set integers;
    sfs_real_set reals;
    sfs_text_test text;
} sfs_test;

/* All pointers are into the arena, but for column. */
struct sfs_node {
    sfs_node_kind kind;
    size_t first, past, at; /* its bytes in the text, and those from its operator on */
    unsigned height;        /* levels of nodes beneath it, and its own */
    bool symbol;            /* written & or | */
    bool negated;           /* not in, not like */
    sfs_operator op;
    sfs_node *left, *right, **items;
    size_t count; /* of items */
    sfs_bytes text;
    sfs_number number;
    const sfs_column *column;
    sfs_value_kind value;
    __int128 low, high; /* INTEGER: all values are within */
    sfs_test *test;
};

struct sfs_expression {
    sfs_arena arena; /* owned */
    sfs_source source;
    const sfs_table *table;
    sfs_node *root;
    const sfs_column **columns; /* that are read, each once */
    size_t column_count;
    size_t test_count;
};

static inline bool sfs_node_is_constant(const sfs_node *node)
{
    return node->kind == SFS_NODE_NUMBER || node->kind == SFS_NODE_TEXT ||
           node->kind == SFS_NODE_NONE;
}

/* Parses expression->source into expression->root. EINVAL, ENOMEM. */
sfs_status sfs_expression_parse(sfs_expression *expression, sfs_error *error);

/* Binds columns, folds constants, and turns what compares into tests. EINVAL, ENOMEM. */
sfs_status sfs_expression_type(sfs_expression *expression, sfs_error *error);

/* Turns a node that compares into a test; its operands are typed. EINVAL, ENOMEM. */
sfs_status sfs_expression_make_test(sfs_expression *expression, sfs_node *node, sfs_error *error);

/* Finds the column that a node names. EINVAL names the nearest one, or all. */
sfs_status sfs_expression_bind(sfs_expression *expression, sfs_node *node, sfs_error *error);

#endif
