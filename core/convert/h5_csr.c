/* SPDX-License-Identifier: Apache-2.0 */
/* CSR matrices: blocks of rows of indptr, and within each, as many rows at a time as the buffer
 * takes. */
#include "convert/h5_matrix.h"

#include <inttypes.h>

enum { BLOCK_ROWS = 1 << 20 };

typedef struct csr_buffers {
    int64_t *ends;     /* owned: indptr of a block of rows, and the number before it */
    uint32_t *nnz;     /* owned */
    uint32_t *indices; /* owned */
    char *values;      /* owned */
    uint64_t room;     /* entries that indices and values hold */
} csr_buffers;

static void buffers_close(csr_buffers *buffers)
{
    free(buffers->ends);
    free(buffers->nnz);
    free(buffers->indices);
    free(buffers->values);
}

static sfs_status buffers_open(const sfs_h5_matrix *matrix, csr_buffers *out, sfs_error *error)
{
    uint64_t rows = matrix->rows < BLOCK_ROWS ? matrix->rows : BLOCK_ROWS;
    uint64_t left = SFS_CONVERT_BUFFER - (rows + 1) * (sizeof *out->ends + sizeof *out->nnz);
    out->room = left / (sizeof *out->indices + matrix->dtype.size);
    if (out->room > matrix->data.shape[0])
        out->room = matrix->data.shape[0];
    out->ends = malloc((rows + 1) * sizeof *out->ends);
    out->nnz = malloc((rows + 1) * sizeof *out->nnz);
    out->indices = malloc((out->room + 1) * sizeof *out->indices);
    out->values = malloc((out->room + 1) * matrix->dtype.size);
    return out->ends && out->nnz && out->indices && out->values ? 0 : sfs_fail_memory(error);
}

/* Reads, normalises and writes rows whose entries begin at `start`, and fit the buffers. */
static sfs_status convert_rows(sfs_h5_job *job, const csr_buffers *buffers, uint64_t first_row,
                               uint64_t rows, uint32_t *nnz, uint64_t start, uint64_t entries,
                               sfs_error *error)
{
    const sfs_h5_matrix *matrix = job->matrix;
    SFS_TRY(sfs_h5_read_indices(matrix, start, entries, matrix->columns, buffers->indices, error));
    SFS_TRY(sfs_h5_array_read(&matrix->data, start, entries, buffers->values, error));
    sfs_csr_block block = {
        .first_row = first_row,
        .rows = rows,
        .nnz = nnz,
        .indices = (int32_t *)buffers->indices,
        .values = buffers->values,
        .dtype = matrix->dtype,
        .columns = matrix->columns,
    };
    SFS_TRY(sfs_h5_write_block(job, &block, error));
    sfs_progress_update(job->progress, first_row + rows);
    return 0;
}

/* The number of rows from `from` on, of the block's `count`, that fit the buffers together;
 * *entries of theirs. */
static uint64_t rows_that_fit(const csr_buffers *buffers, uint64_t from, uint64_t count,
                              uint64_t *entries)
{
    const int64_t *ends = buffers->ends;
    uint64_t to = from;
    while (to < count && (uint64_t)(ends[to + 1] - ends[from]) <= buffers->room)
        to++;
    *entries = (uint64_t)(ends[to] - ends[from]);
    return to - from;
}

static sfs_status convert_block(sfs_h5_job *job, const csr_buffers *buffers, uint64_t first_row,
                                uint64_t count, sfs_error *error)
{
    const int64_t *ends = buffers->ends;
    for (uint64_t from = 0, rows; from < count; from += rows) {
        uint64_t entries;
        rows = rows_that_fit(buffers, from, count, &entries);
        if (!rows)
            return sfs_fail(error, -EINVAL,
                            "%s: expected at most %" PRIu64 " entries in a row, found %" PRId64
                            " in row %" PRIu64,
                            job->matrix->name, buffers->room, ends[from + 1] - ends[from],
                            first_row + from);
        for (uint64_t i = from; i < from + rows; i++)
            buffers->nnz[i] = (uint32_t)(ends[i + 1] - ends[i]);
        SFS_TRY(convert_rows(job, buffers, first_row + from, rows, buffers->nnz + from,
                             (uint64_t)ends[from], entries, error));
    }
    return 0;
}

sfs_status sfs_h5_csr_rows(sfs_h5_job *job, sfs_error *error)
{
    const sfs_h5_matrix *matrix = job->matrix;
    __attribute__((cleanup(buffers_close))) csr_buffers buffers = {0};
    SFS_TRY(buffers_open(matrix, &buffers, error));
    if (!matrix->rows) /* there is still an indptr to check */
        return sfs_h5_read_indptr(matrix, 0, 0, buffers.ends, error);
    for (uint64_t row = 0; row < matrix->rows; row += BLOCK_ROWS) {
        uint64_t count = matrix->rows - row < BLOCK_ROWS ? matrix->rows - row : BLOCK_ROWS;
        SFS_TRY(sfs_h5_read_indptr(matrix, row, count, buffers.ends, error));
        SFS_TRY(convert_block(job, &buffers, row, count, error));
        buffers.ends[0] = buffers.ends[count];
    }
    return 0;
}
