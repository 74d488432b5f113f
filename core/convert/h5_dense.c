/* SPDX-License-Identifier: Apache-2.0 */
/* Dense matrices: blocks of whole rows. Where the chunks that hold one row are too many bytes for
 * the buffer, they go, a few chunks at a time, through a temporary file, so that each is decoded
 * once. */
#include "convert/h5_matrix.h"

#include <inttypes.h>

#include "convert/scratch.h"

typedef struct dense_reader {
    sfs_h5_job *job;
    uint64_t row_bytes;
    uint64_t block_rows; /* at least one; as many as the buffer takes */
    char *buffer;        /* owned */
} dense_reader;

static void reader_close(dense_reader *reader)
{
    free(reader->buffer);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static sfs_status reader_open(sfs_h5_job *job, dense_reader *out, sfs_error *error)
{
    const sfs_h5_matrix *matrix = job->matrix;
    out->job = job;
    out->row_bytes = matrix->columns * matrix->dtype.size;
    if (out->row_bytes > SFS_CONVERT_BUFFER)
        return sfs_fail(error, -EINVAL,
                        "%s: expected rows of at most %d MiB, found %" PRIu64 " columns",
                        matrix->name, SFS_CONVERT_BUFFER >> 20, matrix->columns);
    out->block_rows = out->row_bytes ? SFS_CONVERT_BUFFER / out->row_bytes : SFS_CONVERT_BUFFER;
    uint64_t all = smaller(matrix->rows, out->block_rows) * out->row_bytes;
    out->buffer = malloc(matrix->data.chunk[0] ? SFS_CONVERT_BUFFER : all + 1);
    return out->buffer ? 0 : sfs_fail_memory(error);
}

static sfs_status write_rows(dense_reader *reader, uint64_t first, uint64_t rows, sfs_error *error)
{
    SFS_TRY(sfs_h5_write_dense(reader->job, rows, reader->buffer, error));
    sfs_progress_update(reader->job->progress, first + rows);
    return 0;
}

static sfs_status convert_directly(dense_reader *reader, uint64_t block, sfs_error *error)
{
    const sfs_h5_matrix *matrix = reader->job->matrix;
    for (uint64_t row = 0, rows; row < matrix->rows; row += rows) {
        rows = smaller(block, matrix->rows - row);
        const uint64_t first[2] = {row, 0}, count[2] = {rows, matrix->columns};
        SFS_TRY(sfs_h5_array_read_box(&matrix->data, first, count, reader->buffer, error));
        SFS_TRY(write_rows(reader, row, rows, error));
    }
    return 0;
}

/* Copies a rectangle to its place in the file of rows from `top` on. */
static sfs_status spool_box(dense_reader *reader, int fd, uint64_t top, const uint64_t first[2],
                            const uint64_t count[2], sfs_error *error)
{
    const sfs_h5_matrix *matrix = reader->job->matrix;
    uint64_t width = count[1] * matrix->dtype.size, left = first[1] * matrix->dtype.size;
    SFS_TRY(sfs_h5_array_read_box(&matrix->data, first, count, reader->buffer, error));
    for (uint64_t i = 0; i < count[0]; i++)
        SFS_TRY(sfs_scratch_write(fd, reader->buffer + i * width, width,
                                  (first[0] - top + i) * reader->row_bytes + left, error));
    return 0;
}

/* Copies a row of chunks, some whole chunks at a time, or parts of a chunk that is larger than the
 * buffer. */
static sfs_status spool_chunk_row(dense_reader *reader, int fd, uint64_t top, uint64_t rows,
                                  sfs_error *error)
{
    const sfs_h5_matrix *matrix = reader->job->matrix;
    const uint64_t *chunk = matrix->data.chunk;
    uint64_t room = SFS_CONVERT_BUFFER / matrix->dtype.size;
    uint64_t abreast = room / rows / chunk[1];
    uint64_t width = smaller(chunk[1] * (abreast ? abreast : 1), matrix->columns);
    uint64_t height = smaller(room / width, rows);
    for (uint64_t column = 0; column < matrix->columns; column += width)
        for (uint64_t row = 0; row < rows; row += height) {
            const uint64_t first[2] = {top + row, column};
            const uint64_t count[2] = {smaller(height, rows - row),
                                       smaller(width, matrix->columns - column)};
            SFS_TRY(spool_box(reader, fd, top, first, count, error));
        }
    return 0;
}

static sfs_status convert_spooled(dense_reader *reader, sfs_error *error)
{
    const sfs_h5_matrix *matrix = reader->job->matrix;
    SFS_AUTO_CLOSE int fd = -1;
    SFS_TRY(sfs_scratch_open(reader->job->output, &fd, error));
    for (uint64_t top = 0, rows; top < matrix->rows; top += rows) {
        rows = smaller(matrix->data.chunk[0], matrix->rows - top);
        SFS_TRY(spool_chunk_row(reader, fd, top, rows, error));
        for (uint64_t row = 0, now; row < rows; row += now) {
            now = smaller(reader->block_rows, rows - row);
            SFS_TRY(sfs_scratch_read(fd, reader->buffer, now * reader->row_bytes,
                                     row * reader->row_bytes, error));
            SFS_TRY(write_rows(reader, top + row, now, error));
        }
    }
    return 0;
}

sfs_status sfs_h5_dense_rows(sfs_h5_job *job, sfs_error *error)
{
    const sfs_h5_array *data = &job->matrix->data;
    __attribute__((cleanup(reader_close))) dense_reader reader = {0};
    SFS_TRY(reader_open(job, &reader, error));
    uint64_t block = reader.block_rows, chunk = data->chunk[0];
    if (!chunk || !reader.row_bytes)
        return convert_directly(&reader, block, error);
    if (chunk <= block)
        return convert_directly(&reader, block - block % chunk, error);
    /* A single chunk across stays in the cache while its rows are read. */
    if (data->chunk[1] >= job->matrix->columns || block >= job->matrix->rows)
        return convert_directly(&reader, block, error);
    return convert_spooled(&reader, error);
}
