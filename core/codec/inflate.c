/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/inflate.h"

#include <pthread.h>
#include <zstd.h>

#include "codec/record.h"

enum { LEVEL = 3 };

/* zstd's working memory, which each thread has its own of, and keeps: making it takes longer than
 * a row. The key is made once, under `once`. */
static pthread_key_t context_key;
static bool has_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_context(void *context)
{
    ZSTD_freeDCtx(context);
}

static void make_key(void)
{
    has_key = !pthread_key_create(&context_key, free_context);
}

static ZSTD_DCtx *context_of_thread(void)
{
    pthread_once(&once, make_key);
    if (!has_key)
        return NULL;
    ZSTD_DCtx *context = pthread_getspecific(context_key);
    if (!context) {
        context = ZSTD_createDCtx();
        pthread_setspecific(context_key, context);
    }
    return context;
}

bool sfs_inflate(const uint8_t *bytes, size_t size, unsigned n, uint32_t element, uint8_t *out)
{
    uint8_t planes[SFS_RECORD_PIECE * sizeof(uint64_t)];
    ZSTD_DCtx *context = context_of_thread();
    size_t expected = (size_t)n * element;
    if (!context || ZSTD_decompressDCtx(context, planes, expected, bytes, size) != expected)
        return false;
    for (uint32_t byte = 0; byte < element; byte++)
        for (unsigned i = 0; i < n; i++)
            out[i * element + byte] = planes[byte * n + i];
    return true;
}

size_t sfs_deflate(const uint8_t *values, unsigned n, uint32_t element, uint8_t *out)
{
    uint8_t planes[SFS_RECORD_PIECE * sizeof(uint64_t)];
    for (uint32_t byte = 0; byte < element; byte++)
        for (unsigned i = 0; i < n; i++)
            planes[byte * n + i] = values[i * element + byte];
    size_t room = (size_t)n * element, size = ZSTD_compress(out, room, planes, room, LEVEL);
    return ZSTD_isError(size) ? 0 : size;
}
