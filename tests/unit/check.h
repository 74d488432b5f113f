/* SPDX-License-Identifier: Apache-2.0 */
/* The least that a unit test needs: CHECK prints what does not hold, and where; main returns
 * check_failures() != 0. */
#ifndef SFS_TESTS_CHECK_H
#define SFS_TESTS_CHECK_H

#include <stdio.h>

static int check_failed;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition);               \
            check_failed++;                                                                        \
        }                                                                                          \
    } while (0)

static inline int check_failures(void)
{
    return check_failed;
}

#endif
