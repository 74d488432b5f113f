/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/address.h"

enum { VALUE_BITS = 46, KIND_BITS = 5, SLOT_BITS = 11, MARK_BIT = 62 };

_Static_assert(SFS_SLOTS == 1 << SLOT_BITS, "slots fill their bits");
_Static_assert(SFS_ADDRESS_KINDS <= 1 << KIND_BITS, "kinds fit their bits");

static const uint64_t value_max = UINT64_C(1) << VALUE_BITS;

/* Addresses of one epoch: one for each batch of each rank, one at least for each rank. */
static uint64_t epoch_radix(const sfs_bound_view *view)
{
    return view->deal.world_size * (view->steps ? view->steps : 1);
}

uint64_t sfs_address_epochs(const sfs_bound_view *view)
{
    uint64_t epochs = value_max / epoch_radix(view), max = UINT64_C(1) << 31;
    return epochs < max ? epochs : max;
}

bool sfs_address_is(sfs_node node)
{
    return node >> MARK_BIT == 1;
}

unsigned sfs_address_slot(sfs_node node)
{
    return (unsigned)(node >> (VALUE_BITS + KIND_BITS)) & ((1U << SLOT_BITS) - 1);
}

sfs_address_kind sfs_address_kind_of(sfs_node node)
{
    return (sfs_address_kind)(node >> VALUE_BITS & ((1U << KIND_BITS) - 1));
}

uint64_t sfs_address_batches(const sfs_address *address)
{
    return address->kind < SFS_ADDRESS_RUN ? 1 : 2 + (uint64_t)(address->kind - SFS_ADDRESS_RUN);
}

sfs_node sfs_address_pack(const sfs_bound_view *view, const sfs_address *address)
{
    uint64_t value = address->kind == SFS_ADDRESS_FIXED ? address->fixed : address->epoch;
    if (address->kind >= SFS_ADDRESS_RANK)
        value = value * view->deal.world_size + address->rank;
    if (address->kind > SFS_ADDRESS_RANK)
        value = value * view->steps + address->batch;
    return UINT64_C(1) << MARK_BIT | (uint64_t)address->slot << (VALUE_BITS + KIND_BITS) |
           (uint64_t)address->kind << VALUE_BITS | value;
}

bool sfs_address_unpack(const sfs_bound_view *view, sfs_node node, sfs_address *out)
{
    uint64_t value = node & (value_max - 1);
    *out = (sfs_address){.slot = sfs_address_slot(node), .kind = sfs_address_kind_of(node)};
    if (out->kind >= SFS_ADDRESS_KINDS || (out->kind > SFS_ADDRESS_RANK && !view->steps))
        return false;
    if (out->kind == SFS_ADDRESS_FIXED) {
        out->fixed = value;
        return true;
    }
    if (out->kind > SFS_ADDRESS_RANK) {
        out->batch = value % view->steps;
        value /= view->steps;
        if (out->batch + sfs_address_batches(out) > view->steps)
            return false;
    }
    if (out->kind >= SFS_ADDRESS_RANK) {
        out->rank = value % view->deal.world_size;
        value /= view->deal.world_size;
    }
    out->epoch = value;
    return out->epoch < sfs_address_epochs(view);
}

bool sfs_address_is_directory(const sfs_address *address)
{
    return address->kind == SFS_ADDRESS_EPOCH || address->kind == SFS_ADDRESS_WHERE ||
           address->kind == SFS_ADDRESS_RANK || address->kind == SFS_ADDRESS_BATCH_DIR;
}

bool sfs_address_is_batch_file(const sfs_address *address)
{
    return address->kind > SFS_ADDRESS_RANK && address->kind != SFS_ADDRESS_BATCH_DIR;
}
