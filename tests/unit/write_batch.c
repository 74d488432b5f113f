/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a file of a batch, for tests that compare it with what they work out themselves:
 *   write_batch COLLECTION MATRIX FORMAT VALUES INDICES GENES ROWS PIECE OUTPUT
 * FORMAT: csr, npz, npy, h5ad, or an array of a CSR. VALUES and INDICES: typestrs. GENES: all;
 * set:3,5,9 (columns, in store order); list:9,3,5; or file:PATH with names. ROWS: 7,3,3, or 10+20
 * for a run. Several threads read the file in pieces of 1 to PIECE bytes, in random order; one that
 * is not divided has PIECE 0. With PIECE `begin`, only the beginning is read, and the rest of
 * OUTPUT is a hole. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "batch/csr_file.h"
#include "batch/dense_file.h"
#include "batch/h5ad_file.h"
#include "batch/npz_file.h"
#include "order/key.h"
#include "select/gene_names.h"

enum { THREADS = 4 };

static sfs_error error;

static void fail(void)
{
    fprintf(stderr, "%s\n", error.message);
    exit(1);
}

static void require(sfs_status status)
{
    if (status)
        fail();
}

static void *checked(void *memory)
{
    if (!memory)
        require(sfs_fail_memory(&error));
    return memory;
}

static uint64_t parse_list(const char *text, uint64_t **out)
{
    uint64_t count = 0;
    *out = checked(malloc((strlen(text) + 1) * sizeof **out));
    while (*text) {
        char *end;
        (*out)[count++] = strtoull(text, &end, 10);
        text = *end == ',' ? end + 1 : end;
    }
    return count;
}

static void open_named(const sfs_collection *collection, const char *path, uint64_t stored,
                       sfs_gene_set *out)
{
    static char text[1 << 20];
    uint32_t *columns;
    uint64_t count;
    FILE *file = checked(fopen(path, "rb"));
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    require(sfs_gene_names_find(&collection->files, &collection->var, text, size, &columns, &count,
                                &error));
    require(sfs_gene_set_open_list(columns, count, stored, out, &error));
    free(columns);
}

/* False where all columns are wanted. */
static bool open_genes(const sfs_collection *collection, uint64_t stored, const char *text,
                       sfs_gene_set *out)
{
    uint64_t *numbers, count;
    if (!strcmp(text, "all"))
        return false;
    if (!strncmp(text, "file:", 5)) {
        open_named(collection, text + 5, stored, out);
        return true;
    }
    count = parse_list(strchr(text, ':') + 1, &numbers);
    if (*text == 'l') {
        uint32_t *columns = checked(malloc((count + 1) * sizeof *columns));
        for (uint64_t i = 0; i < count; i++)
            columns[i] = (uint32_t)numbers[i];
        require(sfs_gene_set_open_list(columns, count, stored, out, &error));
        free(columns);
    } else {
        sfs_row_set set;
        require(sfs_row_set_open(stored, &set, &error));
        for (uint64_t i = 0; i < count; i++)
            sfs_row_set_add(&set, numbers[i]);
        require(sfs_row_set_seal(&set, &error));
        require(sfs_gene_set_open_rows(&set, out, &error));
        sfs_row_set_close(&set);
    }
    free(numbers);
    return true;
}

static void open_rows(const sfs_collection *collection, const sfs_matrix *matrix, const char *text,
                      sfs_row_list *out)
{
    const char *plus = strchr(text, '+');
    if (plus) {
        require(sfs_row_list_run(collection, matrix, strtoull(text, NULL, 10),
                                 strtoull(plus + 1, NULL, 10), out, &error));
        return;
    }
    uint64_t *rows, count = parse_list(text, &rows);
    require(sfs_row_list_table(collection, matrix, (int64_t *)rows, count, out, &error));
}

/* The caller closes *h5ad behind the file. */
static sfs_file *open_file(const char *format, sfs_row_list *rows, const sfs_gene_set *genes,
                           const sfs_csr_form *form, sfs_h5ad **h5ad)
{
    sfs_file *file = NULL;
    const sfs_h5ad_schema schema = {rows->collection, rows->matrix, *form, genes};
    sfs_csr_header header = {-1, -1, -1, 0, 0};
    if (!strcmp(format, "npy")) {
        require(sfs_dense_open(rows, genes, form, &file, &error));
        return file;
    }
    if (genes)
        require(sfs_row_list_choose(rows, genes, &error));
    if (!strcmp(format, "h5ad")) {
        require(sfs_h5ad_open(&schema, h5ad, &error));
        require(sfs_h5ad_file_open(*h5ad, rows, &file, &error));
        return file;
    }
    if (!strcmp(format, "npz"))
        require(sfs_npz_open(rows, form, &file, &error));
    else if (!strcmp(format, "csr"))
        require(sfs_csr_open(rows, &(sfs_csr_layout){.form = *form}, &header, &file, &error));
    for (sfs_csr_array array = 0; array < SFS_CSR_ARRAYS && !file; array++)
        if (!strcmp(format, sfs_csr_array_names[array]))
            require(sfs_csr_array_open(rows, form, array, &file, &error));
    return checked(file);
}

