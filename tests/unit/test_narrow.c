/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of narrow blocks of the packed codec: what they become is what the numbers say, for every
 * split of bits and any exceptions; a run ends before a block that is wide, cut or wrong; and
 * nothing is read or written outside. */
#include "check.h"
#include "codec/pfor.h"
#include "rows.h"

enum { BLOCKS = 7, FORMS = SFS_NARROW_NONE };

static const size_t sizes[FORMS] = {4, 2, 4, 2, 1};

/* Blocks one behind another, and their numbers. */
struct run {
    uint8_t bytes[BLOCKS * SFS_PFOR_MAX];
    size_t ends[BLOCKS + 1]; /* of each block, in bytes; the first: 0 */
    uint32_t numbers[BLOCKS * SFS_BLOCK];
    unsigned blocks;
};

static void put_bits(uint8_t *bytes, size_t bit, uint32_t number, unsigned width)
{
    for (unsigned i = 0; i < width; i++, bit++)
        if (number >> i & 1)
            bytes[bit / 8] = (uint8_t)(bytes[bit / 8] | 1 << bit % 8);
}

/* Random bits, or all ones. */
static uint32_t bits_of(unsigned width, bool ones)
{
    return (uint32_t)((ones ? UINT64_MAX : random_bits()) & ((UINT64_C(1) << width) - 1));
}

/* Appends a block of that form, whatever an encoder would do, of which a number is an exception
 * with a chance of one in `rarity`; 0: none is. Returns where its places are. */
static uint8_t *add_block(struct run *run, unsigned width, unsigned high_width, unsigned rarity,
                          bool ones)
{
    uint8_t *head = run->bytes + run->ends[run->blocks], *at = head, places[SFS_BLOCK];
    uint32_t *numbers = run->numbers + run->blocks * SFS_BLOCK, highs[SFS_BLOCK];
    unsigned exceptions = 0;
    memset(head, 0, SFS_PFOR_MAX);
    for (unsigned i = 0; i < SFS_BLOCK; i++) {
        numbers[i] = bits_of(width, ones);
        if (!rarity || random_below(rarity))
            continue;
        highs[exceptions] = bits_of(high_width, ones);
        numbers[i] |= highs[exceptions] << width;
        places[exceptions++] = (uint8_t)i;
    }
    *at++ = (uint8_t)(exceptions ? SFS_PFOR_EXCEPTIONS + width : width);
    if (exceptions) {
        *at++ = (uint8_t)exceptions;
        *at++ = (uint8_t)high_width;
    }
    for (unsigned i = 0; i < SFS_BLOCK; i++)
        put_bits(at, (size_t)i * width, numbers[i], width);
    at += sfs_pfor_packed(SFS_BLOCK, width);
    uint8_t *places_at = at;
    memcpy(at, places, exceptions);
    at += exceptions;
    for (unsigned i = 0; i < exceptions; i++)
        put_bits(at, (size_t)i * high_width, highs[i], high_width);
    at += exceptions ? sfs_pfor_packed(exceptions, high_width) : 0;
    run->ends[++run->blocks] = (size_t)(at - run->bytes);
    return places_at;
}

static uint32_t smaller(uint64_t number, uint32_t most)
{
    return number < most ? (uint32_t)number : most;
}

/* The element that number i becomes; sum: of the gaps up to it, and of what comes before. */
static void expect(sfs_narrow_form form, uint32_t number, uint32_t sum, uint32_t base, void *out)
{
    const uint32_t added = number + base;
    const float real = (float)added;
    const uint16_t low = (uint16_t)smaller(sum, UINT16_MAX),
                   word = (uint16_t)smaller(added, UINT16_MAX);
    const uint8_t byte = (uint8_t)smaller(added, UINT8_MAX);
    const void *elements[FORMS] = {&sum, &low, &real, &word, &byte};
    memcpy(out, elements[form], sizes[form]);
}

static bool is_narrow(const struct run *run, unsigned block, sfs_narrow_form form)
{
    const uint8_t *head = run->bytes + run->ends[block];
    unsigned width = head[0] % SFS_PFOR_EXCEPTIONS;
    unsigned high_width = head[0] < SFS_PFOR_EXCEPTIONS ? 0 : head[2];
    return width <= (form <= SFS_NARROW_SUMS_16 ? 9 : 8) && high_width <= 9 &&
           width + high_width <= 12;
}

/* How many of the first `most` blocks are decoded; and as what, which is appended to out. */
static uint32_t expect_run(const struct run *run, uint32_t most, sfs_narrow_form form,
                           uint32_t base, uint32_t *last, uint8_t *out)
{
    uint32_t sum = base, done = 0;
    *last = base;
    for (; done < most && is_narrow(run, done, form); done++) {
        for (unsigned i = done * SFS_BLOCK; i < (done + 1) * SFS_BLOCK; i++) {
            sum += run->numbers[i] + 1;
            expect(form, run->numbers[i], sum, base, out + i * sizes[form]);
        }
        if (form == SFS_NARROW_SUMS_16 && (base + 1 >= UINT16_MAX || sum + 1 >= UINT16_MAX))
            break;
        *last = form <= SFS_NARROW_SUMS_16 ? sum : base;
    }
    return done;
}

