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

/* A .csr as it is added to a file. */
struct csr {
    sfs_file *file;
    const sfs_row_list *rows; /* owned by the file */
    char *head;               /* in the file's */
    size_t head_part;
};

static uint64_t begin_of(const struct csr *csr)
{
    return csr->file->parts[csr->head_part].offset;
}

static void write_words(const struct csr *csr, const sfs_csr_header *header, size_t sections)
{
    int64_t words[HEADER_WORDS] = {0};
    const sfs_row_list *rows = csr->rows;
    memcpy(&words[0], magic, sizeof magic);
    words[1] = (int64_t)header_bytes(sections);
    words[2] = (int64_t)rows->count;
    words[3] = (int64_t)sfs_row_list_columns(rows);
    words[4] = (int64_t)rows->nnz;
    words[5] = (int64_t)sections;
    for (int i = 0; i < SFS_CSR_ARRAYS; i++)
        words[6 + i] =
            (int64_t)(csr->file->parts[csr->head_part + 1 + (size_t)i].offset - begin_of(csr));
    words[10] = header->epoch;
    words[11] = header->rank;
    words[12] = header->batch;
    words[13] = (int64_t)header->seed;
    words[14] = (int64_t)header->repeated;
    words[15] = SFS_ORDER_VERSION;
    memcpy(csr->head, words, sizeof words);
}

/* The entry of the last part that was added. */
static void write_entry(const struct csr *csr, const char *name, const char *suffix,
                        uint64_t elements, uint32_t columns)
{
    size_t last = csr->file->part_count - 1, section = last - csr->head_part - 1;
    const sfs_part *part = &csr->file->parts[last];
    struct section_entry entry = {.offset = (int64_t)(part->offset - begin_of(csr)),
                                  .elements = (int64_t)elements,
                                  .columns = columns};
    char typestr[SFS_TYPESTR];
    sfs_dtype_typestr(part->dtype, typestr);
    memcpy(entry.name, name, strlen(name));
    memcpy(entry.name + strlen(name), suffix, strlen(suffix));
    memcpy(entry.typestr, typestr, strnlen(typestr, sizeof entry.typestr));
    memcpy(csr->head + header_bytes(section), &entry, sizeof entry);
}

static void add_column(const struct csr *csr, const sfs_csr_column *added)
{
    const sfs_column *column = added->column;
    uint64_t rows = csr->rows->count;
    sfs_column_add(csr->file, csr->rows, column, SFS_COLUMN_NPY, ALIGNMENT);
    write_entry(csr, added->name, "", rows * column->columns, column->columns);
    if (!column->nullable)
        return;
    sfs_column_add(csr->file, csr->rows, column, SFS_COLUMN_MASK, ALIGNMENT);
    write_entry(csr, added->name, mask_suffix, rows, 1);
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

static void close_lists(sfs_row_list *lists, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sfs_row_list_close(&lists[i]);
}

/* Makes a file that owns the lists, with room for so many parts and bytes of heads. */
static sfs_status open_file(sfs_row_list *lists, size_t count, size_t part_room, size_t head_size,
                            sfs_file **out, sfs_error *error)
{
    sfs_status status = sfs_file_new(lists->collection, part_room, head_size, out, error);
    if (status) {
        close_lists(lists, count);
        return status;
    }
    sfs_file *file = *out;
    file->others = count > 1 ? malloc((count - 1) * sizeof *lists) : NULL;
    if (count > 1 && !file->others) {
        close_lists(lists, count);
        sfs_file_close(file);
        return sfs_fail_memory(error);
    }
    file->rows = lists[0];
    file->other_count = count - 1;
    for (size_t i = 1; i < count; i++)
        file->others[i - 1] = lists[i];
    return 0;
}

static void add_csr(sfs_file *file, const sfs_row_list *rows, char *head, size_t sections,
                    const sfs_csr_layout *layout, const sfs_csr_header *header)
{
    const struct csr csr = {file, rows, head, file->part_count};
    sfs_file_add(file, sfs_part_memory, header_bytes(sections), ALIGNMENT)->memory = head;
    for (sfs_csr_array array = 0; array < SFS_CSR_ARRAYS; array++) {
        sfs_csr_add_array(file, rows, &layout->form, array, ALIGNMENT);
        write_entry(&csr, sfs_csr_array_names[array], "",
                    sfs_csr_array_count(array, rows->count, rows->nnz), 1);
    }
    for (size_t i = 0; i < layout->column_count; i++)
        add_column(&csr, &layout->columns[i]);
    write_words(&csr, header, sections);
}

sfs_status sfs_csr_run_open(sfs_row_list *lists, const sfs_csr_header *headers, size_t count,
                            const sfs_csr_layout *layout, sfs_file **out, sfs_error *error)
{
    size_t sections = SFS_CSR_ARRAYS + count_sections(layout->columns, layout->column_count);
    size_t head = header_bytes(sections);
    sfs_status status = sfs_csr_check_columns(layout->columns, layout->column_count, error);
    if (status) {
        close_lists(lists, count);
        return status;
    }
    SFS_TRY(open_file(lists, count, count * (1 + sections), count * head, out, error));
    for (size_t i = 0; i < count; i++)
        add_csr(*out, i ? &(*out)->others[i - 1] : &(*out)->rows, (char *)(*out)->head + i * head,
                sections, layout, &headers[i]);
    return 0;
}

sfs_status sfs_csr_open(sfs_row_list *rows, const sfs_csr_layout *layout,
                        const sfs_csr_header *header, sfs_file **out, sfs_error *error)
{
    return sfs_csr_run_open(rows, header, 1, layout, out, error);
}

sfs_status sfs_csr_array_open(sfs_row_list *rows, const sfs_csr_form *form, sfs_csr_array array,
                              sfs_file **out, sfs_error *error)
{
    SFS_TRY(open_file(rows, 1, 2, SFS_NPY_HEADER, out, error));
    const sfs_row_list *list = &(*out)->rows;
    sfs_npy_header(sfs_csr_array_dtype(form, array, list->nnz),
                   sfs_csr_array_count(array, list->count, list->nnz), 0, (*out)->head);
    sfs_file_add(*out, sfs_part_memory, SFS_NPY_HEADER, 1)->memory = (*out)->head;
    sfs_csr_add_array(*out, list, form, array, 1);
    return 0;
}
