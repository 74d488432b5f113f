/* SPDX-License-Identifier: Apache-2.0 */
#include "order/deal.h"

uint64_t sfs_deal_steps(const sfs_deal_spec *spec)
{
    uint64_t global = spec->world_size * spec->batch_size;
    uint64_t full = spec->n / global, rest = spec->n % global;
    switch (spec->tail) {
    case SFS_TAIL_EVEN:
        return full + (rest >= spec->world_size);
    case SFS_TAIL_KEEP:
    case SFS_TAIL_PAD:
        return full + (rest > 0);
    case SFS_TAIL_DROP:
        break;
    }
    return full;
}

static uint64_t repeated_of(uint64_t n, uint64_t first, uint64_t count)
{
    uint64_t end = first + count;
    uint64_t past = end > n ? end - n : 0;
    return past < count ? past : count;
}

bool sfs_deal_find(const sfs_deal_spec *spec, uint64_t position, sfs_deal_place *out)
{
    uint64_t world = spec->world_size, global = world * spec->batch_size;
    uint64_t full = spec->n / global, rest = spec->n % global, step = position / global;
    uint64_t at = position % global;
    if (step < full) {
        *out = (sfs_deal_place){at / spec->batch_size, step, at % spec->batch_size};
        return true;
    }
    /* In the last step, ranks below `longer` have runs of one row more. */
    uint64_t q = rest / world, m = rest % world;
    uint64_t longer = spec->tail == SFS_TAIL_KEEP ? m : spec->tail == SFS_TAIL_PAD && m ? world : 0;
    if (step > full || step >= sfs_deal_steps(spec) || at >= world * q + longer)
        return false;
    uint64_t rank = at < longer * (q + 1) ? at / (q + 1) : (at - longer) / q;
    *out = (sfs_deal_place){rank, step, at - rank * q - (rank < longer ? rank : longer)};
    return true;
}

sfs_deal_run sfs_deal_batch(const sfs_deal_spec *spec, uint64_t rank, uint64_t step)
{
    uint64_t world = spec->world_size, global = world * spec->batch_size;
    uint64_t base = step * global, rest = spec->n - base;
    if (rest >= global)
        return (sfs_deal_run){base + rank * spec->batch_size, spec->batch_size, 0};
    uint64_t q = rest / world, m = rest % world;
    if (spec->tail == SFS_TAIL_KEEP)
        return (sfs_deal_run){base + rank * q + (rank < m ? rank : m), q + (rank < m), 0};
    if (spec->tail == SFS_TAIL_PAD) {
        uint64_t size = q + (m > 0), first = base + rank * size;
        return (sfs_deal_run){first, size, repeated_of(spec->n, first, size)};
    }
    return (sfs_deal_run){base + rank * q, q, 0};
}