static uint32_t random_base(sfs_narrow_form form)
{
    if (form > SFS_NARROW_SUMS_16)
        return random_below(2);
    if (random_below(2))
        return UINT32_MAX;
    return form == SFS_NARROW_SUMS_16 ? random_below(70000) : (uint32_t)random_bits();
}

/* Decodes the run, of which the first `most` blocks are whole, from memory that ends behind it, to
 * memory that ends behind its elements. */
static void check_run(const struct run *run, uint32_t most, sfs_narrow_form form)
{
    size_t size = run->ends[run->blocks], room_size = run->blocks * SFS_BLOCK * sizes[form];
    uint8_t *bytes = malloc(size + SFS_BLOCK_SLACK), *room = guarded_room(room_size + 1);
    uint8_t *expected = malloc(room_size);
    uint32_t base = random_base(form), last;
    memcpy(bytes, run->bytes, size);
    memset(bytes + size, 0xff, SFS_BLOCK_SLACK);
    sfs_narrow_run decoded = {bytes, size, run->blocks, base};
    uint32_t done = sfs_block_ops_best()->decode_narrow(&decoded, form, room + 1);
    if (sfs_block_ops_best()->decode_narrow == sfs_narrow_decode_none)
        most = 0;
    CHECK(done == expect_run(run, most, form, base, &last, expected));
    CHECK(decoded.bytes == bytes + run->ends[done] && decoded.size == size - run->ends[done]);
    CHECK(decoded.base == last);
    CHECK(!memcmp(room + 1, expected, done * SFS_BLOCK * sizes[form]));
    CHECK(room[0] == 0xa5 && guard_holds(room, room_size + 1));
    free(bytes);
    free(room);
    free(expected);
}

static void check_forms(const struct run *run, uint32_t most)
{
    for (unsigned form = 0; form < FORMS; form++)
        check_run(run, most, (sfs_narrow_form)form);
}

static void test_every_split(void)
{
    static const unsigned rarities[] = {0, 1, 2, 12, 40, 128};
    for (unsigned width = 0; width <= 12; width++) {
        for (unsigned high_width = 1; high_width <= 13; high_width++) {
            for (unsigned ones = 0; ones < 2; ones++) {
                struct run run = {.blocks = 0};
                for (unsigned i = 0; i < 6; i++)
                    add_block(&run, width, high_width, rarities[i], ones);
                check_forms(&run, run.blocks);
            }
        }
    }
}

/* Numbers of an encoder, among which some blocks are not narrow. */
static void test_encoded(void)
{
    for (unsigned round = 0; round < 3000; round++) {
        struct run run = {.blocks = 0};
        unsigned most = 1 + random_below(random_below(4) ? 10 : 32);
        while (run.blocks < BLOCKS) {
            uint32_t *numbers = run.numbers + run.blocks * SFS_BLOCK;
            for (unsigned i = 0; i < SFS_BLOCK; i++)
                numbers[i] = random_of_width(random_below(20) ? most / 2 : most);
            size_t size = sfs_pfor_encode(numbers, SFS_BLOCK, run.bytes + run.ends[run.blocks]);
            run.ends[run.blocks + 1] = run.ends[run.blocks] + size;
            run.blocks++;
        }
        check_forms(&run, run.blocks);
    }
}

/* A run whose second block has `place` where its exception number i says where it is; -1: the same
 * as the one before says. */
static void check_wrong_place(unsigned i, int place)
{
    struct run run = {.blocks = 0};
    add_block(&run, 7, 2, 30, false);
    uint8_t *places = add_block(&run, 3, 4, 2, false);
    CHECK(run.bytes[run.ends[1] + 1] > 20);
    places[i] = place < 0 ? places[i - 1] : (uint8_t)place;
    add_block(&run, 2, 2, 30, false);
    check_forms(&run, 1);
}

static void test_wrong_blocks(void)
{
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 20; i++) {
            check_wrong_place(i, (int)(128 + random_below(128)));
            check_wrong_place(i + 1, -1);
            check_wrong_place(i + 1, 0);
        }
    }
}

/* A block that is cut, by any number of bytes, is left alone. */
static void test_cut(void)
{
    struct run run = {.blocks = 0};
    add_block(&run, 5, 3, 20, false);
    add_block(&run, 4, 2, 10, false);
    while (--run.ends[2] > run.ends[1])
        check_forms(&run, 1);
}

int main(void)
{
    random_state = 2;
    test_every_split();
    test_encoded();
    test_wrong_blocks();
    test_cut();
    return check_failures() != 0;
}
