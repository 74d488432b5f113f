/* SPDX-License-Identifier: Apache-2.0 */
/* From a name to its node. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "namespace/named.h"
#include "namespace/number.h"
#include "namespace/place.h"
#include "namespace/rows_name.h"
#include "namespace/view_name.h"

/* The names of a batch's files: prefix, number, suffix. */
static const struct {
    const char *suffix;
    sfs_address_kind kind;
} batch_names[] = {{".csr", SFS_ADDRESS_CSR},         {".npz", SFS_ADDRESS_NPZ},
                   {".npy", SFS_ADDRESS_NPY},         {".h5ad", SFS_ADDRESS_H5AD},
                   {".obs.csv", SFS_ADDRESS_OBS_CSV}, {"", SFS_ADDRESS_BATCH_DIR}};

static const char run_prefix[] = "batches_";

static sfs_status take_text(sfs_tree *tree, sfs_name_kind kind, const char *name, sfs_node *out,
                            sfs_error *error)
{
    char *text = NULL;
    if (asprintf(&text, "%c%s", (char)kind, name) < 0)
        return sfs_fail_memory(error);
    sfs_status status = sfs_counted_take(&tree->counted, text, out, error);
    free(text);
    return status;
}

/* Takes a slot for the view, and works it out. */
static sfs_status take_view(sfs_tree *tree, const char *name, const sfs_view *view, sfs_node *out,
                            sfs_error *error)
{
    unsigned slot;
    const sfs_bound_view *bound;
    sfs_status status = sfs_views_take(&tree->views, name, view, &slot, error);
    if (status == -ENFILE) {
        sfs_made_clear(&tree->made);
        status = sfs_views_take(&tree->views, name, view, &slot, error);
    }
    if (status)
        return status;
    status = sfs_views_hold(&tree->views, slot, &bound, error);
    if (status) {
        sfs_views_forget(&tree->views, slot, 1);
        return status;
    }
    sfs_views_drop(&tree->views, slot);
    *out = sfs_place_fixed_node(tree, slot, tree->view_fixed.nodes);
    return 0;
}

/* A name that is no view is one that does not exist. */
static sfs_status no_entry(sfs_status status)
{
    return status == -EINVAL ? -ENOENT : status;
}

static sfs_status lookup_spelled(sfs_tree *tree, const char *name, sfs_node *out, sfs_error *error)
{
    sfs_view *view;
    SFS_TRY(no_entry(sfs_view_name_parse(name, &view, error)));
    SFS_AUTO_FREE char *canonical = sfs_view_name(view);
    sfs_status status = !canonical ? sfs_fail_memory(error)
                        : !strcmp(canonical, name)
                            ? take_view(tree, name, view, out, error)
                            : take_text(tree, SFS_NAME_LINK, canonical, out, error);
    sfs_view_free(view);
    return no_entry(status);
}

/* The slot of a named view is that of its definition: a name that is given to another view while it
 * is in use does not change what is in use. It suited the collection when it was added: where it
 * does not, it is damaged. */
static sfs_status lookup_named(sfs_tree *tree, const char *name, sfs_node *out, sfs_error *error)
{
    sfs_view *view;
    SFS_TRY(sfs_named_view_load(tree->collection, name, &view, error));
    SFS_AUTO_FREE char *canonical = sfs_view_name(view);
    SFS_AUTO_FREE char *slot_name = NULL;
    sfs_status status = !canonical || asprintf(&slot_name, "%s%s", name, canonical) < 0
                            ? sfs_fail_memory(error)
                            : take_view(tree, slot_name, view, out, error);
    sfs_view_free(view);
    if (status != -EINVAL)
        return status;
    sfs_error_prefix(error, "views/%s.json: ", name);
    return -EIO;
}

static bool lookup_epoch(const sfs_place *parent, const char *name, sfs_node *out)
{
    sfs_address address = {.slot = parent->slot, .kind = SFS_ADDRESS_EPOCH};
    if (!sfs_number_between(name, "epoch_", "", &address.epoch) ||
        address.epoch >= sfs_address_epochs(parent->view))
        return false;
    *out = sfs_address_pack(parent->view, &address);
    return true;
}

static sfs_status lookup_rows(sfs_tree *tree, const sfs_place *parent, const char *name,
                              sfs_node *out, sfs_error *error)
{
    uint64_t limit = parent->view->matrix ? tree->collection->rows : 0;
    if (!sfs_rows_name_is(name, limit))
        return sfs_fail(error, -ENOENT,
                        "rows/%s: expected A.csr, A-B.csr or A,B,C.csr with rows below %" PRIu64,
                        name, limit);
    return take_text(tree, SFS_NAME_ROWS, name, out, error);
}

