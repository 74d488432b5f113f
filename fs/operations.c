/* SPDX-License-Identifier: Apache-2.0 */
#include "operations.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "log.h"

enum {
    PREFERRED_READ = 1 << 20, /* st_blksize: what cp, cat and numpy read at once */
    DIRECT_MIN =
        128 << 10, /* smaller files are read in one or two requests: the page cache is faster */
    STATFS_BLOCK = 4096,
};

/* What the kernel takes for "has no inode number yet". */
static const uint64_t unknown_node = UINT32_MAX;

/* Shares of the views that can be known at once. */
static const double some_views = 0.5, many_views = 0.75, most_views = 0.875;

/* Nothing changes while it is mounted: as long as the kernel can count. */
static const double forever = DBL_MAX;
static const double moment = 1;

static sfs_daemon *daemon_of(fuse_req_t request)
{
    return fuse_req_userdata(request);
}

static void free_reader(void *reader)
{
    sfs_reader_free(reader);
}

int sfs_daemon_open(sfs_daemon *daemon, sfs_tree *tree, const sfs_collection *collection,
                    const sfs_options *options)
{
    sfs_error error = {"cannot start: the process has no room for data of its threads"};
    *daemon = (sfs_daemon){.collection = collection, .tree = tree, .cache = options->cache};
    sfs_collection_stat(collection, &daemon->owner);
    sfs_collection_will_need(collection);
    sfs_later_open(&daemon->later);
    sfs_demand_open(&daemon->demand);
    if (!pthread_key_create(&daemon->reader, free_reader)) {
        if (!sfs_batches_open(tree, options->cache_size, &daemon->batches, &error)) {
            sfs_stats_open(&daemon->stats, tree, daemon->batches, options);
            sfs_tree_set_stats(tree, sfs_stats_text, &daemon->stats);
            return 0;
        }
        pthread_key_delete(daemon->reader);
    }
    sfs_log_error("%s", error.message);
    return 1;
}

int sfs_daemon_start(sfs_daemon *daemon, const sfs_options *options)
{
    sfs_error error;
    uint64_t depth = options->prefetch;
    while (sfs_ahead_open(daemon->collection, daemon->tree, daemon->batches, depth, &daemon->ahead,
                          &error)) {
        sfs_log_error("%s%s", error.message, depth ? "; nothing will be read ahead" : "");
        if (!depth)
            return 1;
        depth = 0; /* takes no threads */
    }
    return 0;
}

void sfs_daemon_finish(sfs_daemon *daemon)
{
    atomic_store(&daemon->finishing, true);
    sfs_later_close(&daemon->later);
}

/* The main thread's own reader goes with it: destructors run for threads that end. */
void sfs_daemon_close(sfs_daemon *daemon)
{
    sfs_ahead_close(daemon->ahead);
    sfs_batches_close(daemon->batches);
    sfs_reader_free(pthread_getspecific(daemon->reader));
    pthread_key_delete(daemon->reader);
    sfs_demand_close(&daemon->demand);
}

static sfs_reader *reader_of(sfs_daemon *daemon)
{
    sfs_reader *reader = pthread_getspecific(daemon->reader);
    if (!reader && !sfs_reader_new(SFS_READ_MAX, &reader, NULL))
        pthread_setspecific(daemon->reader, reader);
    return reader;
}

static void reply_failure(fuse_req_t request, sfs_status status, const sfs_error *error)
{
    if (status == -EIO)
        sfs_stats_add(&daemon_of(request)->stats, SFS_COUNT_ERRORS, 1);
    if (status == -EIO || status == -ENOMEM)
        sfs_log_error("%s", error->message);
    fuse_reply_err(request, -status);
}

