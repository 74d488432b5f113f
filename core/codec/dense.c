/* SPDX-License-Identifier: Apache-2.0 */
/* The dense codec: a row is all its columns; its non-zeros are found when it is read. */
#include <inttypes.h>

#include "codec/cast.h"
#include "codec/codec.h"
#include "codec/nonzero.h"
#include "codec/row_check.h"

enum { HELD_ITEMS = 256 };

static sfs_extent extent(const sfs_matrix *matrix, const sfs_row_place *place, sfs_row_array array)
{
    (void)array;
    uint64_t length = matrix->columns * matrix->dtype.size;
    return (sfs_extent){.map = place->shard->data.map,
                        .bytes = place->shard->data.items + place->row * length,
                        .length = length};
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
    const uint8_t *items = extent(matrix, place, SFS_ROW_VALUES).bytes;
    uint64_t mask = sfs_nonzero_mask(matrix->dtype), nonzeros = 0;
    SFS_FOR_SIZE(matrix->dtype.size, nonzeros = count(items, matrix->columns, ELEMENT, mask))
    if (nonzeros != place->nnz)
        return sfs_fail(error, -EIO,
                        "%s: expected %" PRIu32 " non-zeros in row %" PRIu64 " at offset %" PRIu64
                        ", found %" PRIu64 ": restore this file",
                        place->shard->data.map->name, place->nnz,
                        place->shard->first_row + place->row,
                        (uint64_t)(items - place->shard->data.map->bytes), nonzeros);
    SFS_TRY(sfs_row_check(matrix, place, sfs_checksum(items, matrix->columns * matrix->dtype.size),
                          items, error));
    sfs_row_remember(place);
    return 0;
}

/* The row's non-zeros from number `first` on, `count` of them, on their way out as another type. */
struct output {
    sfs_dtype stored, wanted;
    uint64_t first, count, seen;
    uint8_t *out;
    uint32_t held;
    uint8_t items[HELD_ITEMS * sizeof(uint64_t)];
};

static void flush(struct output *output)
{
    sfs_cast(output->stored, output->items, output->wanted, output->out, output->held);
    output->out += output->held * output->wanted.size;
    output->held = 0;
}

static inline __attribute__((always_inline)) void scan(const uint8_t *items, uint64_t columns,
                                                       uint32_t size, uint64_t mask,
                                                       bool want_columns, struct output *output)
{
    for (uint64_t column = 0; column < columns && output->count; column++) {
        const uint8_t *item = items + column * size;
        if (!sfs_is_nonzero(item, size, mask) || output->seen++ < output->first)
            continue;
        int32_t index = (int32_t)column;
        if (want_columns)
            memcpy(output->items + output->held * sizeof index, &index, sizeof index);
        else
            memcpy(output->items + output->held * size, item, size);
        output->count--;
        if (++output->held == HELD_ITEMS)
            flush(output);
    }
}

/* Where the row has fewer non-zeros by now, because somebody changed the file, zeros follow. */
static sfs_status decode(const sfs_matrix *matrix, const sfs_row_place *place, sfs_row_array array,
                         sfs_dtype wanted, uint32_t first, uint32_t count, void *out,
                         sfs_error *error)
{
    (void)error;
    bool want_columns = array == SFS_ROW_INDICES;
    struct output output = {.stored = want_columns ? (sfs_dtype){'i', 4} : matrix->dtype,
                            .wanted = wanted,
                            .first = first,
                            .count = count,
                            .out = out};
    const uint8_t *items = extent(matrix, place, array).bytes;
    uint64_t mask = sfs_nonzero_mask(matrix->dtype);
    SFS_FOR_SIZE(matrix->dtype.size,
                 scan(items, matrix->columns, ELEMENT, mask, want_columns, &output))
    flush(&output);
    memset(output.out, 0, output.count * wanted.size);
    return 0;
}

const sfs_codec sfs_codec_dense = {
    .verify = verify, .decode = decode, .extent = extent, .part = extent, .one_extent = true};
