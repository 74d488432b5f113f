/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/named.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "namespace/bind.h"
#include "namespace/view_name.h"
#include "store/json.h"

enum { NAME_BYTES = 64, MAX_FILE = 1 << 20, COPY_BYTES = 1 << 16, FILE_NAME = 96 };

/* Keys whose files are kept beside the view, and how these are called. */
static const struct {
    const char *key, *suffix;
    sfs_text_key text;
} lists[] = {{"genes_file", "genes", SFS_TEXT_GENES_FILE},
             {"rows_file", "rows", SFS_TEXT_ROWS_FILE}};

enum { LISTS = sizeof lists / sizeof *lists };

bool sfs_named_view_name_is_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    static const char *const taken[] = {"obs", "var", "obsm", "layers", "raw", "rows", NULL};
    if (*name < 'a' || *name > 'z' || strlen(name) > NAME_BYTES || name[strspn(name, allowed)] ||
        !strncmp(name, "epoch_", strlen("epoch_")))
        return false;
    for (const char *const *root = taken; *root; root++)
        if (!strcmp(*root, name))
            return false;
    return true;
}

static sfs_status check_name(const char *name, sfs_error *error)
{
    if (sfs_named_view_name_is_valid(name))
        return 0;
    return sfs_fail(error, -EINVAL,
                    "expected a view's name of a-z 0-9 _ -, beginning with a letter, at most %d, "
                    "and none of the root's (obs, var, obsm, layers, raw, rows, epoch_...), found "
                    "\"%.80s\"",
                    NAME_BYTES, name);
}

static void file_name(const char *name, const char *suffix, char out[FILE_NAME])
{
    snprintf(out, FILE_NAME, "%s.%s", name, suffix);
}

