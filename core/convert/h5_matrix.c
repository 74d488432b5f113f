/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/h5_matrix.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/collection.h"

enum { INDEX_BLOCK = 1 << 16 };

void sfs_h5_matrix_close(sfs_h5_matrix *matrix)
{
    sfs_h5_array_close(&matrix->data);
    sfs_h5_array_close(&matrix->indices);
    sfs_h5_array_close(&matrix->indptr);
    free(matrix->name);
    *matrix = (sfs_h5_matrix){0};
}

/* Reads the layout of a group: encoding-type (anndata since 0.7) or h5sparse_format (before). */
static sfs_status read_layout(const sfs_h5 *group, sfs_h5_layout *out, sfs_error *error)
{
    SFS_AUTO_FREE char *encoding = NULL, *format = NULL;
    SFS_TRY(sfs_h5_attribute_text(group, "encoding-type", &encoding, error));
    SFS_TRY(sfs_h5_attribute_text(group, "h5sparse_format", &format, error));
    if (encoding && !strcmp(encoding, "csr_matrix")) {
        *out = SFS_H5_CSR;
    } else if (encoding && !strcmp(encoding, "csc_matrix")) {
        *out = SFS_H5_CSC;
    } else if (!encoding && format && !strcmp(format, "csr")) {
        *out = SFS_H5_CSR;
    } else if (!encoding && format && !strcmp(format, "csc")) {
        *out = SFS_H5_CSC;
    } else {
        const char *found = encoding ? encoding : format ? format : "nothing";
        return sfs_fail(error, -EINVAL,
                        "%s: expected encoding-type csr_matrix or csc_matrix, found %.80s",
                        group->name, found);
    }
    return 0;
}

static sfs_status read_shape(const sfs_h5 *group, sfs_h5_matrix *out, sfs_error *error)
{
    uint64_t shape[2];
    if (sfs_h5_has_attribute(group, "shape"))
        SFS_TRY(sfs_h5_attribute_pair(group, "shape", shape, error));
    else if (sfs_h5_has_attribute(group, "h5sparse_shape"))
        SFS_TRY(sfs_h5_attribute_pair(group, "h5sparse_shape", shape, error));
    else
        return sfs_fail(error, -EINVAL, "%s: expected an attribute shape, found none", group->name);
    out->rows = shape[0];
    out->columns = shape[1];
    return 0;
}

static sfs_status open_part(const sfs_h5 *group, const char *child, sfs_h5_array *out,
                            sfs_error *error)
{
    bool found;
    SFS_TRY(sfs_h5_has(group, child, &found, error));
    if (!found)
        return sfs_fail(error, -EINVAL, "%s/%s: expected a dataset, found none", group->name,
                        child);
    SFS_TRY(sfs_h5_array_open(group, child, out, error));
    return sfs_h5_array_expect_numbers(out, 1, error);
}

static sfs_status expect_length(const sfs_h5_array *array, uint64_t expected, const char *why,
                                sfs_error *error)
{
    if (array->shape[0] == expected)
        return 0;
    return sfs_fail(error, -EINVAL, "%s: expected %" PRIu64 " elements (%s), found %" PRIu64,
                    array->object.name, expected, why, array->shape[0]);
}

static sfs_status open_sparse(const sfs_h5 *group, sfs_h5_matrix *out, sfs_error *error)
{
    SFS_TRY(read_layout(group, &out->layout, error));
    SFS_TRY(read_shape(group, out, error));
    SFS_TRY(open_part(group, "data", &out->data, error));
    SFS_TRY(open_part(group, "indices", &out->indices, error));
    SFS_TRY(open_part(group, "indptr", &out->indptr, error));
    bool csr = out->layout == SFS_H5_CSR;
    SFS_TRY(expect_length(&out->indices, out->data.shape[0], "as many as data", error));
    SFS_TRY(expect_length(&out->indptr, (csr ? out->rows : out->columns) + 1,
                          csr ? "rows + 1" : "columns + 1", error));
    SFS_TRY(sfs_h5_array_as(&out->indptr, (sfs_dtype){'i', 8}, error));
    if (out->indices.dtype.size == 4 && out->indices.dtype.kind != 'f')
        return 0; /* read as it is: the usual case, and the fast one */
    bool wide = out->indices.dtype.size == 8;
    return sfs_h5_array_as(&out->indices, (sfs_dtype){'i', wide ? 8 : 4}, error);
}

static sfs_status open_dense(const sfs_h5 *parent, const char *child, sfs_h5_matrix *out,
                             sfs_error *error)
{
    out->layout = SFS_H5_DENSE;
    SFS_TRY(sfs_h5_array_open(parent, child, &out->data, error));
    SFS_TRY(sfs_h5_array_expect_numbers(&out->data, 2, error));
    out->rows = out->data.shape[0];
    out->columns = out->data.shape[1];
    return 0;
}

