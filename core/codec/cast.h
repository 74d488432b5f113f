/* SPDX-License-Identifier: Apache-2.0 */
/* Elements of one type as another. What the other type cannot hold becomes the nearest that it can:
 * rounded to even, clamped to its range, NaN to 0 in an integer; a float beyond the range of a
 * narrower one becomes infinite. */
#ifndef SFS_CODEC_CAST_H
#define SFS_CODEC_CAST_H

#include <string.h>

#include "store/npy.h"

/* Any dtype that is stored (b counts as u). Neither array needs to be aligned; they do not overlap.
 */
void sfs_cast(sfs_dtype from, const void *in, sfs_dtype to, void *out, uint64_t count);

static inline bool sfs_dtype_same(sfs_dtype a, sfs_dtype b)
{
    return a.kind == b.kind && a.size == b.size;
}

/* IEEE 754 binary16, as float64 and back (rounded to even). */
double sfs_half_to_double(uint16_t half);
uint16_t sfs_half_from_double(double value);

#endif
