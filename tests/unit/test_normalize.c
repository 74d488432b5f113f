/* SPDX-License-Identifier: Apache-2.0 */
/* Rows brought into form: sorted, duplicates added up, zeros counted; against a naive model, and
 * case by case. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "convert/normalize.h"

enum { MAX_ROWS = 20, MAX_ENTRIES = 4000 };

static uint64_t random_state = 88172645463325252u;

static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

typedef struct rows {
    uint32_t nnz[MAX_ROWS];
    int32_t indices[MAX_ENTRIES];
    double values[MAX_ENTRIES];
    uint64_t count, columns;
} rows;

static sfs_status normalize(rows *held, sfs_matrix_stats *stats, sfs_error *error)
{
    sfs_csr_block block = {.first_row = 1000,
                           .rows = held->count,
                           .nnz = held->nnz,
                           .indices = held->indices,
                           .values = held->values,
                           .dtype = {'f', 8},
                           .columns = held->columns};
    return sfs_csr_normalize(&block, stats, error);
}

static void fill(rows *held, uint64_t columns, bool sorted)
{
    *held = (rows){.count = random_below(MAX_ROWS), .columns = columns};
    uint64_t used = 0;
    for (uint64_t r = 0; r < held->count; r++) {
        held->nnz[r] = (uint32_t)random_below(random_below(2) ? 6 : MAX_ENTRIES / MAX_ROWS);
        if (sorted && held->nnz[r] > columns)
            held->nnz[r] = (uint32_t)columns;
        for (uint32_t i = 0; i < held->nnz[r]; i++, used++) {
            held->indices[used] = (int32_t)(sorted ? i : random_below(columns));
            held->values[used] = (double)random_below(5) - 2; /* sums of these are exact */
        }
    }
}

/* Adds an entry to a row of the model, which has a cell for every column. */
static void add(double *cells, bool *there, int32_t index, double value)
{
    cells[index] += value;
    there[index] = true;
}

static void check_row(const rows *before, const rows *after, uint64_t r, uint64_t from, uint64_t to)
{
    double *cells = calloc(before->columns, sizeof *cells);
    bool *there = calloc(before->columns, sizeof *there);
    for (uint64_t i = from; i < from + before->nnz[r]; i++)
        add(cells, there, before->indices[i], before->values[i]);
    uint64_t at = to;
    for (uint64_t column = 0; column < before->columns; column++)
        if (there[column]) {
            CHECK(at < to + after->nnz[r] && after->indices[at] == (int32_t)column);
            CHECK(at < to + after->nnz[r] && after->values[at] == cells[column]);
            at++;
        }
    CHECK(at == to + after->nnz[r]);
    free(cells);
    free(there);
}

static void check_against_model(uint64_t columns, bool sorted)
{
    static rows before, after;
    sfs_matrix_stats stats = {0};
    fill(&before, columns, sorted);
    after = before;
    CHECK(!normalize(&after, &stats, NULL));
    uint64_t from = 0, to = 0, zeros = 0;
    for (uint64_t r = 0; r < before.count; r++) {
        check_row(&before, &after, r, from, to);
        from += before.nnz[r];
        to += after.nnz[r];
    }
    for (uint64_t i = 0; i < to; i++)
        zeros += after.values[i] == 0;
    CHECK(stats.duplicates == from - to);
    CHECK(stats.explicit_zeros == zeros);
    CHECK(!sorted || (!stats.unsorted_rows && !stats.duplicates));
}

/* One row of entries that are all in column 3 of 5. */
static sfs_status sum(sfs_dtype dtype, void *values, uint32_t count, sfs_error *error)
{
    int32_t indices[8] = {3, 3, 3, 3, 3, 3, 3, 3};
    sfs_matrix_stats stats = {0};
    sfs_csr_block block = {.first_row = 41,
                           .rows = 1,
                           .nnz = &count,
                           .indices = indices,
                           .values = values,
                           .dtype = dtype,
                           .columns = 5};
    sfs_status status = sfs_csr_normalize(&block, &stats, error);
    CHECK(status || (count == 1 && indices[0] == 3));
    return status;
}

static void check_integer_sums(void)
{
    sfs_error error;
    int8_t small[3] = {100, 27, -128}, large[2] = {100, 28}, there_and_back[3] = {100, 100, -100};
    CHECK(!sum((sfs_dtype){'i', 1}, small, 3, &error) && small[0] == -1);
    CHECK(sum((sfs_dtype){'i', 1}, large, 2, &error) == -EINVAL);
    CHECK(strstr(error.message, "row 41") && strstr(error.message, "column 3"));
    CHECK(!sum((sfs_dtype){'i', 1}, there_and_back, 3, &error) && there_and_back[0] == 100);
    uint16_t words[2] = {65535, 1}, fits[2] = {65534, 1};
    CHECK(sum((sfs_dtype){'u', 2}, words, 2, &error) == -EINVAL);
    CHECK(!sum((sfs_dtype){'u', 2}, fits, 2, &error) && fits[0] == 65535);
    uint64_t most[2] = {UINT64_MAX, 1}, just[2] = {UINT64_MAX - 1, 1};
    CHECK(sum((sfs_dtype){'u', 8}, most, 2, &error) == -EINVAL);
    CHECK(!sum((sfs_dtype){'u', 8}, just, 2, &error) && just[0] == UINT64_MAX);
    int64_t least[2] = {INT64_MIN, -1}, sign[2] = {INT64_MIN, INT64_MAX};
    CHECK(sum((sfs_dtype){'i', 8}, least, 2, &error) == -EINVAL);
    CHECK(!sum((sfs_dtype){'i', 8}, sign, 2, &error) && sign[0] == -1);
    int32_t ints[3] = {5, -7, 1};
    CHECK(!sum((sfs_dtype){'i', 4}, ints, 3, &error) && ints[0] == -1);
    uint8_t flags[2] = {1, 1}, unset[2] = {0, 0};
    CHECK(!sum((sfs_dtype){'b', 1}, flags, 2, &error) && flags[0] == 1);
    CHECK(!sum((sfs_dtype){'b', 1}, unset, 2, &error) && unset[0] == 0);
}

