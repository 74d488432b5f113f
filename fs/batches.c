/* SPDX-License-Identifier: Apache-2.0 */
#include "batches.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

enum {
    BUCKETS = 1024,
    MAX_IDLE = 2048,          /* files that nobody holds, and that are kept a while ... */
    MIN_IDLE_BYTES = 8 << 20, /* ... in so much memory, or an eighth of what the buffers have */
    MIN_DECODED = 128 << 10,  /* smaller files are read in one request: buffers gain nothing */
    ASK_STEP = 8 << 20,
    KEPT_WHEN_READ = 8, /* pieces, for those who read the same batch a little later */
    MAX_PIECES = 4096,  /* of a file; larger ones are read by range */
    LARGE_SHARE = 4,    /* a file of more than 1 / LARGE_SHARE of the buffers may lose some */
};

typedef enum piece_state { EMPTY, DECODING, READY } piece_state;

/* A double list, whose head is a link too. */
struct link {
    struct link *next, *previous;
};

struct piece {
    struct link link; /* in `read` or `unread` while READY and not pinned */
    sfs_held *held;
    uint8_t *buffer; /* of the pool, while not EMPTY */
    piece_state state;
    uint32_t pins; /* answers that are being sent from it */
    uint32_t left; /* bytes that were not sent yet */
    bool decoded;  /* once, if not now */
    bool ahead;    /* decoded for nobody yet */
    bool read;     /* begun to be */
};

/* Everything here is owned by the lock of sfs_batches, but for what is constant once `made`. */
struct sfs_held {
    struct link idle; /* in `idle` while nobody holds it */
    sfs_held *next;   /* in its bucket */
    sfs_node node;
    unsigned holders;
    bool kept; /* found by others, and kept a while after its last holder */
    bool made, asked, ask_again;
    sfs_status status; /* of making it; not 0: it goes with its last holder */
    sfs_error error;
    sfs_file *file;       /* owned */
    struct piece *pieces; /* owned; NULL: it is read by range */
    uint32_t piece_count;
    pthread_cond_t changed; /* made, or a piece's state */
};

struct sfs_batches {
    sfs_tree *tree; /* borrowed */
    pthread_mutex_t lock;
    sfs_pool pool;
    sfs_held *buckets[BUCKETS];
    struct link idle; /* files; the longest unused first */
    struct link read,
        unread; /* pieces with nothing left to send, and others; longest unused first */
    size_t idle_count, read_count, unread_count;
    size_t untouched_count; /* of the unread ones, those that nobody has begun to read */
    size_t filling_count;   /* pieces that sfs_held_fill decodes now */
    uint64_t idle_bytes;    /* memory of the idle files, beside buffers */
    sfs_batches_counts counts;
};

static void link_init(struct link *link)
{
    link->next = link->previous = link;
}

static void link_remove(struct link *link)
{
    link->next->previous = link->previous;
    link->previous->next = link->next;
    link_init(link);
}

static void link_append(struct link *list, struct link *link)
{
    link->previous = list->previous;
    link->next = list;
    list->previous->next = link;
    list->previous = link;
}

#define OF_LINK(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

sfs_status sfs_batches_open(sfs_tree *tree, uint64_t cache_size, sfs_batches **out,
                            sfs_error *error)
{
    sfs_batches *batches = calloc(1, sizeof *batches);
    if (!batches || sfs_pool_open(&batches->pool, cache_size)) {
        free(batches);
        snprintf(error->message, sizeof error->message, "out of memory");
        return -ENOMEM;
    }
    batches->tree = tree;
    pthread_mutex_init(&batches->lock, NULL);
    link_init(&batches->idle);
    link_init(&batches->read);
    link_init(&batches->unread);
    *out = batches;
    return 0;
}

static sfs_held **bucket_of(sfs_batches *batches, sfs_node node)
{
    return &batches->buckets[(node * UINT64_C(0x9e3779b97f4a7c15)) >> 54];
}

static sfs_held *find(sfs_batches *batches, sfs_node node)
{
    sfs_held *held = *bucket_of(batches, node);
    while (held && !(held->kept && held->node == node))
        held = held->next;
    return held;
}

static void take_from_bucket(sfs_batches *batches, const sfs_held *held)
{
    sfs_held **at = bucket_of(batches, held->node);
    while (*at && *at != held)
        at = &(*at)->next;
    if (*at)
        *at = held->next;
}

