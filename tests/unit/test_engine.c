/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's batches and what works ahead of readers, over a tree that this file makes up: files
 * of 3.3 MB whose bytes tell their node and place, and which count how often each is made and
 * decoded. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ahead.h"
#include "check.h"
#include "pool.h"

enum { FILES = 400, FILE_BYTES = 3300001, FIRST_NODE = 1000, PIECES = 4, BAD = 399 };

struct sfs_file {
    sfs_node node;
};

static atomic_int made[FILES], decoded[FILES][PIECES], asked[FILES], asked_again[FILES];
static atomic_int alive;
static atomic_bool slow, busy;

sfs_status sfs_open(sfs_tree *tree, sfs_node node, sfs_file **out, sfs_error *error)
{
    (void)tree;
    *out = malloc(sizeof **out);
    if (!*out) {
        strcpy(error->message, "out of memory");
        return -1;
    }
    (*out)->node = node;
    atomic_fetch_add(&made[node - FIRST_NODE], 1);
    atomic_fetch_add(&alive, 1);
    return 0;
}

void sfs_file_close(sfs_file *file)
{
    if (file)
        atomic_fetch_sub(&alive, 1);
    free(file);
}

uint64_t sfs_file_size(const sfs_file *file)
{
    (void)file;
    return FILE_BYTES;
}

bool sfs_file_is_decoded(const sfs_file *file)
{
    (void)file;
    return true;
}

uint64_t sfs_file_memory(const sfs_file *file)
{
    (void)file;
    return 1000;
}

static uint8_t byte_at(sfs_node node, uint64_t offset)
{
    return (uint8_t)(node * 31 + offset / 97 * 7);
}

static void fill(sfs_node node, uint64_t offset, uint8_t *out, size_t size)
{
    for (size_t at = 0, run; at < size; at += run) {
        run = 97 - (offset + at) % 97;
        run = run < size - at ? run : size - at;
        memset(out + at, byte_at(node, offset + at), run);
    }
}

sfs_status sfs_file_read(const sfs_file *file, void *buffer, size_t size, uint64_t offset,
                         size_t *got, sfs_error *error)
{
    if (file->node == FIRST_NODE + BAD) {
        if (error)
            strcpy(error->message, "damaged");
        return -5;
    }
    if (atomic_load(&slow))
        usleep(2000);
    fill(file->node, offset, buffer, size);
    atomic_fetch_add(&decoded[file->node - FIRST_NODE][offset / SFS_POOL_BUFFER], 1);
    *got = size;
    return 0;
}

struct sfs_reader {
    struct iovec segment;
    uint8_t bytes[SFS_POOL_BUFFER];
};

static atomic_int by_range;

sfs_status sfs_file_read_segments(const sfs_file *file, sfs_reader *reader, size_t size,
                                  uint64_t offset, const struct iovec **segments, int *count,
                                  sfs_error *error)
{
    (void)error;
    atomic_fetch_add(&by_range, size != 0);
    fill(file->node, offset, reader->bytes, size);
    reader->segment = (struct iovec){reader->bytes, size};
    *segments = &reader->segment;
    *count = 1;
    return 0;
}

/* Files with an even number are in memory. */
bool sfs_file_will_need(const sfs_file *file, uint64_t offset, uint64_t size)
{
    (void)offset;
    (void)size;
    atomic_fetch_add(&asked[file->node - FIRST_NODE], 1);
    return (file->node - FIRST_NODE) % 2;
}

void sfs_file_will_need_again(const sfs_file *file, uint64_t offset, uint64_t size)
{
    (void)offset;
    (void)size;
    atomic_fetch_add(&asked_again[file->node - FIRST_NODE], 1);
}

bool sfs_batch_will_need_blocks(sfs_tree *tree, sfs_node node, bool first)
{
    (void)tree;
    (void)node;
    (void)first;
    return false;
}

bool sfs_collection_fits_in_memory(const sfs_collection *collection)
{
    (void)collection;
    return false;
}

bool sfs_tree_sweep(const sfs_tree *tree, uint64_t from, uint64_t length)
{
    (void)tree;
    (void)from;
    (void)length;
    return false;
}

double sfs_file_cold_share(const sfs_file *file)
{
    (void)file;
    return 0;
}

bool sfs_batch_of(sfs_tree *tree, sfs_node node, sfs_batch *out)
{
    (void)tree;
    *out = (sfs_batch){.stream = FIRST_NODE, .number = node - FIRST_NODE};
    return true;
}

