/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHUFFLEFS_TREE_H
#define SHUFFLEFS_TREE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "shufflefs/collection.h"
#include "shufflefs/view.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The names and files of a collection under a view: what a mount shows. Any number of threads may
 * use one tree at once. */
typedef struct sfs_tree sfs_tree;

/** A place in a tree: a plain number, below 2^63, the same in every tree over the same collection
 * and view (but for rows/, whose nodes are counted). */
typedef uint64_t sfs_node;

#define SFS_ROOT ((sfs_node)1)

enum { SFS_NAME_MAX = 255 };

typedef struct sfs_attributes {
    bool directory;
    bool link;     /**< a symbolic link; size is that of its target */
    uint64_t size; /**< bytes of a file, exact */
} sfs_attributes;

typedef struct sfs_entry {
    char name[SFS_NAME_MAX + 1];
    sfs_node node; /**< borrowed: holds no reference; 0: the name has none before its look-up */
    bool directory;
} sfs_entry;

/** Opens the tree of a collection under a view (NULL: the defaults; copied). The collection
 * outlives it; the caller closes it. EINVAL when the view does not suit the collection. */
SFS_API sfs_status sfs_tree_open(const sfs_collection *collection, const sfs_view *view,
                                 sfs_tree **out, sfs_error *error);

/** How many bytes the rows, genes and draws of views may take that no file is being made of
 * (default: 1/32 of the memory there is); what was given up is worked out again when it is used. */
SFS_API void sfs_tree_set_view_cache(sfs_tree *tree, uint64_t bytes);

/** Bytes of `.shufflefs/stats.json`. */
enum { SFS_STATS_SIZE = 4096 };

/** Gives what `.shufflefs/stats.json` holds: a malloc'ed text of SFS_STATS_SIZE bytes. */
typedef char *sfs_stats_source(void *context);

/** Has stats.json be what `stats` gives, anew for each open; to be called before the tree is used.
 * Without it, stats.json is an empty object. */
SFS_API void sfs_tree_set_stats(sfs_tree *tree, sfs_stats_source *stats, void *context);

/** How many views there are beside the tree's own. */
typedef struct sfs_view_counts {
    uint64_t known;     /**< that are referred to */
    uint64_t in_memory; /**< whose rows, genes and draws are worked out ... */
    uint64_t bytes;     /**< ... and take so much memory */
    uint64_t prepared;  /**< how often that was done, since the tree was opened */
} sfs_view_counts;

SFS_API void sfs_tree_count_views(sfs_tree *tree, sfs_view_counts *out);

/** Whether views take more than sfs_tree_set_view_cache allows because files of several are open:
 * those that nobody reads should be closed, unless they are of a current view. */
SFS_API bool sfs_tree_is_crowded(sfs_tree *tree);

/** Whether a batch's node is of the mount's own view, or of the one that was used last. */
SFS_API bool sfs_tree_is_current(sfs_tree *tree, sfs_node node);

/** Whether this share or more of the views are known that can be at once, not counting those that
 * sfs_tree_oldest_view told. */
SFS_API bool sfs_tree_knows_views(sfs_tree *tree, double share);

/** The name in the root of the view that was not used for longest of those that are known;
 * malloc'ed; NULL where there is none, or no memory. Each is told once, until it is looked up
 * again. A kernel that remembers it should forget it. */
SFS_API char *sfs_tree_oldest_view(sfs_tree *tree);

/** Files opened from it are closed before. Accepts NULL. */
SFS_API void sfs_tree_close(sfs_tree *tree);

/** The bytes that all matrices would have as CSR, for statfs. */
SFS_API uint64_t sfs_tree_logical_size(const sfs_tree *tree);

/** Finds `name` in the directory parent. *out carries one reference, given back by sfs_forget.
 * ENOENT where there is no such name, ENOTDIR. */
SFS_API sfs_status sfs_lookup(sfs_tree *tree, sfs_node parent, const char *name, sfs_node *out,
                              sfs_error *error);

/** Whether looking up `name` in a directory (or, with NULL, using node itself) may have to work
 * out a view first, or something else that can take long. */
SFS_API bool sfs_takes_long(sfs_tree *tree, sfs_node node, const char *name);

enum { SFS_LINK_MAX = 1100 };

/** The target of a symbolic link, relative to the directory that it is in. EINVAL where node is no
 * link. */
SFS_API sfs_status sfs_readlink(sfs_tree *tree, sfs_node node, char target[SFS_LINK_MAX + 1],
                                sfs_error *error);

/** Finds a path such as "epoch_0/rank_1/batch_3.csr" from the root; as sfs_lookup. */
SFS_API sfs_status sfs_resolve(sfs_tree *tree, const char *path, sfs_node *out, sfs_error *error);

/** Adds a reference to one that is held already. */
SFS_API void sfs_refer(sfs_tree *tree, sfs_node node);

