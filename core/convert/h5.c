/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/h5.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "convert/lzf_filter.h"

/* No list of names or attribute of a sane file is larger. */
enum { MAX_ATTRIBUTE_ITEMS = 1 << 22, MAX_ATTRIBUTE_BYTES = 64 << 20 };

void sfs_h5_close(sfs_h5 *object)
{
    sfs_h5_cleanup_hid(&object->id);
    free(object->name);
    *object = (sfs_h5){0};
}

void sfs_h5_names_close(sfs_h5_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (sfs_h5_names){0};
}

static herr_t keep_first_reason(unsigned depth, const H5E_error2_t *entry, void *reason)
{
    if (!depth && entry->desc)
        snprintf(reason, 160, "%s", entry->desc);
    return 0;
}

sfs_status sfs_h5_fail(const char *name, const char *what, sfs_error *error)
{
    char reason[160] = "";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first_reason, reason);
    reason[strcspn(reason, "\n")] = '\0';
    return sfs_fail(error, -EIO, "%s: %s%s%s", name, what, *reason ? ": HDF5 says: " : "", reason);
}

static sfs_status open_path(const char *path, hid_t *out, sfs_error *error)
{
    SFS_AUTO_HID hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    /* Datasets that need a larger chunk cache ask for it; a file system without locks is no reason
     * to fail. */
    if (access < 0 || H5Pset_cache(access, 0, 521, 1 << 20, 1.0) < 0 ||
        H5Pset_file_locking(access, true, true) < 0)
        return sfs_h5_fail(path, "cannot prepare to open it", error);
    *out = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (*out < 0)
        return sfs_h5_fail(path, "cannot open it as an HDF5 file", error);
    return 0;
}

sfs_status sfs_h5_open_file(const char *path, sfs_h5 *out, sfs_error *error)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    if (access(path, R_OK) != 0)
        return sfs_fail(error, -errno, "%s: %s", path, strerror(errno));
    SFS_TRY(sfs_lzf_register(error));
    SFS_TRY(open_path(path, &out->id, error));
    out->name = strdup(path);
    return out->name ? 0 : sfs_fail_memory(error);
}

static sfs_status name_child(const sfs_h5 *parent, const char *child, char **out, sfs_error *error)
{
    const char *between = H5Iget_type(parent->id) == H5I_FILE ? ": /" : "/";
    if (asprintf(out, "%s%s%s", parent->name, between, child) < 0) {
        *out = NULL;
        return sfs_fail_memory(error);
    }
    return 0;
}

sfs_status sfs_h5_open(const sfs_h5 *parent, const char *child, sfs_h5 *out, sfs_error *error)
{
    SFS_TRY(name_child(parent, child, &out->name, error));
    out->id = H5Oopen(parent->id, child, H5P_DEFAULT);
    if (out->id < 0)
        return sfs_h5_fail(out->name, "cannot open it", error);
    return 0;
}

sfs_status sfs_h5_open_reference(const sfs_h5 *holder, const char *attribute, sfs_h5 *out,
                                 sfs_error *error)
{
    SFS_TRY(name_child(holder, attribute, &out->name, error));
    SFS_AUTO_HID hid_t id = H5Aopen(holder->id, attribute, H5P_DEFAULT);
    SFS_AUTO_HID hid_t space = id > 0 ? H5Aget_space(id) : H5I_INVALID_HID;
    SFS_AUTO_HID hid_t type = id > 0 ? H5Aget_type(id) : H5I_INVALID_HID;
    if (space < 0 || type < 0)
        return sfs_h5_fail(out->name, "cannot open this attribute", error);
    if (H5Sget_simple_extent_npoints(space) != 1 || H5Tequal(type, H5T_STD_REF_OBJ) <= 0)
        return sfs_fail(error, -EINVAL, "%s: expected an object reference in this attribute",
                        out->name);
    hobj_ref_t reference = 0;
    if (H5Aread(id, H5T_STD_REF_OBJ, &reference) < 0)
        return sfs_h5_fail(out->name, "cannot read this attribute", error);
    out->id = H5Rdereference2(holder->id, H5P_DEFAULT, H5R_OBJECT, &reference);
    if (out->id < 0)
        return sfs_h5_fail(out->name, "the object that it refers to cannot be opened", error);
    return 0;
}