sfs_status sfs_h5_matrix_open(const sfs_h5 *parent, const char *child, sfs_h5_matrix *out,
                              sfs_error *error)
{
    SFS_AUTO_H5 sfs_h5 object = {0};
    SFS_TRY(sfs_h5_open(parent, child, &object, error));
    bool sparse = sfs_h5_is_group(&object);
    out->name = strdup(object.name);
    if (!out->name)
        return sfs_fail_memory(error);
    if (sparse) {
        SFS_TRY(open_sparse(&object, out, error));
    } else {
        sfs_h5_close(&object); /* so that the array may set its chunk cache */
        SFS_TRY(open_dense(parent, child, out, error));
    }
    out->dtype = out->data.dtype;
    if (out->rows > SFS_MAX_ROWS || out->columns > INT32_MAX)
        return sfs_fail(error, -EINVAL,
                        "%s: expected at most 2^40 rows and less than 2^31 columns, found %" PRIu64
                        " and %" PRIu64,
                        out->name, out->rows, out->columns);
    return 0;
}

static sfs_status fail_indptr(const sfs_h5_matrix *matrix, uint64_t place, int64_t least,
                              int64_t found, sfs_error *error)
{
    return sfs_fail(error, -EINVAL,
                    "%s: expected the entries of %s %" PRIu64 " to end from %" PRId64 " to %" PRIu64
                    ", found %" PRId64,
                    matrix->indptr.object.name, matrix->layout == SFS_H5_CSR ? "row" : "column",
                    place, least, matrix->data.shape[0], found);
}

sfs_status sfs_h5_read_indptr(const sfs_h5_matrix *matrix, uint64_t first, uint64_t count,
                              int64_t *out, sfs_error *error)
{
    const char *name = matrix->indptr.object.name;
    uint64_t entries = matrix->data.shape[0];
    if (!first) {
        SFS_TRY(sfs_h5_array_read(&matrix->indptr, 0, 1, out, error));
        if (*out)
            return sfs_fail(error, -EINVAL, "%s: expected 0 at first, found %" PRId64, name, *out);
    }
    SFS_TRY(sfs_h5_array_read(&matrix->indptr, first + 1, count, out + 1, error));
    bool bad = false;
    for (uint64_t i = 1; i <= count; i++)
        bad |= out[i] < out[i - 1];
    if (bad || (uint64_t)out[count] > entries)
        for (uint64_t i = 1; i <= count; i++)
            if (out[i] < out[i - 1] || (uint64_t)out[i] > entries)
                return fail_indptr(matrix, first + i - 1, out[i - 1], out[i], error);
    if (first + count + 1 == matrix->indptr.shape[0] && (uint64_t)out[count] != entries)
        return sfs_fail(error, -EINVAL,
                        "%s: expected %" PRIu64 " at last (the length of data), found %" PRId64,
                        name, entries, out[count]);
    return 0;
}

static sfs_status check_indices(const sfs_h5_matrix *matrix, uint64_t first, uint64_t count,
                                uint64_t limit, const uint32_t *values, sfs_error *error)
{
    bool sign = matrix->indices.dtype.kind == 'i';
    if (sign && limit > (uint64_t)INT32_MAX + 1)
        limit = (uint64_t)INT32_MAX + 1; /* what is negative looks larger */
    uint32_t largest = 0;
    for (uint64_t i = 0; i < count; i++)
        largest = values[i] > largest ? values[i] : largest;
    if (!count || largest < limit)
        return 0;
    uint64_t i = 0;
    while (values[i] < limit)
        i++;
    return sfs_fail(error, -EINVAL,
                    "%s: expected numbers from 0 to %" PRId64 ", found %" PRId64
                    " at entry %" PRIu64,
                    matrix->indices.object.name, (int64_t)limit - 1,
                    sign ? (int64_t)(int32_t)values[i] : (int64_t)values[i], first + i);
}

/* Indices of 64 bits, a slice at a time. */
static sfs_status read_wide_indices(const sfs_h5_matrix *matrix, uint64_t first, uint64_t count,
                                    uint64_t limit, uint32_t *out, sfs_error *error)
{
    SFS_AUTO_FREE int64_t *slice = malloc(INDEX_BLOCK * sizeof *slice);
    if (!slice)
        return sfs_fail_memory(error);
    for (uint64_t done = 0; done < count; done += INDEX_BLOCK) {
        uint64_t now = count - done < INDEX_BLOCK ? count - done : INDEX_BLOCK;
        SFS_TRY(sfs_h5_array_read(&matrix->indices, first + done, now, slice, error));
        for (uint64_t i = 0; i < now; i++) {
            if (slice[i] < 0 || (uint64_t)slice[i] >= limit)
                return sfs_fail(error, -EINVAL,
                                "%s: expected numbers from 0 to %" PRId64 ", found %" PRId64
                                " at entry %" PRIu64,
                                matrix->indices.object.name, (int64_t)limit - 1, slice[i],
                                first + done + i);
            out[done + i] = (uint32_t)slice[i];
        }
    }
    return 0;
}