static void fill_stat(const sfs_daemon *daemon, sfs_node node, const sfs_attributes *attributes,
                      struct stat *out)
{
    mode_t readable = daemon->owner.st_mode & 0444;
    *out = (struct stat){.st_ino = node,
                         .st_nlink = 1,
                         .st_uid = daemon->owner.st_uid,
                         .st_gid = daemon->owner.st_gid,
                         .st_size = (off_t)attributes->size,
                         .st_blksize = PREFERRED_READ,
                         .st_blocks = (blkcnt_t)((attributes->size + 511) / 512),
                         .st_atim = daemon->owner.st_mtim,
                         .st_mtim = daemon->owner.st_mtim,
                         .st_ctim = daemon->owner.st_mtim};
    /* Who may read a directory may enter it. */
    out->st_mode = attributes->link        ? S_IFLNK | 0777
                   : attributes->directory ? S_IFDIR | readable | readable >> 2
                                           : S_IFREG | readable;
}

/* The file of a batch, whose size is asked for, will be opened next: it is kept where that finds
 * it. */
static sfs_status stat_node(sfs_daemon *daemon, sfs_node node, sfs_attributes *out,
                            sfs_error *error)
{
    sfs_batch batch;
    sfs_held *held;
    if (!sfs_batch_of(daemon->tree, node, &batch))
        return sfs_stat(daemon->tree, node, out, error);
    sfs_status status = sfs_batches_hold(daemon->batches, node, &held, error);
    if (status)
        return status;
    *out = (sfs_attributes){.size = sfs_file_size(sfs_held_file(held))};
    sfs_batches_drop(daemon->batches, held);
    return 0;
}

static sfs_status fill_entry(sfs_daemon *daemon, sfs_node node, struct fuse_entry_param *out,
                             sfs_error *error)
{
    sfs_attributes attributes;
    sfs_status status = stat_node(daemon, node, &attributes, error);
    if (status)
        return status;
    *out =
        (struct fuse_entry_param){.ino = node, .attr_timeout = forever, .entry_timeout = forever};
    fill_stat(daemon, node, &attributes, &out->attr);
    return 0;
}

static void on_init(void *userdata, struct fuse_conn_info *connection)
{
    sfs_daemon *daemon = userdata;
    sfs_negotiate_init(&daemon->negotiated, connection);
    connection->max_read = SFS_READ_MAX; /* said to mount(2), too: both or neither */
    /* Replies come from memory: splicing them through a pipe is slower. */
    connection->want &=
        ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
}

/* Has a thread of its own answer what may take long. */
static void answer(const sfs_late_request *late, const char *name)
{
    sfs_daemon *daemon = daemon_of(late->request);
    if (!sfs_takes_long(daemon->tree, late->node, name) || !sfs_later_answer(&daemon->later, late))
        late->answer(late);
}

/* The kernel remembers views for long: where it remembers many, it is told to forget some. For each
 * it takes the lock of the root, waits for all look-ups there, and new ones wait for it. So it is
 * told while there are none, and now and then only, for one that takes long may be on its way to
 * us; or, where slots run out, anyway. One thread does it, so that others are left to answer
 * look-ups. */
static void forget_old_views(sfs_daemon *daemon)
{
    static const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    if (!sfs_tree_knows_views(daemon->tree, many_views) ||
        atomic_exchange(&daemon->forgetting, true))
        return;
    while (sfs_tree_knows_views(daemon->tree, some_views) && !atomic_load(&daemon->finishing)) {
        bool late = sfs_tree_knows_views(daemon->tree, most_views);
        if (!late)
            nanosleep(&pause, NULL);
        if (!late && atomic_load(&daemon->root_lookups))
            continue;
        char *name = sfs_tree_oldest_view(daemon->tree);
        if (name)
            fuse_lowlevel_notify_inval_entry(daemon->session, SFS_ROOT, name, strlen(name));
        free(name);
    }
    atomic_store(&daemon->forgetting, false);
}