/* Which list a piece is in that is READY and not pinned, and how many others are. */
static size_t *list_of(sfs_batches *batches, const struct piece *piece, struct link **list)
{
    *list = piece->left ? &batches->unread : &batches->read;
    return piece->left ? &batches->unread_count : &batches->read_count;
}

static void put_in_list(sfs_batches *batches, struct piece *piece)
{
    struct link *list;
    ++*list_of(batches, piece, &list);
    batches->untouched_count += piece->left && !piece->read;
    /* What others have open too may be read again: it goes to the end that is taken last. */
    link_append(piece->left || piece->held->holders < 2 ? list : list->next, &piece->link);
}

static void take_from_list(sfs_batches *batches, struct piece *piece)
{
    struct link *list;
    --*list_of(batches, piece, &list);
    batches->untouched_count -= piece->left && !piece->read;
    link_remove(&piece->link);
}

static void empty_piece(sfs_batches *batches, struct piece *piece)
{
    take_from_list(batches, piece);
    batches->counts.ahead_dropped += piece->ahead;
    piece->ahead = false;
    sfs_pool_give(&batches->pool, piece->buffer);
    piece->buffer = NULL;
    piece->state = EMPTY;
}

/* Nobody uses it, and it is not idle. */
static void free_held(sfs_batches *batches, sfs_held *held)
{
    take_from_bucket(batches, held);
    for (uint32_t i = 0; i < held->piece_count; i++)
        if (held->pieces[i].state == READY)
            empty_piece(batches, &held->pieces[i]);
    batches->counts.files--;
    sfs_file_close(held->file);
    pthread_cond_destroy(&held->changed);
    free(held->pieces);
    free(held);
}

/* Beside its buffers. */
static uint64_t memory_of(const sfs_held *held)
{
    return sfs_file_memory(held->file) + held->piece_count * sizeof *held->pieces;
}

static void take_from_idle(sfs_batches *batches, sfs_held *held)
{
    link_remove(&held->idle);
    batches->idle_count--;
    batches->idle_bytes -= memory_of(held);
}

static void forget_idle(sfs_batches *batches, sfs_held *held)
{
    take_from_idle(batches, held);
    free_held(batches, held);
}

void sfs_batches_close(sfs_batches *batches)
{
    if (!batches)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (batches->buckets[i])
            free_held(batches, batches->buckets[i]);
    pthread_mutex_destroy(&batches->lock);
    sfs_pool_close(&batches->pool);
    free(batches);
}

/* --- holding ---------------------------------------------------------------------------------- */

/* Adds a file that is not made yet. Those of rows/ have numbers that are used again, and are not
 * kept for that. */
static sfs_held *add(sfs_batches *batches, sfs_node node)
{
    sfs_held *held = calloc(1, sizeof *held), **bucket = bucket_of(batches, node);
    sfs_batch batch;
    if (!held)
        return NULL;
    held->node = node;
    held->holders = 1;
    held->kept = sfs_batch_of(batches->tree, node, &batch);
    link_init(&held->idle);
    pthread_cond_init(&held->changed, NULL);
    held->next = *bucket;
    *bucket = held;
    batches->counts.files++;
    return held;
}

/* Whether, and how, the file is to be decoded into buffers. */
static void plan_pieces(const sfs_batches *batches, sfs_held *held)
{
    uint64_t size = sfs_file_size(held->file);
    uint64_t count = (size + SFS_POOL_BUFFER - 1) / SFS_POOL_BUFFER;
    if (!sfs_file_is_decoded(held->file) || size < MIN_DECODED || count > MAX_PIECES ||
        !batches->pool.count || !held->kept)
        return;
    held->pieces = calloc(count, sizeof *held->pieces);
    held->piece_count = held->pieces ? (uint32_t)count : 0;
    for (uint32_t i = 0; i < held->piece_count; i++) {
        held->pieces[i].held = held;
        link_init(&held->pieces[i].link);
    }
}

/* By the one that added the file; the lock is not held meanwhile. */
static void make(sfs_batches *batches, sfs_held *held)
{
    pthread_mutex_unlock(&batches->lock);
    held->status = sfs_open(batches->tree, held->node, &held->file, &held->error);
    if (!held->status)
        plan_pieces(batches, held);
    pthread_mutex_lock(&batches->lock);
    held->made = true;
    held->kept &= !held->status; /* the next one tries again */
    pthread_cond_broadcast(&held->changed);
}

