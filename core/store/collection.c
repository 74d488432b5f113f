/* SPDX-License-Identifier: Apache-2.0 */
#include "store/collection.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shufflefs/memory.h"
#include "store/guard.h"

enum {
    MAX_DESCRIPTION = 1 << 30, /* bytes of collection.json */
    ASK_STEP = 128 << 10,
};

static const char checksum_key[] = "\"checksum\"";

/* The last member of collection.json is "checksum": XXH3-64, in hexadecimal, of all bytes before
 * that key. */
static sfs_status check_checksum(const char *text, size_t size, uint64_t *out, sfs_error *error)
{
    const char *key = NULL;
    char expected[2 + 16 + 1];
    for (const char *at = text;
         (at = memmem(at, size - (size_t)(at - text), checksum_key, sizeof checksum_key - 1)); at++)
        key = at;
    if (!key)
        return sfs_fail(error, -EBADMSG, "expected a \"checksum\", found none");
    *out = XXH3_64bits(text, (size_t)(key - text));
    snprintf(expected, sizeof expected, "\"%016" PRIx64 "\"", *out);
    const char *value = key + sizeof checksum_key - 1;
    while (*value == ':' || *value == ' ')
        value++;
    if (strncmp(value, expected, strlen(expected)) != 0)
        return sfs_fail(
            error, -EBADMSG,
            "expected the checksum %s, found %.18s: the file is damaged, convert or copy "
            "the collection again",
            expected, value);
    return 0;
}

static sfs_status read_description(sfs_collection *collection, char **out, size_t *size,
                                   sfs_error *error)
{
    SFS_AUTO_CLOSE int fd = openat(collection->files.directory, "collection.json",
                                   O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &collection->stat))
        return sfs_fail(error, errno == ENOENT ? -EBADMSG : -errno,
                        "expected a collection, made by mkshufflefs, which has this file: %s",
                        strerror(errno));
    if (!S_ISREG(collection->stat.st_mode) || collection->stat.st_size > MAX_DESCRIPTION)
        return sfs_fail(error, -EBADMSG, "expected a regular file of at most %d bytes",
                        MAX_DESCRIPTION);
    *size = (size_t)collection->stat.st_size;
    *out = malloc(*size + 1);
    if (!*out)
        return sfs_fail_memory(error);
    for (size_t done = 0; done < *size;) {
        ssize_t got = read(fd, *out + done, *size - done);
        if (got <= 0)
            return sfs_fail(error, got ? -errno : -EBADMSG, "cannot be read whole: %s",
                            got ? strerror(errno) : "it is shorter than its size");
        done += (size_t)got;
    }
    (*out)[*size] = '\0';
    return 0;
}

static sfs_status open_shard_rows(const json_t *root, uint64_t rows, uint64_t **out,
                                  size_t *shard_count, sfs_error *error)
{
    json_t *shards, *shard;
    size_t i;
    uint64_t total = 0;
    SFS_TRY(sfs_json_array(root, "shards", &shards, error));
    *shard_count = json_array_size(shards);
    *out = calloc(*shard_count + 1, sizeof **out);
    if (!*out)
        return sfs_fail_memory(error);
    json_array_foreach (shards, i, shard) {
        SFS_TRY(sfs_json_uint(shard, "rows", SFS_MAX_ROWS, &(*out)[i], error));
        if (__builtin_add_overflow(total, (*out)[i], &total))
            return sfs_fail(error, -EBADMSG, "expected fewer rows in \"shards\"");
    }
    if (total != rows || !*shard_count)
        return sfs_fail(error, -EBADMSG,
                        "expected \"shards\" of %" PRIu64 " rows in all, found %" PRIu64, rows,
                        total);
    return 0;
}

/* The columns of obsm are matrices, those of other tables are not. */
static sfs_status check_dimensions(const sfs_collection *collection, sfs_error *error)
{
    const sfs_table *const tables[] = {&collection->obs, &collection->var, &collection->raw_var,
                                       &collection->obsm};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const sfs_table *table = tables[i];
        bool matrix = table == &collection->obsm;
        for (size_t c = 0; c < table->column_count; c++)
            if (table->columns[c].matrix != matrix)
                return sfs_fail(error, -EBADMSG,
                                "%s: expected \"columns\" in the columns of obsm, and in no others",
                                table->columns[c].name);
    }
    return 0;
}

