/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/rows_name.h"

#include <search.h>
#include <string.h>

#include "namespace/number.h"

static const char suffix[] = ".csr";

struct name {
    char *text; /* owned */
    sfs_node node;
    uint64_t references;
};

static int compare_text(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static int compare_node(const void *a, const void *b)
{
    sfs_node left = ((const struct name *)a)->node, right = ((const struct name *)b)->node;
    return (left > right) - (left < right);
}

static void free_name(void *pointer)
{
    struct name *name = pointer;
    free(name->text);
    free(name);
}

static void keep(void *pointer)
{
    (void)pointer;
}

void sfs_rows_names_open(sfs_rows_names *names, uint64_t first_node)
{
    *names = (sfs_rows_names){.next = first_node};
    pthread_mutex_init(&names->lock, NULL);
}

void sfs_rows_names_close(sfs_rows_names *names)
{
    tdestroy(names->by_node, keep);
    tdestroy(names->by_name, free_name);
    pthread_mutex_destroy(&names->lock);
}

/* What a name asks for: a run (first to last), or a list, whose numbers are written to rows unless
 * it is NULL. */
struct request {
    bool run;
    uint64_t first, last, count;
};

static bool parse(const char *text, uint64_t limit, struct request *out, int64_t *rows)
{
    uint64_t row;
    *out = (struct request){0};
    if (!sfs_number_take(&text, &out->first) || out->first >= limit)
        return false;
    if (rows)
        rows[0] = (int64_t)out->first;
    out->last = out->first;
    out->count = 1;
    if (*text == '-') {
        text++;
        if (!sfs_number_take(&text, &out->last) || out->last >= limit || out->last < out->first)
            return false;
        out->count = out->last - out->first + 1;
        out->run = true;
    }
    while (!out->run && *text == ',') {
        text++;
        if (!sfs_number_take(&text, &row) || row >= limit)
            return false;
        if (rows)
            rows[out->count] = (int64_t)row;
        out->count++;
    }
    out->run = out->run || out->count == 1;
    return !strcmp(text, suffix);
}

/* Under the lock. */
static struct name *add_name(sfs_rows_names *names, const char *text)
{
    struct name *name = calloc(1, sizeof *name);
    if (!name)
        return NULL;
    name->text = strdup(text);
    name->node = names->next;
    if (!name->text || !tsearch(name, &names->by_name, compare_text)) {
        free_name(name);
        return NULL;
    }
    if (!tsearch(name, &names->by_node, compare_node)) {
        tdelete(name, &names->by_name, compare_text);
        free_name(name);
        return NULL;
    }
    names->next++;
    return name;
}

sfs_status sfs_rows_names_lookup(sfs_rows_names *names, const char *name, uint64_t rows,
                                 sfs_node *out, sfs_error *error)
{
    struct request request;
    if (!parse(name, rows, &request, NULL))
        return sfs_fail(error, -ENOENT,
                        "rows/%s: expected A.csr, A-B.csr or A,B,C.csr with rows below %llu", name,
                        (unsigned long long)rows);
    struct name key = {.text = (char *)(uintptr_t)name};
    pthread_mutex_lock(&names->lock);
    struct name **place = tfind(&key, &names->by_name, compare_text);
    struct name *found = place ? *place : add_name(names, name);
    if (found) {
        found->references++;
        *out = found->node;
    }
    pthread_mutex_unlock(&names->lock);
    return found ? 0 : sfs_fail_memory(error);
}

/* Under the lock. */
static struct name *find_node(const sfs_rows_names *names, sfs_node node)
{
    struct name key = {.node = node};
    struct name **place = tfind(&key, &names->by_node, compare_node);
    return place ? *place : NULL;
}

void sfs_rows_names_forget(sfs_rows_names *names, sfs_node node, uint64_t count)
{
    pthread_mutex_lock(&names->lock);
    struct name *name = find_node(names, node);
    if (name && (name->references -= count < name->references ? count : name->references) == 0) {
        tdelete(name, &names->by_node, compare_node);
        tdelete(name, &names->by_name, compare_text);
        free_name(name);
    }
    pthread_mutex_unlock(&names->lock);
}

sfs_status sfs_rows_names_list(sfs_rows_names *names, sfs_node node,
                               const sfs_collection *collection, const sfs_matrix *matrix,
                               sfs_row_list *out, sfs_error *error)
{
    char text[SFS_NAME_MAX + 1] = "";
    struct request request;
    pthread_mutex_lock(&names->lock);
    const struct name *name = find_node(names, node);
    if (name)
        strncpy(text, name->text, SFS_NAME_MAX);
    pthread_mutex_unlock(&names->lock);
    if (!name || !parse(text, matrix->rows, &request, NULL))
        return sfs_fail(error, -ENOENT, "rows/: no such node");
    if (request.run)
        return sfs_row_list_run(collection, matrix, request.first, request.count, out, error);
    int64_t *rows = malloc(request.count * sizeof *rows);
    if (!rows)
        return sfs_fail_memory(error);
    parse(text, matrix->rows, &request, rows);
    return sfs_row_list_table(collection, matrix, rows, request.count, out, error);
}
