/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/h5_column.h"

#include <inttypes.h>

#include "convert/h5_text.h"

enum { BLOCK = 1 << 16 };

static sfs_status check_length(const sfs_h5_table_job *job, const sfs_h5_array *array,
                               sfs_error *error)
{
    if (array->rank == 1 && array->shape[0] == job->rows)
        return 0;
    return sfs_fail(error, -EINVAL,
                    "%s: expected one dimension of %" PRIu64
                    " elements, as many as %s has rows, found %d of %" PRIu64,
                    array->object.name, job->rows, job->shown, array->rank, array->shape[0]);
}

static sfs_status prepare_mask(const sfs_h5_table_job *job, sfs_h5_array *mask, sfs_error *error)
{
    if (!mask)
        return 0;
    SFS_TRY(check_length(job, mask, error));
    return sfs_h5_array_as(mask, (sfs_dtype){'u', 1}, error);
}

/* Ends the writer well or badly. */
static sfs_status end_column(sfs_column_writer *writer, sfs_status status, sfs_error *error)
{
    if (!status)
        return sfs_column_writer_finish(writer, error);
    sfs_column_writer_abort(writer);
    return status;
}

static sfs_status write_text(void *writer, const char *bytes, size_t length, bool missing,
                             sfs_error *error)
{
    return sfs_column_writer_string(writer, bytes, length, missing, error);
}

sfs_status sfs_h5_column_text(const sfs_h5_table_job *job, const char *name, sfs_h5_array *values,
                              sfs_h5_array *mask, sfs_error *error)
{
    sfs_column_spec spec = {
        .table = job->table,
        .name = name,
        .kind = SFS_COLUMN_STRING,
        .order = job->order,
        .nullable = mask != NULL,
    };
    sfs_column_writer *writer;
    SFS_TRY(check_length(job, values, error));
    SFS_TRY(prepare_mask(job, mask, error));
    SFS_TRY(sfs_column_writer_open(job->output, &spec, &writer, error));
    return end_column(writer, sfs_h5_each_text(values, mask, write_text, writer, error), error);
}

/* Copies numbers or codes from the array to the writer. */
static sfs_status copy_values(sfs_column_writer *writer, const sfs_h5_array *values,
                              const sfs_h5_array *mask, sfs_error *error)
{
    SFS_AUTO_FREE char *items = malloc(BLOCK * values->item);
    SFS_AUTO_FREE uint8_t *flags = malloc(BLOCK);
    if (!items || !flags)
        return sfs_fail_memory(error);
    uint64_t total = values->shape[0];
    for (uint64_t first = 0, count; first < total; first += count) {
        count = total - first < BLOCK ? total - first : BLOCK;
        SFS_TRY(sfs_h5_array_read(values, first, count, items, error));
        if (mask)
            SFS_TRY(sfs_h5_array_read(mask, first, count, flags, error));
        for (uint64_t i = 0; mask && i < count; i++)
            flags[i] = flags[i] != 0;
        SFS_TRY(sfs_column_writer_values(writer, count, items, mask ? flags : NULL, error));
    }
    return 0;
}

sfs_status sfs_h5_column_numbers(const sfs_h5_table_job *job, const char *name,
                                 const sfs_h5_array *values, sfs_h5_array *mask, sfs_error *error)
{
    sfs_column_spec spec = {
        .table = job->table,
        .name = name,
        .kind = SFS_COLUMN_NUMBER,
        .order = job->order,
        .dtype = values->dtype,
        .nullable = mask != NULL,
    };
    sfs_column_writer *writer;
    SFS_TRY(check_length(job, values, error));
    SFS_TRY(prepare_mask(job, mask, error));
    SFS_TRY(sfs_column_writer_open(job->output, &spec, &writer, error));
    return end_column(writer, copy_values(writer, values, mask, error), error);
}

static sfs_status write_category(void *writer, const char *bytes, size_t length, bool missing,
                                 sfs_error *error)
{
    (void)missing;
    return sfs_column_writer_category(writer, bytes, length, error);
}

static sfs_status copy_categorical(sfs_column_writer *writer, const sfs_h5_array *codes,
                                   sfs_h5_array *categories, sfs_error *error)
{
    SFS_TRY(sfs_h5_each_text(categories, NULL, write_category, writer, error));
    sfs_status status = copy_values(writer, codes, NULL, error);
    if (status == -EINVAL)
        sfs_error_prefix(error, "%s: ", codes->object.name);
    return status;
}

sfs_status sfs_h5_column_categorical(const sfs_h5_table_job *job, const char *name,
                                     sfs_h5_array *codes, sfs_h5_array *categories, bool ordered,
                                     sfs_error *error)
{
    sfs_column_spec spec = {
        .table = job->table,
        .name = name,
        .kind = SFS_COLUMN_CATEGORICAL,
        .order = job->order,
        .ordered = ordered,
    };
    sfs_column_writer *writer;
    SFS_TRY(check_length(job, codes, error));
    SFS_TRY(sfs_h5_array_as(codes, (sfs_dtype){'i', 4}, error));
    if (categories->shape[0] > INT32_MAX)
        return sfs_fail(error, -EINVAL, "%s: expected less than 2^31 categories, found %" PRIu64,
                        categories->object.name, categories->shape[0]);
    SFS_TRY(sfs_column_writer_open(job->output, &spec, &writer, error));
    return end_column(writer, copy_categorical(writer, codes, categories, error), error);
}
