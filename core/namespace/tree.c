/* SPDX-License-Identifier: Apache-2.0 */
#include "shufflefs/tree.h"

#include <string.h>

#include "namespace/ahead.h"
#include "namespace/describe.h"
#include "namespace/named.h"
#include "namespace/place.h"
#include "namespace/view_name.h"
#include "shufflefs/memory.h"

enum { SHARE_OF_MEMORY = 32 };

static sfs_status open_views(sfs_tree *tree, const sfs_view *view, sfs_error *error)
{
    uint64_t cache_size = sfs_memory_limit() / SHARE_OF_MEMORY;
    sfs_view *defaults;
    if (view)
        return sfs_views_open(&tree->views, tree->collection, view, cache_size, error);
    SFS_TRY(sfs_view_new(&defaults, error));
    sfs_status status = sfs_views_open(&tree->views, tree->collection, defaults, cache_size, error);
    sfs_view_free(defaults);
    return status;
}

static sfs_status open_fixed_lists(sfs_tree *tree, sfs_error *error)
{
    const sfs_bound_view *own = tree->views.slots[0].bound;
    char *readme = sfs_describe_readme(tree->collection, own);
    char *dataset = sfs_describe_dataset(tree->collection, own);
    if (readme && dataset) {
        SFS_TRY(sfs_fixed_open(tree->collection, readme, dataset, &tree->fixed, error));
        return sfs_fixed_open_view(tree->collection, &tree->view_fixed, error);
    }
    free(readme);
    free(dataset);
    return sfs_fail_memory(error);
}

sfs_status sfs_tree_open(const sfs_collection *collection, const sfs_view *view, sfs_tree **out,
                         sfs_error *error)
{
    sfs_tree *tree = calloc(1, sizeof *tree);
    if (!tree)
        return sfs_fail_memory(error);
    tree->collection = collection;
    sfs_status status = open_views(tree, view, error);
    if (status) {
        free(tree);
        return status;
    }
    sfs_made_open(&tree->made);
    sfs_counted_open(&tree->counted, SFS_FIRST_TEXT_NODE);
    status = open_fixed_lists(tree, error);
    if (status) {
        sfs_tree_close(tree);
        return status;
    }
    *out = tree;
    return 0;
}

void sfs_tree_close(sfs_tree *tree)
{
    if (!tree)
        return;
    sfs_made_close(&tree->made);
    sfs_fixed_close(&tree->fixed);
    sfs_fixed_close(&tree->view_fixed);
    sfs_counted_close(&tree->counted);
    sfs_views_close(&tree->views);
    free(tree);
}

void sfs_tree_set_view_cache(sfs_tree *tree, uint64_t bytes)
{
    pthread_mutex_lock(&tree->views.lock);
    tree->views.cache_size = bytes;
    pthread_mutex_unlock(&tree->views.lock);
}

void sfs_tree_set_stats(sfs_tree *tree, sfs_stats_source *stats, void *context)
{
    tree->stats = stats;
    tree->stats_context = context;
}

void sfs_tree_count_views(sfs_tree *tree, sfs_view_counts *out)
{
    sfs_views_count(&tree->views, out);
}

bool sfs_is_live(const sfs_tree *tree, sfs_node node)
{
    return node - SFS_ROOT < tree->fixed.count &&
           tree->fixed.nodes[node - SFS_ROOT].kind == SFS_FIXED_STATS;
}

bool sfs_tree_is_crowded(sfs_tree *tree)
{
    return sfs_views_is_crowded(&tree->views);
}

bool sfs_tree_is_current(sfs_tree *tree, sfs_node node)
{
    return !sfs_address_is(node) || sfs_views_is_current(&tree->views, sfs_address_slot(node));
}

bool sfs_tree_knows_views(sfs_tree *tree, double share)
{
    return sfs_views_count_untold(&tree->views) >= share * SFS_SLOTS;
}

/* Named views go by their names in the root: what is before the spelling. */
char *sfs_tree_oldest_view(sfs_tree *tree)
{
    char *name = sfs_views_oldest(&tree->views);
    char *spelling = name ? strchr(name, '@') : NULL;
    if (spelling && spelling != name)
        *spelling = '\0';
    return name;
}

