/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/number_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codec/cast.h"

/* A float, as the float64 that it equals, not below 0. */
struct real {
    double value;
    uint32_t size; /* bytes of its type: 2, 4 or 8 */
};

/* digits x 10^exponent. */
struct decimal {
    uint64_t digits;
    int exponent;
};

/* Of a float type: from `normal` on, any two decimals of `sure` digits are different floats; `most`
 * digits tell all floats apart; up to `whole`, floats are at most 1 apart. */
struct precision {
    int sure, most;
    double normal, whole;
};

enum { EXACT_POWERS = 22 }; /* 10^22 is the last one that is a float64 */

static const double powers[EXACT_POWERS + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static struct precision precision_of(uint32_t size)
{
    return size == 8   ? (struct precision){15, 17, 0x1p-1022, 0x1p53}
           : size == 4 ? (struct precision){6, 9, 0x1p-126, 0x1p24}
                       : (struct precision){3, 5, 0x1p-14, 0x1p11};
}

/* digits x 10^exponent as a float64, where one correctly rounded operation gives it. */
static bool is_exact(struct decimal decimal)
{
    return decimal.digits <= UINT64_C(1) << 53 && abs(decimal.exponent) <= EXACT_POWERS;
}

static double scale(double value, int exponent)
{
    return exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
}

/* Half way between two neighbours of type float32. */
static bool is_between_floats(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & ((UINT64_C(1) << 29) - 1)) == UINT64_C(1) << 28;
}

/* Whether the decimal is read as that float. Rounding to float64 on the way to float32 changes
 * nothing, unless it ends half way. Text without a decimal point is the same in every locale. */
static bool reads_back(struct decimal decimal, struct real real)
{
    char text[SFS_NUMBER_TEXT];
    double near = is_exact(decimal) ? scale((double)decimal.digits, decimal.exponent) : 0;
    if (real.size == 8 && is_exact(decimal))
        return near == real.value;
    if (real.size == 4 && is_exact(decimal) && !is_between_floats(near))
        return (double)(float)near == real.value;
    snprintf(text, sizeof text, "%" PRIu64 "e%d", decimal.digits, decimal.exponent);
    if (real.size == 4)
        return (double)strtof(text, NULL) == real.value;
    double value = strtod(text, NULL);
    return (real.size == 2 ? sfs_half_to_double(sfs_half_from_double(value)) : value) == real.value;
}

enum guess {
    GUESS_RIGHT,
    GUESS_MORE_DIGITS, /* no decimal of `sure` digits is read as the float */
    GUESS_NONE,
};

/* The decimal of `count` digits at the float, by one multiplication, and how far the float is from
 * it, in units of the last digit. False where that may be wrong by more than a rounding: the
 * logarithm may have been rounded to the next integer. */
static bool multiply(struct real real, int count, struct decimal *out, double *distance)
{
    int shift = count - 1 - (int)floor(log10(real.value));
    if (abs(shift) > EXACT_POWERS)
        return false;
    double product = scale(real.value, shift), digits = rint(product);
    *out = (struct decimal){(uint64_t)digits, -shift};
    *distance = fabs(product - digits);
    return digits > powers[count - 1] && digits < powers[count];
}

/* The decimal of `sure` digits at the float: if any such is read back, it is this one, and all
 * shorter ones are the same with zeros at the end. */
static enum guess guess(struct real real, const struct precision *precision, struct decimal *out)
{
    double distance;
    if (real.value < precision->normal || !multiply(real, precision->sure, out, &distance))
        return GUESS_NONE;
    return reads_back(*out, real) ? GUESS_RIGHT : GUESS_MORE_DIGITS;
}

/* The decimal of `count` digits that is nearest to the float. */
static struct decimal nearest(struct real real, int count)
{
    char text[48];
    struct decimal out = {0};
    double distance;
    if (count <= 9 && multiply(real, count, &out, &distance) && distance < 0.499)
        return out;
    out = (struct decimal){0};
    snprintf(text, sizeof text, "%.*e", count - 1, real.value);
    const char *at = text;
    for (; *at != 'e'; at++)
        if (*at >= '0' && *at <= '9') /* not the decimal point, whatever it is here */
            out.digits = out.digits * 10 + (uint64_t)(*at - '0');
    out.exponent = atoi(at + 1) - (count - 1);
    return out;
}

/* Below a power of two floats are closer together than above, so that the nearest decimal may fail
 * there and the next larger one be read back. */
static bool try_digits(struct real real, int count, struct decimal *out)
{
    int exponent;
    *out = nearest(real, count);
    if (reads_back(*out, real))
        return true;
    out->digits++;
    return frexp(real.value, &exponent) == 0.5 && reads_back(*out, real);
}

