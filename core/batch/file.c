/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/file.h"

#include <sys/mman.h>

#include "batch/ask.h"
#include "store/guard.h"

enum { HUGE_PAGE = 2 << 20 };

sfs_status sfs_file_new(const sfs_collection *collection, size_t part_room, size_t head_size,
                        sfs_file **out, sfs_error *error)
{
    sfs_file *file = calloc(1, sizeof *file);
    if (!file)
        return sfs_fail_memory(error);
    file->collection = collection;
    file->parts = calloc(part_room + 1, sizeof *file->parts);
    file->head = calloc(1, head_size + 1);
    file->head_size = head_size;
    if (!file->parts || !file->head) {
        sfs_file_close(file);
        return sfs_fail_memory(error);
    }
    *out = file;
    return 0;
}

void sfs_file_close(sfs_file *file)
{
    if (!file)
        return;
    if (file->released)
        file->released(file->keeper, file->slot);
    sfs_row_list_close(&file->rows);
    for (size_t i = 0; i < file->other_count; i++)
        sfs_row_list_close(&file->others[i]);
    free(file->others);
    if (file->late)
        pthread_mutex_destroy(&file->late->lock);
    free(file->late);
    free(file->parts);
    free(file->head);
    free(file);
}

uint64_t sfs_file_size(const sfs_file *file)
{
    return file->size;
}

bool sfs_file_is_decoded(const sfs_file *file)
{
    return file->decoded;
}

uint64_t sfs_file_memory(const sfs_file *file)
{
    uint64_t size = sizeof *file + file->head_size + file->part_count * sizeof *file->parts +
                    file->other_count * sizeof *file->others + sfs_row_list_memory(&file->rows);
    for (size_t i = 0; i < file->other_count; i++)
        size += sfs_row_list_memory(&file->others[i]);
    return size;
}

sfs_part *sfs_file_add(sfs_file *file, sfs_part_read *read, uint64_t size, uint64_t alignment)
{
    sfs_part *part = &file->parts[file->part_count++];
    uint64_t offset = (file->size + alignment - 1) / alignment * alignment;
    *part = (sfs_part){.offset = offset, .size = size, .read = read};
    file->size = offset + size;
    return part;
}

sfs_status sfs_file_complete_late(sfs_file *file,
                                  sfs_status (*complete)(const sfs_file *file, sfs_error *error),
                                  sfs_error *error)
{
    file->late = calloc(1, sizeof *file->late);
    if (!file->late)
        return sfs_fail_memory(error);
    pthread_mutex_init(&file->late->lock, NULL);
    file->late->complete = complete;
    return 0;
}

void sfs_file_need_scratch(sfs_file *file, uint64_t bytes)
{
    file->scratch = file->scratch < bytes ? bytes : file->scratch;
}

sfs_status sfs_part_memory(const sfs_file *file, const sfs_part *part, uint64_t skip,
                           uint64_t length, sfs_sink *sink, sfs_error *error)
{
    (void)file;
    (void)error;
    sfs_sink_bytes(sink, (const uint8_t *)part->memory + skip, length);
    return 0;
}

sfs_status sfs_part_array(const sfs_file *file, const sfs_part *part, uint64_t skip,
                          uint64_t length, sfs_sink *sink, sfs_error *error)
{
    (void)file;
    SFS_TRY(sfs_map_verify(part->array->map, SFS_NPY_HEADER + skip, length, error));
    sfs_sink_bytes(sink, part->array->items + skip, length);
    return sfs_map_check_size(part->array->map, error);
}

