/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/lzf_filter.h"

#include <hdf5.h>
#include <liblzf/lzf.h>

/* A filter that was applied before LZF may have made the chunk longer: fletcher32 appends 4 bytes.
 */
enum { SLACK = 16 };

static _Thread_local uint64_t expected;

void sfs_lzf_expect(uint64_t chunk_bytes)
{
    expected = chunk_bytes;
}

/* Decodes a chunk; 0 tells HDF5 that it is damaged. */
static size_t decode(unsigned flags, size_t value_count, const unsigned values[], size_t used,
                     size_t *room, void **bytes)
{
    (void)value_count;
    (void)values;
    if (!(flags & H5Z_FLAG_REVERSE) || !expected || expected > UINT32_MAX - SLACK || !used ||
        used > UINT32_MAX)
        return 0;
    unsigned most = (unsigned)expected + SLACK;
    void *decoded = H5allocate_memory(most, false);
    if (!decoded)
        return 0;
    unsigned length = lzf_decompress(*bytes, (unsigned)used, decoded, most);
    if (length < expected) {
        H5free_memory(decoded);
        return 0;
    }
    H5free_memory(*bytes);
    *bytes = decoded;
    *room = most;
    return length;
}

sfs_status sfs_lzf_register(sfs_error *error)
{
    static const H5Z_class2_t filter = {
        .version = H5Z_CLASS_T_VERS,
        .id = (H5Z_filter_t)32000,
        .encoder_present = 0,
        .decoder_present = 1,
        .name = "lzf",
        .filter = decode,
    };
    if (H5Zregister(&filter) < 0)
        return sfs_fail(error, -EIO, "HDF5 does not take the LZF filter");
    return 0;
}
