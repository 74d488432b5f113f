/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/h5ad_words.h"

#include <inttypes.h>
#include <string.h>

/* In the superblock: its version, the sizes of offsets and lengths, where the file begins and ends.
 */
enum {
    SUPERBLOCK_VERSION = 8,
    SUPERBLOCK_OFFSET_SIZE = 13,
    SUPERBLOCK_LENGTH_SIZE = 14,
    SUPERBLOCK_BASE = 24,
    SUPERBLOCK_END = 40,
    SUPERBLOCK_BYTES = 96,
};

/* In an object header: its version, number of messages and bytes of messages; in each message: its
 * type and bytes. */
enum {
    HEADER_MESSAGES = 2,
    HEADER_LENGTH = 8,
    HEADER_BYTES = 16,
    MESSAGE_LENGTH = 2,
    MESSAGE_BYTES = 8,
    MAX_BLOCKS = 16,
};

enum message_type {
    MESSAGE_DATASPACE = 1,
    MESSAGE_DATATYPE = 3,
    MESSAGE_LAYOUT = 8,
    MESSAGE_ATTRIBUTE = 12,
    MESSAGE_CONTINUATION = 16,
};

struct bytes {
    uint64_t at, length;
};

/* An object header on its walk: the blocks of messages that are known so far. */
struct walk {
    const uint8_t *file;
    uint64_t size;
    struct bytes blocks[MAX_BLOCKS];
    unsigned block, block_count;
    unsigned left; /* messages */
    uint64_t at;   /* where the next one is */
};

static uint64_t number_at(const uint8_t *file, uint64_t at, unsigned bytes)
{
    uint64_t number = 0;
    memcpy(&number, file + at, bytes);
    return number;
}

static sfs_status unexpected(uint64_t at, const char *what, sfs_error *error)
{
    return sfs_fail(error, -EIO,
                    "expected %s at byte %" PRIu64 " of an HDF5 file, found something else: this "
                    "version of HDF5 writes files that shufflefs does not know",
                    what, at);
}

static bool is_inside(const struct walk *walk, uint64_t at, uint64_t length)
{
    return at <= walk->size && length <= walk->size - at;
}

static sfs_status add_block(struct walk *walk, uint64_t at, uint64_t length, sfs_error *error)
{
    if (walk->block_count == MAX_BLOCKS || !is_inside(walk, at, length))
        return unexpected(at, "messages of an object header", error);
    walk->blocks[walk->block_count++] = (struct bytes){at, length};
    return 0;
}

static sfs_status begin(struct walk *walk, const uint8_t *file, uint64_t size, uint64_t header,
                        sfs_error *error)
{
    *walk = (struct walk){.file = file, .size = size};
    if (!is_inside(walk, header, HEADER_BYTES) || file[header] != 1)
        return unexpected(header, "an object header of version 1", error);
    walk->left = (unsigned)number_at(file, header + HEADER_MESSAGES, 2);
    walk->at = header + HEADER_BYTES;
    return add_block(walk, walk->at, number_at(file, header + HEADER_LENGTH, 4), error);
}

/* The next message but continuations; type -1 behind the last one. */
static sfs_status next(struct walk *walk, int *type, struct bytes *out, sfs_error *error)
{
    for (*type = -1; walk->left; walk->left--) {
        const struct bytes *block = &walk->blocks[walk->block];
        uint64_t left = block->at + block->length - walk->at;
        if (left < MESSAGE_BYTES) {
            if (++walk->block == walk->block_count)
                return unexpected(walk->at, "more messages of an object header", error);
            walk->at = walk->blocks[walk->block].at;
            left = walk->blocks[walk->block].length;
        }
        if (left < MESSAGE_BYTES)
            return unexpected(walk->at, "a message of an object header", error);
        int found = (int)number_at(walk->file, walk->at, 2);
        *out = (struct bytes){walk->at + MESSAGE_BYTES,
                              number_at(walk->file, walk->at + MESSAGE_LENGTH, 2)};
        if (out->length > left - MESSAGE_BYTES)
            return unexpected(walk->at, "a message within its block", error);
        walk->at = out->at + out->length;
        if (found != MESSAGE_CONTINUATION) {
            *type = found;
            walk->left--;
            return 0;
        }
        if (out->length < 16)
            return unexpected(out->at, "where an object header continues", error);
        SFS_TRY(add_block(walk, number_at(walk->file, out->at, 8),
                          number_at(walk->file, out->at + 8, 8), error));
    }
    return 0;
}

/* The first dimension follows version, rank, flags and 5 bytes; the limits follow all dimensions.
 */
static sfs_status find_rows(const uint8_t *file, struct bytes message, sfs_h5ad_words *out,
                            sfs_error *error)
{
    unsigned rank = message.length >= 8 ? file[message.at + 1] : 0;
    uint64_t needed = 8 + (uint64_t)rank * 16;
    if (!rank || file[message.at] != 1 || !(file[message.at + 2] & 1) || message.length < needed)
        return unexpected(message.at, "a dataspace of version 1", error);
    out->rows = message.at + 8;
    out->max_rows = out->rows + (uint64_t)rank * 8;
    return 0;
}

