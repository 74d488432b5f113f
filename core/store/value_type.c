/* SPDX-License-Identifier: Apache-2.0 */
#include "store/value_type.h"

#include <string.h>

const sfs_value_type sfs_value_types[SFS_VALUE_TYPES] = {
    {"float64", {'f', 8}}, {"float32", {'f', 4}}, {"float16", {'f', 2}}, {"int64", {'i', 8}},
    {"int32", {'i', 4}},   {"uint16", {'u', 2}},  {"uint8", {'u', 1}},
};

size_t sfs_value_type_find(const char *name)
{
    size_t i = 0;
    while (i < SFS_VALUE_TYPES && strcmp(sfs_value_types[i].name, name) != 0)
        i++;
    return i;
}
