/* SPDX-License-Identifier: Apache-2.0 */
/* A view spelled in a path: `@key=value,key=value`.
 *
 *   name   = "@" [ pair *( "," pair ) ]
 *   pair   = key "=" value
 *   value  = *( byte / "%" two hexadecimal digits )       no "/" and no ","
 *
 * The canonical name of a view has its keys sorted, leaves those out that have their default, and
 * encodes `/`, `,`, `%` and bytes below 33 or above 126 alone, in capitals. */
#ifndef SFS_NAMESPACE_VIEW_NAME_H
#define SFS_NAMESPACE_VIEW_NAME_H

#include "namespace/view.h"

/* Longer names cannot be looked up through a mount. */
enum { SFS_VIEW_NAME_MAX = 1023 };

/* Reads a name, with its `@`, into a view that the caller frees. EINVAL with a sentence: an unknown
 * key, a key twice, a value that is none, a key that is not for paths, a view whose
 * canonical name is too long. */
sfs_status sfs_view_name_parse(const char *name, sfs_view **out, sfs_error *error);

/* The canonical name, malloc'ed; NULL when out of memory. */
char *sfs_view_name(const sfs_view *view);

#endif
