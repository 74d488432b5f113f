/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/record.h"

#include <string.h>

#include "codec/cast.h"
#include "codec/inflate.h"
#include "codec/pfor.h"

/* Holds most records whole, any block, and any compressed piece. */
enum { STREAM_BYTES = 20 << 10 };

/* What is looked at of a block before it is known to be there. */
enum { HEAD_BYTES = 3 };

/* Of a record whose columns are checked, how many at once. */
enum { CHECKED_TOGETHER = 8 * SFS_BLOCK };

_Static_assert((int)STREAM_BYTES >= (int)SFS_PFOR_MAX && (int)STREAM_BYTES >= (int)SFS_INFLATE_MAX,
               "each unit fits");

/* A part of a record, copied bit by bit to where nobody else can change it. */
struct stream {
    const uint8_t *next, *end; /* what was not copied yet */
    uint8_t *at;               /* what was, and not used yet ... */
    size_t have;               /* ... so many bytes */
    uint8_t copy[STREAM_BYTES + SFS_BLOCK_SLACK];
};

static void stream_open(struct stream *stream, const uint8_t *bytes, uint64_t size)
{
    stream->next = bytes;
    stream->end = bytes + size;
    stream->at = stream->copy;
    stream->have = 0;
    memset(stream->copy, 0, HEAD_BYTES);
}

/* Tries to have `size` bytes at hand; fewer only at the end of the part. */
static inline void stream_need(struct stream *stream, size_t size)
{
    if (__builtin_expect(stream->have >= size || stream->next == stream->end, 1))
        return;
    memmove(stream->copy, stream->at, stream->have);
    size_t room = STREAM_BYTES - stream->have, left = (size_t)(stream->end - stream->next);
    size_t taken = left < room ? left : room;
    memcpy(stream->copy + stream->have, stream->next, taken);
    stream->at = stream->copy;
    stream->next += taken;
    stream->have += taken;
    memset(stream->copy + stream->have, 0, HEAD_BYTES);
}

static inline void stream_use(struct stream *stream, size_t size)
{
    stream->at += size;
    stream->have -= size;
}

/* The next block, which is there until something else is needed. */
static inline bool stream_block(struct stream *stream, unsigned n, sfs_packed_block *out)
{
    stream_need(stream, SFS_PFOR_MAX);
    size_t size = sfs_pfor_parse(stream->at, stream->have, n, out);
    stream_use(stream, size);
    return size;
}

/* Decodes narrow blocks of the next `count` elements, all of them wanted, as far as they are at
 * hand. Returns how many elements they had; *base is that of sfs_narrow_run. */
static inline uint32_t stream_narrow(const sfs_block_ops *ops, struct stream *stream,
                                     sfs_narrow_form form, uint32_t count, uint32_t *base,
                                     uint8_t *out)
{
    if (form == SFS_NARROW_NONE || count < SFS_BLOCK)
        return 0;
    stream_need(stream, SFS_PFOR_MAX);
    sfs_narrow_run run = {
        .bytes = stream->at, .size = stream->have, .blocks = count / SFS_BLOCK, .base = *base};
    uint32_t done = ops->decode_narrow(&run, form, out) * SFS_BLOCK;
    stream_use(stream, stream->have - run.size);
    *base = run.base;
    return done;
}

/* Whether nothing is left. */
static inline bool stream_ends(const struct stream *stream)
{
    return !stream->have && stream->next == stream->end;
}

/* Whether number + base is below 2^31 for all of a block: only those of so many bits are looked at.
 */
static bool numbers_fit(const sfs_block_ops *ops, const sfs_packed_block *block, uint32_t base)
{
    uint32_t numbers[SFS_BLOCK];
    if (__builtin_expect(sfs_pfor_bits(block) < 31, 1))
        return true;
    if (!ops->unpack(block, numbers))
        return false;
    for (unsigned i = 0; i < block->n; i++)
        if (numbers[i] > INT32_MAX - base)
            return false;
    return true;
}

static inline bool has_elements(const sfs_record *record, uint32_t first, uint32_t count)
{
    return first <= record->nnz && count <= record->nnz - first;
}