/* A name that does not exist is remembered too, except in the root, where views come and go. */
static void answer_lookup(const sfs_late_request *late)
{
    fuse_req_t request = late->request;
    fuse_ino_t parent = late->node;
    const char *name = late->name;
    sfs_daemon *daemon = daemon_of(request);
    struct fuse_entry_param entry = {0};
    sfs_error error;
    sfs_node node;
    sfs_stats_add(&daemon->stats, SFS_COUNT_LOOKUPS, 1);
    sfs_status status = sfs_lookup(daemon->tree, parent, name, &node, &error);
    if (status == -ENFILE) {
        sfs_batches_forget_others(daemon->batches);
        status = sfs_lookup(daemon->tree, parent, name, &node, &error);
    }
    if (!status) {
        status = fill_entry(daemon, node, &entry, &error);
        if (status)
            sfs_forget(daemon->tree, node, 1);
        /* A name may be taken away from a view, and given to another. */
        if (parent == SFS_ROOT && *name != '@' && sfs_takes_long(daemon->tree, parent, name))
            entry.entry_timeout = moment;
    }
    if (status == -ENOENT && parent != SFS_ROOT) {
        entry.entry_timeout = forever;
        status = 0;
    }
    if (status)
        reply_failure(request, status, &error);
    else if (fuse_reply_entry(request, &entry) == -ENOENT && entry.ino)
        sfs_forget(daemon->tree, entry.ino, 1); /* the request was interrupted */
    if (parent == SFS_ROOT) {
        atomic_fetch_sub(&daemon->root_lookups, 1);
        forget_old_views(daemon);
    }
}

static void on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    if (parent == SFS_ROOT)
        atomic_fetch_add(&daemon_of(request)->root_lookups, 1);
    answer(
        &(sfs_late_request){
            .request = request, .node = parent, .name = name, .answer = answer_lookup},
        name);
}

static void on_forget(fuse_req_t request, fuse_ino_t node, uint64_t count)
{
    sfs_forget(daemon_of(request)->tree, node, count);
    fuse_reply_none(request);
}

static void on_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        sfs_forget(daemon_of(request)->tree, forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(request);
}

static void answer_getattr(const sfs_late_request *late)
{
    fuse_req_t request = late->request;
    fuse_ino_t node = late->node;
    struct fuse_entry_param entry;
    sfs_error error;
    sfs_status status = fill_entry(daemon_of(request), node, &entry, &error);
    if (status)
        reply_failure(request, status, &error);
    else
        fuse_reply_attr(request, &entry.attr, forever);
}

static void on_getattr(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
    (void)info;
    answer(&(sfs_late_request){.request = request, .node = node, .answer = answer_getattr}, NULL);
}

static void on_readlink(fuse_req_t request, fuse_ino_t node)
{
    char target[SFS_LINK_MAX + 1];
    sfs_error error;
    sfs_status status = sfs_readlink(daemon_of(request)->tree, node, target, &error);
    if (status)
        reply_failure(request, status, &error);
    else
        fuse_reply_readlink(request, target);
}

/* An open with O_DIRECT bypasses the page cache by itself, and its pieces are then in flight
 * together. */
static bool is_direct(sfs_daemon *daemon, fuse_ino_t node, const sfs_file *file, int flags)
{
    if (sfs_is_live(daemon->tree, node))
        return true;
    if (flags & O_DIRECT || daemon->cache == SFS_CACHE_ALWAYS)
        return false;
    if (daemon->cache == SFS_CACHE_NEVER)
        return true;
    return sfs_file_size(file) >= DIRECT_MIN && sfs_is_made_on_read(node) &&
           atomic_load(&daemon->negotiated.direct_mmap);
}

static void count_open(sfs_daemon *daemon, sfs_node node)
{
    sfs_batch batch;
    sfs_stats_add(&daemon->stats, SFS_COUNT_OPENS, 1);
    if (sfs_batch_of(daemon->tree, node, &batch))
        sfs_stats_add(&daemon->stats, SFS_COUNT_BATCHES_OPENED, 1);
}

