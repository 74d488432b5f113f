/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/output.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "shufflefs/version.h"
#include "store/checksum.h"
#include "store/collection.h"

static sfs_status fail_path(const char *path, const char *what, sfs_error *error)
{
    int code = errno;
    return sfs_fail(error, -code, "%s: %s: %s", path, what, strerror(code));
}

/* path without its trailing slashes, and `.NAME.partial` beside it. */
static sfs_status name_paths(sfs_output *output, const char *path, sfs_error *error)
{
    output->path = strdup(path);
    if (!output->path)
        return sfs_fail_memory(error);
    for (size_t end = strlen(output->path); end > 1 && output->path[end - 1] == '/'; end--)
        output->path[end - 1] = '\0';
    const char *slash = strrchr(output->path, '/');
    const char *base = slash ? slash + 1 : output->path;
    if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
        return sfs_fail(error, -EINVAL, "expected an output such as data.sfs, found \"%s\"", path);
    if (asprintf(&output->partial, "%.*s.%s.partial", (int)(base - output->path), output->path,
                 base) < 0) {
        output->partial = NULL;
        return sfs_fail_memory(error);
    }
    return 0;
}

/* Removes the files of a directory that holds nothing else, and the directory. */
static void remove_directory(int directory, const char *path)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (!stream) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(stream));)
        unlinkat(directory, entry->d_name, 0);
    closedir(stream);
    rmdir(path);
}

/* The directory of that name, locked; -1 where another has it, or gave it its final name in the
 * meantime. */
static int open_locked(const char *path)
{
    struct stat locked, named;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    if (!flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &locked) && !lstat(path, &named) &&
        locked.st_dev == named.st_dev && locked.st_ino == named.st_ino)
        return fd;
    close(fd);
    return -1;
}

static sfs_status make_partial(sfs_output *output, sfs_error *error)
{
    if (mkdir(output->partial, 0777) && errno == EEXIST) {
        int stale = open_locked(output->partial);
        if (stale < 0)
            return sfs_fail(error, -EBUSY,
                            "%s: another mkshufflefs is writing it: wait for that one, or choose "
                            "another output",
                            output->partial);
        remove_directory(stale, output->partial);
        int failed = mkdir(output->partial, 0777);
        close(stale);
        if (failed)
            return fail_path(output->partial, "cannot replace what a stopped mkshufflefs left",
                             error);
    }
    output->directory = open_locked(output->partial);
    if (output->directory < 0)
        return fail_path(output->partial, "cannot create this directory", error);
    return 0;
}

sfs_status sfs_output_open(sfs_output *output, const char *path, uint64_t rows, uint64_t shard_rows,
                           sfs_error *error)
{
    struct stat stat;
    *output = (sfs_output){.directory = -1, .rows = rows, .shard_rows = shard_rows};
    if (rows > SFS_MAX_ROWS)
        return sfs_fail(error, -EINVAL, "expected at most %" PRIu64 " rows, found %" PRIu64,
                        SFS_MAX_ROWS, rows);
    SFS_TRY(name_paths(output, path, error));
    if (!lstat(output->path, &stat))
        return sfs_fail(error, -EEXIST,
                        "%s: exists already: remove it, or choose another output with -o",
                        output->path);
    output->matrices = json_array();
    output->tables = json_object();
    output->files = json_object();
    output->summary = json_array();
    if (!output->matrices || !output->tables || !output->files || !output->summary)
        return sfs_fail_memory(error);
    return make_partial(output, error);
}

uint64_t sfs_output_shard_count(const sfs_output *output)
{
    return output->rows ? (output->rows - 1) / output->shard_rows + 1 : 1;
}

static sfs_status write_sums(sfs_output *output, sfs_error *error)
{
    sfs_array_file *file;
    SFS_TRY(
        sfs_array_file_create(output, SFS_SUMS_FILE, (sfs_dtype){'u', 4}, 0, false, &file, error));
    sfs_status status =
        sfs_array_file_append(file, output->sums, output->sum_count * sizeof *output->sums, error);
    if (!status)
        return sfs_array_file_finish(file, error);
    sfs_array_file_abort(file);
    return status;
}

