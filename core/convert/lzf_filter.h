/* SPDX-License-Identifier: Apache-2.0 */
/* LZF, h5py's own compression (HDF5 filter 32000), which libhdf5 does not know: decoding only. */
#ifndef SFS_CONVERT_LZF_FILTER_H
#define SFS_CONVERT_LZF_FILTER_H

#include "store/fail.h"

enum { SFS_LZF_FILTER = 32000 };

/* Makes HDF5 decode LZF, in this process. May be called again. */
sfs_status sfs_lzf_register(sfs_error *error);

#endif
