/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/number.h"

#include <string.h>

bool sfs_number_take(const char **text, uint64_t *out)
{
    const char *at = *text;
    uint64_t value = 0;
    if (*at < '0' || *at > '9' || (at[0] == '0' && at[1] >= '0' && at[1] <= '9'))
        return false;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return false;
    *text = at;
    *out = value;
    return true;
}

bool sfs_number_parse(const char *text, uint64_t *out)
{
    return sfs_number_take(&text, out) && !*text;
}

bool sfs_number_between(const char *text, const char *prefix, const char *suffix, uint64_t *out)
{
    size_t length = strlen(prefix);
    if (strncmp(text, prefix, length) != 0)
        return false;
    text += length;
    return sfs_number_take(&text, out) && !strcmp(text, suffix);
}
