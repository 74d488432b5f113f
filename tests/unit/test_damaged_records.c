/* SPDX-License-Identifier: Apache-2.0 */
/* Records that are none: known ones by name, and hundreds of thousands of random ones. Each is
 * refused or decoded, and never read or written past; the address sanitizer sees to it. */
#include "check.h"
#include "codec/inflate.h"
#include "rows.h"

enum { CASES = 400000, BASES = 240, MAX_NNZ = 600, LONG_ROWS = 12 };

static const sfs_block_ops *tables[2];

/* --- known ones ------------------------------------------------------------------------------ */

/* Four values of float32 in columns 0 to 3, but for what the name says. */
struct known {
    const char *name;
    const char *bytes;
    size_t size;
    bool indices, values; /* whether these can be decoded */
};

#define KNOWN(name, bytes, indices, values)                                                        \
    {                                                                                              \
        name, bytes, sizeof bytes - 1, indices, values                                             \
    }
#define ONE "\0\0\x80\x3f"

static const struct known known[] = {
    KNOWN("good: counts",
          "\x08\0\0\0"
          "\0"
          "\0",
          true, true),
    KNOWN("good: numbers",
          "\x09\0\0\0"
          "\0"
          "\x08\1\2\3\4",
          true, true),
    KNOWN("good: an exception",
          "\x08\0\0\0"
          "\0"
          "\x80\1\1\3\1",
          true, true),
    KNOWN("good: all are exceptions",
          "\x08\0\0\0"
          "\0"
          "\x81\4\1\5\0\1\2\3\xf",
          true, true),
    KNOWN("good: largest count",
          "\x08\0\0\0"
          "\0"
          "\x80\1\x1f\3\xfe\xff\xff\x7f",
          true, true),
    KNOWN("good: largest number",
          "\x09\0\0\0"
          "\0"
          "\x80\1\x20\3\xff\xff\xff\x7f",
          true, true),
    KNOWN("good: dictionary",
          "\x0a\0\0\0"
          "\0"
          "\1\0" ONE "\0",
          true, true),
    KNOWN("good: plain",
          "\x0b\0\0\0"
          "\0" ONE ONE ONE ONE,
          true, true),
    KNOWN("no byte", "", false, false),
    KNOWN("one byte", "\x08", false, false),
    KNOWN("two bytes", "\x08\0", false, false),
    KNOWN("three bytes", "\x08\0\0", false, false),
    KNOWN("a head alone", "\x08\0\0\0", false, false),
    KNOWN("mode 5",
          "\x0d\0\0\0"
          "\0"
          "\0",
          false, false),
    KNOWN("mode 6",
          "\x0e\0\0\0"
          "\0"
          "\0",
          false, false),
    KNOWN("mode 7",
          "\x0f\0\0\0"
          "\0"
          "\0",
          false, false),
    KNOWN("no index bytes",
          "\0\0\0\0"
          "\0"
          "\0",
          false, false),
    KNOWN("index bytes beyond the record",
          "\x18\0\0\0"
          "\0"
          "\0",
          false, false),
    KNOWN("most index bytes",
          "\xf8\xff\xff\xff"
          "\0"
          "\0",
          false, false),
    KNOWN("index bytes behind the blocks",
          "\x10\0\0\0"
          "\0\0"
          "\0",
          false, true),
    KNOWN("index block cut",
          "\x10\0\0\0"
          "\x08\0"
          "\0",
          false, true),
    KNOWN("column 4",
          "\x28\0\0\0"
          "\x08\0\0\0\1"
          "\0",
          false, true),
    KNOWN("columns beyond 2^32",
          "\x88\0\0\0"
          "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
          "\0",
          false, true),
    KNOWN("no value byte",
          "\x08\0\0\0"
          "\0",
          true, false),
    KNOWN("value bytes behind the blocks",
          "\x08\0\0\0"
          "\0"
          "\0\0",
          true, false),
    KNOWN("value block cut",
          "\x08\0\0\0"
          "\0"
          "\x08\1\2\3",
          true, false),
    KNOWN("width 33",
          "\x08\0\0\0"
          "\0"
          "\x21\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1",
          true, false),
    KNOWN("width 127",
          "\x08\0\0\0"
          "\0"
          "\x7f\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1",
          true, false),
    KNOWN("width 33 and exceptions",
          "\x08\0\0\0"
          "\0"
          "\xa1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1",
          true, false),
    KNOWN("width 127 and exceptions",
          "\x08\0\0\0"
          "\0"
          "\xff\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1",
          true, false),
    KNOWN("no exceptions",
          "\x08\0\0\0"
          "\0"
          "\x80\0\1",
          true, false),
    KNOWN("more exceptions than numbers",
          "\x08\0\0\0"
          "\0"
          "\x80\5\1\0\1\2\3\3\xf",
          true, false),
    KNOWN("high width 0",
          "\x08\0\0\0"
          "\0"
          "\x80\1\0\3",
          true, false),
    KNOWN("high width beyond 32 bits",
          "\x08\0\0\0"
          "\0"
          "\x81\1\x20\0\3\1\0\0\0",
          true, false),
    KNOWN("exceptions cut",
          "\x08\0\0\0"
          "\0"
          "\x80\2\1\2\3",
          true, false),
    KNOWN("a place behind the block",
          "\x08\0\0\0"
          "\0"
          "\x80\1\1\4\1",
          true, false),
    KNOWN("place 255",
          "\x08\0\0\0"
          "\0"
          "\x80\1\1\xff\1",
          true, false),
    KNOWN("places that descend",
          "\x08\0\0\0"
          "\0"
          "\x80\2\1\3\2\3",
          true, false),
    KNOWN("a place twice",
          "\x08\0\0\0"
          "\0"
          "\x80\2\1\3\3\3",
          true, false),
    KNOWN("a count of 2^31",
          "\x08\0\0\0"
          "\0"
          "\x80\1\x1f\3\xff\xff\xff\x7f",
          true, false),
    KNOWN("a number of 2^31",
          "\x09\0\0\0"
          "\0"
          "\x80\1\x20\3\0\0\0\x80",
          true, false),
    KNOWN("no entries",
          "\x0a\0\0\0"
          "\0"
          "\0\0"
          "\0",
          true, false),
    KNOWN("entries cut",
          "\x0a\0\0\0"
          "\0"
          "\2\0" ONE,
          true, false),
    KNOWN("half a number of entries",
          "\x0a\0\0\0"
          "\0"
          "\1",
          true, false),
    KNOWN("a code without entry",
          "\x0a\0\0\0"
          "\0"
          "\1\0" ONE "\1\x8",
          true, false),
    KNOWN("plain cut",
          "\x0b\0\0\0"
          "\0" ONE ONE ONE "\0\0\x80",
          true, false),
    KNOWN("plain and more",
          "\x0b\0\0\0"
          "\0" ONE ONE ONE ONE "\0",
          true, false),
    KNOWN("no piece",
          "\x0c\0\0\0"
          "\0",
          true, false),
    KNOWN("half a piece's size",
          "\x0c\0\0\0"
          "\0"
          "\4\0",
          true, false),
    KNOWN("a piece of nothing",
          "\x0c\0\0\0"
          "\0"
          "\0\0\0\0",
          true, false),
    KNOWN("a piece beyond the record",
          "\x0c\0\0\0"
          "\0"
          "\5\0\0\0"
          "\x28\xb5\x2f\xfd",
          true, false),
    KNOWN("the largest piece",
          "\x0c\0\0\0"
          "\0"
          "\xff\xff\xff\xff"
          "\x28\xb5\x2f\xfd",
          true, false),
    KNOWN("a piece of garbage",
          "\x0c\0\0\0"
          "\0"
          "\4\0\0\0"
          "\1\2\3\4",
          true, false),
    KNOWN("a piece cut",
          "\x0c\0\0\0"
          "\0"
          "\4\0\0\0"
          "\x28\xb5\x2f\xfd",
          true, false),
};

