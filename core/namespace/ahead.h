/* SPDX-License-Identifier: Apache-2.0 */
/* What an order that keeps blocks together needs next: whole blocks of the window after this one,
 * which are long runs on the disk, instead of the scattered rows of one batch. */
#ifndef SFS_NAMESPACE_AHEAD_H
#define SFS_NAMESPACE_AHEAD_H

#include "namespace/address.h"

/* Asks for the blocks that stand, in the next window, where the rows of a file's steps do in theirs
 * (all ranks' share of it, as the rows of each are scattered over all blocks); `first`: and for all
 * of the window that the first step begins in; of a collection that memory holds, without the
 * blocks that are there. For SFS_ORDER_BLOCK, and the file of a batch or a run of them. */
void sfs_ahead_windows(const sfs_collection *collection, const sfs_bound_view *view,
                       const sfs_address *address, bool first);

/* Reads bytes [from, from + length) of the files that have a matrix's rows, one behind the other,
 * into memory. False where there are no more. */
bool sfs_ahead_sweep(const sfs_collection *collection, const sfs_matrix *matrix, uint64_t from,
                     uint64_t length);

#endif
