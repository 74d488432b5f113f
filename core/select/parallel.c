/* SPDX-License-Identifier: Apache-2.0 */
#include "select/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

/* What the workers share. */
struct job {
    const sfs_map_set *files;
    uint64_t tasks;
    sfs_parallel_body body;
    void *context;
    _Atomic uint64_t next;
    _Atomic bool failed;
    pthread_mutex_t lock; /* of what follows */
    sfs_status status;
    sfs_error error;
};

struct worker {
    struct job *job;
    unsigned number;
    uint64_t task;
    pthread_t thread;
};

unsigned sfs_parallel_workers(uint64_t tasks)
{
    cpu_set_t cores;
    int count = sched_getaffinity(0, sizeof cores, &cores) ? 1 : CPU_COUNT(&cores);
    uint64_t workers = count < 1 ? 1 : (uint64_t)count;
    workers = workers < SFS_WORKERS_MAX ? workers : SFS_WORKERS_MAX;
    return (unsigned)(workers < tasks ? workers : tasks ? tasks : 1);
}

static sfs_status run_task(void *context, sfs_error *error)
{
    const struct worker *worker = context;
    return worker->job->body(worker->job->context, worker->number, worker->task, error);
}

static void keep_failure(struct job *job, sfs_status status, const sfs_error *error)
{
    pthread_mutex_lock(&job->lock);
    if (!job->status) {
        job->status = status;
        job->error = *error;
    }
    pthread_mutex_unlock(&job->lock);
    atomic_store(&job->failed, true);
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct job *job = worker->job;
    while (!atomic_load(&job->failed)) {
        sfs_error error;
        worker->task = atomic_fetch_add(&job->next, 1);
        if (worker->task >= job->tasks)
            break;
        sfs_status status = sfs_guard(job->files, run_task, worker, &error);
        if (status)
            keep_failure(job, status, &error);
    }
    return NULL;
}

/* Signals are for the threads of the program; but SIGBUS is for the thread that reads. */
static void block_signals(sigset_t *before)
{
    static const int own[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

sfs_status sfs_parallel(const sfs_map_set *files, uint64_t tasks, unsigned workers,
                        sfs_parallel_body body, void *context, sfs_error *error)
{
    struct job job = {.files = files,
                      .tasks = tasks,
                      .body = body,
                      .context = context,
                      .lock = PTHREAD_MUTEX_INITIALIZER};
    struct worker all[SFS_WORKERS_MAX];
    unsigned started = 1;
    sigset_t before;
    block_signals(&before);
    for (unsigned i = 0; i < workers && i < SFS_WORKERS_MAX; i++)
        all[i] = (struct worker){.job = &job, .number = i};
    /* Fewer threads than wanted are enough. */
    while (started < workers && started < SFS_WORKERS_MAX &&
           !pthread_create(&all[started].thread, NULL, work, &all[started]))
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    work(&all[0]);
    while (--started)
        pthread_join(all[started].thread, NULL);
    if (job.status && error)
        *error = job.error;
    return job.status;
}
