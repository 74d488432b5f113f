/* SPDX-License-Identifier: Apache-2.0 */
/* obs, var, raw's var and obsm: columns of numbers, categories or strings, in parts that follow the
 * shards. */
#ifndef SFS_STORE_TABLE_H
#define SFS_STORE_TABLE_H

#include "store/files.h"

/* A list of strings. Each is stored as its line of a text file: `\` as `\\`, newline as `\n`, NUL
 * as `\0`, then the newline that ends it. */
typedef struct sfs_strings {
    uint64_t count;
    sfs_array offsets; /* uint64, count + 1: where each line begins in text */
    sfs_array text;    /* uint8 */
} sfs_strings;

/* The escaped line of string i < count, with its newline; borrowed from the map. The caller holds a
 * guard. */
sfs_status sfs_strings_line(const sfs_strings *strings, uint64_t i, const uint8_t **line,
                            uint64_t *length, sfs_error *error);

/* The bytes of the string of an escaped line. */
uint64_t sfs_strings_size(const uint8_t *line, uint64_t length);

/* Writes the string of an escaped line (its newline left out), without its first `skip` bytes, to
 * out: at most `room` bytes. */
void sfs_strings_unescape(const uint8_t *line, uint64_t length, uint64_t skip, uint8_t *out,
                          uint64_t room);

/* sfs_hash64 of the string of an escaped line. */
uint64_t sfs_strings_hash(const uint8_t *line, uint64_t length);

typedef enum sfs_column_kind {
    SFS_COLUMN_NUMBER,
    SFS_COLUMN_CATEGORICAL,
    SFS_COLUMN_STRING,
} sfs_column_kind;

typedef struct sfs_column_part {
    uint64_t first_row, rows;
    sfs_array
        values;     /* numbers, a matrix: rows x columns; codes of categories, int32, -1 missing */
    sfs_array mask; /* of a nullable column: bool, true where missing */
    sfs_strings strings; /* of a string column */
} sfs_column_part;

typedef struct sfs_column {
    char *name; /* owned */
    sfs_column_kind kind;
    sfs_dtype dtype; /* of values; of strings: S and the bytes of the longest one */
    bool nullable;
    bool ordered;           /* of categories */
    bool matrix;            /* numbers of two dimensions, as in obsm ... */
    uint32_t columns;       /* ... with so many values a row; else 1 */
    sfs_strings categories; /* of a categorical column */
    sfs_column_part *parts; /* owned */
    size_t part_count;
} sfs_column;

/* The part that has row < rows of the column. `likely` is tried first. */
size_t sfs_column_find_part(const sfs_column *column, uint64_t row, size_t likely);

/* Which parts one operation read, of columns that are cut alike. */
typedef struct sfs_parts_read {
    uint64_t bits; /* bit p % 64: part p was read */
} sfs_parts_read;

static inline void sfs_parts_note(sfs_parts_read *read, size_t part)
{
    read->bits |= UINT64_C(1) << part % 64;
}

/* sfs_map_check_size of the files of those parts, and of the categories. */
sfs_status sfs_parts_check_sizes(const sfs_parts_read *read, const sfs_column *column,
                                 sfs_error *error);

/* Where the lines of CSV of a part's rows lie, one after another: row r of the part behind
 * bases[r / 64] + deltas[r] bytes. */
typedef struct sfs_lines_part {
    uint64_t first_row, rows;
    uint64_t bytes, bytes_before; /* of the part, and of all before it */
    sfs_array bases;              /* uint64 */
    sfs_array deltas;             /* uint32 */
} sfs_lines_part;

typedef struct sfs_table {
    uint64_t rows;
    bool has_index;      /* then columns[0] is it, named _index */
    sfs_column *columns; /* owned */
    size_t column_count;
    sfs_lines_part *lines; /* owned: a part for each of the columns'; NULL: not stored */
    size_t part_count;
} sfs_table;

/* Opens the table described by `object`; part p has part_rows[p] rows. On failure the caller still
 * closes it. The caller holds a guard. */
sfs_status sfs_table_open(const sfs_files *files, const json_t *object, const uint64_t *part_rows,
                          size_t part_count, sfs_table *out, sfs_error *error);
void sfs_table_close(sfs_table *table);

#endif
