/* SPDX-License-Identifier: Apache-2.0 */
#include "store/files.h"

#include <inttypes.h>
#include <string.h>

static const sfs_map *mapped(const sfs_map_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (!strcmp(set->maps[i]->name, name))
            return set->maps[i];
    return NULL;
}

static sfs_status map_entry(const sfs_files *files, const char *name, const json_t **entry,
                            sfs_map **out, sfs_error *error)
{
    uint64_t bytes;
    *entry = json_object_get(files->entries, name);
    if (!json_is_object(*entry))
        return sfs_fail(error, -EBADMSG, "expected \"%s\" among \"files\", found none", name);
    SFS_TRY(sfs_json_uint(*entry, "bytes", INT64_MAX, &bytes, error));
    return sfs_map_set_add(files->set, name, bytes, out, error);
}

static sfs_status array_of_map(const sfs_map *map, sfs_dtype dtype, sfs_array *out,
                               sfs_error *error)
{
    uint64_t bytes = map->size - (map->size < SFS_NPY_HEADER ? map->size : SFS_NPY_HEADER);
    return sfs_array_open(map, dtype, bytes / dtype.size, 0, out, error);
}

/* The sums of one conversion are one array; a file's entry says where its own begin. */
static sfs_status cover(const sfs_files *files, sfs_map *map, const json_t *entry, sfs_error *error)
{
    const char *name;
    const json_t *sums_entry;
    sfs_map *sums_map;
    sfs_array sums;
    uint64_t first;
    SFS_TRY(sfs_json_string(entry, "sums", &name, error));
    SFS_TRY(sfs_json_uint(entry, "first_sum", INT64_MAX, &first, error));
    const sfs_map *found = mapped(files->set, name);
    if (!found) {
        SFS_TRY(map_entry(files, name, &sums_entry, &sums_map, error));
        found = sums_map;
    }
    SFS_TRY(array_of_map(found, (sfs_dtype){'u', 4}, &sums, error));
    if (first > sums.count || sfs_page_count(map->size) > sums.count - first)
        return sfs_fail(error, -EBADMSG,
                        "%s: expected %" PRIu64 " page sums from %" PRIu64
                        " in %s, which has %" PRIu64,
                        map->name, sfs_page_count(map->size), first, name, sums.count);
    return sfs_map_cover(files->set, map, found, (const uint32_t *)(const void *)sums.items + first,
                         error);
}

static sfs_status map_role(const sfs_files *files, const json_t *object, const char *role,
                           const sfs_map **out, sfs_error *error)
{
    const char *name;
    const json_t *entry;
    sfs_map *map;
    SFS_TRY(sfs_json_string(object, role, &name, error));
    *out = mapped(files->set, name);
    if (*out)
        return 0;
    SFS_TRY(map_entry(files, name, &entry, &map, error));
    if (json_object_get(entry, "sums"))
        SFS_TRY(cover(files, map, entry, error));
    *out = map;
    return 0;
}

sfs_status sfs_files_array(const sfs_files *files, const json_t *object, const char *role,
                           sfs_dtype dtype, uint64_t rows, uint64_t columns, sfs_array *out,
                           sfs_error *error)
{
    const sfs_map *map;
    SFS_TRY(map_role(files, object, role, &map, error));
    return sfs_array_open(map, dtype, rows, columns, out, error);
}

sfs_status sfs_files_array_any_length(const sfs_files *files, const json_t *object,
                                      const char *role, sfs_dtype dtype, sfs_array *out,
                                      sfs_error *error)
{
    const sfs_map *map;
    SFS_TRY(map_role(files, object, role, &map, error));
    return array_of_map(map, dtype, out, error);
}
