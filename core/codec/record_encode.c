/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/record_encode.h"

#include <math.h>
#include <string.h>

#include "codec/inflate.h"
#include "codec/pfor.h"

enum {
    SLOTS = 4 * SFS_RECORD_ENTRIES, /* of the hash table of a row's distinct values */
    WORTH_A_DICTIONARY = 12,        /* bits a value, above which few distinct ones are looked for */
};

/* A distinct value of a row. */
struct distinct {
    uint64_t bits;
    uint32_t count, slot;
};

struct sfs_record_encoder {
    sfs_dtype dtype;
    uint64_t room;     /* entries that the arrays below take */
    uint32_t *numbers; /* owned: what goes into blocks */
    uint32_t *slots;   /* owned: the slot of each value */
    uint8_t *record;   /* owned: the record */
    uint8_t *values;   /* owned: another way to put the values, and what is decoded */
    struct distinct table[SLOTS];
    uint32_t code_of_slot[SLOTS];
    struct distinct sorted[SFS_RECORD_ENTRIES];
    sfs_record_totals totals;
};

sfs_status sfs_record_encoder_new(sfs_dtype dtype, sfs_record_encoder **out, sfs_error *error)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return sfs_fail_memory(error);
    (*out)->dtype = dtype;
    return 0;
}

static void free_arrays(sfs_record_encoder *encoder)
{
    free(encoder->numbers);
    free(encoder->slots);
    free(encoder->record);
    free(encoder->values);
    encoder->numbers = encoder->slots = NULL;
    encoder->record = encoder->values = NULL;
    encoder->room = 0;
}

void sfs_record_encoder_free(sfs_record_encoder *encoder)
{
    if (!encoder)
        return;
    free_arrays(encoder);
    free(encoder);
}

const sfs_record_totals *sfs_record_encoder_totals(const sfs_record_encoder *encoder)
{
    return &encoder->totals;
}

/* What nnz numbers take at most as blocks. */
static uint64_t blocks_max(uint64_t nnz)
{
    return nnz * sizeof(uint32_t) + (nnz / SFS_BLOCK + 1) * 3 + SFS_BLOCK_SLACK;
}

static sfs_status reserve(sfs_record_encoder *encoder, uint32_t nnz, sfs_error *error)
{
    if (nnz <= encoder->room)
        return 0;
    free_arrays(encoder);
    uint64_t room = nnz + (uint64_t)nnz / 2 + SFS_BLOCK;
    uint64_t plain = room * 8 + SFS_RECORD_ENTRIES * 8 + SFS_PFOR_MAX;
    encoder->numbers = malloc(room * sizeof *encoder->numbers);
    encoder->slots = malloc(room * sizeof *encoder->slots);
    encoder->record = malloc(sizeof(uint32_t) + blocks_max(room) + plain + blocks_max(room));
    encoder->values = malloc(plain + blocks_max(room));
    if (!encoder->numbers || !encoder->slots || !encoder->record || !encoder->values)
        return sfs_fail_memory(error);
    encoder->room = nnz + (uint64_t)nnz / 2;
    return 0;
}

static size_t put_blocks(const uint32_t *numbers, uint32_t nnz, uint8_t *out)
{
    uint8_t *at = out;
    for (uint32_t done = 0; done < nnz; done += SFS_BLOCK) {
        uint32_t left = nnz - done;
        at += sfs_pfor_encode(numbers + done, left < SFS_BLOCK ? left : SFS_BLOCK, at);
    }
    return (size_t)(at - out);
}

static size_t put_indices(sfs_record_encoder *encoder, uint32_t nnz, const int32_t *indices,
                          uint8_t *out)
{
    int32_t before = -1;
    for (uint32_t i = 0; i < nnz; i++) {
        encoder->numbers[i] = (uint32_t)(indices[i] - before - 1);
        before = indices[i];
    }
    return put_blocks(encoder->numbers, nnz, out);
}

/* The value as a number below 2^31 where it is one, bit by bit: -0.0 is none. */
#define TAKE_NUMBERS(type, is_number)                                                              \
    for (uint32_t i = 0; i < nnz; i++) {                                                           \
        type value;                                                                                \
        memcpy(&value, values + i * sizeof value, sizeof value);                                   \
        if (!(is_number))                                                                          \
            return false;                                                                          \
        numbers[i] = (uint32_t)value;                                                              \
    }                                                                                              \
    return true

static bool take_unsigned(uint32_t size, const uint8_t *values, uint32_t nnz, uint32_t *numbers)
{
    switch (size) {
    case 1:
        TAKE_NUMBERS(uint8_t, true);
    case 2:
        TAKE_NUMBERS(uint16_t, true);
    case 4:
        TAKE_NUMBERS(uint32_t, value <= INT32_MAX);
    default:
        TAKE_NUMBERS(uint64_t, value <= INT32_MAX);
    }
}

