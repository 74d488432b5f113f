/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/csr_file.h"

#include "codec/codec.h"

enum { ALIGNMENT = 64, HEADER_WORDS = 16, NAME_BYTES = 96, TYPESTR_BYTES = 8, WIDEN_ITEMS = 512 };

/* How far ahead rows are asked for, and at most how much of each: measured, with rows of 4 kB in
 * memory. */
enum { PREFETCH_ROWS = 1, PREFETCH_BYTES = 4096, CACHE_LINE = 64 };

static const char magic[8] = {'S', 'H', 'U', 'F', 'C', 'S', 'R', '1'};

const char *const sfs_csr_array_names[SFS_CSR_ARRAYS] = {"indptr", "indices", "data", "rows"};

struct section_entry {
    char name[NAME_BYTES];
    char typestr[TYPESTR_BYTES];
    int64_t offset, elements, columns;
};

enum { HEADER_BYTES = HEADER_WORDS * 8 + SFS_CSR_ARRAYS * sizeof(struct section_entry) };

_Static_assert(sizeof(struct section_entry) == 128, "the format's entry");

/* The type of each array's elements, and how many there are. */
static sfs_dtype array_dtype(const sfs_matrix *matrix, sfs_csr_width width, sfs_csr_array array,
                             uint64_t nnz)
{
    bool wide = nnz >= SFS_WIDE_NNZ;
    switch (array) {
    case SFS_CSR_INDPTR:
        return (sfs_dtype){'i', wide || width == SFS_CSR_WHOLE ? 8 : 4};
    case SFS_CSR_INDICES:
        return (sfs_dtype){'i', wide && width == SFS_CSR_BATCH ? 8 : 4};
    case SFS_CSR_DATA:
        return matrix->dtype;
    default:
        return (sfs_dtype){'i', 8};
    }
}

static uint64_t array_count(sfs_csr_array array, uint64_t rows, uint64_t nnz)
{
    return array == SFS_CSR_INDPTR ? rows + 1 : array == SFS_CSR_ROWS ? rows : nnz;
}

static uint64_t array_bytes(const sfs_matrix *matrix, sfs_csr_width width, sfs_csr_array array,
                            uint64_t rows, uint64_t nnz)
{
    return array_count(array, rows, nnz) * array_dtype(matrix, width, array, nnz).size;
}

/* The row after this one; after an empty one, which may be the first of billions, the next that has
 * a non-zero. */
static sfs_status next_row(const sfs_row_list *rows, bool has_nonzeros, uint64_t before,
                           uint64_t *row, sfs_error *error)
{
    uint64_t next = *row + 1;
    if (!has_nonzeros)
        SFS_TRY(sfs_row_list_find(rows, before, &next, error));
    if (next <= *row || next >= rows->count)
        return sfs_fail(error, -EIO, "%s: the row offsets and row lengths contradict each other",
                        rows->matrix->name);
    *row = next;
    return 0;
}

/* Asks the processor for the beginning of a row that is read soon; its own prefetcher finds the
 * rest. A hint: what is wrong with that row is for its own read to say. */
static void prefetch(const sfs_row_list *rows, uint64_t row, sfs_row_array array, uint64_t size)
{
    sfs_row_place place;
    if (row >= rows->count || sfs_row_list_place(rows, row, &place, NULL))
        return;
    const uint8_t *bytes = sfs_codec_of(rows->matrix)->begin(rows->matrix, &place, array);
    uint64_t length = place.nnz * size < PREFETCH_BYTES ? place.nnz * size : PREFETCH_BYTES;
    for (uint64_t at = 0; at < length; at += CACHE_LINE)
        __builtin_prefetch(bytes + at);
}

/* A row's indices as int64, for a batch of 2^31 non-zeros or more. */
static void emit_wide_indices(const sfs_matrix *matrix, const sfs_row_place *place, uint64_t skip,
                              uint64_t length, sfs_sink *sink)
{
    int32_t narrow[WIDEN_ITEMS];
    int64_t wide[WIDEN_ITEMS];
    uint64_t end = skip + length;
    uint8_t *out = sfs_sink_room(sink, length);
    while (skip < end) {
        uint64_t first = skip / sizeof *wide, last = (end - 1) / sizeof *wide;
        uint64_t count = last - first < WIDEN_ITEMS ? last - first + 1 : WIDEN_ITEMS;
        sfs_sink copy = {.buffer = (uint8_t *)narrow};
        sfs_codec_of(matrix)->emit(matrix, place, SFS_ROW_INDICES, first * sizeof *narrow,
                                   count * sizeof *narrow, &copy);
        for (uint64_t i = 0; i < count; i++)
            wide[i] = narrow[i];
        uint64_t stop = (first + count) * sizeof *wide;
        stop = stop < end ? stop : end;
        memcpy(out, (const uint8_t *)wide + (skip - first * sizeof *wide), stop - skip);
        out += stop - skip;
        skip = stop;
    }
}

