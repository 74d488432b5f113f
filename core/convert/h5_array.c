/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/h5_array.h"

#include <inttypes.h>
#include <string.h>

#include "convert/lzf_filter.h"

/* A chunk up to this size is read as a whole and kept, so that its next part costs nothing. A
 * larger one too if it is compressed: HDF5 has to decode it whole anyway. */
#define CACHED_CHUNK (UINT64_C(64) << 20)

void sfs_h5_array_close(sfs_h5_array *array)
{
    sfs_h5_cleanup_hid(&array->memory);
    sfs_h5_close(&array->object);
    *array = (sfs_h5_array){0};
}

/* h5py's boolean. */
static hid_t boolean_type(void)
{
    hid_t type = H5Tenum_create(H5T_NATIVE_INT8);
    int8_t value = 0;
    if (type > 0 && H5Tenum_insert(type, "FALSE", &value) >= 0) {
        value = 1;
        if (H5Tenum_insert(type, "TRUE", &value) >= 0)
            return type;
    }
    sfs_h5_cleanup_hid(&type);
    return H5I_INVALID_HID;
}

/* IEEE 754 half precision, which HDF5 1.10 has no name for. */
static hid_t half_type(H5T_order_t order)
{
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    if (H5Tset_fields(type, 15, 10, 5, 0, 10) >= 0 && H5Tset_size(type, 2) >= 0 &&
        H5Tset_ebias(type, 15) >= 0 && H5Tset_order(type, order) >= 0)
        return type;
    sfs_h5_cleanup_hid(&type);
    return H5I_INVALID_HID;
}

static hid_t memory_type(sfs_dtype dtype)
{
    if (dtype.kind == 'b')
        return boolean_type();
    if (dtype.kind == 'f')
        return dtype.size == 2 ? half_type(H5T_ORDER_LE)
                               : H5Tcopy(dtype.size == 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE);
    bool sign = dtype.kind == 'i';
    switch (dtype.size) {
    case 1:
        return H5Tcopy(sign ? H5T_NATIVE_INT8 : H5T_NATIVE_UINT8);
    case 2:
        return H5Tcopy(sign ? H5T_NATIVE_INT16 : H5T_NATIVE_UINT16);
    case 4:
        return H5Tcopy(sign ? H5T_NATIVE_INT32 : H5T_NATIVE_UINT32);
    default:
        return H5Tcopy(sign ? H5T_NATIVE_INT64 : H5T_NATIVE_UINT64);
    }
}

/* Is it one of the formats of IEEE 754, and not, say, bfloat16 or a VAX's? */
static bool is_ieee(hid_t type, size_t size)
{
    if (size == 4)
        return H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0;
    if (size == 8)
        return H5Tequal(type, H5T_IEEE_F64LE) > 0 || H5Tequal(type, H5T_IEEE_F64BE) > 0;
    if (size != 2)
        return false;
    SFS_AUTO_HID hid_t little = half_type(H5T_ORDER_LE);
    SFS_AUTO_HID hid_t big = half_type(H5T_ORDER_BE);
    return H5Tequal(type, little) > 0 || H5Tequal(type, big) > 0;
}

/* Does the enumeration have exactly the names FALSE (0) and TRUE (1)? */
static bool is_boolean(hid_t type)
{
    if (H5Tget_nmembers(type) != 2)
        return false;
    SFS_AUTO_HID hid_t base = H5Tget_super(type);
    int64_t no = 1, yes = 0;
    size_t size = H5Tget_size(base);
    if (base < 0 || size > sizeof no || H5Tenum_valueof(type, "FALSE", &no) < 0 ||
        H5Tenum_valueof(type, "TRUE", &yes) < 0 ||
        H5Tconvert(base, H5T_NATIVE_INT64, 1, &no, NULL, H5P_DEFAULT) < 0 ||
        H5Tconvert(base, H5T_NATIVE_INT64, 1, &yes, NULL, H5P_DEFAULT) < 0)
        return false;
    return no == 0 && yes == 1;
}

/* The dtype that holds all values of a type in the file; kind 0: there is none. */
static sfs_dtype dtype_of(hid_t type)
{
    size_t size = H5Tget_size(type);
    H5T_class_t class = H5Tget_class(type);
    if (class == H5T_ENUM && is_boolean(type))
        return (sfs_dtype){'b', 1};
    if (class == H5T_INTEGER && (size == 1 || size == 2 || size == 4 || size == 8))
        return (sfs_dtype){H5Tget_sign(type) == H5T_SGN_NONE ? 'u' : 'i', (uint32_t)size};
    if (class == H5T_FLOAT && is_ieee(type, size))
        return (sfs_dtype){'f', (uint32_t)size};
    return (sfs_dtype){0};
}

