/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/h5_obsm.h"

#include <inttypes.h>

#include "convert/h5_rows.h"

/* A child of obsm on its way into the output. */
typedef struct obsm_job {
    const sfs_h5 *obsm;
    uint64_t rows;
    sfs_progress *progress;
    sfs_output *output;
    sfs_column_writer *writer; /* of the array that is read now */
} obsm_job;

static const char table[] = "obsm";

static void leave_out(const obsm_job *job, const char *name, const char *why)
{
    sfs_progress_note(job->progress, "%s/%s: left out: %s", job->obsm->name, name, why);
}

/* What keeps an array out of the table, or NULL. */
static const char *misfit_of(const sfs_h5_array *array)
{
    if (array->rank != 2 || array->kind != SFS_H5_NUMBER)
        return "expected two dimensions of numbers";
    if (!array->shape[1])
        return "expected at least one column";
    if (array->shape[1] > SFS_CONVERT_BUFFER / array->dtype.size)
        return "expected fewer columns";
    return NULL;
}

static sfs_status write_rows(void *context, uint64_t first, uint64_t rows, void *values,
                             sfs_error *error)
{
    const obsm_job *job = context;
    (void)first;
    return sfs_column_writer_values(job->writer, rows, values, NULL, error);
}

static sfs_status copy_array(obsm_job *job, const char *name, const sfs_h5_array *array,
                             sfs_error *error)
{
    const sfs_column_spec spec = {
        .table = table,
        .name = name,
        .kind = SFS_COLUMN_NUMBER,
        .dtype = array->dtype,
        .columns = (uint32_t)array->shape[1],
    };
    if (array->shape[0] != job->rows)
        return sfs_fail(error, -EINVAL,
                        "%s: expected %" PRIu64 " rows, as many as obs has, found %" PRIu64,
                        array->object.name, job->rows, array->shape[0]);
    if (!json_object_get(job->output->tables, table))
        SFS_TRY(sfs_table_declare(job->output, table, job->rows, error));
    SFS_TRY(sfs_column_writer_open(job->output, &spec, &job->writer, error));
    sfs_status status = sfs_h5_each_rows(array, job->output->path, write_rows, job, error);
    if (!status)
        return sfs_column_writer_finish(job->writer, error);
    sfs_column_writer_abort(job->writer);
    return status;
}

static sfs_status convert_child(obsm_job *job, const char *name, sfs_error *error)
{
    SFS_AUTO_H5 sfs_h5 child = {0};
    SFS_AUTO_H5_ARRAY sfs_h5_array array = {0};
    SFS_TRY(sfs_h5_open(job->obsm, name, &child, error));
    if (sfs_h5_is_group(&child)) {
        leave_out(job, name, "expected a dense array, found a data frame or a sparse matrix");
        return 0;
    }
    sfs_h5_close(&child); /* so that the array may set its chunk cache */
    SFS_TRY(sfs_h5_array_open(job->obsm, name, &array, error));
    const char *misfit = misfit_of(&array);
    if (!misfit)
        return copy_array(job, name, &array, error);
    leave_out(job, name, misfit);
    return 0;
}

sfs_status sfs_h5_obsm_convert(const sfs_h5 *root, uint64_t rows, sfs_progress *progress,
                               sfs_output *output, sfs_error *error)
{
    SFS_AUTO_H5 sfs_h5 obsm = {0};
    SFS_AUTO_H5_NAMES sfs_h5_names names = {0};
    bool found;
    SFS_TRY(sfs_h5_has_content(root, table, &found, error));
    if (!found)
        return 0;
    SFS_TRY(sfs_h5_open(root, table, &obsm, error));
    if (!sfs_h5_is_group(&obsm)) {
        sfs_progress_note(progress, "%s: left out: expected a group of arrays", obsm.name);
        return 0;
    }
    SFS_TRY(sfs_h5_children(&obsm, &names, error));
    obsm_job job = {.obsm = &obsm, .rows = rows, .progress = progress, .output = output};
    sfs_progress_start(progress, table, names.count);
    for (size_t i = 0; i < names.count; i++) {
        SFS_TRY(convert_child(&job, names.items[i], error));
        sfs_progress_update(progress, i + 1);
    }
    sfs_progress_finish(progress);
    return 0;
}
