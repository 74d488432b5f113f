/* SPDX-License-Identifier: Apache-2.0 */
/* The public library, without a mount: every way to read a file gives the same bytes, and a
 * collection is checked as a whole. The argument is a collection that this test may damage. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "shufflefs/shufflefs.h"

enum { READS = 200, PIECE = 20000 };

/* Beyond the page of the header, which is verified when a collection is opened. */
enum { BEHIND_HEADER = 5000 };

static const char *const paths[] = {"README.txt",
                                    "dataset.json",
                                    "obs/_index.txt",
                                    "obs/_index.npy",
                                    "obs/plate.npy",
                                    "obs/plate.categories.txt",
                                    "X/indptr.npy",
                                    "X/indices.npy",
                                    "X/data.npy",
                                    "rows/3.csr",
                                    "rows/5-40.csr",
                                    "rows/9,2,2,9.csr",
                                    "epoch_0/rank_0/batch_0.csr",
                                    "epoch_7/rank_1/batch_2.csr",
                                    "epoch_7/rank_1/batch_2/indices.npy",
                                    "epoch_7/rank_1/batch_2/rows.npy"};

static uint64_t random_below(uint64_t limit)
{
    static uint64_t state = 88172645463325252U;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % limit;
}

/* Any range, copied into a buffer, and as segments, is that part of the whole. */
static void check_ranges(const sfs_file *file, const char *whole, sfs_reader *reader)
{
    char piece[PIECE];
    uint64_t size = sfs_file_size(file);
    for (int i = 0; i < READS; i++) {
        const struct iovec *segments;
        int count;
        size_t got, length = random_below(PIECE), done = 0;
        uint64_t offset = random_below(size + 100);
        size_t expected = offset >= size ? 0 : length < size - offset ? length : size - offset;
        CHECK(!sfs_file_read(file, piece, length, offset, &got, NULL) && got == expected);
        CHECK(!memcmp(piece, whole + (offset < size ? offset : 0), got));
        CHECK(!sfs_file_read_segments(file, reader, length, offset, &segments, &count, NULL));
        for (int k = 0; k < count; done += segments[k++].iov_len)
            CHECK(!memcmp(segments[k].iov_base, whole + offset + done, segments[k].iov_len));
        CHECK(done == expected);
    }
}

static void check_file(sfs_tree *tree, const char *path, sfs_reader *reader)
{
    sfs_node node;
    sfs_attributes attributes;
    sfs_file *file;
    size_t got;
    CHECK(!sfs_resolve(tree, path, &node, NULL));
    CHECK(!sfs_stat(tree, node, &attributes, NULL) && !attributes.directory);
    CHECK(!sfs_open(tree, node, &file, NULL));
    CHECK(sfs_file_size(file) == attributes.size);
    char *whole = malloc(attributes.size + 1);
    CHECK(!sfs_file_read(file, whole, attributes.size + 1, 0, &got, NULL));
    CHECK(got == attributes.size);
    check_ranges(file, whole, reader);
    free(whole);
    sfs_file_close(file);
    sfs_forget(tree, node, 1);
}

static void check_refusals(sfs_tree *tree, sfs_view *view)
{
    sfs_error error;
    sfs_node node;
    sfs_file *file;
    CHECK(sfs_resolve(tree, "obs/none.npy", &node, &error) == -ENOENT);
    CHECK(sfs_resolve(tree, "README.txt/x", &node, &error) == -ENOTDIR);
    CHECK(!sfs_resolve(tree, "epoch_3", &node, &error));
    CHECK(sfs_open(tree, node, &file, &error) == -EISDIR);
    CHECK(sfs_open(tree, 12345678, &file, &error) == -ENOENT);
    CHECK(sfs_open(tree, UINT64_MAX, &file, &error) == -ENOENT);
    CHECK(sfs_view_set(view, "batch_size", "0", &error) == -EINVAL);
    CHECK(strstr(error.message, "batch_size") && strstr(error.message, "\"0\""));
    CHECK(sfs_view_set(view, "nonsense", "1", NULL) == -EINVAL);
}

static void flip(const char *collection, const char *name, off_t offset)
{
    char path[4096], byte = 0;
    snprintf(path, sizeof path, "%s/%s", collection, name);
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0 && pread(fd, &byte, 1, offset) == 1);
    byte ^= 16;
    CHECK(pwrite(fd, &byte, 1, offset) == 1);
    close(fd);
}

/* Damage anywhere is found, and the message names the file. */
static void check_damage(const char *path)
{
    static const char *const files[] = {"s0.m0.data.npy", "s0.m0.record_deltas.npy",
                                        "s0.m0.deltas.npy", "obs.0.text.npy", "var.0.text.npy"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        sfs_error error = {""};
        sfs_collection *collection;
        flip(path, files[i], BEHIND_HEADER);
        sfs_status opened = sfs_collection_open(path, &collection, &error);
        CHECK(!opened);
        if (!opened) {
            CHECK(sfs_collection_check(collection, &error) == -EIO);
            CHECK(strstr(error.message, files[i]) != NULL);
            sfs_collection_close(collection);
        }
        flip(path, files[i], BEHIND_HEADER);
    }
}

int main(int argc, char **argv)
{
    sfs_error error = {""};
    sfs_collection *collection = NULL;
    sfs_view *view = NULL;
    sfs_tree *tree = NULL;
    sfs_reader *reader = NULL;
    if (argc != 2 || sfs_collection_open(argv[1], &collection, &error) ||
        sfs_view_new(&view, &error) || sfs_view_set(view, "batch_size", "64", &error) ||
        sfs_view_set(view, "world_size", "2", &error) ||
        sfs_tree_open(collection, view, &tree, &error) ||
        sfs_reader_new(1 << 20, &reader, &error)) {
        fprintf(stderr, "usage: test_library COLLECTION: %s\n", error.message);
        return 1;
    }
    CHECK(sfs_collection_rows(collection) == 2000);
    CHECK(!sfs_collection_check(collection, &error));
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        check_file(tree, paths[i], reader);
    check_refusals(tree, view);
    sfs_reader_free(reader);
    sfs_tree_close(tree);
    sfs_view_free(view);
    sfs_collection_close(collection);
    check_damage(argv[1]);
    return check_failures() != 0;
}