/* The directory of named views; -1, with errno, where there is none. */
static int open_directory(const sfs_collection *collection)
{
    return openat(collection->files.directory, "views",
                  O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* A list is that of this view, or the file was not written by mkshufflefs. */
static sfs_status set_key(sfs_view *view, const char *name, const char *key, const char *value,
                          sfs_error *error)
{
    for (size_t i = 0; i < LISTS; i++) {
        char expected[FILE_NAME + 8] = "views/";
        file_name(name, lists[i].suffix, expected + strlen("views/"));
        if (!strcmp(key, lists[i].key) && strcmp(value, expected) != 0)
            return sfs_fail(error, -EIO, "%s: expected %s, found \"%.80s\"", key, expected, value);
    }
    return sfs_view_set(view, key, value, error);
}

static sfs_status read_keys(const json_t *root, const char *name, sfs_view *view, sfs_error *error)
{
    const char *format, *key;
    json_t *keys, *value;
    uint64_t version;
    SFS_TRY(sfs_json_string(root, "format", &format, error));
    SFS_TRY(sfs_json_uint(root, "version", INT64_MAX, &version, error));
    if (strcmp(format, "shufflefs view") != 0 || version != 1)
        return sfs_fail(error, -EBADMSG, "expected format \"shufflefs view\", version 1");
    SFS_TRY(sfs_json_object(root, "keys", &keys, error));
    json_object_foreach (keys, key, value) {
        if (!json_is_string(value))
            return sfs_fail(error, -EBADMSG, "%s: expected a string", key);
        SFS_TRY(set_key(view, name, key, json_string_value(value), error));
    }
    return 0;
}

/* -ENOENT where there is no such file. */
static sfs_status read_file(int directory, const char *name, json_t **out, sfs_error *error)
{
    char file[FILE_NAME];
    json_error_t json_error;
    struct stat stat;
    file_name(name, "json", file);
    SFS_AUTO_CLOSE int fd = openat(directory, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &stat))
        return sfs_fail(error, errno == ENOENT ? -ENOENT : -EIO, "cannot be read: %s",
                        strerror(errno));
    if (!S_ISREG(stat.st_mode) || stat.st_size > MAX_FILE)
        return sfs_fail(error, -EIO, "expected a regular file of at most %d bytes", MAX_FILE);
    *out = json_loadfd(fd, JSON_REJECT_DUPLICATES, &json_error);
    if (!*out)
        return sfs_fail(error, -EIO, "expected JSON, found at line %d: %s", json_error.line,
                        json_error.text);
    return 0;
}

static sfs_status load(const sfs_collection *collection, const char *name, sfs_view **out,
                       sfs_error *error)
{
    json_t *root;
    SFS_AUTO_CLOSE int directory = open_directory(collection);
    if (directory < 0)
        return sfs_fail(error, -ENOENT, "no such view");
    SFS_TRY(read_file(directory, name, &root, error));
    sfs_status status = sfs_view_new(out, error);
    if (!status) {
        status = read_keys(root, name, *out, error) ? -EIO : 0;
        if (status)
            sfs_view_free(*out);
    }
    json_decref(root);
    return status;
}

sfs_status sfs_named_view_load(const sfs_collection *collection, const char *name, sfs_view **out,
                               sfs_error *error)
{
    sfs_status status = load(collection, name, out, error);
    if (status)
        sfs_error_prefix(error, "views/%s.json: ", name);
    return status;
}

/* Whether a file's name is that of a view; then `out` is the view's. */
static bool view_of_file(const char *file, char out[SFS_NAME_MAX + 1])
{
    size_t length = strlen(file), suffix = strlen(".json");
    if (length <= suffix || strcmp(file + length - suffix, ".json") != 0)
        return false;
    snprintf(out, SFS_NAME_MAX + 1, "%.*s", (int)(length - suffix), file);
    return sfs_named_view_name_is_valid(out);
}

/* The first name that is larger than `after` (and thus the next in the order of names). */
static bool next_name(DIR *directory, const char *after, char out[SFS_NAME_MAX + 1])
{
    char name[SFS_NAME_MAX + 1];
    bool found = false;
    rewinddir(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (!view_of_file(entry->d_name, name) || strcmp(name, after) <= 0 ||
            (found && strcmp(name, out) >= 0))
            continue;
        strcpy(out, name);
        found = true;
    }
    return found;
}

bool sfs_named_view_list(const sfs_collection *collection, uint64_t index,
                         char out[SFS_NAME_MAX + 1])
{
    int fd = open_directory(collection);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    char after[SFS_NAME_MAX + 1] = "";
    bool found = directory;
    for (uint64_t i = 0; found && i <= index; i++) {
        found = next_name(directory, after, out);
        strcpy(after, out);
    }
    if (directory)
        closedir(directory);
    else if (fd >= 0)
        close(fd);
    return found;
}

static sfs_status write_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno != EINTR)
            return -errno;
        size -= written > 0 ? (size_t)written : 0;
        bytes += written > 0 ? written : 0;
    }
    return 0;
}

