/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of the packed codec: packing and unpacking are inverse for every width and length, sizes
 * are as documented, and the operations for this processor do what the portable ones do. */
#include "check.h"
#include "codec/pfor.h"
#include "rows.h"

/* Numbers of which most have `width` bits and some more. */
static void fill_block(uint32_t *numbers, unsigned n, unsigned width, unsigned style)
{
    uint32_t mask = (uint32_t)((UINT64_C(1) << width) - 1);
    for (unsigned i = 0; i < n; i++) {
        bool exception = style == 1   ? !random_below(20)
                         : style == 2 ? i == n - 1
                         : style == 3 ? i % 2
                                      : false;
        numbers[i] = style == 4 ? mask : (uint32_t)random_bits() & mask;
        if (exception)
            numbers[i] = (uint32_t)random_bits();
    }
}

static void check_block(const uint32_t *numbers, unsigned n)
{
    uint8_t packed[SFS_PFOR_MAX + SFS_BLOCK_SLACK];
    memset(packed, 0xa5, sizeof packed);
    uint32_t portable[SFS_BLOCK], best[SFS_BLOCK], most = 0;
    size_t size = sfs_pfor_encode(numbers, n, packed), bytes = n * sizeof *numbers;
    for (unsigned i = 0; i < n; i++)
        most |= numbers[i];
    unsigned width = most ? 32 - (unsigned)__builtin_clz(most) : 0;
    CHECK(size >= 1 && size <= 1 + (n * width + 7) / 8); /* no more than without exceptions */
    CHECK(packed[size] == 0xa5);
    sfs_packed_block block;
    CHECK(sfs_pfor_parse(packed, size, n, &block) == size);
    CHECK(block.n == n && (!most || sfs_pfor_bits(&block) == width));
    CHECK(sfs_block_ops_portable.unpack(&block, portable));
    CHECK(sfs_block_ops_best()->unpack(&block, best));
    CHECK(!memcmp(portable, numbers, bytes) && !memcmp(best, numbers, bytes));
    for (size_t cut = 0; cut < size; cut++)
        CHECK(!sfs_pfor_parse(packed, cut, n, &block));
}

static void test_pfor(void)
{
    uint32_t numbers[SFS_BLOCK];
    for (unsigned width = 0; width <= 32; width++) {
        for (unsigned n = 1; n <= SFS_BLOCK; n++) {
            for (unsigned style = 0; style < 5; style++) {
                fill_block(numbers, n, width, style);
                check_block(numbers, n);
            }
        }
    }
}

/* Every split of the bits between the packed numbers and the exceptions. */
static void test_pfor_exceptions(void)
{
    uint32_t numbers[SFS_BLOCK];
    for (unsigned width = 0; width < 32; width++) {
        for (unsigned high = 1; high <= 32 - width; high++) {
            fill_block(numbers, SFS_BLOCK, width, 0);
            for (unsigned i = random_below(30); i < SFS_BLOCK; i += 1 + random_below(60))
                numbers[i] |= (uint32_t)(UINT64_C(1) << (width + high - 1));
            check_block(numbers, SFS_BLOCK);
        }
    }
}

/* Packed numbers, bit by bit, in exactly the bytes that may be read. */
static uint8_t *pack_slowly(const uint32_t *numbers, unsigned width, unsigned n)
{
    size_t size = (n * width + 7) / 8;
    uint8_t *bytes = guarded_room(size + SFS_BLOCK_SLACK - CANARY);
    memset(bytes, 0, size);
    for (unsigned bit = 0; bit < n * width; bit++)
        if (numbers[bit / width] >> (bit % width) & 1)
            bytes[bit / 8] = (uint8_t)(bytes[bit / 8] | 1 << bit % 8);
    return bytes;
}

static void check_unpack(const sfs_block_ops *ops, unsigned width, unsigned n)
{
    uint32_t numbers[SFS_BLOCK];
    fill_block(numbers, n, width, random_below(2) ? 0 : 4);
    uint8_t *bytes = pack_slowly(numbers, width, n);
    uint8_t *room = guarded_room(SFS_BLOCK * sizeof *numbers);
    sfs_packed_block block = {.numbers = bytes, .n = n, .width = width};
    CHECK(ops->unpack(&block, (uint32_t *)(void *)room));
    CHECK(!memcmp(room, numbers, n * sizeof *numbers));
    CHECK(guard_holds(room, SFS_BLOCK * sizeof *numbers));
    free(room);
    free(bytes);
}

/* What the operations make of the same numbers. */
struct results {
    uint32_t sums[SFS_BLOCK];
    float floats[SFS_BLOCK];
    uint16_t shorts[SFS_BLOCK];
    uint8_t bytes[SFS_BLOCK];
};

typedef bool block_operation(const sfs_packed_block *block, uint32_t base, uint8_t *out);
typedef void conversion(const uint32_t *numbers, unsigned n, uint32_t base, uint8_t *out);

/* The operations write where nothing is aligned, and no more than a block. */
static bool run_unaligned(block_operation *operation, const sfs_packed_block *block, uint32_t base,
                          void *out)
{
    size_t size = SFS_BLOCK * sizeof(uint32_t);
    uint8_t *room = guarded_room(size + 1);
    bool done = operation(block, base, room + 1);
    memcpy(out, room + 1, size);
    CHECK(guard_holds(room, size + 1));
    free(room);
    return done;
}

