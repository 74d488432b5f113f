/* SPDX-License-Identifier: Apache-2.0 */
/* The files of batches that are open, were open a moment ago, or are about to be, each made once;
 * and of those that have to be decoded, the bytes, in pieces of 1 MiB.
 *
 * A piece is decoded once, by one thread, while others that need it wait; different pieces of one
 * file may be decoded by different threads. Buffers are taken again first from pieces that were
 * read to their end, the last one first, because it is still in the processor's cache; when none is
 * left, from files that nobody has open, the longest unused first; at last, for a smaller file,
 * from one so large that it could keep all of them. One that is being decoded or sent is never
 * taken. Where none can be had, the read is answered without a buffer, by decoding just the range
 * that it asks for. */
#ifndef SFS_FS_BATCHES_H
#define SFS_FS_BATCHES_H

#include "shufflefs/shufflefs.h"

/* Any number of threads may use it at once. */
typedef struct sfs_batches sfs_batches;

/* A file, held: it stays until it is dropped as often as it was held. */
typedef struct sfs_held sfs_held;

/* Buffers take at most cache_size bytes. The tree outlives it; the caller closes *out. ENOMEM. */
sfs_status sfs_batches_open(sfs_tree *tree, uint64_t cache_size, sfs_batches **out,
                            sfs_error *error);

/* Nothing is held any more. Accepts NULL. */
void sfs_batches_close(sfs_batches *batches);

/* Makes the file of a node, or finds it. As sfs_open. */
sfs_status sfs_batches_hold(sfs_batches *batches, sfs_node node, sfs_held **out, sfs_error *error);
void sfs_batches_drop(sfs_batches *batches, sfs_held *held);

/* Lets go of the files that nobody holds, but for those of current views (sfs_tree_is_current). */
void sfs_batches_forget_others(sfs_batches *batches);

/* The number of buffers that there are. */
uint64_t sfs_batches_room(const sfs_batches *batches);

const sfs_file *sfs_held_file(const sfs_held *held);

/* The number of pieces of SFS_POOL_BUFFER bytes that the file is decoded into; 0: it is not. */
uint32_t sfs_held_pieces(const sfs_held *held);

/* So much of a file is asked for when it is opened (sfs_file_will_need); the rest as it is read. */
enum { SFS_HELD_ASK = 64 << 20 };

/* True for the first caller alone: who asks the kernel for the file's bytes. */
bool sfs_held_take_asking(sfs_batches *batches, sfs_held *held);

/* That caller says that it asked for rows, of which some may be missing; true for the first one
 * alone who takes it upon itself to ask again. */
void sfs_held_note_asked(sfs_batches *batches, sfs_held *held);
bool sfs_held_take_asking_again(sfs_batches *batches, sfs_held *held);

/* The answer to a read: segments, to be sent before it is released. */
typedef struct sfs_answer {
    const struct iovec *segments;
    int count;
    struct iovec own[2]; /* where they are of pieces */
    uint32_t first_piece, pieces;
    uint32_t new_pieces; /* the last so many of them are read for the first time */
} sfs_answer;

/* As sfs_file_read_segments, of at most SFS_POOL_BUFFER bytes. On success, the caller releases the
 * answer once it was sent. */
sfs_status sfs_held_read(sfs_batches *batches, sfs_held *held, sfs_reader *reader, size_t size,
                         uint64_t offset, sfs_answer *out, sfs_error *error);
void sfs_held_release(sfs_batches *batches, sfs_held *held, const sfs_answer *answer);

/* What was done with pieces so far, and what there is now. */
typedef struct sfs_batches_counts {
    uint64_t hits;           /* pieces that a read found decoded, or being decoded */
    uint64_t misses;         /* that it decoded */
    uint64_t without_buffer; /* that it decoded in part, as there was no room */
    uint64_t ahead;          /* that sfs_held_fill decoded ... */
    uint64_t ahead_used;     /* ... and that were read then ... */
    uint64_t ahead_dropped;  /* ... or lost their buffer before */
    uint64_t buffer_bytes;   /* of buffers that hold something */
    uint64_t files;          /* held, or kept for those who may come back */
} sfs_batches_counts;

void sfs_batches_count(sfs_batches *batches, sfs_batches_counts *out);

/* Decodes a piece that nobody has decoded yet, if it is one of the file's, and if there is room
 * without taking more than half of the buffers for what nobody has read. */
void sfs_held_fill(sfs_batches *batches, sfs_held *held, uint32_t piece);

#endif
