/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cat.h"
#include "options.h"
#include "session.h"

/* So that no file of ours becomes descriptor 0, 1 or 2, which going to the background replaces. */
static void fill_standard_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* A descriptor is kept for each file of a collection, which may have more of them than the soft
 * limit allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int fail(sfs_status status, const sfs_error *error)
{
    fprintf(stderr, "shufflefs: %s\n", error->message);
    if (status == -EBADMSG || status == -EIO)
        return SFS_EXIT_BAD_COLLECTION;
    return status == -EINVAL ? SFS_EXIT_USAGE : SFS_EXIT_NO_COLLECTION;
}

static int run(const sfs_options *options)
{
    sfs_error error;
    sfs_collection *collection;
    sfs_tree *tree;
    sfs_status status = sfs_collection_open(options->collection, &collection, &error);
    if (status)
        return fail(status, &error);
    int exit_status;
    status = sfs_tree_open(collection, options->view, &tree, &error);
    if (status) {
        exit_status = fail(status, &error);
    } else {
        sfs_tree_set_view_cache(tree, options->view_cache_size);
        exit_status =
            options->cat ? sfs_cat(tree, options->cat) : sfs_session_run(options, collection, tree);
        sfs_tree_close(tree);
    }
    sfs_collection_close(collection);
    return exit_status;
}

int main(int argc, char **argv)
{
    sfs_options options;
    fill_standard_descriptors();
    raise_descriptor_limit();
    int status = sfs_options_parse(argc, argv, &options);
    if (status < 0)
        status = run(&options);
    sfs_view_free(options.view);
    return status;
}
