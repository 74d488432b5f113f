/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/lzf_filter.h"

#include <hdf5.h>
#include <liblzf/lzf.h>

/* A filter that h5py ran before LZF may have made the chunk longer: fletcher32 appends 4 bytes. */
enum { CHUNK_BYTES = 2, SLACK = 16 };

/* Decodes a chunk; 0 tells HDF5 that it is damaged. values[CHUNK_BYTES] was checked against the
 * chunk's dimensions when the dataset was opened. */
static size_t decode(unsigned flags, size_t value_count, const unsigned values[], size_t used,
                     size_t *room, void **bytes)
{
    if (!(flags & H5Z_FLAG_REVERSE) || value_count <= CHUNK_BYTES || !values[CHUNK_BYTES] ||
        !used || used > UINT32_MAX || values[CHUNK_BYTES] > UINT32_MAX - SLACK)
        return 0;
    unsigned expected = values[CHUNK_BYTES];
    void *decoded = H5allocate_memory((size_t)expected + SLACK, false);
    if (!decoded)
        return 0;
    unsigned length = lzf_decompress(*bytes, (unsigned)used, decoded, expected + SLACK);
    if (length < expected) {
        H5free_memory(decoded);
        return 0;
    }
    H5free_memory(*bytes);
    *bytes = decoded;
    *room = (size_t)expected + SLACK;
    return length;
}

sfs_status sfs_lzf_register(sfs_error *error)
{
    static const H5Z_class2_t filter = {
        .version = H5Z_CLASS_T_VERS,
        .id = (H5Z_filter_t)SFS_LZF_FILTER,
        .encoder_present = 0,
        .decoder_present = 1,
        .name = "lzf",
        .filter = decode,
    };
    if (H5Zregister(&filter) < 0)
        return sfs_fail(error, -EIO, "HDF5 does not take the LZF filter");
    return 0;
}