static sfs_status open_tables(sfs_collection *collection, const sfs_files *files,
                              const json_t *root, const uint64_t *shard_rows, size_t shard_count,
                              sfs_error *error)
{
    json_t *tables, *object;
    uint64_t raw_variables;
    SFS_TRY(sfs_json_object(root, "tables", &tables, error));
    SFS_TRY(sfs_json_object(tables, "obs", &object, error));
    SFS_TRY(sfs_table_open(files, object, shard_rows, shard_count, &collection->obs, error));
    SFS_TRY(sfs_json_object(tables, "var", &object, error));
    SFS_TRY(sfs_table_open(files, object, &collection->variables, 1, &collection->var, error));
    object = json_object_get(tables, "raw_var");
    if (object) {
        collection->has_raw_var = true;
        SFS_TRY(sfs_json_uint(object, "rows", INT32_MAX, &raw_variables, error));
        SFS_TRY(sfs_table_open(files, object, &raw_variables, 1, &collection->raw_var, error));
    }
    object = json_object_get(tables, "obsm");
    if (object) {
        collection->has_obsm = true;
        SFS_TRY(sfs_table_open(files, object, shard_rows, shard_count, &collection->obsm, error));
    }
    return check_dimensions(collection, error);
}

/* A matrix has the collection's variables as columns, or raw's. */
static sfs_status check_columns(const sfs_collection *collection, const sfs_matrix *matrix,
                                sfs_error *error)
{
    bool raw = !strcmp(matrix->name, "raw/X");
    if (!raw && strcmp(matrix->name, "X") != 0 && !sfs_layer_name(matrix->name))
        return sfs_fail(error, -EBADMSG,
                        "expected a matrix named X, raw/X or layers/NAME, found \"%.80s\"",
                        matrix->name);
    uint64_t expected = raw ? collection->raw_var.rows : collection->variables;
    if (matrix->columns != expected)
        return sfs_fail(error, -EBADMSG, "%s: expected %" PRIu64 " columns, found %" PRIu64,
                        matrix->name, expected, matrix->columns);
    return 0;
}

static sfs_status open_matrices(sfs_collection *collection, const sfs_files *files,
                                const json_t *root, const uint64_t *shard_rows, size_t shard_count,
                                sfs_error *error)
{
    json_t *matrices, *object;
    size_t i;
    SFS_TRY(sfs_json_array(root, "matrices", &matrices, error));
    collection->matrices = calloc(json_array_size(matrices) + 1, sizeof *collection->matrices);
    if (!collection->matrices)
        return sfs_fail_memory(error);
    json_array_foreach (matrices, i, object) {
        sfs_matrix *matrix = &collection->matrices[collection->matrix_count++];
        SFS_TRY(sfs_matrix_open(files, object, shard_rows, shard_count, matrix, error));
        SFS_TRY(check_columns(collection, matrix, error));
        if (sfs_collection_matrix(collection, matrix->name) != matrix)
            return sfs_fail(error, -EBADMSG, "expected one matrix named %s, found two",
                            matrix->name);
    }
    return 0;
}

static sfs_status check_format(const json_t *root, sfs_error *error)
{
    const char *format;
    uint64_t version;
    SFS_TRY(sfs_json_string(root, "format", &format, error));
    SFS_TRY(sfs_json_uint(root, "version", INT64_MAX, &version, error));
    if (strcmp(format, "shufflefs") != 0 || version != SFS_FORMAT_VERSION)
        return sfs_fail(error, -EBADMSG,
                        "expected format shufflefs, version %d, found %.40s, version %" PRIu64
                        ": use the shufflefs that made this collection, or convert again",
                        SFS_FORMAT_VERSION, format, version);
    return 0;
}

/* The mode for all files together, by the memory that this process may use. */
static sfs_map_mode choose_mode(const json_t *entries)
{
    const char *name;
    json_t *entry;
    double total = 0, memory = (double)sfs_memory_limit();
    json_object_foreach ((json_t *)(uintptr_t)entries, name, entry)
        total += (double)json_integer_value(json_object_get(entry, "bytes"));
    return total <= memory / 2 ? SFS_MAP_HUGE : SFS_MAP_PAGES;
}

struct opening {
    sfs_collection *collection;
    const json_t *root;
    uint64_t *shard_rows; /* owned by open_described */
};

