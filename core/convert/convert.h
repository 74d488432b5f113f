/* SPDX-License-Identifier: Apache-2.0 */
/* What every reader of a source format is given, and what it has to do. */
#ifndef SFS_CONVERT_CONVERT_H
#define SFS_CONVERT_CONVERT_H

#include "convert/matrix_writer.h"
#include "convert/output.h"
#include "convert/progress.h"
#include "convert/table_writer.h"

typedef enum sfs_codec_choice {
    SFS_CHOOSE_BY_SOURCE, /* sparse: packed; dense: dense */
    SFS_CHOOSE_PACKED,
    SFS_CHOOSE_RAW,
    SFS_CHOOSE_DENSE,
} sfs_codec_choice;

typedef struct sfs_convert_options {
    const char *input, *output; /* paths; input may be synthetic:... */
    const char *layer;          /* only this layer, as X; NULL: not so */
    bool raw;                   /* only raw/X with raw's var, as X and var */
    sfs_codec_choice codec;
    uint64_t shard_rows;
    bool sort_genes; /* columns and var in the order of their frequency */
} sfs_convert_options;

/* The most bytes that a reader of a source holds in its buffers: what keeps memory flat however
 * large the file. */
enum { SFS_CONVERT_BUFFER = 32 << 20 };

static inline sfs_codec_id sfs_codec_chosen(sfs_codec_choice choice, bool sparse)
{
    if (choice == SFS_CHOOSE_BY_SOURCE)
        return sparse ? SFS_CODEC_PACKED : SFS_CODEC_DENSE;
    return choice == SFS_CHOOSE_PACKED ? SFS_CODEC_PACKED
           : choice == SFS_CHOOSE_RAW  ? SFS_CODEC_RAW
                                       : SFS_CODEC_DENSE;
}

/* Opens `output` for the rows of the source, writes all of it, and leaves the commit to the caller;
 * *variables is the number of columns of X. On failure the caller aborts the output, which is
 * zeroed before. */
sfs_status sfs_convert_h5ad(const sfs_convert_options *options, sfs_progress *progress,
                            sfs_output *output, uint64_t *variables, sfs_error *error);
sfs_status sfs_convert_synthetic(const sfs_convert_options *options, sfs_progress *progress,
                                 sfs_output *output, uint64_t *variables, sfs_error *error);

#endif
