/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/h5ad_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "batch/column_rows.h"
#include "batch/h5ad_head.h"
#include "codec/cast.h"

/* KEPT_MAX: bytes of the arrays that all batches of a view share, var and categories, which are
 * kept in memory: they would take longer to gather than a batch of 64 rows takes to read. */
enum { ALIGNMENT = 64, NUMBER_TEXT = 24, KEPT_MAX = 16 << 20 };

#define NOT_KEPT UINT64_MAX

struct sfs_h5ad {
    sfs_h5ad_plan plan; /* owned */
    sfs_h5ad_head head; /* owned */
    uint8_t *kept;      /* owned: kept_size bytes ... */
    uint64_t kept_size;
    uint64_t *places; /* ... owned: where each object's elements are there, or NOT_KEPT */
};

/* Bytes [skip, skip + length) of the numbers of rows, as text padded with zeros. */
static sfs_status read_numbers(const sfs_file *file, const sfs_part *part, uint64_t skip,
                               uint64_t length, sfs_sink *sink, sfs_error *error)
{
    uint8_t *out = sfs_sink_room(sink, length);
    uint64_t width = part->dtype.size;
    (void)file;
    (void)error;
    for (uint64_t end = skip + length; skip < end;) {
        char text[NUMBER_TEXT] = {0};
        uint64_t i = skip / width, within = skip % width;
        uint64_t taken = width - within < end - skip ? width - within : end - skip;
        snprintf(text, sizeof text, "%" PRIu64, sfs_row_list_row(part->rows, i));
        memcpy(out, text + within, taken);
        out += taken;
        skip += taken;
    }
    return 0;
}

/* Puts NaN where the mask of elements [first, first + count) says so, of which bytes
 * [skip, skip + length) of the part are at out. */
static void fill(const sfs_part *part, const uint8_t *mask, uint64_t first, uint64_t count,
                 uint64_t skip, uint64_t length, uint8_t *out)
{
    static const double nan_value = NAN;
    uint8_t missing[sizeof(double)];
    uint64_t size = part->dtype.size;
    sfs_cast((sfs_dtype){'f', sizeof nan_value}, &nan_value, part->dtype, missing, 1);
    for (uint64_t i = 0; i < count * size; i++) {
        uint64_t at = first * size + i;
        if (mask[i / size] && at >= skip && at < skip + length)
            out[at - skip] = missing[i % size];
    }
}

static sfs_status read_filled(const sfs_file *file, const sfs_part *part, uint64_t skip,
                              uint64_t length, sfs_sink *sink, sfs_error *error)
{
    uint8_t mask[512], *out = sfs_sink_room(sink, length);
    sfs_sink values = {.buffer = out};
    SFS_TRY(sfs_column_values(file, part, skip, length, &values, error));
    uint64_t size = part->dtype.size, end = (skip + length + size - 1) / size;
    for (uint64_t first = skip / size, count; first < end; first += count) {
        sfs_sink flags = {.buffer = mask};
        count = end - first < sizeof mask ? end - first : sizeof mask;
        SFS_TRY(sfs_column_mask(file, part, first, count, &flags, error));
        fill(part, mask, first, count, skip, length, out);
    }
    return 0;
}

static const sfs_row_list *rows_of(const sfs_file *file, size_t matrix)
{
    return matrix ? &file->others[matrix - 1] : &file->rows;
}

/* The part of an array that has elements. */
static sfs_part *add_part(const sfs_h5ad_plan *plan, const sfs_h5ad_object *object, sfs_file *file)
{
    const sfs_row_list *axis = object->axis == SFS_H5AD_OBS   ? &file->rows
                               : object->axis == SFS_H5AD_VAR ? &plan->genes
                                                              : NULL;
    sfs_csr_form form = sfs_h5ad_form(plan, object->matrix);
    sfs_part *part;
    switch (object->source) {
    case SFS_H5AD_SPARSE:
        return sfs_csr_add_array(file, rows_of(file, object->matrix), &form, object->array,
                                 ALIGNMENT);
    case SFS_H5AD_NUMBERS:
        part = sfs_file_add(file, read_numbers, axis->count * object->dtype.size, ALIGNMENT);
        part->rows = axis;
        part->dtype = object->dtype;
        return part;
    default:
        part = sfs_column_add(file, axis, object->column, object->form, ALIGNMENT);
        if (object->source == SFS_H5AD_FILLED)
            part->read = read_filled;
        return part;
    }
}

/* Gathers what all batches share, as far as there is room. */
static sfs_status add_shared(sfs_h5ad *h5ad, sfs_file *file, sfs_error *error)
{
    const sfs_h5ad_plan *plan = &h5ad->plan;
    const sfs_h5ad_counts none = {0, NULL};
    for (size_t i = 0; i < plan->object_count; i++) {
        const sfs_h5ad_object *object = &plan->objects[i];
        sfs_h5ad_extent extent;
        h5ad->places[i] = NOT_KEPT;
        if (!sfs_h5ad_is_array(object) || object->axis == SFS_H5AD_OBS)
            continue;
        SFS_TRY(sfs_h5ad_measure(plan, object, &none, &extent, error));
        if (extent.bytes && file->size + ALIGNMENT + extent.bytes <= KEPT_MAX)
            h5ad->places[i] = add_part(plan, object, file)->offset;
    }
    size_t got;
    h5ad->kept = malloc(file->size + 1);
    h5ad->kept_size = file->size;
    if (!h5ad->kept)
        return sfs_fail_memory(error);
    return sfs_file_read(file, h5ad->kept, file->size, 0, &got, error);
}

