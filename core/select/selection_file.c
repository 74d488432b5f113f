/* SPDX-License-Identifier: Apache-2.0 */
#include "select/selection_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "store/checksum.h"

enum { VERSION = 1, NAME = 64 };

/* The file: this, the key's text, and the words of the set. */
struct header {
    char magic[8];
    uint64_t version, collection, generation, rows, count, text_size;
    uint64_t checksum; /* of all bytes but these eight */
};

static const char magic[8] = "SHUFSEL\n";

static struct header make_header(const sfs_selection_key *key, uint64_t count)
{
    struct header header = {.version = VERSION,
                            .collection = key->collection,
                            .generation = key->generation,
                            .rows = key->rows,
                            .count = count,
                            .text_size = strlen(key->text)};
    memcpy(header.magic, magic, sizeof magic);
    return header;
}

static uint64_t word_bytes(uint64_t rows)
{
    return sfs_row_set_words(rows) * sizeof(uint64_t);
}

static uint64_t checksum(const struct header *header, const char *text, const uint64_t *words)
{
    uint64_t hash = sfs_hash(0, header, offsetof(struct header, checksum));
    hash = sfs_hash(hash, text, header->text_size);
    return sfs_hash(hash, words, word_bytes(header->rows));
}

static void make_name(const sfs_selection_key *key, char out[NAME])
{
    const uint64_t numbers[] = {key->collection, key->generation, key->rows};
    uint64_t hash = sfs_hash(0, numbers, sizeof numbers);
    snprintf(out, NAME, "%016" PRIx64 ".rows", sfs_hash(hash, key->text, strlen(key->text)));
}

/* Nobody else can have put there what is there. */
static bool is_ours(const struct stat *stat)
{
    return (stat->st_uid == geteuid() || stat->st_uid == 0) &&
           !(stat->st_mode & (S_IWGRP | S_IWOTH));
}

/* -1 where the directory is not there, or not ours; errno says which. */
static int open_directory(const char *path)
{
    SFS_AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat stat;
    if (fd < 0 || fstat(fd, &stat))
        return -1;
    if (!is_ours(&stat)) {
        errno = EPERM;
        return -1;
    }
    int opened = fd;
    fd = -1;
    return opened;
}

/* Reads or writes all of it. */
static bool read_all(int fd, void *bytes, uint64_t size)
{
    for (uint64_t done = 0; done < size;) {
        ssize_t got = read(fd, (char *)bytes + done, size - done);
        if (got <= 0 && !(got < 0 && errno == EINTR))
            return false;
        done += got > 0 ? (uint64_t)got : 0;
    }
    return true;
}

static bool write_all(int fd, const void *bytes, uint64_t size)
{
    for (uint64_t done = 0; done < size;) {
        ssize_t put = write(fd, (const char *)bytes + done, size - done);
        if (put < 0 && errno != EINTR)
            return false;
        done += put > 0 ? (uint64_t)put : 0;
    }
    return true;
}

/* Reads the set behind a header that was found to be the key's. */
static bool read_set(int fd, const struct header *header, const sfs_selection_key *key,
                     sfs_row_set *out)
{
    SFS_AUTO_FREE char *text = malloc(header->text_size + 1);
    if (!text || !read_all(fd, text, header->text_size) ||
        memcmp(text, key->text, header->text_size) != 0)
        return false;
    if (sfs_row_set_open(header->rows, out, NULL) ||
        !read_all(fd, out->words, word_bytes(header->rows)) ||
        checksum(header, text, out->words) != header->checksum)
        return false;
    bool beyond = header->rows % 64 && out->words[header->rows / 64] >> header->rows % 64;
    return !beyond && !sfs_row_set_seal(out, NULL) && out->count == header->count;
}

bool sfs_selection_find(const char *directory, const sfs_selection_key *key, sfs_row_set *out)
{
    char name[NAME];
    struct stat stat;
    struct header header, expected;
    SFS_AUTO_CLOSE int parent = open_directory(directory);
    if (parent < 0)
        return false;
    make_name(key, name);
    /* O_NONBLOCK: a pipe put there does not hold us up before we see that it is no file. */
    SFS_AUTO_CLOSE int fd = openat(parent, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &stat) || !S_ISREG(stat.st_mode) || !is_ours(&stat) ||
        !read_all(fd, &header, sizeof header))
        return false;
    expected = make_header(key, header.count);
    if (memcmp(&header, &expected, offsetof(struct header, checksum)) != 0 ||
        (uint64_t)stat.st_size != sizeof header + header.text_size + word_bytes(header.rows))
        return false;
    *out = (sfs_row_set){0};
    bool found = read_set(fd, &header, key, out);
    if (!found)
        sfs_row_set_close(out);
    return found;
}

static bool write_file(int fd, const sfs_selection_key *key, const sfs_row_set *set)
{
    struct header header = make_header(key, set->count);
    header.checksum = checksum(&header, key->text, set->words);
    return write_all(fd, &header, sizeof header) && write_all(fd, key->text, header.text_size) &&
           write_all(fd, set->words, word_bytes(header.rows));
}

sfs_status sfs_selection_keep(const char *directory, const sfs_selection_key *key,
                              const sfs_row_set *set, sfs_error *error)
{
    char name[NAME], temporary[2 * NAME];
    uint64_t random;
    SFS_AUTO_CLOSE int parent = open_directory(directory);
    if (parent < 0)
        return sfs_fail(error, -errno,
                        "%s: expected a directory of this user or root that nobody else may write "
                        "to: %s",
                        directory, strerror(errno));
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return sfs_fail(error, -errno, "cannot get a random number: %s", strerror(errno));
    make_name(key, name);
    snprintf(temporary, sizeof temporary, "%s.%016" PRIx64, name, random);
    SFS_AUTO_CLOSE int fd =
        openat(parent, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return sfs_fail(error, -errno, "%s/%s: cannot make this file: %s", directory, temporary,
                        strerror(errno));
    if (write_file(fd, key, set) && !renameat(parent, temporary, parent, name))
        return 0;
    sfs_status status = -errno;
    unlinkat(parent, temporary, 0);
    return sfs_fail(error, status, "%s/%s: cannot write this file: %s", directory, name,
                    strerror(-status));
}

struct kept_files {
    uint64_t bytes;
    struct timespec oldest; /* of `name` */
    char name[NAME_MAX + 1];
};

/* What there is, and which of it is the oldest. */
static struct kept_files list_files(DIR *directory)
{
    struct kept_files files = {.oldest.tv_sec = INT64_MAX};
    struct stat stat;
    rewinddir(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (fstatat(dirfd(directory), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) ||
            !S_ISREG(stat.st_mode))
            continue;
        files.bytes += (uint64_t)stat.st_size;
        if (stat.st_mtim.tv_sec < files.oldest.tv_sec ||
            (stat.st_mtim.tv_sec == files.oldest.tv_sec &&
             stat.st_mtim.tv_nsec < files.oldest.tv_nsec)) {
            files.oldest = stat.st_mtim;
            strcpy(files.name, entry->d_name);
        }
    }
    return files;
}

bool sfs_selection_make_room(const char *path, uint64_t bytes)
{
    int fd = open_directory(path);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (!directory) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    for (;;) {
        struct kept_files files = list_files(directory);
        if (files.bytes <= bytes || unlinkat(dirfd(directory), files.name, 0))
            break;
    }
    closedir(directory);
    return true;
}
