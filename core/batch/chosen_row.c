/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/chosen_row.h"

#include <inttypes.h>

#include "codec/nonzero.h"
#include "codec/radix.h"

/* Elements are 8 bytes at most. Columns are looked at so many at once, and room is by these. */
enum { ELEMENT_MAX = 8, GROUP = 64 };

static uint64_t array_room(uint64_t elements)
{
    return (elements + GROUP - 1) / GROUP * GROUP * ELEMENT_MAX;
}

uint64_t sfs_chosen_scratch(uint64_t longest)
{
    return 4 * array_room(longest); /* columns, values, and two of keys to sort */
}

sfs_status sfs_chosen_check(const sfs_matrix *matrix, const sfs_gene_set *genes, sfs_error *error)
{
    if (genes->stored == matrix->columns)
        return 0;
    return sfs_fail(error, -EINVAL,
                    "genes: expected a choice of the %" PRIu64
                    " columns of %s, found one of %" PRIu32,
                    matrix->columns, matrix->name, genes->stored);
}

/* Which of the columns of a group are chosen, one bit each, without branches: none can be foreseen.
 */
static inline uint64_t chosen_bits(const sfs_gene_set *genes, const int32_t columns[GROUP])
{
    uint64_t bits = 0;
    for (uint32_t byte = 0; byte < GROUP; byte += 8) {
        uint32_t eight = 0;
        for (uint32_t i = 0; i < 8; i++)
            eight |= (uint32_t)sfs_gene_set_has(genes, (uint32_t)columns[byte + i]) << i;
        bits |= (uint64_t)eight << byte;
    }
    return bits;
}

/* Puts the places of what is in chosen columns into `places`. There is room for whole groups. */
static uint32_t find_chosen(const sfs_gene_set *genes, int32_t *columns, uint32_t count,
                            uint32_t *places)
{
    uint32_t found = 0, groups = (count + GROUP - 1) / GROUP;
    for (uint32_t i = count; i < groups * GROUP; i++)
        columns[i] = (int32_t)genes->stored; /* which is not chosen */
    for (uint32_t group = 0; group < groups; group++) {
        uint64_t bits = chosen_bits(genes, columns + (uint64_t)group * GROUP);
        for (; bits; bits &= bits - 1)
            places[found++] = group * GROUP + (uint32_t)__builtin_ctzll(bits);
    }
    return found;
}

/* Moves what is at these places, which ascend, to the front. */
static inline __attribute__((always_inline)) void gather(const uint32_t *places, uint32_t count,
                                                         uint8_t *elements, uint32_t size)
{
    for (uint32_t i = 0; i < count; i++)
        memmove(elements + (uint64_t)i * size, elements + (uint64_t)places[i] * size, size);
}

/* Whether all of these are columns of the matrix. */
static bool are_columns(const sfs_matrix *matrix, const int32_t *columns, uint32_t count)
{
    uint32_t end = (uint32_t)matrix->columns, beyond = 0;
    for (uint32_t i = 0; i < count; i++)
        beyond |= (uint32_t)columns[i] >= end;
    return !beyond;
}

static sfs_status fail_columns(const sfs_matrix *matrix, const sfs_row_place *place,
                               sfs_error *error)
{
    const sfs_map *map = sfs_codec_of(matrix)->extent(matrix, place, SFS_ROW_INDICES).map;
    SFS_TRY(sfs_map_check_size(map, error));
    return sfs_fail(error, -EIO,
                    "%s: expected columns below %" PRIu64 " in row %" PRIu64
                    ", found another: convert the data again",
                    map->name, matrix->columns, place->shard->first_row + place->row);
}

static void sort(uint32_t columns, const sfs_chosen_form *form, void *keys_room,
                 sfs_chosen_row *row)
{
    uint64_t *keys = keys_room, *other = (uint64_t *)(void *)row->spare;
    for (uint32_t i = 0; i < row->count; i++)
        keys[i] = (uint64_t)row->columns[i] << 32 | i;
    uint64_t *sorted = sfs_radix_sort(keys, other, row->count, 32, sfs_bit_width(columns));
    for (uint32_t i = 0; i < row->count; i++)
        row->columns[i] = (int32_t)(sorted[i] >> 32);
    if (!form->with_values)
        return;
    uint8_t *unused = (uint8_t *)(sorted == keys ? other : keys);
    sfs_radix_gather(unused, row->values, sorted, row->count, form->values.size);
    row->spare = row->values;
    row->values = unused;
}

static void choose(const sfs_chosen_form *form, sfs_chosen_row *row, uint32_t count)
{
    uint32_t *places = (uint32_t *)(void *)row->spare;
    row->count = find_chosen(form->genes, row->columns, count, places);
    for (uint32_t i = 0; i < row->count; i++)
        row->columns[i] = form->genes->column_of[row->columns[places[i]]];
    if (form->with_values)
        SFS_FOR_SIZE(form->values.size, gather(places, row->count, row->values, ELEMENT))
}

sfs_status sfs_chosen_decode(const sfs_matrix *matrix, const sfs_row_place *place,
                             const sfs_chosen_form *form, void *scratch, sfs_chosen_row *out,
                             sfs_error *error)
{
    const sfs_codec *codec = sfs_codec_of(matrix);
    const sfs_gene_set *genes = form->genes;
    uint64_t room = array_room(place->nnz);
    uint8_t *rooms = scratch;
    *out = (sfs_chosen_row){.columns = scratch, .values = rooms + room, .spare = rooms + 2 * room};
    if (!place->nnz)
        return 0;
    SFS_TRY(codec->decode(matrix, place, SFS_ROW_INDICES, (sfs_dtype){'i', 4}, 0, place->nnz,
                          out->columns, error));
    /* Those of other codecs were checked, or are so, unless somebody changes the file. */
    if ((!genes || matrix->codec == SFS_CODEC_RAW) &&
        !are_columns(matrix, out->columns, place->nnz))
        return fail_columns(matrix, place, error);
    if (form->with_values)
        SFS_TRY(codec->decode(matrix, place, SFS_ROW_VALUES, form->values, 0, place->nnz,
                              out->values, error));
    if (genes)
        choose(form, out, place->nnz);
    else
        out->count = place->nnz;
    if (genes && form->sorted && !genes->ascending)
        sort(genes->count, form, rooms + 3 * room, out);
    return 0;
}
