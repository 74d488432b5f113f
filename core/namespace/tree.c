/* SPDX-License-Identifier: Apache-2.0 */
#include "shufflefs/tree.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "namespace/address.h"
#include "namespace/ahead.h"
#include "namespace/describe.h"
#include "namespace/fixed.h"
#include "namespace/made.h"
#include "namespace/number.h"
#include "namespace/rows_name.h"
#include "store/guard.h"

/* Nodes: 1 and on are the fixed ones, FIRST_ROWS_NODE and on those of rows/, from 2^62 on
 * addresses. */
#define FIRST_ROWS_NODE (UINT64_C(1) << 48)

struct sfs_tree {
    const sfs_collection *collection; /* borrowed */
    sfs_bound_view view;              /* slot 0: that of the mount */
    sfs_fixed_list fixed;             /* owned */
    sfs_rows_names rows;              /* owned */
    sfs_made made;                    /* owned */
    _Atomic uint64_t asked_step;      /* the last one whose blocks were asked for */
};

/* The names of a batch's files: prefix, number, suffix. */
static const char csr_suffix[] = ".csr";

static sfs_status bind_view(sfs_tree *tree, const sfs_view *view, sfs_error *error)
{
    sfs_view *defaults;
    if (view)
        return sfs_view_bind(view, tree->collection, &tree->view, error);
    SFS_TRY(sfs_view_new(&defaults, error));
    sfs_status status = sfs_view_bind(defaults, tree->collection, &tree->view, error);
    sfs_view_free(defaults);
    return status;
}

static sfs_status open_fixed_list(sfs_tree *tree, sfs_error *error)
{
    char *readme = sfs_describe_readme(tree->collection, &tree->view);
    char *dataset = sfs_describe_dataset(tree->collection, &tree->view);
    if (readme && dataset)
        return sfs_fixed_open(tree->collection, readme, dataset, &tree->fixed, error);
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
    sfs_made_open(&tree->made);
    sfs_rows_names_open(&tree->rows, FIRST_ROWS_NODE);
    sfs_status status = bind_view(tree, view, error);
    if (!status)
        status = open_fixed_list(tree, error);
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
    sfs_fixed_close(&tree->fixed);
    sfs_rows_names_close(&tree->rows);
    sfs_made_close(&tree->made);
    free(tree);
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

/* The fixed node, or NULL where node is of another kind or none. */
static const sfs_fixed *fixed_of(const sfs_tree *tree, sfs_node node)
{
    return node >= SFS_ROOT && node - SFS_ROOT < tree->fixed.count
               ? &tree->fixed.nodes[node - SFS_ROOT]
               : NULL;
}

static sfs_node node_of(const sfs_tree *tree, const sfs_fixed *fixed)
{
    return SFS_ROOT + (sfs_node)(fixed - tree->fixed.nodes);
}

static bool is_rows_node(sfs_node node)
{
    return node >= FIRST_ROWS_NODE && !sfs_address_is(node);
}

/* The view that an address is of; NULL where there is none. */
static const sfs_bound_view *view_of(const sfs_tree *tree, sfs_node node)
{
    return sfs_address_is(node) && sfs_address_slot(node) == 0 ? &tree->view : NULL;
}

static sfs_status fail_no_entry(const char *name, sfs_error *error)
{
    return sfs_fail(error, -ENOENT, "%s: no such file or directory", name);
}

static sfs_status fail_not_directory(sfs_error *error)
{
    return sfs_fail(error, -ENOTDIR, "expected a directory, found a file");
}

static bool lookup_epoch(const sfs_bound_view *view, const char *name, sfs_node *out)
{
    sfs_address address = {.kind = SFS_ADDRESS_EPOCH};
    if (!sfs_number_between(name, "epoch_", "", &address.epoch) ||
        address.epoch >= sfs_address_epochs(view))
        return false;
    *out = sfs_address_pack(view, &address);
    return true;
}

static bool lookup_in_rank(const sfs_bound_view *view, const char *name, sfs_address *address)
{
    if (sfs_number_between(name, "batch_", csr_suffix, &address->batch))
        address->kind = SFS_ADDRESS_CSR;
    else if (sfs_number_between(name, "batch_", "", &address->batch))
        address->kind = SFS_ADDRESS_BATCH_DIR;
    else
        return false;
    return address->batch < view->steps;
}

static bool lookup_in_batch(const char *name, sfs_address *address)
{
    for (sfs_csr_array array = 0; array < SFS_CSR_ARRAYS; array++) {
        size_t length = strlen(sfs_csr_array_names[array]);
        if (!strncmp(name, sfs_csr_array_names[array], length) && !strcmp(name + length, ".npy")) {
            address->kind = SFS_ADDRESS_ARRAY + (sfs_address_kind)array;
            return true;
        }
    }
    return false;
}

static sfs_status lookup_address(const sfs_bound_view *view, sfs_node parent, const char *name,
                                 sfs_node *out, sfs_error *error)
{
    sfs_address address;
    bool found = false;
    if (!view || !sfs_address_unpack(view, parent, &address))
        return fail_no_entry(name, error);
    switch (address.kind) {
    case SFS_ADDRESS_EPOCH:
        found = sfs_number_between(name, "rank_", "", &address.rank) &&
                address.rank < view->deal.world_size;
        address.kind = SFS_ADDRESS_RANK;
        break;
    case SFS_ADDRESS_RANK:
        found = lookup_in_rank(view, name, &address);
        break;
    case SFS_ADDRESS_BATCH_DIR:
        found = lookup_in_batch(name, &address);
        break;
    default:
        return fail_not_directory(error);
    }
    if (!found)
        return fail_no_entry(name, error);
    *out = sfs_address_pack(view, &address);
    return 0;
}

/* Rows that the view's files can have. */
static uint64_t rows_limit(const sfs_tree *tree)
{
    return tree->view.matrix ? tree->collection->rows : 0;
}

sfs_status sfs_lookup(sfs_tree *tree, sfs_node parent, const char *name, sfs_node *out,
                      sfs_error *error)
{
    const sfs_fixed *directory = fixed_of(tree, parent);
    if (sfs_address_is(parent))
        return lookup_address(view_of(tree, parent), parent, name, out, error);
    if (!directory)
        return is_rows_node(parent) ? fail_not_directory(error) : fail_no_entry(name, error);
    if (directory->kind == SFS_FIXED_ROWS_DIRECTORY)
        return sfs_rows_names_lookup(&tree->rows, name, rows_limit(tree), out, error);
    if (directory->kind != SFS_FIXED_DIRECTORY)
        return fail_not_directory(error);
    const sfs_fixed *child = sfs_fixed_child(&tree->fixed, directory, name);
    if (child) {
        *out = node_of(tree, child);
        return 0;
    }
    if (parent == SFS_ROOT && lookup_epoch(&tree->view, name, out))
        return 0;
    return fail_no_entry(name, error);
}

static bool is_directory(sfs_tree *tree, sfs_node node)
{
    sfs_entry entry;
    return sfs_list(tree, node, 0, &entry, NULL) != -ENOTDIR;
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
        sfs_forget(tree, node, 1);
        if (status)
            return status;
        node = child;
    }
    size_t length = strlen(path);
    if (length && path[length - 1] == '/' && !is_directory(tree, node)) {
        sfs_forget(tree, node, 1);
        return fail_not_directory(error);
    }
    *out = node;
    return 0;
}

