/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text, as Python prints them: the fewest digits that read back as the same value. In
 * any locale. */
#ifndef SFS_BATCH_NUMBER_TEXT_H
#define SFS_BATCH_NUMBER_TEXT_H

#include "store/npy.h"

enum { SFS_NUMBER_TEXT = 32 }; /* bytes that hold any number */

/* Writes a number of any stored dtype, which need not be aligned, and returns its length (there is
 * no NUL): True or False, 12, 0.1, 1.0, 1e-05, 1e+16, nan, inf, -inf. Of a float64 that is what
 * Python's repr gives, of a narrower float what numpy's str does. Allocates nothing. */
unsigned sfs_number_text(sfs_dtype dtype, const void *item, char out[SFS_NUMBER_TEXT]);

#endif
