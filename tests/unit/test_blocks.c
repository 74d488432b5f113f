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
    CHECK(sfs_pfor_size(packed, size, n) == size);
    CHECK(sfs_pfor_size(packed, size < 3 ? size : 3, n) == size);
    CHECK(sfs_pfor_decode(&sfs_block_ops_portable, packed, size, n, portable) == size);
    CHECK(sfs_pfor_decode(sfs_block_ops_best(), packed, size, n, best) == size);
    CHECK(!memcmp(portable, numbers, bytes) && !memcmp(best, numbers, bytes));
    for (size_t cut = 0; cut < size; cut++)
        CHECK(!sfs_pfor_decode(&sfs_block_ops_portable, packed, cut, n, portable));
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
    ops->unpack(bytes, width, n, (uint32_t *)(void *)room);
    CHECK(!memcmp(room, numbers, n * sizeof *numbers));
    CHECK(guard_holds(room, SFS_BLOCK * sizeof *numbers));
    free(room);
    free(bytes);
}

/* What the operations make of the same numbers. */
struct results {
    uint32_t last;
    uint32_t sums[SFS_BLOCK];
    float floats[SFS_BLOCK];
    uint16_t shorts[SFS_BLOCK];
    uint8_t bytes[SFS_BLOCK];
};

typedef void conversion(const uint32_t *numbers, unsigned n, uint32_t base, uint8_t *out);

/* The operations write where nothing is aligned, and no more than a block. */
static void convert_unaligned(conversion *convert, const uint32_t *numbers, unsigned n,
                              uint32_t base, size_t size, void *out)
{
    uint8_t *room = guarded_room(SFS_BLOCK * size + 1);
    convert(numbers, n, base, room + 1);
    memcpy(out, room + 1, SFS_BLOCK * size);
    CHECK(guard_holds(room, SFS_BLOCK * size + 1));
    free(room);
}

static void run_ops(const sfs_block_ops *ops, const uint32_t *numbers, unsigned n, uint32_t base,
                    struct results *out)
{
    uint8_t *room = guarded_room(sizeof out->sums + 1);
    out->last = ops->sum_gaps(numbers, n, base, room + 1);
    memcpy(out->sums, room + 1, sizeof out->sums);
    CHECK(guard_holds(room, sizeof out->sums + 1));
    free(room);
    convert_unaligned(ops->to_float32, numbers, n, base, sizeof(float), out->floats);
    convert_unaligned(ops->to_uint16, numbers, n, base, sizeof(uint16_t), out->shorts);
    convert_unaligned(ops->to_uint8, numbers, n, base, sizeof(uint8_t), out->bytes);
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
    CHECK(found->last == sum);
}

static void check_ops(unsigned width, unsigned n)
{
    static const uint32_t bases[] = {0, 1, UINT32_MAX, 70000};
    uint32_t numbers[SFS_BLOCK], base = bases[random_below(4)];
    struct results portable, best;
    fill_block(numbers, SFS_BLOCK, width, random_below(4));
    run_ops(&sfs_block_ops_portable, numbers, n, base, &portable);
    run_ops(sfs_block_ops_best(), numbers, n, base, &best);
    check_results(&portable, numbers, n, base);
    CHECK(portable.last == best.last);
    CHECK(!memcmp(portable.sums, best.sums, n * sizeof *best.sums));
    CHECK(!memcmp(portable.floats, best.floats, n * sizeof *best.floats));
    CHECK(!memcmp(portable.shorts, best.shorts, n * sizeof *best.shorts));
    CHECK(!memcmp(portable.bytes, best.bytes, n));
}

static void test_ops(void)
{
    for (unsigned width = 0; width <= 32; width++) {
        for (unsigned n = 0; n <= SFS_BLOCK; n++) {
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
    test_ops();
    return check_failures() != 0;
}
