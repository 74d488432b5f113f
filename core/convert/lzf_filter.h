/* SPDX-License-Identifier: Apache-2.0 */
/* LZF, h5py's own compression (HDF5 filter 32000), which libhdf5 does not know: decoding only. */
#ifndef SFS_CONVERT_LZF_FILTER_H
#define SFS_CONVERT_LZF_FILTER_H

#include <stdint.h>

#include "store/fail.h"

/* Makes HDF5 decode LZF, in this process. May be called again. */
sfs_status sfs_lzf_register(sfs_error *error);

/* Says how large the chunks of the dataset are that this thread reads next. The file need not say
 * so (it does not for strings), and HDF5 would read past the end of a chunk that is damaged and too
 * short. */
void sfs_lzf_expect(uint64_t chunk_bytes);

#endif
