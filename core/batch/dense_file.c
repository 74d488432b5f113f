/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/dense_file.h"

#include <inttypes.h>

#include "batch/ask.h"
#include "batch/chosen_row.h"
#include "codec/cast.h"
#include "codec/nonzero.h"
#include "store/guard.h"

enum { HELD_ITEMS = 256 };

/* Bytes [from, to) of a row of the table, on their way to out. */
struct share {
    uint64_t from, to;
    uint8_t *out;
};

/* Puts an element where it belongs, as far as it is in the share. */
static void put_part(const struct share *share, uint64_t at, const uint8_t *element, uint32_t size)
{
    uint64_t from = at < share->from ? share->from : at;
    uint64_t to = at + size < share->to ? at + size : share->to;
    if (from < to)
        memcpy(share->out + (from - share->from), element + (from - at), to - from);
}

static inline __attribute__((always_inline)) void scatter_whole(const sfs_chosen_row *row,
                                                                uint32_t size, uint8_t *out)
{
    for (uint32_t i = 0; i < row->count; i++)
        memcpy(out + (uint64_t)(uint32_t)row->columns[i] * size, row->values + (uint64_t)i * size,
               size);
}

static void scatter(const sfs_chosen_row *row, uint32_t size, uint64_t width, struct share share)
{
    memset(share.out, 0, share.to - share.from);
    if (share.to - share.from == width) {
        SFS_FOR_SIZE(size, scatter_whole(row, ELEMENT, share.out))
        return;
    }
    for (uint32_t i = 0; i < row->count; i++)
        put_part(&share, (uint64_t)(uint32_t)row->columns[i] * size,
                 row->values + (uint64_t)i * size, size);
}

static inline __attribute__((always_inline)) void pick(const uint8_t *items, const uint32_t *stored,
                                                       uint32_t count, uint32_t size, uint8_t *out)
{
    for (uint32_t i = 0; i < count; i++)
        memcpy(out + i * size, items + (uint64_t)stored[i] * size, size);
}

/* Of a row that is stored as a table's. */
static void emit_stored(const sfs_part *part, const uint8_t *items, struct share share)
{
    const sfs_gene_set *genes = part->rows->genes;
    sfs_dtype stored = part->rows->matrix->dtype, wanted = part->dtype;
    uint8_t picked[HELD_ITEMS * sizeof(uint64_t)], cast[HELD_ITEMS * sizeof(uint64_t)];
    uint64_t end = (share.to + wanted.size - 1) / wanted.size;
    for (uint64_t first = share.from / wanted.size; first < end; first += HELD_ITEMS) {
        uint32_t n = (uint32_t)(end - first < HELD_ITEMS ? end - first : HELD_ITEMS);
        const uint8_t *from = items + first * stored.size;
        if (genes) {
            SFS_FOR_SIZE(stored.size, pick(items, genes->stored_of + first, n, ELEMENT, picked))
            from = picked;
        }
        sfs_cast(stored, from, wanted, cast, n);
        put_part(&share, first * wanted.size, cast, n * wanted.size);
    }
}

static sfs_status decode_row(const sfs_part *part, const sfs_row_place *place, uint64_t width,
                             struct share share, void *scratch, sfs_error *error)
{
    const sfs_chosen_form form = {
        .genes = part->rows->genes, .with_values = true, .values = part->dtype};
    sfs_chosen_row row = {0};
    if (place->nnz > part->longest)
        return sfs_fail(error, -EIO,
                        "%s: expected at most %" PRIu64 " non-zeros in row %" PRIu64
                        ", as when the file was opened, found %" PRIu32
                        ": restore the collection and mount it again",
                        place->shard->nnz.map->name, part->longest,
                        place->shard->first_row + place->row, place->nnz);
    if (place->nnz)
        SFS_TRY(sfs_chosen_decode(part->rows->matrix, place, &form, scratch, &row, error));
    scatter(&row, part->dtype.size, width, share);
    return 0;
}