static sfs_status keep_shared(sfs_h5ad *h5ad, sfs_error *error)
{
    sfs_file *file;
    h5ad->places = malloc(h5ad->plan.object_count * sizeof *h5ad->places);
    if (!h5ad->places)
        return sfs_fail_memory(error);
    SFS_TRY(sfs_file_new(h5ad->plan.schema.collection, h5ad->plan.object_count, 0, &file, error));
    sfs_status status = add_shared(h5ad, file, error);
    sfs_file_close(file);
    return status;
}

sfs_status sfs_h5ad_open(const sfs_h5ad_schema *schema, sfs_h5ad **out, sfs_error *error)
{
    sfs_h5ad *h5ad = calloc(1, sizeof *h5ad);
    if (!h5ad)
        return sfs_fail_memory(error);
    sfs_status status = sfs_h5ad_plan_open(schema, &h5ad->plan, error);
    if (!status)
        status = sfs_h5ad_head_open(&h5ad->plan, &h5ad->head, error);
    if (!status)
        status = keep_shared(h5ad, error);
    if (status) {
        sfs_h5ad_close(h5ad);
        return status;
    }
    *out = h5ad;
    return 0;
}

void sfs_h5ad_close(sfs_h5ad *h5ad)
{
    if (!h5ad)
        return;
    sfs_h5ad_head_close(&h5ad->head);
    sfs_h5ad_plan_close(&h5ad->plan);
    free(h5ad->kept);
    free(h5ad->places);
    free(h5ad);
}

uint64_t sfs_h5ad_memory(const sfs_h5ad *h5ad)
{
    const sfs_h5ad_plan *plan = &h5ad->plan;
    uint64_t object = sizeof *plan->objects + sizeof *h5ad->head.words + sizeof *h5ad->places;
    return sizeof *h5ad + h5ad->head.size + h5ad->kept_size + plan->object_count * object +
           (plan->genes.rows ? plan->genes.count * sizeof *plan->genes.rows : 0);
}

/* The same rows in the layers, with the same genes. */
static sfs_status find_layers(const sfs_h5ad_plan *plan, sfs_file *file, sfs_error *error)
{
    const sfs_row_list *rows = &file->rows;
    file->others = calloc(plan->matrix_count, sizeof *file->others);
    if (!file->others)
        return sfs_fail_memory(error);
    for (size_t i = 1; i < plan->matrix_count; i++) {
        sfs_row_list *layer = &file->others[i - 1];
        SFS_TRY(sfs_row_list_like(rows, plan->matrices[i], layer, error));
        file->other_count = i;
    }
    return 0;
}

static sfs_status add_arrays(const sfs_h5ad *h5ad, sfs_file *file, sfs_h5ad_extent *extents,
                             sfs_error *error)
{
    const sfs_h5ad_plan *plan = &h5ad->plan;
    SFS_AUTO_FREE uint64_t *nnz = malloc(plan->matrix_count * sizeof *nnz);
    if (!nnz)
        return sfs_fail_memory(error);
    for (size_t i = 0; i < plan->matrix_count; i++)
        nnz[i] = rows_of(file, i)->nnz;
    const sfs_h5ad_counts counts = {file->rows.count, nnz};
    for (size_t i = 0; i < plan->object_count; i++) {
        const sfs_h5ad_object *object = &plan->objects[i];
        if (!sfs_h5ad_is_array(object))
            continue;
        sfs_h5ad_extent *extent = &extents[i];
        SFS_TRY(sfs_h5ad_measure(plan, object, &counts, extent, error));
        if (extent->bytes > INT64_MAX - ALIGNMENT - file->size)
            return sfs_fail(error, -EFBIG,
                            "expected an .h5ad file of less than 2^63 bytes: ask for fewer rows");
        if (!extent->bytes)
            continue;
        sfs_part *part = h5ad->places[i] == NOT_KEPT
                             ? add_part(plan, object, file)
                             : sfs_file_add(file, sfs_part_memory, extent->bytes, ALIGNMENT);
        if (h5ad->places[i] != NOT_KEPT)
            part->memory = h5ad->kept + h5ad->places[i];
        extent->address = part->offset;
    }
    return 0;
}

static sfs_status fill_file(const sfs_h5ad *h5ad, sfs_file *file, sfs_error *error)
{
    const sfs_h5ad_head *head = &h5ad->head;
    SFS_AUTO_FREE sfs_h5ad_extent *extents = calloc(h5ad->plan.object_count, sizeof *extents);
    if (!extents)
        return sfs_fail_memory(error);
    SFS_TRY(find_layers(&h5ad->plan, file, error));
    sfs_file_add(file, sfs_part_memory, head->size, 1)->memory = file->head;
    SFS_TRY(add_arrays(h5ad, file, extents, error));
    memcpy(file->head, head->bytes, head->size);
    sfs_h5ad_head_set(head, &h5ad->plan, file->rows.count, extents, file->size, file->head);
    return 0;
}

sfs_status sfs_h5ad_file_open(const sfs_h5ad *h5ad, sfs_row_list *rows, sfs_file **out,
                              sfs_error *error)
{
    sfs_file *file;
    sfs_status status =
        sfs_file_new(rows->collection, 1 + h5ad->plan.object_count, h5ad->head.size, &file, error);
    if (status) {
        sfs_row_list_close(rows);
        return status;
    }
    file->rows = *rows;
    *rows = (sfs_row_list){0};
    status = fill_file(h5ad, file, error);
    if (status)
        sfs_file_close(file);
    else
        *out = file;
    return status;
}
