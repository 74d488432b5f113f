/* SPDX-License-Identifier: Apache-2.0 */
#include "ahead.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "processors.h"

enum {
    STREAMS = 64,         /* sequences that are remembered: ranks times kinds of files */
    RECENT = 64,          /* batches of each that are */
    MAX_STRIDE = 32,      /* the largest step that is recognised */
    MAX_ASKS = 32,        /* batches that are asked for ahead, at most ... */
    ASK_BYTES = 32 << 20, /* ... and about so many bytes of them */
    AUTO_PIECES = 8, /* SFS_AHEAD_AUTO: so few that they are still in the processor's cache when
                        they are read (tests/bench) */
    SWEEP_BYTES = 64 << 20, /* of the rows, at a time */
    MAX_JOBS = 1024,
    MAX_THREADS = 4,
    NICE = 10, /* readers come first: where they take all processors, they decode for themselves,
                  which is faster than to have it done elsewhere */
};

/* A sequence. */
struct stream {
    uint64_t id; /* of sfs_batch; 0: none */
    uint64_t used;
    uint64_t recent[RECENT]; /* numbers + 1 of the last batches, in a ring */
    unsigned recent_at;
    uint64_t stride;    /* 0: none is known */
    uint64_t candidate; /* the stride that was found last */
    uint64_t asked;     /* the last batch that was asked for ahead */
    bool begins;        /* its first window is still to be asked for */
};

/* From this share on, a collection is read from its beginning to its end. */
static const double mostly_cold = 0.1;

struct job {
    sfs_node node;
    uint32_t piece; /* to be decoded; of a job that asks, none */
    bool decode;
    bool opened; /* by a reader: asks again, if somebody asked before */
    bool first;  /* of a sequence, and so the one that asks for a whole window */
};

struct queue {
    struct job jobs[MAX_JOBS];
    size_t first, count;
};

/* Everything behind `lock` is owned by it. */
struct sfs_ahead {
    sfs_tree *tree;                   /* borrowed */
    sfs_batches *batches;             /* borrowed */
    const sfs_collection *collection; /* borrowed */
    uint64_t depth;
    _Atomic uint64_t swept; /* bytes of the rows that were read from the first on */
    pthread_t threads[MAX_THREADS];
    unsigned thread_count;
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    bool closing;
    struct stream streams[STREAMS];
    uint64_t clock;
    struct queue asks, decodes; /* asks come first */
    unsigned decoding, decoding_max;
};

static void push(struct queue *queue, struct job job)
{
    if (queue->count == MAX_JOBS) { /* the oldest is the one that has become useless */
        queue->first = (queue->first + 1) % MAX_JOBS;
        queue->count--;
    }
    queue->jobs[(queue->first + queue->count++) % MAX_JOBS] = job;
}

static struct job pop(struct queue *queue)
{
    struct job job = queue->jobs[queue->first];
    queue->first = (queue->first + 1) % MAX_JOBS;
    queue->count--;
    return job;
}

/* Reads the collection on from where it was left; from the beginning, once all of it was read. */
static void sweep(sfs_ahead *ahead)
{
    uint64_t from = atomic_fetch_add(&ahead->swept, SWEEP_BYTES);
    if (!sfs_tree_sweep(ahead->tree, from, SWEEP_BYTES))
        atomic_store(&ahead->swept, 0);
}

/* A file that a reader opened alone, in no sequence. */
static void ask_for_one(sfs_ahead *ahead, sfs_held *held)
{
    bool fits = sfs_collection_fits_in_memory(ahead->collection);
    if (sfs_held_take_asking(ahead->batches, held) && !fits)
        sfs_file_will_need(sfs_held_file(held), 0, SFS_HELD_ASK);
}

/* Asks for the rows of a file in a sequence. Where memory is full, the kernel leaves out a row in
 * ten or twenty of those that it is asked for. Their page faults would come one after another, each
 * behind all that was asked for meanwhile: so a file is asked for again when it is opened. */
static void ask_for_rows(sfs_ahead *ahead, const struct job *job, sfs_held *held, bool mine)
{
    const sfs_file *file = sfs_held_file(held);
    if (mine) {
        if (sfs_file_will_need(file, 0, SFS_HELD_ASK))
            sfs_held_note_asked(ahead->batches, held);
    } else if (job->opened && sfs_held_take_asking_again(ahead->batches, held)) {
        sfs_file_will_need_again(file, 0, SFS_HELD_ASK);
    } else if (job->opened) {
        sfs_file_will_need(file, 0, SFS_HELD_ASK); /* its window was asked for */
    }
}

/* Asks for what a file in a sequence needs: blocks, of the next window; or rows. But of a
 * collection that memory holds, all rows are needed sooner or later: where some are missing, they
 * are read from the first to the last, which no disk minds; and not one by one, as that would keep
 * them out of huge pages. */
static void ask_for(sfs_ahead *ahead, const struct job *job, sfs_held *held)
{
    bool mine = sfs_held_take_asking(ahead->batches, held) || job->first;
    if (mine && sfs_batch_will_need_blocks(ahead->tree, job->node, job->first))
        return;
    if (!sfs_collection_fits_in_memory(ahead->collection))
        ask_for_rows(ahead, job, held, mine);
    else if (mine && sfs_file_cold_share(sfs_held_file(held)) > mostly_cold)
        sweep(ahead);
}