static void check_known(const char *name, const uint8_t *bytes, size_t size, uint32_t nnz,
                        bool indices, bool values)
{
    uint8_t *copy = exact_copy(bytes, size), out[8 * 2048 + 8];
    sfs_record record = {.bytes = copy, .size = size, .nnz = nnz, .dtype = {'f', 4}};
    for (unsigned i = 0; i < 2; i++) {
        bool checked = sfs_record_check(&record, nnz);
        bool decoded = sfs_record_values(tables[i], &record, (sfs_dtype){'f', 8}, 0, nnz, out);
        if (checked != indices || decoded != values)
            fprintf(stderr, "%s: indices %d, values %d\n", name, checked, decoded);
        CHECK(checked == indices && decoded == values);
    }
    free(copy);
}

/* Those that are too long to be written down. */
static void test_known_long(void)
{
    static uint8_t bytes[8 + 4 * 1100];
    uint8_t *values = bytes + 5, numbers[4 * 104];
    uint32_t head = 8 + SFS_RECORD_DICTIONARY, size;
    uint16_t entries = 1025;
    memcpy(bytes, &head, sizeof head);
    memcpy(values, &entries, sizeof entries);
    check_known("1025 entries", bytes, 5 + 2 + 4 * 1025 + 1, 4, true, false);
    entries = 1024;
    memcpy(values, &entries, sizeof entries);
    check_known("1024 entries", bytes, 5 + 2 + 4 * 1024 + 1, 4, true, true);

    memset(numbers, 1, sizeof numbers);
    bytes[0] = 8 + SFS_RECORD_ZSTD;
    for (unsigned n = 100; n <= 104; n++) {
        size = (uint32_t)sfs_deflate(numbers, n, 4, values + sizeof size);
        memcpy(values, &size, sizeof size);
        CHECK(size > 0 && size < 100);
        check_known("a piece of more values", bytes, 5 + sizeof size + size, 100, true, n == 100);
    }
}

