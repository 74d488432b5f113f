/* SPDX-License-Identifier: Apache-2.0 */
#include "select/text_test.h"

#include <stdlib.h>
#include <string.h>

int sfs_bytes_compare(sfs_bytes left, sfs_bytes right)
{
    size_t common = left.size < right.size ? left.size : right.size;
    int order = common ? memcmp(left.bytes, right.bytes, common) : 0;
    return order ? order : (left.size > right.size) - (left.size < right.size);
}

static int compare(const void *left, const void *right)
{
    return sfs_bytes_compare(*(const sfs_bytes *)left, *(const sfs_bytes *)right);
}

void sfs_text_test_sort(sfs_text_test *test)
{
    qsort(test->values, test->count, sizeof *test->values, compare);
}

static bool is_among(const sfs_text_test *test, sfs_bytes string)
{
    size_t low = 0, high = test->count;
    if (high == 1)
        return string.size == test->values[0].size && !sfs_bytes_compare(string, test->values[0]);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = sfs_bytes_compare(test->values[middle], string);
        if (!order)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Bytes of the character that begins at `at`. */
static size_t character(sfs_bytes string, size_t at)
{
    uint8_t lead = string.bytes[at];
    size_t size = lead >= 0xF0 && lead < 0xF8 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 1;
    if (lead >= 0xF8 || size > string.size - at)
        return 1;
    for (size_t i = 1; i < size; i++)
        if ((string.bytes[at + i] & 0xC0) != 0x80)
            return 1;
    return size;
}

/* Goes back to the last `%` alone: what an earlier one could try besides, that one can, too. */
static bool is_like(sfs_bytes string, sfs_bytes pattern)
{
    size_t s = 0, p = 0, run_s = 0, run_p = SIZE_MAX;
    while (s < string.size || p < pattern.size) {
        if (p < pattern.size && pattern.bytes[p] == '%') {
            run_p = ++p;
            run_s = s;
            continue;
        }
        if (p < pattern.size && s < string.size) {
            size_t escaped = pattern.bytes[p] == '\\' && p + 1 < pattern.size;
            if (pattern.bytes[p] == '_') {
                p++;
                s += character(string, s);
                continue;
            }
            if (pattern.bytes[p + escaped] == string.bytes[s]) {
                p += 1 + escaped;
                s++;
                continue;
            }
        }
        if (run_p == SIZE_MAX || run_s >= string.size)
            return false;
        run_s += character(string, run_s);
        s = run_s;
        p = run_p;
    }
    return true;
}

bool sfs_text_test_holds(const sfs_text_test *test, sfs_bytes string)
{
    if (test->kind == SFS_TEXT_IN)
        return is_among(test, string);
    if (test->kind == SFS_TEXT_LIKE)
        return is_like(string, test->values[0]);
    int order = sfs_bytes_compare(string, test->values[0]);
    return (test->op & (order < 0 ? SFS_LESS : order > 0 ? SFS_GREATER : SFS_EQUAL)) != 0;
}
