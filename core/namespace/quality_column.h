/* SPDX-License-Identifier: Apache-2.0 */
/* How evenly the categories of a column of obs are spread over the batches of a sample. */
#ifndef SFS_NAMESPACE_QUALITY_COLUMN_H
#define SFS_NAMESPACE_QUALITY_COLUMN_H

#include "namespace/entropy.h"
#include "namespace/quality_sample.h"

enum { SFS_QUALITY_CATEGORIES = 1 << 18 }; /* columns with more are not looked at */

/* All in bits. A missing value is a category of its own. */
typedef struct sfs_quality_column {
    uint64_t categories;     /* that the view's rows have */
    uint64_t missing;        /* rows */
    bool estimated;          /* from some of the rows */
    double entropy;          /* of all rows */
    double mean, sd, least;  /* of the sampled batches' */
    sfs_entropy_ideal ideal; /* NAN where a batch has more rows than there are */
} sfs_quality_column;

/* Of a categorical column with at most SFS_QUALITY_CATEGORIES. EIO where it is damaged; ENOMEM. */
sfs_status sfs_quality_column_measure(const sfs_collection *collection, const sfs_column *column,
                                      const sfs_view_rows *rows, const sfs_quality_sample *sample,
                                      sfs_quality_column *out, sfs_error *error);

#endif
