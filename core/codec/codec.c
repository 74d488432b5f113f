/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/codec.h"

const sfs_codec *sfs_codec_of(const sfs_matrix *matrix)
{
    static const sfs_codec *const codecs[SFS_CODECS] = {[SFS_CODEC_RAW] = &sfs_codec_raw,
                                                        [SFS_CODEC_DENSE] = &sfs_codec_dense,
                                                        [SFS_CODEC_PACKED] = &sfs_codec_packed};
    return codecs[matrix->codec];
}
