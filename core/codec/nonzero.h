/* SPDX-License-Identifier: Apache-2.0 */
/* Which elements of a dense row are non-zeros: those that do not compare equal to 0, so NaN is one
 * and -0.0 is not. */
#ifndef SFS_CODEC_NONZERO_H
#define SFS_CODEC_NONZERO_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "store/npy.h"

/* The bits of an element that make it differ from 0: all but a float's sign. */
static inline uint64_t sfs_nonzero_mask(sfs_dtype dtype)
{
    return dtype.kind == 'f' ? ~(UINT64_C(1) << (dtype.size * 8 - 1)) : ~UINT64_C(0);
}

/* Inlined with a constant size, this is one load and one test. */
static inline bool sfs_is_nonzero(const uint8_t *item, uint32_t size, uint64_t mask)
{
    uint64_t bits = 0;
    memcpy(&bits, item, size);
    return (bits & mask) != 0;
}

/* Calls a loop over a row's elements, written as an inline function of a constant element size. */
#define SFS_FOR_SIZE(size, call)                                                                   \
    switch (size) {                                                                                \
    case 1: {                                                                                      \
        enum { ELEMENT = 1 };                                                                      \
        call;                                                                                      \
        break;                                                                                     \
    }                                                                                              \
    case 2: {                                                                                      \
        enum { ELEMENT = 2 };                                                                      \
        call;                                                                                      \
        break;                                                                                     \
    }                                                                                              \
    case 4: {                                                                                      \
        enum { ELEMENT = 4 };                                                                      \
        call;                                                                                      \
        break;                                                                                     \
    }                                                                                              \
    default: {                                                                                     \
        enum { ELEMENT = 8 };                                                                      \
        call;                                                                                      \
        break;                                                                                     \
    }                                                                                              \
    }

#endif
