/* SPDX-License-Identifier: Apache-2.0 */
#include "select/split_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "select/decimal.h"

#define ONE UINT64_C(1000000000000000)         /* 1 in units of 10^-SFS_SPLIT_PLACES */
#define TOLERANCE (ONE / UINT64_C(1000000000)) /* how far the sum may be off: 1e-9 */

/* A piece of a key's value; not terminated. */
struct piece {
    const char *text;
    size_t size;
};

static bool is_name(struct piece piece)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    return piece.size && strspn(piece.text, letters) >= piece.size;
}

static bool same_piece(struct piece left, struct piece right)
{
    return left.size == right.size && !memcmp(left.text, right.text, left.size);
}

/* Where an error says what was found: the first bytes of a piece. */
static int shown(struct piece piece)
{
    return piece.size < 80 ? (int)piece.size : 80;
}

/* Reads "NAME:FRACTION" into part `count` of out, which then counts it. */
static sfs_status take_part(struct piece item, struct piece *names, sfs_split_parts *out,
                            sfs_error *error)
{
    const char *colon = memchr(item.text, ':', item.size);
    struct piece name = {item.text, colon ? (size_t)(colon - item.text) : item.size};
    if (!colon || !is_name(name))
        return sfs_fail(error, -EINVAL,
                        "split: expected parts of the form NAME:FRACTION with semicolons between "
                        "them, names of letters, digits, _ and -, found \"%.*s\"",
                        shown(item), item.text);
    if (out->count == SFS_SPLIT_PARTS)
        return sfs_fail(error, -EINVAL, "split: expected at most %d parts, found more",
                        SFS_SPLIT_PARTS);
    for (uint32_t i = 0; i < out->count; i++)
        if (same_piece(names[i], name))
            return sfs_fail(error, -EINVAL, "split: expected each name once, found \"%.*s\" twice",
                            shown(name), name.text);
    struct piece fraction = {colon + 1, item.size - name.size - 1};
    uint64_t share;
    if (!sfs_decimal_parse(fraction.text, fraction.size, SFS_SPLIT_PLACES, &share) || !share)
        return sfs_fail(error, -EINVAL,
                        "split: expected a fraction above 0 with a point and at most %d digits "
                        "behind it for part \"%.*s\", found \"%.*s\"",
                        SFS_SPLIT_PLACES, shown(name), name.text, shown(fraction), fraction.text);
    names[out->count] = name;
    out->shares[out->count++] = share;
    return 0;
}

static sfs_status check_sum(sfs_split_parts *parts, sfs_error *error)
{
    for (uint32_t i = 0; i < parts->count; i++) {
        parts->whole += parts->shares[i];
        if (parts->whole >= SFS_DECIMAL_MAX)
            return sfs_fail(error, -EINVAL,
                            "split: expected fractions that sum to 1, found more than %llu",
                            (unsigned long long)(SFS_DECIMAL_MAX / ONE) - 1);
    }
    char sum[SFS_DECIMAL_TEXT];
    sfs_decimal_print(parts->whole, SFS_SPLIT_PLACES, sum);
    if (parts->whole + TOLERANCE < ONE || parts->whole > ONE + TOLERANCE)
        return sfs_fail(error, -EINVAL,
                        "split: expected fractions that sum to 1 (to 9 digits), found a sum of %s",
                        sum);
    return 0;
}

/* "a, b, c", as many as fit. */
static void list_names(const struct piece *names, uint32_t count, char *out, size_t room)
{
    size_t used = 0;
    *out = 0;
    for (uint32_t i = 0; i < count && used + names[i].size + 8 < room; i++)
        used += (size_t)snprintf(out + used, room - used, "%s%.*s", i ? ", " : "",
                                 (int)names[i].size, names[i].text);
}

