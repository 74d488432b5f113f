/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's command line. */
#ifndef SFS_FS_OPTIONS_H
#define SFS_FS_OPTIONS_H

#include <stdbool.h>

#include "shufflefs/shufflefs.h"

/* The exit statuses of shufflefs; docs/shufflefs.1. */
enum {
    SFS_EXIT_OK = 0,
    SFS_EXIT_USAGE = 1,
    SFS_EXIT_NO_COLLECTION = 2,
    SFS_EXIT_BAD_COLLECTION = 3,
    SFS_EXIT_MOUNTPOINT = 4,
    SFS_EXIT_FUSE = 5,
};

typedef enum sfs_cache_mode {
    SFS_CACHE_AUTO,   /* large batches past the page cache where that takes no mmap away */
    SFS_CACHE_NEVER,  /* everything past it */
    SFS_CACHE_ALWAYS, /* everything through it */
} sfs_cache_mode;

typedef struct sfs_options {
    const char *collection, *mountpoint; /* borrowed from argv */
    const char *cat;                     /* borrowed: the path to write out; NULL: mount */
    bool foreground, debug;
    bool allow_other, auto_unmount;
    sfs_cache_mode cache;
    uint64_t cache_size;      /* bytes for decoded batches */
    uint64_t view_cache_size; /* bytes for what views are made of */
    uint64_t prefetch;        /* batches decoded ahead, or SFS_AHEAD_AUTO */
    sfs_view *view;           /* owned */
} sfs_options;

/* Fills *out, whose view the caller frees. Returns -1 to go on; else the exit status, and has said
 * why. */
int sfs_options_parse(int argc, char **argv, sfs_options *out);

#endif
