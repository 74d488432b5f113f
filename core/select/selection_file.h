/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps what an expression selected, so that the next process need not evaluate it again. What is
 * found is never trusted: a file that is not exactly the one that was kept is no file. */
#ifndef SFS_SELECT_SELECTION_FILE_H
#define SFS_SELECT_SELECTION_FILE_H

#include "select/row_set.h"

/* What the rows were selected from, and how. */
typedef struct sfs_selection_key {
    uint64_t collection; /* the checksum of its collection.json */
    uint64_t generation;
    uint64_t rows;    /* of the table */
    const char *text; /* everything else that the rows depend on; borrowed */
} sfs_selection_key;

/* The set that was kept under this key, sealed, for the caller to close; false where there is none,
 * or none that can be believed: it must be a regular file, no link, of this user or root, that
 * nobody else may write, in a directory of which the same is true. */
bool sfs_selection_find(const char *directory, const sfs_selection_key *key, sfs_row_set *out);

/* Keeps a sealed set of key->rows rows, in the place of another one of that key. Readable by this
 * user alone. EPERM where the directory is not this user's or root's, or others may write to it; or
 * what the operating system gave. */
sfs_status sfs_selection_keep(const char *directory, const sfs_selection_key *key,
                              const sfs_row_set *set, sfs_error *error);

/* Removes the files that were kept longest ago, until those in the directory take at most so many
 * bytes. False where it cannot be read. */
bool sfs_selection_make_room(const char *directory, uint64_t bytes);

#endif