struct piece {
    uint64_t offset, size;
};

struct work {
    const sfs_file *file;
    uint8_t *out;
    const struct piece *pieces;
    uint64_t count, thread;
};

/* Every THREADS-th piece, in turn by the one and by the other way to read. */
static void *read_pieces(void *argument)
{
    const struct work *work = argument;
    sfs_error failure;
    sfs_reader *reader;
    uint64_t room = sfs_file_size(work->file) + 1;
    sfs_status status = sfs_reader_new(room, &reader, &failure);
    for (uint64_t i = work->thread; i < work->count && !status; i += THREADS) {
        struct piece piece = work->pieces[i];
        size_t got = 0;
        if (i / THREADS % 2) {
            status = sfs_file_read(work->file, work->out + piece.offset, piece.size, piece.offset,
                                   &got, &failure);
        } else {
            const struct iovec *segments;
            int count;
            status = sfs_file_read_segments(work->file, reader, piece.size, piece.offset, &segments,
                                            &count, &failure);
            for (int s = 0; s < count; s++, segments++) {
                memcpy(work->out + piece.offset + got, segments->iov_base, segments->iov_len);
                got += segments->iov_len;
            }
        }
        if (!status && got != piece.size)
            status = sfs_fail(&failure, -EIO, "a read is short");
    }
    sfs_reader_free(reader);
    if (!status)
        return NULL;
    fprintf(stderr, "%s\n", failure.message);
    exit(1);
}

/* Divides the file, and shuffles the pieces. */
static uint64_t make_pieces(uint64_t size, uint64_t max, struct piece *out)
{
    uint64_t count = 0, random = size;
    for (uint64_t at = 0; at < size; at += out[count++].size) {
        random = sfs_splitmix(random);
        uint64_t wanted = max ? 1 + random % max : size;
        out[count] = (struct piece){at, wanted < size - at ? wanted : size - at};
    }
    for (uint64_t i = count; i-- > 1;) {
        random = sfs_splitmix(random);
        uint64_t other = random % (i + 1);
        struct piece piece = out[i];
        out[i] = out[other];
        out[other] = piece;
    }
    return count;
}

static void write_beginning(const sfs_file *file, const char *path)
{
    static char bytes[1 << 20];
    size_t got;
    int output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    require(sfs_file_read(file, bytes, sizeof bytes, 0, &got, &error));
    if (write(output, bytes, got) != (ssize_t)got ||
        ftruncate(output, (off_t)sfs_file_size(file)) || close(output))
        require(sfs_fail(&error, -EIO, "cannot write %s", path));
}

static void write_file(const sfs_file *file, uint64_t max, const char *path)
{
    uint64_t size = sfs_file_size(file);
    uint8_t *out = checked(malloc(size + 1));
    struct piece *pieces = checked(malloc((size + 1) * sizeof *pieces));
    uint64_t count = make_pieces(size, max, pieces);
    pthread_t threads[THREADS];
    struct work work[THREADS];
    sfs_file_will_need(file, 0, size);
    for (uint64_t i = 0; i < THREADS; i++) {
        work[i] = (struct work){file, out, pieces, count, i};
        pthread_create(&threads[i], NULL, read_pieces, &work[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    FILE *output = checked(fopen(path, "wb"));
    if (fwrite(out, 1, size, output) != size || fclose(output))
        require(sfs_fail(&error, -EIO, "cannot write %s", path));
    free(pieces);
    free(out);
}

int main(int argc, char **argv)
{
    if (argc != 10)
        return 2;
    sfs_collection *collection;
    require(sfs_collection_open(argv[1], &collection, &error));
    const sfs_matrix *matrix =
        checked((void *)(uintptr_t)sfs_collection_matrix(collection, argv[2]));
    sfs_csr_form form = {0};
    require(sfs_dtype_parse(argv[4], &form.values, &error));
    require(sfs_dtype_parse(argv[5], &form.indices, &error));
    sfs_gene_set genes = {0};
    bool chosen = open_genes(collection, matrix->columns, argv[6], &genes);
    sfs_row_list rows;
    open_rows(collection, matrix, argv[7], &rows);
    sfs_h5ad *h5ad = NULL;
    sfs_file *file = open_file(argv[3], &rows, chosen ? &genes : NULL, &form, &h5ad);
    if (strcmp(argv[8], "begin") != 0)
        write_file(file, strtoull(argv[8], NULL, 10), argv[9]);
    else
        write_beginning(file, argv[9]);
    sfs_file_close(file);
    sfs_h5ad_close(h5ad);
    sfs_gene_set_close(&genes);
    sfs_collection_close(collection);
    return 0;
}
