/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/counted.h"

#include <search.h>
#include <string.h>

#include "store/fail.h"

struct counted_text {
    char *text; /* owned */
    sfs_node node;
    uint64_t references;
};

static int compare_text(const void *a, const void *b)
{
    return strcmp(((const struct counted_text *)a)->text, ((const struct counted_text *)b)->text);
}

static int compare_node(const void *a, const void *b)
{
    sfs_node left = ((const struct counted_text *)a)->node,
             right = ((const struct counted_text *)b)->node;
    return (left > right) - (left < right);
}

static void free_entry(void *pointer)
{
    struct counted_text *entry = pointer;
    free(entry->text);
    free(entry);
}

static void keep(void *pointer)
{
    (void)pointer;
}

void sfs_counted_open(sfs_counted *counted, uint64_t first_node)
{
    *counted = (sfs_counted){.next = first_node};
    pthread_mutex_init(&counted->lock, NULL);
}

void sfs_counted_close(sfs_counted *counted)
{
    tdestroy(counted->by_node, keep);
    tdestroy(counted->by_text, free_entry);
    pthread_mutex_destroy(&counted->lock);
}

/* Under the lock. */
static struct counted_text *add(sfs_counted *counted, const char *text)
{
    struct counted_text *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->text = strdup(text);
    entry->node = counted->next;
    if (!entry->text || !tsearch(entry, &counted->by_text, compare_text)) {
        free_entry(entry);
        return NULL;
    }
    if (!tsearch(entry, &counted->by_node, compare_node)) {
        tdelete(entry, &counted->by_text, compare_text);
        free_entry(entry);
        return NULL;
    }
    counted->next++;
    return entry;
}

sfs_status sfs_counted_take(sfs_counted *counted, const char *text, sfs_node *out, sfs_error *error)
{
    struct counted_text key = {.text = (char *)(uintptr_t)text};
    pthread_mutex_lock(&counted->lock);
    struct counted_text **place = tfind(&key, &counted->by_text, compare_text);
    struct counted_text *found = place ? *place : add(counted, text);
    if (found) {
        found->references++;
        *out = found->node;
    }
    pthread_mutex_unlock(&counted->lock);
    return found ? 0 : sfs_fail_memory(error);
}

/* Under the lock. */
static struct counted_text *find_node(const sfs_counted *counted, sfs_node node)
{
    struct counted_text key = {.node = node};
    struct counted_text **place = tfind(&key, &counted->by_node, compare_node);
    return place ? *place : NULL;
}

void sfs_counted_refer(sfs_counted *counted, sfs_node node)
{
    pthread_mutex_lock(&counted->lock);
    struct counted_text *entry = find_node(counted, node);
    if (entry)
        entry->references++;
    pthread_mutex_unlock(&counted->lock);
}

void sfs_counted_forget(sfs_counted *counted, sfs_node node, uint64_t count)
{
    pthread_mutex_lock(&counted->lock);
    struct counted_text *entry = find_node(counted, node);
    if (entry &&
        (entry->references -= count < entry->references ? count : entry->references) == 0) {
        tdelete(entry, &counted->by_node, compare_node);
        tdelete(entry, &counted->by_text, compare_text);
        free_entry(entry);
    }
    pthread_mutex_unlock(&counted->lock);
}

sfs_status sfs_counted_text(sfs_counted *counted, sfs_node node, char **out, sfs_error *error)
{
    pthread_mutex_lock(&counted->lock);
    const struct counted_text *entry = find_node(counted, node);
    *out = entry ? strdup(entry->text) : NULL;
    pthread_mutex_unlock(&counted->lock);
    if (*out)
        return 0;
    return entry ? sfs_fail_memory(error) : sfs_fail(error, -ENOENT, "no such node");
}
