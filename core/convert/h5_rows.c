/* SPDX-License-Identifier: Apache-2.0 */
/* Where the chunks that hold one row are too many bytes for the buffer, they go, a few chunks at a
 * time, through a temporary file, so that each is decoded once. */
#include "convert/h5_rows.h"

#include <inttypes.h>

#include "convert/convert.h"
#include "convert/scratch.h"

typedef struct rows_reader {
    const sfs_h5_array *array;
    const char *output;
    sfs_h5_rows_sink sink;
    void *context;
    uint64_t rows, columns, row_bytes;
    uint64_t block_rows; /* at least one; as many as the buffer takes */
    char *buffer;        /* owned */
} rows_reader;

static void reader_close(rows_reader *reader)
{
    free(reader->buffer);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static sfs_status reader_open(rows_reader *out, sfs_error *error)
{
    const sfs_h5_array *array = out->array;
    out->rows = array->shape[0];
    out->columns = array->shape[1];
    if (__builtin_mul_overflow(out->columns, array->dtype.size, &out->row_bytes) ||
        out->row_bytes > SFS_CONVERT_BUFFER)
        return sfs_fail(error, -EINVAL,
                        "%s: expected rows of at most %d MiB, found %" PRIu64 " columns",
                        array->object.name, SFS_CONVERT_BUFFER >> 20, out->columns);
    out->block_rows = out->row_bytes ? SFS_CONVERT_BUFFER / out->row_bytes : SFS_CONVERT_BUFFER;
    uint64_t all = smaller(out->rows, out->block_rows) * out->row_bytes;
    out->buffer = malloc(array->chunk[0] ? SFS_CONVERT_BUFFER : all + 1);
    return out->buffer ? 0 : sfs_fail_memory(error);
}

static sfs_status give_rows(rows_reader *reader, uint64_t first, uint64_t rows, sfs_error *error)
{
    return reader->sink(reader->context, first, rows, reader->buffer, error);
}

static sfs_status read_directly(rows_reader *reader, uint64_t block, sfs_error *error)
{
    for (uint64_t row = 0, rows; row < reader->rows; row += rows) {
        rows = smaller(block, reader->rows - row);
        const uint64_t first[2] = {row, 0}, count[2] = {rows, reader->columns};
        SFS_TRY(sfs_h5_array_read_box(reader->array, first, count, reader->buffer, error));
        SFS_TRY(give_rows(reader, row, rows, error));
    }
    return 0;
}

/* Copies a rectangle to its place in the file of rows from `top` on. */
static sfs_status spool_box(rows_reader *reader, int fd, uint64_t top, const uint64_t first[2],
                            const uint64_t count[2], sfs_error *error)
{
    uint64_t width = count[1] * reader->array->dtype.size,
             left = first[1] * reader->array->dtype.size;
    SFS_TRY(sfs_h5_array_read_box(reader->array, first, count, reader->buffer, error));
    for (uint64_t i = 0; i < count[0]; i++)
        SFS_TRY(sfs_scratch_write(fd, reader->buffer + i * width, width,
                                  (first[0] - top + i) * reader->row_bytes + left, error));
    return 0;
}

/* Copies a row of chunks, some whole chunks at a time, or parts of a chunk that is larger than the
 * buffer. */
static sfs_status spool_chunk_row(rows_reader *reader, int fd, uint64_t top, uint64_t rows,
                                  sfs_error *error)
{
    const uint64_t *chunk = reader->array->chunk;
    uint64_t room = SFS_CONVERT_BUFFER / reader->array->dtype.size;
    uint64_t abreast = room / rows / chunk[1];
    uint64_t width = smaller(chunk[1] * (abreast ? abreast : 1), reader->columns);
    uint64_t height = smaller(room / width, rows);
    for (uint64_t column = 0; column < reader->columns; column += width)
        for (uint64_t row = 0; row < rows; row += height) {
            const uint64_t first[2] = {top + row, column};
            const uint64_t count[2] = {smaller(height, rows - row),
                                       smaller(width, reader->columns - column)};
            SFS_TRY(spool_box(reader, fd, top, first, count, error));
        }
    return 0;
}

static sfs_status read_spooled(rows_reader *reader, sfs_error *error)
{
    SFS_AUTO_CLOSE int fd = -1;
    SFS_TRY(sfs_scratch_open(reader->output, &fd, error));
    for (uint64_t top = 0, rows; top < reader->rows; top += rows) {
        rows = smaller(reader->array->chunk[0], reader->rows - top);
        SFS_TRY(spool_chunk_row(reader, fd, top, rows, error));
        for (uint64_t row = 0, now; row < rows; row += now) {
            now = smaller(reader->block_rows, rows - row);
            SFS_TRY(sfs_scratch_read(fd, reader->buffer, now * reader->row_bytes,
                                     row * reader->row_bytes, error));
            SFS_TRY(give_rows(reader, top + row, now, error));
        }
    }
    return 0;
}

sfs_status sfs_h5_each_rows(const sfs_h5_array *array, const char *output, sfs_h5_rows_sink sink,
                            void *context, sfs_error *error)
{
    __attribute__((cleanup(reader_close)))
    rows_reader reader = {.array = array, .output = output, .sink = sink, .context = context};
    SFS_TRY(reader_open(&reader, error));
    uint64_t block = reader.block_rows, chunk = array->chunk[0];
    if (!chunk || !reader.row_bytes)
        return read_directly(&reader, block, error);
    if (chunk <= block)
        return read_directly(&reader, block - block % chunk, error);
    /* A single chunk across stays in the cache while its rows are read. */
    if (array->chunk[1] >= reader.columns || block >= reader.rows)
        return read_directly(&reader, block, error);
    return read_spooled(&reader, error);
}