/* Opens the two parts of a record; either may be NULL. False where there is no such record. */
static bool open_parts(const sfs_record *record, struct stream *indices, struct stream *values,
                       unsigned *mode)
{
    uint32_t head;
    if (record->size < sizeof head)
        return false;
    memcpy(&head, record->bytes, sizeof head);
    uint64_t index_bytes = head / 8, left = record->size - sizeof head;
    *mode = head % 8;
    if (*mode >= SFS_RECORD_MODES || index_bytes > left)
        return false;
    const uint8_t *blocks = record->bytes + sizeof head;
    if (indices)
        stream_open(indices, blocks, index_bytes);
    if (values)
        stream_open(values, blocks + index_bytes, left - index_bytes);
    return true;
}

uint64_t sfs_record_split(const uint8_t *bytes, uint64_t size)
{
    uint32_t head;
    if (size < sizeof head)
        return size;
    memcpy(&head, bytes, sizeof head);
    uint64_t split = sizeof head + head / 8;
    return split < size ? split : size;
}

/* What of the n elements from `at` on is wanted: elements [from, to) of them. */
struct share {
    unsigned from, to;
};

static inline struct share share_of(uint32_t at, unsigned n, uint32_t first, uint32_t end)
{
    return (struct share){.from = first > at ? (first - at < n ? first - at : n) : 0,
                          .to = end < at + n ? end - at : n};
}

static inline unsigned block_size(const sfs_record *record, uint32_t at)
{
    return record->nnz - at < SFS_BLOCK ? record->nnz - at : SFS_BLOCK;
}

/* Where a whole block of `wanted` elements goes: straight to `out`, if all of it is wanted. */
static inline uint8_t *room_for(struct share share, uint8_t *out, uint8_t *block)
{
    return share.to - share.from == SFS_BLOCK ? out : block;
}

/* What was put elsewhere than in `out`. */
static inline void put_share(struct share share, uint32_t size, const uint8_t *block, uint8_t *out)
{
    if (block != out)
        memcpy(out, block + share.from * size, (share.to - share.from) * size);
}

/* Of these column indices, those that are wanted. */
static void put_columns(const sfs_block_ops *ops, const uint32_t *columns, unsigned n,
                        struct share share, sfs_dtype wanted, uint8_t *out)
{
    uint8_t narrow[SFS_BLOCK * sizeof(uint16_t)], *room = room_for(share, out, narrow);
    if (wanted.size == sizeof *columns) {
        put_share(share, wanted.size, (const uint8_t *)columns, out);
    } else if (wanted.size == sizeof(uint16_t)) {
        ops->to_uint16(columns, n, 0, room);
        put_share(share, wanted.size, room, out);
    } else {
        sfs_cast((sfs_dtype){'u', sizeof *columns}, columns + share.from, wanted, out,
                 share.to - share.from);
    }
}

static sfs_narrow_form form_of_indices(sfs_dtype wanted)
{
    return wanted.size == sizeof(uint32_t)   ? SFS_NARROW_SUMS_32
           : wanted.size == sizeof(uint16_t) ? SFS_NARROW_SUMS_16
                                             : SFS_NARROW_NONE;
}

bool sfs_record_indices(const sfs_block_ops *ops, const sfs_record *record, sfs_dtype wanted,
                        uint32_t first, uint32_t count, void *out)
{
    struct stream stream;
    sfs_packed_block block;
    uint32_t columns[SFS_BLOCK], before = UINT32_MAX, end = first + count;
    uint8_t *to = out;
    unsigned mode;
    if (!has_elements(record, first, count) || !open_parts(record, &stream, NULL, &mode))
        return false;
    sfs_narrow_form form = form_of_indices(wanted);
    for (uint32_t at = 0; at < end; at += SFS_BLOCK) {
        if (at >= first) {
            uint32_t done = stream_narrow(ops, &stream, form, end - at, &before, to);
            to += done * wanted.size;
            at += done;
            if (at == end)
                break;
        }
        unsigned n = block_size(record, at);
        struct share share = share_of(at, n, first, end);
        bool direct = wanted.size == sizeof *columns && share.to - share.from == SFS_BLOCK;
        uint8_t *room = direct ? to : (uint8_t *)columns;
        if (!stream_block(&stream, n, &block) || !ops->sum_gaps(&block, before, room))
            return false;
        memcpy(&before, room + (n - 1) * sizeof before, sizeof before);
        if (!direct && share.from < share.to)
            put_columns(ops, columns, n, share, wanted, to);
        to += (share.to - share.from) * wanted.size;
    }
    return true;
}

