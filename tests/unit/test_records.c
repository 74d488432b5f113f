/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the packed codec: rows of every dtype and kind come back as they were, whole and in
 * part, in every type that a view can ask for. */
#include "check.h"
#include "reference_cast.h"
#include "rows.h"
#include "store/value_type.h"

static const sfs_block_ops *tables[2];

enum { RANGES = 4 };

/* Part of a row: from element `first` on. */
struct range {
    uint32_t first, count;
};

static struct range random_range(uint32_t nnz, unsigned number)
{
    if (!number)
        return (struct range){0, nnz};
    uint32_t first = random_below(nnz), left = nnz - first;
    return (struct range){first, 1 + random_below(number == 1 && left > 300 ? 300 : left)};
}

static void check_indices(const sfs_record *record, const row *made, sfs_dtype wanted)
{
    sfs_dtype stored = {'i', 4};
    for (unsigned i = 0; i < 2 * RANGES; i++) {
        struct range range = random_range(record->nnz, i / 2);
        size_t bytes = (size_t)range.count * wanted.size;
        uint8_t *found = guarded_room(bytes), *expected = guarded_room(bytes);
        CHECK(sfs_record_indices(tables[i % 2], record, wanted, range.first, range.count, found));
        reference_cast(stored, made->indices + range.first, wanted, expected, range.count);
        CHECK(!memcmp(found, expected, bytes) && guard_holds(found, bytes));
        free(expected);
        free(found);
    }
}

static void check_values(const sfs_record *record, const row *made, sfs_dtype wanted)
{
    size_t size = wanted.size;
    uint8_t *expected = guarded_room(record->nnz * size);
    reference_cast(made->dtype, made->values, wanted, expected, record->nnz);
    bool exact = sfs_dtype_same(made->dtype, wanted);
    if (exact)
        memcpy(expected, made->values, record->nnz * size);
    for (unsigned i = 0; i < 2 * RANGES; i++) {
        struct range range = random_range(record->nnz, i / 2);
        uint8_t *found = guarded_room(range.count * size + 1);
        const uint8_t *there = expected + range.first * size;
        CHECK(
            sfs_record_values(tables[i % 2], record, wanted, range.first, range.count, found + 1));
        CHECK(exact ? !memcmp(found + 1, there, range.count * size)
                    : same_elements(wanted, found + 1, there, range.count));
        CHECK(guard_holds(found, range.count * size + 1));
        free(found);
    }
    free(expected);
}

/* Elements that the record has not are refused, and nothing is written. */
static void check_beyond(const sfs_record *record)
{
    const uint32_t wrong[][2] = {{0, record->nnz + 1}, {record->nnz, 1}, {1, UINT32_MAX}};
    for (unsigned i = 0; i < 2 * sizeof wrong / sizeof *wrong; i++) {
        uint32_t first = wrong[i / 2][0], count = wrong[i / 2][1];
        uint64_t out = 0;
        CHECK(!sfs_record_indices(tables[i % 2], record, (sfs_dtype){'i', 4}, first, count, &out));
        CHECK(!sfs_record_values(tables[i % 2], record, record->dtype, first, count, &out));
        CHECK(!out);
    }
}

static void check_row(sfs_record_encoder *encoder, const row *made)
{
    const uint8_t *bytes;
    uint64_t size;
    sfs_error error;
    int encoded =
        sfs_record_encode(encoder, made->nnz, made->indices, made->values, &bytes, &size, &error);
    CHECK(!encoded);
    if (encoded)
        return;
    uint8_t *copy = exact_copy(bytes, size);
    sfs_record record = {.bytes = copy, .size = size, .nnz = made->nnz, .dtype = made->dtype};
    uint64_t last = (uint64_t)made->indices[made->nnz - 1];
    CHECK(size <= 4 + (uint64_t)made->nnz * (4 + made->dtype.size) + made->nnz / SFS_BLOCK + 1);
    CHECK(sfs_record_check(&record, last + 1) && !sfs_record_check(&record, last));
    check_beyond(&record);
    check_indices(&record, made, (sfs_dtype){'i', 4});
    check_indices(&record, made, (sfs_dtype){'i', 8});
    if (last <= UINT16_MAX)
        check_indices(&record, made, (sfs_dtype){'u', 2});
    check_values(&record, made, made->dtype);
    for (unsigned i = 0; i < SFS_VALUE_TYPES; i++)
        check_values(&record, made, sfs_value_types[i].dtype);
    free(copy);
}

