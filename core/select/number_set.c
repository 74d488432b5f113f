/* SPDX-License-Identifier: Apache-2.0 */
#include "select/number_set.h"

#include <locale.h>
#include <math.h>
#include <string.h>

#include "codec/cast.h"

/* Larger than any integer here, and both a float64 and an integer of 128 bits. */
static const double beyond = 0x1.8p126;

sfs_operator sfs_operator_mirror(sfs_operator op)
{
    unsigned bits = (unsigned)op, less = bits & SFS_LESS, greater = bits & SFS_GREATER;
    return (sfs_operator)((bits & ~(unsigned)(SFS_LESS | SFS_GREATER)) | (less ? SFS_GREATER : 0) |
                          (greater ? SFS_LESS : 0));
}

const char *sfs_operator_text(sfs_operator op)
{
    switch (op) {
    case SFS_LESS:
        return "<";
    case SFS_EQUAL:
        return "==";
    case SFS_LESS_EQUAL:
        return "<=";
    case SFS_GREATER:
        return ">";
    case SFS_GREATER_EQUAL:
        return ">=";
    default:
        return "!=";
    }
}

static double within(double x)
{
    return fabs(x) < beyond ? x : copysign(beyond, x);
}

unsigned sfs_compare_mixed(__int128 left, double right)
{
    if (isnan(right))
        return SFS_NOT_EQUAL & ~(unsigned)(SFS_LESS | SFS_GREATER);
    double whole = trunc(within(right));
    __int128 other = (__int128)whole;
    if (left != other)
        return left < other ? SFS_LESS : SFS_GREATER;
    return right > whole ? SFS_LESS : right < whole ? SFS_GREATER : SFS_EQUAL;
}

sfs_integer_range sfs_integers_where(sfs_operator op, sfs_number number)
{
    __int128 below = number.integer, above = number.integer; /* floor and ceiling */
    if (number.is_float) {
        if (isnan(number.real))
            return (sfs_integer_range){1, 0};
        below = (__int128)floor(within(number.real));
        above = (__int128)ceil(within(number.real));
    }
    switch (op) {
    case SFS_LESS:
        return (sfs_integer_range){-SFS_INTEGER_MAX, above - 1};
    case SFS_LESS_EQUAL:
        return (sfs_integer_range){-SFS_INTEGER_MAX, below};
    case SFS_GREATER:
        return (sfs_integer_range){below + 1, SFS_INTEGER_MAX};
    case SFS_GREATER_EQUAL:
        return (sfs_integer_range){above, SFS_INTEGER_MAX};
    default:
        return (sfs_integer_range){above, below};
    }
}

/* The float64 next to an integer, on either side unless it is one. */
static void surround(__int128 integer, double *below, double *above)
{
    double nearest = (double)integer;
    *below = (__int128)nearest > integer ? nextafter(nearest, -INFINITY) : nearest;
    *above = (__int128)nearest < integer ? nextafter(nearest, INFINITY) : nearest;
}

sfs_real_range sfs_reals_where(sfs_operator op, sfs_number number)
{
    double below = number.real, above = number.real;
    if (!number.is_float)
        surround(number.integer, &below, &above);
    if (isnan(below))
        return (sfs_real_range){1, 0};
    bool exact = below == above;
    switch (op) {
    case SFS_LESS:
        if (below == -INFINITY)
            break;
        return (sfs_real_range){-INFINITY, exact ? nextafter(below, -INFINITY) : below};
    case SFS_LESS_EQUAL:
        return (sfs_real_range){-INFINITY, below};
    case SFS_GREATER:
        if (above == INFINITY)
            break;
        return (sfs_real_range){exact ? nextafter(above, INFINITY) : above, INFINITY};
    case SFS_GREATER_EQUAL:
        return (sfs_real_range){above, INFINITY};
    default:
        return (sfs_real_range){above, below};
    }
    return (sfs_real_range){1, 0};
}