void sfs_forget(sfs_tree *tree, sfs_node node, uint64_t count)
{
    if (is_rows_node(node))
        sfs_rows_names_forget(&tree->rows, node, count);
}

/* A batch's rows are dealt from its address. */
static sfs_status deal_rows(const sfs_tree *tree, const sfs_bound_view *view,
                            const sfs_address *address, sfs_row_list *out, uint64_t *repeated,
                            sfs_error *error)
{
    sfs_order_spec order = sfs_bound_view_order(view, address->epoch);
    sfs_deal_run run = sfs_deal_batch(&view->deal, address->rank, address->batch);
    *repeated = run.repeated;
    return sfs_row_list_deal(tree->collection, view->matrix, &order, run, out, error);
}

static sfs_status open_address(const sfs_tree *tree, sfs_node node, sfs_file **out,
                               sfs_error *error)
{
    const sfs_bound_view *view = view_of(tree, node);
    sfs_address address;
    sfs_row_list rows;
    uint64_t repeated;
    if (!view || !sfs_address_unpack(view, node, &address))
        return fail_no_entry("batch", error);
    if (address.kind != SFS_ADDRESS_CSR && address.kind < SFS_ADDRESS_ARRAY)
        return sfs_fail(error, -EISDIR, "expected a file, found a directory");
    SFS_TRY(deal_rows(tree, view, &address, &rows, &repeated, error));
    if (address.kind >= SFS_ADDRESS_ARRAY)
        return sfs_csr_array_open(&rows, &view->form,
                                  (sfs_csr_array)(address.kind - SFS_ADDRESS_ARRAY), out, error);
    sfs_csr_header header = {.epoch = (int64_t)address.epoch,
                             .rank = (int64_t)address.rank,
                             .batch = (int64_t)address.batch,
                             .seed = view->view.seed,
                             .repeated = repeated};
    return sfs_csr_open(&rows, &view->form, &header, NULL, 0, out, error);
}

