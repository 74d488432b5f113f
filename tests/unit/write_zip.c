/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a zip file of members of zeros, which take no room on most disks, for a test that opens
 * it: write_zip OUTPUT SIZE... */
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>

#include "batch/zip.h"

enum { MEMBERS_MAX = 8, PIECE = 1 << 20 };

static uint32_t crc_of_zeros(uint64_t size)
{
    static const uint8_t zeros[PIECE];
    uint32_t crc = 0;
    for (uint64_t at = 0; at < size; at += PIECE)
        crc = libdeflate_crc32(crc, zeros, size - at < PIECE ? size - at : PIECE);
    return crc;
}

int main(int argc, char **argv)
{
    static const char *const names[MEMBERS_MAX] = {"a", "bb", "ccc", "d", "e", "f", "g", "h"};
    sfs_zip_member members[MEMBERS_MAX];
    uint8_t local[SFS_ZIP_LOCAL_MAX];
    uint8_t directory[MEMBERS_MAX * SFS_ZIP_ENTRY_MAX + SFS_ZIP_END_MAX];
    FILE *file = argc - 2 <= MEMBERS_MAX ? fopen(argv[1], "wb") : NULL;
    uint64_t offset = 0;
    if (!file)
        return 1;
    for (int i = 0; i < argc - 2; i++) {
        uint64_t size = strtoull(argv[2 + i], NULL, 10);
        members[i] = (sfs_zip_member){names[i], offset, size, crc_of_zeros(size)};
        size_t header = sfs_zip_put_local(&members[i], local);
        fseek(file, (long)offset, SEEK_SET);
        if (fwrite(local, 1, header, file) != header)
            return 1;
        offset += header + size;
    }
    size_t size = sfs_zip_put_directory(members, (size_t)argc - 2, offset, directory);
    fseek(file, (long)offset, SEEK_SET);
    return fwrite(directory, 1, size, file) != size || fclose(file);
}
