/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers of 1 MiB for what was decoded: as many as the mount option cache_size allows, taken from
 * the system when first needed and then used again, the one that was given back last first, because
 * that is the one that is still in the processor's cache. */
#ifndef SFS_FS_POOL_H
#define SFS_FS_POOL_H

#include <stddef.h>
#include <stdint.h>

enum { SFS_POOL_BUFFER = 1 << 20 };

/* Owned by one lock of its user. */
typedef struct sfs_pool {
    uint8_t *arena; /* owned: address space for all buffers */
    size_t mapped;  /* its bytes */
    size_t count;   /* buffers in all */
    size_t touched; /* of them, those that were ever given out */
    uint8_t **free; /* owned: a stack of those given back ... */
    size_t free_count;
} sfs_pool;

/* Returns 0 or a negated errno. The caller closes the pool. */
int sfs_pool_open(sfs_pool *pool, uint64_t bytes);
void sfs_pool_close(sfs_pool *pool);

/* A buffer, page-aligned, or NULL where all are in use. Given back by sfs_pool_give. */
uint8_t *sfs_pool_take(sfs_pool *pool);
void sfs_pool_give(sfs_pool *pool, uint8_t *buffer);

#endif