static void answer_open(const sfs_late_request *late)
{
    fuse_req_t request = late->request;
    fuse_ino_t node = late->node;
    struct fuse_file_info copy = late->info, *info = &copy;
    sfs_daemon *daemon = daemon_of(request);
    sfs_error error;
    sfs_held *held;
    sfs_status status = sfs_batches_hold(daemon->batches, node, &held, &error);
    if (status) {
        reply_failure(request, status, &error);
        return;
    }
    count_open(daemon, node);
    sfs_ahead_open_file(daemon->ahead, node, held);
    info->fh = (uint64_t)(uintptr_t)held;
    info->direct_io = is_direct(daemon, node, sfs_held_file(held), info->flags);
    info->keep_cache = !info->direct_io;
    info->noflush = 1;
    if (fuse_reply_open(request, info) == -ENOENT)
        sfs_batches_drop(daemon->batches, held); /* interrupted: there will be no release */
}

static void on_open(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
    answer(
        &(sfs_late_request){.request = request, .node = node, .info = *info, .answer = answer_open},
        NULL);
}

static void on_release(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
    (void)node;
    sfs_batches_drop(daemon_of(request)->batches, (sfs_held *)(uintptr_t)info->fh);
    fuse_reply_err(request, 0);
}

static void answer_read(fuse_req_t request, fuse_ino_t node, sfs_held *held, size_t size,
                        uint64_t offset)
{
    uint64_t start = sfs_stats_clock();
    sfs_daemon *daemon = daemon_of(request);
    sfs_reader *reader = reader_of(daemon);
    sfs_error error = {"out of memory"};
    sfs_answer answer;
    sfs_status status =
        reader ? sfs_held_read(daemon->batches, held, reader, size, offset, &answer, &error)
               : -ENOMEM;
    if (status) {
        reply_failure(request, status, &error);
        return;
    }
    bool busy = answer.new_pieces && sfs_demand_is_full(&daemon->demand);
    for (uint32_t i = answer.pieces - answer.new_pieces; i < answer.pieces; i++)
        sfs_ahead_read_piece(daemon->ahead, node, held, answer.first_piece + i, busy);
    sfs_stats_add_read(&daemon->stats, answer.segments, answer.count);
    if (answer.count == 1)
        fuse_reply_buf(request, answer.segments->iov_base, answer.segments->iov_len);
    else
        fuse_reply_iov(request, answer.segments, answer.count);
    sfs_stats_add_latency(&daemon->stats, start);
    sfs_held_release(daemon->batches, held, &answer);
}

static void on_read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    sfs_daemon *daemon = daemon_of(request);
    pid_t thread = fuse_req_ctx(request)->pid;
    bool waits = !(info->flags & O_DIRECT);
    sfs_demand_begin(&daemon->demand, thread, waits);
    answer_read(request, node, (sfs_held *)(uintptr_t)info->fh, size, (uint64_t)offset);
    sfs_demand_end(&daemon->demand, thread, waits);
}

/* Entries 0 and 1 are "." and "..", whose inode numbers the kernel knows better. */
static sfs_status list_entry(sfs_daemon *daemon, fuse_ino_t node, off_t index, sfs_entry *out,
                             sfs_error *error)
{
    if (index >= 2)
        return sfs_list(daemon->tree, node, (uint64_t)index - 2, out, error);
    *out = (sfs_entry){.node = node, .directory = true};
    strcpy(out->name, index ? ".." : ".");
    return 0;
}

static bool is_dot(const sfs_entry *entry)
{
    return !strcmp(entry->name, ".") || !strcmp(entry->name, "..");
}

/* Adds an entry to a reply; returns its length, more than room where it does not fit. One that
 * tells its node is a look-up, too. */