/* Walks over the rows that have bytes [skip, skip + length) of an array of non-zeros, whose
 * elements have part->width bytes in the file, and appends each row's share. */
static sfs_status read_nonzeros(const sfs_file *file, const sfs_part *part, sfs_row_array array,
                                uint64_t skip, uint64_t length, sfs_sink *sink, sfs_error *error)
{
    const sfs_row_list *rows = &file->rows;
    const sfs_codec *codec = sfs_codec_of(rows->matrix);
    bool wide = array == SFS_ROW_INDICES && part->width == sizeof(int64_t);
    uint64_t size = part->width, end = skip + length, row, before;
    sfs_shards_read read = {0};
    SFS_TRY(sfs_row_list_find(rows, skip / size, &row, error));
    SFS_TRY(sfs_row_list_before(rows, row, &before, error));
    for (uint64_t at = skip; at < end;) {
        sfs_row_place place;
        prefetch(rows, row + PREFETCH_ROWS, array, size);
        SFS_TRY(sfs_row_list_place(rows, row, &place, error));
        SFS_TRY(codec->verify(rows->matrix, &place, error));
        sfs_shards_note(&read, rows->matrix, place.shard);
        uint64_t row_end = (before + place.nnz) * size, row_skip = at - before * size;
        uint64_t stop = row_end < end ? row_end : end;
        if (at < stop && wide)
            emit_wide_indices(rows->matrix, &place, row_skip, stop - at, sink);
        else if (at < stop)
            codec->emit(rows->matrix, &place, array, row_skip, stop - at, sink);
        at = at < stop ? stop : at;
        before += place.nnz;
        if (at < end)
            SFS_TRY(next_row(rows, place.nnz > 0, before, &row, error));
    }
    return sfs_shards_check_sizes(&read, rows->matrix, error);
}

static sfs_status read_indices(const sfs_file *file, const sfs_part *part, uint64_t skip,
                               uint64_t length, sfs_sink *sink, sfs_error *error)
{
    return read_nonzeros(file, part, SFS_ROW_INDICES, skip, length, sink, error);
}

static sfs_status read_data(const sfs_file *file, const sfs_part *part, uint64_t skip,
                            uint64_t length, sfs_sink *sink, sfs_error *error)
{
    return read_nonzeros(file, part, SFS_ROW_VALUES, skip, length, sink, error);
}

/* Bytes [skip, skip + length) of a sequence whose element i is computed. */
typedef sfs_status element_at(const sfs_row_list *rows, uint64_t i, int64_t *out, sfs_error *error);

static sfs_status compute(const sfs_row_list *rows, element_at *element, uint32_t size,
                          uint64_t skip, uint64_t length, sfs_sink *sink, sfs_error *error)
{
    uint8_t *out = sfs_sink_room(sink, length);
    for (uint64_t end = skip + length; skip < end;) {
        int64_t value;
        uint64_t i = skip / size, within = skip % size;
        uint64_t taken = size - within < end - skip ? size - within : end - skip;
        SFS_TRY(element(rows, i, &value, error));
        memcpy(out, (const uint8_t *)&value + within, taken);
        out += taken;
        skip += taken;
    }
    return 0;
}

static sfs_status row_number(const sfs_row_list *rows, uint64_t i, int64_t *out, sfs_error *error)
{
    (void)error;
    *out = (int64_t)(rows->first + i);
    return 0;
}

static sfs_status read_run_rows(const sfs_file *file, const sfs_part *part, uint64_t skip,
                                uint64_t length, sfs_sink *sink, sfs_error *error)
{
    (void)part;
    return compute(&file->rows, row_number, sizeof(int64_t), skip, length, sink, error);
}

static sfs_status row_offset(const sfs_row_list *rows, uint64_t i, int64_t *out, sfs_error *error)
{
    return sfs_row_list_before(rows, i, (uint64_t *)out, error);
}

