/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/views.h"

#include <fcntl.h>
#include <string.h>

/* Frees what was worked out. Under the lock. */
static void give_up(sfs_views *views, sfs_view_slot *slot)
{
    if (!slot->bound)
        return;
    views->memory -= sfs_bound_view_memory(slot->bound);
    views->bound_count--;
    sfs_bound_view_clear(slot->bound);
    free(slot->bound);
    slot->bound = NULL;
}

static void clear_slot(sfs_views *views, sfs_view_slot *slot)
{
    give_up(views, slot);
    if (slot->name)
        sfs_view_clear(&slot->view);
    free(slot->name);
    *slot = (sfs_view_slot){0};
}

static bool is_idle(const sfs_views *views, const sfs_view_slot *slot)
{
    (void)views;
    return slot->name && !slot->references && !slot->pins && !slot->preparing;
}

/* The slot used longest ago of those that suit; NULL where none does. Under the lock. */
static sfs_view_slot *oldest(sfs_views *views,
                             bool (*suits)(const sfs_views *views, const sfs_view_slot *slot))
{
    sfs_view_slot *found = NULL;
    for (size_t i = 1; i < SFS_SLOTS; i++) {
        sfs_view_slot *slot = &views->slots[i];
        if (suits(views, slot) && (!found || slot->used < found->used))
            found = slot;
    }
    return found;
}

/* The view used last is not given up, however large: a reader would have it worked out for every
 * name on its way. */
static bool can_be_given_up(const sfs_views *views, const sfs_view_slot *slot)
{
    return slot->bound && !slot->pins && slot->used != views->clock;
}

/* Under the lock. */
static void make_room(sfs_views *views)
{
    sfs_view_slot *slot;
    while (views->memory > views->cache_size && (slot = oldest(views, can_be_given_up)))
        give_up(views, slot);
}

/* Under the lock, which is let go of meanwhile. */
static sfs_status prepare(sfs_views *views, sfs_view_slot *slot, sfs_error *error)
{
    slot->preparing = true;
    pthread_mutex_unlock(&views->lock);
    sfs_bound_view *bound = calloc(1, sizeof *bound);
    sfs_status status = bound ? sfs_view_bind(&slot->view, views->collection,
                                              views->collection->files.directory, bound, error)
                              : sfs_fail_memory(error);
    pthread_mutex_lock(&views->lock);
    slot->preparing = false;
    pthread_cond_broadcast(&views->prepared);
    if (status) {
        free(bound);
        return status;
    }
    slot->bound = bound;
    views->bound_count++;
    views->memory += sfs_bound_view_memory(bound);
    views->prepared_count++;
    return 0;
}

/* The mount's view may name files as seen from where it was mounted. */
static sfs_status open_own(sfs_views *views, const sfs_view *view, sfs_error *error)
{
    sfs_view_slot *slot = &views->slots[0];
    SFS_TRY(sfs_view_copy(view, &slot->view, error));
    slot->name = strdup("");
    slot->bound = calloc(1, sizeof *slot->bound);
    if (!slot->name || !slot->bound)
        return sfs_fail_memory(error);
    sfs_status status = sfs_view_bind(view, views->collection, AT_FDCWD, slot->bound, error);
    if (status) {
        free(slot->bound);
        slot->bound = NULL;
    }
    return status;
}

sfs_status sfs_views_open(sfs_views *views, const sfs_collection *collection, const sfs_view *view,
                          uint64_t cache_size, sfs_error *error)
{
    *views = (sfs_views){.collection = collection, .cache_size = cache_size};
    pthread_mutex_init(&views->lock, NULL);
    pthread_cond_init(&views->prepared, NULL);
    sfs_status status = open_own(views, view, error);
    if (status)
        sfs_views_close(views);
    return status;
}

void sfs_views_close(sfs_views *views)
{
    for (size_t i = 0; i < SFS_SLOTS; i++)
        clear_slot(views, &views->slots[i]);
    pthread_cond_destroy(&views->prepared);
    pthread_mutex_destroy(&views->lock);
}

/* Under the lock. */
static sfs_view_slot *find(sfs_views *views, const char *name)
{
    for (size_t i = 1; i < SFS_SLOTS; i++)
        if (views->slots[i].name && !strcmp(views->slots[i].name, name))
            return &views->slots[i];
    return NULL;
}

/* Under the lock. */
static sfs_status occupy(sfs_views *views, const char *name, const sfs_view *view,
                         sfs_view_slot **out, sfs_error *error)
{
    sfs_view_slot *slot = NULL;
    for (size_t i = 1; i < SFS_SLOTS && !slot; i++)
        if (!views->slots[i].name)
            slot = &views->slots[i];
    if (!slot)
        slot = oldest(views, is_idle);
    if (!slot)
        return sfs_fail(error, -ENFILE,
                        "expected fewer than %d views in use at once: close files and directories "
                        "of some, or unmount and mount again",
                        SFS_SLOTS);
    clear_slot(views, slot);
    slot->name = strdup(name);
    if (!slot->name)
        return sfs_fail_memory(error);
    sfs_status status = sfs_view_copy(view, &slot->view, error);
    if (status) {
        free(slot->name);
        slot->name = NULL;
        return status;
    }
    *out = slot;
    return 0;
}

