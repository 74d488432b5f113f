/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/npz_file.h"

#include <libdeflate.h>

#include "batch/ask.h"
#include "batch/chosen_row.h"
#include "batch/zip.h"
#include "codec/cast.h"
#include "store/guard.h"

/* In the order in which scipy writes them. */
enum { INDICES, INDPTR, FORMAT, SHAPE, DATA, MEMBERS };

static const char *const names[MEMBERS] = {"indices.npy", "indptr.npy", "format.npy", "shape.npy",
                                           "data.npy"};

/* So many elements are summed at once, and so many rows asked for ahead. */
enum { PIECE = 32 << 10, WINDOW_ROWS = 1024 };

static const char format_name[3] = {'c', 's', 'r'};

/* What is before the bytes of a member's array: the zip's header, and the .npy's. */
struct front {
    uint8_t bytes[SFS_ZIP_LOCAL_MAX + SFS_NPY_HEADER];
};

/* The head of the file: what it has beside arrays, and where. */
struct head {
    sfs_zip_member members[MEMBERS];
    uint64_t body[MEMBERS]; /* where each member's bytes begin */
    struct front fronts[MEMBERS];
    sfs_csr_form form; /* the types of the arrays */
    char format[sizeof format_name];
    int64_t shape[2];
    uint64_t directory; /* where it begins */
    uint8_t directory_bytes[MEMBERS * SFS_ZIP_ENTRY_MAX + SFS_ZIP_END_MAX];
};

static sfs_part *add_memory(sfs_file *file, const void *memory, uint64_t size)
{
    sfs_part *part = sfs_file_add(file, sfs_part_memory, size, 1);
    part->memory = memory;
    return part;
}

/* Adds what is before an array of so many bytes, whose .npy header is given. */
static void add_front(sfs_file *file, int place, const char header[SFS_NPY_HEADER], uint64_t bytes)
{
    struct head *head = file->head;
    sfs_zip_member *member = &head->members[place];
    uint8_t *front = head->fronts[place].bytes;
    *member = (sfs_zip_member){
        .name = names[place], .offset = file->size, .size = SFS_NPY_HEADER + bytes};
    size_t size = sfs_zip_put_local(member, front);
    memcpy(front + size, header, SFS_NPY_HEADER);
    head->body[place] = file->size + size;
    add_memory(file, front, size + SFS_NPY_HEADER)->late = true;
}

static void add_array(sfs_file *file, int place, const sfs_csr_form *form, sfs_csr_array array)
{
    const sfs_row_list *rows = &file->rows;
    char header[SFS_NPY_HEADER];
    sfs_dtype dtype = sfs_csr_array_dtype(form, array, rows->nnz);
    uint64_t count = sfs_csr_array_count(array, rows->count, rows->nnz);
    sfs_npy_header(dtype, count, 0, header);
    add_front(file, place, header, count * dtype.size);
    sfs_csr_add_array(file, rows, form, array, 1);
}

/* The CRC of a member's .npy header. */
static uint32_t sum_front(const struct head *head, int place)
{
    const sfs_zip_member *member = &head->members[place];
    const uint8_t *header = head->fronts[place].bytes + (head->body[place] - member->offset);
    return libdeflate_crc32(0, header, SFS_NPY_HEADER);
}

static void add_parts(sfs_file *file, const sfs_csr_form *form)
{
    struct head *head = file->head;
    char header[SFS_NPY_HEADER];
    memcpy(head->format, format_name, sizeof format_name);
    head->shape[0] = (int64_t)file->rows.count;
    head->shape[1] = (int64_t)sfs_row_list_columns(&file->rows);
    add_array(file, INDICES, form, SFS_CSR_INDICES);
    add_array(file, INDPTR, form, SFS_CSR_INDPTR);
    sfs_npy_header_scalar((sfs_dtype){'S', sizeof head->format}, header);
    add_front(file, FORMAT, header, sizeof head->format);
    add_memory(file, head->format, sizeof head->format);
    sfs_npy_header((sfs_dtype){'i', 8}, 2, 0, header);
    add_front(file, SHAPE, header, sizeof head->shape);
    add_memory(file, head->shape, sizeof head->shape);
    add_array(file, DATA, form, SFS_CSR_DATA);
    head->form =
        (sfs_csr_form){.values = form->values,
                       .indices = sfs_csr_array_dtype(form, SFS_CSR_INDICES, file->rows.nnz)};
    head->members[FORMAT].crc =
        libdeflate_crc32(sum_front(head, FORMAT), head->format, sizeof head->format);
    head->members[SHAPE].crc =
        libdeflate_crc32(sum_front(head, SHAPE), head->shape, sizeof head->shape);
    head->directory = file->size;
    size_t size = sfs_zip_put_directory(head->members, MEMBERS, file->size, head->directory_bytes);
    add_memory(file, head->directory_bytes, size)->late = true;
}

/* The CRCs of the arrays, on their way: both in one walk over the rows. */
struct summing {
    const sfs_file *file;
    sfs_csr_form form; /* with the types that the arrays have */
    uint8_t *piece;    /* room for so many elements of any type */
    void *scratch;
    uint32_t indptr, indices, data;
};

static void sum(uint32_t *crc, const void *bytes, uint64_t size)
{
    *crc = libdeflate_crc32(*crc, bytes, size);
}