static size_t add_entry(fuse_req_t request, char *reply, size_t room, const sfs_entry *entry,
                        off_t next, bool plus)
{
    sfs_daemon *daemon = daemon_of(request);
    struct fuse_entry_param param = {0};
    if (plus && entry->node && !is_dot(entry) && fill_entry(daemon, entry->node, &param, NULL))
        param = (struct fuse_entry_param){0};
    param.attr.st_ino = entry->node ? entry->node : unknown_node;
    if (!param.attr.st_mode)
        param.attr.st_mode = entry->directory ? S_IFDIR : S_IFREG;
    if (!plus)
        return fuse_add_direntry(request, reply, room, entry->name, &param.attr, next);
    size_t length = fuse_add_direntry_plus(request, reply, room, entry->name, &param, next);
    if (param.ino && length <= room)
        sfs_refer(daemon->tree, param.ino);
    return length;
}

/* Takes back what a reply that nobody got told. */
static void forget_entries(sfs_daemon *daemon, fuse_ino_t node, off_t from, off_t to)
{
    sfs_entry entry;
    struct fuse_entry_param param;
    for (; from < to && !list_entry(daemon, node, from, &entry, NULL); from++)
        if (entry.node && !is_dot(&entry) && !fill_entry(daemon, entry.node, &param, NULL))
            sfs_forget(daemon->tree, entry.node, 1);
}

static void read_directory(const sfs_late_request *late, bool plus)
{
    fuse_req_t request = late->request;
    fuse_ino_t node = late->node;
    size_t size = late->size;
    off_t offset = late->offset, from = offset;
    sfs_daemon *daemon = daemon_of(request);
    sfs_entry entry;
    sfs_error error;
    sfs_status status;
    size_t used = 0;
    char *reply = malloc(size);
    if (!reply) {
        fuse_reply_err(request, ENOMEM);
        return;
    }
    while (!(status = list_entry(daemon, node, offset, &entry, &error))) {
        size_t length = add_entry(request, reply + used, size - used, &entry, offset + 1, plus);
        if (length > size - used)
            break;
        used += length;
        offset++;
    }
    if (status && status != -ENOENT)
        reply_failure(request, status, &error);
    else if (fuse_reply_buf(request, reply, used) == -ENOENT && plus)
        forget_entries(daemon, node, from, offset);
    free(reply);
}

static void answer_readdir(const sfs_late_request *late)
{
    read_directory(late, false);
}

static void answer_readdirplus(const sfs_late_request *late)
{
    read_directory(late, true);
}

static void on_readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                       struct fuse_file_info *info)
{
    (void)info;
    answer(&(sfs_late_request){.request = request,
                               .node = node,
                               .size = size,
                               .offset = offset,
                               .answer = answer_readdir},
           NULL);
}

static void on_readdirplus(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                           struct fuse_file_info *info)
{
    (void)info;
    answer(&(sfs_late_request){.request = request,
                               .node = node,
                               .size = size,
                               .offset = offset,
                               .answer = answer_readdirplus},
           NULL);
}

static void on_statfs(fuse_req_t request, fuse_ino_t node)
{
    (void)node;
    uint64_t size = sfs_tree_logical_size(daemon_of(request)->tree);
    struct statvfs stat = {.f_bsize = STATFS_BLOCK,
                           .f_frsize = STATFS_BLOCK,
                           .f_blocks = (size + STATFS_BLOCK - 1) / STATFS_BLOCK,
                           .f_namemax = SFS_NAME_MAX};
    fuse_reply_statfs(request, &stat);
}

const struct fuse_lowlevel_ops sfs_operations = {
    .init = on_init,
    .lookup = on_lookup,
    .forget = on_forget,
    .forget_multi = on_forget_multi,
    .getattr = on_getattr,
    .readlink = on_readlink,
    .open = on_open,
    .release = on_release,
    .read = on_read,
    .readdir = on_readdir,
    .readdirplus = on_readdirplus,
    .statfs = on_statfs,
};