static sfs_status open_rows(sfs_tree *tree, sfs_node node, sfs_file **out, sfs_error *error)
{
    sfs_csr_header header = {.epoch = -1, .rank = -1, .batch = -1, .seed = tree->view.view.seed};
    sfs_row_list rows;
    SFS_TRY(
        sfs_rows_names_list(&tree->rows, node, tree->collection, tree->view.matrix, &rows, error));
    return sfs_csr_open(&rows, &tree->view.form, &header, NULL, 0, out, error);
}

static sfs_status open_fixed(const sfs_tree *tree, const sfs_fixed *fixed, sfs_file **out,
                             sfs_error *error)
{
    sfs_row_list rows;
    switch (fixed->kind) {
    case SFS_FIXED_TEXT:
        return sfs_text_file_open(tree->collection, fixed->text, fixed->text_size, out, error);
    case SFS_FIXED_COLUMN:
        return sfs_column_file_open(tree->collection, fixed->column, fixed->form, out, error);
    case SFS_FIXED_CSV:
        return sfs_csv_file_open(tree->collection, fixed->table, out, error);
    case SFS_FIXED_MATRIX:
        SFS_TRY(sfs_row_list_run(tree->collection, fixed->matrix, 0, fixed->matrix->rows, &rows,
                                 error));
        return sfs_csr_array_open(
            &rows,
            &(sfs_csr_form){.values = fixed->matrix->dtype, .indices = {'i', 4}, .whole = true},
            fixed->array, out, error);
    default:
        return sfs_fail(error, -EISDIR, "expected a file, found a directory");
    }
}

static sfs_status make_file(sfs_tree *tree, sfs_node node, sfs_file **out, sfs_error *error)
{
    const sfs_fixed *fixed = fixed_of(tree, node);
    if (fixed)
        return open_fixed(tree, fixed, out, error);
    if (is_rows_node(node))
        return open_rows(tree, node, out, error);
    return open_address(tree, node, out, error);
}

sfs_status sfs_open(sfs_tree *tree, sfs_node node, sfs_file **out, sfs_error *error)
{
    *out = sfs_made_take(&tree->made, node);
    return *out ? 0 : make_file(tree, node, out, error);
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
    return 0;
}

static sfs_status stat_address(sfs_tree *tree, sfs_node node, sfs_attributes *out, sfs_error *error)
{
    const sfs_bound_view *view = view_of(tree, node);
    sfs_address address;
    if (!view || !sfs_address_unpack(view, node, &address))
        return fail_no_entry("batch", error);
    *out = (sfs_attributes){.directory = address.kind == SFS_ADDRESS_EPOCH ||
                                         address.kind == SFS_ADDRESS_RANK ||
                                         address.kind == SFS_ADDRESS_BATCH_DIR};
    return out->directory ? 0 : stat_file(tree, node, out, error);
}

sfs_status sfs_stat(sfs_tree *tree, sfs_node node, sfs_attributes *out, sfs_error *error)
{
    const sfs_fixed *fixed = fixed_of(tree, node);
    if (sfs_address_is(node))
        return stat_address(tree, node, out, error);
    *out = (sfs_attributes){0};
    if (fixed)
        out->directory =
            fixed->kind == SFS_FIXED_DIRECTORY || fixed->kind == SFS_FIXED_ROWS_DIRECTORY;
    return out->directory ? 0 : stat_file(tree, node, out, error);
}

bool sfs_is_made_on_read(sfs_node node)
{
    return node >= FIRST_ROWS_NODE;
}

static void name_entry(sfs_entry *entry, const char *prefix, uint64_t number, const char *suffix)
{
    snprintf(entry->name, sizeof entry->name, "%s%" PRIu64 "%s", prefix, number, suffix);
}

/* Fixed entries, and in the root the epochs behind them. */
static bool list_fixed(const sfs_tree *tree, const sfs_fixed *directory, uint64_t index,
                       sfs_entry *out)
{
    const sfs_bound_view *view = &tree->view;
    if (index < directory->child_count) {
        const sfs_fixed *child = &tree->fixed.nodes[directory->first_child + index];
        strcpy(out->name, child->name);
        out->node = node_of(tree, child);
        out->directory =
            child->kind == SFS_FIXED_DIRECTORY || child->kind == SFS_FIXED_ROWS_DIRECTORY;
        return true;
    }
    sfs_address address = {.kind = SFS_ADDRESS_EPOCH, .epoch = index - directory->child_count};
    if (directory != tree->fixed.nodes || address.epoch >= view->view.epochs ||
        address.epoch >= sfs_address_epochs(view))
        return false;
    name_entry(out, "epoch_", address.epoch, "");
    out->node = sfs_address_pack(view, &address);
    out->directory = true;
    return true;
}

