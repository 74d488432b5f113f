/* SPDX-License-Identifier: Apache-2.0 */
/* What is beside the members of a zip file that are stored as they are: the header before each, and
 * the directory at the end; of 64-bit sizes where they are needed. All members have the date
 * 1980-01-01. Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT */
#ifndef SFS_BATCH_ZIP_H
#define SFS_BATCH_ZIP_H

#include <stddef.h>
#include <stdint.h>

enum {
    SFS_ZIP_ALIGNMENT = 64, /* bytes of a member begin at a multiple of this */
    SFS_ZIP_NAME_MAX = 32,
    SFS_ZIP_LOCAL_MAX = 30 + SFS_ZIP_NAME_MAX + 20 + SFS_ZIP_ALIGNMENT + 6,
    SFS_ZIP_ENTRY_MAX = 46 + SFS_ZIP_NAME_MAX + 28,
    SFS_ZIP_END_MAX = 56 + 20 + 22,
};

typedef struct sfs_zip_member {
    const char *name; /* at most SFS_ZIP_NAME_MAX bytes */
    uint64_t offset;  /* of its header, in the file */
    uint64_t size;
    uint32_t crc; /* CRC-32 of its bytes */
} sfs_zip_member;

/* Writes the header before a member; returns its size, which does not depend on crc. out has room
 * for SFS_ZIP_LOCAL_MAX bytes. */
size_t sfs_zip_put_local(const sfs_zip_member *member, uint8_t *out);

/* Writes the directory of fewer than 2^16 - 1 members, which begins at offset in the file; returns
 * its size. out has room for SFS_ZIP_ENTRY_MAX bytes a member, and SFS_ZIP_END_MAX. */
size_t sfs_zip_put_directory(const sfs_zip_member *members, size_t count, uint64_t offset,
                             uint8_t *out);

#endif
