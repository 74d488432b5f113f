/* SPDX-License-Identifier: Apache-2.0 */
/* The order of an epoch against the frozen vectors, and as a bijection; the argument is
 * order_vectors.json. */
#include <jansson.h>
#include <string.h>

#include "check.h"
#include "order/deal.h"
#include "order/order.h"

/* Read as reals, because 2^64 - 1 is too large for Jansson's integers; all others are exact in 53
 * bits. */
static uint64_t integer(const json_t *value)
{
    double real = json_number_value(value);
    return real >= 0x1p64 ? UINT64_MAX : (uint64_t)real;
}

static uint64_t number(const json_t *object, const char *key)
{
    return integer(json_object_get(object, key));
}

static void check_vector(const json_t *vector, sfs_order_kind kind)
{
    sfs_order order;
    sfs_order_spec spec = {.kind = kind,
                           .n = number(vector, "n"),
                           .seed = number(vector, "seed"),
                           .epoch = number(vector, "epoch"),
                           .block_size = number(vector, "block_size"),
                           .window = number(vector, "window")};
    const json_t *positions = json_object_get(vector, "position");
    const json_t *rows = json_object_get(vector, "row");
    CHECK(!sfs_order_open(&order, &spec, NULL));
    for (size_t i = 0; i < json_array_size(positions); i++) {
        uint64_t at = integer(json_array_get(positions, i)), row, back;
        CHECK(!sfs_order_row(&order, at, &row, NULL));
        CHECK(row == integer(json_array_get(rows, i)));
        CHECK(!sfs_order_position(&order, row, &back, NULL));
        CHECK(back == at);
    }
    sfs_order_close(&order);
}

static void check_vectors(const char *path)
{
    json_t *root = json_load_file(path, JSON_DECODE_INT_AS_REAL, NULL);
    CHECK(root != NULL);
    const json_t *permutations = json_object_get(root, "permutation");
    const json_t *blocks = json_object_get(root, "block");
    CHECK(json_array_size(permutations) > 50 && json_array_size(blocks) > 5);
    for (size_t i = 0; i < json_array_size(permutations); i++)
        check_vector(json_array_get(permutations, i), SFS_ORDER_SHUFFLE);
    for (size_t i = 0; i < json_array_size(blocks); i++)
        check_vector(json_array_get(blocks, i), SFS_ORDER_BLOCK);
    json_decref(root);
}

/* Each row once, and back again. */
static void check_bijection(uint64_t n, sfs_order_kind kind, uint64_t block_size, uint64_t window)
{
    sfs_order order;
    sfs_order_spec spec = {kind, n, 3, 1, block_size, window};
    unsigned char *seen = calloc(n + 1, 1);
    CHECK(!sfs_order_open(&order, &spec, NULL));
    for (uint64_t i = 0; i < n; i++) {
        uint64_t row = n, back = n;
        CHECK(!sfs_order_row(&order, i, &row, NULL) && row < n && !seen[row]);
        seen[row < n ? row : n] = 1;
        CHECK(!sfs_order_position(&order, row, &back, NULL) && back == i);
    }
    sfs_order_close(&order);
    free(seen);
}

/* What each tail promises of an epoch. */
static void check_deal(uint64_t n, uint64_t world_size, uint64_t batch_size, sfs_tail tail)
{
    sfs_deal_spec spec = {n, world_size, batch_size, tail};
    uint64_t steps = sfs_deal_steps(&spec), dealt = 0, repeated = 0, largest = 0;
    for (uint64_t step = 0; step < steps; step++) {
        for (uint64_t rank = 0; rank < world_size; rank++) {
            sfs_deal_run run = sfs_deal_batch(&spec, rank, step);
            CHECK(run.count <= batch_size);
            CHECK(tail == SFS_TAIL_PAD || run.first + run.count <= n);
            CHECK(tail != SFS_TAIL_EVEN || run.count > 0);
            CHECK(tail != SFS_TAIL_DROP || run.count == batch_size);
            dealt += run.count;
            repeated += run.repeated;
            largest = run.count > largest ? run.count : largest;
        }
    }
    CHECK(tail != SFS_TAIL_KEEP || dealt == n);
    CHECK(tail != SFS_TAIL_PAD || (dealt - repeated == n && repeated < world_size));
    CHECK(tail != SFS_TAIL_EVEN || n - dealt < world_size);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    if (argc == 2)
        check_vectors(argv[1]);
    for (uint64_t n = 0; n < 130; n++) {
        check_bijection(n, SFS_ORDER_SHUFFLE, 1, 1);
        check_bijection(n, SFS_ORDER_BLOCK, 7, 21);
    }
    static const uint64_t sizes[] = {4095, 4096, 4097, 5000, 8192, 8193, 16385};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_bijection(sizes[i], SFS_ORDER_SHUFFLE, 1, 1);
        check_bijection(sizes[i], SFS_ORDER_BLOCK, 64, 256);
        check_bijection(sizes[i], SFS_ORDER_BLOCK, 1, 8192);
    }
    for (uint64_t n = 0; n < 60; n++)
        for (uint64_t world_size = 1; world_size < 7; world_size++)
            for (uint64_t batch_size = 1; batch_size < 7; batch_size++)
                for (sfs_tail tail = SFS_TAIL_EVEN; tail <= SFS_TAIL_DROP; tail++)
                    check_deal(n, world_size, batch_size, tail);
    return check_failures() != 0;
}