static void test_known(void)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        check_known(known[i].name, (const uint8_t *)known[i].bytes, known[i].size, 4,
                    known[i].indices, known[i].values);
    test_known_long();
}

/* --- random ones ------------------------------------------------------------------------------ */

struct base {
    uint8_t *bytes; /* owned */
    size_t size;
    uint32_t nnz;
    sfs_dtype dtype;
};

static struct base bases[BASES];

static void make_bases(void)
{
    for (unsigned i = 0; i < BASES; i++) {
        sfs_dtype dtype = dtypes[i % DTYPES];
        uint32_t nnz = 1 + random_below(i < LONG_ROWS ? 20000 : 1 + random_below(MAX_NNZ));
        row made = random_row(dtype, i / DTYPES % KINDS, nnz, random_below(2) ? 70000 : INT32_MAX);
        sfs_record_encoder *encoder;
        const uint8_t *bytes;
        uint64_t size;
        sfs_error error;
        CHECK(!sfs_record_encoder_new(dtype, &encoder, &error));
        CHECK(!sfs_record_encode(encoder, nnz, made.indices, made.values, &bytes, &size, &error));
        bases[i] = (struct base){exact_copy(bytes, size), size, nnz, dtype};
        sfs_record_encoder_free(encoder);
        free_row(&made);
    }
}

/* Where it matters most: the heads of the record, of its values, and of blocks. */
static size_t random_place(const uint8_t *bytes, size_t size)
{
    uint32_t head = 0;
    if (size >= sizeof head)
        memcpy(&head, bytes, sizeof head);
    switch (random_below(4)) {
    case 0:
        return random_below(size < 16 ? (uint32_t)size : 16);
    case 1:
        return (4 + (size_t)head / 8 + random_below(12)) % size;
    default:
        return random_below((uint32_t)size);
    }
}

