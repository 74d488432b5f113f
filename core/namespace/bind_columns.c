/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/bind_columns.h"

#include <stdio.h>
#include <string.h>

static const sfs_column *find_column(const sfs_table *table, const char *name)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (!strcmp(table->columns[i].name, name))
            return &table->columns[i];
    return NULL;
}

static sfs_status unknown_name(const sfs_table *table, const char *key, const char *name,
                               sfs_error *error)
{
    char names[512] = "";
    for (size_t i = 0, used = 0; i < table->column_count && used < sizeof names - 1;
         i++, used = strlen(names))
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "",
                 table->columns[i].name);
    return sfs_fail(error, -EINVAL,
                    "%s: expected names of the collection's (%s) with semicolons between them, "
                    "found \"%.80s\"",
                    key, *names ? names : "none", name);
}

static sfs_status add_column(const sfs_table *table, const char *key, const char *name,
                             sfs_carried *out, sfs_error *error)
{
    const sfs_column *column = find_column(table, name);
    if (!column)
        return unknown_name(table, key, name, error);
    sfs_csr_column *columns = realloc(out->columns, (out->count + 1) * sizeof *columns);
    if (!columns)
        return sfs_fail_memory(error);
    out->columns = columns;
    char *section = NULL;
    if (asprintf(&section, "%s/%s", key, name) < 0)
        return sfs_fail_memory(error);
    columns[out->count++] = (sfs_csr_column){.name = section, .column = column};
    return 0;
}

static sfs_status add_columns(const sfs_table *table, const char *key, const char *list,
                              sfs_carried *out, sfs_error *error)
{
    SFS_AUTO_FREE char *text = strdup(list ? list : "");
    if (!text)
        return sfs_fail_memory(error);
    char *rest = list ? text : NULL;
    for (char *name; (name = strsep(&rest, ";"));)
        SFS_TRY(add_column(table, key, name, out, error));
    return 0;
}

sfs_status sfs_bind_columns(const sfs_view *view, const sfs_collection *collection,
                            sfs_carried *out, sfs_error *error)
{
    *out = (sfs_carried){0};
    sfs_status status = add_columns(&collection->obs, "obs", view->texts[SFS_TEXT_OBS], out, error);
    if (!status)
        status = add_columns(&collection->obsm, "obsm", view->texts[SFS_TEXT_OBSM], out, error);
    if (!status)
        status = sfs_csr_check_columns(out->columns, out->count, error);
    if (status)
        sfs_carried_clear(out);
    return status;
}

void sfs_carried_clear(sfs_carried *carried)
{
    for (size_t i = 0; i < carried->count; i++)
        free((void *)(uintptr_t)carried->columns[i].name);
    free(carried->columns);
    *carried = (sfs_carried){0};
}