/* A file that cannot be made or decoded says so to who reads it. */
static void do_job(sfs_ahead *ahead, struct job job)
{
    sfs_held *held;
    sfs_error error;
    if (sfs_batches_hold(ahead->batches, job.node, &held, &error))
        return;
    if (job.decode)
        sfs_held_fill(ahead->batches, held, job.piece);
    else
        ask_for(ahead, &job, held);
    sfs_batches_drop(ahead->batches, held);
}

static bool has_work(const sfs_ahead *ahead)
{
    return ahead->asks.count || (ahead->decodes.count && ahead->decoding < ahead->decoding_max);
}

static void *work(void *context)
{
    sfs_ahead *ahead = context;
    setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + NICE);
    pthread_mutex_lock(&ahead->lock);
    for (;;) {
        while (!ahead->closing && !has_work(ahead))
            pthread_cond_wait(&ahead->wanted, &ahead->lock);
        if (ahead->closing)
            break;
        struct job job = pop(ahead->asks.count ? &ahead->asks : &ahead->decodes);
        ahead->decoding += job.decode;
        pthread_mutex_unlock(&ahead->lock);
        do_job(ahead, job);
        pthread_mutex_lock(&ahead->lock);
        ahead->decoding -= job.decode;
        if (job.decode && ahead->decodes.count)
            pthread_cond_signal(&ahead->wanted);
    }
    pthread_mutex_unlock(&ahead->lock);
    return NULL;
}

