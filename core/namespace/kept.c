/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/kept.h"

#include <stdio.h>
#include <sys/stat.h>

#include "select/expression.h"
#include "select/selection_file.h"

enum {
    MIN_ROWS = 1 << 22, /* fewer are selected again in less time than a file takes */
    MAX_BYTES = 1 << 30 /* of all that is kept */
};

/* $XDG_CACHE_HOME/shufflefs, or ~/.cache/shufflefs; made if it is not there. NULL: there is no such
 * place, or no memory. */
static char *cache_directory(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool own = cache && *cache == '/';
    char *parent = NULL, *path = NULL;
    if (!own && (!home || *home != '/'))
        return NULL;
    if (asprintf(&parent, "%s%s", own ? cache : home, own ? "" : "/.cache") < 0)
        return NULL;
    mkdir(parent, 0700);
    if (asprintf(&path, "%s/shufflefs", parent) < 0)
        path = NULL;
    free(parent);
    if (path)
        mkdir(path, 0700);
    return path;
}

static sfs_status evaluate(const sfs_collection *collection, const char *where, sfs_row_set *out,
                           sfs_error *error)
{
    sfs_expression *expression;
    SFS_TRY(sfs_expression_open(where, "where", &collection->obs, &expression, error));
    sfs_status status = sfs_expression_select(expression, &collection->files, out, error);
    sfs_expression_close(expression);
    return status;
}

sfs_status sfs_kept_select(const sfs_collection *collection, const char *where, sfs_row_set *out,
                           sfs_error *error)
{
    const sfs_selection_key key = {.collection = collection->checksum,
                                   .generation = collection->generation,
                                   .rows = collection->rows,
                                   .text = where};
    SFS_AUTO_FREE char *directory = collection->rows >= MIN_ROWS ? cache_directory() : NULL;
    if (directory && sfs_selection_find(directory, &key, out))
        return 0;
    SFS_TRY(evaluate(collection, where, out, error));
    if (directory && sfs_selection_make_room(directory, MAX_BYTES))
        sfs_selection_keep(directory, &key, out, NULL);
    return 0;
}
