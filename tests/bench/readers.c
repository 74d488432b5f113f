/* SPDX-License-Identifier: Apache-2.0 */
/* The timed loops of the benchmark; run.py calls them and makes the table.
 *
 *   readers plain FILE
 *       reads a file, 32 MiB at a time
 *   readers gather COLLECTION BATCH_SIZE EPOCH
 *       reads in process every batch of EPOCH, then of the next, which is the one that is timed
 *   readers decode COLLECTION BATCH_SIZE EPOCH
 *       the same, 1 MiB at a time into one buffer of that size
 *   readers files RANK_DIRECTORY FIRST STEP
 *       reads batch_FIRST.csr, batch_(FIRST+STEP).csr, ...
 *   readers direct RANK_DIRECTORY FIRST STEP
 *       the same past the page cache, with O_DIRECT
 *
 * Each prints one line: bytes, rows, files, seconds. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shufflefs/shufflefs.h"

enum {
    PLAIN_PIECE = 32 << 20,
    BUFFER = 64 << 20,
    DECODE_PIECE = 1 << 20,
    ROWS_WORD = 2,
    PAGE = 4096
};

struct result {
    uint64_t bytes, rows, files;
    double started;
};

/* One buffer for all files, grown as needed and touched, as a training loop would have it; on a
 * page boundary, as O_DIRECT wants it. */
struct buffer {
    char *bytes;
    size_t size;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "readers: %s: %s\n", what, why);
    exit(1);
}

static void reserve(struct buffer *buffer, size_t size)
{
    if (size <= buffer->size)
        return;
    free(buffer->bytes);
    size += size / 4;
    void *bytes;
    if (posix_memalign(&bytes, PAGE, size))
        die("buffer", "out of memory");
    memset(bytes, 1, size);
    *buffer = (struct buffer){bytes, size};
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void count(struct result *result, const struct buffer *buffer, size_t size)
{
    int64_t rows;
    memcpy(&rows, buffer->bytes + ROWS_WORD * sizeof rows, sizeof rows);
    result->bytes += size;
    result->rows += (uint64_t)rows;
    result->files++;
}

static void read_plain(const char *path, struct buffer *buffer, struct result *result)
{
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        die(path, strerror(errno));
    reserve(buffer, PLAIN_PIECE);
    for (ssize_t got; (got = read(fd, buffer->bytes, PLAIN_PIECE)) > 0;)
        result->bytes += (uint64_t)got;
    result->files = 1;
    close(fd);
}

/* Reads the file whole, or in pieces to the same place. */
static void read_in_process(const sfs_file *file, const char *name, size_t piece,
                            struct buffer *buffer, struct result *result)
{
    sfs_error error;
    uint64_t size = sfs_file_size(file);
    piece = piece ? piece : size;
    reserve(buffer, piece);
    for (uint64_t at = 0; at < size;) {
        size_t got;
        if (sfs_file_read(file, buffer->bytes, piece, at, &got, &error))
            die(name, error.message);
        if (!at)
            count(result, buffer, size);
        at += got;
    }
}

static void gather_epoch(sfs_tree *tree, uint64_t epoch, size_t piece, struct buffer *buffer,
                         struct result *result)
{
    sfs_error error;
    *result = (struct result){.started = now()};
    for (;;) {
        char name[128];
        sfs_node node;
        sfs_file *file;
        snprintf(name, sizeof name, "epoch_%" PRIu64 "/rank_0/batch_%" PRIu64 ".csr", epoch,
                 result->files);
        if (sfs_resolve(tree, name, &node, &error))
            return;
        if (sfs_open(tree, node, &file, &error))
            die(name, error.message);
        read_in_process(file, name, piece, buffer, result);
        sfs_file_close(file);
    }
}

static void gather(const char *path, const char *batch_size, uint64_t epoch, size_t piece,
                   struct buffer *buffer, struct result *result)
{
    sfs_error error;
    sfs_collection *collection = NULL;
    sfs_view *view = NULL;
    sfs_tree *tree = NULL;
    if (sfs_collection_open(path, &collection, &error) || sfs_view_new(&view, &error) ||
        sfs_view_set(view, "batch_size", batch_size, &error) ||
        sfs_tree_open(collection, view, &tree, &error))
        die(path, error.message);
    gather_epoch(tree, epoch, piece, buffer, result);
    gather_epoch(tree, epoch + 1, piece, buffer, result);
    sfs_tree_close(tree);
    sfs_view_free(view);
    sfs_collection_close(collection);
}

/* False where there is no such file. */
static int read_file(const char *path, int flags, struct buffer *buffer, struct result *result)
{
    struct stat stat;
    int fd = open(path, O_RDONLY | flags);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &stat))
        die(path, strerror(errno));
    size_t size = (size_t)stat.st_size, done = 0, room = (size + PAGE - 1) / PAGE * PAGE;
    reserve(buffer, room);
    while (done < size) {
        ssize_t got = read(fd, buffer->bytes + done, (flags ? room : size) - done);
        if (got <= 0)
            die(path, got ? strerror(errno) : "shorter than its size");
        done += (size_t)got;
    }
    close(fd);
    count(result, buffer, size);
    return 1;
}

static void read_files(const char *directory, int flags, uint64_t first, uint64_t step,
                       struct buffer *buffer, struct result *result)
{
    char path[4096];
    for (uint64_t k = first;; k += step) {
        snprintf(path, sizeof path, "%s/batch_%" PRIu64 ".csr", directory, k);
        if (!read_file(path, flags, buffer, result))
            return;
    }
}

int main(int argc, char **argv)
{
    struct result result;
    struct buffer buffer = {0};
    reserve(&buffer, BUFFER);
    result = (struct result){.started = now()};
    if (argc == 3 && !strcmp(argv[1], "plain")) {
        read_plain(argv[2], &buffer, &result);
    } else if (argc == 5) {
        uint64_t third = strtoull(argv[3], NULL, 10), fourth = strtoull(argv[4], NULL, 10);
        if (!strcmp(argv[1], "gather") || !strcmp(argv[1], "decode"))
            gather(argv[2], argv[3], fourth, *argv[1] == 'd' ? DECODE_PIECE : 0, &buffer, &result);
        else
            read_files(argv[2], strcmp(argv[1], "direct") ? 0 : O_DIRECT, third, fourth, &buffer,
                       &result);
    } else {
        die("usage", "see the top of readers.c");
    }
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %.6f\n", result.bytes, result.rows, result.files,
           now() - result.started);
    free(buffer.bytes);
    return 0;
}