/* Bytes [from, to) of row i. */
static sfs_status emit_row(const sfs_part *part, uint64_t i, uint64_t from, uint64_t to,
                           sfs_shards_read *read, sfs_sink *sink, sfs_error *error)
{
    const sfs_row_list *rows = part->rows;
    const sfs_matrix *matrix = rows->matrix;
    const sfs_codec *codec = sfs_codec_of(matrix);
    sfs_row_place place;
    SFS_TRY(sfs_row_list_place(rows, i, &place, error));
    SFS_TRY(codec->verify(matrix, &place, error));
    sfs_shards_note(read, matrix, place.shard);
    bool stored = matrix->codec == SFS_CODEC_DENSE && place.nnz;
    const uint8_t *items = stored ? codec->extent(matrix, &place, SFS_ROW_VALUES).bytes : NULL;
    if (stored && !rows->genes && sfs_dtype_same(matrix->dtype, part->dtype)) {
        sfs_sink_bytes(sink, items + from, to - from);
        return 0;
    }
    struct share share = {from, to, sfs_sink_room(sink, to - from)};
    if (!stored)
        return decode_row(part, &place, sfs_row_list_columns(rows) * part->dtype.size, share,
                          sink->scratch, error);
    emit_stored(part, items, share);
    return 0;
}

static sfs_status read_rows(const sfs_file *file, const sfs_part *part, uint64_t skip,
                            uint64_t length, sfs_sink *sink, sfs_error *error)
{
    uint64_t width = sfs_row_list_columns(part->rows) * part->dtype.size;
    uint64_t row = skip / width, from = skip % width;
    sfs_shards_read read = {0};
    (void)file;
    for (; length; row++, from = 0) {
        sfs_ask_row(part->rows, row + 1);
        uint64_t to = length < width - from ? from + length : width;
        SFS_TRY(emit_row(part, row, from, to, &read, sink, error));
        length -= to - from;
    }
    return sfs_shards_check_sizes(&read, part->rows->matrix, error);
}

static void ask_rows(const sfs_file *file, const sfs_part *part, uint64_t skip, uint64_t length,
                     sfs_asked *asked)
{
    const sfs_row_list *rows = part->rows;
    uint64_t width = sfs_row_list_columns(rows) * part->dtype.size;
    uint64_t first = skip / width, end = (skip + length - 1) / width + 1;
    (void)file;
    asked->any |= sfs_ask_cold(rows, first, end, asked->again);
}

struct measuring {
    const sfs_row_list *rows;
    uint64_t longest;
};

static sfs_status measure(void *context, sfs_error *error)
{
    struct measuring *measuring = context;
    return sfs_row_list_longest(measuring->rows, &measuring->longest, error);
}

/* Makes the file's parts, of rows that it owns. */
static sfs_status add_parts(sfs_file *file, sfs_dtype dtype, sfs_error *error)
{
    const sfs_row_list *rows = &file->rows;
    uint64_t columns = sfs_row_list_columns(rows), bytes;
    if (rows->genes)
        SFS_TRY(sfs_chosen_check(rows->matrix, rows->genes, error));
    if (__builtin_mul_overflow(rows->count, columns * dtype.size, &bytes) || bytes > INT64_MAX / 2)
        return sfs_fail(error, -EFBIG,
                        "expected a table of at most %" PRId64 " bytes, found %" PRIu64
                        " rows of %" PRIu64 " columns: take fewer rows, or a sparse format",
                        INT64_MAX / 2, rows->count, columns);
    sfs_npy_header_table(dtype, rows->count, columns, file->head);
    sfs_file_add(file, sfs_part_memory, SFS_NPY_HEADER, 1)->memory = file->head;
    sfs_part *part = sfs_file_add(file, read_rows, bytes, 1);
    part->ask = ask_rows;
    part->dtype = dtype;
    part->rows = rows;
    bool stored = rows->matrix->codec == SFS_CODEC_DENSE;
    file->decoded = !stored || rows->genes || !sfs_dtype_same(rows->matrix->dtype, dtype);
    if (stored)
        return 0;
    struct measuring measuring = {.rows = rows};
    SFS_TRY(sfs_guard(&file->collection->files, measure, &measuring, error));
    part->longest = measuring.longest;
    sfs_file_need_scratch(file, sfs_chosen_scratch(measuring.longest));
    return 0;
}

sfs_status sfs_dense_open(sfs_row_list *rows, const sfs_gene_set *genes, const sfs_csr_form *form,
                          sfs_file **out, sfs_error *error)
{
    sfs_file *file;
    sfs_status status = sfs_file_new(rows->collection, 2, SFS_NPY_HEADER, &file, error);
    if (status) {
        sfs_row_list_close(rows);
        return status;
    }
    file->rows = *rows;
    if (genes)
        file->rows.genes = genes;
    *rows = (sfs_row_list){0};
    status = add_parts(file, form->values, error);
    if (status) {
        sfs_file_close(file);
        return status;
    }
    *out = file;
    return 0;
}
