/* SPDX-License-Identifier: Apache-2.0 */
/* What splits and draws are made of, without a collection: how keys are read, where parts are cut,
 * rounding within classes, decimals and alias tables. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "select/alias.h"
#include "select/decimal.h"
#include "select/split_parts.h"
#include "select/strata.h"

static uint64_t random_state = 88172645463325252U;

static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

static void check_decimals(void)
{
    static const struct {
        const char *text;
        uint64_t value; /* UINT64_MAX: refused */
    } cases[] = {{"0", 0},
                 {"1", 1000},
                 {"0.5", 500},
                 {"0.125", 125},
                 {"007.1", 7100},
                 {"4611686018427387.903", SFS_DECIMAL_MAX - 1},
                 {"4611686018427387.904", UINT64_MAX},
                 {"99999999999999999999", UINT64_MAX},
                 {"0.1250", UINT64_MAX},
                 {".5", UINT64_MAX},
                 {"5.", UINT64_MAX},
                 {"", UINT64_MAX},
                 {"1e3", UINT64_MAX},
                 {"0,5", UINT64_MAX},
                 {"-1", UINT64_MAX},
                 {"+1", UINT64_MAX},
                 {" 1", UINT64_MAX},
                 {"1.2.3", UINT64_MAX},
                 {"nan", UINT64_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t value;
        bool read = sfs_decimal_parse(cases[i].text, strlen(cases[i].text), 3, &value);
        CHECK(read == (cases[i].value != UINT64_MAX));
        CHECK(!read || value == cases[i].value);
    }
    char text[SFS_DECIMAL_TEXT];
    sfs_decimal_print(999000000000000, 15, text);
    CHECK(!strcmp(text, "0.999"));
    sfs_decimal_print(3000, 3, text);
    CHECK(!strcmp(text, "3"));
    sfs_decimal_print(SFS_DECIMAL_MAX - 1, 15, text);
    CHECK(!strcmp(text, "4611.686018427387903"));
    sfs_decimal_print(0, 3, text);
    CHECK(!strcmp(text, "0"));
}

/* The sentence names what was found. */
static void check_refused(sfs_status (*parse)(const char *, const char *, sfs_split_parts *,
                                              sfs_error *),
                          const char *text, const char *part, const char *found)
{
    sfs_split_parts parts;
    sfs_error error = {""};
    CHECK(parse(text, part, &parts, &error) == -EINVAL);
    if (!strstr(error.message, found)) {
        fprintf(stderr, "\"%s\" of %s does not name %s\n", error.message, text, found);
        CHECK(strstr(error.message, found));
    }
}

