/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/csr_file.h"

enum { ALIGNMENT = 64, HEADER_WORDS = 16, NAME_BYTES = 96, TYPESTR_BYTES = 8 };

static const char magic[8] = {'S', 'H', 'U', 'F', 'C', 'S', 'R', '1'};

struct section_entry {
    char name[NAME_BYTES];
    char typestr[TYPESTR_BYTES];
    int64_t offset, elements, columns;
};

enum { HEADER_BYTES = HEADER_WORDS * 8 + SFS_CSR_ARRAYS * sizeof(struct section_entry) };

_Static_assert(sizeof(struct section_entry) == 128, "the format's entry");

static void write_header(sfs_file *file, const sfs_csr_header *header)
{
    int64_t words[HEADER_WORDS] = {0};
    const sfs_row_list *rows = &file->rows;
    const sfs_part *arrays = file->parts + 1;
    memcpy(&words[0], magic, sizeof magic);
    words[1] = HEADER_BYTES;
    words[2] = (int64_t)rows->count;
    words[3] = (int64_t)sfs_row_list_columns(rows);
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
            .elements = (int64_t)sfs_csr_array_count(i, rows->count, rows->nnz),
            .columns = 1,
        };
        char typestr[SFS_TYPESTR];
        sfs_dtype_typestr(arrays[i].dtype, typestr);
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

sfs_status sfs_csr_open(sfs_row_list *rows, const sfs_csr_form *form, const sfs_csr_header *header,
                        sfs_file **out, sfs_error *error)
{
    SFS_TRY(open_file(rows, HEADER_BYTES, out, error));
    for (sfs_csr_array array = 0; array < SFS_CSR_ARRAYS; array++)
        sfs_csr_add_array(*out, &(*out)->rows, form, array, ALIGNMENT);
    write_header(*out, header);
    return 0;
}

sfs_status sfs_csr_array_open(sfs_row_list *rows, const sfs_csr_form *form, sfs_csr_array array,
                              sfs_file **out, sfs_error *error)
{
    SFS_TRY(open_file(rows, SFS_NPY_HEADER, out, error));
    const sfs_row_list *list = &(*out)->rows;
    sfs_npy_header(sfs_csr_array_dtype(form, array, list->nnz),
                   sfs_csr_array_count(array, list->count, list->nnz), 0, (*out)->head);
    sfs_csr_add_array(*out, list, form, array, 1);
    return 0;
}
