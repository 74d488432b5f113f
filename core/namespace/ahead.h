/* SPDX-License-Identifier: Apache-2.0 */
/* What an order that keeps blocks together needs next: whole blocks of the window after this one,
 * which are long runs on the disk, instead of the scattered rows of one batch. */
#ifndef SFS_NAMESPACE_AHEAD_H
#define SFS_NAMESPACE_AHEAD_H

#include "namespace/view.h"

/* Asks for the blocks that stand, in the next window, where the batch's rows do in theirs; `first`:
 * and for all of the window that the batch begins in. For SFS_ORDER_BLOCK. */
void sfs_ahead_windows(const sfs_collection *collection, const sfs_bound_view *view, uint64_t epoch,
                       sfs_deal_run run, bool first);

#endif