/* The numbers of a block + base, as the wanted type. */
static bool put_numbers(const sfs_block_ops *ops, const sfs_packed_block *block, uint32_t base,
                        struct share share, sfs_dtype wanted, uint8_t *out)
{
    uint8_t typed[SFS_BLOCK * sizeof(float)], *room = room_for(share, out, typed);
    uint32_t size = wanted.size, numbers[SFS_BLOCK];
    bool floats = wanted.kind == 'f' && size == 4;
    if (!(floats ? ops->to_float32(block, base, room) : ops->unpack(block, numbers)))
        return false;
    if (wanted.kind == 'u' && size == 2) {
        ops->to_uint16(numbers, block->n, base, room);
    } else if (wanted.kind == 'u' && size == 1) {
        ops->to_uint8(numbers, block->n, base, room);
    } else if (!floats) {
        for (unsigned i = 0; i < block->n; i++)
            numbers[i] += base;
        sfs_cast((sfs_dtype){'i', 4}, numbers + share.from, wanted, out, share.to - share.from);
        return true;
    }
    put_share(share, size, room, out);
    return true;
}

static sfs_narrow_form form_of_numbers(sfs_dtype wanted)
{
    if (wanted.kind == 'f')
        return wanted.size == sizeof(float) ? SFS_NARROW_FLOAT32 : SFS_NARROW_NONE;
    return wanted.kind != 'u'                ? SFS_NARROW_NONE
           : wanted.size == sizeof(uint16_t) ? SFS_NARROW_UINT16
           : wanted.size == sizeof(uint8_t)  ? SFS_NARROW_UINT8
                                             : SFS_NARROW_NONE;
}

static bool read_numbers(const sfs_block_ops *ops, const sfs_record *record, struct stream *stream,
                         uint32_t base, sfs_dtype wanted, uint32_t first, uint32_t end,
                         uint8_t *out)
{
    sfs_narrow_form form = form_of_numbers(wanted);
    sfs_packed_block block;
    for (uint32_t at = 0; at < end; at += SFS_BLOCK) {
        if (at >= first) {
            uint32_t done = stream_narrow(ops, stream, form, end - at, &base, out);
            out += done * wanted.size;
            at += done;
            if (at == end)
                break;
        }
        unsigned n = block_size(record, at);
        if (!stream_block(stream, n, &block))
            return false;
        if (at + n <= first)
            continue;
        struct share share = share_of(at, n, first, end);
        if (!numbers_fit(ops, &block, base) || !put_numbers(ops, &block, base, share, wanted, out))
            return false;
        out += (share.to - share.from) * wanted.size;
    }
    return end < record->nnz || stream_ends(stream);
}

/* The entries, as the wanted type, so that a code is all it takes. */
static bool read_entries(const sfs_record *record, struct stream *stream, sfs_dtype wanted,
                         unsigned *count, uint64_t entries[SFS_RECORD_ENTRIES])
{
    uint16_t stored;
    stream_need(stream, sizeof stored + SFS_RECORD_ENTRIES * sizeof *entries);
    if (stream->have < sizeof stored)
        return false;
    memcpy(&stored, stream->at, sizeof stored);
    stream_use(stream, sizeof stored);
    *count = stored;
    if (!stored || stored > SFS_RECORD_ENTRIES || stored * record->dtype.size > stream->have)
        return false;
    sfs_cast(record->dtype, stream->at, wanted, entries, stored);
    stream_use(stream, stored * record->dtype.size);
    return true;
}

#define LOOK_UP(type)                                                                              \
    for (unsigned i = 0; i < n; i++)                                                               \
        memcpy(out + i * sizeof(type), (const type *)entries + codes[i], sizeof(type));            \
    break

static void look_up(const void *entries, uint32_t size, const uint32_t *codes, unsigned n,
                    uint8_t *out)
{
    switch (size) {
    case 1:
        LOOK_UP(uint8_t);
    case 2:
        LOOK_UP(uint16_t);
    case 4:
        LOOK_UP(uint32_t);
    default:
        LOOK_UP(uint64_t);
    }
}

static bool read_dictionary(const sfs_block_ops *ops, const sfs_record *record,
                            struct stream *stream, sfs_dtype wanted, uint32_t first, uint32_t end,
                            uint8_t *out)
{
    uint64_t entries[SFS_RECORD_ENTRIES];
    uint32_t codes[SFS_BLOCK];
    sfs_packed_block block;
    unsigned count;
    if (!read_entries(record, stream, wanted, &count, entries))
        return false;
    for (uint32_t at = 0; at < end; at += SFS_BLOCK) {
        unsigned n = block_size(record, at);
        uint32_t largest = 0;
        if (!stream_block(stream, n, &block))
            return false;
        if (at + n <= first)
            continue;
        if (!ops->unpack(&block, codes))
            return false;
        for (unsigned i = 0; i < n; i++)
            largest = codes[i] > largest ? codes[i] : largest;
        if (largest >= count)
            return false;
        struct share share = share_of(at, n, first, end);
        look_up(entries, wanted.size, codes + share.from, share.to - share.from, out);
        out += (share.to - share.from) * wanted.size;
    }
    return end < record->nnz || stream_ends(stream);
}