/* Asking waits for the disk's queue, decoding for its pages: one thread more than may decode. */
static sfs_status start_threads(sfs_ahead *ahead, sfs_error *error)
{
    sigset_t all, before;
    int failed = 0;
    sigfillset(&all);
    sigdelset(&all, SIGBUS); /* guarded; all others are for the main thread */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ahead->decoding_max = sfs_processors() < 8 ? 2 : MAX_THREADS - 1;
    for (unsigned i = 0; i <= ahead->decoding_max && !failed; i++) {
        failed = pthread_create(&ahead->threads[i], NULL, work, ahead);
        ahead->thread_count += !failed;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        snprintf(error->message, sizeof error->message, "cannot start a thread: %s",
                 strerror(failed));
    return -failed;
}

sfs_status sfs_ahead_open(const sfs_collection *collection, sfs_tree *tree, sfs_batches *batches,
                          uint64_t depth, sfs_ahead **out, sfs_error *error)
{
    sfs_ahead *ahead = calloc(1, sizeof *ahead);
    if (!ahead) {
        snprintf(error->message, sizeof error->message, "out of memory");
        return -ENOMEM;
    }
    ahead->collection = collection;
    ahead->tree = tree;
    ahead->batches = batches;
    ahead->depth = depth;
    pthread_mutex_init(&ahead->lock, NULL);
    pthread_cond_init(&ahead->wanted, NULL);
    sfs_status status = depth ? start_threads(ahead, error) : 0;
    if (status)
        sfs_ahead_close(ahead);
    else
        *out = ahead;
    return status;
}

void sfs_ahead_close(sfs_ahead *ahead)
{
    if (!ahead)
        return;
    pthread_mutex_lock(&ahead->lock);
    ahead->closing = true;
    pthread_cond_broadcast(&ahead->wanted);
    pthread_mutex_unlock(&ahead->lock);
    for (unsigned i = 0; i < ahead->thread_count; i++)
        pthread_join(ahead->threads[i], NULL);
    pthread_cond_destroy(&ahead->wanted);
    pthread_mutex_destroy(&ahead->lock);
    free(ahead);
}

/* --- sequences -------------------------------------------------------------------------------- */

static struct stream *stream_of(sfs_ahead *ahead, uint64_t id)
{
    struct stream *oldest = ahead->streams;
    for (struct stream *stream = ahead->streams; stream < ahead->streams + STREAMS; stream++) {
        if (stream->id == id) {
            stream->used = ++ahead->clock;
            return stream;
        }
        if (stream->used < oldest->used)
            oldest = stream;
    }
    *oldest = (struct stream){.id = id, .used = ++ahead->clock};
    return oldest;
}

static bool was_opened(const struct stream *stream, uint64_t number)
{
    for (unsigned i = 0; i < RECENT; i++)
        if (stream->recent[i] == number + 1)
            return true;
    return false;
}

/* The stride in which file `number` continues a sequence; 0: in none. The first file of an epoch is
 * taken to begin one. */
static uint64_t find_stride(const struct stream *stream, uint64_t number)
{
    if (!number)
        return 1;
    for (uint64_t stride = 1; stride <= MAX_STRIDE && stride <= number; stride++)
        if (was_opened(stream, number - stride) &&
            (number < 2 * stride || was_opened(stream, number - 2 * stride)))
            return stride;
    return 0;
}

/* The next batch of the sequence that nobody has opened yet. */
static uint64_t next_unopened(const struct stream *stream, uint64_t number)
{
    do
        number += stream->stride;
    while (was_opened(stream, number));
    return number;
}

static bool push_job(sfs_ahead *ahead, const struct stream *stream, uint64_t number, struct job job)
{
    sfs_batch batch = {stream->id, number};
    if (!sfs_batch_node(ahead->tree, &batch, &job.node))
        return false;
    push(job.decode ? &ahead->decodes : &ahead->asks, job);
    pthread_cond_signal(&ahead->wanted);
    return true;
}

/* Has batches behind this one asked for, but for those that were. */
static void ask_ahead(sfs_ahead *ahead, struct stream *stream, uint64_t number, uint64_t size)
{
    uint64_t count = 1 + ASK_BYTES / (size + 1);
    uint64_t last = number + (count < MAX_ASKS ? count : MAX_ASKS) * stream->stride;
    bool goes_on = stream->asked > number && stream->asked <= last;
    for (uint64_t next = (goes_on ? stream->asked : number) + stream->stride; next <= last;
         next += stream->stride) {
        if (!push_job(ahead, stream, next, (struct job){.decode = false}))
            break;
        stream->asked = next;
    }
}

/* Has the piece decoded that stands `distance` pieces behind piece `from` of a batch, where every
 * batch has `count` of them. */
static void decode_ahead(sfs_ahead *ahead, const struct stream *stream, uint64_t number,
                         uint32_t from, uint32_t count, uint64_t distance)
{
    uint64_t at = from + distance;
    for (uint64_t batch = at / count; batch; batch--)
        number = next_unopened(stream, number);
    push_job(ahead, stream, number, (struct job){.decode = true, .piece = (uint32_t)(at % count)});
}

/* Pieces that are decoded ahead: no more than there may be, and than the queue has room for. */
static uint64_t window_of(const sfs_ahead *ahead, uint32_t count)
{
    uint64_t room = sfs_batches_room(ahead->batches) / 2, most = MAX_JOBS / 2;
    most = room < most ? room : most;
    if (ahead->depth == SFS_AHEAD_AUTO)
        return AUTO_PIECES < most ? AUTO_PIECES : most;
    return ahead->depth < most / count ? ahead->depth * count : most;
}

/* A stride other than 1 counts once it was found twice in a row: of readers at random, or of
 * workers that overtake each other, some batches look like a sequence. Returns whether it is a new
 * one. */
static bool take_stride(struct stream *stream, uint64_t found)
{
    uint64_t before = stream->stride;
    if (found <= 1 || found == stream->candidate)
        stream->stride = found;
    stream->candidate = found;
    return stream->stride && stream->stride != before;
}

/* Called with the lock. Returns whether the batch is one of a sequence: the first batch of an epoch
 * has the next ones worked at, but is none until there is another. */
static bool note_open(sfs_ahead *ahead, struct stream *stream, uint64_t number,
                      const sfs_held *held)
{
    bool begins = take_stride(stream, find_stride(stream, number));
    uint32_t count = sfs_held_pieces(held);
    stream->recent[stream->recent_at++ % RECENT] = number + 1;
    if (!stream->stride)
        return false;
    if (begins) {
        stream->asked = 0;
        stream->begins = true;
    }
    bool in_sequence = stream->recent_at > 1;
    if (in_sequence) {
        push_job(ahead, stream, number, (struct job){.opened = true, .first = stream->begins});
        stream->begins = false;
    }
    ask_ahead(ahead, stream, number, sfs_file_size(sfs_held_file(held)));
    if (begins && count)
        for (uint64_t i = 1; i < window_of(ahead, count); i++)
            decode_ahead(ahead, stream, number, 0, count, i);
    return in_sequence;
}

void sfs_ahead_open_file(sfs_ahead *ahead, sfs_node node, sfs_held *held)
{
    sfs_batch batch;
    bool in_sequence = false;
    if (!sfs_batch_of(ahead->tree, node, &batch))
        return;
    pthread_mutex_lock(&ahead->lock);
    struct stream *stream = stream_of(ahead, batch.stream);
    unsigned last = (stream->recent_at + RECENT - 1) % RECENT;
    if (ahead->depth && stream->recent[last] != batch.number + 1) /* not for another part of it */
        in_sequence = note_open(ahead, stream, batch.number, held);
    pthread_mutex_unlock(&ahead->lock);
    if (!in_sequence)
        ask_for_one(ahead, held);
}

void sfs_ahead_read_piece(sfs_ahead *ahead, sfs_node node, const sfs_held *held, uint32_t piece,
                          bool busy)
{
    sfs_batch batch;
    uint32_t count = sfs_held_pieces(held);
    if (busy && ahead->depth == SFS_AHEAD_AUTO)
        return;
    if (!ahead->depth || !count || !sfs_batch_of(ahead->tree, node, &batch))
        return;
    pthread_mutex_lock(&ahead->lock);
    struct stream *stream = stream_of(ahead, batch.stream);
    if (stream->stride)
        decode_ahead(ahead, stream, batch.number, piece, count, window_of(ahead, count));
    pthread_mutex_unlock(&ahead->lock);
}
