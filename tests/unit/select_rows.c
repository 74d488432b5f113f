/* SPDX-License-Identifier: Apache-2.0 */
/* Prints, a line each, which rows the expressions on its input select, each of which ends with a
 * NUL: numbers with commas between them, or "! ", the errno and the sentence of the error. Usage:
 * select_rows COLLECTION obs|var. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "select/expression.h"
#include "store/collection.h"

static sfs_status print_rows(const sfs_collection *collection, const char *text, bool obs,
                             sfs_error *error)
{
    sfs_expression *expression;
    sfs_row_set set;
    SFS_TRY(sfs_expression_open(text, obs ? "where" : "genes",
                                obs ? &collection->obs : &collection->var, &expression, error));
    sfs_status status = sfs_expression_select(expression, &collection->files, &set, error);
    sfs_expression_close(expression);
    if (status)
        return status;
    for (uint64_t i = 0; i < set.count; i++)
        printf("%s%" PRIu64, i ? "," : "", sfs_row_set_select(&set, i));
    putchar('\n');
    sfs_row_set_close(&set);
    return 0;
}

int main(int count, char **arguments)
{
    sfs_collection *collection;
    sfs_error error;
    char *line = NULL;
    size_t room = 0;
    if (count != 3 || sfs_collection_open(arguments[1], &collection, &error))
        return 1;
    while (getdelim(&line, &room, '\0', stdin) > 0) {
        sfs_status status = print_rows(collection, line, !strcmp(arguments[2], "obs"), &error);
        if (status)
            printf("! %s %s\n", strerrorname_np(-status), error.message);
        fflush(stdout);
    }
    free(line);
    sfs_collection_close(collection);
    return 0;
}