uint64_t sfs_tree_logical_size(const sfs_tree *tree)
{
    uint64_t size = 0;
    for (size_t i = 0; i < tree->collection->matrix_count; i++) {
        const sfs_matrix *matrix = &tree->collection->matrices[i];
        size += matrix->nnz * (sizeof(int32_t) + matrix->dtype.size) +
                (matrix->rows + 1) * sizeof(int64_t);
    }
    return size;
}

/* The slot whose references a node counts. */
static unsigned slot_of(sfs_tree *tree, sfs_node node)
{
    SFS_AUTO_FREE char *text = NULL;
    if (sfs_address_is(node))
        return sfs_address_slot(node);
    return sfs_place_is_text(node) && !sfs_counted_text(&tree->counted, node, &text, NULL)
               ? sfs_text_slot(text)
               : 0;
}

void sfs_refer(sfs_tree *tree, sfs_node node)
{
    if (sfs_place_is_text(node))
        sfs_counted_refer(&tree->counted, node);
    sfs_views_refer(&tree->views, slot_of(tree, node));
}

void sfs_forget(sfs_tree *tree, sfs_node node, uint64_t count)
{
    sfs_views_forget(&tree->views, slot_of(tree, node), count);
    if (sfs_place_is_text(node))
        sfs_counted_forget(&tree->counted, node, count);
}

bool sfs_takes_long(sfs_tree *tree, sfs_node node, const char *name)
{
    if (node == SFS_ROOT)
        return name && (*name == '@' || sfs_named_view_name_is_valid(name));
    if (node - SFS_ROOT < tree->fixed.count)
        return name && tree->fixed.nodes[node - SFS_ROOT].kind == SFS_FIXED_EXPLAIN_DIRECTORY;
    /* The rows of a view's whole matrices and tables are counted before their size is known. */
    if (sfs_address_is(node) && sfs_address_kind_of(node) == SFS_ADDRESS_FIXED &&
        !(name && !strncmp(name, "epoch_", strlen("epoch_"))))
        return true;
    return !sfs_views_is_ready(&tree->views, slot_of(tree, node));
}

static void release(void *keeper, unsigned slot)
{
    sfs_tree *tree = keeper;
    sfs_views_drop(&tree->views, slot);
}

/* A file of a view's keeps what it is made of, and the slot, for it is known by its node. */
static sfs_status open_place(sfs_tree *tree, const sfs_place *place, sfs_file **out,
                             sfs_error *error)
{
    const sfs_bound_view *view;
    SFS_TRY(sfs_place_make_file(tree, place, out, error));
    if (!place->slot)
        return 0;
    sfs_views_hold(&tree->views, place->slot, &view, NULL);
    (*out)->released = release;
    (*out)->keeper = tree;
    (*out)->slot = place->slot;
    return 0;
}

sfs_status sfs_open(sfs_tree *tree, sfs_node node, sfs_file **out, sfs_error *error)
{
    sfs_place place;
    *out = sfs_made_take(&tree->made, node);
    if (*out)
        return 0;
    SFS_TRY(sfs_place_open(tree, node, &place, error));
    sfs_status status = open_place(tree, &place, out, error);
    sfs_place_close(tree, &place);
    return status;
}

/* The size of a file is that of the file when it is opened: it is made, and kept for that. */
static sfs_status stat_file(sfs_tree *tree, sfs_node node, sfs_attributes *out, sfs_error *error)
{
    sfs_file *file;
    SFS_TRY(sfs_open(tree, node, &file, error));
    out->size = sfs_file_size(file);
    if (sfs_is_made_on_read(node))
        sfs_made_keep(&tree->made, node, file);
    else
        sfs_file_close(file);
    /* What is kept keeps its view, too. */
    if (sfs_tree_is_crowded(tree))
        sfs_made_clear(&tree->made);
    return 0;
}

