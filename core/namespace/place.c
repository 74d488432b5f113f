/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/place.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

sfs_status sfs_fail_no_entry(const char *name, sfs_error *error)
{
    return sfs_fail(error, -ENOENT, "%s: no such file or directory", name);
}

sfs_status sfs_fail_not_directory(sfs_error *error)
{
    return sfs_fail(error, -ENOTDIR, "expected a directory, found a file");
}

bool sfs_place_is_text(sfs_node node)
{
    return node >= SFS_FIRST_TEXT_NODE && !sfs_address_is(node);
}

sfs_node sfs_place_fixed_node(const sfs_tree *tree, unsigned slot, const sfs_fixed *fixed)
{
    if (!slot)
        return SFS_ROOT + (sfs_node)(fixed - tree->fixed.nodes);
    sfs_address address = {.slot = slot,
                           .kind = SFS_ADDRESS_FIXED,
                           .fixed = (uint64_t)(fixed - tree->view_fixed.nodes)};
    return sfs_address_pack(tree->views.slots[0].bound, &address);
}

unsigned sfs_text_slot(const char *text)
{
    unsigned slot = 0;
    if (*text == SFS_NAME_WHERE || *text == SFS_NAME_BATCH)
        sscanf(text + 1, "%u", &slot);
    return slot;
}

/* The numbers of a text that is of a view. */
static bool read_numbers(const sfs_tree *tree, sfs_place *place)
{
    sfs_address *address = &place->address;
    uint64_t fixed = 0;
    *address = (sfs_address){.slot = place->slot, .kind = SFS_ADDRESS_WHERE};
    if (place->name_kind == SFS_NAME_WHERE)
        return sscanf(place->text, "%*u %" SCNu64 " %" SCNu64, &address->epoch, &place->row) == 2;
    address->kind = SFS_ADDRESS_BATCH_DIR;
    if (sscanf(place->text, "%*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &address->epoch,
               &address->rank, &address->batch, &fixed) != 4 ||
        fixed >= tree->view_fixed.count)
        return false;
    place->fixed = &tree->view_fixed.nodes[fixed];
    return true;
}

static sfs_status open_text(sfs_tree *tree, sfs_node node, sfs_place *place, sfs_error *error)
{
    SFS_TRY(sfs_counted_text(&tree->counted, node, &place->text, error));
    place->kind = SFS_PLACE_TEXT;
    place->slot = sfs_text_slot(place->text);
    place->name_kind = (sfs_name_kind)*place->text;
    memmove(place->text, place->text + 1, strlen(place->text));
    sfs_status status = sfs_views_hold(&tree->views, place->slot, &place->view, error);
    if (status) {
        free(place->text);
        return status;
    }
    bool of_view = place->name_kind == SFS_NAME_WHERE || place->name_kind == SFS_NAME_BATCH;
    if (of_view && !read_numbers(tree, place)) {
        sfs_place_close(tree, place);
        return sfs_fail_no_entry("node", error);
    }
    return 0;
}

static sfs_status open_address(sfs_tree *tree, sfs_node node, sfs_place *place, sfs_error *error)
{
    place->kind = SFS_PLACE_ADDRESS;
    place->slot = sfs_address_slot(node);
    SFS_TRY(sfs_views_hold(&tree->views, place->slot, &place->view, error));
    bool known = sfs_address_unpack(place->view, node, &place->address);
    if (known && place->address.kind == SFS_ADDRESS_FIXED) {
        place->kind = SFS_PLACE_FIXED;
        known = place->slot && place->address.fixed < tree->view_fixed.count;
        place->fixed = &tree->view_fixed.nodes[known ? place->address.fixed : 0];
    }
    if (known)
        return 0;
    sfs_place_close(tree, place);
    return sfs_fail_no_entry("node", error);
}

sfs_status sfs_place_open(sfs_tree *tree, sfs_node node, sfs_place *out, sfs_error *error)
{
    *out = (sfs_place){0};
    if (sfs_address_is(node))
        return open_address(tree, node, out, error);
    if (sfs_place_is_text(node))
        return open_text(tree, node, out, error);
    if (node < SFS_ROOT || node - SFS_ROOT >= tree->fixed.count)
        return sfs_fail_no_entry("node", error);
    out->fixed = &tree->fixed.nodes[node - SFS_ROOT];
    return sfs_views_hold(&tree->views, 0, &out->view, error);
}

void sfs_place_close(sfs_tree *tree, sfs_place *place)
{
    if (place->view)
        sfs_views_drop(&tree->views, place->slot);
    free(place->text);
    *place = (sfs_place){0};
}

bool sfs_place_is_directory(const sfs_place *place)
{
    if (place->kind == SFS_PLACE_ADDRESS)
        return sfs_address_is_directory(&place->address);
    if (place->kind == SFS_PLACE_TEXT)
        return place->name_kind == SFS_NAME_BATCH && sfs_fixed_is_directory(place->fixed);
    return sfs_fixed_is_directory(place->fixed);
}

/* obs, obsm and layers, what is below them, and of columns' files those that are arrays. */
bool sfs_place_in_batch(const sfs_tree *tree, const sfs_fixed *fixed)
{
    const sfs_fixed *nodes = tree->view_fixed.nodes, *top = fixed;
    if (fixed->kind == SFS_FIXED_COLUMN && fixed->form != SFS_COLUMN_NPY &&
        fixed->form != SFS_COLUMN_MASK)
        return false;
    while (top->parent)
        top = &nodes[top->parent];
    return sfs_fixed_is_directory(top) &&
           (!strcmp(top->name, "obs") || !strcmp(top->name, "obsm") ||
            !strcmp(top->name, "layers"));
}
