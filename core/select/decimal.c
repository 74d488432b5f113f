/* SPDX-License-Identifier: Apache-2.0 */
#include "select/decimal.h"

#include <inttypes.h>
#include <stdio.h>

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool append_digit(uint64_t *value, unsigned digit)
{
    return !__builtin_mul_overflow(*value, 10, value) &&
           !__builtin_add_overflow(*value, digit, value) && *value < SFS_DECIMAL_MAX;
}

bool sfs_decimal_parse(const char *text, size_t size, unsigned places, uint64_t *out)
{
    bool behind_point = false;
    unsigned left = places;
    *out = 0;
    if (!size || !is_digit(text[0]) || !is_digit(text[size - 1]))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.' && !behind_point) {
            behind_point = true;
            continue;
        }
        if (!is_digit(text[i]) || (behind_point && !left) ||
            !append_digit(out, (unsigned)(text[i] - '0')))
            return false;
        left -= behind_point;
    }
    while (left--)
        if (!append_digit(out, 0))
            return false;
    return true;
}

void sfs_decimal_print(uint64_t value, unsigned places, char out[SFS_DECIMAL_TEXT])
{
    uint64_t whole = 1;
    for (unsigned i = 0; i < places; i++)
        whole *= 10;
    int length = snprintf(out, SFS_DECIMAL_TEXT, "%" PRIu64 ".%0*" PRIu64, value / whole,
                          (int)places, value % whole);
    while (length && out[length - 1] == '0')
        out[--length] = 0;
    if (length && out[length - 1] == '.')
        out[length - 1] = 0;
}
