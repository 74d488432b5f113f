/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of an expression, and sets of numbers: what compares equal to them, or less, and so on.
 * Everything is exact: 2^53 + 1 is no float64. */
#ifndef SFS_SELECT_NUMBER_SET_H
#define SFS_SELECT_NUMBER_SET_H

#include "store/npy.h"

/* Bits of what holds: of two values, the left one is less, equal, greater, or they cannot be
 * compared (NaN). */
typedef enum sfs_operator {
    SFS_LESS = 1,
    SFS_EQUAL = 2,
    SFS_LESS_EQUAL = SFS_LESS | SFS_EQUAL,
    SFS_GREATER = 4,
    SFS_GREATER_EQUAL = SFS_GREATER | SFS_EQUAL,
    SFS_NOT_EQUAL = SFS_LESS | SFS_GREATER | 8,
} sfs_operator;

/* The operator with its sides exchanged. */
sfs_operator sfs_operator_mirror(sfs_operator op);

/* Python's spelling. */
const char *sfs_operator_text(sfs_operator op);

typedef struct sfs_number {
    bool is_float, is_boolean;
    __int128 integer; /* its size is at most SFS_INTEGER_MAX */
    double real;      /* is_float */
} sfs_number;

#define SFS_INTEGER_MAX ((__int128)1 << 126)

/* The bit of sfs_operator that holds. */
unsigned sfs_compare_mixed(__int128 left, double right);

/* low to high; nothing where low > high. */
typedef struct sfs_integer_range {
    __int128 low, high;
} sfs_integer_range;

typedef struct sfs_real_range {
    double low, high;
} sfs_real_range;

/* The integers up to SFS_INTEGER_MAX, and the float64, x for which `x op number` holds; op is not
 * SFS_NOT_EQUAL. */
sfs_integer_range sfs_integers_where(sfs_operator op, sfs_number number);
sfs_real_range sfs_reals_where(sfs_operator op, sfs_number number);

/* A number as a constant next to a column of this type: a float takes the type of a narrower
 * column of floats, as in pandas, unless nothing or infinity would be left of it; so 0.1 equals a
 * float32 0.1. */
sfs_number sfs_number_beside(sfs_number number, sfs_dtype dtype);

/* A number as a category has it in its text; false where it is none. */
bool sfs_number_of_text(const uint8_t *text, size_t size, sfs_number *out);

/* strtod with a point whatever the locale; text is a number and nothing else. */
double sfs_parse_real(const char *text);

typedef struct sfs_integer_set {
    size_t count;
    sfs_integer_range *ranges; /* ascending, apart from each other, none empty */
} sfs_integer_set;

typedef struct sfs_real_set {
    size_t count;
    sfs_real_range *ranges;
} sfs_real_set;

/* Brings ranges into that order; drops empty ones and joins those that overlap. */
void sfs_integer_set_sort(sfs_integer_set *set);
void sfs_real_set_sort(sfs_real_set *set);

bool sfs_integer_set_has(const sfs_integer_set *set, __int128 x);
bool sfs_real_set_has(const sfs_real_set *set, double x);

#endif
