/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/rows_name.h"

#include <string.h>

#include "namespace/number.h"

static const char suffix[] = ".csr";

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

bool sfs_rows_name_is(const char *name, uint64_t limit)
{
    struct request request;
    return parse(name, limit, &request, NULL);
}

sfs_status sfs_rows_name_list(const char *name, const sfs_collection *collection,
                              const sfs_matrix *matrix, sfs_row_list *out, sfs_error *error)
{
    struct request request;
    if (!parse(name, matrix->rows, &request, NULL))
        return sfs_fail(error, -ENOENT,
                        "rows/%s: expected A.csr, A-B.csr or A,B,C.csr with rows below %llu", name,
                        (unsigned long long)matrix->rows);
    if (request.run)
        return sfs_row_list_run(collection, matrix, request.first, request.count, out, error);
    int64_t *rows = malloc(request.count * sizeof *rows);
    if (!rows)
        return sfs_fail_memory(error);
    parse(name, matrix->rows, &request, rows);
    return sfs_row_list_table(collection, matrix, rows, request.count, out, error);
}