sfs_number sfs_number_beside(sfs_number number, sfs_dtype dtype)
{
    if (!number.is_float || dtype.kind != 'f' || dtype.size >= sizeof number.real)
        return number;
    double rounded = dtype.size == sizeof(float)
                         ? (double)(float)number.real
                         : sfs_half_to_double(sfs_half_from_double(number.real));
    if (isfinite(rounded) && rounded != 0)
        number.real = rounded;
    return number;
}

double sfs_parse_real(const char *text)
{
    locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    double real = plain ? strtod_l(text, NULL, plain) : strtod(text, NULL);
    if (plain)
        freelocale(plain);
    return real;
}

static size_t count_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* An integer of that many digits; false where it is too large. */
static bool read_integer(const char *digits, size_t count, __int128 *out)
{
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        *out = *out * 10 + (digits[i] - '0');
        if (*out > UINT64_MAX)
            return false;
    }
    return true;
}

bool sfs_number_of_text(const uint8_t *text, size_t size, sfs_number *out)
{
    char copy[64];
    if (!size || size >= sizeof copy || memchr(text, 0, size))
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    *out = (sfs_number){0};
    const char *at = copy + (*copy == '-');
    if (!strcmp(at, "inf") || !strcmp(at, "nan")) {
        *out = (sfs_number){.is_float = true, .real = *at == 'n' ? NAN : INFINITY};
        out->real = *copy == '-' ? -out->real : out->real;
        return true;
    }
    size_t whole = count_digits(at), part = 0;
    const char *end = at + whole;
    if (!*end && whole && read_integer(at, whole, &out->integer)) {
        out->integer = *copy == '-' ? -out->integer : out->integer;
        return true;
    }
    if (*end == '.')
        end += 1 + (part = count_digits(end + 1));
    if (!whole && !part)
        return false;
    if (*end == 'e' || *end == 'E') {
        end += 1 + (end[1] == '+' || end[1] == '-');
        size_t digits = count_digits(end);
        end = digits ? end + digits : copy;
    }
    *out = (sfs_number){.is_float = true, .real = sfs_parse_real(copy)};
    return !*end;
}

static int compare_integers(const void *left, const void *right)
{
    const sfs_integer_range *a = left, *b = right;
    return (a->low > b->low) - (a->low < b->low);
}

void sfs_integer_set_sort(sfs_integer_set *set)
{
    size_t count = 0;
    qsort(set->ranges, set->count, sizeof *set->ranges, compare_integers);
    for (size_t i = 0; i < set->count; i++) {
        sfs_integer_range range = set->ranges[i];
        if (range.low > range.high)
            continue;
        if (!count || range.low > set->ranges[count - 1].high)
            set->ranges[count++] = range;
        else if (range.high > set->ranges[count - 1].high)
            set->ranges[count - 1].high = range.high;
    }
    set->count = count;
}

static int compare_reals(const void *left, const void *right)
{
    const sfs_real_range *a = left, *b = right;
    return (a->low > b->low) - (a->low < b->low);
}

void sfs_real_set_sort(sfs_real_set *set)
{
    size_t count = 0;
    qsort(set->ranges, set->count, sizeof *set->ranges, compare_reals);
    for (size_t i = 0; i < set->count; i++) {
        sfs_real_range range = set->ranges[i];
        if (range.low > range.high)
            continue;
        if (!count || range.low > set->ranges[count - 1].high)
            set->ranges[count++] = range;
        else if (range.high > set->ranges[count - 1].high)
            set->ranges[count - 1].high = range.high;
    }
    set->count = count;
}

bool sfs_integer_set_has(const sfs_integer_set *set, __int128 x)
{
    size_t low = 0, high = set->count; /* the first range that does not end before x */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->ranges[middle].high < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->count && set->ranges[low].low <= x;
}

bool sfs_real_set_has(const sfs_real_set *set, double x)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->ranges[middle].high < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->count && set->ranges[low].low <= x && x <= set->ranges[low].high;
}