/* What a type is, in words. */
static const char *describe_class(H5T_class_t class)
{
    switch (class) {
    case H5T_INTEGER:
        return "integers of an unknown width";
    case H5T_FLOAT:
        return "floats of an unknown format";
    case H5T_STRING:
        return "strings";
    case H5T_COMPOUND:
        return "a compound type (complex numbers, or a record)";
    case H5T_ENUM:
        return "an enumeration";
    case H5T_REFERENCE:
        return "references";
    default:
        return "an array, opaque or other type";
    }
}

static const char *describe_number(sfs_dtype dtype)
{
    return dtype.kind == 'b' ? "booleans" : dtype.kind == 'f' ? "floats" : "integers";
}

/* Finds what the elements of that type in the file are, and how they are read. */
static sfs_status describe_type(sfs_h5_array *array, hid_t type, sfs_error *error)
{
    H5T_class_t class = H5Tget_class(type);
    array->found = describe_class(class);
    if (class == H5T_STRING) {
        array->kind = SFS_H5_TEXT;
        SFS_TRY(sfs_h5_is_varying(type, array->object.name, &array->varying, error));
        array->spaces = H5Tget_strpad(type) == H5T_STR_SPACEPAD;
        array->memory = H5Tcopy(type);
        array->item = H5Tget_size(type);
    } else {
        array->dtype = dtype_of(type);
        if (!array->dtype.kind)
            return 0;
        array->kind = SFS_H5_NUMBER;
        array->found = describe_number(array->dtype);
        array->memory = memory_type(array->dtype);
        array->item = array->dtype.size;
    }
    if (array->memory < 0 || !array->item)
        return sfs_h5_fail(array->object.name, "cannot make sense of its type", error);
    return 0;
}

static sfs_status describe_shape(sfs_h5_array *array, sfs_error *error)
{
    SFS_AUTO_HID hid_t space = H5Dget_space(array->object.id);
    array->rank = space > 0 ? H5Sget_simple_extent_ndims(space) : -1;
    if (array->rank < 0)
        return sfs_h5_fail(array->object.name, "cannot read its shape", error);
    hsize_t shape[H5S_MAX_RANK] = {0};
    H5Sget_simple_extent_dims(space, shape, NULL);
    if (H5Sget_simple_extent_type(space) == H5S_NULL) {
        array->rank = 1; /* no elements */
        shape[0] = 0;
    }
    array->shape[0] = array->rank > 0 ? shape[0] : 1;
    array->shape[1] = array->rank > 1 ? shape[1] : 1;
    return 0;
}

static sfs_status check_filters(hid_t creation, const char *name, int *count, sfs_error *error)
{
    *count = H5Pget_nfilters(creation);
    for (int i = 0; i < *count; i++) {
        char title[64] = "";
        unsigned flags;
        size_t values = 0;
        H5Z_filter_t filter = H5Pget_filter2(creation, (unsigned)i, &flags, &values, NULL,
                                             sizeof title - 1, title, NULL);
        if (filter < 0)
            return sfs_h5_fail(name, "cannot read its filters", error);
        if (H5Zfilter_avail(filter) <= 0)
            return sfs_fail(error, -EINVAL,
                            "%s: compressed with HDF5 filter %d (%s), for which no plugin is "
                            "installed: install it and set HDF5_PLUGIN_PATH",
                            name, filter, *title ? title : "no name");
    }
    return 0;
}

/* Bytes of an element in the file: there, a string of varying length takes 16, in memory it is a
 * pointer. */
static uint64_t stored_size(hid_t type)
{
    if (H5Tis_variable_str(type) > 0)
        return 16;
    uint64_t size = H5Tget_size(type);
    int members = H5Tget_class(type) == H5T_COMPOUND ? H5Tget_nmembers(type) : 0;
    for (int i = 0; i < members; i++) {
        SFS_AUTO_HID hid_t member = H5Tget_member_type(type, (unsigned)i);
        if (member > 0)
            size += stored_size(member) - H5Tget_size(member);
    }
    return size;
}

