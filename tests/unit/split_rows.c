/* SPDX-License-Identifier: Apache-2.0 */
/* Splits and draws over a collection, for a test that compares them with the references. The
 * argument is a collection; reads lines of fields with tabs between them, "-" where a key is not
 * given:
 *   split SPLIT FOLD PART STRATIFY GROUP METHOD SEED BASE
 *   draw WEIGHT BALANCE PURE CLASS_WEIGHTS ROWS SEED EPOCH DRAWS BATCH_SIZE
 * METHOD is hash, exact or stochastic; BASE and ROWS are "all", or a "set" or "list" with a colon
 * and row numbers with commas behind it. Prints for each the rows of the part, or the places drawn
 * in the view, with commas; or an errno and the sentence of an error. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "select/draw.h"
#include "select/split.h"

enum { FIELDS = 10 };

struct rows {
    bool all;
    sfs_row_set set;
    int64_t *list;
    uint64_t count;
};

static void parse_rows(char *text, uint64_t size, struct rows *out)
{
    *out = (struct rows){.all = !strcmp(text, "all"), .count = size};
    if (out->all)
        return;
    bool is_set = !strncmp(text, "set:", 4);
    out->list = calloc(strlen(text) + 1, sizeof *out->list);
    out->count = 0;
    char *rest = strchr(text, ':') + 1;
    for (char *number; *rest && (number = strsep(&rest, ","));) {
        out->list[out->count++] = strtoll(number, NULL, 10);
        if (!rest)
            break;
    }
    if (!is_set)
        return;
    sfs_row_set_open(size, &out->set, NULL);
    for (uint64_t i = 0; i < out->count; i++)
        sfs_row_set_add(&out->set, (uint64_t)out->list[i]);
    sfs_row_set_seal(&out->set, NULL);
    free(out->list);
    out->list = NULL;
}

static void free_rows(struct rows *rows)
{
    sfs_row_set_close(&rows->set);
    free(rows->list);
}

static void print_error(sfs_status status, const sfs_error *error)
{
    printf("error %d %s", -status, error->message);
}

static const char *given(const char *field)
{
    return strcmp(field, "-") != 0 ? field : NULL;
}

static void run_split(const sfs_collection *collection, char *const *fields)
{
    sfs_split_spec spec = {.split = given(fields[1]),
                           .fold = given(fields[2]),
                           .part = given(fields[3]),
                           .stratify = given(fields[4]),
                           .group = given(fields[5]),
                           .method = !strcmp(fields[6], "hash")    ? SFS_SPLIT_HASH
                                     : !strcmp(fields[6], "exact") ? SFS_SPLIT_EXACT
                                                                   : SFS_SPLIT_STOCHASTIC,
                           .seed = strtoull(fields[7], NULL, 10)};
    struct rows base;
    sfs_row_set out;
    sfs_error error = {""};
    parse_rows(fields[8], sfs_collection_rows(collection), &base);
    sfs_status status =
        sfs_split_select(collection, &spec, base.all ? NULL : &base.set, &out, &error);
    if (status)
        print_error(status, &error);
    for (uint64_t i = 0; !status && i < out.count; i++)
        printf("%s%" PRIu64, i ? "," : "", sfs_row_set_select(&out, i));
    putchar('\n');
    if (!status)
        sfs_row_set_close(&out);
    free_rows(&base);
}

static void run_draw(const sfs_collection *collection, char *const *fields)
{
    sfs_draw_spec spec = {.weight = given(fields[1]),
                          .balance = given(fields[2]),
                          .pure = given(fields[3]),
                          .class_weights = given(fields[4])};
    struct rows rows;
    sfs_draw draw;
    sfs_error error = {""};
    uint64_t seed = strtoull(fields[6], NULL, 10), epoch = strtoull(fields[7], NULL, 10);
    uint64_t draws = strtoull(fields[8], NULL, 10), batch_size = strtoull(fields[9], NULL, 10);
    parse_rows(fields[5], sfs_collection_rows(collection), &rows);
    sfs_row_walk walk =
        sfs_row_walk_start(rows.set.words ? &rows.set : NULL, rows.list, rows.count);
    sfs_status status = sfs_draw_open(collection, &spec, walk, &draw, &error);
    if (status)
        print_error(status, &error);
    for (uint64_t j = 0; !status && j < draws && draw.n; j++)
        printf("%s%" PRIu64, j ? "," : "", sfs_draw_row(&draw, seed, epoch, j, j / batch_size));
    putchar('\n');
    sfs_draw_close(&draw);
    free_rows(&rows);
}

int main(int argc, char **argv)
{
    sfs_collection *collection;
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    if (argc != 2 || sfs_collection_open(argv[1], &collection, NULL))
        return 1;
    while ((length = getline(&line, &room, stdin)) > 0) {
        char *fields[FIELDS] = {0}, *rest = line;
        line[length - 1] = 0;
        for (int i = 0; i < FIELDS && rest; i++)
            fields[i] = strsep(&rest, "\t");
        if (!strcmp(fields[0], "split"))
            run_split(collection, fields);
        else
            run_draw(collection, fields);
        fflush(stdout);
    }
    free(line);
    sfs_collection_close(collection);
    return 0;
}