/* A damaged copy of a record, in exactly as many bytes as it has. */
static uint8_t *damage(const struct base *base, size_t *size)
{
    unsigned how = random_below(8);
    *size = how == 0   ? random_below((uint32_t)base->size)
            : how == 1 ? base->size + 1 + random_below(40)
                       : base->size;
    uint8_t *bytes = malloc(*size ? *size : 1);
    if (!bytes)
        abort();
    for (size_t i = 0; i < *size; i++)
        bytes[i] = how == 2 || i >= base->size ? (uint8_t)random_bits() : base->bytes[i];
    if (how == 2 && *size >= 4)
        bytes[2] = bytes[3] = 0; /* else there are never as many index bytes as the head says */
    for (unsigned flips = how < 2 ? random_below(2) : 1 + random_below(6); *size && flips;
         flips--) {
        uint8_t *at = bytes + random_place(bytes, *size);
        unsigned changed = *at ^ 1u << random_below(8);
        *at = (uint8_t)(random_below(2) ? changed : random_below(256));
    }
    return bytes;
}

/* What check accepted has columns in range, ascending; the same by both tables. */
static void check_accepted(const sfs_record *record, uint64_t columns)
{
    size_t bytes = record->nnz * sizeof(int64_t);
    uint8_t *found = guarded_room(bytes), *other = guarded_room(bytes);
    int64_t before = -1, index;
    CHECK(sfs_record_indices(tables[0], record, (sfs_dtype){'i', 8}, 0, record->nnz, found));
    CHECK(sfs_record_indices(tables[1], record, (sfs_dtype){'i', 8}, 0, record->nnz, other));
    CHECK(!memcmp(found, other, bytes));
    for (uint32_t i = 0; i < record->nnz; i++, before = index) {
        memcpy(&index, found + i * sizeof index, sizeof index);
        CHECK(index > before && (uint64_t)index < columns);
    }
    free(found);
    free(other);
}

/* Part of the row by both tables, into exactly the room that it takes. */
static bool decode_part(const sfs_record *record, bool indices, sfs_dtype wanted)
{
    uint32_t first = random_below(record->nnz), count = 1 + random_below(record->nnz - first);
    if (random_below(2))
        first = 0, count = record->nnz;
    size_t bytes = (size_t)count * wanted.size;
    uint8_t *found[2];
    bool decoded[2];
    for (unsigned i = 0; i < 2; i++) {
        found[i] = guarded_room(bytes);
        decoded[i] = indices ? sfs_record_indices(tables[i], record, wanted, first, count, found[i])
                             : sfs_record_values(tables[i], record, wanted, first, count, found[i]);
        CHECK(guard_holds(found[i], bytes));
    }
    CHECK(decoded[0] == decoded[1]);
    CHECK(!decoded[0] || !memcmp(found[0], found[1], bytes));
    free(found[0]);
    free(found[1]);
    return decoded[0];
}

static void test_random(void)
{
    static const sfs_dtype index_dtypes[] = {{'i', 4}, {'i', 8}, {'u', 2}};
    unsigned accepted = 0, decoded = 0;
    for (unsigned i = 0; i < CASES; i++) {
        /* long rows, which are more than a stream holds at once, now and then */
        const struct base *base =
            &bases[random_below(500) ? LONG_ROWS + random_below(BASES - LONG_ROWS)
                                     : random_below(LONG_ROWS)];
        size_t size;
        uint8_t *bytes = damage(base, &size);
        sfs_record record = {.bytes = bytes, .size = size, .nnz = base->nnz, .dtype = base->dtype};
        uint64_t columns = random_below(2) ? 70000 : INT32_MAX;
        if (sfs_record_check(&record, columns)) {
            check_accepted(&record, columns);
            accepted++;
        }
        decode_part(&record, true, index_dtypes[random_below(3)]);
        decoded += decode_part(&record, false, dtypes[random_below(DTYPES)]);
        free(bytes);
    }
    CHECK(accepted > CASES / 10 && accepted < CASES);
    CHECK(decoded > CASES / 10 && decoded < CASES);
}

int main(void)
{
    random_state = 4;
    tables[0] = &sfs_block_ops_portable;
    tables[1] = sfs_block_ops_best();
    test_known();
    make_bases();
    test_random();
    for (unsigned i = 0; i < BASES; i++)
        free(bases[i].bytes);
    return check_failures() != 0;
}
