/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/csr_part.h"

#include "batch/ask.h"
#include "batch/chosen_row.h"
#include "codec/cast.h"
#include "codec/codec.h"

const char *const sfs_csr_array_names[SFS_CSR_ARRAYS] = {"indptr", "indices", "data", "rows"};

sfs_dtype sfs_csr_array_dtype(const sfs_csr_form *form, sfs_csr_array array, uint64_t nnz)
{
    bool wide = nnz >= SFS_WIDE_NNZ && !form->whole;
    switch (array) {
    case SFS_CSR_INDPTR:
        return (sfs_dtype){'i', wide || form->whole ? 8 : 4};
    case SFS_CSR_INDICES:
        return wide && form->indices.size == 4 ? (sfs_dtype){'i', 8} : form->indices;
    case SFS_CSR_DATA:
        return form->values;
    default:
        return (sfs_dtype){'i', 8};
    }
}

uint64_t sfs_csr_array_count(sfs_csr_array array, uint64_t rows, uint64_t nnz)
{
    return array == SFS_CSR_INDPTR ? rows + 1 : array == SFS_CSR_ROWS ? rows : nnz;
}

/* The row after this one; after an empty one, which may be the first of billions, the next that has
 * a non-zero. */
static sfs_status next_row(const sfs_row_list *rows, bool has_nonzeros, uint64_t before,
                           uint64_t *row, sfs_error *error)
{
    uint64_t next = *row + 1;
    if (!has_nonzeros)
        SFS_TRY(sfs_row_list_find(rows, before, &next, error));
    if (next <= *row || next >= rows->count)
        return sfs_fail(error, -EIO, "%s: the row offsets and row lengths contradict each other",
                        rows->matrix->name);
    *row = next;
    return 0;
}

/* Bytes [skip, skip + length) of one of a row's arrays, which begin and end in any element. */
static sfs_status decode_bytes(const sfs_matrix *matrix, const sfs_row_place *place,
                               sfs_row_array array, sfs_dtype dtype, uint64_t skip, uint64_t length,
                               uint8_t *out, sfs_error *error)
{
    const sfs_codec *codec = sfs_codec_of(matrix);
    uint8_t element[sizeof(uint64_t)];
    while (length) {
        uint64_t first = skip / dtype.size, within = skip % dtype.size, taken;
        if (!within && length >= dtype.size) {
            uint64_t whole = length / dtype.size;
            taken = whole * dtype.size;
            SFS_TRY(codec->decode(matrix, place, array, dtype, (uint32_t)first, (uint32_t)whole,
                                  out, error));
        } else {
            taken = dtype.size - within < length ? dtype.size - within : length;
            SFS_TRY(codec->decode(matrix, place, array, dtype, (uint32_t)first, 1, element, error));
            memcpy(out, element + within, taken);
        }
        skip += taken;
        out += taken;
        length -= taken;
    }
    return 0;
}

static sfs_status emit_row(const sfs_matrix *matrix, const sfs_row_place *place,
                           sfs_row_array array, sfs_dtype dtype, uint64_t skip, uint64_t length,
                           sfs_sink *sink, sfs_error *error)
{
    const sfs_codec *codec = sfs_codec_of(matrix);
    sfs_dtype stored = array == SFS_ROW_INDICES ? (sfs_dtype){'i', 4} : matrix->dtype;
    if (!codec->stored_as_read || !sfs_dtype_same(stored, dtype))
        return decode_bytes(matrix, place, array, dtype, skip, length, sfs_sink_room(sink, length),
                            error);
    sfs_extent extent = codec->extent(matrix, place, array);
    sfs_sink_bytes(sink, extent.bytes + skip, length);
    return 0;
}

/* Of a row's non-zeros in the chosen columns, which were counted when the list was made. */
static sfs_status emit_chosen(const sfs_part *part, const sfs_row_place *place, uint64_t nnz,
                              sfs_row_array array, uint64_t skip, uint64_t length, sfs_sink *sink,
                              sfs_error *error)
{
    const sfs_matrix *matrix = part->rows->matrix;
    const sfs_chosen_form form = {.genes = part->rows->genes,
                                  .sorted = true,
                                  .with_values = array == SFS_ROW_VALUES,
                                  .values = part->dtype};
    sfs_chosen_row row;
    SFS_TRY(sfs_chosen_decode(matrix, place, &form, sink->scratch, &row, error));
    if (row.count != nnz)
        return sfs_fail(error, -EIO,
                        "%s: expected the row to stay as it was when its non-zeros were counted, "
                        "found it changed: restore the collection and mount it again",
                        place->shard->data.map->name);
    const uint8_t *elements = row.values;
    if (array == SFS_ROW_INDICES) {
        elements = row.spare;
        sfs_cast((sfs_dtype){'i', 4}, row.columns, part->dtype, row.spare, row.count);
    }
    memcpy(sfs_sink_room(sink, length), elements + skip, length);
    return 0;
}