sfs_status sfs_h5_has(const sfs_h5 *parent, const char *child, bool *out, sfs_error *error)
{
    SFS_AUTO_FREE char *path = strdup(child);
    if (!path)
        return sfs_fail_memory(error);
    *out = false;
    /* HDF5 wants each group of a path looked up on its own. */
    for (char *end = path; end; end = *end ? end + 1 : NULL) {
        end = strchrnul(end, '/');
        char stop = *end;
        *end = '\0';
        htri_t found = *path ? H5Lexists(parent->id, path, H5P_DEFAULT) : 1;
        if (found < 0) {
            SFS_AUTO_FREE char *name = NULL;
            SFS_TRY(name_child(parent, child, &name, error));
            return sfs_h5_fail(name, "cannot tell whether it exists", error);
        }
        if (!found)
            return 0;
        *end = stop;
    }
    *out = true;
    return 0;
}

static sfs_status is_null(const sfs_h5 *object, bool *out, sfs_error *error)
{
    SFS_AUTO_FREE char *encoding = NULL;
    SFS_TRY(sfs_h5_attribute_text(object, "encoding-type", &encoding, error));
    if (encoding && !strcmp(encoding, "null")) {
        *out = true;
        return 0;
    }
    if (sfs_h5_is_group(object)) {
        H5G_info_t info;
        if (H5Gget_info(object->id, &info) < 0)
            return sfs_h5_fail(object->name, "cannot read this group", error);
        *out = !info.nlinks;
        return 0;
    }
    SFS_AUTO_HID hid_t space = H5Dget_space(object->id);
    *out = space > 0 && H5Sget_simple_extent_type(space) == H5S_NULL;
    return 0;
}

sfs_status sfs_h5_has_content(const sfs_h5 *parent, const char *child, bool *out, sfs_error *error)
{
    SFS_TRY(sfs_h5_has(parent, child, out, error));
    if (!*out)
        return 0;
    SFS_AUTO_H5 sfs_h5 object = {0};
    SFS_TRY(sfs_h5_open(parent, child, &object, error));
    bool null = false;
    SFS_TRY(is_null(&object, &null, error));
    *out = !null;
    return 0;
}

sfs_status sfs_h5_is_varying(hid_t type, const char *name, bool *out, sfs_error *error)
{
    *out = H5Tis_variable_str(type) > 0;
    if (!*out)
        return 0;
    SFS_AUTO_HID hid_t unit = H5Tget_super(type);
    if (unit < 0 || H5Tget_size(unit) != 1)
        return sfs_fail(error, -EINVAL,
                        "%s: expected strings that are made of bytes, found a type "
                        "that HDF5 does not write",
                        name);
    return 0;
}

sfs_status sfs_h5_names_add(sfs_h5_names *names, const char *name, sfs_error *error)
{
    if (!(names->count & (names->count + 1))) { /* full at 0, 1, 3, 7... */
        char **grown = realloc(names->items, (2 * names->count + 1) * sizeof *grown);
        if (!grown)
            return sfs_fail_memory(error);
        names->items = grown;
    }
    char *copy = strdup(name);
    if (!copy)
        return sfs_fail_memory(error);
    names->items[names->count++] = copy;
    return 0;
}

static herr_t add_link(hid_t group, const char *name, const H5L_info_t *info, void *names)
{
    (void)group;
    (void)info;
    return sfs_h5_names_add(names, name, NULL) ? -1 : 0;
}

sfs_status sfs_h5_children(const sfs_h5 *group, sfs_h5_names *out, sfs_error *error)
{
    if (H5Literate(group->id, H5_INDEX_NAME, H5_ITER_INC, NULL, add_link, out) < 0)
        return sfs_h5_fail(group->name, "cannot list this group", error);
    return 0;
}

/* An attribute with its type, and the number of its elements. */
typedef struct attribute {
    char *name; /* for messages */
    hid_t id, type, space;
    uint64_t count;
} attribute;

static void attribute_close(attribute *held)
{
    sfs_h5_cleanup_hid(&held->id);
    sfs_h5_cleanup_hid(&held->type);
    sfs_h5_cleanup_hid(&held->space);
    free(held->name);
}

#define AUTO_ATTRIBUTE __attribute__((cleanup(attribute_close)))