bool sfs_batch_node(sfs_tree *tree, const sfs_batch *batch, sfs_node *out)
{
    (void)tree;
    *out = FIRST_NODE + batch->number;
    return batch->number < FILES;
}

/* Files from here on are of a current view. */
static atomic_uint current_from;
static atomic_bool crowded;

bool sfs_tree_is_crowded(sfs_tree *tree)
{
    (void)tree;
    return atomic_load(&crowded);
}

bool sfs_tree_is_current(sfs_tree *tree, sfs_node node)
{
    (void)tree;
    return node - FIRST_NODE >= atomic_load(&current_from);
}

static void forget_counts(void)
{
    memset(made, 0, sizeof made);
    memset(decoded, 0, sizeof decoded);
    memset(asked, 0, sizeof asked);
    memset(asked_again, 0, sizeof asked_again);
    atomic_store(&by_range, 0);
}

/* Whether a read gives what it has to; it may end early at the end of the file alone. */
static bool reads_right(sfs_batches *batches, sfs_ahead *ahead, sfs_held *held, sfs_reader *reader,
                        sfs_node node, size_t size, uint64_t offset)
{
    sfs_answer answer;
    sfs_error error;
    size_t at = 0;
    bool right = true;
    if (sfs_held_read(batches, held, reader, size, offset, &answer, &error))
        return false;
    for (int i = 0; i < answer.count; i++) {
        const uint8_t *bytes = answer.segments[i].iov_base;
        for (size_t j = 0; j < answer.segments[i].iov_len; j += 97, at += 97)
            right &=
                bytes[j] == byte_at(node, offset + (uint64_t)(answer.count > 1 && i
                                                                  ? answer.segments[0].iov_len + j
                                                                  : j));
    }
    size_t got = 0, left = offset < FILE_BYTES ? FILE_BYTES - offset : 0;
    for (uint32_t i = answer.pieces - answer.new_pieces; i < answer.pieces; i++)
        sfs_ahead_read_piece(ahead, node, held, answer.first_piece + i, atomic_load(&busy));
    for (int i = 0; i < answer.count; i++)
        got += answer.segments[i].iov_len;
    sfs_held_release(batches, held, &answer);
    return right && got == (size < left ? size : left);
}

static bool read_file(sfs_batches *batches, sfs_ahead *ahead, sfs_reader *reader, unsigned number)
{
    sfs_node node = FIRST_NODE + number;
    sfs_held *held;
    sfs_error error;
    bool right = true;
    if (sfs_batches_hold(batches, node, &held, &error))
        return false;
    sfs_ahead_open_file(ahead, node, held);
    for (uint64_t at = 0; at < FILE_BYTES; at += SFS_POOL_BUFFER)
        right &= reads_right(batches, ahead, held, reader, node, SFS_POOL_BUFFER, at);
    right &= reads_right(batches, ahead, held, reader, node, SFS_POOL_BUFFER, 12345);
    right &= reads_right(batches, ahead, held, reader, node, 10, FILE_BYTES);
    sfs_batches_drop(batches, held);
    return right;
}

struct engine {
    sfs_batches *batches;
    sfs_ahead *ahead;
};

static struct engine open_engine(uint64_t cache_size, uint64_t depth)
{
    struct engine engine = {0};
    sfs_error error;
    CHECK(!sfs_batches_open(NULL, cache_size, &engine.batches, &error));
    CHECK(!sfs_ahead_open(NULL, NULL, engine.batches, depth, &engine.ahead, &error));
    forget_counts();
    return engine;
}

static void close_engine(struct engine *engine)
{
    sfs_ahead_close(engine->ahead);
    sfs_batches_close(engine->batches);
    CHECK(atomic_load(&alive) == 0);
}

enum { THREADS = 16 };

struct task {
    struct engine *engine;
    unsigned seed, count, files;
    bool same, right;
};

static void *run_task(void *context)
{
    struct task *task = context;
    sfs_reader *reader = malloc(sizeof *reader);
    task->right = reader;
    for (unsigned i = 0; reader && i < task->count; i++) {
        unsigned number = task->same ? i : (unsigned)rand_r(&task->seed) % task->files;
        task->right &= read_file(task->engine->batches, task->engine->ahead, reader, number);
    }
    free(reader);
    return NULL;
}