/* The number of non-zeros that a row of the list has. */
static sfs_status count_nonzeros(const sfs_row_list *rows, uint64_t row, const sfs_row_place *place,
                                 uint64_t before, uint64_t *out, sfs_error *error)
{
    *out = place->nnz;
    if (!rows->stored)
        return 0;
    SFS_TRY(sfs_row_list_before(rows, row + 1, out, error));
    *out -= before;
    return 0;
}

/* Walks over the rows that have bytes [skip, skip + length) of an array of non-zeros, and appends
 * each row's share. */
static sfs_status read_nonzeros(const sfs_part *part, sfs_row_array array, uint64_t skip,
                                uint64_t length, sfs_sink *sink, sfs_error *error)
{
    const sfs_row_list *rows = part->rows;
    const sfs_codec *codec = sfs_codec_of(rows->matrix);
    uint64_t size = part->dtype.size, end = skip + length, row, before, starts_to = 0;
    sfs_shards_read read = {0};
    SFS_TRY(sfs_row_list_find(rows, skip / size, &row, error));
    SFS_TRY(sfs_row_list_before(rows, row, &before, error));
    for (uint64_t at = skip; at < end;) {
        sfs_row_place place;
        uint64_t nnz;
        SFS_TRY(sfs_row_list_place(rows, row, &place, error));
        SFS_TRY(count_nonzeros(rows, row, &place, before, &nnz, error));
        uint64_t row_end = (before + nnz) * size, row_skip = at - before * size;
        uint64_t stop = row_end < end ? row_end : end;
        if (stop < end && rows->stored && array == SFS_ROW_VALUES)
            sfs_ask_row(rows, row + 1);
        else if (stop < end)
            sfs_ask_array(rows, row + 1, array, &starts_to);
        SFS_TRY(codec->verify(rows->matrix, &place, error));
        sfs_shards_note(&read, rows->matrix, place.shard);
        if (at < stop && rows->stored)
            SFS_TRY(emit_chosen(part, &place, nnz, array, row_skip, stop - at, sink, error));
        else if (at < stop)
            SFS_TRY(emit_row(rows->matrix, &place, array, part->dtype, row_skip, stop - at, sink,
                             error));
        at = at < stop ? stop : at;
        before += nnz;
        if (at < end)
            SFS_TRY(next_row(rows, nnz > 0, before, &row, error));
    }
    return sfs_shards_check_sizes(&read, rows->matrix, error);
}

static sfs_status read_indices(const sfs_file *file, const sfs_part *part, uint64_t skip,
                               uint64_t length, sfs_sink *sink, sfs_error *error)
{
    (void)file;
    return read_nonzeros(part, SFS_ROW_INDICES, skip, length, sink, error);
}

static sfs_status read_data(const sfs_file *file, const sfs_part *part, uint64_t skip,
                            uint64_t length, sfs_sink *sink, sfs_error *error)
{
    (void)file;
    return read_nonzeros(part, SFS_ROW_VALUES, skip, length, sink, error);
}

/* Rows [*first, *end) have the elements that bytes [skip, skip + length) of a part belong to. */
static bool rows_of(const sfs_row_list *rows, const sfs_part *part, uint64_t skip, uint64_t length,
                    uint64_t *first, uint64_t *end)
{
    uint64_t size = part->dtype.size;
    if (sfs_row_list_find(rows, skip / size, first, NULL) ||
        sfs_row_list_find(rows, (skip + length - 1) / size, end, NULL))
        return false;
    ++*end;
    return true;
}

/* Only where some are not in memory: asking takes as long as reading what is. That is found out
 * once for both arrays. */
static void ask_nonzeros(const sfs_part *part, sfs_row_array array, uint64_t skip, uint64_t length,
                         sfs_asked *asked)
{
    const sfs_row_list *rows = part->rows;
    uint64_t first, end;
    if (!rows_of(rows, part, skip, length, &first, &end))
        return;
    bool known = rows == asked->rows && first >= asked->first && end <= asked->end;
    if (known && sfs_codec_of(rows->matrix)->one_extent)
        return;
    if (!known) {
        asked->cold = asked->again || sfs_ask_cold_share(rows, first, end) > 0;
        asked->rows = rows;
        asked->first = first;
        asked->end = end;
    }
    if (!asked->cold)
        return;
    asked->any = true;
    sfs_ask_rows(rows, array, first, end);
    /* Which values are chosen, the indices tell. */
    if (!known && rows->stored && array == SFS_ROW_VALUES &&
        !sfs_codec_of(rows->matrix)->one_extent)
        sfs_ask_rows(rows, SFS_ROW_INDICES, first, end);
}

