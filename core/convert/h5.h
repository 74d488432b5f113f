/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5 objects that close themselves and know their name in messages; links and attributes. Arrays
 * are in h5_array.h.
 *
 * Every failure is a sentence that begins "FILE: /path/of/object: ": EINVAL where the file holds
 * something else than was expected, EIO where HDF5 could not read it. */
#ifndef SFS_CONVERT_H5_H
#define SFS_CONVERT_H5_H

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/fail.h"

/* An open file, group, dataset. {0} is none. */
typedef struct sfs_h5 {
    hid_t id;   /* owned */
    char *name; /* owned: "FILE: /path", which begins messages; of a file "FILE" */
} sfs_h5;

typedef struct sfs_h5_names {
    char **items; /* owned, and each of them */
    size_t count;
} sfs_h5_names;

/* Close what is open; {0} is accepted, and left behind. */
void sfs_h5_close(sfs_h5 *object);
void sfs_h5_names_close(sfs_h5_names *names);

#define SFS_AUTO_H5 __attribute__((cleanup(sfs_h5_close)))
#define SFS_AUTO_H5_NAMES __attribute__((cleanup(sfs_h5_names_close)))
#define SFS_AUTO_HID __attribute__((cleanup(sfs_h5_cleanup_hid)))

/* Ids below 1 are none. */
static inline void sfs_h5_cleanup_hid(hid_t *id)
{
    if (*id > 0)
        H5Idec_ref(*id);
}

/* EIO with "NAME: what", and the reason that HDF5 gave for the call that failed just now. */
sfs_status sfs_h5_fail(const char *name, const char *what, sfs_error *error) __attribute__((cold));

/* Opens a file to read. From then on, HDF5 prints nothing by itself, and decodes LZF. */
sfs_status sfs_h5_open_file(const char *path, sfs_h5 *out, sfs_error *error);

/* Opens the child, which exists, of a file or group. */
sfs_status sfs_h5_open(const sfs_h5 *parent, const char *child, sfs_h5 *out, sfs_error *error);

/* Opens what the object reference in an attribute points to. */
sfs_status sfs_h5_open_reference(const sfs_h5 *holder, const char *attribute, sfs_h5 *out,
                                 sfs_error *error);

/* Whether the file or group has a link of that name (or path). */
sfs_status sfs_h5_has(const sfs_h5 *parent, const char *child, bool *out, sfs_error *error);

/* The same, but a child that stands for "nothing" is not there: an encoded null, an empty group. */
sfs_status sfs_h5_has_content(const sfs_h5 *parent, const char *child, bool *out, sfs_error *error);

static inline bool sfs_h5_is_group(const sfs_h5 *object)
{
    return H5Iget_type(object->id) == H5I_GROUP;
}

/* Whether it is a type of strings of varying length. EINVAL where such a type is damaged: HDF5
 * would use up all memory. */
sfs_status sfs_h5_is_varying(hid_t type, const char *name, bool *out, sfs_error *error);

/* Names of a group's links, in order of name. The caller closes out, also on failure. */
sfs_status sfs_h5_children(const sfs_h5 *group, sfs_h5_names *out, sfs_error *error);

/* Appends a copy of name. */
sfs_status sfs_h5_names_add(sfs_h5_names *names, const char *name, sfs_error *error);

static inline bool sfs_h5_has_attribute(const sfs_h5 *object, const char *attribute)
{
    return H5Aexists(object->id, attribute) > 0;
}

/* An attribute that is one string; *out is the caller's to free, and NULL where there is no such
 * attribute. */
sfs_status sfs_h5_attribute_text(const sfs_h5 *object, const char *attribute, char **out,
                                 sfs_error *error);

/* The strings of an attribute, none where it is absent or not of strings. The caller closes out,
 * also on failure. */
sfs_status sfs_h5_attribute_texts(const sfs_h5 *object, const char *attribute, sfs_h5_names *out,
                                  sfs_error *error);

/* An attribute that is two integers not below 0. */
sfs_status sfs_h5_attribute_pair(const sfs_h5 *object, const char *attribute, uint64_t out[2],
                                 sfs_error *error);

/* Whether there is such an attribute and it is a number or boolean other than 0. */
bool sfs_h5_attribute_flag(const sfs_h5 *object, const char *attribute);

#endif