/* Reads the size of the chunks, and sets up `access` so that one of them is kept. */
static sfs_status plan_chunks(sfs_h5_array *array, hid_t access, sfs_error *error)
{
    const char *name = array->object.name;
    SFS_AUTO_HID hid_t creation = H5Dget_create_plist(array->object.id);
    SFS_AUTO_HID hid_t type = H5Dget_type(array->object.id);
    if (creation < 0 || type < 0)
        return sfs_h5_fail(name, "cannot read how it is stored", error);
    if (H5Pget_layout(creation) != H5D_CHUNKED)
        return 0;
    hsize_t chunk[H5S_MAX_RANK] = {0};
    int rank = H5Pget_chunk(creation, H5S_MAX_RANK, chunk), filters;
    uint64_t bytes = stored_size(type);
    bool overflow = rank < 0 || rank != array->rank;
    for (int i = 0; i < rank; i++)
        overflow |= !chunk[i] || __builtin_mul_overflow(bytes, (uint64_t)chunk[i], &bytes);
    if (overflow || bytes > UINT32_MAX)
        return sfs_fail(error, -EINVAL, "%s: expected chunks of less than 4 GiB", name);
    SFS_TRY(check_filters(creation, name, &filters, error));
    array->chunk_bytes = bytes;
    array->chunk[0] = chunk[0];
    array->chunk[1] = rank > 1 ? chunk[1] : 1;
    uint64_t kept = filters || bytes <= CACHED_CHUNK ? bytes : 0;
    if (H5Pset_chunk_cache(access, 521, kept, 1.0) < 0)
        return sfs_h5_fail(name, "cannot set its chunk cache", error);
    return 0;
}

/* Describes the dataset that array->object is. */
static sfs_status describe(sfs_h5_array *array, hid_t access, sfs_error *error)
{
    if (H5Iget_type(array->object.id) != H5I_DATASET)
        return sfs_fail(error, -EINVAL, "%s: expected a dataset, found a group",
                        array->object.name);
    SFS_TRY(describe_shape(array, error));
    return plan_chunks(array, access, error);
}

/* Opens the dataset; its elements are not looked at yet. */
static sfs_status open_dataset(const sfs_h5 *parent, const char *child, sfs_h5_array *out,
                               sfs_error *error)
{
    SFS_AUTO_HID hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    if (access < 0)
        return sfs_h5_fail(parent->name, "cannot prepare to open its datasets", error);
    SFS_TRY(sfs_h5_open(parent, child, &out->object, error));
    SFS_TRY(describe(out, access, error));
    /* A chunk cache is given to the first who opens a dataset: close it, and come again. */
    H5Oclose(out->object.id);
    out->object.id = H5Dopen2(parent->id, child, access);
    if (out->object.id < 0)
        return sfs_h5_fail(out->object.name, "cannot open it", error);
    return 0;
}

static sfs_status describe_elements(sfs_h5_array *array, sfs_error *error)
{
    SFS_AUTO_HID hid_t type = H5Dget_type(array->object.id);
    if (type < 0)
        return sfs_h5_fail(array->object.name, "cannot read its type", error);
    return describe_type(array, type, error);
}

sfs_status sfs_h5_array_open(const sfs_h5 *parent, const char *child, sfs_h5_array *out,
                             sfs_error *error)
{
    SFS_TRY(open_dataset(parent, child, out, error));
    return describe_elements(out, error);
}

sfs_status sfs_h5_array_open_reference(const sfs_h5 *holder, const char *attribute,
                                       sfs_h5_array *out, sfs_error *error)
{
    SFS_AUTO_HID hid_t unused = H5Pcreate(H5P_DATASET_ACCESS);
    SFS_TRY(sfs_h5_open_reference(holder, attribute, &out->object, error));
    SFS_TRY(describe(out, unused, error));
    return describe_elements(out, error);
}

/* A compound type of one field: what HDF5 takes to mean that field of a larger one. */
static hid_t wrap(hid_t field, const char *name)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, H5Tget_size(field));
    if (type > 0 && H5Tinsert(type, name, 0, field) >= 0)
        return type;
    sfs_h5_cleanup_hid(&type);
    return H5I_INVALID_HID;
}

static sfs_status wrap_memory(sfs_h5_array *array, const char *field, sfs_error *error)
{
    if (array->kind == SFS_H5_OTHER)
        return 0;
    hid_t wrapped = wrap(array->memory, field);
    if (wrapped < 0)
        return sfs_h5_fail(array->object.name, "cannot read it as a field", error);
    H5Tclose(array->memory);
    array->memory = wrapped;
    return 0;
}

