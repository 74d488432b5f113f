/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers in names: decimal, no sign, no leading zeros, so that a number has one spelling and a
 * file one name. */
#ifndef SFS_NAMESPACE_NUMBER_H
#define SFS_NAMESPACE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Reads a canonical number from *text and moves *text behind it. */
bool sfs_number_take(const char **text, uint64_t *out);

/* The whole of text is a canonical number. */
bool sfs_number_parse(const char *text, uint64_t *out);

/* text is prefix, a canonical number, suffix, and nothing else. */
bool sfs_number_between(const char *text, const char *prefix, const char *suffix, uint64_t *out);

#endif
