/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what the kernel is asked for ahead of a batch: a line where it says that nothing is in
 * memory, and begins to read what it is asked about; one where all is; and one where it is asked
 * again. Each has the bytes of every file that are asked for, behind what sfs_file_will_need
 * returns. Two more lines, as the first two, tell of the blocks of the batch's window and the next;
 * these begin with what sfs_batch_will_need_blocks returns. Usage: ask_ahead COLLECTION PATH
 * KEY=VALUE... */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "shufflefs/shufflefs.h"

enum { FILES_MAX = 256, PAGE = 4096, PAGES_MAX = 16384 };

static sfs_error error;
static uint64_t asked[FILES_MAX]; /* bytes, by descriptor */
static bool in_memory[FILES_MAX][PAGES_MAX];

/* The two calls that tell the kernel and ask it, in place of the C library's. */
int posix_fadvise(int fd, off_t offset, off_t length, int advice)
{
    if (advice != POSIX_FADV_WILLNEED || fd >= FILES_MAX || !length)
        return 0;
    asked[fd] += (uint64_t)length;
    for (off_t page = offset / PAGE; page <= (offset + length - 1) / PAGE; page++)
        in_memory[fd][page % PAGES_MAX] = true;
    return 0;
}

ssize_t preadv2(int fd, const struct iovec *to, int count, off_t offset, int flags)
{
    (void)to;
    (void)count;
    (void)flags;
    bool *page = &in_memory[fd % FILES_MAX][offset / PAGE % PAGES_MAX];
    if (*page)
        return 1;
    *page = true;
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

static void set_memory(bool all)
{
    memset(in_memory, all, sizeof in_memory);
}

static void look_and_ask(const sfs_file *file, bool all_in_memory)
{
    set_memory(all_in_memory);
    printf("%d", sfs_file_will_need(file, 0, sfs_file_size(file)));
    print_asked();
}

static void look_and_ask_for_blocks(sfs_tree *tree, sfs_node node, bool all_in_memory)
{
    set_memory(all_in_memory);
    printf("%d", sfs_batch_will_need_blocks(tree, node, true));
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
    look_and_ask(file, false);
    look_and_ask(file, true);
    sfs_file_will_need_again(file, 0, sfs_file_size(file));
    printf("again");
    print_asked();
    look_and_ask_for_blocks(tree, node, false);
    look_and_ask_for_blocks(tree, node, true);
    sfs_file_close(file);
    sfs_forget(tree, node, 1);
    sfs_tree_close(tree);
    sfs_view_free(view);
    sfs_collection_close(collection);
    return 0;
}