static sfs_status sum_decoded(struct summing *summing, const sfs_row_place *place,
                              sfs_row_array array, sfs_dtype dtype, uint32_t *crc, sfs_error *error)
{
    const sfs_matrix *matrix = summing->file->rows.matrix;
    for (uint32_t first = 0; first < place->nnz; first += PIECE) {
        uint32_t n = place->nnz - first < PIECE ? place->nnz - first : PIECE;
        SFS_TRY(sfs_codec_of(matrix)->decode(matrix, place, array, dtype, first, n, summing->piece,
                                             error));
        sum(crc, summing->piece, (uint64_t)n * dtype.size);
    }
    return 0;
}

static sfs_status sum_row(struct summing *summing, const sfs_row_place *place, sfs_error *error)
{
    const sfs_row_list *rows = &summing->file->rows;
    sfs_dtype indices = summing->form.indices, values = summing->form.values;
    if (!rows->stored) {
        SFS_TRY(sum_decoded(summing, place, SFS_ROW_INDICES, indices, &summing->indices, error));
        return sum_decoded(summing, place, SFS_ROW_VALUES, values, &summing->data, error);
    }
    const sfs_chosen_form form = {
        .genes = rows->genes, .sorted = true, .with_values = true, .values = values};
    sfs_chosen_row row;
    SFS_TRY(sfs_chosen_decode(rows->matrix, place, &form, summing->scratch, &row, error));
    sfs_cast((sfs_dtype){'i', 4}, row.columns, indices, row.spare, row.count);
    sum(&summing->indices, row.spare, (uint64_t)row.count * indices.size);
    sum(&summing->data, row.values, (uint64_t)row.count * values.size);
    return 0;
}

static void ask_window(const sfs_row_list *rows, uint64_t first)
{
    uint64_t end = first + WINDOW_ROWS < rows->count ? first + WINDOW_ROWS : rows->count;
    if (first < end)
        sfs_ask_cold(rows, first, end, false);
}

static sfs_status sum_rows(void *context, sfs_error *error)
{
    struct summing *summing = context;
    const sfs_row_list *rows = &summing->file->rows;
    sfs_shards_read read = {0};
    ask_window(rows, 0);
    for (uint64_t i = 0; i < rows->count; i++) {
        sfs_row_place place;
        if (i % WINDOW_ROWS == 0)
            ask_window(rows, i + WINDOW_ROWS);
        sfs_ask_row(rows, i + 1);
        SFS_TRY(sfs_row_list_place(rows, i, &place, error));
        SFS_TRY(sfs_codec_of(rows->matrix)->verify(rows->matrix, &place, error));
        sfs_shards_note(&read, rows->matrix, place.shard);
        SFS_TRY(sum_row(summing, &place, error));
    }
    return sfs_shards_check_sizes(&read, rows->matrix, error);
}

/* indptr, as the file has it. */
static sfs_status sum_indptr(struct summing *summing, sfs_error *error)
{
    const sfs_file *file = summing->file;
    const struct head *head = file->head;
    uint64_t offset = head->body[INDPTR] + SFS_NPY_HEADER;
    uint64_t left = head->members[INDPTR].size - SFS_NPY_HEADER;
    while (left) {
        size_t got, taken = left < PIECE ? left : PIECE;
        SFS_TRY(sfs_file_read(file, summing->piece, taken, offset, &got, error));
        sum(&summing->indptr, summing->piece, taken);
        offset += taken;
        left -= taken;
    }
    return 0;
}

static void put_sums(struct head *head, const struct summing *summing)
{
    head->members[INDPTR].crc = summing->indptr;
    head->members[INDICES].crc = summing->indices;
    head->members[DATA].crc = summing->data;
    for (int i = 0; i < MEMBERS; i++)
        sfs_zip_put_local(&head->members[i], head->fronts[i].bytes);
    sfs_zip_put_directory(head->members, MEMBERS, head->directory, head->directory_bytes);
}

static sfs_status complete(const sfs_file *file, sfs_error *error)
{
    struct head *head = file->head;
    SFS_AUTO_FREE uint8_t *piece = malloc(PIECE * sizeof(uint64_t));
    SFS_AUTO_FREE void *scratch = malloc(file->scratch + 1);
    if (!piece || !scratch)
        return sfs_fail_memory(error);
    struct summing summing = {.file = file,
                              .form = head->form,
                              .piece = piece,
                              .scratch = scratch,
                              .indptr = sum_front(head, INDPTR),
                              .indices = sum_front(head, INDICES),
                              .data = sum_front(head, DATA)};
    SFS_TRY(sum_indptr(&summing, error));
    SFS_TRY(sfs_guard(&file->collection->files, sum_rows, &summing, error));
    put_sums(head, &summing);
    return 0;
}

sfs_status sfs_npz_open(sfs_row_list *rows, const sfs_csr_form *form, sfs_file **out,
                        sfs_error *error)
{
    sfs_file *file;
    sfs_status status =
        sfs_file_new(rows->collection, 2 * MEMBERS + 1, sizeof(struct head), &file, error);
    if (status) {
        sfs_row_list_close(rows);
        return status;
    }
    file->rows = *rows;
    *rows = (sfs_row_list){0};
    status = sfs_file_complete_late(file, complete, error);
    if (status) {
        sfs_file_close(file);
        return status;
    }
    add_parts(file, form);
    *out = file;
    return 0;
}
