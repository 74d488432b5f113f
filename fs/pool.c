/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

int sfs_pool_open(sfs_pool *pool, uint64_t bytes)
{
    *pool = (sfs_pool){.count = bytes / SFS_POOL_BUFFER};
    if (!pool->count)
        return 0;
    void *arena = MAP_FAILED;
    /* A system that counts address space as memory may refuse as much. */
    for (pool->count *= 2; arena == MAP_FAILED && pool->count > 1;) {
        pool->count /= 2;
        pool->mapped = pool->count * SFS_POOL_BUFFER + HUGE_PAGE;
        arena = mmap(NULL, pool->mapped, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    pool->free = malloc(pool->count * sizeof *pool->free);
    pool->arena = arena == MAP_FAILED ? NULL : arena;
    if (pool->free && pool->arena) {
        madvise(arena, pool->mapped, MADV_HUGEPAGE);
        return 0;
    }
    sfs_pool_close(pool);
    return -ENOMEM;
}

void sfs_pool_close(sfs_pool *pool)
{
    if (pool->arena)
        munmap(pool->arena, pool->mapped);
    free(pool->free);
    *pool = (sfs_pool){0};
}

uint8_t *sfs_pool_take(sfs_pool *pool)
{
    if (pool->free_count)
        return pool->free[--pool->free_count];
    if (pool->touched == pool->count)
        return NULL;
    uintptr_t start = ((uintptr_t)pool->arena + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    return (uint8_t *)start + pool->touched++ * (size_t)SFS_POOL_BUFFER;
}

void sfs_pool_give(sfs_pool *pool, uint8_t *buffer)
{
    pool->free[pool->free_count++] = buffer;
}