static void convert_unaligned(conversion *convert, const uint32_t *numbers, unsigned n,
                              uint32_t base, size_t size, void *out)
{
    uint8_t *room = guarded_room(SFS_BLOCK * size + 1);
    convert(numbers, n, base, room + 1);
    memcpy(out, room + 1, SFS_BLOCK * size);
    CHECK(guard_holds(room, SFS_BLOCK * size + 1));
    free(room);
}

static void run_ops(const sfs_block_ops *ops, const sfs_packed_block *block,
                    const uint32_t *numbers, uint32_t base, struct results *out)
{
    CHECK(run_unaligned(ops->sum_gaps, block, base, out->sums));
    CHECK(run_unaligned(ops->to_float32, block, base, out->floats));
    convert_unaligned(ops->to_uint16, numbers, block->n, base, sizeof(uint16_t), out->shorts);
    convert_unaligned(ops->to_uint8, numbers, block->n, base, sizeof(uint8_t), out->bytes);
}

/* A block in exactly the bytes that may be read; they are to be freed. */
static uint8_t *pack_block(const uint32_t *numbers, unsigned n, sfs_packed_block *out)
{
    uint8_t packed[SFS_PFOR_MAX];
    size_t size = sfs_pfor_encode(numbers, n, packed);
    uint8_t *bytes = guarded_room(size + SFS_BLOCK_SLACK - CANARY);
    memcpy(bytes, packed, size);
    CHECK(sfs_pfor_parse(bytes, size, n, out) == size);
    return bytes;
}

static void check_results(const struct results *found, const uint32_t *numbers, unsigned n,
                          uint32_t base)
{
    uint32_t sum = base;
    for (unsigned i = 0; i < n; i++) {
        uint32_t number = numbers[i] + base;
        sum += numbers[i] + 1;
        CHECK(found->sums[i] == sum);
        CHECK(number > INT32_MAX || found->floats[i] == (float)number);
        CHECK(found->shorts[i] == (number < 65535 ? number : 65535));
        CHECK(found->bytes[i] == (number < 255 ? number : 255));
    }
}

static void check_ops(unsigned width, unsigned n)
{
    static const uint32_t bases[] = {0, 1, UINT32_MAX, 70000};
    uint32_t numbers[SFS_BLOCK], base = bases[random_below(4)];
    struct results portable, best;
    sfs_packed_block block;
    fill_block(numbers, SFS_BLOCK, width, random_below(4));
    uint8_t *bytes = pack_block(numbers, n, &block);
    run_ops(&sfs_block_ops_portable, &block, numbers, base, &portable);
    run_ops(sfs_block_ops_best(), &block, numbers, base, &best);
    check_results(&portable, numbers, n, base);
    CHECK(!memcmp(portable.sums, best.sums, n * sizeof *best.sums));
    CHECK(!memcmp(portable.floats, best.floats, n * sizeof *best.floats));
    CHECK(!memcmp(portable.shorts, best.shorts, n * sizeof *best.shorts));
    CHECK(!memcmp(portable.bytes, best.bytes, n));
    free(bytes);
}

/* Places that do not ascend, or are not of the block: known, and nothing is written elsewhere. */
static void check_wrong_places(const sfs_block_ops *ops, unsigned n, const uint8_t places[3])
{
    uint8_t bytes[SFS_BLOCK + 3 + 3 + SFS_BLOCK_SLACK] = {0};
    uint32_t out[SFS_BLOCK];
    sfs_packed_block block = {.numbers = bytes,
                              .places = bytes + n,
                              .n = n,
                              .width = 8,
                              .exceptions = 3,
                              .high_width = 8};
    memcpy(bytes + n, places, 3);
    CHECK(!run_unaligned(ops->sum_gaps, &block, 0, out));
    CHECK(!run_unaligned(ops->to_float32, &block, 0, out));
    CHECK(!ops->unpack(&block, out));
}

static void test_wrong_places(void)
{
    static const struct {
        unsigned n;
        uint8_t places[3];
    } wrong[] = {{100, {5, 5, 6}},   {100, {5, 4, 6}},   {100, {0, 1, 100}}, {100, {0, 1, 255}},
                 {100, {99, 98, 0}}, {128, {0, 1, 128}}, {128, {0, 1, 255}}, {128, {127, 127, 0}}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        check_wrong_places(&sfs_block_ops_portable, wrong[i].n, wrong[i].places);
        check_wrong_places(sfs_block_ops_best(), wrong[i].n, wrong[i].places);
    }
}

static void test_ops(void)
{
    for (unsigned width = 0; width <= 32; width++) {
        for (unsigned n = 1; n <= SFS_BLOCK; n++) {
            check_unpack(&sfs_block_ops_portable, width, n);
            check_unpack(sfs_block_ops_best(), width, n);
            check_ops(width, n);
        }
    }
}

int main(void)
{
    random_state = 1;
    test_pfor();
    test_pfor_exceptions();
    test_wrong_places();
    test_ops();
    return check_failures() != 0;
}