/* The first part that ends behind offset. */
static size_t find_part(const sfs_file *file, uint64_t offset)
{
    size_t low = 0, high = file->part_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const sfs_part *part = &file->parts[middle];
        if (part->offset + part->size <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct reading {
    const sfs_file *file;
    uint64_t offset, end;
    sfs_sink *sink;
};

static sfs_status read_parts(void *context, sfs_error *error)
{
    struct reading *reading = context;
    const sfs_file *file = reading->file;
    uint64_t at = reading->offset;
    for (size_t i = find_part(file, at); at < reading->end; i++) {
        const sfs_part *part = &file->parts[i];
        if (at < part->offset) {
            uint64_t gap = (part->offset < reading->end ? part->offset : reading->end) - at;
            memset(sfs_sink_room(reading->sink, gap), 0, gap);
            at += gap;
            if (at == reading->end)
                break;
        }
        uint64_t skip = at - part->offset, left = part->size - skip;
        uint64_t length = left < reading->end - at ? left : reading->end - at;
        if (length)
            SFS_TRY(part->read(file, part, skip, length, reading->sink, error));
        at += length;
    }
    return 0;
}

/* Completes what bytes [offset, end) need of a late part. */
static sfs_status complete_late(const sfs_file *file, uint64_t offset, uint64_t end,
                                sfs_error *error)
{
    sfs_late *late = file->late;
    if (!late || atomic_load_explicit(&late->done, memory_order_acquire))
        return 0;
    bool needed = false;
    for (size_t i = find_part(file, offset); i < file->part_count; i++)
        needed |= file->parts[i].late && file->parts[i].offset < end;
    if (!needed)
        return 0;
    pthread_mutex_lock(&late->lock);
    sfs_status status = 0;
    if (!atomic_load_explicit(&late->done, memory_order_relaxed)) {
        status = late->complete(file, error);
        atomic_store_explicit(&late->done, !status, memory_order_release);
    }
    pthread_mutex_unlock(&late->lock);
    return status;
}

/* Clamps the range to the file, and reads it. */
static sfs_status read_range(const sfs_file *file, uint64_t size, uint64_t offset, sfs_sink *sink,
                             uint64_t *got, sfs_error *error)
{
    uint64_t end = offset < file->size ? file->size : offset;
    if (size < end - offset)
        end = offset + size;
    *got = end - offset;
    struct reading reading = {.file = file, .offset = offset, .end = end, .sink = sink};
    if (!*got)
        return 0;
    SFS_TRY(complete_late(file, offset, end, error));
    return sfs_guard(&file->collection->files, read_parts, &reading, error);
}

sfs_status sfs_file_read(const sfs_file *file, void *buffer, size_t size, uint64_t offset,
                         size_t *got, sfs_error *error)
{
    uint64_t length = 0;
    SFS_AUTO_FREE void *scratch = NULL;
    *got = 0;
    if (file->scratch && !(scratch = malloc(file->scratch)))
        return sfs_fail_memory(error);
    sfs_sink sink = {.buffer = buffer, .scratch = scratch};
    sfs_status status = read_range(file, size, offset, &sink, &length, error);
    *got = status ? 0 : length;
    return status;
}

struct asking {
    const sfs_file *file;
    uint64_t offset, end;
    sfs_asked asked;
};

static sfs_status ask_parts(void *context, sfs_error *error)
{
    struct asking *asking = context;
    const sfs_file *file = asking->file;
    (void)error;
    for (size_t i = find_part(file, asking->offset); i < file->part_count; i++) {
        const sfs_part *part = &file->parts[i];
        uint64_t from = part->offset < asking->offset ? asking->offset : part->offset;
        uint64_t part_end = part->offset + part->size;
        uint64_t to = part_end < asking->end ? part_end : asking->end;
        if (part->ask && from < to)
            part->ask(file, part, from - part->offset, to - from, &asking->asked);
    }
    return 0;
}

static bool ask(const sfs_file *file, uint64_t offset, uint64_t size, bool again)
{
    uint64_t left = offset < file->size ? file->size - offset : 0;
    struct asking asking = {.file = file,
                            .offset = offset,
                            .end = offset + (size < left ? size : left),
                            .asked = {.again = again}};
    sfs_guard(&file->collection->files, ask_parts, &asking, NULL);
    return asking.asked.any;
}

bool sfs_file_will_need(const sfs_file *file, uint64_t offset, uint64_t size)
{
    return ask(file, offset, size, false);
}

void sfs_file_will_need_again(const sfs_file *file, uint64_t offset, uint64_t size)
{
    ask(file, offset, size, true);
}

struct looking {
    const sfs_file *file;
    double cold;
};

static sfs_status look(void *context, sfs_error *error)
{
    struct looking *looking = context;
    const sfs_row_list *rows = &looking->file->rows;
    (void)error;
    looking->cold = sfs_ask_cold_share(rows, 0, rows->count);
    return 0;
}

double sfs_file_cold_share(const sfs_file *file)
{
    struct looking looking = {.file = file};
    sfs_guard(&file->collection->files, look, &looking, NULL);
    return looking.cold;
}

struct sfs_reader {
    size_t room;
    uint8_t *buffer; /* owned */
    void *scratch;   /* owned: scratch_size bytes, as the files that were read took */
    uint64_t scratch_size;
    struct iovec segments[SFS_READER_SEGMENTS];
};

sfs_status sfs_reader_new(size_t max_size, sfs_reader **out, sfs_error *error)
{
    sfs_reader *reader = malloc(sizeof *reader);
    void *buffer = NULL;
    /* Whole huge pages, which the kernel copies from a few per cent faster. */
    size_t room = (max_size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    if (!reader || posix_memalign(&buffer, HUGE_PAGE, room)) {
        free(reader);
        return sfs_fail_memory(error);
    }
    madvise(buffer, room, MADV_HUGEPAGE);
    memset(buffer, 0, max_size);
    reader->room = max_size;
    reader->buffer = buffer;
    reader->scratch = NULL;
    reader->scratch_size = 0;
    *out = reader;
    return 0;
}

void sfs_reader_free(sfs_reader *reader)
{
    if (!reader)
        return;
    free(reader->buffer);
    free(reader->scratch);
    free(reader);
}

static sfs_status reader_need_scratch(sfs_reader *reader, uint64_t bytes, sfs_error *error)
{
    if (bytes <= reader->scratch_size)
        return 0;
    free(reader->scratch);
    reader->scratch = malloc(bytes);
    reader->scratch_size = reader->scratch ? bytes : 0;
    return reader->scratch ? 0 : sfs_fail_memory(error);
}

sfs_status sfs_file_read_segments(const sfs_file *file, sfs_reader *reader, size_t size,
                                  uint64_t offset, const struct iovec **segments, int *count,
                                  sfs_error *error)
{
    uint64_t got;
    *count = 0;
    SFS_TRY(reader_need_scratch(reader, file->scratch, error));
    sfs_sink sink = {.segments = reader->segments,
                     .max = SFS_READER_SEGMENTS,
                     .buffer = reader->buffer,
                     .scratch = reader->scratch};
    if (size > reader->room)
        size = reader->room;
    sfs_status status = read_range(file, size, offset, &sink, &got, error);
    *segments = reader->segments;
    *count = status ? 0 : sink.count;
    return status;
}
