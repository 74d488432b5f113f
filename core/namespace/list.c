/* SPDX-License-Identifier: Apache-2.0 */
/* What directories show: each entry from its number, O(1) but for the few names of tables. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "namespace/named.h"
#include "namespace/place.h"

static void name_entry(sfs_entry *entry, const char *prefix, uint64_t number, const char *suffix)
{
    snprintf(entry->name, sizeof entry->name, "%s%" PRIu64 "%s", prefix, number, suffix);
}

static void fixed_entry(const sfs_tree *tree, unsigned slot, const sfs_fixed *fixed, sfs_entry *out)
{
    strcpy(out->name, fixed->name);
    out->node = sfs_place_fixed_node(tree, slot, fixed);
    out->directory = sfs_fixed_is_directory(fixed);
}

static bool list_epoch(const sfs_place *place, uint64_t index, sfs_entry *out)
{
    sfs_address address = {.slot = place->slot, .kind = SFS_ADDRESS_EPOCH, .epoch = index};
    if (index >= place->view->view.epochs || index >= sfs_address_epochs(place->view))
        return false;
    name_entry(out, "epoch_", index, "");
    out->node = sfs_address_pack(place->view, &address);
    out->directory = true;
    return true;
}

static uint64_t epochs_listed(const sfs_bound_view *view)
{
    uint64_t limit = sfs_address_epochs(view);
    return view->view.epochs < limit ? view->view.epochs : limit;
}

/* Fixed entries; at the top the epochs behind them; and in the root then the named views. */
static bool list_fixed(const sfs_tree *tree, const sfs_place *place, uint64_t index, sfs_entry *out)
{
    const sfs_fixed_list *list = place->slot ? &tree->view_fixed : &tree->fixed;
    const sfs_fixed *directory = place->fixed;
    if (index < directory->child_count) {
        fixed_entry(tree, place->slot, &list->nodes[directory->first_child + index], out);
        return true;
    }
    index -= directory->child_count;
    if (directory != list->nodes)
        return false;
    if (list_epoch(place, index, out))
        return true;
    *out = (sfs_entry){.directory = true};
    return !place->slot &&
           sfs_named_view_list(tree->collection, index - epochs_listed(place->view), out->name);
}

/* What a rank shows of each batch: all in one format, then all in the next. */
static const struct {
    unsigned format;
    sfs_address_kind kind;
    const char *suffix;
} listed_formats[SFS_FORMATS] = {{SFS_FORMAT_CSR, SFS_ADDRESS_CSR, ".csr"},
                                 {SFS_FORMAT_NPZ, SFS_ADDRESS_NPZ, ".npz"},
                                 {SFS_FORMAT_NPY, SFS_ADDRESS_NPY, ".npy"},
                                 {SFS_FORMAT_H5AD, SFS_ADDRESS_H5AD, ".h5ad"},
                                 {SFS_FORMAT_OBS_CSV, SFS_ADDRESS_OBS_CSV, ".obs.csv"},
                                 {SFS_FORMAT_DIR, SFS_ADDRESS_BATCH_DIR, ""}};

static bool list_rank(const sfs_bound_view *view, sfs_address *address, uint64_t index,
                      sfs_entry *out)
{
    uint64_t skipped = view->steps ? index / view->steps : SFS_FORMATS;
    for (int i = 0; i < SFS_FORMATS; i++) {
        if (!(view->view.formats & listed_formats[i].format) || skipped--)
            continue;
        address->kind = listed_formats[i].kind;
        address->batch = index % view->steps;
        out->directory = address->kind == SFS_ADDRESS_BATCH_DIR;
        name_entry(out, "batch_", address->batch, listed_formats[i].suffix);
        return true;
    }
    return false;
}

/* The ranks alone, so that a loop over what is listed is one over ranks. */
static bool list_in_epoch(const sfs_bound_view *view, sfs_address *address, uint64_t index,
                          sfs_entry *out)
{
    if (index >= view->deal.world_size)
        return false;
    address->kind = SFS_ADDRESS_RANK;
    address->rank = index;
    name_entry(out, "rank_", index, "");
    out->directory = true;
    return true;
}

/* Those children of a name that stand for something in a batch. Their nodes are counted, and so
 * not told. */
static bool list_in_batch(const sfs_tree *tree, const sfs_fixed *directory, uint64_t index,
                          sfs_entry *out)
{
    for (size_t i = 0; i < directory->child_count; i++) {
        const sfs_fixed *child = &tree->view_fixed.nodes[directory->first_child + i];
        if (!sfs_place_in_batch(tree, child) || index--)
            continue;
        strcpy(out->name, child->name);
        out->node = 0;
        out->directory = sfs_fixed_is_directory(child);
        return true;
    }
    return false;
}

static bool list_address(const sfs_tree *tree, const sfs_place *place, uint64_t index,
                         sfs_entry *out)
{
    sfs_address address = place->address;
    switch (address.kind) {
    case SFS_ADDRESS_EPOCH:
        if (!list_in_epoch(place->view, &address, index, out))
            return false;
        break;
    case SFS_ADDRESS_RANK:
        if (!list_rank(place->view, &address, index, out))
            return false;
        break;
    case SFS_ADDRESS_BATCH_DIR:
        if (index >= SFS_CSR_ARRAYS)
            return list_in_batch(tree, tree->view_fixed.nodes, index - SFS_CSR_ARRAYS, out);
        address.kind = SFS_ADDRESS_ARRAY + (sfs_address_kind)index;
        snprintf(out->name, sizeof out->name, "%s.npy", sfs_csr_array_names[index]);
        out->directory = false;
        break;
    default:
        return false; /* where/ has a name for every row */
    }
    out->node = sfs_address_pack(place->view, &address);
    return true;
}

static sfs_status list(const sfs_tree *tree, const sfs_place *place, uint64_t index, sfs_entry *out,
                       sfs_error *error)
{
    if (!sfs_place_is_directory(place))
        return sfs_fail_not_directory(error);
    bool found = place->kind == SFS_PLACE_FIXED     ? list_fixed(tree, place, index, out)
                 : place->kind == SFS_PLACE_ADDRESS ? list_address(tree, place, index, out)
                                                    : list_in_batch(tree, place->fixed, index, out);
    return found ? 0 : sfs_fail(error, -ENOENT, "the directory has no more entries");
}

sfs_status sfs_list(sfs_tree *tree, sfs_node node, uint64_t index, sfs_entry *out, sfs_error *error)
{
    sfs_place place;
    SFS_TRY(sfs_place_open(tree, node, &place, error));
    sfs_status status = list(tree, &place, index, out, error);
    sfs_place_close(tree, &place);
    return status;
}