static sfs_status read_run_indptr(const sfs_file *file, const sfs_part *part, uint64_t skip,
                                  uint64_t length, sfs_sink *sink, sfs_error *error)
{
    SFS_TRY(compute(&file->rows, row_offset, part->width, skip, length, sink, error));
    return sfs_matrix_check_sizes(file->rows.matrix, file->rows.first, file->rows.count, error);
}

static void add_array(sfs_file *file, sfs_csr_width width, sfs_csr_array array, uint64_t alignment)
{
    static sfs_part_read *const of_runs[SFS_CSR_ARRAYS] = {read_run_indptr, read_indices, read_data,
                                                           read_run_rows};
    const sfs_row_list *rows = &file->rows;
    uint64_t bytes = array_bytes(rows->matrix, width, array, rows->count, rows->nnz);
    bool in_memory = rows->rows && (array == SFS_CSR_INDPTR || array == SFS_CSR_ROWS);
    sfs_part *part =
        sfs_file_add(file, in_memory ? sfs_part_memory : of_runs[array], bytes, alignment);
    part->width = array_dtype(rows->matrix, width, array, rows->nnz).size;
    if (in_memory)
        part->memory = array == SFS_CSR_INDPTR ? rows->indptr : rows->rows;
}

static void write_header(sfs_file *file, const sfs_csr_header *header)
{
    int64_t words[HEADER_WORDS] = {0};
    const sfs_row_list *rows = &file->rows;
    const sfs_part *arrays = file->parts + 1;
    memcpy(&words[0], magic, sizeof magic);
    words[1] = HEADER_BYTES;
    words[2] = (int64_t)rows->count;
    words[3] = (int64_t)rows->matrix->columns;
    words[4] = (int64_t)rows->nnz;
    words[5] = SFS_CSR_ARRAYS;
    for (int i = 0; i < SFS_CSR_ARRAYS; i++)
        words[6 + i] = (int64_t)arrays[i].offset;
    words[10] = header->epoch;
    words[11] = header->rank;
    words[12] = header->batch;
    words[13] = (int64_t)header->seed;
    words[14] = (int64_t)header->repeated;
    words[15] = SFS_ORDER_VERSION;
    memcpy(file->head, words, sizeof words);
    for (sfs_csr_array i = 0; i < SFS_CSR_ARRAYS; i++) {
        struct section_entry entry = {
            .offset = (int64_t)arrays[i].offset,
            .elements = (int64_t)array_count(i, rows->count, rows->nnz),
            .columns = 1,
        };
        char typestr[SFS_TYPESTR];
        sfs_dtype_typestr(array_dtype(rows->matrix, SFS_CSR_BATCH, i, rows->nnz), typestr);
        memcpy(entry.name, sfs_csr_array_names[i], strlen(sfs_csr_array_names[i]));
        memcpy(entry.typestr, typestr, strlen(typestr));
        memcpy((char *)file->head + sizeof words + (size_t)i * sizeof entry, &entry, sizeof entry);
    }
}

/* Makes a file that owns rows, which begins with a head of so many bytes. */
static sfs_status open_file(sfs_row_list *rows, size_t head_size, sfs_file **out, sfs_error *error)
{
    sfs_status status = sfs_file_new(rows->collection, 1 + SFS_CSR_ARRAYS, head_size, out, error);
    if (status) {
        sfs_row_list_close(rows);
        return status;
    }
    (*out)->rows = *rows;
    *rows = (sfs_row_list){0};
    sfs_file_add(*out, sfs_part_memory, head_size, 1)->memory = (*out)->head;
    return 0;
}

sfs_status sfs_csr_open(sfs_row_list *rows, const sfs_csr_header *header, sfs_file **out,
                        sfs_error *error)
{
    SFS_TRY(open_file(rows, HEADER_BYTES, out, error));
    for (sfs_csr_array array = 0; array < SFS_CSR_ARRAYS; array++)
        add_array(*out, SFS_CSR_BATCH, array, ALIGNMENT);
    write_header(*out, header);
    return 0;
}

sfs_status sfs_csr_array_open(sfs_row_list *rows, sfs_csr_width width, sfs_csr_array array,
                              sfs_file **out, sfs_error *error)
{
    SFS_TRY(open_file(rows, SFS_NPY_HEADER, out, error));
    const sfs_row_list *list = &(*out)->rows;
    sfs_npy_header(array_dtype(list->matrix, width, array, list->nnz),
                   array_count(array, list->count, list->nnz), 0, (*out)->head);
    add_array(*out, width, array, 1);
    return 0;
}