/* What was begun to be read, and its file closed, counts as read: readers leave out what they do
 * not need. It goes to the end that is taken last, as many open a file once for each of its arrays.
 */
static void retire(sfs_batches *batches, struct piece *piece)
{
    if (piece->state != READY || piece->pins || !piece->left || !piece->read)
        return;
    take_from_list(batches, piece);
    piece->left = 0;
    batches->read_count++;
    link_append(batches->read.next, &piece->link);
}

/* A file keeps what was worked out for its view, and the view's slot. */
static void forget_others(sfs_batches *batches)
{
    for (struct link *link = batches->idle.next, *next; link != &batches->idle; link = next) {
        sfs_held *held = OF_LINK(link, sfs_held, idle);
        next = link->next;
        if (!sfs_tree_is_current(batches->tree, held->node))
            forget_idle(batches, held);
    }
}

static void drop(sfs_batches *batches, sfs_held *held)
{
    if (--held->holders)
        return;
    if (!held->kept) {
        free_held(batches, held);
        return;
    }
    for (uint32_t i = 0; i < held->piece_count; i++)
        retire(batches, &held->pieces[i]);
    link_append(&batches->idle, &held->idle);
    batches->idle_count++;
    batches->idle_bytes += memory_of(held);
    uint64_t share = batches->pool.count * (uint64_t)SFS_POOL_BUFFER / 8;
    uint64_t most = share > MIN_IDLE_BYTES ? share : MIN_IDLE_BYTES;
    while (batches->idle_count > MAX_IDLE ||
           (batches->idle_bytes > most && batches->idle_count > 1))
        forget_idle(batches, OF_LINK(batches->idle.next, sfs_held, idle));
    if (sfs_tree_is_crowded(batches->tree))
        forget_others(batches);
}

/* Finds or adds the file, and holds it; NULL where memory is out. */
static sfs_held *hold(sfs_batches *batches, sfs_node node)
{
    sfs_held *held = find(batches, node);
    if (!held) {
        held = add(batches, node);
        if (held)
            make(batches, held);
        return held;
    }
    if (!held->holders++)
        take_from_idle(batches, held);
    while (!held->made)
        pthread_cond_wait(&held->changed, &batches->lock);
    return held;
}

sfs_status sfs_batches_hold(sfs_batches *batches, sfs_node node, sfs_held **out, sfs_error *error)
{
    pthread_mutex_lock(&batches->lock);
    sfs_held *held = hold(batches, node);
    sfs_status status = held ? held->status : -ENOMEM;
    if (held && status) {
        if (error)
            *error = held->error;
        drop(batches, held);
        held = NULL;
    } else if (!held && error) {
        snprintf(error->message, sizeof error->message, "out of memory");
    }
    pthread_mutex_unlock(&batches->lock);
    *out = held;
    return status;
}

void sfs_batches_drop(sfs_batches *batches, sfs_held *held)
{
    pthread_mutex_lock(&batches->lock);
    drop(batches, held);
    pthread_mutex_unlock(&batches->lock);
}

void sfs_batches_forget_others(sfs_batches *batches)
{
    pthread_mutex_lock(&batches->lock);
    forget_others(batches);
    pthread_mutex_unlock(&batches->lock);
}

uint64_t sfs_batches_room(const sfs_batches *batches)
{
    return batches->pool.count;
}

const sfs_file *sfs_held_file(const sfs_held *held)
{
    return held->file;
}

uint32_t sfs_held_pieces(const sfs_held *held)
{
    return held->piece_count;
}

bool sfs_held_take_asking(sfs_batches *batches, sfs_held *held)
{
    pthread_mutex_lock(&batches->lock);
    bool first = !held->asked;
    held->asked = true;
    pthread_mutex_unlock(&batches->lock);
    return first;
}

void sfs_held_note_asked(sfs_batches *batches, sfs_held *held)
{
    pthread_mutex_lock(&batches->lock);
    held->ask_again = true;
    pthread_mutex_unlock(&batches->lock);
}

bool sfs_held_take_asking_again(sfs_batches *batches, sfs_held *held)
{
    pthread_mutex_lock(&batches->lock);
    bool again = held->ask_again;
    held->ask_again = false;
    pthread_mutex_unlock(&batches->lock);
    return again;
}

/* --- pieces ----------------------------------------------------------------------------------- */

static bool is_large(const sfs_batches *batches, const sfs_held *held)
{
    return held->piece_count > batches->pool.count / LARGE_SHARE;
}

