/* SPDX-License-Identifier: Apache-2.0 */
/* Sees which batches are read in sequence, and works ahead of their readers: the pages of batches
 * further on are asked for, so that they come from the disk in time, and the pieces that follow the
 * one that was just read are decoded, into the next batches. Nothing happens but when a batch is
 * opened or read, so it stops when the readers do.
 *
 * Reading in sequence means: the batches K, K - s and K - 2 s of a rank were opened lately, for
 * some stride s, and for s > 1 that was so of the batch before, too; the smallest counts, so that
 * several workers that deal the batches among themselves are one sequence. */
#ifndef SFS_FS_AHEAD_H
#define SFS_FS_AHEAD_H

#include "batches.h"

/* Any number of threads may use it at once. */
typedef struct sfs_ahead sfs_ahead;

/* As many batches are decoded ahead as the mount option says, or, with SFS_AHEAD_AUTO, some pieces
 * of them. */
#define SFS_AHEAD_AUTO UINT64_MAX

/* `depth` 0: nothing is done ahead. collection, tree and batches outlive it; the caller closes
 * *out. ENOMEM, or what the operating system gave. */
sfs_status sfs_ahead_open(const sfs_collection *collection, sfs_tree *tree, sfs_batches *batches,
                          uint64_t depth, sfs_ahead **out, sfs_error *error);

/* Waits for what is being done. Accepts NULL. */
void sfs_ahead_close(sfs_ahead *ahead);

/* The file of a batch was opened. */
void sfs_ahead_open_file(sfs_ahead *ahead, sfs_node node, sfs_held *held);

/* A piece of it was read for the first time. `busy`: readers take all processors, so that with
 * SFS_AHEAD_AUTO nothing is decoded. */
void sfs_ahead_read_piece(sfs_ahead *ahead, sfs_node node, const sfs_held *held, uint32_t piece,
                          bool busy);

#endif
