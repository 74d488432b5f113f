/* SPDX-License-Identifier: Apache-2.0 */
/* Typed access to the members of collection.json. Each failure is EBADMSG and a sentence with the
 * key. */
#ifndef SFS_STORE_JSON_H
#define SFS_STORE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/fail.h"
#include "store/npy.h"

/* Results are borrowed from object. */
sfs_status sfs_json_uint(const json_t *object, const char *key, uint64_t max, uint64_t *out,
                         sfs_error *error);
sfs_status sfs_json_string(const json_t *object, const char *key, const char **out,
                           sfs_error *error);
sfs_status sfs_json_bool(const json_t *object, const char *key, bool *out, sfs_error *error);
sfs_status sfs_json_array(const json_t *object, const char *key, json_t **out, sfs_error *error);
sfs_status sfs_json_object(const json_t *object, const char *key, json_t **out, sfs_error *error);
sfs_status sfs_json_dtype(const json_t *object, const char *key, sfs_dtype *out, sfs_error *error);

#endif
