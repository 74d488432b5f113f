/* SPDX-License-Identifier: Apache-2.0 */
#include "store/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void sfs_dtype_typestr(sfs_dtype dtype, char out[SFS_TYPESTR])
{
    char order = dtype.size == 1 || dtype.kind == 'S' ? '|' : '<';
    snprintf(out, SFS_TYPESTR, "%c%c%" PRIu32, order, dtype.kind, dtype.size);
}

sfs_status sfs_dtype_parse(const char *typestr, sfs_dtype *out, sfs_error *error)
{
    static const sfs_dtype stored[] = {{'b', 1}, {'i', 1}, {'i', 2}, {'i', 4}, {'i', 8}, {'u', 1},
                                       {'u', 2}, {'u', 4}, {'u', 8}, {'f', 2}, {'f', 4}, {'f', 8}};
    for (size_t i = 0; i < sizeof stored / sizeof *stored; i++) {
        char spelling[SFS_TYPESTR];
        sfs_dtype_typestr(stored[i], spelling);
        if (!strcmp(spelling, typestr)) {
            *out = stored[i];
            return 0;
        }
    }
    return sfs_fail(error, -EINVAL, "expected a dtype such as \"<f4\" or \"|b1\", found \"%.40s\"",
                    typestr);
}

static void write_header(sfs_dtype dtype, const char *shape, char out[SFS_NPY_HEADER])
{
    static const unsigned char magic[10] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, SFS_NPY_HEADER - 10, 0};
    char typestr[SFS_TYPESTR], text[SFS_NPY_HEADER];
    sfs_dtype_typestr(dtype, typestr);
    int used = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                        typestr, shape);
    memset(out, ' ', SFS_NPY_HEADER);
    memcpy(out, magic, sizeof magic);
    memcpy(out + sizeof magic, text, (size_t)used);
    out[SFS_NPY_HEADER - 1] = '\n';
}

enum { SHAPE_MAX = 48 };

void sfs_npy_header_table(sfs_dtype dtype, uint64_t rows, uint64_t columns,
                          char out[SFS_NPY_HEADER])
{
    char shape[SHAPE_MAX];
    snprintf(shape, sizeof shape, "(%" PRIu64 ", %" PRIu64 ")", rows, columns);
    write_header(dtype, shape, out);
}

void sfs_npy_header_scalar(sfs_dtype dtype, char out[SFS_NPY_HEADER])
{
    write_header(dtype, "()", out);
}

void sfs_npy_header(sfs_dtype dtype, uint64_t count, uint64_t columns, char out[SFS_NPY_HEADER])
{
    char shape[SHAPE_MAX];
    if (columns) {
        sfs_npy_header_table(dtype, count, columns, out);
        return;
    }
    snprintf(shape, sizeof shape, "(%" PRIu64 ",)", count);
    write_header(dtype, shape, out);
}