sfs_status sfs_views_take(sfs_views *views, const char *name, const sfs_view *view, unsigned *out,
                          sfs_error *error)
{
    sfs_status status = 0;
    pthread_mutex_lock(&views->lock);
    sfs_view_slot *slot = find(views, name);
    if (!slot)
        status = occupy(views, name, view, &slot, error);
    if (!status) {
        slot->references++;
        slot->used = ++views->clock;
        slot->told = false;
        *out = (unsigned)(slot - views->slots);
    }
    pthread_mutex_unlock(&views->lock);
    return status;
}

void sfs_views_refer(sfs_views *views, unsigned slot)
{
    if (!slot)
        return;
    pthread_mutex_lock(&views->lock);
    views->slots[slot].references++;
    pthread_mutex_unlock(&views->lock);
}

void sfs_views_forget(sfs_views *views, unsigned slot, uint64_t count)
{
    if (!slot)
        return;
    pthread_mutex_lock(&views->lock);
    uint64_t *references = &views->slots[slot].references;
    *references -= count < *references ? count : *references;
    pthread_mutex_unlock(&views->lock);
}

sfs_status sfs_views_hold(sfs_views *views, unsigned number, const sfs_bound_view **out,
                          sfs_error *error)
{
    sfs_view_slot *slot = &views->slots[number];
    sfs_status status = 0;
    if (!number) {
        *out = slot->bound;
        return 0;
    }
    pthread_mutex_lock(&views->lock);
    if (!slot->name)
        status = sfs_fail(error, -ENOENT, "no such view");
    slot->pins += !status;
    while (!status && slot->preparing)
        pthread_cond_wait(&views->prepared, &views->lock);
    if (!status && !slot->bound)
        status = prepare(views, slot, error);
    if (status && slot->name)
        slot->pins--;
    *out = slot->bound;
    if (!status) {
        slot->used = ++views->clock;
        make_room(views);
    }
    pthread_mutex_unlock(&views->lock);
    return status;
}

void sfs_views_drop(sfs_views *views, unsigned slot)
{
    if (!slot)
        return;
    pthread_mutex_lock(&views->lock);
    views->slots[slot].pins--;
    make_room(views);
    pthread_mutex_unlock(&views->lock);
}

bool sfs_views_is_ready(sfs_views *views, unsigned slot)
{
    if (!slot)
        return true;
    pthread_mutex_lock(&views->lock);
    bool ready = views->slots[slot].bound || !views->slots[slot].name;
    pthread_mutex_unlock(&views->lock);
    return ready;
}

bool sfs_views_hold_ready(sfs_views *views, unsigned number)
{
    sfs_view_slot *slot = &views->slots[number];
    if (!number)
        return true;
    pthread_mutex_lock(&views->lock);
    bool ready = slot->bound;
    slot->pins += ready;
    pthread_mutex_unlock(&views->lock);
    return ready;
}

bool sfs_views_is_crowded(sfs_views *views)
{
    pthread_mutex_lock(&views->lock);
    bool crowded = views->memory > views->cache_size && views->bound_count > 1;
    pthread_mutex_unlock(&views->lock);
    return crowded;
}

bool sfs_views_is_current(sfs_views *views, unsigned slot)
{
    pthread_mutex_lock(&views->lock);
    bool current = !slot || views->slots[slot].used == views->clock;
    pthread_mutex_unlock(&views->lock);
    return current;
}

void sfs_views_count(sfs_views *views, sfs_view_counts *out)
{
    pthread_mutex_lock(&views->lock);
    *out = (sfs_view_counts){.bytes = views->memory, .prepared = views->prepared_count};
    for (size_t i = 1; i < SFS_SLOTS; i++) {
        out->known += views->slots[i].references > 0;
        out->in_memory += views->slots[i].bound != NULL;
    }
    pthread_mutex_unlock(&views->lock);
}

static bool can_be_told(const sfs_views *views, const sfs_view_slot *slot)
{
    (void)views;
    return slot->references && !slot->told && !slot->preparing;
}

unsigned sfs_views_count_untold(sfs_views *views)
{
    unsigned count = 0;
    pthread_mutex_lock(&views->lock);
    for (size_t i = 1; i < SFS_SLOTS; i++)
        count += can_be_told(views, &views->slots[i]);
    pthread_mutex_unlock(&views->lock);
    return count;
}

char *sfs_views_oldest(sfs_views *views)
{
    pthread_mutex_lock(&views->lock);
    sfs_view_slot *slot = oldest(views, can_be_told);
    char *name = slot ? strdup(slot->name) : NULL;
    if (name)
        slot->told = true;
    pthread_mutex_unlock(&views->lock);
    return name;
}
