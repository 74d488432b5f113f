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

/* Appends a block of that form, whatever an encoder would do, whose number i is an exception with
 * a chance of one in `rarity`; 0: none is. Returns where its places are. */
static uint8_t *add_block(struct run *run, unsigned width, unsigned high_width, unsigned rarity)
{
    uint8_t *head = run->bytes + run->ends[run->blocks], *at = head, places[SFS_BLOCK];
    uint32_t *numbers = run->numbers + run->blocks * SFS_BLOCK, highs[SFS_BLOCK];
    unsigned exceptions = 0;
    memset(head, 0, SFS_PFOR_MAX);
    for (unsigned i = 0; i < SFS_BLOCK; i++) {
        numbers[i] = (uint32_t)(random_bits() & ((UINT64_C(1) << width) - 1));
        if (!rarity || random_below(rarity))
            continue;
        highs[exceptions] = (uint32_t)(random_bits() & ((UINT64_C(1) << high_width) - 1));
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

static void check_elements(const struct run *run, sfs_narrow_form form, uint32_t base,
                           uint32_t count, const uint8_t *out, uint32_t *sum)
{
    bool same = true;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t element[4];
        *sum += run->numbers[i] + 1;
        expect(form, run->numbers[i], *sum, base, element);
        same &= !memcmp(element, out + i * sizes[form], sizes[form]);
    }
    CHECK(same);
}

/* Decodes the run from memory that ends behind it, to memory that ends behind its elements. Returns
 * how many blocks were decoded. */
static uint32_t check_run(const sfs_block_ops *ops, const struct run *run, sfs_narrow_form form)
{
    size_t size = run->ends[run->blocks], room_size = run->blocks * SFS_BLOCK * sizes[form];
    uint8_t *bytes = malloc(size + SFS_BLOCK_SLACK), *room = guarded_room(room_size + 1);
    uint32_t base = random_below(form <= SFS_NARROW_SUMS_16 ? 70000 : 2);
    base = form <= SFS_NARROW_SUMS_16 && random_below(2) ? UINT32_MAX : base;
    memcpy(bytes, run->bytes, size);
    memset(bytes + size, 0xff, SFS_BLOCK_SLACK);
    sfs_narrow_run decoded = {bytes, size, run->blocks, base};
    uint32_t done = ops->decode_narrow(&decoded, form, room + 1), sum = base;
    CHECK(done <= run->blocks && decoded.bytes == bytes + run->ends[done] &&
          decoded.size == size - run->ends[done]);
    check_elements(run, form, base, done * SFS_BLOCK, room + 1, &sum);
    uint32_t last = form == SFS_NARROW_SUMS_32   ? sum
                    : form == SFS_NARROW_SUMS_16 ? smaller(sum, UINT16_MAX - 1)
                                                 : base;
    CHECK(decoded.base == (done ? last : base));
    for (size_t i = done * SFS_BLOCK * sizes[form]; i < room_size; i++)
        CHECK(room[1 + i] == 0xa5);
    CHECK(guard_holds(room, room_size + 1));
    free(bytes);
    free(room);
    return done;
}

/* Every form; returns the fewest blocks that were decoded. */
static uint32_t check_forms(const struct run *run)
{
    uint32_t fewest = run->blocks;
    for (unsigned form = 0; form < FORMS; form++) {
        uint32_t done = check_run(sfs_block_ops_best(), run, (sfs_narrow_form)form);
        fewest = done < fewest ? done : fewest;
        CHECK(!check_run(&sfs_block_ops_portable, run, (sfs_narrow_form)form));
    }
    return fewest;
}

static bool knows_runs(void)
{
    return sfs_block_ops_best()->decode_narrow != sfs_narrow_decode_none;
}

static void test_every_split(void)
{
    static const unsigned rarities[] = {0, 1, 2, 12, 40, 128};
    for (unsigned width = 0; width <= 12; width++) {
        for (unsigned high_width = 1; high_width <= 13; high_width++) {
            struct run run = {.blocks = 0};
            for (unsigned i = 0; i < 6; i++)
                add_block(&run, width, high_width, rarities[i]);
            uint32_t done = check_forms(&run);
            CHECK(done == run.blocks || !knows_runs() || width > 8 || high_width > 8 ||
                  width + high_width > 12);
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
        CHECK(check_forms(&run) == BLOCKS || !knows_runs() || most > 8);
    }
}

/* A run whose second block has these as its first and last places. */
static void check_wrong_places(uint8_t first, uint8_t last)
{
    struct run run = {.blocks = 0};
    unsigned exceptions;
    uint8_t *places;
    add_block(&run, 7, 2, 30);
    do {
        run.blocks = 1;
        places = add_block(&run, 3, 4, 9);
        exceptions = run.bytes[run.ends[1] + 1];
    } while (run.bytes[run.ends[1]] < SFS_PFOR_EXCEPTIONS || exceptions < 2);
    places[0] = first;
    places[exceptions - 1] = last;
    add_block(&run, 2, 2, 30);
    for (unsigned form = 0; form < FORMS; form++)
        CHECK(check_run(sfs_block_ops_best(), &run, (sfs_narrow_form)form) == knows_runs());
}

static void test_wrong_blocks(void)
{
    for (unsigned round = 0; round < 200; round++) {
        check_wrong_places(0, 0);
        check_wrong_places(0, (uint8_t)(128 + random_below(128)));
        check_wrong_places((uint8_t)(128 + random_below(128)), 127);
    }
}

/* A block that is cut, by any number of bytes, is left alone. */
static void test_cut(void)
{
    struct run run = {.blocks = 0};
    add_block(&run, 5, 3, 20);
    add_block(&run, 4, 2, 10);
    for (size_t size = run.ends[1]; size < run.ends[2]; size++) {
        uint8_t *bytes = malloc(size + SFS_BLOCK_SLACK), out[2 * SFS_BLOCK * 4];
        memcpy(bytes, run.bytes, size);
        memset(bytes + size, 0, SFS_BLOCK_SLACK);
        sfs_narrow_run cut = {bytes, size, 2, 0};
        CHECK(sfs_block_ops_best()->decode_narrow(&cut, SFS_NARROW_SUMS_32, out) == knows_runs());
        free(bytes);
    }
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