static void ask_indices(const sfs_file *file, const sfs_part *part, uint64_t skip, uint64_t length,
                        sfs_asked *asked)
{
    (void)file;
    ask_nonzeros(part, SFS_ROW_INDICES, skip, length, asked);
}

static void ask_data(const sfs_file *file, const sfs_part *part, uint64_t skip, uint64_t length,
                     sfs_asked *asked)
{
    (void)file;
    ask_nonzeros(part, SFS_ROW_VALUES, skip, length, asked);
}

/* Bytes [skip, skip + length) of a sequence whose element i is computed. */
typedef sfs_status element_at(const sfs_row_list *rows, uint64_t i, int64_t *out, sfs_error *error);

static sfs_status compute(const sfs_row_list *rows, element_at *element, uint32_t size,
                          uint64_t skip, uint64_t length, sfs_sink *sink, sfs_error *error)
{
    uint8_t *out = sfs_sink_room(sink, length);
    for (uint64_t end = skip + length; skip < end;) {
        int64_t value;
        uint64_t i = skip / size, within = skip % size;
        uint64_t taken = size - within < end - skip ? size - within : end - skip;
        SFS_TRY(element(rows, i, &value, error));
        memcpy(out, (const uint8_t *)&value + within, taken);
        out += taken;
        skip += taken;
    }
    return 0;
}

static sfs_status row_number(const sfs_row_list *rows, uint64_t i, int64_t *out, sfs_error *error)
{
    (void)error;
    *out = (int64_t)(rows->first + i);
    return 0;
}

static sfs_status read_run_rows(const sfs_file *file, const sfs_part *part, uint64_t skip,
                                uint64_t length, sfs_sink *sink, sfs_error *error)
{
    (void)file;
    return compute(part->rows, row_number, sizeof(int64_t), skip, length, sink, error);
}

static sfs_status row_offset(const sfs_row_list *rows, uint64_t i, int64_t *out, sfs_error *error)
{
    return sfs_row_list_before(rows, i, (uint64_t *)out, error);
}

static sfs_status read_run_indptr(const sfs_file *file, const sfs_part *part, uint64_t skip,
                                  uint64_t length, sfs_sink *sink, sfs_error *error)
{
    const sfs_row_list *rows = part->rows;
    (void)file;
    SFS_TRY(compute(rows, row_offset, part->dtype.size, skip, length, sink, error));
    return sfs_matrix_check_sizes(rows->matrix, rows->first, rows->count, error);
}

/* What decoding a row takes where columns were chosen: such a list is a table, and reads no map. */
static uint64_t chosen_scratch(const sfs_row_list *rows)
{
    uint64_t longest = 0;
    for (uint64_t i = 0; i < rows->count; i++)
        longest = rows->stored[i] > longest ? rows->stored[i] : longest;
    return sfs_chosen_scratch(longest);
}

sfs_part *sfs_csr_add_array(sfs_file *file, const sfs_row_list *rows, const sfs_csr_form *form,
                            sfs_csr_array array, uint64_t alignment)
{
    static sfs_part_read *const of_runs[SFS_CSR_ARRAYS] = {read_run_indptr, read_indices, read_data,
                                                           read_run_rows};
    sfs_dtype dtype = sfs_csr_array_dtype(form, array, rows->nnz);
    uint64_t bytes = sfs_csr_array_count(array, rows->count, rows->nnz) * dtype.size;
    bool in_memory = rows->rows && (array == SFS_CSR_INDPTR || array == SFS_CSR_ROWS);
    sfs_part *part =
        sfs_file_add(file, in_memory ? sfs_part_memory : of_runs[array], bytes, alignment);
    part->dtype = dtype;
    part->rows = rows;
    if (array == SFS_CSR_INDICES || array == SFS_CSR_DATA) {
        sfs_dtype stored = array == SFS_CSR_INDICES ? (sfs_dtype){'i', 4} : rows->matrix->dtype;
        part->ask = array == SFS_CSR_INDICES ? ask_indices : ask_data;
        file->decoded |= rows->stored || !sfs_codec_of(rows->matrix)->stored_as_read ||
                         !sfs_dtype_same(stored, dtype);
    }
    if (rows->stored)
        sfs_file_need_scratch(file, chosen_scratch(rows));
    if (in_memory)
        part->memory = array == SFS_CSR_INDPTR ? rows->indptr : rows->rows;
    return part;
}
