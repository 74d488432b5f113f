/* SPDX-License-Identifier: Apache-2.0 */
/* The batches that the quality of an epoch is told from: which they are, their rows, and how many
 * of those belong together. */
#ifndef SFS_NAMESPACE_QUALITY_SAMPLE_H
#define SFS_NAMESPACE_QUALITY_SAMPLE_H

#include "namespace/bind.h"

enum {
    SFS_QUALITY_BATCHES = 256,  /* so many at most ... */
    SFS_QUALITY_ROWS = 1 << 22, /* ... and fewer where they have more rows than this, but one */
};

typedef struct sfs_quality_sample {
    uint64_t batches;
    uint64_t batch_rows; /* of each: as many as batch 0 of rank 0 has */
    uint64_t *rows;      /* owned: of one batch after another; ascending in the view, if dealt */
    /* Where rows are dealt, not drawn: */
    uint64_t neighbours; /* pairs of rows that follow each other in the view, in one batch */
    uint64_t kept;       /* rows that are in the batch of that rank and number in the next epoch */
} sfs_quality_sample;

/* A count, and what it would be by chance. */
typedef struct sfs_quality_chance {
    double expected, variance;
} sfs_quality_chance;

/* The caller closes *out. ENOMEM. */
sfs_status sfs_quality_sample_open(const sfs_collection *collection, const sfs_bound_view *view,
                                   uint64_t epoch, sfs_quality_sample *out, sfs_error *error);
void sfs_quality_sample_close(sfs_quality_sample *sample);

/* Of neighbours and kept, if the batches were drawn at random without replacement, from n rows. */
sfs_quality_chance sfs_quality_neighbours_by_chance(const sfs_quality_sample *sample, uint64_t n);
sfs_quality_chance sfs_quality_kept_by_chance(const sfs_quality_sample *sample, uint64_t n);

#endif
