/* SPDX-License-Identifier: Apache-2.0 */
/* A collection being written: a directory under a temporary name, which becomes the collection when
 * it is complete.
 *
 * `.NAME.sfs.partial` stands beside the output and is locked while it is written; one that a killed
 * converter left behind is removed by the next. */
#ifndef SFS_CONVERT_OUTPUT_H
#define SFS_CONVERT_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>

#include "store/fail.h"
#include "store/npy.h"

typedef struct sfs_output {
    char *path, *partial; /* owned */
    int directory;        /* owned: of partial, with the lock */
    uint64_t rows, shard_rows;
    bool sorted_genes;                 /* the caller's to set, before the commit */
    json_t *matrices, *tables, *files; /* owned: parts of collection.json */
    json_t *summary;                   /* owned: "matrices" of the --json summary */
    uint32_t *sums;                    /* owned: page sums of all files so far */
    uint64_t sum_count, sum_room;
    uint64_t bytes; /* of all finished files */
} sfs_output;

/* Refuses a path that exists. rows are those of obs; each shard has shard_rows of them (the last
 * one fewer). The caller ends the output by sfs_output_abort, published or not. */
sfs_status sfs_output_open(sfs_output *output, const char *path, uint64_t rows, uint64_t shard_rows,
                           sfs_error *error);

/* Writes collection.json and makes everything durable, under its hidden name still. `source` says
 * where the data came from. */
sfs_status sfs_output_finish(sfs_output *output, uint64_t variables, const char *source,
                             sfs_error *error);

/* Gives a finished output its name. */
sfs_status sfs_output_publish(sfs_output *output, sfs_error *error);

/* Removes what was written, unless it was published; releases the output either way. */
void sfs_output_abort(sfs_output *output);

/* Removes what a converter that died left beside this output, if anything. */
void sfs_output_remove_partial(const char *path);

uint64_t sfs_output_shard_count(const sfs_output *output);

/* The file that holds the page sums of all others. */
#define SFS_SUMS_FILE "g1.sums.npy"

/* A .npy file being appended to. */
typedef struct sfs_array_file sfs_array_file;

/* Starts `name`; columns as in sfs_npy_header. `summed`: its pages get checksums. */
sfs_status sfs_array_file_create(sfs_output *output, const char *name, sfs_dtype dtype,
                                 uint64_t columns, bool summed, sfs_array_file **out,
                                 sfs_error *error);

/* Appends whole elements. Runs of zeros become holes. */
sfs_status sfs_array_file_append(sfs_array_file *file, const void *items, uint64_t bytes,
                                 sfs_error *error);

/* Number of bytes appended so far. */
uint64_t sfs_array_file_bytes(const sfs_array_file *file);

/* Writes the header, adds the file to the collection's list, releases it (also on failure). */
sfs_status sfs_array_file_finish(sfs_array_file *file, sfs_error *error);

/* Releases a file that will not be finished. Accepts NULL. */
void sfs_array_file_abort(sfs_array_file *file);

#endif
