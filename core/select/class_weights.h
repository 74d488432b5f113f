/* SPDX-License-Identifier: Apache-2.0 */
/* The key class_weights: how often each class of a column is drawn. docs/drawing.md. */
#ifndef SFS_SELECT_CLASS_WEIGHTS_H
#define SFS_SELECT_CLASS_WEIGHTS_H

#include "select/classes.h"

/* What a weight of 1 is: weights have at most 9 digits behind the point. */
#define SFS_CLASS_WEIGHT_ONE UINT64_C(1000000000)

/* Reads "A:2;B:0.5;'a;b':0" into weights[class], in units of 1 / SFS_CLASS_WEIGHT_ONE, below
 * 2^62; those of classes that it does not name become 1. `column` is the name of the classes'
 * column. EINVAL: malformed, a class that is none, or named twice; ENOMEM. */
sfs_status sfs_class_weights_parse(const char *text, const sfs_classes *classes, const char *column,
                                   uint64_t *weights, sfs_error *error);

#endif