static sfs_status find_part(const struct piece *names, const char *part, sfs_split_parts *out,
                            sfs_error *error)
{
    struct piece wanted = {part, strlen(part)};
    for (uint32_t i = 0; i < out->count; i++) {
        if (same_piece(names[i], wanted)) {
            out->wanted = i;
            return 0;
        }
    }
    char known[512];
    list_names(names, out->count, known, sizeof known);
    return sfs_fail(error, -EINVAL,
                    "part: expected one of the parts of split (%s), found \"%.80s\"", known, part);
}

sfs_status sfs_split_parse(const char *split, const char *part, sfs_split_parts *out,
                           sfs_error *error)
{
    struct piece names[SFS_SPLIT_PARTS];
    *out = (sfs_split_parts){.unit = ONE};
    for (const char *at = split;; at++) {
        size_t size = strcspn(at, ";");
        SFS_TRY(take_part((struct piece){at, size}, names, out, error));
        at += size;
        if (!*at)
            break;
    }
    SFS_TRY(check_sum(out, error));
    return find_part(names, part, out, error);
}

/* A number without sign and leading zeros, moved behind; 0 where there is none. */
static uint64_t take_number(const char **text)
{
    uint64_t number = 0;
    size_t size = strspn(*text, "0123456789");
    if (**text == '0' || size > 4 || !sfs_decimal_parse(*text, size, 0, &number))
        return 0;
    *text += size;
    return number;
}

sfs_status sfs_fold_parse(const char *fold, const char *part, sfs_split_parts *out,
                          sfs_error *error)
{
    const char *at = fold;
    uint64_t number = take_number(&at), folds = 0;
    if (!strncmp(at, "of", 2)) {
        at += 2;
        folds = take_number(&at);
    }
    if (*at || !number || number > folds || folds > SFS_SPLIT_FOLDS)
        return sfs_fail(error, -EINVAL,
                        "fold: expected IofN with I from 1 to N and N up to %d, found \"%.80s\"",
                        SFS_SPLIT_FOLDS, fold);
    bool train = !strcmp(part, "train");
    if (!train && strcmp(part, "val") != 0)
        return sfs_fail(error, -EINVAL, "part: expected train or val beside fold, found \"%.80s\"",
                        part);
    *out = (sfs_split_parts){.count = (uint32_t)folds,
                             .wanted = (uint32_t)number - 1,
                             .others = train,
                             .unit = folds,
                             .whole = folds};
    for (uint64_t i = 0; i < folds; i++)
        out->shares[i] = 1;
    return 0;
}

void sfs_split_cut_range(const sfs_split_parts *parts, uint64_t *cuts)
{
    uint64_t before = 0;
    for (uint32_t k = 0; k + 1 < parts->count; k++) {
        before += parts->shares[k];
        cuts[k] = (uint64_t)(((unsigned __int128)before << 64) / parts->whole);
    }
}

void sfs_split_cut_exact(const sfs_split_parts *parts, uint64_t n, uint64_t *cuts)
{
    /* In float64 and in this order, as numpy.rint(numpy.cumsum(fractions) * n). */
    double before = 0;
    for (uint32_t k = 0; k + 1 < parts->count; k++) {
        before += (double)parts->shares[k] / (double)parts->unit;
        uint64_t cut = (uint64_t)rint(before * (double)n);
        cuts[k] = cut < n ? cut : n;
    }
}

void sfs_split_cut_stochastic(const sfs_split_parts *parts, uint64_t n, uint64_t uniform,
                              uint64_t *cuts)
{
    sfs_split_cut_range(parts, cuts);
    for (uint32_t k = 0; k + 1 < parts->count; k++)
        cuts[k] = (uint64_t)(((unsigned __int128)cuts[k] * n + uniform) >> 64);
}

uint32_t sfs_split_find(const sfs_split_parts *parts, const uint64_t *cuts, uint64_t at)
{
    uint32_t low = 0, high = parts->count - 1; /* the part is from low to high */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (at < cuts[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