sfs_status sfs_h5_read_indices(const sfs_h5_matrix *matrix, uint64_t first, uint64_t count,
                               uint64_t limit, uint32_t *out, sfs_error *error)
{
    if (matrix->indices.dtype.size == 8)
        return read_wide_indices(matrix, first, count, limit, out, error);
    SFS_TRY(sfs_h5_array_read(&matrix->indices, first, count, out, error));
    return check_indices(matrix, first, count, limit, out, error);
}

sfs_status sfs_h5_write_block(sfs_h5_job *job, sfs_csr_block *block, sfs_error *error)
{
    sfs_status status = sfs_csr_normalize(block, &job->stats, error);
    if (status == -EINVAL)
        sfs_error_prefix(error, "%s: ", job->matrix->name);
    if (status)
        return status;
    if (job->counts) {
        sfs_gene_count_sparse(job->counts, block);
        return 0;
    }
    if (job->genes)
        SFS_TRY(sfs_gene_order_sparse(job->genes, block, error));
    return sfs_matrix_writer_sparse(job->writer, block->rows, block->nnz, block->indices,
                                    block->values, error);
}

sfs_status sfs_h5_write_dense(sfs_h5_job *job, uint64_t rows, void *values, sfs_error *error)
{
    const sfs_h5_matrix *matrix = job->matrix;
    if (job->counts) {
        sfs_gene_count_dense(job->counts, rows, matrix->columns, matrix->dtype, values);
        return 0;
    }
    if (job->genes)
        SFS_TRY(sfs_gene_order_dense(job->genes, rows, matrix->dtype, values, error));
    return sfs_matrix_writer_dense(job->writer, rows, values, error);
}

static sfs_status hand_rows(sfs_h5_job *job, const char *shown, sfs_error *error)
{
    const sfs_h5_matrix *matrix = job->matrix;
    bool csc = matrix->layout == SFS_H5_CSC;
    sfs_progress_start(job->progress, shown, csc ? 2 * matrix->data.shape[0] : matrix->rows);
    if (csc)
        return sfs_h5_csc_rows(job, error);
    return matrix->layout == SFS_H5_CSR ? sfs_h5_csr_rows(job, error)
                                        : sfs_h5_dense_rows(job, error);
}

static sfs_status count(sfs_h5_job *job, const char *shown, sfs_error *error)
{
    bool exact = false;
    if (job->matrix->layout == SFS_H5_CSC) {
        sfs_progress_start(job->progress, shown, job->matrix->data.shape[0]);
        SFS_TRY(sfs_h5_csc_count(job, &exact, error));
        if (!exact)
            memset(job->counts, 0, job->matrix->columns * sizeof *job->counts);
    }
    return exact ? 0 : hand_rows(job, shown, error);
}

sfs_status sfs_h5_matrix_count(const sfs_h5_matrix *matrix, const char *name,
                               const sfs_convert_options *options, sfs_progress *progress,
                               uint64_t *counts, sfs_error *error)
{
    sfs_h5_job job = {
        .matrix = matrix, .output = options->output, .progress = progress, .counts = counts};
    SFS_AUTO_FREE char *shown = NULL;
    if (asprintf(&shown, "%s" SFS_GENE_COUNTING, name) < 0) {
        shown = NULL;
        return sfs_fail_memory(error);
    }
    SFS_TRY(count(&job, shown, error));
    sfs_progress_finish(progress);
    return 0;
}

sfs_status sfs_h5_matrix_convert(const sfs_h5_matrix *matrix, const char *name,
                                 const sfs_gene_order *genes, const sfs_convert_options *options,
                                 sfs_progress *progress, sfs_output *output, sfs_error *error)
{
    sfs_matrix_spec spec = {
        .name = name,
        .codec = sfs_codec_chosen(options->codec, matrix->layout != SFS_H5_DENSE),
        .dtype = matrix->dtype,
        .columns = matrix->columns,
    };
    sfs_h5_job job = {
        .matrix = matrix, .output = options->output, .progress = progress, .genes = genes};
    SFS_TRY(sfs_matrix_writer_open(output, &spec, &job.writer, error));
    sfs_status status = hand_rows(&job, name, error);
    if (status) {
        sfs_matrix_writer_abort(job.writer);
        return status;
    }
    sfs_progress_finish(progress);
    return sfs_matrix_writer_finish(job.writer, &job.stats, error);
}