static bool is_link(const sfs_place *place)
{
    return place->kind == SFS_PLACE_TEXT && place->name_kind == SFS_NAME_LINK;
}

sfs_status sfs_stat(sfs_tree *tree, sfs_node node, sfs_attributes *out, sfs_error *error)
{
    sfs_place place;
    SFS_TRY(sfs_place_open(tree, node, &place, error));
    *out = (sfs_attributes){.directory = sfs_place_is_directory(&place), .link = is_link(&place)};
    if (out->link)
        out->size = strlen(place.text);
    sfs_place_close(tree, &place);
    return out->directory || out->link ? 0 : stat_file(tree, node, out, error);
}

sfs_status sfs_readlink(sfs_tree *tree, sfs_node node, char target[SFS_LINK_MAX + 1],
                        sfs_error *error)
{
    sfs_place place;
    SFS_TRY(sfs_place_open(tree, node, &place, error));
    sfs_status status = is_link(&place) && strlen(place.text) <= SFS_LINK_MAX
                            ? 0
                            : sfs_fail(error, -EINVAL, "expected a symbolic link");
    if (!status)
        strcpy(target, place.text);
    sfs_place_close(tree, &place);
    return status;
}

bool sfs_is_made_on_read(sfs_node node)
{
    return node >= SFS_FIRST_TEXT_NODE;
}

/* The address of a batch's file whose view is worked out; the caller closes the place. */
static bool open_batch(sfs_tree *tree, sfs_node node, sfs_place *out)
{
    if (!sfs_address_is(node) || !sfs_views_hold_ready(&tree->views, sfs_address_slot(node)))
        return false;
    sfs_status status = sfs_place_open(tree, node, out, NULL);
    sfs_views_drop(&tree->views, sfs_address_slot(node));
    if (status)
        return false;
    if (out->kind == SFS_PLACE_ADDRESS && sfs_address_is_batch_file(&out->address))
        return true;
    sfs_place_close(tree, out);
    return false;
}

bool sfs_batch_of(sfs_tree *tree, sfs_node node, sfs_batch *out)
{
    sfs_place place;
    if (!open_batch(tree, node, &place))
        return false;
    uint64_t batches = sfs_address_batches(&place.address);
    out->number = place.address.batch / batches;
    place.address.batch %= batches;
    out->stream = sfs_address_pack(place.view, &place.address);
    sfs_place_close(tree, &place);
    return true;
}

bool sfs_batch_node(sfs_tree *tree, const sfs_batch *batch, sfs_node *out)
{
    sfs_place place;
    if (!open_batch(tree, batch->stream, &place))
        return false;
    uint64_t batches = sfs_address_batches(&place.address);
    bool found = batch->number < place.view->steps / batches;
    place.address.batch += batch->number * batches;
    found = found && place.address.batch + batches <= place.view->steps;
    if (found)
        *out = sfs_address_pack(place.view, &place.address);
    sfs_place_close(tree, &place);
    return found;
}

/* All ranks of a step ask for the same blocks: the first one does it. */
static bool is_first_to_ask(sfs_tree *tree, const sfs_address *address)
{
    uint64_t step = ((uint64_t)address->slot << 53 ^ address->epoch << 32 ^ address->batch ^
                     (sfs_address_batches(address) - 1) << 60) +
                    1;
    return atomic_exchange(&tree->asked_step, step) != step;
}

bool sfs_batch_will_need_blocks(sfs_tree *tree, sfs_node node, bool first)
{
    sfs_place place;
    if (!open_batch(tree, node, &place))
        return false;
    bool blocks = place.view->view.order == SFS_ORDER_BLOCK;
    if (blocks && (is_first_to_ask(tree, &place.address) || first))
        sfs_ahead_windows(tree->collection, place.view, &place.address, first);
    sfs_place_close(tree, &place);
    return blocks;
}

bool sfs_tree_sweep(const sfs_tree *tree, uint64_t from, uint64_t length)
{
    const sfs_matrix *matrix = tree->views.slots[0].bound->matrix;
    return matrix && sfs_ahead_sweep(tree->collection, matrix, from, length);
}
