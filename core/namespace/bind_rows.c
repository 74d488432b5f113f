/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/bind_rows.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "namespace/kept.h"
#include "select/expression.h"
#include "select/gene_names.h"
#include "select/row_numbers.h"

enum { MAX_LIST = 1 << 30 }; /* bytes of a file that lists rows or genes */

/* The file's bytes; the caller frees them. */
static sfs_status read_list(int directory, const char *path, char **out, size_t *size,
                            sfs_error *error)
{
    struct stat stat;
    SFS_AUTO_CLOSE int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &stat))
        return sfs_fail(error, -EINVAL, "expected a file that can be read: %s", strerror(errno));
    if (!S_ISREG(stat.st_mode) || stat.st_size > MAX_LIST)
        return sfs_fail(error, -EINVAL, "expected a regular file of at most 1 GiB");
    *size = (size_t)stat.st_size;
    *out = malloc(*size + 1);
    if (!*out)
        return sfs_fail_memory(error);
    for (size_t done = 0; done < *size;) {
        ssize_t got = read(fd, *out + done, *size - done);
        if (got <= 0) {
            free(*out);
            return sfs_fail(error, -EIO, "cannot be read whole: %s",
                            got ? strerror(errno) : "it is shorter than its size");
        }
        done += (size_t)got;
    }
    return 0;
}

static sfs_status list_rows(const sfs_view *view, const sfs_collection *collection, int directory,
                            sfs_view_rows *out, sfs_error *error)
{
    const char *path = view->texts[SFS_TEXT_ROWS_FILE];
    SFS_AUTO_FREE char *bytes = NULL;
    size_t size;
    sfs_status status = read_list(directory, path, &bytes, &size, error);
    if (!status)
        status =
            sfs_row_numbers_read(bytes, size, collection->rows, &out->list, &out->count, error);
    if (status)
        sfs_error_prefix(error, "rows_file: %s: ", path);
    return status;
}

/* Leaves of the list what is in the set. */
static void keep_listed(sfs_view_rows *rows, const sfs_row_set *set)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < rows->count; i++)
        if (sfs_row_set_has(set, (uint64_t)rows->list[i]))
            rows->list[kept++] = rows->list[i];
    rows->count = kept;
}

/* Takes the set over. */
static void keep(sfs_view_rows *rows, sfs_row_set *set)
{
    if (rows->list) {
        keep_listed(rows, set);
        sfs_row_set_close(set);
        return;
    }
    sfs_row_set_close(&rows->set);
    rows->set = *set;
    rows->count = set->count;
}

/* The rows of a list as a set. */
static sfs_status set_of_list(const sfs_view_rows *rows, uint64_t size, sfs_row_set *out,
                              sfs_error *error)
{
    SFS_TRY(sfs_row_set_open(size, out, error));
    for (uint64_t i = 0; i < rows->count; i++)
        sfs_row_set_add(out, (uint64_t)rows->list[i]);
    sfs_status status = sfs_row_set_seal(out, error);
    if (status)
        sfs_row_set_close(out);
    return status;
}

static sfs_status split_rows(const sfs_collection *collection, const sfs_split_spec *spec,
                             sfs_view_rows *rows, sfs_error *error)
{
    sfs_row_set base = {0}, part;
    if (rows->list)
        SFS_TRY(set_of_list(rows, collection->rows, &base, error));
    const sfs_row_set *from = rows->list ? &base : rows->set.words ? &rows->set : NULL;
    sfs_status status = sfs_split_select(collection, spec, from, &part, error);
    sfs_row_set_close(&base);
    if (!status)
        keep(rows, &part);
    return status;
}

static sfs_status bind_rows(const sfs_view *view, const sfs_collection *collection, int directory,
                            sfs_view_rows *out, sfs_error *error)
{
    sfs_row_set set;
    out->count = collection->rows;
    if (view->texts[SFS_TEXT_ROWS_FILE])
        SFS_TRY(list_rows(view, collection, directory, out, error));
    if (view->texts[SFS_TEXT_WHERE]) {
        SFS_TRY(sfs_kept_select(collection, view->texts[SFS_TEXT_WHERE], &set, error));
        keep(out, &set);
    }
    const sfs_split_spec split = {.split = view->texts[SFS_TEXT_SPLIT],
                                  .fold = view->texts[SFS_TEXT_FOLD],
                                  .part = view->texts[SFS_TEXT_PART],
                                  .stratify = view->texts[SFS_TEXT_STRATIFY],
                                  .group = view->texts[SFS_TEXT_GROUP],
                                  .method = (sfs_split_method)view->split_method,
                                  .seed = view->split_seed};
    return sfs_split_is_given(&split) ? split_rows(collection, &split, out, error) : 0;
}

