/* SPDX-License-Identifier: Apache-2.0 */
#include "cat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

enum { PIECE = 1 << 17 };

static int write_failed(void)
{
    fprintf(stderr, "shufflefs: cannot write to stdout: %s\n", strerror(errno));
    return SFS_EXIT_FUSE;
}

static int list(sfs_tree *tree, sfs_node node)
{
    sfs_entry entry;
    for (uint64_t i = 0; !sfs_list(tree, node, i, &entry, NULL); i++)
        if (puts(entry.name) < 0)
            return write_failed();
    return fflush(stdout) ? write_failed() : SFS_EXIT_OK;
}

static int copy(const sfs_file *file, const char *path)
{
    static char piece[PIECE];
    sfs_error error;
    size_t got;
    for (uint64_t offset = 0; offset < sfs_file_size(file); offset += got) {
        if (sfs_file_read(file, piece, sizeof piece, offset, &got, &error)) {
            fprintf(stderr, "shufflefs: %s: %s\n", path, error.message);
            return SFS_EXIT_BAD_COLLECTION;
        }
        if (fwrite(piece, 1, got, stdout) != got)
            return write_failed();
    }
    return fflush(stdout) ? write_failed() : SFS_EXIT_OK;
}

int sfs_cat(sfs_tree *tree, const char *path)
{
    sfs_error error;
    sfs_node node;
    sfs_attributes attributes;
    sfs_file *file = NULL;
    sfs_status status = sfs_resolve(tree, path, &node, &error);
    if (!status) {
        status = sfs_stat(tree, node, &attributes, &error);
        if (!status && attributes.directory)
            return list(tree, node);
        if (!status)
            status = sfs_open(tree, node, &file, &error);
        sfs_forget(tree, node, 1);
    }
    if (status) {
        fprintf(stderr, "shufflefs: %s: %s\n", path, error.message);
        return status == -EIO ? SFS_EXIT_BAD_COLLECTION : SFS_EXIT_USAGE;
    }
    int exit_status = copy(file, path);
    sfs_file_close(file);
    return exit_status;
}