static sfs_status attribute_open(const sfs_h5 *object, const char *name, attribute *out,
                                 sfs_error *error)
{
    if (asprintf(&out->name, "%s: attribute %s", object->name, name) < 0) {
        out->name = NULL;
        return sfs_fail_memory(error);
    }
    out->id = H5Aopen(object->id, name, H5P_DEFAULT);
    if (out->id < 0)
        return sfs_h5_fail(out->name, "cannot open it", error);
    out->type = H5Aget_type(out->id);
    out->space = H5Aget_space(out->id);
    hssize_t count = out->space > 0 ? H5Sget_simple_extent_npoints(out->space) : -1;
    if (out->type < 0 || count < 0)
        return sfs_h5_fail(out->name, "cannot read what it is", error);
    size_t size = H5Tget_size(out->type);
    if (!size || count > MAX_ATTRIBUTE_ITEMS || (uint64_t)count * size > MAX_ATTRIBUTE_BYTES)
        return sfs_fail(error, -EINVAL, "%s: expected less than %d MiB, found %" PRIu64 " items",
                        out->name, MAX_ATTRIBUTE_BYTES >> 20, (uint64_t)count);
    out->count = (uint64_t)count;
    return 0;
}

static sfs_status read_varying(const attribute *from, sfs_h5_names *out, sfs_error *error)
{
    SFS_AUTO_FREE char **items = calloc(from->count + 1, sizeof *items);
    if (!items)
        return sfs_fail_memory(error);
    if (H5Aread(from->id, from->type, items) < 0)
        return sfs_h5_fail(from->name, "cannot read it", error);
    sfs_status status = 0;
    for (uint64_t i = 0; i < from->count && !status; i++)
        status = sfs_h5_names_add(out, items[i] ? items[i] : "", error);
    H5Dvlen_reclaim(from->type, from->space, H5P_DEFAULT, items);
    return status;
}

static sfs_status read_fixed(const attribute *from, sfs_h5_names *out, sfs_error *error)
{
    size_t size = H5Tget_size(from->type);
    SFS_AUTO_FREE char *items = calloc(from->count + 1, size);
    SFS_AUTO_FREE char *item = calloc(size + 1, 1);
    if (!items || !item)
        return sfs_fail_memory(error);
    if (H5Aread(from->id, from->type, items) < 0)
        return sfs_h5_fail(from->name, "cannot read it", error);
    for (uint64_t i = 0; i < from->count; i++) {
        memcpy(item, items + i * size, size);
        SFS_TRY(sfs_h5_names_add(out, item, error));
    }
    return 0;
}

sfs_status sfs_h5_attribute_texts(const sfs_h5 *object, const char *name, sfs_h5_names *out,
                                  sfs_error *error)
{
    if (!sfs_h5_has_attribute(object, name))
        return 0;
    AUTO_ATTRIBUTE attribute held = {0};
    SFS_TRY(attribute_open(object, name, &held, error));
    if (!held.count || H5Tget_class(held.type) != H5T_STRING)
        return 0;
    bool varying;
    SFS_TRY(sfs_h5_is_varying(held.type, held.name, &varying, error));
    return varying ? read_varying(&held, out, error) : read_fixed(&held, out, error);
}

sfs_status sfs_h5_attribute_text(const sfs_h5 *object, const char *name, char **out,
                                 sfs_error *error)
{
    *out = NULL;
    SFS_AUTO_H5_NAMES sfs_h5_names texts = {0};
    SFS_TRY(sfs_h5_attribute_texts(object, name, &texts, error));
    if (texts.count == 1) {
        *out = texts.items[0];
        texts.items[0] = NULL;
    }
    return 0;
}

sfs_status sfs_h5_attribute_pair(const sfs_h5 *object, const char *name, uint64_t out[2],
                                 sfs_error *error)
{
    AUTO_ATTRIBUTE attribute held = {0};
    SFS_TRY(attribute_open(object, name, &held, error));
    if (held.count != 2 || H5Tget_class(held.type) != H5T_INTEGER)
        return sfs_fail(error, -EINVAL, "%s: expected two integers", held.name);
    int64_t pair[2];
    if (H5Aread(held.id, H5T_NATIVE_INT64, pair) < 0)
        return sfs_h5_fail(held.name, "cannot read it", error);
    if (pair[0] < 0 || pair[1] < 0)
        return sfs_fail(error, -EINVAL,
                        "%s: expected numbers not below 0, found %" PRId64 " and %" PRId64,
                        held.name, pair[0], pair[1]);
    out[0] = (uint64_t)pair[0];
    out[1] = (uint64_t)pair[1];
    return 0;
}

bool sfs_h5_attribute_flag(const sfs_h5 *object, const char *name)
{
    if (!sfs_h5_has_attribute(object, name))
        return false;
    AUTO_ATTRIBUTE attribute held = {0};
    if (attribute_open(object, name, &held, NULL) || held.count != 1)
        return false;
    int value = 0;
    return H5Aread(held.id, H5T_NATIVE_INT, &value) >= 0 && value != 0;
}
