/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/ask.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

/* ASK_MAX: the kernel cuts what is asked for at once to its read-ahead, which is rarely less. */
enum { SAMPLES = 32, SAMPLE_EVERY = 8, ASK_MAX = 128 << 10 };

/* How much of a row the processor is asked for at most: measured, with rows of 4 kB in memory. */
enum { PREFETCH_BYTES = 4096, CACHE_LINE = 64 };

/* Rows whose pages the processor looks for at the same time. */
enum { TOGETHER = 8 };

/* Its own prefetcher finds the rest. */
static void ask_lines(sfs_extent extent)
{
    uint64_t length = extent.length < PREFETCH_BYTES ? extent.length : PREFETCH_BYTES;
    for (uint64_t at = 0; at < length; at += CACHE_LINE)
        __builtin_prefetch(extent.bytes + at);
}

static bool find_place(const sfs_row_list *list, uint64_t row, sfs_row_place *out)
{
    if (row >= list->count || sfs_row_list_place(list, row, out, NULL))
        return false;
    __builtin_prefetch(&out->shard->verified[out->row / 64]);
    return true;
}

void sfs_ask_row(const sfs_row_list *list, uint64_t row)
{
    sfs_row_place place;
    const sfs_codec *codec = sfs_codec_of(list->matrix);
    if (!find_place(list, row, &place))
        return;
    ask_lines(codec->extent(list->matrix, &place, SFS_ROW_VALUES));
    if (!codec->one_extent)
        ask_lines(codec->extent(list->matrix, &place, SFS_ROW_INDICES));
}

/* Asks for the first and the last line of each of TOGETHER rows. In a large file what takes longest
 * is to find where a page is in memory, and nothing is done meanwhile; but asked without any work
 * in between, the processor looks for several of them at once. */
static void ask_starts(const sfs_row_list *list, uint64_t first, sfs_row_array array)
{
    const uint8_t *lines[2 * TOGETHER];
    const sfs_codec *codec = sfs_codec_of(list->matrix);
    size_t count = 0;
    for (uint64_t row = first; row < first + TOGETHER; row++) {
        sfs_row_place place;
        if (!find_place(list, row, &place))
            break;
        sfs_extent extent = codec->extent(list->matrix, &place, array);
        lines[count++] = extent.bytes;
        lines[count++] = extent.bytes + (extent.length ? extent.length - 1 : 0);
    }
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(lines[i]);
}

void sfs_ask_array(const sfs_row_list *list, uint64_t row, sfs_row_array array, uint64_t *starts_to)
{
    sfs_row_place place;
    const sfs_codec *codec = sfs_codec_of(list->matrix);
    if (list->rows && row >= *starts_to) {
        ask_starts(list, row + 1, array);
        *starts_to = row + TOGETHER;
    }
    if (find_place(list, row, &place))
        ask_lines(codec->part(list->matrix, &place, array));
}

static void ask_now(sfs_extent *asked)
{
    while (asked->length) {
        uint64_t length = asked->length < ASK_MAX ? asked->length : ASK_MAX;
        posix_fadvise(asked->map->fd, asked->bytes - asked->map->bytes, (off_t)length,
                      POSIX_FADV_WILLNEED);
        asked->bytes += length;
        asked->length -= length;
    }
}

/* Asks for what adjoins in one go: `held` is what was not asked for yet. */
static void ask(sfs_extent *held, sfs_extent next)
{
    if (held->length && held->map == next.map && held->bytes + held->length == next.bytes) {
        held->length += next.length;
        return;
    }
    ask_now(held);
    *held = next;
}

/* A file system that cannot say whether a read would wait, such as NFS, is asked about the map. */
static bool is_resident(sfs_extent extent)
{
    uint8_t byte;
    struct iovec to = {&byte, 1};
    ssize_t got = preadv2(extent.map->fd, &to, 1, extent.bytes - extent.map->bytes, RWF_NOWAIT);
    if (got == 1 || errno != EOPNOTSUPP)
        return got == 1;
    uintptr_t page = (uintptr_t)extent.bytes / SFS_PAGE * SFS_PAGE;
    return mincore((void *)page, 1, &byte) || byte & 1;
}

double sfs_ask_cold_share(const sfs_row_list *list, uint64_t first, uint64_t end)
{
    uint64_t step = (end - first) / SAMPLES, seen = 0, cold = 0;
    step = step > SAMPLE_EVERY ? step : SAMPLE_EVERY;
    const sfs_codec *codec = sfs_codec_of(list->matrix);
    for (uint64_t row = first; row < end; row += step) {
        sfs_row_place place;
        if (sfs_row_list_place(list, row, &place, NULL) || !place.nnz)
            continue;
        seen++;
        cold += !is_resident(codec->extent(list->matrix, &place, SFS_ROW_VALUES));
    }
    return seen ? (double)cold / (double)seen : 0;
}

void sfs_ask_rows(const sfs_row_list *list, sfs_row_array array, uint64_t first, uint64_t end)
{
    sfs_extent held = {0};
    const sfs_codec *codec = sfs_codec_of(list->matrix);
    for (uint64_t row = first; row < end; row++) {
        sfs_row_place place;
        if (!sfs_row_list_place(list, row, &place, NULL) && place.nnz)
            ask(&held, codec->extent(list->matrix, &place, array));
    }
    ask_now(&held);
}

bool sfs_ask_cold(const sfs_row_list *list, uint64_t first, uint64_t end, bool again)
{
    if (!again && !(sfs_ask_cold_share(list, first, end) > 0))
        return false;
    sfs_ask_rows(list, SFS_ROW_INDICES, first, end);
    if (!sfs_codec_of(list->matrix)->one_extent)
        sfs_ask_rows(list, SFS_ROW_VALUES, first, end);
    return true;
}

/* Where a row's values lie; false where it has none. */
static bool find_values(const sfs_matrix *matrix, uint64_t row, sfs_extent *out)
{
    sfs_row_place place;
    if (sfs_matrix_locate(matrix, row, &place, NULL) || !place.nnz)
        return false;
    *out = sfs_codec_of(matrix)->extent(matrix, &place, SFS_ROW_VALUES);
    return true;
}

static uint64_t page_of(sfs_extent extent, uint64_t byte)
{
    return ((uint64_t)(extent.bytes - extent.map->bytes) + byte) / SFS_PAGE;
}

bool sfs_ask_run_is_resident(const sfs_matrix *matrix, uint64_t first, uint64_t count)
{
    sfs_extent begin, middle, end;
    if (!find_values(matrix, first, &begin) || !find_values(matrix, first + count / 2, &middle) ||
        !find_values(matrix, first + count - 1, &end))
        return false;
    uint64_t page = page_of(middle, 0);
    return page != page_of(begin, 0) && page != page_of(end, end.length - 1) && is_resident(middle);
}

void sfs_ask_run(const sfs_matrix *matrix, uint64_t first, uint64_t count)
{
    sfs_extent held[2] = {{0}, {0}};
    const sfs_codec *codec = sfs_codec_of(matrix);
    int arrays = codec->one_extent ? 1 : 2;
    for (uint64_t row = first; row < first + count; row++) {
        sfs_row_place place;
        if (sfs_matrix_locate(matrix, row, &place, NULL) || !place.nnz)
            continue;
        for (int i = 0; i < arrays; i++)
            ask(&held[i], codec->extent(matrix, &place, (sfs_row_array)i));
    }
    for (int i = 0; i < arrays; i++)
        ask_now(&held[i]);
}
