/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/ask.h"

#include <fcntl.h>
#include <sys/uio.h>

/* ASK_MAX: the kernel cuts what is asked for at once to its read-ahead, which is rarely less. */
enum { SAMPLES = 32, SAMPLE_EVERY = 8, ASK_MAX = 128 << 10 };

/* An extent that grows as long as what follows adjoins it. */
struct asking {
    sfs_extent extent;
};

static void ask_now(struct asking *asking)
{
    sfs_extent *extent = &asking->extent;
    while (extent->length) {
        uint64_t length = extent->length < ASK_MAX ? extent->length : ASK_MAX;
        posix_fadvise(extent->map->fd, extent->bytes - extent->map->bytes, (off_t)length,
                      POSIX_FADV_WILLNEED);
        extent->bytes += length;
        extent->length -= length;
    }
}

static void ask(struct asking *asking, sfs_extent next)
{
    sfs_extent *extent = &asking->extent;
    if (extent->length && extent->map == next.map && extent->bytes + extent->length == next.bytes) {
        extent->length += next.length;
        return;
    }
    ask_now(asking);
    *extent = next;
}

static bool is_resident(sfs_extent extent)
{
    uint8_t byte;
    struct iovec to = {&byte, 1};
    return preadv2(extent.map->fd, &to, 1, extent.bytes - extent.map->bytes, RWF_NOWAIT) == 1;
}

bool sfs_ask_is_cold(const sfs_row_list *list, uint64_t first, uint64_t end)
{
    uint64_t rows = end - first, step = rows / SAMPLES;
    const sfs_codec *codec = sfs_codec_of(list->matrix);
    for (uint64_t row = first; row<end; row += step> SAMPLE_EVERY ? step : SAMPLE_EVERY) {
        sfs_row_place place;
        if (sfs_row_list_place(list, row, &place, NULL) || !place.nnz)
            continue;
        if (!is_resident(codec->extent(list->matrix, &place, SFS_ROW_VALUES)))
            return true;
    }
    return false;
}

void sfs_ask_rows(const sfs_row_list *list, sfs_row_array array, uint64_t first, uint64_t end)
{
    struct asking asking = {0};
    const sfs_codec *codec = sfs_codec_of(list->matrix);
    for (uint64_t row = first; row < end; row++) {
        sfs_row_place place;
        if (!sfs_row_list_place(list, row, &place, NULL) && place.nnz)
            ask(&asking, codec->extent(list->matrix, &place, array));
    }
    ask_now(&asking);
}

void sfs_ask_run(const sfs_matrix *matrix, uint64_t first, uint64_t count)
{
    struct asking asking[2] = {{{0}}, {{0}}};
    const sfs_codec *codec = sfs_codec_of(matrix);
    int arrays = codec->one_extent ? 1 : 2;
    for (uint64_t row = first; row < first + count; row++) {
        sfs_row_place place;
        if (sfs_matrix_locate(matrix, row, &place, NULL) || !place.nnz)
            continue;
        for (int i = 0; i < arrays; i++)
            ask(&asking[i], codec->extent(matrix, &place, (sfs_row_array)i));
    }
    for (int i = 0; i < arrays; i++)
        ask_now(&asking[i]);
}