static void check_float_sums(void)
{
    /* In this order and precision, and no other, the sums are these. */
    float floats[3] = {16777216.0f, 1.0f, 1.0f};
    CHECK(!sum((sfs_dtype){'f', 4}, floats, 3, NULL) && floats[0] == 16777216.0f);
    float turned[3] = {1.0f, 1.0f, 16777216.0f};
    CHECK(!sum((sfs_dtype){'f', 4}, turned, 3, NULL) && turned[0] == 16777218.0f);
    double doubles[3] = {1e16, 1, -1e16};
    CHECK(!sum((sfs_dtype){'f', 8}, doubles, 3, NULL) && doubles[0] == 0);
    double odd[2] = {NAN, 1};
    CHECK(!sum((sfs_dtype){'f', 8}, odd, 2, NULL) && isnan(odd[0]));
}

/* Half precision, as bits; the sums are numpy's. */
static void check_half_sums(void)
{
    static const uint16_t cases[][3] = {
        {0x3c00, 0x3c00, 0x4000}, /* 1 + 1 = 2 */
        {0x6800, 0x3c00, 0x6800}, /* 2048 + 1 = 2048: halfway, to even */
        {0x6801, 0x3c00, 0x6802}, /* 2050 + 1 = 2052: halfway, to even */
        {0x7bff, 0x4c00, 0x7c00}, /* 65504 + 16 = infinity */
        {0x7bff, 0x4b80, 0x7bff}, /* 65504 + 15 = 65504 */
        {0x0001, 0x0001, 0x0002}, /* of subnormals */
        {0x03ff, 0x0001, 0x0400}, /* the smallest that is not */
        {0x0400, 0x8001, 0x03ff}, /* and below it again */
        {0x3c00, 0xbc00, 0x0000}, /* 1 - 1 = 0 */
        {0x8000, 0x8000, 0x8000}, /* -0 - 0 = -0 */
        {0x3555, 0x3555, 0x3955}, /* a third, twice */
        {0xfc00, 0x3c00, 0xfc00}, /* -infinity + 1 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint16_t values[2] = {cases[i][0], cases[i][1]};
        CHECK(!sum((sfs_dtype){'f', 2}, values, 2, NULL) && values[0] == cases[i][2]);
    }
    uint16_t odd[2] = {0x7c00, 0xfc00};
    CHECK(!sum((sfs_dtype){'f', 2}, odd, 2, NULL) && (odd[0] & 0x7fff) > 0x7c00);
}

static void check_range(void)
{
    sfs_error error;
    sfs_matrix_stats stats = {0};
    rows *held = calloc(1, sizeof *held);
    *held = (rows){.nnz = {1, 2}, .indices = {4, 0, 5}, .count = 2, .columns = 5};
    CHECK(normalize(held, &stats, &error) == -EINVAL);
    CHECK(strstr(error.message, "row 1001") && strstr(error.message, "found 5"));
    *held = (rows){.nnz = {1}, .indices = {-1}, .count = 1, .columns = INT32_MAX};
    CHECK(normalize(held, &stats, &error) == -EINVAL);
    CHECK(strstr(error.message, "row 1000") && strstr(error.message, "found -1"));
    *held = (rows){.nnz = {1}, .count = 1, .columns = 0};
    CHECK(normalize(held, &stats, &error) == -EINVAL);
    *held = (rows){.nnz = {0, 0}, .count = 2, .columns = 0};
    CHECK(!normalize(held, &stats, &error));
    free(held);
}

/* Minus zero is zero; the smallest number is not. */
static void check_zeros(void)
{
    sfs_matrix_stats stats = {0};
    uint32_t nnz = 4;
    int32_t indices[4] = {0, 1, 2, 3};
    float values[4] = {0.0f, -0.0f, 1e-45f, NAN};
    sfs_csr_block block = {.rows = 1,
                           .nnz = &nnz,
                           .indices = indices,
                           .values = values,
                           .dtype = {'f', 4},
                           .columns = 4};
    CHECK(!sfs_csr_normalize(&block, &stats, NULL));
    CHECK(stats.explicit_zeros == 2 && nnz == 4);
    int16_t words[4] = {0, INT16_MIN, 1, 0};
    stats = (sfs_matrix_stats){0};
    block.values = words;
    block.dtype = (sfs_dtype){'i', 2};
    CHECK(!sfs_csr_normalize(&block, &stats, NULL));
    CHECK(stats.explicit_zeros == 2);
}

int main(void)
{
    for (int i = 0; i < 2000; i++) {
        check_against_model(1 + random_below(i % 2 ? 8 : 70000), false);
        check_against_model(1 + random_below(300), true);
    }
    check_integer_sums();
    check_float_sums();
    check_half_sums();
    check_range();
    check_zeros();
    return check_failures() != 0;
}