static sfs_status copy_file(const char *from, int directory, const char *to, sfs_error *error)
{
    char piece[COPY_BYTES];
    SFS_AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
    SFS_AUTO_CLOSE int out =
        openat(directory, to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (in < 0 || out < 0)
        return sfs_fail(error, -errno, "%s: cannot be opened: %s", in < 0 ? from : to,
                        strerror(errno));
    for (ssize_t got; (got = read(in, piece, sizeof piece)) != 0;) {
        sfs_status status = got < 0 ? -errno : write_all(out, piece, (size_t)got);
        if (status)
            return sfs_fail(error, status, "%s: cannot be copied to views/%s: %s", from, to,
                            strerror(-status));
    }
    return fsync(out) ? sfs_fail(error, -errno, "views/%s: %s", to, strerror(errno)) : 0;
}

/* Copies the lists, and tells in `keys` where they are. */
static sfs_status add_lists(const sfs_view *view, int directory, const char *name, json_t *keys,
                            sfs_error *error)
{
    for (size_t i = 0; i < LISTS; i++) {
        char path[FILE_NAME + 8] = "views/", *file = path + strlen("views/");
        file_name(name, lists[i].suffix, file);
        if (!view->texts[lists[i].text])
            continue;
        SFS_TRY(copy_file(view->texts[lists[i].text], directory, file, error));
        json_object_set_new(keys, lists[i].key, json_string(path));
    }
    return 0;
}

static sfs_status write_view(int directory, const char *name, json_t *keys, sfs_error *error)
{
    char file[FILE_NAME], partial[FILE_NAME];
    file_name(name, "json", file);
    file_name(name, "partial", partial);
    json_t *root =
        json_pack("{s:s, s:i, s:O}", "format", "shufflefs view", "version", 1, "keys", keys);
    SFS_AUTO_FREE char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    json_decref(root);
    if (!text)
        return sfs_fail_memory(error);
    SFS_AUTO_CLOSE int fd =
        openat(directory, partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    sfs_status status = fd < 0 ? -errno : write_all(fd, text, strlen(text));
    if (!status && (write_all(fd, "\n", 1) || fsync(fd) ||
                    linkat(directory, partial, directory, file, 0) || fsync(directory)))
        status = -errno;
    unlinkat(directory, partial, 0);
    return status
               ? sfs_fail(error, status, "views/%s: cannot be written: %s", file, strerror(-status))
               : 0;
}

static sfs_status check_view(const sfs_collection *collection, const sfs_view *view,
                             sfs_error *error)
{
    sfs_bound_view bound;
    SFS_TRY(sfs_view_bind(view, collection, AT_FDCWD, &bound, error));
    sfs_bound_view_clear(&bound);
    return 0;
}

static sfs_status add(int directory, const char *name, const sfs_view *view, json_t *keys,
                      sfs_error *error)
{
    char file[FILE_NAME];
    file_name(name, "json", file);
    if (!faccessat(directory, file, F_OK, AT_SYMLINK_NOFOLLOW))
        return sfs_fail(error, -EEXIST,
                        "%s: expected a new name, found a view of that name: remove it first, or "
                        "choose another",
                        name);
    for (size_t i = 0; i < SFS_VIEW_KEYS; i++) {
        SFS_AUTO_FREE char *value = sfs_view_value(view, i);
        if (!value)
            return sfs_fail_memory(error);
        if (!sfs_view_is_default(view, i))
            json_object_set_new(keys, sfs_view_key_name(i), json_string(value));
    }
    SFS_TRY(add_lists(view, directory, name, keys, error));
    return write_view(directory, name, keys, error);
}

sfs_status sfs_named_view_add(const sfs_collection *collection, const char *name,
                              const sfs_view *view, sfs_error *error)
{
    SFS_TRY(check_name(name, error));
    SFS_TRY(check_view(collection, view, error));
    if (mkdirat(collection->files.directory, "views", 0755) && errno != EEXIST)
        return sfs_fail(error, -errno, "%s/views: cannot be made: %s", collection->files.path,
                        strerror(errno));
    SFS_AUTO_CLOSE int directory = open_directory(collection);
    if (directory < 0)
        return sfs_fail(error, -errno, "%s/views: cannot be opened: %s", collection->files.path,
                        strerror(errno));
    json_t *keys = json_object();
    sfs_status status = keys ? add(directory, name, view, keys, error) : sfs_fail_memory(error);
    json_decref(keys);
    return status;
}

sfs_status sfs_named_view_remove(const sfs_collection *collection, const char *name,
                                 sfs_error *error)
{
    char file[FILE_NAME];
    SFS_TRY(check_name(name, error));
    SFS_AUTO_CLOSE int directory = open_directory(collection);
    file_name(name, "json", file);
    if (directory < 0 || unlinkat(directory, file, 0))
        return sfs_fail(error, -errno, "views/%s: expected a view, which could not be removed: %s",
                        file, strerror(errno));
    for (size_t i = 0; i < LISTS; i++) {
        file_name(name, lists[i].suffix, file);
        unlinkat(directory, file, 0);
    }
    return 0;
}

sfs_status sfs_named_view_get(const sfs_collection *collection, uint64_t index, char **name,
                              char **spelling, sfs_error *error)
{
    char found[SFS_NAME_MAX + 1];
    sfs_view *view;
    *spelling = NULL;
    if (!sfs_named_view_list(collection, index, found))
        return sfs_fail(error, -ENOENT, "there are no more views");
    *name = strdup(found);
    if (!*name)
        return sfs_fail_memory(error);
    SFS_TRY(sfs_named_view_load(collection, found, &view, error));
    *spelling = sfs_view_name(view);
    sfs_view_free(view);
    return *spelling ? 0 : sfs_fail_memory(error);
}