static bool take_signed(uint32_t size, const uint8_t *values, uint32_t nnz, uint32_t *numbers)
{
    switch (size) {
    case 1:
        TAKE_NUMBERS(int8_t, value >= 0);
    case 2:
        TAKE_NUMBERS(int16_t, value >= 0);
    case 4:
        TAKE_NUMBERS(int32_t, value >= 0);
    default:
        TAKE_NUMBERS(int64_t, value >= 0 && value <= INT32_MAX);
    }
}

/* float16 goes the way of the dictionary: its counts are few. */
static bool take_floats(uint32_t size, const uint8_t *values, uint32_t nnz, uint32_t *numbers)
{
    switch (size) {
    case 4:
        TAKE_NUMBERS(float, value >= 0 && value < 0x1p31f && !signbit(value) &&
                                value == (float)(int32_t)value);
    case 8:
        TAKE_NUMBERS(double, value >= 0 && value < 0x1p31 && !signbit(value) &&
                                 value == (double)(int32_t)value);
    default:
        return false;
    }
}

static bool take_numbers(sfs_dtype dtype, const uint8_t *values, uint32_t nnz, uint32_t *numbers)
{
    return dtype.kind == 'f'   ? take_floats(dtype.size, values, nnz, numbers)
           : dtype.kind == 'i' ? take_signed(dtype.size, values, nnz, numbers)
                               : take_unsigned(dtype.size, values, nnz, numbers);
}

/* Values as counts or numbers; 0 where they are none. */
static size_t put_numbers(sfs_record_encoder *encoder, uint32_t nnz, const uint8_t *values,
                          uint8_t *out, unsigned *mode)
{
    uint32_t *numbers = encoder->numbers, smallest = UINT32_MAX;
    if (!take_numbers(encoder->dtype, values, nnz, numbers))
        return 0;
    for (uint32_t i = 0; i < nnz; i++)
        smallest = numbers[i] < smallest ? numbers[i] : smallest;
    *mode = smallest ? SFS_RECORD_COUNTS : SFS_RECORD_NUMBERS;
    for (uint32_t i = 0; smallest && i < nnz; i++)
        numbers[i]--;
    return put_blocks(numbers, nnz, out);
}

/* Notes each value's slot in the table; returns how many distinct ones there are, or 0 where they
 * are too many. */
static uint32_t find_distinct(sfs_record_encoder *encoder, uint32_t nnz, const uint8_t *values)
{
    uint32_t size = encoder->dtype.size, found = 0;
    memset(encoder->table, 0, sizeof encoder->table);
    for (uint32_t i = 0; i < nnz; i++) {
        uint64_t bits = 0;
        memcpy(&bits, values + (uint64_t)i * size, size);
        uint32_t slot = (uint32_t)((bits * UINT64_C(0x9e3779b97f4a7c15)) >> 52) % SLOTS;
        while (encoder->table[slot].count && encoder->table[slot].bits != bits)
            slot = (slot + 1) % SLOTS;
        struct distinct *entry = &encoder->table[slot];
        if (!entry->count && ++found > SFS_RECORD_ENTRIES)
            return 0;
        *entry = (struct distinct){.bits = bits, .count = entry->count + 1, .slot = slot};
        encoder->slots[i] = slot;
    }
    return found;
}

/* Frequent ones first, so that most codes are small; equally frequent ones by their bits, so that
 * the same row always gives the same bytes. */
static int by_count(const void *left, const void *right)
{
    const struct distinct *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return a->bits < b->bits ? -1 : a->bits > b->bits;
}

static size_t put_dictionary(sfs_record_encoder *encoder, uint32_t nnz, const uint8_t *values,
                             uint8_t *out)
{
    uint32_t size = encoder->dtype.size, found = find_distinct(encoder, nnz, values), sorted = 0;
    if (!found || found * size > nnz * size / 2)
        return 0;
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        if (encoder->table[slot].count)
            encoder->sorted[sorted++] = encoder->table[slot];
    qsort(encoder->sorted, sorted, sizeof *encoder->sorted, by_count);
    uint16_t entries = (uint16_t)sorted;
    memcpy(out, &entries, sizeof entries);
    uint8_t *at = out + sizeof entries;
    for (uint32_t code = 0; code < sorted; code++, at += size) {
        memcpy(at, &encoder->sorted[code].bits, size);
        encoder->code_of_slot[encoder->sorted[code].slot] = code;
    }
    for (uint32_t i = 0; i < nnz; i++)
        encoder->numbers[i] = encoder->code_of_slot[encoder->slots[i]];
    return (size_t)(at - out) + put_blocks(encoder->numbers, nnz, at);
}

