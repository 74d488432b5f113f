/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the user how far the conversion is: a bar with rate and time left on a terminal, a plain
 * line now and then in a log. */
#ifndef SFS_CONVERT_PROGRESS_H
#define SFS_CONVERT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct sfs_progress {
    bool quiet, terminal;
    const char *what; /* borrowed: the part being converted, "X" or "obs" */
    uint64_t done, total;
    double started, shown; /* seconds, monotonic clock */
} sfs_progress;

void sfs_progress_init(sfs_progress *progress, bool quiet);

/* `what` is about to be converted, in `total` steps (rows, or non-zeros of a CSC matrix). */
void sfs_progress_start(sfs_progress *progress, const char *what, uint64_t total);

/* `done` steps of it are now done. Cheap enough to call for every block. */
void sfs_progress_update(sfs_progress *progress, uint64_t done);

void sfs_progress_finish(sfs_progress *progress);

/* A line for the user that is not an error ("column x: left out, ..."). Silent when quiet. */
void sfs_progress_note(sfs_progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
