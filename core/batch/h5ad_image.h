/* SPDX-License-Identifier: Apache-2.0 */
/* An .h5ad file as libhdf5 makes it, without its arrays' elements. This is a library of its own,
 * loaded when the first such file is wanted: libhdf5 brings some 40 others with it, for which no
 * start of shufflefs should wait. */
#ifndef SFS_BATCH_H5AD_IMAGE_H
#define SFS_BATCH_H5AD_IMAGE_H

#include "batch/h5ad_plan.h"

/* Makes the file of a plan, of so many rows and non-zeros. `extents` has one entry each object of
 * the plan, which counts where that is an array; headers[i] becomes the offset of object i's
 * header. The caller frees *bytes (NULL before), also on failure. EINVAL where HDF5 cannot make an
 * object; ENOMEM. Not thread-safe. */
typedef sfs_status sfs_h5ad_image_maker(const sfs_h5ad_plan *plan, const sfs_h5ad_counts *counts,
                                        const sfs_h5ad_extent *extents, uint64_t *headers,
                                        uint8_t **bytes, uint64_t *size, sfs_error *error);

/* What libshufflefs_h5ad has. The sizes are for its loader to compare: a library of another build,
 * put in this one's place while a mount lives, may have other structures. */
SFS_API sfs_h5ad_image_maker sfs_h5ad_make_image;
SFS_API extern const size_t sfs_h5ad_image_sizes[3];

#define SFS_H5AD_IMAGE_SIZES                                                                       \
    {                                                                                              \
        sizeof(sfs_h5ad_plan), sizeof(sfs_h5ad_object), sizeof(sfs_h5ad_extent)                    \
    }

#endif
