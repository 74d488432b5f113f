/* SPDX-License-Identifier: Apache-2.0 */
/* The dense codec: a row is all its columns; its non-zeros are found when it is read. */
#include <inttypes.h>

#include "codec/codec.h"
#include "codec/nonzero.h"
#include "codec/row_check.h"

static const uint8_t *begin(const sfs_matrix *matrix, const sfs_row_place *place,
                            sfs_row_array array)
{
    (void)array;
    return place->shard->data.items + place->row * matrix->columns * matrix->dtype.size;
}

static inline __attribute__((always_inline)) uint64_t count(const uint8_t *items, uint64_t columns,
                                                            uint32_t size, uint64_t mask)
{
    uint64_t nonzeros = 0;
    for (uint64_t column = 0; column < columns; column++)
        nonzeros += sfs_is_nonzero(items + column * size, size, mask);
    return nonzeros;
}

static sfs_status verify(const sfs_matrix *matrix, const sfs_row_place *place, sfs_error *error)
{
    if (!place->nnz || sfs_row_was_verified(place))
        return 0;
    const uint8_t *items = begin(matrix, place, SFS_ROW_VALUES);
    uint64_t mask = sfs_nonzero_mask(matrix->dtype), nonzeros = 0;
    SFS_FOR_SIZE(matrix->dtype.size, nonzeros = count(items, matrix->columns, ELEMENT, mask))
    if (nonzeros != place->nnz)
        return sfs_fail(error, -EIO,
                        "%s: expected %" PRIu32 " non-zeros in row %" PRIu64 " at offset %" PRIu64
                        ", found %" PRIu64 ": restore this file",
                        place->shard->data.map->name, place->nnz,
                        place->shard->first_row + place->row,
                        (uint64_t)(items - place->shard->data.map->bytes), nonzeros);
    return sfs_row_check(matrix, place, sfs_checksum(items, matrix->columns * matrix->dtype.size),
                         items, error);
}

/* Bytes [skip, skip + length) of a sequence of elements that is handed over one by one. */
struct window {
    uint64_t skip, length, at; /* at: the byte of the sequence where the next element begins */
    uint8_t *out;
};

static inline __attribute__((always_inline)) void window_put(struct window *window,
                                                             const void *element, uint64_t size)
{
    uint64_t start = window->at;
    window->at += size;
    if (start >= window->skip && window->at <= window->skip + window->length) {
        memcpy(window->out + (start - window->skip), element, size);
        return;
    }
    uint64_t from = start > window->skip ? start : window->skip;
    uint64_t end = window->skip + window->length;
    uint64_t to = window->at < end ? window->at : end;
    if (from < to)
        memcpy(window->out + (from - window->skip), (const uint8_t *)element + (from - start),
               to - from);
}

static inline __attribute__((always_inline)) void scan(const uint8_t *items, uint64_t columns,
                                                       uint32_t size, uint64_t mask,
                                                       bool want_columns, struct window *window)
{
    uint64_t end = window->skip + window->length;
    for (uint64_t column = 0; column < columns && window->at < end; column++) {
        const uint8_t *item = items + column * size;
        if (!sfs_is_nonzero(item, size, mask))
            continue;
        int32_t index = (int32_t)column;
        if (want_columns)
            window_put(window, &index, sizeof index);
        else
            window_put(window, item, size);
    }
}

static void emit(const sfs_matrix *matrix, const sfs_row_place *place, sfs_row_array array,
                 uint64_t skip, uint64_t length, sfs_sink *sink)
{
    struct window window = {skip, length, 0, sfs_sink_room(sink, length)};
    const uint8_t *items = begin(matrix, place, array);
    uint64_t mask = sfs_nonzero_mask(matrix->dtype);
    bool want_columns = array == SFS_ROW_INDICES;
    SFS_FOR_SIZE(matrix->dtype.size,
                 scan(items, matrix->columns, ELEMENT, mask, want_columns, &window))
}

const sfs_codec sfs_codec_dense = {.verify = verify, .emit = emit, .begin = begin};
