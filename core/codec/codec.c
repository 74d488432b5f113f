/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/codec.h"

const sfs_codec *sfs_codec_of(const sfs_matrix *matrix)
{
    return matrix->codec == SFS_CODEC_RAW ? &sfs_codec_raw : &sfs_codec_dense;
}