static void check_parsing(void)
{
    sfs_split_parts parts;
    CHECK(!sfs_split_parse("train:0.8;val:0.1;test:0.1", "val", &parts, NULL));
    CHECK(parts.count == 3 && parts.wanted == 1 && !parts.others);
    CHECK(parts.shares[0] == 8 * parts.shares[2] && parts.whole == parts.unit);
    CHECK(!sfs_split_parse("all:1", "all", &parts, NULL) && parts.count == 1);
    CHECK(!sfs_split_parse("a:0.333333333;b:0.333333333;c:0.333333333", "c", &parts, NULL));
    check_refused(sfs_split_parse, "a:0.333333333;b:0.333333333;c:0.333333332", "c",
                  "a sum of 0.999999998");
    check_refused(sfs_split_parse, "a:0.9;b:0.099", "a", "a sum of 0.999");
    check_refused(sfs_split_parse, "a:0.9;b:0.11", "a", "a sum of 1.01");
    check_refused(sfs_split_parse, "a:4000;b:4000", "a", "found more than");
    check_refused(sfs_split_parse, "a:0.9;b:0", "a", "for part \"b\", found \"0\"");
    check_refused(sfs_split_parse, "a:0.9;b:1e-1", "a", "\"1e-1\"");
    check_refused(sfs_split_parse, "a:1.5;b:-0.5", "a", "\"-0.5\"");
    check_refused(sfs_split_parse, "a:0.9;a:0.1", "a", "\"a\" twice");
    check_refused(sfs_split_parse, "a:0.9;b c:0.1", "a", "\"b c:0.1\"");
    check_refused(sfs_split_parse, "a:0.9;:0.1", "a", "\":0.1\"");
    check_refused(sfs_split_parse, "a:1;", "a", "found \"\"");
    check_refused(sfs_split_parse, "", "a", "found \"\"");
    check_refused(sfs_split_parse, "a", "a", "found \"a\"");
    check_refused(sfs_split_parse, "train:0.8;test:0.2", "tests", "(train, test), found \"tests\"");
    check_refused(sfs_split_parse, "train:0.8;test:0.2", "", "found \"\"");

    char many[SFS_SPLIT_PARTS * 16 + 16] = "";
    for (int i = 0; i < SFS_SPLIT_PARTS; i++)
        snprintf(many + strlen(many), 16, "%sp%d:0.015625", i ? ";" : "", i);
    CHECK(!sfs_split_parse(many, "p63", &parts, NULL) && parts.count == SFS_SPLIT_PARTS);
    snprintf(many + strlen(many), 16, ";q:0.015625");
    check_refused(sfs_split_parse, many, "p0", "at most 64 parts");

    CHECK(!sfs_fold_parse("3of5", "train", &parts, NULL));
    CHECK(parts.count == 5 && parts.wanted == 2 && parts.others);
    CHECK(!sfs_fold_parse("1000of1000", "val", &parts, NULL) && !parts.others);
    static const char *const bad[] = {"0of5",  "6of5",  "1of1001", "3",     "3of",   "of5",
                                      "3of5x", "03of5", "3of05",   "3 of5", "-1of5", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_refused(sfs_fold_parse, bad[i], "val", bad[i]);
    check_refused(sfs_fold_parse, "3of5", "test", "train or val beside fold, found \"test\"");
}

/* The sizes of the parts of n rows. */
static void exact_sizes(const char *split, const char *part, uint64_t n, uint64_t *sizes)
{
    sfs_split_parts parts;
    uint64_t cuts[SFS_SPLIT_PARTS], before = 0;
    CHECK(!sfs_split_parse(split, part, &parts, NULL));
    sfs_split_cut_exact(&parts, n, cuts);
    for (uint32_t k = 0; k < parts.count; k++) {
        uint64_t cut = k + 1 < parts.count ? cuts[k] : n;
        sizes[k] = cut - before;
        before = cut;
    }
}

/* As numpy rounds the cumulative sums: half to even. */
static void check_exact_sizes(void)
{
    uint64_t sizes[3];
    exact_sizes("a:0.7;b:0.3", "a", 12, sizes);
    CHECK(sizes[0] == 8 && sizes[1] == 4);
    exact_sizes("a:0.7;b:0.3", "a", 15, sizes);
    CHECK(sizes[0] == 10 && sizes[1] == 5);
    exact_sizes("a:0.7;b:0.2;c:0.1", "a", 15, sizes);
    CHECK(sizes[0] == 10 && sizes[1] == 3 && sizes[2] == 2);
    exact_sizes("a:0.7;b:0.3", "a", 11, sizes);
    CHECK(sizes[0] == 8 && sizes[1] == 3);
    exact_sizes("a:0.5;b:0.5", "a", 5, sizes);
    CHECK(sizes[0] == 2 && sizes[1] == 3);
    exact_sizes("a:0.5;b:0.5", "a", 7, sizes);
    CHECK(sizes[0] == 4 && sizes[1] == 3);
    exact_sizes("a:0.5;b:0.5", "a", 0, sizes);
    CHECK(sizes[0] == 0 && sizes[1] == 0);
    exact_sizes("a:0.9999999999;b:0.0000000001", "a", UINT64_C(1) << 40, sizes);
    CHECK(sizes[0] + sizes[1] == UINT64_C(1) << 40 && sizes[1] == 110);
}

static void check_stochastic_sizes(void)
{
    sfs_split_parts parts;
    uint64_t cuts[3], n = UINT64_C(1) << 40;
    CHECK(!sfs_split_parse("a:0.4;b:0.3;c:0.2;d:0.1", "a", &parts, NULL));
    sfs_split_cut_stochastic(&parts, 4, 0, cuts);
    CHECK(cuts[0] == 1 && cuts[1] == 2 && cuts[2] == 3);
    sfs_split_cut_stochastic(&parts, 4, UINT64_MAX, cuts);
    CHECK(cuts[0] == 2 && cuts[1] == 3 && cuts[2] == 4);
    sfs_split_cut_stochastic(&parts, n, UINT64_MAX, cuts);
    CHECK(cuts[2] <= n && cuts[2] >= n / 10 * 9);
    CHECK(sfs_split_find(&parts, cuts, cuts[1]) == 2 && sfs_split_find(&parts, cuts, 0) == 0);
    CHECK(sfs_split_find(&parts, cuts, cuts[1] - 1) == 1);
    CHECK(sfs_split_find(&parts, cuts, n - 1) == 3);
}

/* Each class and each part within 1 of its share, classes whole. */
static void check_strata(const sfs_split_parts *parts, const uint32_t *sizes, uint32_t classes)
{
    sfs_strata strata;
    int64_t totals[SFS_SPLIT_FOLDS] = {0};
    uint64_t n = 0;
    CHECK(!sfs_strata_open(parts, sizes, classes, &strata, NULL));
    for (uint32_t c = 0; c < classes; c++) {
        uint64_t dealt = 0;
        n += sizes[c];
        for (uint32_t k = 0; k < parts->count; k++) {
            uint64_t count = strata.counts[(size_t)c * parts->count + k];
            __int128 off = (__int128)count * parts->whole - (__int128)parts->shares[k] * sizes[c];
            CHECK(off < (__int128)parts->whole && off > -(__int128)parts->whole);
            dealt += count;
            totals[k] += (int64_t)count;
        }
        CHECK(dealt == sizes[c]);
    }
    for (uint32_t k = 0; k < parts->count; k++) {
        __int128 off = (__int128)totals[k] * parts->whole - (__int128)parts->shares[k] * n;
        CHECK(off < (__int128)parts->whole && off > -(__int128)parts->whole);
    }
    sfs_strata_close(&strata);
}

/* Where rounding one class after another leaves a part off by a row, too many or too few. */
static void check_hard_strata(void)
{
    static const struct {
        uint64_t shares[8];
        uint32_t sizes[8];
    } cases[] = {{{2, 3, 2, 6, 2, 3}, {3, 27}},
                 {{11, 30, 2, 17, 6, 2}, {22, 12}},
                 {{2, 4, 5, 26, 5, 2, 4, 4}, {35, 8, 6, 29}},
                 {{1, 1, 1, 8, 8, 1}, {5, 1, 6, 22, 5, 1}},
                 {{4, 4, 5, 3, 4}, {4, 37, 25, 3, 10, 4, 32}},
                 {{18, 4, 3, 3, 2}, {7, 3, 34, 14, 7, 10}},
                 {{2, 3, 2, 20, 2, 9}, {5, 25, 6, 23, 5, 6, 19}},
                 {{14, 12, 2, 2, 5, 5}, {4, 16}},
                 {{16, 16, 16, 1, 1}, {11, 4, 8, 2}},
                 {{1, 2, 2, 1, 5, 5, 24, 10}, {4, 5, 2, 26, 3, 15, 35}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sfs_split_parts parts = {0};
        uint32_t classes = 0;
        for (; parts.count < 8 && cases[i].shares[parts.count]; parts.count++)
            parts.whole += parts.shares[parts.count] = cases[i].shares[parts.count];
        while (classes < 8 && cases[i].sizes[classes])
            classes++;
        check_strata(&parts, cases[i].sizes, classes);
    }
}

static void check_random_strata(void)
{
    enum { ROUNDS = 20000, CLASSES = 40 };
    for (int i = 0; i < ROUNDS; i++) {
        sfs_split_parts parts = {.count = 1 + (uint32_t)random_below(i % 10 ? 8 : SFS_SPLIT_PARTS)};
        uint32_t sizes[CLASSES], classes = 1 + (uint32_t)random_below(CLASSES);
        uint64_t largest = 1 + random_below(i % 3 ? 12 : 1000);
        for (uint32_t k = 0; k < parts.count; k++) {
            parts.shares[k] = 1 + random_below(random_below(2) ? 3 : 200);
            parts.whole += parts.shares[k];
        }
        for (uint32_t c = 0; c < classes; c++)
            sizes[c] = (uint32_t)(1 + random_below(largest));
        check_strata(&parts, sizes, classes);
    }
    sfs_split_parts parts;
    uint32_t large[] = {UINT32_MAX, UINT32_MAX - 1, 1};
    CHECK(!sfs_split_parse("a:0.999999999999999;b:0.000000000000001", "a", &parts, NULL));
    check_strata(&parts, large, 3);
    CHECK(!sfs_fold_parse("1of1000", "val", &parts, NULL));
    check_strata(&parts, large, 3);
}

/* The mass of each entry is what its weight says, to a unit of 2^-32 of a column. */
static void check_alias(const uint64_t *weights, uint64_t count)
{
    sfs_alias_entry *entries = malloc((count + 1) * sizeof *entries);
    uint64_t *mass = calloc(count + 1, sizeof *mass);
    unsigned __int128 sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        entries[i].weight = weights[i];
        sum += weights[i];
    }
    CHECK(!sfs_alias_build(entries, count, NULL));
    for (uint64_t i = 0; i < count; i++) {
        mass[i] += entries[i].column.threshold;
        mass[entries[i].column.other] += (UINT64_C(1) << 32) - entries[i].column.threshold;
    }
    for (uint64_t i = 0; i < count; i++) {
        double ideal = (double)weights[i] / (double)sum * (double)count * 4294967296.0;
        CHECK(fabs((double)mass[i] - ideal) < 1.0 + ideal * 1e-14);
        CHECK(weights[i] || !mass[i]);
    }
    CHECK(sfs_alias_draw(entries, count, 0) < count);
    CHECK(sfs_alias_draw(entries, count, UINT64_MAX) < count);
    free(entries);
    free(mass);
}

static void check_alias_tables(void)
{
    enum { MOST = 200 };
    uint64_t weights[MOST] = {SFS_ALIAS_WEIGHT_MAX - 1};
    check_alias(weights, 1);
    check_alias(weights, MOST);
    weights[0] = 1;
    check_alias(weights, MOST);
    for (int i = 0; i < 2000; i++) {
        uint64_t count = 1 + random_below(MOST), bits = 1 + random_below(62);
        for (uint64_t k = 0; k < count; k++)
            weights[k] = random_below(4) ? random_below(UINT64_C(1) << random_below(bits)) : 0;
        weights[random_below(count)] = 1;
        check_alias(weights, count);
    }
    for (int k = 0; k < MOST; k++)
        weights[k] = 7;
    check_alias(weights, MOST);
}

int main(void)
{
    check_decimals();
    check_parsing();
    check_exact_sizes();
    check_stochastic_sizes();
    check_hard_strata();
    check_random_strata();
    check_alias_tables();
    return check_failures() != 0;
}
