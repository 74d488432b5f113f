/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal numbers in keys, as exact integers: the same in every locale and on every machine. */
#ifndef SFS_SELECT_DECIMAL_H
#define SFS_SELECT_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Results are below this. */
#define SFS_DECIMAL_MAX (UINT64_C(1) << 62)

/* Reads text, `size` bytes of digits with at most one point among them and at most `places` digits
 * behind it (`8`, `0.8`), as a multiple of 10^-places. False where it is none, or too large. */
bool sfs_decimal_parse(const char *text, size_t size, unsigned places, uint64_t *out);

enum { SFS_DECIMAL_TEXT = 24 }; /* bytes that hold any text of sfs_decimal_print with its NUL */

/* The shortest text that sfs_decimal_parse reads as `value`, which is below SFS_DECIMAL_MAX. */
void sfs_decimal_print(uint64_t value, unsigned places, char out[SFS_DECIMAL_TEXT]);

#endif
