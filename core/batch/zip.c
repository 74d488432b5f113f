/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/zip.h"

#include <stdbool.h>
#include <string.h>

enum {
    LOCAL_MAGIC = 0x04034b50,
    ENTRY_MAGIC = 0x02014b50,
    END_MAGIC = 0x06054b50,
    END64_MAGIC = 0x06064b50,
    LOCATOR_MAGIC = 0x07064b50,
    VERSION = 20,               /* needed to extract ... */
    VERSION64 = 45,             /* ... 64-bit sizes */
    MADE_ON_UNIX = 3 << 8,      /* so attributes are those of Unix ... */
    DATE = 0 << 9 | 1 << 5 | 1, /* 1980-01-01 */
    ZIP64_FIELD = 1,            /* of the extra fields */
    ALIGNMENT_FIELD = 0xd935,   /* Android's: the alignment, and zeros */
    ALIGNMENT_MIN = 2 + 2 + 2,  /* bytes of the smallest one */
    END64_REST = 56 - (4 + 8),  /* bytes of that record behind its size */
};

static const uint32_t attributes = UINT32_C(0100644) << 16; /* ... a regular file, readable */

/* From this on, a 32-bit field says that there is a 64-bit one. */
static const uint64_t wide = UINT32_MAX;

static uint8_t *put(uint8_t *out, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *out++ = (uint8_t)(number >> 8 * i);
    return out;
}

static uint64_t narrow(uint64_t number)
{
    return number < wide ? number : wide;
}

/* What both headers of a member have alike. */
static uint8_t *put_common(uint8_t *out, const sfs_zip_member *member, bool zip64,
                           uint64_t extra_size)
{
    out = put(out, zip64 ? VERSION64 : VERSION, 2);
    out = put(out, 0, 2); /* flags */
    out = put(out, 0, 2); /* stored */
    out = put(out, 0, 2); /* time */
    out = put(out, DATE, 2);
    out = put(out, member->crc, 4);
    out = put(out, narrow(member->size), 4);
    out = put(out, narrow(member->size), 4);
    out = put(out, strlen(member->name), 2);
    return put(out, extra_size, 2);
}

static uint8_t *put_name(uint8_t *out, const char *name)
{
    size_t length = strlen(name);
    memcpy(out, name, length);
    return out + length;
}

size_t sfs_zip_put_local(const sfs_zip_member *member, uint8_t *out)
{
    uint8_t *start = out;
    bool zip64 = member->size >= wide;
    uint64_t plain = 30 + strlen(member->name) + (zip64 ? 20 : 0);
    uint64_t gap = -(member->offset + plain) % SFS_ZIP_ALIGNMENT;
    if (gap && gap < ALIGNMENT_MIN)
        gap += SFS_ZIP_ALIGNMENT;
    out = put(out, LOCAL_MAGIC, 4);
    out = put_common(out, member, zip64, gap + (zip64 ? 20 : 0));
    out = put_name(out, member->name);
    if (zip64) {
        out = put(out, ZIP64_FIELD, 2);
        out = put(out, 16, 2);
        out = put(out, member->size, 8);
        out = put(out, member->size, 8);
    }
    if (gap) {
        out = put(out, ALIGNMENT_FIELD, 2);
        out = put(out, gap - 4, 2);
        out = put(out, SFS_ZIP_ALIGNMENT, 2);
        memset(out, 0, gap - ALIGNMENT_MIN);
        out += gap - ALIGNMENT_MIN;
    }
    return (size_t)(out - start);
}

static uint8_t *put_entry(const sfs_zip_member *member, uint8_t *out)
{
    bool wide_size = member->size >= wide, wide_offset = member->offset >= wide;
    uint64_t extra = 0;
    extra += wide_size ? 16 : 0;
    extra += wide_offset ? 8 : 0;
    out = put(out, ENTRY_MAGIC, 4);
    out = put(out, MADE_ON_UNIX | (extra ? VERSION64 : VERSION), 2);
    out = put_common(out, member, extra, extra ? extra + 4 : 0);
    out = put(out, 0, 2); /* bytes of comment */
    out = put(out, 0, 2); /* disk */
    out = put(out, 0, 2); /* internal attributes */
    out = put(out, attributes, 4);
    out = put(out, narrow(member->offset), 4);
    out = put_name(out, member->name);
    if (extra) {
        out = put(out, ZIP64_FIELD, 2);
        out = put(out, extra, 2);
    }
    if (wide_size) {
        out = put(out, member->size, 8);
        out = put(out, member->size, 8);
    }
    if (wide_offset)
        out = put(out, member->offset, 8);
    return out;
}

/* The 64-bit end of the directory, and where it is. */
static uint8_t *put_end64(size_t count, uint64_t offset, uint64_t size, uint8_t *out)
{
    out = put(out, END64_MAGIC, 4);
    out = put(out, END64_REST, 8);
    out = put(out, MADE_ON_UNIX | VERSION64, 2);
    out = put(out, VERSION64, 2);
    out = put(out, 0, 4); /* this disk */
    out = put(out, 0, 4); /* the directory's disk */
    out = put(out, count, 8);
    out = put(out, count, 8);
    out = put(out, size, 8);
    out = put(out, offset, 8);
    out = put(out, LOCATOR_MAGIC, 4);
    out = put(out, 0, 4);
    out = put(out, offset + size, 8);
    return put(out, 1, 4); /* disks in all */
}

size_t sfs_zip_put_directory(const sfs_zip_member *members, size_t count, uint64_t offset,
                             uint8_t *out)
{
    uint8_t *start = out;
    for (size_t i = 0; i < count; i++)
        out = put_entry(&members[i], out);
    uint64_t size = (uint64_t)(out - start);
    if (offset >= wide)
        out = put_end64(count, offset, size, out);
    out = put(out, END_MAGIC, 4);
    out = put(out, 0, 2); /* this disk */
    out = put(out, 0, 2); /* the directory's disk */
    out = put(out, count, 2);
    out = put(out, count, 2);
    out = put(out, size, 4);
    out = put(out, narrow(offset), 4);
    out = put(out, 0, 2); /* bytes of comment */
    return (size_t)(out - start);
}