sfs_status sfs_bind_rows(const sfs_view *view, const sfs_collection *collection, int directory,
                         sfs_view_rows *out, sfs_error *error)
{
    *out = (sfs_view_rows){0};
    sfs_status status = bind_rows(view, collection, directory, out, error);
    if (status)
        sfs_view_rows_close(out);
    return status;
}

sfs_status sfs_bind_draw(const sfs_view *view, const sfs_collection *collection,
                         const sfs_view_rows *rows, sfs_draw *out, bool *drawn, sfs_error *error)
{
    const sfs_draw_spec spec = {.weight = view->texts[SFS_TEXT_WEIGHT],
                                .balance = view->texts[SFS_TEXT_BALANCE],
                                .pure = view->texts[SFS_TEXT_PURE],
                                .class_weights = view->texts[SFS_TEXT_CLASS_WEIGHTS]};
    *out = (sfs_draw){0};
    *drawn = sfs_draw_is_given(&spec);
    if (!*drawn && view->epoch_size)
        return sfs_fail(error, -EINVAL,
                        "epoch_size: expected weight, balance or pure beside it, found none: each "
                        "row is dealt once");
    if (*drawn && view->order != SFS_ORDER_SHUFFLE)
        return sfs_fail(
            error, -EINVAL,
            "order: expected shuffle where rows are drawn, found another: leave it out");
    if (!*drawn)
        return 0;
    sfs_row_walk walk =
        sfs_row_walk_start(rows->set.words ? &rows->set : NULL, rows->list, rows->count);
    return sfs_draw_open(collection, &spec, walk, out, error);
}

static sfs_status choose_listed(const sfs_collection *collection, const char *path,
                                const sfs_table *table, int directory, sfs_gene_set *out,
                                sfs_error *error)
{
    SFS_AUTO_FREE char *text = NULL;
    SFS_AUTO_FREE uint32_t *columns = NULL;
    size_t size;
    uint64_t count;
    sfs_status status = read_list(directory, path, &text, &size, error);
    if (!status)
        status =
            sfs_gene_names_find(&collection->files, table, text, size, &columns, &count, error);
    if (!status)
        status = sfs_gene_set_open_list(columns, count, table->rows, out, error);
    if (status)
        sfs_error_prefix(error, "genes_file: %s: ", path);
    return status;
}

static sfs_status choose_where(const sfs_collection *collection, const char *text,
                               const sfs_table *table, sfs_gene_set *out, sfs_error *error)
{
    sfs_expression *expression;
    sfs_row_set set;
    SFS_TRY(sfs_expression_open(text, "genes", table, &expression, error));
    sfs_status status = sfs_expression_select(expression, &collection->files, &set, error);
    sfs_expression_close(expression);
    if (status)
        return status;
    status = sfs_gene_set_open_rows(&set, out, error);
    sfs_row_set_close(&set);
    return status;
}

sfs_status sfs_bind_genes(const sfs_view *view, const sfs_collection *collection,
                          const sfs_table *table, int directory, sfs_gene_set *out, bool *chosen,
                          sfs_error *error)
{
    const char *text = view->texts[SFS_TEXT_GENES], *path = view->texts[SFS_TEXT_GENES_FILE];
    *out = (sfs_gene_set){0};
    *chosen = text || path;
    if (!*chosen)
        return 0;
    if (text && path)
        return sfs_fail(error, -EINVAL,
                        "genes: expected genes or genes_file, found both: leave one out");
    if (!table)
        return sfs_fail(error, -EINVAL,
                        "genes: expected a table of the genes of raw/X, found none in this "
                        "collection");
    return text ? choose_where(collection, text, table, out, error)
                : choose_listed(collection, path, table, directory, out, error);
}
