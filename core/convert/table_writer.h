/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the columns of obs, var, raw's var and obsm. */
#ifndef SFS_CONVERT_TABLE_WRITER_H
#define SFS_CONVERT_TABLE_WRITER_H

#include "convert/output.h"
#include "store/table.h"

/* Declares a table ("obs", "var", "raw_var" or "obsm") before its columns. obs and obsm are cut
 * into shards, the others are one part. */
sfs_status sfs_table_declare(sfs_output *output, const char *table, uint64_t rows,
                             sfs_error *error);

typedef struct sfs_column_spec {
    const char *table;
    const char *name; /* UTF-8. The index is named _index, is made of strings, and comes first */
    sfs_column_kind kind;
    sfs_dtype dtype;  /* of a number column */
    uint32_t columns; /* of obsm: values a row has; else 0 */
    bool nullable, ordered;
    /* NULL, or (not in obs) which of the elements that come each row takes: then the column is held
     * in memory until all have come. Borrowed until the writer is finished. */
    const int32_t *order;
} sfs_column_spec;

typedef struct sfs_column_writer sfs_column_writer;

/* Columns come in the order in which they are opened. Several may be open at once. */
sfs_status sfs_column_writer_open(sfs_output *output, const sfs_column_spec *spec,
                                  sfs_column_writer **out, sfs_error *error);

/* The next category of a categorical column; all come before its codes. */
sfs_status sfs_column_writer_category(sfs_column_writer *writer, const char *bytes, size_t length,
                                      sfs_error *error);

/* Appends `count` rows of numbers of the spec's dtype, or of int32 codes: EINVAL where one is below
 * -1 or no category. mask, true where missing, goes with a nullable column alone. */
sfs_status sfs_column_writer_values(sfs_column_writer *writer, uint64_t count, const void *values,
                                    const uint8_t *mask, sfs_error *error);

/* Appends one string to a string column; `missing` goes with a nullable one alone. */
sfs_status sfs_column_writer_string(sfs_column_writer *writer, const char *bytes, size_t length,
                                    bool missing, sfs_error *error);

/* Ends the column, which must have its table's number of rows by now; releases the writer (also on
 * failure). */
sfs_status sfs_column_writer_finish(sfs_column_writer *writer, sfs_error *error);

/* Releases a writer that will not be finished. Accepts NULL. */
void sfs_column_writer_abort(sfs_column_writer *writer);

#endif
