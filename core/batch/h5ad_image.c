/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/h5ad_image.h"

#include <hdf5.h>
#include <string.h>

const size_t sfs_h5ad_image_sizes[] = SFS_H5AD_IMAGE_SIZES;

/* What encoding-type and encoding-version say. */
static const struct {
    const char *type, *version;
} encodings[SFS_H5AD_ENCODINGS] = {
    [SFS_H5AD_FILE] = {"anndata", "0.1.0"},
    [SFS_H5AD_DICT] = {"dict", "0.1.0"},
    [SFS_H5AD_CSR_MATRIX] = {"csr_matrix", "0.1.0"},
    [SFS_H5AD_DATAFRAME] = {"dataframe", "0.2.0"},
    [SFS_H5AD_CATEGORICAL] = {"categorical", "0.2.0"},
    [SFS_H5AD_NULLABLE_INTEGER] = {"nullable-integer", "0.1.0"},
    [SFS_H5AD_NULLABLE_BOOLEAN] = {"nullable-boolean", "0.1.0"},
    [SFS_H5AD_NULLABLE_STRINGS] = {"nullable-string-array", "0.1.0"},
    [SFS_H5AD_ARRAY] = {"array", "0.2.0"},
    [SFS_H5AD_STRING_ARRAY] = {"string-array", "0.2.0"},
};

static void close_id(hid_t *id)
{
    if (*id > 0)
        H5Idec_ref(*id);
}

#define AUTO_HID __attribute__((cleanup(close_id)))

/* A file that is being made, in memory. Ids are owned. */
struct maker {
    const sfs_h5ad_plan *plan;
    const sfs_h5ad_counts *counts;
    const sfs_h5ad_extent *extents; /* borrowed: of each object that is an array */
    hid_t file, links, arrays, text, boolean;
    uint64_t *headers; /* borrowed: where each object's header is */
};

static bool ok(herr_t status)
{
    return status >= 0;
}

static hid_t text_type(size_t size, H5T_str_t padding)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type > 0 && ok(H5Tset_size(type, size)) && ok(H5Tset_cset(type, H5T_CSET_UTF8)) &&
        ok(H5Tset_strpad(type, padding)))
        return type;
    close_id(&type);
    return H5I_INVALID_HID;
}

/* As h5py makes them. */
static hid_t boolean_type(void)
{
    static const int8_t no = 0, yes = 1;
    hid_t type = H5Tenum_create(H5T_STD_I8LE);
    if (type > 0 && ok(H5Tenum_insert(type, "FALSE", &no)) &&
        ok(H5Tenum_insert(type, "TRUE", &yes)))
        return type;
    close_id(&type);
    return H5I_INVALID_HID;
}

static hid_t half_type(void)
{
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    if (type > 0 && ok(H5Tset_fields(type, 15, 10, 5, 0, 10)) && ok(H5Tset_size(type, 2)) &&
        ok(H5Tset_ebias(type, 15)))
        return type;
    close_id(&type);
    return H5I_INVALID_HID;
}

/* The caller closes it. */
static hid_t type_of(const struct maker *maker, sfs_dtype dtype)
{
    const hid_t integers[2][4] = {{H5T_STD_I8LE, H5T_STD_I16LE, H5T_STD_I32LE, H5T_STD_I64LE},
                                  {H5T_STD_U8LE, H5T_STD_U16LE, H5T_STD_U32LE, H5T_STD_U64LE}};
    switch (dtype.kind) {
    case 'S':
        return text_type(dtype.size, H5T_STR_NULLPAD);
    case 'b':
        return H5Tcopy(maker->boolean);
    case 'f':
        return dtype.size == 2 ? half_type()
                               : H5Tcopy(dtype.size == 4 ? H5T_IEEE_F32LE : H5T_IEEE_F64LE);
    default:
        return H5Tcopy(integers[dtype.kind == 'u'][__builtin_ctz(dtype.size)]);
    }
}

/* Makes an attribute; count 0 is one of no elements, -1 a scalar. */
static bool write_attribute(hid_t object, const char *name, hid_t type, int64_t count,
                            const void *value)
{
    hsize_t length = count > 0 ? (hsize_t)count : 0;
    AUTO_HID hid_t space = count < 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &length, NULL);
    AUTO_HID hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    return attribute > 0 && (!count || ok(H5Awrite(attribute, type, value)));
}

static bool write_text(const struct maker *maker, hid_t object, const char *name, const char *value)
{
    return write_attribute(object, name, maker->text, -1, &value);
}

/* The attributes beside the encoding. */
static bool describe_group(const struct maker *maker, const sfs_h5ad_object *object, hid_t group)
{
    if (object->encoding == SFS_H5AD_DATAFRAME)
        /* Where there are no columns: as numpy's empty list. */
        return write_text(maker, group, "_index", "_index") &&
               write_attribute(group, "column-order",
                               object->column_count ? maker->text : H5T_IEEE_F64LE,
                               (int64_t)object->column_count, object->columns);
    if (object->encoding == SFS_H5AD_CATEGORICAL) {
        int8_t ordered = object->ordered;
        return write_attribute(group, "ordered", maker->boolean, -1, &ordered);
    }
    if (object->encoding == SFS_H5AD_CSR_MATRIX) {
        int64_t shape[2] = {(int64_t)maker->counts->rows, (int64_t)maker->plan->genes.count};
        return write_attribute(group, "shape", H5T_STD_I64LE, 2, shape);
    }
    return true;
}

