/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/h5ad_head.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "batch/h5ad_image.h"

/* What an image is made by and of; all but counts and what is in the arrays stays. */
struct making {
    sfs_h5ad_image_maker *maker;
    const sfs_h5ad_plan *plan; /* borrowed, as the arrays below, one entry each of its objects */
    sfs_h5ad_counts counts;
    sfs_h5ad_extent *extents; /* of the last image */
    uint64_t *headers;        /* of the last image */
};

/* The caller frees *bytes, also on failure. */
static sfs_status make(const struct making *making, uint8_t **bytes, uint64_t *size,
                       sfs_error *error)
{
    const sfs_h5ad_plan *plan = making->plan;
    for (size_t i = 0; i < plan->object_count; i++)
        if (sfs_h5ad_is_array(&plan->objects[i]))
            SFS_TRY(sfs_h5ad_measure(plan, &plan->objects[i], &making->counts, &making->extents[i],
                                     error));
    return making->maker(plan, &making->counts, making->extents, making->headers, bytes, size,
                         error);
}

static sfs_status find_words(const sfs_h5ad_plan *plan, const uint64_t *headers,
                             sfs_h5ad_head *head, sfs_error *error)
{
    if (!sfs_h5ad_words_begin(head->bytes, head->size))
        return sfs_fail(error, -EIO, "this version of HDF5 begins files in an unknown way");
    for (size_t i = 0; i < plan->object_count; i++) {
        const sfs_h5ad_object *object = &plan->objects[i];
        if (sfs_h5ad_is_array(object))
            SFS_TRY(sfs_h5ad_words_find_array(head->bytes, head->size, headers[i], &head->words[i],
                                              error));
        else if (object->encoding == SFS_H5AD_CSR_MATRIX)
            SFS_TRY(sfs_h5ad_words_find_shape(head->bytes, head->size, headers[i], &head->words[i],
                                              error));
    }
    return 0;
}

void sfs_h5ad_head_set(const sfs_h5ad_head *head, const sfs_h5ad_plan *plan, uint64_t rows,
                       const sfs_h5ad_extent *extents, uint64_t file_size, uint8_t *copy)
{
    for (size_t i = 0; i < plan->object_count; i++) {
        if (sfs_h5ad_is_array(&plan->objects[i]))
            sfs_h5ad_words_set_array(copy, &head->words[i], &extents[i]);
        else if (plan->objects[i].encoding == SFS_H5AD_CSR_MATRIX)
            sfs_h5ad_words_set_shape(copy, &head->words[i], rows);
    }
    sfs_h5ad_words_set_size(copy, file_size);
}

/* A copy of the head with other numbers must be what HDF5 itself makes of them. */
static sfs_status check(const struct making *making, const sfs_h5ad_head *head, sfs_error *error)
{
    SFS_AUTO_FREE uint8_t *expected = NULL;
    SFS_AUTO_FREE uint8_t *copy = malloc(head->size);
    uint64_t size;
    if (!copy)
        return sfs_fail_memory(error);
    SFS_TRY(make(making, &expected, &size, error));
    memcpy(copy, head->bytes, head->size);
    sfs_h5ad_head_set(head, making->plan, making->counts.rows, making->extents, head->size, copy);
    if (size != head->size || memcmp(copy, expected, size) != 0)
        return sfs_fail(error, -EIO,
                        "expected files of HDF5 to differ in known words, found other "
                        "differences: this version of HDF5 cannot make .h5ad batches");
    return 0;
}

/* `nnz` for each matrix: one, more than int32 indexes, none. */
static sfs_status open_head(struct making *making, uint64_t *nnz, sfs_h5ad_head *out,
                            sfs_error *error)
{
    const sfs_h5ad_plan *plan = making->plan;
    for (size_t i = 0; i < plan->matrix_count; i++)
        nnz[i] = 1;
    making->counts = (sfs_h5ad_counts){1, nnz};
    SFS_TRY(make(making, &out->bytes, &out->size, error));
    SFS_TRY(find_words(plan, making->headers, out, error));
    for (size_t i = 0; i < plan->matrix_count; i++)
        nnz[i] = SFS_WIDE_NNZ + i;
    making->counts.rows = 1 << 20;
    SFS_TRY(check(making, out, error));
    for (size_t i = 0; i < plan->matrix_count; i++)
        nnz[i] = 0;
    making->counts.rows = 0;
    return check(making, out, error);
}

static sfs_status find_maker(void *library, sfs_h5ad_image_maker **out, sfs_error *error)
{
    static const size_t expected[] = SFS_H5AD_IMAGE_SIZES;
    void *function = library ? dlsym(library, "sfs_h5ad_make_image") : NULL;
    void *sizes = function ? dlsym(library, "sfs_h5ad_image_sizes") : NULL;
    const char *found = sizes ? "one of another build" : dlerror();
    if (!sizes || memcmp(sizes, expected, sizeof expected) != 0)
        return sfs_fail(error, -EIO,
                        "expected the part of shufflefs that makes .h5ad files, found: %s: install "
                        "shufflefs again, and mount again",
                        found);
    memcpy(out, &function, sizeof function);
    return 0;
}

/* It stays loaded: HDF5 cannot be begun twice. */
static sfs_status load_maker(sfs_h5ad_image_maker **out, sfs_error *error)
{
    void *library = dlopen(SFS_H5AD_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    sfs_status status = find_maker(library, out, error);
    if (library)
        dlclose(library);
    return status;
}

static sfs_status load_and_open(const sfs_h5ad_plan *plan, sfs_h5ad_head *out, sfs_error *error)
{
    SFS_AUTO_FREE uint64_t *nnz = malloc((plan->matrix_count + 1) * sizeof *nnz);
    SFS_AUTO_FREE uint64_t *headers = calloc(plan->object_count, sizeof *headers);
    SFS_AUTO_FREE sfs_h5ad_extent *extents = calloc(plan->object_count, sizeof *extents);
    struct making making = {.plan = plan, .extents = extents, .headers = headers};
    out->words = calloc(plan->object_count, sizeof *out->words);
    if (!nnz || !headers || !extents || !out->words)
        return sfs_fail_memory(error);
    SFS_TRY(load_maker(&making.maker, error));
    return open_head(&making, nnz, out, error);
}

sfs_status sfs_h5ad_head_open(const sfs_h5ad_plan *plan, sfs_h5ad_head *out, sfs_error *error)
{
    /* Not of this file alone: HDF5 has state of its own, which all of a process share. */
    static pthread_mutex_t hdf5 = PTHREAD_MUTEX_INITIALIZER;
    *out = (sfs_h5ad_head){0};
    pthread_mutex_lock(&hdf5);
    sfs_status status = load_and_open(plan, out, error);
    pthread_mutex_unlock(&hdf5);
    return status;
}

void sfs_h5ad_head_close(sfs_h5ad_head *head)
{
    free(head->bytes);
    free(head->words);
    *head = (sfs_h5ad_head){0};
}