/* The shortest decimal of `least` digits or more; what is read back with some digits is so with
 * more, too. */
static struct decimal search(struct real real, int least, int most)
{
    struct decimal out = nearest(real, most);
    while (least < most) {
        struct decimal tried;
        int middle = least + (most - least) / 2;
        if (try_digits(real, middle, &tried)) {
            out = tried;
            most = middle;
        } else {
            least = middle + 1;
        }
    }
    return out;
}

static struct decimal shortest(struct real real)
{
    struct precision precision = precision_of(real.size);
    struct decimal out;
    if (real.value < precision.whole && real.value == floor(real.value))
        return (struct decimal){(uint64_t)real.value, 0};
    enum guess guessed = guess(real, &precision, &out);
    if (guessed != GUESS_RIGHT)
        out = search(real, guessed == GUESS_NONE ? 1 : precision.sure + 1, precision.most);
    while (out.digits && out.digits % 10 == 0) {
        out.digits /= 10;
        out.exponent++;
    }
    return out;
}

static unsigned print_uint(uint64_t value, char *out)
{
    char reversed[20];
    unsigned length = 0;
    do {
        reversed[length++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (unsigned i = 0; i < length; i++)
        out[i] = reversed[length - 1 - i];
    return length;
}

static unsigned print_zeros(int count, char *out)
{
    for (int i = 0; i < count; i++)
        out[i] = '0';
    return count > 0 ? (unsigned)count : 0;
}

/* Digits with the decimal point behind the first `whole` of them, where there are so many, and at
 * least one digit on both sides of it. */
static unsigned print_point(const char *digits, int count, int whole, char *out)
{
    char *at = out;
    int leading = whole < count ? (whole > 0 ? whole : 0) : count;
    memcpy(at, digits, (size_t)leading);
    at += leading;
    at += print_zeros(leading ? whole - count : 1, at);
    *at++ = '.';
    at += print_zeros(-whole, at);
    memcpy(at, digits + leading, (size_t)(count - leading));
    at += count - leading;
    if (leading == count)
        *at++ = '0';
    return (unsigned)(at - out);
}

static unsigned print_exponent(const char *digits, int count, int exponent, char *out)
{
    char *at = out;
    *at++ = digits[0];
    if (count > 1) {
        *at++ = '.';
        memcpy(at, digits + 1, (size_t)(count - 1));
        at += count - 1;
    }
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    at += print_zeros(abs(exponent) < 10, at);
    at += print_uint((uint64_t)abs(exponent), at);
    return (unsigned)(at - out);
}

/* Python looks at the decimal, numpy at the value, to choose the form. */
static unsigned print_real(struct real real, char *out)
{
    char digits[20];
    struct decimal decimal = shortest(real);
    int count = (int)print_uint(decimal.digits, digits), exponent = decimal.exponent + count - 1;
    bool plain = real.size == 8 ? exponent >= -4 && exponent < 16
                                : real.value == 0 || (real.value >= 1e-4 && real.value < 1e16);
    return plain ? print_point(digits, count, exponent + 1, out)
                 : print_exponent(digits, count, exponent, out);
}

static unsigned print_word(const char *word, char *out)
{
    size_t length = strlen(word);
    memcpy(out, word, length);
    return (unsigned)length;
}

static unsigned print_float(uint32_t size, const void *item, char *out)
{
    double value = 0;
    sfs_cast((sfs_dtype){'f', size}, item, (sfs_dtype){'f', 8}, &value, 1);
    if (isnan(value))
        return print_word("nan", out);
    bool negative = signbit(value);
    if (negative)
        *out++ = '-';
    if (isinf(value))
        return negative + print_word("inf", out);
    return negative + print_real((struct real){fabs(value), size}, out);
}

unsigned sfs_number_text(sfs_dtype dtype, const void *item, char out[SFS_NUMBER_TEXT])
{
    if (dtype.kind == 'f')
        return print_float(dtype.size, item, out);
    uint64_t bits = 0;
    memcpy(&bits, item, dtype.size);
    if (dtype.kind == 'b')
        return print_word(bits ? "True" : "False", out);
    if (dtype.kind == 'u')
        return print_uint(bits, out);
    int64_t value = 0;
    sfs_cast(dtype, item, (sfs_dtype){'i', 8}, &value, 1);
    if (value >= 0)
        return print_uint((uint64_t)value, out);
    *out = '-';
    return 1 + print_uint(-(uint64_t)value, out + 1);
}
