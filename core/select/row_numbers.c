/* SPDX-License-Identifier: Apache-2.0 */
#include "select/row_numbers.h"

#include <inttypes.h>
#include <string.h>

#include "store/npy.h"

static const char npy_magic[] = "\x93NUMPY";

/* Reads a number that fills text from *at up to end; false where it is none, or too large. */
static bool read_number(const char *at, const char *end, uint64_t *out)
{
    uint64_t value = 0;
    if (at == end)
        return false;
    for (; at < end; at++)
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return false;
    *out = value;
    return true;
}

static sfs_status read_lines(const char *bytes, size_t size, uint64_t limit, int64_t *rows,
                             uint64_t *count, sfs_error *error)
{
    uint64_t line = 0, row;
    for (const char *at = bytes, *all = bytes + size, *next; at < all; at = next) {
        const char *end = memchr(at, '\n', (size_t)(all - at));
        next = end ? end + 1 : all;
        end = end ? end : all;
        line++;
        if (end > at && end[-1] == '\r')
            end--;
        if (end == at)
            continue;
        if (!read_number(at, end, &row) || row >= limit)
            return sfs_fail(error, -EINVAL,
                            "expected the number of a row below %" PRIu64
                            " in each line, found \"%.*s\" in line %" PRIu64,
                            limit, (int)(end - at < 80 ? end - at : 80), at, line);
        rows[(*count)++] = (int64_t)row;
    }
    return 0;
}

static uint64_t element(const char *bytes, sfs_dtype dtype, uint64_t i)
{
    int64_t wide = 0;
    int32_t narrow;
    if (dtype.size == sizeof wide) {
        memcpy(&wide, bytes + i * sizeof wide, sizeof wide);
        return (uint64_t)wide;
    }
    memcpy(&narrow, bytes + i * sizeof narrow, sizeof narrow);
    return dtype.kind == 'i' ? (uint64_t)(int64_t)narrow : (uint32_t)narrow;
}

static sfs_status read_array(const char *bytes, size_t size, uint64_t limit, int64_t *rows,
                             uint64_t *count, sfs_error *error)
{
    static const sfs_dtype types[] = {{'i', 8}, {'i', 4}, {'u', 8}, {'u', 4}};
    char header[SFS_NPY_HEADER];
    for (size_t t = 0; t < sizeof types / sizeof *types && size >= SFS_NPY_HEADER; t++) {
        uint64_t elements = (size - SFS_NPY_HEADER) / types[t].size;
        sfs_npy_header(types[t], elements, 0, header);
        if (memcmp(bytes, header, SFS_NPY_HEADER) != 0)
            continue;
        for (uint64_t i = 0; i < elements; i++) {
            uint64_t row = element(bytes + SFS_NPY_HEADER, types[t], i);
            if (row >= limit)
                return sfs_fail(error, -EINVAL,
                                "expected numbers of rows below %" PRIu64 ", found %" PRId64
                                " as element %" PRIu64,
                                limit, (int64_t)row, i);
            rows[(*count)++] = (int64_t)row;
        }
        return 0;
    }
    return sfs_fail(error, -EINVAL,
                    "expected a .npy file of one dimension of int32, int64, uint32 or uint64, as "
                    "numpy.save writes it, found another");
}

sfs_status sfs_row_numbers_read(const char *bytes, size_t size, uint64_t limit, int64_t **rows,
                                uint64_t *count, sfs_error *error)
{
    bool array = size >= strlen(npy_magic) && !memcmp(bytes, npy_magic, strlen(npy_magic));
    /* A line that says something has two bytes at least, but for the last one. */
    *rows = malloc((size / 2 + 1) * sizeof **rows);
    *count = 0;
    if (!*rows)
        return sfs_fail_memory(error);
    sfs_status status = array ? read_array(bytes, size, limit, *rows, count, error)
                              : read_lines(bytes, size, limit, *rows, count, error);
    if (status) {
        free(*rows);
        *rows = NULL;
    }
    return status;
}