/* A layout of version 3 is its version and class, an address and a size. */
static sfs_status find_layout(const uint8_t *file, struct bytes message, sfs_h5ad_words *out,
                              sfs_error *error)
{
    enum { CONTIGUOUS = 1 };
    if (message.length < 18 || file[message.at] != 3 || file[message.at + 1] != CONTIGUOUS ||
        number_at(file, message.at + 2, 8) != SFS_H5AD_NOWHERE)
        return unexpected(message.at, "the contiguous layout of an array without elements", error);
    out->address = message.at + 2;
    out->bytes = message.at + 10;
    return 0;
}

sfs_status sfs_h5ad_words_find_array(const uint8_t *file, uint64_t size, uint64_t header,
                                     sfs_h5ad_words *out, sfs_error *error)
{
    struct walk walk;
    struct bytes message;
    int type;
    *out = (sfs_h5ad_words){0};
    SFS_TRY(begin(&walk, file, size, header, error));
    for (;;) {
        SFS_TRY(next(&walk, &type, &message, error));
        if (type < 0)
            break;
        if (type == MESSAGE_DATASPACE)
            SFS_TRY(find_rows(file, message, out, error));
        else if (type == MESSAGE_LAYOUT)
            SFS_TRY(find_layout(file, message, out, error));
        else if (type == MESSAGE_DATATYPE && message.length >= 12 && file[message.at] == 0x10)
            out->type = message.at; /* version 1, class 0: integers */
    }
    return out->rows && out->address ? 0 : unexpected(header, "the header of an array", error);
}

static uint64_t padded(uint64_t length)
{
    return (length + 7) / 8 * 8;
}

/* An attribute is its version, a byte, the lengths of its name, type and space, and these, each
 * padded, before its value. */
static void find_value(const uint8_t *file, struct bytes message, sfs_h5ad_words *out)
{
    static const char name[] = "shape";
    if (message.length < 8 + sizeof name || file[message.at] != 1)
        return;
    uint64_t lengths[3], value = 8;
    for (unsigned i = 0; i < 3; i++) {
        lengths[i] = number_at(file, message.at + 2 + i * 2, 2);
        value += padded(lengths[i]);
    }
    if (lengths[0] == sizeof name && !memcmp(file + message.at + 8, name, sizeof name) &&
        message.length >= value + 2 * sizeof(int64_t))
        out->shape = message.at + value;
}

sfs_status sfs_h5ad_words_find_shape(const uint8_t *file, uint64_t size, uint64_t header,
                                     sfs_h5ad_words *out, sfs_error *error)
{
    struct walk walk;
    struct bytes message;
    int type;
    *out = (sfs_h5ad_words){0};
    SFS_TRY(begin(&walk, file, size, header, error));
    for (;;) {
        SFS_TRY(next(&walk, &type, &message, error));
        if (type < 0)
            break;
        if (type == MESSAGE_ATTRIBUTE)
            find_value(file, message, out);
    }
    return out->shape ? 0 : unexpected(header, "a group with the attribute shape", error);
}

bool sfs_h5ad_words_begin(const uint8_t *file, uint64_t size)
{
    return size >= SUPERBLOCK_BYTES && !memcmp(file, "\x89HDF\r\n\x1a\n", 8) &&
           !file[SUPERBLOCK_VERSION] && file[SUPERBLOCK_OFFSET_SIZE] == 8 &&
           file[SUPERBLOCK_LENGTH_SIZE] == 8 && !number_at(file, SUPERBLOCK_BASE, 8) &&
           number_at(file, SUPERBLOCK_END, 8) == size;
}

static void set(uint8_t *file, uint64_t at, uint64_t number, unsigned bytes)
{
    memcpy(file + at, &number, bytes);
}

void sfs_h5ad_words_set_array(uint8_t *file, const sfs_h5ad_words *words,
                              const sfs_h5ad_extent *extent)
{
    set(file, words->rows, extent->rows, 8);
    set(file, words->max_rows, extent->rows, 8);
    set(file, words->address, extent->address, 8);
    set(file, words->bytes, extent->bytes, 8);
    if (words->type) {
        set(file, words->type + 4, extent->dtype.size, 4);
        set(file, words->type + 10, (uint64_t)extent->dtype.size * 8, 2);
    }
}

void sfs_h5ad_words_set_shape(uint8_t *file, const sfs_h5ad_words *words, uint64_t rows)
{
    set(file, words->shape, rows, 8);
}

void sfs_h5ad_words_set_size(uint8_t *file, uint64_t size)
{
    set(file, SUPERBLOCK_END, size, 8);
}