static sfs_status open_contents(void *context, sfs_error *error)
{
    struct opening *opening = context;
    sfs_collection *collection = opening->collection;
    const json_t *root = opening->root;
    sfs_files files = {.set = &collection->files};
    size_t shard_count;
    SFS_TRY(sfs_json_uint(root, "rows", SFS_MAX_ROWS, &collection->rows, error));
    SFS_TRY(sfs_json_uint(root, "variables", INT32_MAX, &collection->variables, error));
    SFS_TRY(sfs_json_uint(root, "generation", INT64_MAX, &collection->generation, error));
    SFS_TRY(sfs_json_object(root, "files", &files.entries, error));
    collection->files.mode = choose_mode(files.entries);
    SFS_TRY(open_shard_rows(root, collection->rows, &opening->shard_rows, &shard_count, error));
    SFS_TRY(open_tables(collection, &files, root, opening->shard_rows, shard_count, error));
    return open_matrices(collection, &files, root, opening->shard_rows, shard_count, error);
}

static sfs_status open_described(sfs_collection *collection, sfs_error *error)
{
    SFS_AUTO_FREE char *text = NULL;
    size_t size = 0;
    json_error_t json_error;
    SFS_TRY(read_description(collection, &text, &size, error));
    SFS_TRY(check_checksum(text, size, &collection->checksum, error));
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &json_error);
    if (!root)
        return sfs_fail(error, -EBADMSG, "expected JSON, found at line %d: %s", json_error.line,
                        json_error.text);
    struct opening opening = {.collection = collection, .root = root};
    sfs_status status = check_format(root, error);
    if (!status)
        status = sfs_guard(&collection->files, open_contents, &opening, error);
    free(opening.shard_rows);
    json_decref(root);
    return status;
}

sfs_status sfs_collection_open(const char *path, sfs_collection **out, sfs_error *error)
{
    sfs_collection *collection = calloc(1, sizeof *collection);
    if (!collection)
        return sfs_fail_memory(error);
    sfs_status status = sfs_map_set_open(&collection->files, path, error);
    if (status) {
        free(collection);
        return status;
    }
    status = open_described(collection, error);
    if (status) {
        sfs_error_prefix(error, "%s/collection.json: ", collection->files.path);
        sfs_collection_close(collection);
        return status;
    }
    *out = collection;
    return 0;
}

/* The kernel cuts what is asked for at once to its read-ahead. */
static void ask_for_file(const sfs_map *map)
{
    for (uint64_t at = 0; at < map->size; at += ASK_STEP)
        posix_fadvise(map->fd, (off_t)at, ASK_STEP, POSIX_FADV_WILLNEED);
}

/* Those that pages' checksums cover: all but the rows themselves. */
void sfs_collection_will_need(const sfs_collection *collection)
{
    uint64_t total = 0;
    for (size_t i = 0; i < collection->files.count; i++)
        if (collection->files.maps[i]->page_sums)
            total += collection->files.maps[i]->size;
    if (total > sfs_memory_limit() / 16)
        return;
    for (size_t i = 0; i < collection->files.count; i++)
        if (collection->files.maps[i]->page_sums)
            ask_for_file(collection->files.maps[i]);
}

bool sfs_collection_fits_in_memory(const sfs_collection *collection)
{
    return collection->files.mode == SFS_MAP_HUGE;
}

void sfs_collection_close(sfs_collection *collection)
{
    if (!collection)
        return;
    for (size_t i = 0; i < collection->matrix_count; i++)
        sfs_matrix_close(&collection->matrices[i]);
    free(collection->matrices);
    sfs_table_close(&collection->obs);
    sfs_table_close(&collection->var);
    sfs_table_close(&collection->raw_var);
    sfs_table_close(&collection->obsm);
    sfs_map_set_close(&collection->files);
    free(collection);
}

uint64_t sfs_collection_rows(const sfs_collection *collection)
{
    return collection->rows;
}

const char *sfs_collection_path(const sfs_collection *collection)
{
    return collection->files.path;
}

void sfs_collection_stat(const sfs_collection *collection, struct stat *out)
{
    *out = collection->stat;
}

const sfs_matrix *sfs_collection_matrix(const sfs_collection *collection, const char *name)
{
    for (size_t i = 0; i < collection->matrix_count; i++)
        if (collection->matrices[i].name && !strcmp(collection->matrices[i].name, name))
            return &collection->matrices[i];
    return NULL;
}