static json_t *describe(const sfs_output *output, uint64_t variables, const char *source)
{
    json_t *shards = json_array();
    uint64_t left = output->rows;
    for (uint64_t shard = 0; shard < sfs_output_shard_count(output); shard++) {
        uint64_t rows = left < output->shard_rows ? left : output->shard_rows;
        json_array_append_new(shards, json_pack("{s:I}", "rows", (json_int_t)rows));
        left -= rows;
    }
    const char *gene_order = output->sorted_genes ? "frequency" : NULL;
    return json_pack("{s:s, s:i, s:i, s:s, s:s, s:I, s:I, s:s*, s:o, s:O, s:O, s:O}", "format",
                     "shufflefs", "version", SFS_FORMAT_VERSION, "generation", 1, "made_by",
                     "mkshufflefs " SFS_VERSION, "source", source, "rows", (json_int_t)output->rows,
                     "variables", (json_int_t)variables, "gene_order", gene_order, "shards", shards,
                     "matrices", output->matrices, "tables", output->tables, "files",
                     output->files);
}

/* The checksum is the last member, of all bytes before its key. */
static sfs_status write_description(sfs_output *output, const json_t *root, sfs_error *error)
{
    SFS_AUTO_FREE char *text = json_dumps(root, JSON_INDENT(1));
    SFS_AUTO_CLOSE int fd =
        openat(output->directory, "collection.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (!text)
        return sfs_fail_memory(error);
    if (fd < 0)
        return fail_path(output->partial, "cannot create collection.json in it", error);
    size_t size = strlen(text);
    size_t body = size - strlen("\n}");
    memcpy(text + body, ",\n", 2);
    FILE *stream = fdopen(fd, "w");
    if (!stream)
        return sfs_fail_memory(error);
    fd = -1;
    fwrite(text, 1, size, stream);
    fprintf(stream, "\"checksum\": \"%016" PRIx64 "\"\n}\n", XXH3_64bits(text, size));
    bool failed = ferror(stream);
    output->bytes += (uint64_t)ftello(stream);
    if (fclose(stream) || failed)
        return fail_path(output->partial, "cannot write collection.json in it", error);
    return 0;
}

/* Durable before the rename, so that the final name never shows anything less than the whole. */
sfs_status sfs_output_finish(sfs_output *output, uint64_t variables, const char *source,
                             sfs_error *error)
{
    SFS_TRY(write_sums(output, error));
    json_t *root = describe(output, variables, source);
    if (!root)
        return sfs_fail(error, -EINVAL, "cannot describe the collection: \"%s\" is not UTF-8",
                        source);
    sfs_status status = write_description(output, root, error);
    json_decref(root);
    if (!status && syncfs(output->directory))
        status = fail_path(output->partial, "cannot be made durable", error);
    return status;
}

sfs_status sfs_output_publish(sfs_output *output, sfs_error *error)
{
    if (renameat2(AT_FDCWD, output->partial, AT_FDCWD, output->path, RENAME_NOREPLACE)) {
        bool unsupported = errno == EINVAL || errno == ENOSYS;
        if (!unsupported || rename(output->partial, output->path))
            return fail_path(output->path, "cannot give the finished collection this name", error);
    }
    free(output->partial);
    output->partial = NULL;
    return syncfs(output->directory) ? fail_path(output->path, "cannot be made durable", error) : 0;
}

void sfs_output_remove_partial(const char *path)
{
    sfs_output output = {.directory = -1};
    if (!name_paths(&output, path, NULL))
        output.directory = open_locked(output.partial);
    sfs_output_abort(&output);
}

void sfs_output_abort(sfs_output *output)
{
    if (output->partial && output->directory >= 0)
        remove_directory(output->directory, output->partial);
    if (output->directory >= 0)
        close(output->directory);
    json_decref(output->matrices);
    json_decref(output->tables);
    json_decref(output->files);
    json_decref(output->summary);
    free(output->sums);
    free(output->partial);
    free(output->path);
    *output = (sfs_output){.directory = -1};
}
