/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what the kernel is asked for ahead of a batch: a line where it says that nothing is in
 * memory, and begins to read what it is asked about; one where all is; and one where it is asked
 * again. Each has the bytes of every file that are asked for, and, but for the last, whether
 * sfs_file_will_need says that it asked. Usage: ask_ahead COLLECTION PATH KEY=VALUE... */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "shufflefs/shufflefs.h"

enum { FILES_MAX = 256, LOOKED_MAX = 4096 };

static sfs_error error;
static uint64_t asked[FILES_MAX]; /* bytes, by descriptor */
static bool all_in_memory;
static struct {
    int fd;
    off_t offset;
} looked[LOOKED_MAX];
static unsigned looked_count;

/* The two calls that tell the kernel and ask it, in place of the C library's. */
int posix_fadvise(int fd, off_t offset, off_t length, int advice)
{
    (void)offset;
    if (advice == POSIX_FADV_WILLNEED && fd < FILES_MAX)
        asked[fd] += (uint64_t)length;
    return 0;
}

ssize_t preadv2(int fd, const struct iovec *to, int count, off_t offset, int flags)
{
    (void)to;
    (void)count;
    (void)flags;
    bool known = all_in_memory;
    for (unsigned i = 0; i < looked_count; i++)
        known |= looked[i].fd == fd && looked[i].offset == offset;
    if (known || looked_count == LOOKED_MAX)
        return 1;
    looked[looked_count].fd = fd;
    looked[looked_count++].offset = offset;
    errno = EAGAIN;
    return -1;
}

static void require(int status)
{
    if (!status)
        return;
    fprintf(stderr, "ask_ahead: %s\n", error.message);
    exit(1);
}

static void print_asked(void)
{
    for (int fd = 0; fd < FILES_MAX; fd++)
        if (asked[fd])
            printf(" %" PRIu64, asked[fd]);
    putchar('\n');
    memset(asked, 0, sizeof asked);
}

/* A view of what the arguments say; the caller frees it. */
static sfs_view *view_of(char **arguments, int count)
{
    sfs_view *view;
    require(sfs_view_new(&view, &error));
    for (int i = 0; i < count; i++) {
        char *value = strchr(arguments[i], '=');
        *value++ = '\0';
        require(sfs_view_set(view, arguments[i], value, &error));
    }
    return view;
}

static void look_and_ask(const sfs_file *file, bool in_memory)
{
    all_in_memory = in_memory;
    printf("%d", sfs_file_will_need(file, 0, sfs_file_size(file)));
    print_asked();
}

int main(int count, char **arguments)
{
    sfs_collection *collection;
    sfs_tree *tree;
    sfs_node node;
    sfs_file *file;
    if (count < 3)
        return 1;
    sfs_view *view = view_of(arguments + 3, count - 3);
    require(sfs_collection_open(arguments[1], &collection, &error));
    require(sfs_tree_open(collection, view, &tree, &error));
    require(sfs_resolve(tree, arguments[2], &node, &error));
    require(sfs_open(tree, node, &file, &error));
    memset(asked, 0, sizeof asked); /* with genes, opening it took reading all */
    looked_count = 0;
    look_and_ask(file, false);
    look_and_ask(file, true);
    sfs_file_will_need_again(file, 0, sfs_file_size(file));
    printf("again");
    print_asked();
    sfs_file_close(file);
    sfs_forget(tree, node, 1);
    sfs_tree_close(tree);
    sfs_view_free(view);
    sfs_collection_close(collection);
    return 0;
}