/* First all batches in one format, then all in the next. */
static bool list_rank(const sfs_bound_view *view, sfs_address *address, uint64_t index,
                      sfs_entry *out)
{
    unsigned formats = view->view.formats;
    bool second = view->steps && index >= view->steps;
    if (!view->steps ||
        index / view->steps >= (formats == (SFS_FORMAT_CSR | SFS_FORMAT_DIR) ? 2 : 1))
        return false;
    out->directory = second || formats == SFS_FORMAT_DIR;
    address->kind = out->directory ? SFS_ADDRESS_BATCH_DIR : SFS_ADDRESS_CSR;
    address->batch = index % view->steps;
    name_entry(out, "batch_", address->batch, out->directory ? "" : csr_suffix);
    return true;
}

static bool list_address(const sfs_bound_view *view, sfs_address *address, uint64_t index,
                         sfs_entry *out)
{
    switch (address->kind) {
    case SFS_ADDRESS_EPOCH:
        if (index >= view->deal.world_size)
            return false;
        address->kind = SFS_ADDRESS_RANK;
        address->rank = index;
        name_entry(out, "rank_", index, "");
        out->directory = true;
        break;
    case SFS_ADDRESS_RANK:
        if (!list_rank(view, address, index, out))
            return false;
        break;
    default:
        if (index >= SFS_CSR_ARRAYS)
            return false;
        address->kind = SFS_ADDRESS_ARRAY + (sfs_address_kind)index;
        snprintf(out->name, sizeof out->name, "%s.npy", sfs_csr_array_names[index]);
        out->directory = false;
        break;
    }
    out->node = sfs_address_pack(view, address);
    return true;
}

sfs_status sfs_list(sfs_tree *tree, sfs_node node, uint64_t index, sfs_entry *out, sfs_error *error)
{
    const sfs_fixed *fixed = fixed_of(tree, node);
    const sfs_bound_view *view = view_of(tree, node);
    sfs_address address;
    bool found;
    if (fixed && fixed->kind != SFS_FIXED_DIRECTORY && fixed->kind != SFS_FIXED_ROWS_DIRECTORY)
        return fail_not_directory(error);
    if (fixed) {
        found = list_fixed(tree, fixed, index, out);
    } else if (view && sfs_address_unpack(view, node, &address)) {
        if (address.kind == SFS_ADDRESS_CSR || address.kind >= SFS_ADDRESS_ARRAY)
            return fail_not_directory(error);
        found = list_address(view, &address, index, out);
    } else {
        return is_rows_node(node) ? fail_not_directory(error) : fail_no_entry("", error);
    }
    return found ? 0 : sfs_fail(error, -ENOENT, "the directory has no more entries");
}

static bool is_batch_file(const sfs_address *address)
{
    return address->kind == SFS_ADDRESS_CSR || address->kind >= SFS_ADDRESS_ARRAY;
}

bool sfs_batch_of(const sfs_tree *tree, sfs_node node, sfs_batch *out)
{
    const sfs_bound_view *view = view_of(tree, node);
    sfs_address address;
    if (!view || !sfs_address_unpack(view, node, &address) || !is_batch_file(&address))
        return false;
    out->number = address.batch;
    address.batch = 0;
    out->stream = sfs_address_pack(view, &address);
    return true;
}

bool sfs_batch_node(const sfs_tree *tree, const sfs_batch *batch, sfs_node *out)
{
    const sfs_bound_view *view = view_of(tree, batch->stream);
    sfs_address address;
    if (!view || !sfs_address_unpack(view, batch->stream, &address) || batch->number >= view->steps)
        return false;
    address.batch = batch->number;
    *out = sfs_address_pack(view, &address);
    return true;
}

/* All ranks of a step ask for the same blocks: the first one does it. */
static bool is_first_to_ask(sfs_tree *tree, const sfs_address *address)
{
    uint64_t step = (address->epoch << 32 | (uint32_t)address->batch) + 1;
    return atomic_exchange(&tree->asked_step, step) != step;
}

void sfs_batch_will_need(sfs_tree *tree, sfs_node node, const sfs_file *file, uint64_t max_size,
                         bool first)
{
    const sfs_bound_view *view = view_of(tree, node);
    sfs_address address;
    if (!view || view->view.order != SFS_ORDER_BLOCK || !sfs_address_unpack(view, node, &address))
        sfs_file_will_need(file, 0, max_size);
    else if (is_first_to_ask(tree, &address) || first)
        sfs_ahead_windows(tree->collection, view, address.epoch, address.batch, first);
}

bool sfs_tree_sweep(const sfs_tree *tree, uint64_t from, uint64_t length)
{
    return tree->view.matrix && sfs_ahead_sweep(tree->collection, tree->view.matrix, from, length);
}