static sfs_status lookup_fixed(sfs_tree *tree, const sfs_place *parent, const char *name,
                               sfs_node *out, sfs_error *error)
{
    const sfs_fixed *directory = parent->fixed;
    const sfs_fixed_list *list = parent->slot ? &tree->view_fixed : &tree->fixed;
    bool top = directory == list->nodes;
    if (directory->kind == SFS_FIXED_ROWS_DIRECTORY)
        return lookup_rows(tree, parent, name, out, error);
    if (directory->kind == SFS_FIXED_EXPLAIN_DIRECTORY)
        return *name == '@' ? take_text(tree, SFS_NAME_EXPLAIN, name, out, error)
                            : sfs_fail_no_entry(name, error);
    if (!sfs_fixed_is_directory(directory))
        return sfs_fail_not_directory(error);
    const sfs_fixed *child = sfs_fixed_child(list, directory, name);
    if (child) {
        *out = sfs_place_fixed_node(tree, parent->slot, child);
        return 0;
    }
    if (top && lookup_epoch(parent, name, out))
        return 0;
    if (top && !parent->slot && *name == '@')
        return lookup_spelled(tree, name, out, error);
    if (top && !parent->slot && sfs_named_view_name_is_valid(name))
        return lookup_named(tree, name, out, error);
    return sfs_fail_no_entry(name, error);
}

static bool lookup_in_epoch(const sfs_bound_view *view, const char *name, sfs_address *address)
{
    if (!strcmp(name, "where") && sfs_bound_view_has_where(view))
        address->kind = SFS_ADDRESS_WHERE;
    else if (!strcmp(name, "quality.json"))
        address->kind = SFS_ADDRESS_QUALITY;
    else if (sfs_number_between(name, "rank_", "", &address->rank) &&
             address->rank < view->deal.world_size)
        address->kind = SFS_ADDRESS_RANK;
    else
        return false;
    return true;
}

/* batches_A-B.csr: the files of batches A to B, one behind another; of no more rows than a batch
 * may have. */
static bool lookup_run(const sfs_bound_view *view, const char *name, sfs_address *address)
{
    uint64_t last;
    size_t length = strlen(run_prefix);
    if (strncmp(name, run_prefix, length) != 0)
        return false;
    name += length;
    if (!sfs_number_take(&name, &address->batch) || *name++ != '-' ||
        !sfs_number_take(&name, &last) || strcmp(name, ".csr") != 0 || last <= address->batch ||
        last >= view->steps || last - address->batch >= SFS_RUN_MAX ||
        (last - address->batch + 1) * view->deal.batch_size > SFS_MAX_BATCH_SIZE)
        return false;
    address->kind = SFS_ADDRESS_RUN + (sfs_address_kind)(last - address->batch - 1);
    return true;
}

static bool lookup_in_rank(const sfs_bound_view *view, const char *name, sfs_address *address)
{
    for (size_t i = 0; i < sizeof batch_names / sizeof *batch_names; i++) {
        if (sfs_number_between(name, "batch_", batch_names[i].suffix, &address->batch)) {
            address->kind = batch_names[i].kind;
            return address->batch < view->steps;
        }
    }
    return lookup_run(view, name, address);
}

static sfs_status lookup_where(sfs_tree *tree, const sfs_place *parent, const char *name,
                               sfs_node *out, sfs_error *error)
{
    char text[80];
    uint64_t row;
    if (!sfs_number_parse(name, &row) || row >= tree->collection->rows)
        return sfs_fail(error, -ENOENT, "where/%s: expected the number of a row below %" PRIu64,
                        name, tree->collection->rows);
    snprintf(text, sizeof text, "%u %" PRIu64 " %" PRIu64, parent->slot, parent->address.epoch,
             row);
    return take_text(tree, SFS_NAME_WHERE, text, out, error);
}

/* A name in a batch's directory, or below one there. */
static sfs_status lookup_in_batch(sfs_tree *tree, const sfs_place *parent,
                                  const sfs_fixed *directory, const char *name, sfs_node *out,
                                  sfs_error *error)
{
    const sfs_address *address = &parent->address;
    const sfs_fixed *child = sfs_fixed_child(&tree->view_fixed, directory, name);
    char text[128];
    if (!child || !sfs_place_in_batch(tree, child))
        return sfs_fail_no_entry(name, error);
    snprintf(text, sizeof text, "%u %" PRIu64 " %" PRIu64 " %" PRIu64 " %zu", parent->slot,
             address->epoch, address->rank, address->batch,
             (size_t)(child - tree->view_fixed.nodes));
    return take_text(tree, SFS_NAME_BATCH, text, out, error);
}

