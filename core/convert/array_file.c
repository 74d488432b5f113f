/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/output.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "store/checksum.h"
#include "store/map.h"

/* 2 MiB, written at once, so that the page cache holds a large file in huge pages from the start
 * (store/map.h). */
enum { BUFFER_PAGES = 512 };

struct sfs_array_file {
    sfs_output *output; /* borrowed */
    char *name;         /* owned */
    int fd;             /* owned */
    sfs_dtype dtype;
    uint64_t columns, appended;
    bool summed;
    uint32_t *sums; /* owned: of the pages written so far */
    uint64_t sum_count, sum_room;
    uint64_t offset;              /* of buffer in the file; whole pages */
    size_t used;                  /* bytes in buffer */
    uint8_t first_page[SFS_PAGE]; /* kept until the header is known */
    uint8_t buffer[BUFFER_PAGES * SFS_PAGE];
};

static sfs_status fail_write(const sfs_array_file *file, sfs_error *error)
{
    int code = errno;
    return sfs_fail(error, -code, "%s/%s: cannot write: %s", file->output->partial, file->name,
                    strerror(code));
}

sfs_status sfs_array_file_create(sfs_output *output, const char *name, sfs_dtype dtype,
                                 uint64_t columns, bool summed, sfs_array_file **out,
                                 sfs_error *error)
{
    sfs_array_file *file = calloc(1, sizeof *file);
    if (!file)
        return sfs_fail_memory(error);
    file->output = output;
    file->dtype = dtype;
    file->columns = columns;
    file->summed = summed;
    file->used = SFS_NPY_HEADER;
    file->name = strdup(name);
    file->fd = openat(output->directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file->fd >= 0 && file->name) {
        *out = file;
        return 0;
    }
    int code = file->name ? errno : ENOMEM;
    sfs_array_file_abort(file);
    return sfs_fail(error, -code, "%s/%s: cannot create: %s", output->partial, name,
                    strerror(code));
}

static sfs_status add_sum(sfs_array_file *file, uint32_t sum, sfs_error *error)
{
    if (file->sum_count == file->sum_room) {
        uint64_t room = file->sum_room ? file->sum_room * 2 : BUFFER_PAGES;
        uint32_t *sums = realloc(file->sums, room * sizeof *sums);
        if (!sums)
            return sfs_fail_memory(error);
        file->sums = sums;
        file->sum_room = room;
    }
    file->sums[file->sum_count++] = sum;
    return 0;
}

static sfs_status write_at(const sfs_array_file *file, const uint8_t *bytes, size_t size,
                           uint64_t offset, sfs_error *error)
{
    while (size) {
        ssize_t written = pwrite(file->fd, bytes, size, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_write(file, error);
        bytes += written;
        offset += (uint64_t)written;
        size -= (size_t)written;
    }
    return 0;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return !bytes[0] && !memcmp(bytes, bytes + 1, size - 1);
}

/* Writes the runs of pages of the buffer that are not all zero, and leaves holes for the others. */
static sfs_status write_pages(const sfs_array_file *file, sfs_error *error)
{
    size_t start = 0;
    for (size_t at = 0; at <= file->used; at += SFS_PAGE) {
        size_t left = file->used > at ? file->used - at : 0;
        if (left && !is_zero(file->buffer + at, left < SFS_PAGE ? left : SFS_PAGE))
            continue;
        size_t end = left ? at : file->used;
        if (start < end)
            SFS_TRY(write_at(file, file->buffer + start, end - start, file->offset + start, error));
        start = at + SFS_PAGE;
    }
    if (start < file->used)
        return write_at(file, file->buffer + start, file->used - start, file->offset + start,
                        error);
    return 0;
}

static sfs_status flush(sfs_array_file *file, sfs_error *error)
{
    if (!file->offset)
        memcpy(file->first_page, file->buffer, SFS_PAGE);
    SFS_TRY(write_pages(file, error));
    for (size_t at = 0; file->summed && at < file->used; at += SFS_PAGE) {
        size_t left = file->used - at;
        SFS_TRY(add_sum(file, sfs_checksum(file->buffer + at, left < SFS_PAGE ? left : SFS_PAGE),
                        error));
    }
    file->offset += file->used;
    file->used = 0;
    return 0;
}

sfs_status sfs_array_file_append(sfs_array_file *file, const void *items, uint64_t bytes,
                                 sfs_error *error)
{
    const uint8_t *from = items;
    file->appended += bytes;
    if (bytes == sizeof(uint32_t) && file->used + bytes < sizeof file->buffer) {
        memcpy(file->buffer + file->used, items, sizeof(uint32_t)); /* most are of one row */
        file->used += sizeof(uint32_t);
        return 0;
    }
    while (bytes) {
        size_t room = sizeof file->buffer - file->used;
        size_t taken = bytes < room ? (size_t)bytes : room;
        memcpy(file->buffer + file->used, from, taken);
        file->used += taken;
        from += taken;
        bytes -= taken;
        if (file->used == sizeof file->buffer)
            SFS_TRY(flush(file, error));
    }
    return 0;
}

uint64_t sfs_array_file_bytes(const sfs_array_file *file)
{
    return file->appended;
}

static sfs_status add_to_output(const sfs_array_file *file, uint64_t size, sfs_error *error)
{
    sfs_output *output = file->output;
    json_t *entry = json_pack("{s:I}", "bytes", (json_int_t)size);
    if (file->summed && entry) {
        uint64_t total = output->sum_count + file->sum_count;
        if (total > output->sum_room) {
            uint64_t room = total * 2;
            uint32_t *sums = realloc(output->sums, room * sizeof *sums);
            if (!sums) {
                json_decref(entry);
                return sfs_fail_memory(error);
            }
            output->sums = sums;
            output->sum_room = room;
        }
        memcpy(output->sums + output->sum_count, file->sums, file->sum_count * sizeof *file->sums);
        json_object_set_new(entry, "sums", json_string(SFS_SUMS_FILE));
        json_object_set_new(entry, "first_sum", json_integer((json_int_t)output->sum_count));
        output->sum_count = total;
    }
    output->bytes += size;
    return json_object_set_new(output->files, file->name, entry) ? sfs_fail_memory(error) : 0;
}

static sfs_status finish(sfs_array_file *file, sfs_error *error)
{
    uint64_t row = (uint64_t)file->dtype.size * (file->columns ? file->columns : 1);
    uint64_t size = file->offset + file->used;
    char header[SFS_NPY_HEADER];
    sfs_npy_header(file->dtype, row ? file->appended / row : 0, file->columns, header);
    if (!file->offset) {
        memcpy(file->buffer, header, sizeof header);
        SFS_TRY(flush(file, error));
    } else {
        SFS_TRY(flush(file, error));
        memcpy(file->first_page, header, sizeof header);
        SFS_TRY(write_at(file, (const uint8_t *)header, sizeof header, 0, error));
        if (file->summed)
            file->sums[0] = sfs_checksum(file->first_page, SFS_PAGE);
    }
    if (ftruncate(file->fd, (off_t)size))
        return fail_write(file, error);
    return add_to_output(file, size, error);
}

sfs_status sfs_array_file_finish(sfs_array_file *file, sfs_error *error)
{
    sfs_status status = finish(file, error);
    sfs_array_file_abort(file);
    return status;
}

void sfs_array_file_abort(sfs_array_file *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    free(file->sums);
    free(file->name);
    free(file);
}
