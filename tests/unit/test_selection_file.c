/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept is found again; and of what is not exactly that, nothing. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "select/selection_file.h"
#include "store/checksum.h"

enum { ROWS = 200, STRIDE = 3, HEADER = 64, COUNT_AT = 40, CHECKSUM_AT = 56 };

static const sfs_selection_key key = {
    .collection = 0x1234, .generation = 1, .rows = ROWS, .text = "where=n_genes > 500"};

static char directory[] = "/tmp/selection.XXXXXX";
static char path[4096];

static sfs_row_set make_set(void)
{
    sfs_row_set set;
    CHECK(!sfs_row_set_open(ROWS, &set, NULL));
    for (uint64_t row = 0; row < ROWS; row += STRIDE)
        sfs_row_set_add(&set, row);
    CHECK(!sfs_row_set_seal(&set, NULL));
    return set;
}

static bool keep(void)
{
    sfs_row_set set = make_set();
    sfs_error error;
    sfs_status status = sfs_selection_keep(directory, &key, &set, &error);
    sfs_row_set_close(&set);
    return !status;
}

static bool find(const sfs_selection_key *wanted)
{
    sfs_row_set set;
    if (!sfs_selection_find(directory, wanted, &set))
        return false;
    CHECK(set.size == ROWS && set.count == (ROWS + STRIDE - 1) / STRIDE);
    for (uint64_t row = 0; row < ROWS; row++)
        CHECK(sfs_row_set_has(&set, row) == (row % STRIDE == 0));
    CHECK(sfs_row_set_select(&set, 5) == (uint64_t)5 * STRIDE);
    sfs_row_set_close(&set);
    return true;
}

/* Names the only file of the directory; returns how many there are. */
static int list(void)
{
    int count = 0;
    DIR *entries = opendir(directory);
    for (struct dirent *entry; (entry = readdir(entries));)
        if (*entry->d_name != '.') {
            snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
            count++;
        }
    closedir(entries);
    return count;
}

static size_t read_file(uint8_t out[4096])
{
    FILE *file = fopen(path, "rb");
    size_t size = fread(out, 1, 4096, file);
    fclose(file);
    return size;
}

static void write_file(const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    fwrite(bytes, 1, size, file);
    fclose(file);
}

static void test_keys(void)
{
    sfs_selection_key other[] = {key, key, key, key, key};
    CHECK(!find(&key));
    CHECK(keep() && keep() && list() == 1);
    CHECK(find(&key));
    other[0].collection++;
    other[1].generation++;
    other[2].rows++;
    other[3].text = "where=n_genes > 501";
    other[4].text = "where=n_genes > 50";
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        CHECK(!find(&other[i]));
}

/* Every byte that is changed, and every length. */
static void test_contents(void)
{
    uint8_t bytes[4096];
    size_t size = read_file(bytes);
    CHECK(size == HEADER + strlen(key.text) + 4 * sizeof(uint64_t));
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x40;
        write_file(bytes, size);
        CHECK(!find(&key));
        bytes[i] ^= 0x40;
        write_file(bytes, i);
        CHECK(!find(&key));
    }
    write_file(bytes, size + 1);
    CHECK(!find(&key));
    write_file(bytes, size);
    CHECK(find(&key));
}

static void write_summed(uint8_t *bytes, size_t size)
{
    size_t text = strlen(key.text);
    uint64_t hash = sfs_hash(0, bytes, CHECKSUM_AT);
    hash = sfs_hash(hash, bytes + HEADER, text);
    hash = sfs_hash(hash, bytes + HEADER + text, size - HEADER - text);
    memcpy(bytes + CHECKSUM_AT, &hash, sizeof hash);
    write_file(bytes, size);
}

/* Sets that nobody keeps, with the right checksum. */
static void test_wrong_but_whole(void)
{
    uint8_t bytes[4096];
    size_t size = read_file(bytes);
    write_summed(bytes, size);
    CHECK(find(&key));
    bytes[size - 1] = 0x80; /* a row past the last */
    write_summed(bytes, size);
    CHECK(!find(&key));
    bytes[size - 1] = 0;
    bytes[COUNT_AT]++;
    write_summed(bytes, size);
    CHECK(!find(&key));
    bytes[COUNT_AT]--;
    write_summed(bytes, size);
    CHECK(find(&key));
}

static void test_who_may_write(void)
{
    struct stat stat_of;
    char moved[sizeof path + 8];
    CHECK(!stat(path, &stat_of) && (stat_of.st_mode & 07777) == 0600);
    CHECK(!chmod(path, 0620) && !find(&key));
    CHECK(!chmod(path, 0602) && !find(&key));
    CHECK(!chmod(path, 0644) && find(&key));
    CHECK(!chmod(directory, 0777) && !find(&key) && !keep());
    CHECK(!chmod(directory, 0770) && !find(&key) && !keep());
    CHECK(!chmod(directory, 0755) && find(&key));
    if (!geteuid()) { /* only root can give files away */
        CHECK(!chown(path, 12345, 0) && !find(&key));
        CHECK(!chown(path, 0, 0) && !chown(directory, 12345, 0) && !find(&key) && !keep());
        CHECK(!chown(directory, 0, 0) && find(&key));
    }
    snprintf(moved, sizeof moved, "%s.moved", path);
    CHECK(!rename(path, moved) && !symlink(moved, path) && !find(&key));
    CHECK(keep() && find(&key)); /* takes the link's place, and leaves what it led to alone */
    CHECK(!unlink(path) && !unlink(moved) && !mkfifo(path, 0600) && !find(&key));
    CHECK(!unlink(path) && !mkdir(path, 0700) && !find(&key) && !keep() && !rmdir(path));
    CHECK(list() == 0);
}

int main(void)
{
    if (!mkdtemp(directory))
        return 1;
    test_keys();
    test_contents();
    test_wrong_but_whole();
    test_who_may_write();
    CHECK(!rmdir(directory) && !find(&key) && !keep());
    return check_failures() != 0;
}