/* These bytes say nothing but values: they need no copy. */
static bool read_plain(const sfs_record *record, const struct stream *stream, sfs_dtype wanted,
                       uint32_t first, uint32_t end, uint8_t *out)
{
    uint64_t size = record->dtype.size;
    if ((uint64_t)(stream->end - stream->next) != record->nnz * size)
        return false;
    sfs_cast(record->dtype, stream->next + first * size, wanted, out, end - first);
    return true;
}

static bool read_compressed(const sfs_record *record, struct stream *stream, sfs_dtype wanted,
                            uint32_t first, uint32_t end, uint8_t *out)
{
    uint8_t values[SFS_RECORD_PIECE * sizeof(uint64_t)];
    for (uint32_t at = 0; at < end; at += SFS_RECORD_PIECE) {
        unsigned left = record->nnz - at, n = left < SFS_RECORD_PIECE ? left : SFS_RECORD_PIECE;
        uint32_t size;
        stream_need(stream, SFS_INFLATE_MAX);
        if (stream->have < sizeof size)
            return false;
        memcpy(&size, stream->at, sizeof size);
        stream_use(stream, sizeof size);
        if (size > stream->have || size > n * record->dtype.size)
            return false;
        if (at + n > first) {
            struct share share = share_of(at, n, first, end);
            if (!sfs_inflate(stream->at, size, n, record->dtype.size, values))
                return false;
            sfs_cast(record->dtype, values + share.from * record->dtype.size, wanted, out,
                     share.to - share.from);
            out += (share.to - share.from) * wanted.size;
        }
        stream_use(stream, size);
    }
    return end < record->nnz || stream_ends(stream);
}

bool sfs_record_values(const sfs_block_ops *ops, const sfs_record *record, sfs_dtype wanted,
                       uint32_t first, uint32_t count, void *out)
{
    struct stream stream;
    uint32_t end = first + count;
    unsigned mode;
    if (!has_elements(record, first, count) || !open_parts(record, NULL, &stream, &mode))
        return false;
    switch (mode) {
    case SFS_RECORD_COUNTS:
    case SFS_RECORD_NUMBERS:
        return read_numbers(ops, record, &stream, mode == SFS_RECORD_COUNTS, wanted, first, end,
                            out);
    case SFS_RECORD_DICTIONARY:
        return read_dictionary(ops, record, &stream, wanted, first, end, out);
    case SFS_RECORD_PLAIN:
        return read_plain(record, &stream, wanted, first, end, out);
    default:
        return read_compressed(record, &stream, wanted, first, end, out);
    }
}

/* How many columns the gaps of narrow blocks of the next `count` take; *done: how many those are.
 */
static uint64_t narrow_columns(const sfs_block_ops *ops, struct stream *stream, uint32_t count,
                               uint32_t *done)
{
    uint8_t sums[CHECKED_TOGETHER * sizeof(uint32_t)];
    uint32_t before = UINT32_MAX;
    count = count < CHECKED_TOGETHER ? count : CHECKED_TOGETHER;
    *done = stream_narrow(ops, stream, SFS_NARROW_SUMS_32, count, &before, sums);
    return before + 1;
}

bool sfs_record_check(const sfs_record *record, uint64_t columns)
{
    const sfs_block_ops *ops = sfs_block_ops_best();
    struct stream stream;
    sfs_packed_block block;
    uint32_t gaps[SFS_BLOCK], n;
    uint64_t next = 0;
    unsigned mode;
    if (!open_parts(record, &stream, NULL, &mode))
        return false;
    for (uint32_t at = 0; at < record->nnz; at += n) {
        next += narrow_columns(ops, &stream, record->nnz - at, &n);
        if (n)
            continue;
        n = block_size(record, at);
        if (!stream_block(&stream, n, &block) || !ops->unpack(&block, gaps))
            return false;
        for (unsigned i = 0; i < n; i++)
            next += (uint64_t)gaps[i] + 1;
    }
    return next <= columns && stream_ends(&stream);
}
