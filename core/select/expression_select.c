/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluates an expression for all rows of its table. */
#include <string.h>

#include "select/column_span.h"
#include "select/expression_evaluate.h"
#include "select/parallel.h"

/* TASK_ROWS: many enough that threads seldom meet; a multiple of a word's rows, so that no two
 * write the same one. ASK_TASKS: how far ahead of the reading a disk is asked. */
enum { TASK_ROWS = 64 * SFS_CHUNK_ROWS, ASK_TASKS = 8 };

struct selection {
    const sfs_expression *expression;
    uint8_t **categories; /* owned, and each: see sfs_evaluator */
    sfs_evaluator *evaluators;
    unsigned workers;
    sfs_line line;
    sfs_row_set *out;
};

static void selection_close(struct selection *selection)
{
    for (size_t i = 0; selection->categories && i < selection->expression->test_count; i++)
        free(selection->categories[i]);
    for (unsigned i = 0; selection->evaluators && i < selection->workers; i++)
        sfs_evaluator_close(&selection->evaluators[i]);
    free(selection->categories);
    free(selection->evaluators);
    free(selection->line.bytes);
}

/* --- categories --- */

static sfs_status prepare_test(struct selection *selection, const sfs_test *test, sfs_error *error)
{
    if (test->kind != SFS_TEST_CATEGORY)
        return 0;
    uint8_t *truths = calloc(test->column->categories.count + 1, 1);
    if (!truths)
        return sfs_fail_memory(error);
    selection->categories[test->number] = truths;
    return sfs_evaluate_categories(selection->expression, test, &selection->line, truths, error);
}

static sfs_status prepare_node(struct selection *selection, const sfs_node *node, sfs_error *error)
{
    if (node->kind == SFS_NODE_TEST)
        return prepare_test(selection, node->test, error);
    if (node->kind == SFS_NODE_NOT)
        return prepare_node(selection, node->left, error);
    for (size_t i = 0; i < node->count; i++)
        SFS_TRY(prepare_node(selection, node->items[i], error));
    return 0;
}

static sfs_status prepare(void *context, sfs_error *error)
{
    struct selection *selection = context;
    return prepare_node(selection, selection->expression->root, error);
}

/* --- rows --- */

static uint64_t task_rows(const struct selection *selection, uint64_t task)
{
    uint64_t left = selection->out->size - task * TASK_ROWS;
    return left < TASK_ROWS ? left : TASK_ROWS;
}

static void will_need(const struct selection *selection, uint64_t task, bool text)
{
    const sfs_expression *expression = selection->expression;
    if (task * TASK_ROWS >= selection->out->size)
        return;
    for (size_t i = 0; i < expression->column_count; i++)
        sfs_column_will_need(expression->columns[i], task * TASK_ROWS, task_rows(selection, task),
                             text);
}

/* The bit of each row that is true; rows past count are none. */
static void pack(const uint8_t *truths, uint64_t count, uint64_t *words)
{
    for (uint64_t first = 0; first < count; first += 64) {
        uint64_t end = count - first < 64 ? count - first : 64, word = 0;
        for (uint64_t i = 0; i < end; i++)
            word |= (uint64_t)(truths[first + i] >> 1) << i;
        words[first / 64] = word;
    }
}

static sfs_status select_task(void *context, unsigned worker, uint64_t task, sfs_error *error)
{
    struct selection *selection = context;
    uint64_t begin = task * TASK_ROWS, rows = task_rows(selection, task);
    for (uint64_t ahead = task ? ASK_TASKS : 0; ahead <= ASK_TASKS; ahead++)
        will_need(selection, task + ahead, false);
    will_need(selection, task, true);
    for (uint64_t done = 0; done < rows; done += SFS_CHUNK_ROWS) {
        uint8_t truths[SFS_CHUNK_ROWS];
        uint64_t count = rows - done < SFS_CHUNK_ROWS ? rows - done : SFS_CHUNK_ROWS;
        SFS_TRY(sfs_evaluate(&selection->evaluators[worker], begin + done, count, truths, error));
        pack(truths, count, selection->out->words + (begin + done) / 64);
    }
    return 0;
}

/* --- damage --- */

static sfs_status check_strings(const sfs_strings *strings, sfs_error *error)
{
    SFS_TRY(sfs_map_check_size(strings->offsets.map, error));
    return sfs_map_check_size(strings->text.map, error);
}

/* After the reading: no file has become shorter under it. */
static sfs_status check_column(const sfs_column *column, sfs_error *error)
{
    if (column->kind == SFS_COLUMN_CATEGORICAL)
        SFS_TRY(check_strings(&column->categories, error));
    for (size_t i = 0; i < column->part_count; i++) {
        const sfs_column_part *part = &column->parts[i];
        if (column->kind == SFS_COLUMN_STRING)
            SFS_TRY(check_strings(&part->strings, error));
        else
            SFS_TRY(sfs_map_check_size(part->values.map, error));
        if (column->nullable)
            SFS_TRY(sfs_map_check_size(part->mask.map, error));
    }
    return 0;
}

static sfs_status fill(struct selection *selection, const sfs_map_set *files, sfs_error *error)
{
    const sfs_expression *expression = selection->expression;
    uint64_t tasks = (selection->out->size + TASK_ROWS - 1) / TASK_ROWS;
    selection->workers = sfs_parallel_workers(tasks);
    selection->categories = calloc(expression->test_count + 1, sizeof *selection->categories);
    selection->evaluators = calloc(selection->workers, sizeof *selection->evaluators);
    if (!selection->categories || !selection->evaluators)
        return sfs_fail_memory(error);
    SFS_TRY(sfs_guard(files, prepare, selection, error));
    for (unsigned i = 0; i < selection->workers; i++)
        SFS_TRY(sfs_evaluator_open(expression, selection->categories, &selection->evaluators[i],
                                   error));
    SFS_TRY(sfs_parallel(files, tasks, selection->workers, select_task, selection, error));
    for (size_t i = 0; i < expression->column_count; i++)
        SFS_TRY(check_column(expression->columns[i], error));
    return sfs_row_set_seal(selection->out, error);
}

sfs_status sfs_expression_select(const sfs_expression *expression, const sfs_map_set *files,
                                 sfs_row_set *out, sfs_error *error)
{
    struct selection selection = {.expression = expression, .out = out};
    SFS_TRY(sfs_row_set_open(expression->table->rows, out, error));
    sfs_status status = fill(&selection, files, error);
    selection_close(&selection);
    if (status)
        sfs_row_set_close(out);
    return status;
}
