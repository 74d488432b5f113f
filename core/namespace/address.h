/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes of a view, packed into a number, so that no table grows while batches are read.
 *
 *   bit 62        1 (nodes below 2^62 are others)
 *   bits 61 to 51 the slot of the view
 *   bits 50 to 46 the kind
 *   bits 45 to 0  epoch, rank and batch in mixed radix, as far as the kind has them
 */
#ifndef SFS_NAMESPACE_ADDRESS_H
#define SFS_NAMESPACE_ADDRESS_H

#include <stdbool.h>

#include "namespace/bind.h"
#include "shufflefs/tree.h"

enum { SFS_SLOTS = 1 << 11 };

/* The most batches that one file has, one behind another. */
enum { SFS_RUN_MAX = 16 };

typedef enum sfs_address_kind {
    SFS_ADDRESS_FIXED, /* the place `fixed` in the list of names that every view has */
    SFS_ADDRESS_EPOCH,
    SFS_ADDRESS_QUALITY,
    SFS_ADDRESS_WHERE,
    SFS_ADDRESS_RANK,
    SFS_ADDRESS_CSR, /* the first kind that has a batch */
    SFS_ADDRESS_NPZ,
    SFS_ADDRESS_NPY,
    SFS_ADDRESS_H5AD,
    SFS_ADDRESS_OBS_CSV,
    SFS_ADDRESS_BATCH_DIR,
    SFS_ADDRESS_ARRAY,                       /* this one and the next: + sfs_csr_array */
    SFS_ADDRESS_RUN = SFS_ADDRESS_ARRAY + 4, /* of 2 batches; + 1 for each one more */
    SFS_ADDRESS_KINDS = SFS_ADDRESS_RUN + SFS_RUN_MAX - 1,
} sfs_address_kind;

typedef struct sfs_address {
    unsigned slot;
    sfs_address_kind kind;
    uint64_t fixed, epoch, rank, batch; /* of a run, the first batch */
} sfs_address;

/* The batches that a file of a kind has. */
uint64_t sfs_address_batches(const sfs_address *address);

/* Epochs below this have addresses: at most 2^31. */
uint64_t sfs_address_epochs(const sfs_bound_view *view);

bool sfs_address_is(sfs_node node);

/* epoch < sfs_address_epochs, rank < world_size, all batches < steps: as far as the kind has them.
 */
sfs_node sfs_address_pack(const sfs_bound_view *view, const sfs_address *address);

unsigned sfs_address_slot(sfs_node node);
sfs_address_kind sfs_address_kind_of(sfs_node node);

/* False where the node stands for nothing of that view. */
bool sfs_address_unpack(const sfs_bound_view *view, sfs_node node, sfs_address *out);

/* Whether it is a file of a batch, which can be decoded ahead. */
bool sfs_address_is_batch_file(const sfs_address *address);

bool sfs_address_is_directory(const sfs_address *address);

#endif