/* The array itself, of which nothing is written. */
static hid_t create_array(const struct maker *maker, const sfs_h5ad_object *object,
                          const sfs_h5ad_extent *extent)
{
    hsize_t shape[2] = {extent->rows, object->width};
    AUTO_HID hid_t space = H5Screate_simple(object->width ? 2 : 1, shape, NULL);
    AUTO_HID hid_t type = type_of(maker, extent->dtype);
    return H5Dcreate2(maker->file, object->path, type, space, maker->links, maker->arrays,
                      H5P_DEFAULT);
}

static hid_t create(const struct maker *maker, size_t i)
{
    const sfs_h5ad_object *object = &maker->plan->objects[i];
    if (object->encoding == SFS_H5AD_FILE)
        return H5Gopen2(maker->file, object->path, H5P_DEFAULT);
    if (sfs_h5ad_is_array(object))
        return create_array(maker, object, &maker->extents[i]);
    return H5Gcreate2(maker->file, object->path, maker->links, H5P_DEFAULT, H5P_DEFAULT);
}

static sfs_status make_object(const struct maker *maker, size_t i, sfs_error *error)
{
    const sfs_h5ad_object *object = &maker->plan->objects[i];
    AUTO_HID hid_t id = create(maker, i);
    hobj_ref_t header; /* an object reference is the address of its header */
    _Static_assert(sizeof header == sizeof *maker->headers, "an address");
    if (id > 0 && write_text(maker, id, "encoding-type", encodings[object->encoding].type) &&
        write_text(maker, id, "encoding-version", encodings[object->encoding].version) &&
        describe_group(maker, object, id) &&
        ok(H5Rcreate(&header, maker->file, object->path, H5R_OBJECT, -1))) {
        maker->headers[i] = header;
        return 0;
    }
    return sfs_fail(error, -EINVAL,
                    "%s: expected a name and a shape that an HDF5 file can have, but HDF5 cannot "
                    "make this object: use another format than .h5ad",
                    object->path);
}

/* A file without a disk, in the oldest format, whose arrays get no room before they are written. */
static bool open_maker(struct maker *maker)
{
    enum { GROWTH = 1 << 16 };
    AUTO_HID hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    maker->links = H5Pcreate(H5P_LINK_CREATE);
    maker->arrays = H5Pcreate(H5P_DATASET_CREATE);
    maker->text = text_type(H5T_VARIABLE, H5T_STR_NULLTERM);
    maker->boolean = boolean_type();
    if (!ok(H5Pset_fapl_core(access, GROWTH, 0)) ||
        !ok(H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18)) ||
        !ok(H5Pset_create_intermediate_group(maker->links, 1)) ||
        !ok(H5Pset_char_encoding(maker->links, H5T_CSET_UTF8)) ||
        !ok(H5Pset_obj_track_times(maker->arrays, 0)) ||
        !ok(H5Pset_layout(maker->arrays, H5D_CONTIGUOUS)) ||
        !ok(H5Pset_alloc_time(maker->arrays, H5D_ALLOC_TIME_LATE)) ||
        !ok(H5Pset_fill_time(maker->arrays, H5D_FILL_TIME_NEVER)))
        return false;
    maker->file = H5Fcreate("head.h5ad", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    return maker->file > 0 && maker->text > 0 && maker->boolean > 0;
}

static void close_maker(struct maker *maker)
{
    close_id(&maker->text);
    close_id(&maker->boolean);
    close_id(&maker->arrays);
    close_id(&maker->links);
    if (maker->file > 0)
        H5Fclose(maker->file);
}

static sfs_status take_image(const struct maker *maker, uint8_t **bytes, uint64_t *size,
                             sfs_error *error)
{
    ssize_t length =
        ok(H5Fflush(maker->file, H5F_SCOPE_LOCAL)) ? H5Fget_file_image(maker->file, NULL, 0) : -1;
    *bytes = length > 0 ? malloc((size_t)length) : NULL;
    if (!*bytes || H5Fget_file_image(maker->file, *bytes, (size_t)length) != length)
        return sfs_fail(error, -ENOMEM, "HDF5 cannot make the head of an .h5ad file");
    *size = (uint64_t)length;
    return 0;
}

static sfs_status make_file(struct maker *maker, uint8_t **bytes, uint64_t *size, sfs_error *error)
{
    if (!open_maker(maker))
        return sfs_fail(error, -ENOMEM, "HDF5 cannot begin the head of an .h5ad file");
    for (size_t i = 0; i < maker->plan->object_count; i++)
        SFS_TRY(make_object(maker, i, error));
    return take_image(maker, bytes, size, error);
}

/* What HDF5 prints about failures is kept to ourselves. */
sfs_status sfs_h5ad_make_image(const sfs_h5ad_plan *plan, const sfs_h5ad_counts *counts,
                               const sfs_h5ad_extent *extents, uint64_t *headers, uint8_t **bytes,
                               uint64_t *size, sfs_error *error)
{
    struct maker maker = {.plan = plan, .counts = counts, .extents = extents, .headers = headers};
    H5E_auto2_t print;
    void *data;
    H5Eget_auto2(H5E_DEFAULT, &print, &data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    sfs_status status = make_file(&maker, bytes, size, error);
    close_maker(&maker);
    H5Eset_auto2(H5E_DEFAULT, print, data);
    return status;
}
