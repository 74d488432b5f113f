/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/csr_file.h"

#include <inttypes.h>

#include "batch/column_rows.h"

enum {
    ALIGNMENT = 64,
    HEADER_WORDS = 16,
    NAME_BYTES = 96,
    TYPESTR_BYTES = 8,
    MAX_STRING = 999999, /* bytes: a typestr of 8 characters tells no more */
};

static const char magic[8] = {'S', 'H', 'U', 'F', 'C', 'S', 'R', '1'};

static const char mask_suffix[] = ".mask";

struct section_entry {
    char name[NAME_BYTES];
    char typestr[TYPESTR_BYTES];
    int64_t offset, elements, columns;
};

_Static_assert(sizeof(struct section_entry) == 128, "the format's entry");

/* Sections of the extra columns: a mask is one of its own. */
static size_t count_sections(const sfs_csr_column *columns, size_t count)
{
    size_t sections = count;
    for (size_t i = 0; i < count; i++)
        sections += columns[i].column->nullable;
    return sections;
}

static size_t header_bytes(size_t sections)
{
    return HEADER_WORDS * sizeof(int64_t) + sections * sizeof(struct section_entry);
}

static void write_words(sfs_file *file, const sfs_csr_header *header, size_t sections)
{
    int64_t words[HEADER_WORDS] = {0};
    const sfs_row_list *rows = &file->rows;
    memcpy(&words[0], magic, sizeof magic);
    words[1] = (int64_t)header_bytes(sections);
    words[2] = (int64_t)rows->count;
    words[3] = (int64_t)sfs_row_list_columns(rows);
    words[4] = (int64_t)rows->nnz;
    words[5] = (int64_t)sections;
    for (int i = 0; i < SFS_CSR_ARRAYS; i++)
        words[6 + i] = (int64_t)file->parts[1 + i].offset;
    words[10] = header->epoch;
    words[11] = header->rank;
    words[12] = header->batch;
    words[13] = (int64_t)header->seed;
    words[14] = (int64_t)header->repeated;
    words[15] = SFS_ORDER_VERSION;
    memcpy(file->head, words, sizeof words);
}

/* The entry of the last part that was added: that of section parts - 2, for the first part is the
 * header. */
static void write_entry(sfs_file *file, const char *name, const char *suffix, uint64_t elements,
                        uint32_t columns)
{
    size_t section = file->part_count - 2;
    const sfs_part *part = &file->parts[file->part_count - 1];
    struct section_entry entry = {
        .offset = (int64_t)part->offset, .elements = (int64_t)elements, .columns = columns};
    char typestr[SFS_TYPESTR];
    sfs_dtype_typestr(part->dtype, typestr);
    memcpy(entry.name, name, strlen(name));
    memcpy(entry.name + strlen(name), suffix, strlen(suffix));
    memcpy(entry.typestr, typestr, strnlen(typestr, sizeof entry.typestr));
    memcpy((char *)file->head + header_bytes(section), &entry, sizeof entry);
}

static void add_column(sfs_file *file, const sfs_csr_column *added)
{
    const sfs_column *column = added->column;
    uint64_t rows = file->rows.count;
    sfs_column_add_rows(file, column, SFS_COLUMN_NPY, ALIGNMENT);
    write_entry(file, added->name, "", rows * column->columns, column->columns);
    if (!column->nullable)
        return;
    sfs_column_add_rows(file, column, SFS_COLUMN_MASK, ALIGNMENT);
    write_entry(file, added->name, mask_suffix, rows, 1);
}

static bool is_mask_of(const char *name, const sfs_csr_column *column)
{
    size_t length = strlen(column->name);
    return column->column->nullable && !strncmp(name, column->name, length) &&
           !strcmp(name + length, mask_suffix);
}

static sfs_status check_column(const sfs_csr_column *column, sfs_error *error)
{
    size_t length = strlen(column->name);
    if (column->column->nullable)
        length += strlen(mask_suffix);
    if (length >= NAME_BYTES)
        return sfs_fail(error, -EINVAL,
                        "%s%s: expected a name of at most %d bytes, found %zu: leave it out, and "
                        "read it beside the .csr",
                        column->name, column->column->nullable ? mask_suffix : "", NAME_BYTES - 1,
                        length);
    if (column->column->kind == SFS_COLUMN_STRING && column->column->dtype.size > MAX_STRING)
        return sfs_fail(error, -EINVAL,
                        "%s: expected strings of at most %d bytes, found one of %" PRIu32
                        ": leave it out, and read it beside the .csr",
                        column->name, MAX_STRING, column->column->dtype.size);
    return 0;
}

sfs_status sfs_csr_check_columns(const sfs_csr_column *columns, size_t count, sfs_error *error)
{
    for (size_t i = 0; i < count; i++) {
        SFS_TRY(check_column(&columns[i], error));
        for (size_t other = 0; other < count; other++)
            if (other != i && (!strcmp(columns[i].name, columns[other].name) ||
                               is_mask_of(columns[i].name, &columns[other])))
                return sfs_fail(error, -EINVAL,
                                "%s: expected each name once in a .csr, found two sections of this "
                                "name: leave one out",
                                columns[i].name);
    }
    return 0;
}

/* Makes a file that owns rows, of so many sections, which begins with a head of so many bytes. */
static sfs_status open_file(sfs_row_list *rows, size_t sections, size_t head_size, sfs_file **out,
                            sfs_error *error)
{
    sfs_status status = sfs_file_new(rows->collection, 1 + sections, head_size, out, error);
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
                        const sfs_csr_column *columns, size_t column_count, sfs_file **out,
                        sfs_error *error)
{
    size_t sections = SFS_CSR_ARRAYS + count_sections(columns, column_count);
    sfs_status status = sfs_csr_check_columns(columns, column_count, error);
    if (status) {
        sfs_row_list_close(rows);
        return status;
    }
    SFS_TRY(open_file(rows, sections, header_bytes(sections), out, error));
    sfs_file *file = *out;
    const sfs_row_list *list = &file->rows;
    for (sfs_csr_array array = 0; array < SFS_CSR_ARRAYS; array++) {
        sfs_csr_add_array(file, list, form, array, ALIGNMENT);
        write_entry(file, sfs_csr_array_names[array], "",
                    sfs_csr_array_count(array, list->count, list->nnz), 1);
    }
    for (size_t i = 0; i < column_count; i++)
        add_column(file, &columns[i]);
    write_words(file, header, sections);
    return 0;
}

sfs_status sfs_csr_array_open(sfs_row_list *rows, const sfs_csr_form *form, sfs_csr_array array,
                              sfs_file **out, sfs_error *error)
{
    SFS_TRY(open_file(rows, 1, SFS_NPY_HEADER, out, error));
    const sfs_row_list *list = &(*out)->rows;
    sfs_npy_header(sfs_csr_array_dtype(form, array, list->nnz),
                   sfs_csr_array_count(array, list->count, list->nnz), 0, (*out)->head);
    sfs_csr_add_array(*out, list, form, array, 1);
    return 0;
}
