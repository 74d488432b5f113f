/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/made.h"

#include "order/key.h"

void sfs_made_open(sfs_made *made)
{
    *made = (sfs_made){0};
    pthread_mutex_init(&made->lock, NULL);
}

void sfs_made_clear(sfs_made *made)
{
    pthread_mutex_lock(&made->lock);
    for (int i = 0; i < SFS_MADE_SLOTS; i++) {
        sfs_file_close(made->slots[i].file);
        made->slots[i].file = NULL;
    }
    pthread_mutex_unlock(&made->lock);
}

void sfs_made_close(sfs_made *made)
{
    sfs_made_clear(made);
    pthread_mutex_destroy(&made->lock);
}

static size_t slot_of(sfs_node node)
{
    return sfs_splitmix(node) % SFS_MADE_SLOTS;
}

/* Puts file, of that node, into its slot; returns what was there if it was of that node too, or if
 * any is wanted. */
static sfs_file *swap(sfs_made *made, sfs_node node, sfs_file *file, bool any)
{
    size_t slot = slot_of(node);
    sfs_file *found = NULL;
    pthread_mutex_lock(&made->lock);
    if (any || made->slots[slot].node == node) {
        found = made->slots[slot].file;
        made->slots[slot].node = node;
        made->slots[slot].file = file;
    }
    pthread_mutex_unlock(&made->lock);
    return found;
}

static uint64_t count_rows(const sfs_file *file)
{
    uint64_t rows = file->rows.count;
    for (size_t i = 0; i < file->other_count; i++)
        rows += file->others[i].count;
    return rows;
}

void sfs_made_keep(sfs_made *made, sfs_node node, sfs_file *file)
{
    if (count_rows(file) > SFS_MADE_MAX_ROWS)
        sfs_file_close(file);
    else
        sfs_file_close(swap(made, node, file, true));
}

sfs_file *sfs_made_take(sfs_made *made, sfs_node node)
{
    return swap(made, node, NULL, false);
}