/* Pieces that must stay below `limit` bytes together; 0 where they do not. */
static size_t put_compressed(const sfs_record_encoder *encoder, uint32_t nnz, const uint8_t *values,
                             size_t limit, uint8_t *out)
{
    size_t used = 0, size = encoder->dtype.size;
    for (uint32_t done = 0; done < nnz; done += SFS_RECORD_PIECE) {
        unsigned n = nnz - done < SFS_RECORD_PIECE ? nnz - done : SFS_RECORD_PIECE;
        uint32_t piece = (uint32_t)sfs_deflate(values + done * size, n, encoder->dtype.size,
                                               out + used + sizeof piece);
        if (!piece || used + sizeof piece + piece >= limit)
            return 0;
        memcpy(out + used, &piece, sizeof piece);
        used += sizeof piece + piece;
    }
    return used;
}

/* Puts the values in the smallest way, in which zstd, which takes far longer to read, must save a
 * quarter. Returns the size. */
static size_t put_values(sfs_record_encoder *encoder, uint32_t nnz, const uint8_t *values,
                         uint8_t *out, unsigned *mode)
{
    size_t plain = (size_t)nnz * encoder->dtype.size, smallest = plain, size;
    size_t numbers = put_numbers(encoder, nnz, values, out, mode);
    if (numbers && numbers < plain)
        smallest = numbers;
    else
        *mode = SFS_RECORD_PLAIN;
    if (smallest * 8 > (size_t)nnz * WORTH_A_DICTIONARY) {
        size = put_dictionary(encoder, nnz, values, encoder->values);
        if (size && size < smallest) {
            memcpy(out, encoder->values, size);
            *mode = SFS_RECORD_DICTIONARY;
            smallest = size;
        }
    }
    if (*mode != SFS_RECORD_PLAIN)
        return smallest;
    size = put_compressed(encoder, nnz, values, plain - plain / 4, out);
    if (size) {
        *mode = SFS_RECORD_ZSTD;
        return size;
    }
    memcpy(out, values, plain);
    return plain;
}

static bool decodes_to(sfs_record_encoder *encoder, const sfs_record *record,
                       const int32_t *indices, const void *values)
{
    const sfs_block_ops *ops = sfs_block_ops_best();
    uint32_t nnz = record->nnz;
    size_t bytes = (size_t)nnz * encoder->dtype.size;
    return sfs_record_indices(ops, record, (sfs_dtype){'i', 4}, 0, nnz, encoder->numbers) &&
           !memcmp(encoder->numbers, indices, nnz * sizeof *indices) &&
           sfs_record_values(ops, record, encoder->dtype, 0, nnz, encoder->values) &&
           !memcmp(encoder->values, values, bytes);
}

sfs_status sfs_record_encode(sfs_record_encoder *encoder, uint32_t nnz, const int32_t *indices,
                             const void *values, const uint8_t **bytes, uint64_t *size,
                             sfs_error *error)
{
    unsigned mode;
    SFS_TRY(reserve(encoder, nnz, error));
    uint8_t *blocks = encoder->record + sizeof(uint32_t);
    size_t index_bytes = put_indices(encoder, nnz, indices, blocks);
    if (index_bytes > UINT32_MAX / 8)
        return sfs_fail(error, -EINVAL,
                        "expected a row whose indices can be packed in 2^29 bytes, found %zu: use "
                        "--codec raw",
                        index_bytes);
    size_t value_bytes = put_values(encoder, nnz, values, blocks + index_bytes, &mode);
    if (value_bytes > UINT32_MAX - sizeof(uint32_t) - index_bytes)
        return sfs_fail(error, -EINVAL,
                        "expected a row that can be packed in less than 2^32 bytes, found %zu: use "
                        "--codec raw",
                        index_bytes + value_bytes);
    uint32_t head = (uint32_t)index_bytes * 8 + mode;
    memcpy(encoder->record, &head, sizeof head);
    *bytes = encoder->record;
    *size = sizeof head + index_bytes + value_bytes;
    sfs_record record = {
        .bytes = encoder->record, .size = *size, .nnz = nnz, .dtype = encoder->dtype};
    if (!decodes_to(encoder, &record, indices, values))
        return sfs_fail(error, -EIO,
                        "expected a packed row of %u non-zeros to be the same when unpacked, found "
                        "that it is not: this machine's memory or processor fails, or this is an "
                        "error of mkshufflefs; use --codec raw",
                        nnz);
    encoder->totals.index_bytes += sizeof head + index_bytes;
    encoder->totals.value_bytes += value_bytes;
    encoder->totals.rows[mode]++;
    return 0;
}