/* A piece that may lose its buffer, or NULL: one that was read; else one of a file that nobody has
 * open; else, for the reader of a file that is not large, one of a large file that was begun to be
 * read. */
static struct piece *find_victim(sfs_batches *batches, const sfs_held *reader)
{
    bool many = batches->read_count > 2 * KEPT_WHEN_READ;
    struct link *link = many ? batches->read.next : batches->read.previous;
    struct piece *last_resort = NULL;
    if (link != &batches->read)
        return OF_LINK(link, struct piece, link);
    for (link = batches->unread.next; link != &batches->unread; link = link->next) {
        struct piece *piece = OF_LINK(link, struct piece, link);
        if (!piece->held->holders)
            return piece;
        if (!last_resort && piece->read && is_large(batches, piece->held))
            last_resort = piece;
    }
    return reader && !is_large(batches, reader) ? last_resort : NULL;
}

/* A buffer, of another piece if need be; or of one that was read, if there are some of those:
 * memory that was used a moment ago is still in the processor's cache. `reader`: the file that
 * somebody waits for; NULL: nobody does. */
static uint8_t *take_buffer(sfs_batches *batches, const sfs_held *reader)
{
    struct piece *victim = NULL;
    uint8_t *buffer = NULL;
    if (batches->read_count < KEPT_WHEN_READ)
        buffer = sfs_pool_take(&batches->pool);
    if (!buffer)
        victim = find_victim(batches, reader);
    if (victim)
        empty_piece(batches, victim);
    return buffer ? buffer : sfs_pool_take(&batches->pool);
}

static uint32_t piece_size(const sfs_held *held, uint32_t i)
{
    uint64_t left = sfs_file_size(held->file) - (uint64_t)i * SFS_POOL_BUFFER;
    return left < SFS_POOL_BUFFER ? (uint32_t)left : SFS_POOL_BUFFER;
}

/* Decodes an EMPTY piece into a buffer; the lock is not held meanwhile. On success the piece is
 * READY, pinned once. */
static sfs_status decode(sfs_batches *batches, struct piece *piece, uint32_t i, uint8_t *buffer,
                         sfs_error *error)
{
    sfs_held *held = piece->held;
    uint32_t size = piece_size(held, i);
    size_t got;
    piece->state = DECODING;
    pthread_mutex_unlock(&batches->lock);
    sfs_status status =
        sfs_file_read(held->file, buffer, size, (uint64_t)i * SFS_POOL_BUFFER, &got, error);
    pthread_mutex_lock(&batches->lock);
    if (status) {
        sfs_pool_give(&batches->pool, buffer);
        piece->state = EMPTY;
    } else {
        piece->buffer = buffer;
        piece->left = size;
        piece->pins = 1;
        piece->decoded = true;
        piece->state = READY;
    }
    pthread_cond_broadcast(&held->changed);
    return status;
}

static void unpin(sfs_batches *batches, struct piece *piece, uint32_t sent)
{
    piece->left -= sent < piece->left ? sent : piece->left;
    if (!--piece->pins)
        put_in_list(batches, piece);
}

/* Makes piece i READY and pins it. *pinned is false where there is no buffer for it. */
static sfs_status pin(sfs_batches *batches, sfs_held *held, uint32_t i, bool *pinned,
                      sfs_error *error)
{
    struct piece *piece = &held->pieces[i];
    *pinned = true;
    while (piece->state == DECODING)
        pthread_cond_wait(&held->changed, &batches->lock);
    if (piece->state == READY) {
        if (!piece->pins++)
            take_from_list(batches, piece);
        batches->counts.hits++;
        return 0;
    }
    uint8_t *buffer = take_buffer(batches, held);
    if (!buffer) {
        *pinned = false;
        batches->counts.without_buffer++;
        return 0;
    }
    batches->counts.misses++;
    return decode(batches, piece, i, buffer, error);
}

/* The bytes of a piece that lie in [offset, offset + size). */
static struct iovec share_of(const sfs_held *held, uint32_t i, uint64_t offset, size_t size)
{
    uint64_t start = (uint64_t)i * SFS_POOL_BUFFER, end = start + piece_size(held, i);
    uint64_t from = offset > start ? offset : start, to = offset + size < end ? offset + size : end;
    return (struct iovec){held->pieces[i].buffer + (from - start), to - from};
}