sfs_status sfs_h5_array_open_field(const sfs_h5 *parent, const char *child, const char *field,
                                   sfs_h5_array *out, sfs_error *error)
{
    SFS_TRY(open_dataset(parent, child, out, error));
    char *name = NULL;
    if (asprintf(&name, "%s/%s", out->object.name, field) < 0)
        return sfs_fail_memory(error);
    free(out->object.name);
    out->object.name = name;
    SFS_AUTO_HID hid_t type = H5Dget_type(out->object.id);
    int place = type > 0 ? H5Tget_member_index(type, field) : -1;
    SFS_AUTO_HID hid_t member =
        place >= 0 ? H5Tget_member_type(type, (unsigned)place) : H5I_INVALID_HID;
    if (member < 0)
        return sfs_h5_fail(name, "cannot read this field", error);
    SFS_TRY(describe_type(out, member, error));
    return wrap_memory(out, field, error);
}

sfs_status sfs_h5_array_expect_numbers(const sfs_h5_array *array, int rank, sfs_error *error)
{
    const char *name = array->object.name;
    if (array->rank != rank)
        return sfs_fail(error, -EINVAL, "%s: expected %d dimension%s, found %d", name, rank,
                        rank == 1 ? "" : "s", array->rank);
    if (array->kind != SFS_H5_NUMBER)
        return sfs_fail(error, -EINVAL, "%s: expected integers, floats or booleans, found %s", name,
                        array->found);
    return 0;
}

sfs_status sfs_h5_array_as(sfs_h5_array *array, sfs_dtype dtype, sfs_error *error)
{
    const char *name = array->object.name;
    bool whole = dtype.kind != 'f';
    if (array->kind != SFS_H5_NUMBER || whole != (array->dtype.kind != 'f'))
        return sfs_fail(error, -EINVAL, "%s: expected %s, found %s", name,
                        whole ? "integers" : "floats", array->found);
    hid_t type = memory_type(dtype);
    if (type > 0 && H5Tget_class(array->memory) == H5T_COMPOUND) {
        char *field = H5Tget_member_name(array->memory, 0);
        hid_t wrapped = field ? wrap(type, field) : H5I_INVALID_HID;
        H5free_memory(field);
        H5Tclose(type);
        type = wrapped;
    }
    if (type < 0)
        return sfs_h5_fail(name, "cannot convert its type", error);
    H5Tclose(array->memory);
    array->memory = type;
    array->dtype = dtype;
    array->item = dtype.size;
    return 0;
}

/* An enumeration in a file says nothing about the bytes that it is made of. */
static sfs_status check_booleans(const sfs_h5_array *array, uint64_t count, const uint8_t *values,
                                 sfs_error *error)
{
    uint8_t all = 0;
    for (uint64_t i = 0; i < count; i++)
        all |= values[i];
    if (all <= 1)
        return 0;
    return sfs_fail(error, -EINVAL, "%s: expected FALSE (0) or TRUE (1) everywhere, found others",
                    array->object.name);
}

static sfs_status read_selected(const sfs_h5_array *array, const hsize_t *first,
                                const hsize_t *count, void *out, sfs_error *error)
{
    hsize_t total = array->rank > 1 ? count[0] * count[1] : count[0];
    SFS_AUTO_HID hid_t file = H5Dget_space(array->object.id);
    SFS_AUTO_HID hid_t memory = H5Screate_simple(1, &total, NULL);
    bool ready =
        file > 0 && memory > 0 &&
        (!array->rank || H5Sselect_hyperslab(file, H5S_SELECT_SET, first, NULL, count, NULL) >= 0);
    sfs_lzf_expect(array->chunk_bytes);
    if (!ready || H5Dread(array->object.id, array->memory, memory, file, H5P_DEFAULT, out) < 0)
        return sfs_h5_fail(array->object.name, "cannot read it", error);
    if (array->dtype.kind == 'b')
        return check_booleans(array, total, out, error);
    return 0;
}

sfs_status sfs_h5_array_read(const sfs_h5_array *array, uint64_t first, uint64_t count, void *out,
                             sfs_error *error)
{
    if (!count)
        return 0;
    return read_selected(array, (hsize_t[2]){first}, (hsize_t[2]){count, 1}, out, error);
}

sfs_status sfs_h5_array_read_box(const sfs_h5_array *array, const uint64_t first[2],
                                 const uint64_t count[2], void *out, sfs_error *error)
{
    if (!count[0] || !count[1])
        return 0;
    const hsize_t from[2] = {first[0], first[1]}, size[2] = {count[0], count[1]};
    return read_selected(array, from, size, out, error);
}

void sfs_h5_array_reclaim(const sfs_h5_array *array, uint64_t count, void *items)
{
    hsize_t total = count;
    SFS_AUTO_HID hid_t space = H5Screate_simple(1, &total, NULL);
    if (array->varying && space > 0)
        H5Dvlen_reclaim(array->memory, space, H5P_DEFAULT, items);
}