/** Gives back `count` references that lookups gave. */
SFS_API void sfs_forget(sfs_tree *tree, sfs_node node, uint64_t count);

/** ENOENT where the node does not exist (any more); EIO where counting its non-zeros met damage. */
SFS_API sfs_status sfs_stat(sfs_tree *tree, sfs_node node, sfs_attributes *out, sfs_error *error);

/** Whether a file is one of the batches or rows, made when it is read and rarely read twice: better
 * read past a page cache. */
SFS_API bool sfs_is_made_on_read(sfs_node node);

/** Whether a file may say something else each time it is opened, and so is not to be cached. */
SFS_API bool sfs_is_live(const sfs_tree *tree, sfs_node node);

/** Entry `index` (from 0) of a directory, O(1); "." and ".." are not among them. ENOENT past the
 * end, ENOTDIR. */
SFS_API sfs_status sfs_list(sfs_tree *tree, sfs_node node, uint64_t index, sfs_entry *out,
                            sfs_error *error);

/** A file of a tree, open for reading at any offset, from any number of threads at once. */
typedef struct sfs_file sfs_file;

/** The caller closes *out. EISDIR, ENOENT, EIO, ENOMEM. */
SFS_API sfs_status sfs_open(sfs_tree *tree, sfs_node node, sfs_file **out, sfs_error *error);

/** Accepts NULL. */
SFS_API void sfs_file_close(sfs_file *file);

/** Bytes of the file. */
SFS_API uint64_t sfs_file_size(const sfs_file *file);

/** Reads up to size bytes at offset into buffer; *got of them, fewer only at the end of the file.
 * EIO where the collection is damaged, with a sentence that names file and offset. */
SFS_API sfs_status sfs_file_read(const sfs_file *file, void *buffer, size_t size, uint64_t offset,
                                 size_t *got, sfs_error *error);

enum { SFS_READER_SEGMENTS = 128 };

/** What one thread needs for reads that are answered from where the bytes lie. */
typedef struct sfs_reader sfs_reader;

/** A reader for reads of at most max_size bytes. The caller frees *out. ENOMEM. */
SFS_API sfs_status sfs_reader_new(size_t max_size, sfs_reader **out, sfs_error *error);

/** Accepts NULL. */
SFS_API void sfs_reader_free(sfs_reader *reader);

/** As sfs_file_read, but tells where the bytes are, as at most SFS_READER_SEGMENTS segments in
 * mapped files, the open file and the reader: valid until the reader's next use. */
SFS_API sfs_status sfs_file_read_segments(const sfs_file *file, sfs_reader *reader, size_t size,
                                          uint64_t offset, const struct iovec **segments,
                                          int *count, sfs_error *error);

/** Which batch a file is of. */
typedef struct sfs_batch {
    uint64_t stream; /**< the same for files of one kind of one epoch's rank, of those
                          `batches_A-B.csr` that are as long and meet without a gap */
    uint64_t number; /**< of the file in its stream */
} sfs_batch;

/** False where node is no batch's file. */
SFS_API bool sfs_batch_of(sfs_tree *tree, sfs_node node, sfs_batch *out);

/** The file of another batch of the same stream. False where there is no such batch. */
SFS_API bool sfs_batch_node(sfs_tree *tree, const sfs_batch *batch, sfs_node *out);

/** Whether reading the file takes more than copying what is mapped. */
SFS_API bool sfs_file_is_decoded(const sfs_file *file);

/** Bytes of memory that an open file takes. */
SFS_API uint64_t sfs_file_memory(const sfs_file *file);

/** Asks the kernel to read what bytes [offset, offset + size) of the file are made of, unless a
 * sample of it is in memory. Does not wait for it. Returns whether it asked. */
SFS_API bool sfs_file_will_need(const sfs_file *file, uint64_t offset, uint64_t size);

/** Asks for it whatever a sample says. Where memory is full the kernel leaves out some of what it
 * is asked for, and finds room for it a little later. */
SFS_API void sfs_file_will_need_again(const sfs_file *file, uint64_t offset, uint64_t size);

/** The share, 0 to 1, of what the file (of several batches, the first one) is made of that is not
 * in memory, from a few places. */
SFS_API double sfs_file_cold_share(const sfs_file *file);

/** Where the order keeps blocks together: asks for what the file of a batch needs as one of several
 * that are read in sequence, the part of the next window that is due, block by block, and with
 * `first`, the window that the batch is in; of a collection that memory holds, without the blocks
 * that are there. False where the order does not keep blocks together. */
SFS_API bool sfs_batch_will_need_blocks(sfs_tree *tree, sfs_node node, bool first);

/** Reads bytes [from, from + length) of what batches are made of, its files one behind the other,
 * into memory. False where there are no more. */
SFS_API bool sfs_tree_sweep(const sfs_tree *tree, uint64_t from, uint64_t length);

#ifdef __cplusplus
}
#endif

#endif
