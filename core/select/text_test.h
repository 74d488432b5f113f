/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of strings: order, lists, patterns. Strings are bytes, and compare as such. */
#ifndef SFS_SELECT_TEXT_TEST_H
#define SFS_SELECT_TEXT_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "select/number_set.h"

typedef struct sfs_bytes {
    const uint8_t *bytes; /* borrowed */
    size_t size;
} sfs_bytes;

typedef enum sfs_text_test_kind {
    SFS_TEXT_ORDER, /* the string op values[0] */
    SFS_TEXT_IN,    /* one of values, which are sorted */
    SFS_TEXT_LIKE,  /* values[0] is a pattern */
} sfs_text_test_kind;

typedef struct sfs_text_test {
    sfs_text_test_kind kind;
    sfs_operator op;
    sfs_bytes *values; /* borrowed */
    size_t count;
} sfs_text_test;

/* Bytewise, and the shorter one first: below, at or above 0. */
int sfs_bytes_compare(sfs_bytes left, sfs_bytes right);

/* Sorts the values of SFS_TEXT_IN. */
void sfs_text_test_sort(sfs_text_test *test);

/* Of a pattern: `%` is any run of characters, `_` one character (of UTF-8; a byte that is none
 * counts as one), and a backslash takes the meaning from the character after it. */
bool sfs_text_test_holds(const sfs_text_test *test, sfs_bytes string);

#endif