/* How many of pieces [first, last], at their end, are read for the first time. */
static uint32_t note_read(sfs_batches *batches, sfs_held *held, uint32_t first, uint32_t last)
{
    uint32_t count = 0;
    for (uint32_t i = first; i <= last; i++) {
        batches->counts.ahead_used += held->pieces[i].ahead;
        held->pieces[i].ahead = false;
        count = held->pieces[i].read ? 0 : count + 1;
        held->pieces[i].read = true;
    }
    return count;
}

/* Fills the answer from pieces; leaves its count at 0 where there is no room for them. */
static sfs_status answer_from_pieces(sfs_batches *batches, sfs_held *held, size_t size,
                                     uint64_t offset, sfs_answer *out, sfs_error *error)
{
    uint32_t first = (uint32_t)(offset / SFS_POOL_BUFFER);
    uint32_t last = (uint32_t)((offset + size - 1) / SFS_POOL_BUFFER), i = first;
    bool pinned = true;
    sfs_status status = 0;
    pthread_mutex_lock(&batches->lock);
    for (; i <= last; i++) {
        status = pin(batches, held, i, &pinned, error);
        if (status || !pinned)
            break;
        out->own[i - first] = share_of(held, i, offset, size);
    }
    if (i <= last)
        while (i-- > first)
            unpin(batches, &held->pieces[i], 0);
    else
        *out = (sfs_answer){.count = (int)(last - first + 1),
                            .own = {out->own[0], out->own[1]},
                            .first_piece = first,
                            .pieces = last - first + 1,
                            .new_pieces = note_read(batches, held, first, last)};
    pthread_mutex_unlock(&batches->lock);
    return status;
}

/* A file too large to be asked for at once is asked for as it is read. */
static void ask_behind(const sfs_held *held, size_t size, uint64_t offset)
{
    if (sfs_file_size(held->file) > SFS_HELD_ASK && offset / ASK_STEP != (offset + size) / ASK_STEP)
        sfs_file_will_need(held->file, (offset + size) / ASK_STEP * ASK_STEP + ASK_STEP, ASK_STEP);
}

sfs_status sfs_held_read(sfs_batches *batches, sfs_held *held, sfs_reader *reader, size_t size,
                         uint64_t offset, sfs_answer *out, sfs_error *error)
{
    uint64_t file_size = sfs_file_size(held->file);
    uint64_t left = offset < file_size ? file_size - offset : 0;
    size = size < left ? size : (size_t)left;
    size = size < SFS_POOL_BUFFER ? size : SFS_POOL_BUFFER;
    *out = (sfs_answer){0};
    ask_behind(held, size, offset);
    if (held->pieces && size) {
        sfs_status status = answer_from_pieces(batches, held, size, offset, out, error);
        out->segments = out->own;
        if (status || out->count)
            return status;
    }
    return sfs_file_read_segments(held->file, reader, size, offset, &out->segments, &out->count,
                                  error);
}

void sfs_held_release(sfs_batches *batches, sfs_held *held, const sfs_answer *answer)
{
    if (!answer->pieces)
        return;
    pthread_mutex_lock(&batches->lock);
    for (uint32_t i = 0; i < answer->pieces; i++)
        unpin(batches, &held->pieces[answer->first_piece + i], (uint32_t)answer->own[i].iov_len);
    pthread_mutex_unlock(&batches->lock);
}

void sfs_held_fill(sfs_batches *batches, sfs_held *held, uint32_t i)
{
    if (i >= held->piece_count)
        return;
    struct piece *piece = &held->pieces[i];
    pthread_mutex_lock(&batches->lock);
    bool wanted = piece->state == EMPTY && !piece->decoded &&
                  batches->untouched_count + batches->filling_count < batches->pool.count / 2;
    uint8_t *buffer = wanted ? take_buffer(batches, NULL) : NULL;
    batches->filling_count += buffer != NULL;
    if (buffer && !decode(batches, piece, i, buffer, NULL)) {
        piece->ahead = true;
        batches->counts.ahead++;
        unpin(batches, piece, 0);
    }
    batches->filling_count -= buffer != NULL;
    pthread_mutex_unlock(&batches->lock);
}

void sfs_batches_count(sfs_batches *batches, sfs_batches_counts *out)
{
    pthread_mutex_lock(&batches->lock);
    *out = batches->counts;
    out->buffer_bytes =
        (batches->pool.touched - batches->pool.free_count) * (uint64_t)SFS_POOL_BUFFER;
    pthread_mutex_unlock(&batches->lock);
}
