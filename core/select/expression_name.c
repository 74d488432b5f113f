/* SPDX-License-Identifier: Apache-2.0 */
/* Names of columns, and what was probably meant by those that are none. */
#include <stdio.h>
#include <string.h>

#include "select/expression_tree.h"

enum { NAME_MAX_COMPARED = 64, LISTED = 400 };

static unsigned small(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte | 32U : byte;
}

/* The number of letters to insert, drop or change to make one of the other, be they small or
 * capital (Levenshtein). */
static unsigned distance(sfs_bytes a, sfs_bytes b)
{
    unsigned row[NAME_MAX_COMPARED + 1];
    for (unsigned j = 0; j <= b.size; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.size; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.size; j++) {
            unsigned change = diagonal + (small(a.bytes[i - 1]) != small(b.bytes[j - 1]));
            unsigned either = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < either ? change : either;
        }
    }
    return row[b.size];
}

static sfs_bytes bytes_of(const char *text)
{
    return (sfs_bytes){(const uint8_t *)text, strlen(text)};
}

/* The column that differs least, by at most a third of its letters; or NULL. */
static const char *nearest(const sfs_table *table, sfs_bytes name)
{
    const char *best = NULL;
    unsigned least = NAME_MAX_COMPARED;
    for (size_t i = 0; i < table->column_count && name.size <= NAME_MAX_COMPARED; i++) {
        sfs_bytes column = bytes_of(table->columns[i].name);
        if (column.size > NAME_MAX_COMPARED)
            continue;
        unsigned differ = distance(name, column);
        if (differ < least && 3 * differ <= column.size) {
            least = differ;
            best = table->columns[i].name;
        }
    }
    return best;
}

/* The names of the columns, as many as fit. */
static void list_columns(const sfs_table *table, char out[LISTED])
{
    size_t used = 0;
    *out = '\0';
    for (size_t i = 0; i < table->column_count; i++) {
        char shown[sizeof(sfs_shown) + 3];
        bool last = i + 1 == table->column_count;
        int size =
            snprintf(shown, sizeof shown, "%s%s",
                     sfs_bytes_show(bytes_of(table->columns[i].name)).text, last ? "" : ", ");
        if (used + (size_t)size + sizeof "..." > LISTED) {
            strcpy(out + used, "...");
            return;
        }
        memcpy(out + used, shown, (size_t)size + 1);
        used += (size_t)size;
    }
}

static sfs_status fail_name(const sfs_expression *expression, const sfs_node *node,
                            sfs_error *error)
{
    static const char *const constants[] = {"True", "False", "None"};
    char list[LISTED];
    const sfs_source *source = &expression->source;
    sfs_shown found = sfs_bytes_show(node->text);
    const char *meant = nearest(expression->table, node->text);
    for (size_t i = 0; i < 3 && !meant; i++)
        if (node->text.size == strlen(constants[i]) &&
            !distance(node->text, bytes_of(constants[i])))
            return sfs_source_fail(source, node->first, error,
                                   "expected the name of a column, found %s: write %s", found.text,
                                   constants[i]);
    if (meant)
        return sfs_source_fail(source, node->first, error,
                               "expected the name of a column, found %s: did you mean %s?",
                               found.text, sfs_bytes_show(bytes_of(meant)).text);
    list_columns(expression->table, list);
    return sfs_source_fail(source, node->first, error,
                           "expected the name of a column, found %s: %s%s", found.text,
                           *list ? "there are " : "there are no columns", list);
}

/* Remembers a column that is read. */
static void use(sfs_expression *expression, const sfs_column *column)
{
    for (size_t i = 0; i < expression->column_count; i++)
        if (expression->columns[i] == column)
            return;
    expression->columns[expression->column_count++] = column;
}

sfs_status sfs_expression_bind(sfs_expression *expression, sfs_node *node, sfs_error *error)
{
    const sfs_table *table = expression->table;
    for (size_t i = 0; i < table->column_count; i++) {
        if (sfs_bytes_compare(bytes_of(table->columns[i].name), node->text))
            continue;
        node->column = &table->columns[i];
        use(expression, node->column);
        return 0;
    }
    return fail_name(expression, node, error);
}
