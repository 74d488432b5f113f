/* SPDX-License-Identifier: Apache-2.0 */
/* Casts between all types, against a reference; float16 for each of its numbers and the places
 * between them. */
#include "check.h"
#include "reference_cast.h"
#include "rows.h"

enum { COUNT = 700 }; /* more than one piece of a cast */

static void check_cast(sfs_dtype from, kind of, sfs_dtype to)
{
    row made = random_row(from, of, COUNT, COUNT);
    uint32_t count = 1 + random_below(COUNT);
    uint8_t *found = guarded_room((size_t)count * to.size + 1);
    uint8_t *expected = guarded_room((size_t)count * to.size);
    sfs_cast(from, made.values, to, found + 1, count); /* aligned to nothing */
    reference_cast(from, made.values, to, expected, count);
    CHECK(same_elements(to, found + 1, expected, count));
    CHECK(guard_holds(found, (size_t)count * to.size + 1));
    if (sfs_dtype_same(from, to))
        CHECK(!memcmp(found + 1, made.values, (size_t)count * to.size));
    free(expected);
    free(found);
    free_row(&made);
}

static void test_casts(void)
{
    for (unsigned from = 0; from < DTYPES; from++)
        for (unsigned to = 0; to < DTYPES; to++)
            for (kind of = 0; of < KINDS; of++)
                for (unsigned i = 0; i < 4; i++)
                    check_cast(dtypes[from], of, dtypes[to]);
}

static void check_double(double value, sfs_dtype to, double expected)
{
    uint64_t found = 0;
    double back;
    sfs_cast((sfs_dtype){'f', 8}, &value, to, &found, 1);
    sfs_cast(to, &found, (sfs_dtype){'f', 8}, &back, 1);
    CHECK(back == expected);
}

/* The rules, by example. */
static void test_rules(void)
{
    const sfs_dtype u1 = {'u', 1}, u2 = {'u', 2}, i4 = {'i', 4}, f2 = {'f', 2}, f4 = {'f', 4};
    check_double(0.5, u1, 0);
    check_double(1.5, u1, 2);
    check_double(2.5, u1, 2);
    check_double(255.4, u1, 255);
    check_double(256, u1, 255);
    check_double(-1, u2, 0);
    check_double(NAN, i4, 0);
    check_double(INFINITY, u2, 65535);
    check_double(-INFINITY, i4, -0x1p31);
    check_double(65519, f2, 65504);
    check_double(65520, f2, INFINITY);
    check_double(1e300, f4, INFINITY);
    check_double(0x1p24 + 1, f4, 0x1p24);
}

/* Every number that float16 has is itself again; what lies between two goes to the nearer one, and
 * to the even one from the middle. */
static void test_halves(void)
{
    for (uint32_t half = 0; half < 65536; half++) {
        double value = sfs_half_to_double((uint16_t)half);
        uint16_t again = sfs_half_from_double(value);
        CHECK(isnan(value) ? isnan(sfs_half_to_double(again)) : again == half);
        CHECK(isnan(value) == ((half & 0x7fff) > 0x7c00));
        CHECK(signbit(value) == (half >> 15 ? signbit(-1.0) : 0));
    }
    for (uint16_t half = 0; half < 0x7c00; half++) {
        uint16_t next = (uint16_t)(half + 1), even = half % 2 ? next : half;
        double low = sfs_half_to_double(half);
        double high = next == 0x7c00 ? 65536 : sfs_half_to_double(next);
        double middle = (low + high) / 2;
        CHECK(low < high);
        CHECK(sfs_half_from_double(middle) == even);
        CHECK(sfs_half_from_double(nextafter(middle, low)) == half);
        CHECK(sfs_half_from_double(nextafter(middle, high)) == next);
        CHECK(sfs_half_from_double(-middle) == (even | 0x8000));
    }
    CHECK(sfs_half_to_double(0x3c00) == 1 && sfs_half_to_double(1) == 0x1p-24);
    CHECK(sfs_half_to_double(0x7bff) == 65504 && sfs_half_to_double(0xfc00) == -INFINITY);
}

int main(void)
{
    random_state = 2;
    test_casts();
    test_rules();
    test_halves();
    return check_failures() != 0;
}
