/* SPDX-License-Identifier: Apache-2.0 */
/* epoch_E/quality.json: how well an epoch is shuffled, measured on some of its batches. Format:
 * docs/quality.md. */
#ifndef SFS_NAMESPACE_QUALITY_H
#define SFS_NAMESPACE_QUALITY_H

#include "batch/file.h"
#include "namespace/bind.h"

/* The file, whose size follows from the columns of obs alone; what it says is worked out when it is
 * first read, which is EIO where a column is damaged. The view outlives the file, which the caller
 * closes. ENOMEM. */
sfs_status sfs_quality_open(const sfs_collection *collection, const sfs_bound_view *view,
                            uint64_t epoch, sfs_file **out, sfs_error *error);

#endif
