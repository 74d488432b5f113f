/* SPDX-License-Identifier: Apache-2.0 */
#include "store/json.h"

#include <inttypes.h>

static sfs_status wrong(const char *key, const char *expected, sfs_error *error)
{
    return sfs_fail(error, -EBADMSG, "expected %s as \"%s\", found none", expected, key);
}

sfs_status sfs_json_uint(const json_t *object, const char *key, uint64_t max, uint64_t *out,
                         sfs_error *error)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return wrong(key, "an integer of at least 0", error);
    *out = (uint64_t)json_integer_value(value);
    if (*out > max)
        return sfs_fail(error, -EBADMSG, "expected \"%s\" of at most %" PRIu64 ", found %" PRIu64,
                        key, max, *out);
    return 0;
}

sfs_status sfs_json_string(const json_t *object, const char *key, const char **out,
                           sfs_error *error)
{
    *out = json_string_value(json_object_get(object, key));
    return *out ? 0 : wrong(key, "a string", error);
}

sfs_status sfs_json_bool(const json_t *object, const char *key, bool *out, sfs_error *error)
{
    const json_t *value = json_object_get(object, key);
    *out = json_is_true(value);
    return json_is_boolean(value) ? 0 : wrong(key, "true or false", error);
}

sfs_status sfs_json_array(const json_t *object, const char *key, json_t **out, sfs_error *error)
{
    *out = json_object_get(object, key);
    return json_is_array(*out) ? 0 : wrong(key, "an array", error);
}

sfs_status sfs_json_object(const json_t *object, const char *key, json_t **out, sfs_error *error)
{
    *out = json_object_get(object, key);
    return json_is_object(*out) ? 0 : wrong(key, "an object", error);
}

sfs_status sfs_json_dtype(const json_t *object, const char *key, sfs_dtype *out, sfs_error *error)
{
    const char *typestr;
    SFS_TRY(sfs_json_string(object, key, &typestr, error));
    return sfs_dtype_parse(typestr, out, error) ? -EBADMSG : 0;
}
