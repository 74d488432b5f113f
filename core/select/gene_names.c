/* SPDX-License-Identifier: Apache-2.0 */
#include "select/gene_names.h"

#include <inttypes.h>
#include <string.h>

#include "store/checksum.h"
#include "store/guard.h"

/* How much of a name a message has. */
enum { SHOWN = 80 };

/* A gene that is looked for. */
struct wanted {
    const char *name; /* in the text */
    size_t length;
    uint64_t line;   /* from 1 */
    uint64_t column; /* NONE: not found so far ... */
    uint64_t other;  /* ... and the second one of that name; NONE: there is none */
};

#define NONE UINT64_MAX

struct search {
    const sfs_table *var;
    struct wanted *wanted; /* in the order of the text */
    uint64_t count;
    uint64_t *slots; /* a hash table of places in wanted; NONE: empty */
    uint64_t mask;   /* slots less 1, a power of two */
};

/* The slot that has this name, or that could have it. */
static uint64_t *find_slot(const struct search *search, const void *name, size_t length)
{
    uint64_t at = sfs_checksum(name, length) & search->mask;
    for (;; at = (at + 1) & search->mask) {
        uint64_t *slot = &search->slots[at];
        if (*slot == NONE)
            return slot;
        const struct wanted *wanted = &search->wanted[*slot];
        if (wanted->length == length && !memcmp(wanted->name, name, length))
            return slot;
    }
}

/* Takes the next line off text, without what ends it; false where there is none. */
static bool next_line(const char **text, const char *end, const char **line, size_t *length)
{
    if (*text == end)
        return false;
    const char *newline = memchr(*text, '\n', (size_t)(end - *text));
    const char *stop = newline ? newline : end;
    *line = *text;
    *length = (size_t)(stop - *text);
    if (*length && stop[-1] == '\r')
        --*length;
    *text = newline ? newline + 1 : end;
    return true;
}

static sfs_status collect(struct search *search, const char *text, size_t size, sfs_error *error)
{
    const char *end = text + size;
    struct wanted next = {.column = NONE, .other = NONE};
    while (next_line(&text, end, &next.name, &next.length)) {
        next.line++;
        if (!next.length)
            continue;
        uint64_t *slot = find_slot(search, next.name, next.length);
        if (*slot != NONE)
            return sfs_fail(error, -EINVAL,
                            "genes_file: expected each gene once, found \"%.*s\" in line %" PRIu64
                            " and again in line %" PRIu64 ": leave one out",
                            (int)(next.length < SHOWN ? next.length : SHOWN), next.name,
                            search->wanted[*slot].line, next.line);
        *slot = search->count;
        search->wanted[search->count++] = next;
    }
    if (!search->count)
        return sfs_fail(error, -EINVAL, "genes_file: expected a gene's name a line, found none");
    return 0;
}

/* Finds the names among those of var; runs inside a guard. */
static sfs_status match(void *context, sfs_error *error)
{
    struct search *search = context;
    const sfs_column *index = &search->var->columns[0];
    for (size_t p = 0; p < index->part_count; p++) {
        const sfs_column_part *part = &index->parts[p];
        for (uint64_t i = 0; i < part->rows; i++) {
            const uint8_t *line;
            uint64_t length;
            SFS_TRY(sfs_strings_line(&part->strings, i, &line, &length, error));
            uint64_t place = *find_slot(search, line, length - 1);
            if (place == NONE)
                continue;
            struct wanted *wanted = &search->wanted[place];
            if (wanted->column == NONE)
                wanted->column = part->first_row + i;
            else if (wanted->other == NONE)
                wanted->other = part->first_row + i;
        }
        SFS_TRY(sfs_map_check_size(part->strings.offsets.map, error));
        SFS_TRY(sfs_map_check_size(part->strings.text.map, error));
    }
    return 0;
}

static sfs_status take(const struct search *search, uint32_t *columns, sfs_error *error)
{
    for (uint64_t i = 0; i < search->count; i++) {
        const struct wanted *wanted = &search->wanted[i];
        int shown = (int)(wanted->length < SHOWN ? wanted->length : SHOWN);
        if (wanted->column == NONE)
            return sfs_fail(error, -EINVAL,
                            "genes_file: expected names of var's index, found \"%.*s\" in line "
                            "%" PRIu64 ", which is none of them: var/_index.txt lists them",
                            shown, wanted->name, wanted->line);
        if (wanted->other != NONE)
            return sfs_fail(error, -EINVAL,
                            "genes_file: expected a name of one gene, found \"%.*s\" in line "
                            "%" PRIu64 ", which is the name of columns %" PRIu64 " and %" PRIu64
                            ": give genes other names and convert the data again",
                            shown, wanted->name, wanted->line, wanted->column, wanted->other);
        columns[i] = (uint32_t)wanted->column;
    }
    return 0;
}

static uint64_t line_count(const char *text, size_t size)
{
    uint64_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

sfs_status sfs_gene_names_find(const sfs_map_set *files, const sfs_table *var, const char *text,
                               size_t size, uint32_t **columns, uint64_t *count, sfs_error *error)
{
    if (!var->has_index)
        return sfs_fail(error, -EINVAL,
                        "genes_file: expected a collection whose var has names, found none: choose "
                        "genes by a column of var, with the key genes");
    uint64_t lines = line_count(text, size), slots = 2;
    while (slots < 2 * lines)
        slots *= 2;
    SFS_AUTO_FREE struct wanted *wanted = malloc(lines * sizeof *wanted);
    SFS_AUTO_FREE uint64_t *table = malloc(slots * sizeof *table);
    SFS_AUTO_FREE uint32_t *found = malloc(lines * sizeof *found);
    if (!wanted || !table || !found)
        return sfs_fail_memory(error);
    memset(table, 0xff, slots * sizeof *table);
    struct search search = {.var = var, .wanted = wanted, .slots = table, .mask = slots - 1};
    SFS_TRY(collect(&search, text, size, error));
    SFS_TRY(sfs_guard(files, match, &search, error));
    SFS_TRY(take(&search, found, error));
    *columns = found;
    *count = search.count;
    found = NULL;
    return 0;
}