static void run_tasks(struct engine *engine, unsigned count, unsigned files, bool same)
{
    pthread_t threads[THREADS];
    struct task tasks[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        tasks[i] = (struct task){engine, i + 1, count, files, same, false};
        pthread_create(&threads[i], NULL, run_task, &tasks[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(tasks[i].right);
    }
}

/* All threads read the same files at once: each is made once, and each piece decoded once. So few
 * pieces are kept even when all have read them (KEPT_WHEN_READ). */
static void test_single_flight(void)
{
    struct engine engine = open_engine(UINT64_C(256) << 20, 0);
    atomic_store(&slow, true);
    run_tasks(&engine, 2, FILES, true);
    atomic_store(&slow, false);
    for (unsigned file = 0; file < 2; file++) {
        CHECK(made[file] == 1);
        for (unsigned piece = 0; piece < PIECES; piece++)
            CHECK(decoded[file][piece] == 1);
    }
    CHECK(by_range == 0);
    close_engine(&engine);
}

/* Random files, with hardly any room, some, and none. */
static void test_little_room(void)
{
    static const uint64_t sizes[] = {0, 1 << 20, 14 << 20, 64 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct engine engine = open_engine(sizes[i], i % 2 ? SFS_AHEAD_AUTO : 3);
        run_tasks(&engine, 8, FILES - 1, false);
        close_engine(&engine);
    }
}

/* Waits until the threads that work ahead have had time; true as soon as the counter has a value.
 */
static bool comes_to(const atomic_int *counter, int value)
{
    for (int i = 0; i < 2000 && atomic_load(counter) != value; i++)
        usleep(1000);
    return atomic_load(counter) == value;
}

static void test_sequence(unsigned first, unsigned stride)
{
    struct engine engine = open_engine(UINT64_C(256) << 20, 2);
    sfs_reader *reader = malloc(sizeof *reader);
    unsigned count = stride == 1 ? 3 : 4; /* until it is taken for a sequence */
    for (unsigned i = 0; reader && i < count; i++)
        CHECK(read_file(engine.batches, engine.ahead, reader, first + i * stride));
    unsigned next = first + count * stride;
    CHECK(comes_to(&decoded[next][PIECES - 1], 1));
    CHECK(comes_to(&decoded[next + stride][PIECES - 1], 1));
    CHECK(comes_to(&asked[next + 4 * stride], 1));
    CHECK(decoded[next + 2 * stride][0] == 0); /* not further than was said */
    CHECK(made[next + 1] == (stride == 1));
    CHECK(reader && read_file(engine.batches, engine.ahead, reader, next));
    /* The first two are read once more at the end, and may have lost their buffers by then. */
    CHECK(made[next] == 1 && decoded[next][2] == 1 && decoded[next][3] == 1);
    free(reader);
    close_engine(&engine);
}

/* Where readers take all processors, what is decoded ahead is what the mount option says, or
 * nothing. */
static void test_busy(uint64_t depth, bool many, int expected)
{
    struct engine engine = open_engine(UINT64_C(256) << 20, depth);
    sfs_reader *reader = malloc(sizeof *reader);
    atomic_store(&busy, many);
    for (unsigned i = 0; reader && i < 5; i++) /* the first two are of what begins a sequence */
        CHECK(read_file(engine.batches, engine.ahead, reader, i));
    CHECK(comes_to(&asked[7], 1));
    CHECK(comes_to(&decoded[5][0], expected));
    usleep(20000);
    CHECK(decoded[5][0] == expected);
    atomic_store(&busy, false);
    free(reader);
    close_engine(&engine);
}

/* A file that was asked for ahead is asked for again when it is opened, if it was not in memory. */
static void test_asking_again(void)
{
    struct engine engine = open_engine(UINT64_C(256) << 20, 2);
    sfs_reader *reader = malloc(sizeof *reader);
    for (unsigned i = 0; reader && i < 20; i++) {
        CHECK(read_file(engine.batches, engine.ahead, reader, i));
        CHECK(comes_to(&asked[i + 4], 1));
    }
    for (unsigned i = 2; i < 20; i++) {
        CHECK(comes_to(&asked_again[i], i % 2));
        CHECK(comes_to(&asked[i], i % 2 ? 1 : 2)); /* looked at again, where all was in memory */
    }
    CHECK(asked_again[21] == 0);
    free(reader);
    close_engine(&engine);
}

/* What is opened at random is no sequence, and a depth of 0 means that nothing is done. */
static void test_no_sequence(void)
{
    static const unsigned numbers[] = {300, 17, 202, 90, 251};
    struct engine engine = open_engine(UINT64_C(256) << 20, 2);
    sfs_reader *reader = malloc(sizeof *reader);
    int in_all = 0;
    for (unsigned i = 0; reader && i < 5; i++)
        CHECK(read_file(engine.batches, engine.ahead, reader, numbers[i]));
    usleep(20000);
    for (unsigned i = 0; i < FILES; i++)
        in_all += made[i];
    CHECK(in_all == 5);
    close_engine(&engine);
    engine = open_engine(UINT64_C(256) << 20, 0);
    for (unsigned i = 0; reader && i < 4; i++)
        CHECK(read_file(engine.batches, engine.ahead, reader, i));
    usleep(20000);
    CHECK(made[4] == 0);
    free(reader);
    close_engine(&engine);
}

/* Damage is told to each reader, and holds up nobody. */
static void test_damage(void)
{
    struct engine engine = open_engine(UINT64_C(64) << 20, 2);
    sfs_reader *reader = malloc(sizeof *reader);
    sfs_held *held;
    sfs_error error;
    sfs_answer answer;
    CHECK(!sfs_batches_hold(engine.batches, FIRST_NODE + BAD, &held, &error));
    for (int i = 0; reader && i < 3; i++) {
        CHECK(sfs_held_read(engine.batches, held, reader, 100, 5, &answer, &error) == -5);
        CHECK(!strcmp(error.message, "damaged"));
    }
    sfs_held_fill(engine.batches, held, 0);
    sfs_batches_drop(engine.batches, held);
    free(reader);
    close_engine(&engine);
}

/* What was prefetched and not read stays within half of the buffers. */
static void test_prefetch_leaves_room(void)
{
    struct engine engine = open_engine(UINT64_C(32) << 20, 0);
    int pieces = 0;
    for (unsigned i = 0; i < 20; i++) {
        sfs_held *held;
        sfs_error error;
        CHECK(!sfs_batches_hold(engine.batches, FIRST_NODE + i, &held, &error));
        for (uint32_t piece = 0; piece < PIECES; piece++)
            sfs_held_fill(engine.batches, held, piece);
        sfs_batches_drop(engine.batches, held);
    }
    for (unsigned i = 0; i < 20; i++)
        for (unsigned j = 0; j < PIECES; j++)
            pieces += decoded[i][j];
    CHECK(pieces == 16);
    close_engine(&engine);
}

static void touch(sfs_batches *batches, unsigned number)
{
    sfs_held *held;
    CHECK(!sfs_batches_hold(batches, FIRST_NODE + number, &held, NULL));
    sfs_batches_drop(batches, held);
}

/* Files that nobody holds keep their views: those of other views go where these take too much. */
static void test_views_that_are_crowded(void)
{
    struct engine engine = open_engine(8 << 20, 0);
    sfs_held *held;
    atomic_store(&current_from, 5);
    CHECK(!sfs_batches_hold(engine.batches, FIRST_NODE + 4, &held, NULL));
    for (unsigned i = 0; i < 10; i++)
        touch(engine.batches, i);
    CHECK(atomic_load(&alive) == 10);
    atomic_store(&crowded, true);
    touch(engine.batches, 9);
    CHECK(atomic_load(&alive) == 6);
    sfs_batches_drop(engine.batches, held);
    CHECK(atomic_load(&alive) == 5);
    atomic_store(&crowded, false);
    touch(engine.batches, 0);
    CHECK(atomic_load(&alive) == 6 && atomic_load(&made[0]) == 2);
    sfs_batches_forget_others(engine.batches);
    CHECK(atomic_load(&alive) == 5);
    atomic_store(&current_from, 0);
    close_engine(&engine);
}

int main(void)
{
    test_views_that_are_crowded();
    test_single_flight();
    test_little_room();
    test_sequence(0, 1);
    test_sequence(40, 1);
    test_sequence(3, 4);
    test_sequence(100, 32);
    test_busy(SFS_AHEAD_AUTO, false, 1);
    test_busy(SFS_AHEAD_AUTO, true, 0);
    test_busy(2, true, 1);
    test_asking_again();
    test_no_sequence();
    test_damage();
    test_prefetch_leaves_room();
    return check_failures() != 0;
}
