/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a batch from a mount, whatever types its arrays have, and adds up the values of each row:
 *
 *     gcc -O2 -o read_batch read_batch.c
 *     ./read_batch mnt/epoch_0/rank_0/batch_0.csr
 *
 * Needs nothing but the C library of a little-endian Linux. docs/batch-format.md is the format. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096 };

struct section {
    char name[96], type[8];
    int64_t offset, count, columns;
};

struct batch {
    char *bytes;
    size_t size;
    const int64_t *head; /* n_rows is head[2], n_cols head[3], nnz head[4] */
    const struct section *indptr, *indices, *data, *rows;
};

/* With O_DIRECT the pieces of a large read are in flight together; not every file system has it. */
static int open_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
    return fd < 0 && errno == EINVAL ? open(path, O_RDONLY | O_CLOEXEC) : fd;
}

static int read_all(int fd, struct batch *batch)
{
    struct stat info;
    if (fstat(fd, &info))
        return -1;
    batch->size = (size_t)info.st_size;
    size_t room = (batch->size / PAGE + 1) * PAGE; /* direct reads are of whole pages */
    batch->bytes = aligned_alloc(PAGE, room);
    if (!batch->bytes)
        return -1;
    for (size_t done = 0; done < batch->size;) {
        ssize_t got = pread(fd, batch->bytes + done, room - done, (off_t)done);
        if (got <= 0) {
            errno = got ? errno : EIO; /* the file became shorter */
            return -1;
        }
        done += (size_t)got;
    }
    return 0;
}

/* Elements of a numpy type such as "<f4" have its digit's number of bytes. */
static int64_t element_size(const struct section *section)
{
    return section->type[2] - '0';
}

/* Whether a section has so many elements, inside of the file. */
static int is_whole(const struct section *section, int64_t count, int64_t file_size)
{
    int64_t size = element_size(section);
    return (size == 1 || size == 2 || size == 4 || size == 8) && section->count == count &&
           section->offset >= 0 && section->offset <= file_size && count >= 0 &&
           count <= (file_size - section->offset) / size;
}

static const struct section *find(const struct batch *batch, const char *name, int64_t count)
{
    const struct section *table = (const struct section *)(batch->bytes + 128);
    int64_t size = (int64_t)batch->size;
    for (int64_t i = 0; i < batch->head[5] && i < size / 128 - 1; i++)
        if (!strncmp(table[i].name, name, sizeof table[i].name))
            return is_whole(&table[i], count, size) ? &table[i] : NULL;
    return NULL;
}

/* Whether the bytes are a batch; finds its arrays by the table of sections. */
static int parse(struct batch *batch)
{
    batch->head = (const int64_t *)batch->bytes;
    if (batch->size < 128 || memcmp(batch->bytes, "SHUFCSR1", 8))
        return -1;
    batch->indptr = find(batch, "indptr", batch->head[2] + 1);
    batch->indices = find(batch, "indices", batch->head[4]);
    batch->data = find(batch, "data", batch->head[4]);
    batch->rows = find(batch, "rows", batch->head[2]);
    return batch->indptr && batch->indices && batch->data && batch->rows ? 0 : -1;
}

static double half(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    uint64_t mantissa = bits & 1023u, wide;
    if (exponent == 0) /* zero, or below the smallest normal number, 2^-14 */
        return (bits >> 15 ? -1.0 : 1.0) * (double)mantissa / (1 << 24);
    wide = (uint64_t)(exponent == 31 ? 2047 : exponent - 15 + 1023) << 52 | mantissa << 42 |
           (uint64_t)(bits >> 15) << 63;
    double value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* Element i of a section, as a number. */
static double value_at(const struct batch *batch, const struct section *section, int64_t i)
{
    const void *at = batch->bytes + section->offset + i * element_size(section);
    switch (section->type[1] << 8 | section->type[2]) {
    case 'b' << 8 | '1':
    case 'u' << 8 | '1':
        return *(const uint8_t *)at;
    case 'i' << 8 | '1':
        return *(const int8_t *)at;
    case 'u' << 8 | '2':
        return *(const uint16_t *)at;
    case 'i' << 8 | '2':
        return *(const int16_t *)at;
    case 'u' << 8 | '4':
        return *(const uint32_t *)at;
    case 'i' << 8 | '4':
        return *(const int32_t *)at;
    case 'u' << 8 | '8':
        return (double)*(const uint64_t *)at;
    case 'i' << 8 | '8':
        return (double)*(const int64_t *)at;
    case 'f' << 8 | '2':
        return half(*(const uint16_t *)at);
    case 'f' << 8 | '4':
        return *(const float *)at;
    default: /* f8 */
        return *(const double *)at;
    }
}

static void print_sums(const struct batch *batch)
{
    printf("%lld x %lld, %lld values of %.8s\n", (long long)batch->head[2],
           (long long)batch->head[3], (long long)batch->head[4], batch->data->type);
    for (int64_t i = 0; i < batch->head[2]; i++) {
        int64_t end = (int64_t)value_at(batch, batch->indptr, i + 1);
        double sum = 0;
        for (int64_t k = (int64_t)value_at(batch, batch->indptr, i); k < end; k++)
            sum += value_at(batch, batch->data, k);
        printf("row %.0f: %.9g\n", value_at(batch, batch->rows, i), sum);
    }
}

int main(int argc, char **argv)
{
    struct batch batch = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: read_batch MOUNT/epoch_E/rank_R/batch_K.csr\n");
        return 1;
    }
    int fd = open_file(argv[1]);
    int failed = fd < 0 || read_all(fd, &batch);
    if (failed)
        fprintf(stderr, "%s cannot be read: %s\n", argv[1], strerror(errno));
    else if ((failed = parse(&batch)))
        fprintf(stderr, "%s: expected a batch, a file that begins with SHUFCSR1 and is complete\n",
                argv[1]);
    else
        print_sums(&batch);
    if (fd >= 0)
        close(fd);
    free(batch.bytes);
    return failed != 0;
}
