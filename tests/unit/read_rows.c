/* SPDX-License-Identifier: Apache-2.0 */
/* Reads files of chosen rows, for a test that compares them with a model. Opens the collection that
 * is its argument, and reads lines of
 *   KIND TABLE COLUMN ROWS
 * (KIND: npy, mask, csv, or csr with that column as a section; TABLE: obs, var, raw_var, obsm;
 * COLUMN: its place in the table, any for csv; ROWS: numbers with commas, FIRST+COUNT for a run, or
 * - for none). Answers each with the file's size, as 8 bytes, and its bytes, after it has checked
 * that any range gives the same bytes as the whole. A failure is told on stderr, and answered with
 * a size of 2^64 - 1. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "batch/column_rows.h"
#include "batch/csr_file.h"
#include "batch/csv_file.h"

enum { LINE = 1 << 16, RANGES = 500 };

static const sfs_table *table_of(const sfs_collection *collection, const char *name)
{
    return !strcmp(name, "obs")       ? &collection->obs
           : !strcmp(name, "var")     ? &collection->var
           : !strcmp(name, "raw_var") ? &collection->raw_var
                                      : &collection->obsm;
}

static sfs_status open_rows(const sfs_collection *collection, char *text, sfs_row_list *out,
                            sfs_error *error)
{
    const sfs_matrix *matrix = &collection->matrices[0];
    uint64_t first, count = 0;
    if (sscanf(text, "%" SCNu64 "+%" SCNu64, &first, &count) == 2)
        return sfs_row_list_run(collection, matrix, first, count, out, error);
    int64_t *rows = calloc(strlen(text) + 1, sizeof *rows);
    char *rest = *text == '-' ? NULL : text;
    for (char *number; (number = strsep(&rest, ","));)
        rows[count++] = atoll(number);
    return sfs_row_list_table(collection, matrix, rows, count, out, error);
}

/* The column twice, if it is not of obsm: the second time under another name. */
static sfs_status open_csr(sfs_row_list *rows, const char *table, const sfs_column *column,
                           sfs_file **out, sfs_error *error)
{
    char name[512];
    const sfs_csr_header header = {-1, -1, -1, 0, 0};
    const sfs_csr_column columns[] = {{name, column}, {"obs/again", column}};
    snprintf(name, sizeof name, "%s/%s", table, column->name);
    const sfs_csr_layout layout = {
        {.values = rows->matrix->dtype, .indices = {'i', 4}}, columns, column->matrix ? 1 : 2};
    return sfs_csr_open(rows, &layout, &header, out, error);
}

static sfs_status open_file(const sfs_collection *collection, const char *kind, const char *table,
                            unsigned column, char *rows, sfs_file **out, sfs_error *error)
{
    sfs_row_list list;
    const sfs_column *columns = table_of(collection, table)->columns;
    SFS_TRY(open_rows(collection, rows, &list, error));
    if (!strcmp(kind, "csr"))
        return open_csr(&list, table, &columns[column], out, error);
    if (!strcmp(kind, "csv"))
        return sfs_csv_rows_file_open(&list, table_of(collection, table), out, error);
    return sfs_column_rows_file_open(&list, &columns[column],
                                     strcmp(kind, "mask") ? SFS_COLUMN_NPY : SFS_COLUMN_MASK, out,
                                     error);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* Some ranges: short ones, and ones that leave the file. */
static sfs_status check_ranges(const sfs_file *file, const uint8_t *whole, uint64_t size,
                               sfs_error *error)
{
    uint64_t state = size;
    SFS_AUTO_FREE uint8_t *piece = malloc(size + 16);
    for (int i = 0; i < RANGES; i++) {
        uint64_t offset = next_random(&state) % (size + 2);
        uint64_t length = next_random(&state) % (i % 2 ? 24 : size + 8) + 1;
        uint64_t left = offset < size ? size - offset : 0, expected = length < left ? length : left;
        size_t got;
        if (length > size + 16)
            continue;
        SFS_TRY(sfs_file_read(file, piece, length, offset, &got, error));
        if (got != expected || (got && memcmp(piece, whole + offset, got) != 0))
            return sfs_fail(error, -EINVAL, "bytes %" PRIu64 " to %" PRIu64 " are others", offset,
                            offset + length);
    }
    return 0;
}

static sfs_status answer(const sfs_file *file, sfs_error *error)
{
    uint64_t size = sfs_file_size(file);
    size_t got;
    SFS_AUTO_FREE uint8_t *whole = malloc(size + 1);
    SFS_TRY(sfs_file_read(file, whole, size + 1, 0, &got, error));
    if (got != size)
        return sfs_fail(error, -EINVAL, "%zu bytes of %" PRIu64, got, size);
    SFS_TRY(check_ranges(file, whole, size, error));
    fwrite(&size, sizeof size, 1, stdout);
    fwrite(whole, 1, size, stdout);
    return 0;
}

int main(int argc, char **argv)
{
    static char kind[16], table[16], rows[LINE];
    sfs_collection *collection;
    sfs_error error;
    unsigned column;
    if (argc != 2 || sfs_collection_open(argv[1], &collection, &error))
        return 1;
    while (scanf("%15s %15s %u %65535s", kind, table, &column, rows) == 4) {
        sfs_file *file = NULL;
        sfs_status status = open_file(collection, kind, table, column, rows, &file, &error);
        if (!status)
            status = answer(file, &error);
        sfs_file_close(file);
        if (status) {
            uint64_t failed = UINT64_MAX;
            fwrite(&failed, sizeof failed, 1, stdout);
            fprintf(stderr, "%s\n", error.message);
        }
    }
    sfs_collection_close(collection);
    return 0;
}