static sfs_status lookup_batch_array(sfs_tree *tree, const sfs_place *parent, const char *name,
                                     sfs_node *out, sfs_error *error)
{
    sfs_address address = parent->address;
    for (sfs_csr_array array = 0; array < SFS_CSR_ARRAYS; array++) {
        size_t length = strlen(sfs_csr_array_names[array]);
        if (strncmp(name, sfs_csr_array_names[array], length) || strcmp(name + length, ".npy"))
            continue;
        address.kind = SFS_ADDRESS_ARRAY + (sfs_address_kind)array;
        *out = sfs_address_pack(parent->view, &address);
        return 0;
    }
    return lookup_in_batch(tree, parent, tree->view_fixed.nodes, name, out, error);
}

static sfs_status lookup_address(sfs_tree *tree, const sfs_place *parent, const char *name,
                                 sfs_node *out, sfs_error *error)
{
    sfs_address address = parent->address;
    bool found = false;
    switch (address.kind) {
    case SFS_ADDRESS_EPOCH:
        found = lookup_in_epoch(parent->view, name, &address);
        break;
    case SFS_ADDRESS_RANK:
        found = lookup_in_rank(parent->view, name, &address);
        break;
    case SFS_ADDRESS_WHERE:
        return lookup_where(tree, parent, name, out, error);
    case SFS_ADDRESS_BATCH_DIR:
        return lookup_batch_array(tree, parent, name, out, error);
    default:
        return sfs_fail_not_directory(error);
    }
    if (!found)
        return sfs_fail_no_entry(name, error);
    *out = sfs_address_pack(parent->view, &address);
    return 0;
}

static sfs_status lookup_in(sfs_tree *tree, const sfs_place *parent, const char *name,
                            sfs_node *out, sfs_error *error)
{
    if (parent->kind == SFS_PLACE_FIXED)
        return lookup_fixed(tree, parent, name, out, error);
    if (parent->kind == SFS_PLACE_ADDRESS)
        return lookup_address(tree, parent, name, out, error);
    return sfs_place_is_directory(parent)
               ? lookup_in_batch(tree, parent, parent->fixed, name, out, error)
               : sfs_fail_not_directory(error);
}

sfs_status sfs_lookup(sfs_tree *tree, sfs_node parent, const char *name, sfs_node *out,
                      sfs_error *error)
{
    sfs_place place;
    SFS_TRY(sfs_place_open(tree, parent, &place, error));
    sfs_status status = lookup_in(tree, &place, name, out, error);
    /* A view that was looked up has its reference already. */
    bool of_parent = !status && place.slot;
    if (of_parent)
        sfs_views_refer(&tree->views, place.slot);
    sfs_place_close(tree, &place);
    return status;
}

static sfs_status follow(sfs_tree *tree, sfs_node parent, sfs_node *node, sfs_error *error)
{
    char target[SFS_LINK_MAX + 1];
    sfs_attributes attributes;
    if (!sfs_place_is_text(*node) || sfs_stat(tree, *node, &attributes, NULL) || !attributes.link)
        return 0;
    sfs_status status = sfs_readlink(tree, *node, target, error);
    sfs_forget(tree, *node, 1);
    return status ? status : sfs_lookup(tree, parent, target, node, error);
}

static bool is_directory(sfs_tree *tree, sfs_node node)
{
    sfs_attributes attributes;
    return !sfs_stat(tree, node, &attributes, NULL) && attributes.directory;
}

sfs_status sfs_resolve(sfs_tree *tree, const char *path, sfs_node *out, sfs_error *error)
{
    SFS_AUTO_FREE char *text = strdup(path);
    if (!text)
        return sfs_fail_memory(error);
    sfs_node node = SFS_ROOT;
    char *rest = text;
    for (char *name; (name = strsep(&rest, "/"));) {
        sfs_node child;
        if (!*name || !strcmp(name, "."))
            continue;
        sfs_status status = sfs_lookup(tree, node, name, &child, error);
        if (!status)
            status = follow(tree, node, &child, error);
        sfs_forget(tree, node, 1);
        if (status)
            return status;
        node = child;
    }
    size_t length = strlen(path);
    if (length && path[length - 1] == '/' && !is_directory(tree, node)) {
        sfs_forget(tree, node, 1);
        return sfs_fail_not_directory(error);
    }
    *out = node;
    return 0;
}
