/* SPDX-License-Identifier: Apache-2.0 */
/* A file made on read: parts laid one after another, each of which knows how to give any range of
 * its bytes. Immutable once made, so any number of threads may read it. */
#ifndef SFS_BATCH_FILE_H
#define SFS_BATCH_FILE_H

#include <pthread.h>

#include "batch/row_list.h"
#include "codec/sink.h"
#include "shufflefs/tree.h"

typedef struct sfs_part sfs_part;

/* Appends bytes [skip, skip + length) of the part to sink. The caller holds a guard: no locks, no
 * allocations here. */
typedef sfs_status sfs_part_read(const sfs_file *file, const sfs_part *part, uint64_t skip,
                                 uint64_t length, sfs_sink *sink, sfs_error *error);

/* Asks the kernel for what bytes [skip, skip + length) of the part are made of; `asked` tells which
 * rows of the file were looked at already, and is kept up. The caller holds a guard. */
typedef struct sfs_asked {
    bool again;               /* ask without looking */
    bool any;                 /* something was asked for */
    const sfs_row_list *rows; /* rows [first, end) of this list were looked at ... */
    uint64_t first, end;
    bool cold; /* ... and some were not in memory before */
} sfs_asked;

typedef void sfs_part_ask(const sfs_file *file, const sfs_part *part, uint64_t skip,
                          uint64_t length, sfs_asked *asked);

struct sfs_part {
    uint64_t offset, size; /* in the file; parts ascend, gaps are zeros */
    sfs_part_read *read;
    sfs_part_ask *ask; /* NULL: nothing to be asked for */
    union {
        const void *memory;       /* a part in memory, owned by the file or the tree */
        const sfs_array *array;   /* a part of mapped elements */
        const sfs_column *column; /* a part of elements of a column */
        const sfs_table *table;   /* a part of lines of a table ... */
    };
    const uint64_t *offsets;  /* ... which begin here, owned by the file; NULL: where it says */
    sfs_dtype dtype;          /* of the elements of an array that is made ... */
    const sfs_row_list *rows; /* ... from these rows, owned by the file ... */
    uint64_t longest;         /* ... and of a table: the most non-zeros that one of them has */
    bool late;                /* a part that sfs_late makes complete */
};

/* What a file's memory lacks until it is first read, because it takes reading all the rest: worked
 * out once, by the first reader of a part that is late. */
typedef struct sfs_late {
    pthread_mutex_t lock; /* held while it is worked out */
    atomic_bool done;
    /* Completes the file's head. Holds no guard, and may read other parts; a failure is the
     * reader's, and the next one tries again. */
    sfs_status (*complete)(const sfs_file *file, sfs_error *error);
} sfs_late;

struct sfs_file {
    const sfs_collection *collection; /* borrowed */
    sfs_row_list rows;                /* owned; count 0 where the file has no rows */
    sfs_row_list *others; /* owned, and each: these rows of other matrices, or other batches */
    size_t other_count;
    void *head; /* owned: header bytes ... */
    size_t head_size;
    sfs_late *late;  /* owned; NULL: nothing is */
    sfs_part *parts; /* owned */
    size_t part_count;
    uint64_t size;
    uint64_t scratch; /* bytes of working memory that a read takes */
    bool decoded;     /* takes more than copying */
    /* Told when the file is closed, unless NULL: who keeps what it reads. */
    void (*released)(void *keeper, unsigned slot);
    void *keeper;
    unsigned slot;
};

/* A file without parts, with room for part_room of them and a head of head_size zeroed bytes. The
 * caller closes it. */
sfs_status sfs_file_new(const sfs_collection *collection, size_t part_room, size_t head_size,
                        sfs_file **out, sfs_error *error);

/* Adds a part behind the last one, at the next multiple of alignment. */
sfs_part *sfs_file_add(sfs_file *file, sfs_part_read *read, uint64_t size, uint64_t alignment);

/* Sets what completes the head. ENOMEM. */
sfs_status sfs_file_complete_late(sfs_file *file,
                                  sfs_status (*complete)(const sfs_file *file, sfs_error *error),
                                  sfs_error *error);

/* Every read of the file has working memory, in its sink, of at least so many bytes. */
void sfs_file_need_scratch(sfs_file *file, uint64_t bytes);

sfs_part_read sfs_part_memory, sfs_part_array;

#endif