static void random_and_check(sfs_record_encoder *encoder, sfs_dtype dtype, kind of, uint32_t nnz)
{
    uint64_t columns = random_below(2) ? nnz + random_of_width(16) : INT32_MAX;
    row made = random_row(dtype, of, nnz, columns);
    check_row(encoder, &made);
    free_row(&made);
}

static const uint32_t lengths[] = {1, 2, 127, 128, 129, 256, 2047, 2048, 2049, 4097, 5000, 5001};

static void check_dtype(unsigned number, uint64_t *rows_of_mode)
{
    sfs_dtype dtype = dtypes[number];
    sfs_record_encoder *encoder;
    sfs_error error;
    CHECK(!sfs_record_encoder_new(dtype, &encoder, &error));
    for (kind of = 0; of < KINDS; of++) {
        for (unsigned i = 0; i < 12; i++)
            random_and_check(encoder, dtype, of, 1 + random_below(400));
        for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++)
            random_and_check(encoder, dtype, of, lengths[i]);
        if (of % 4 == number % 4) /* these take most of the time */
            random_and_check(encoder, dtype, of, 10000 + random_below(60000));
    }
    const sfs_record_totals *totals = sfs_record_encoder_totals(encoder);
    for (unsigned mode = 0; mode < SFS_RECORD_MODES; mode++)
        rows_of_mode[mode] += totals->rows[mode];
    sfs_record_encoder_free(encoder);
}

static void test_rows(void)
{
    uint64_t rows_of_mode[SFS_RECORD_MODES] = {0};
    for (unsigned i = 0; i < DTYPES; i++)
        check_dtype(i, rows_of_mode);
    for (unsigned mode = 0; mode < SFS_RECORD_MODES; mode++)
        CHECK(rows_of_mode[mode] >= 50);
}

/* The same row gives the same bytes, whatever was encoded before it. */
static void test_same_bytes(void)
{
    sfs_error error;
    for (unsigned i = 0; i < 100; i++) {
        sfs_dtype dtype = dtypes[random_below(DTYPES)];
        row made = random_row(dtype, random_below(KINDS), 1 + random_below(3000), INT32_MAX);
        row other = random_row(dtype, random_below(KINDS), 1 + random_below(9000), INT32_MAX);
        sfs_record_encoder *encoder;
        const uint8_t *bytes;
        uint64_t size, again;
        CHECK(!sfs_record_encoder_new(dtype, &encoder, &error));
        CHECK(!sfs_record_encode(encoder, made.nnz, made.indices, made.values, &bytes, &size,
                                 &error));
        uint8_t *first = exact_copy(bytes, size);
        CHECK(!sfs_record_encode(encoder, other.nnz, other.indices, other.values, &bytes, &again,
                                 &error));
        CHECK(!sfs_record_encode(encoder, made.nnz, made.indices, made.values, &bytes, &again,
                                 &error));
        CHECK(size == again && !memcmp(first, bytes, size));
        free(first);
        sfs_record_encoder_free(encoder);
        free_row(&made);
        free_row(&other);
    }
}

int main(void)
{
    random_state = 3;
    tables[0] = &sfs_block_ops_portable;
    tables[1] = sfs_block_ops_best();
    test_rows();
    test_same_bytes();
    return check_failures() != 0;
}
