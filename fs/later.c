/* SPDX-License-Identifier: Apache-2.0 */
#include "later.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 64 };

struct job {
    sfs_later *later;
    sfs_late_request request;
    char name[]; /* the request's own */
};

void sfs_later_open(sfs_later *later)
{
    *later = (sfs_later){0};
    pthread_mutex_init(&later->lock, NULL);
    pthread_cond_init(&later->ended, NULL);
}

void sfs_later_close(sfs_later *later)
{
    pthread_mutex_lock(&later->lock);
    while (later->running)
        pthread_cond_wait(&later->ended, &later->lock);
    pthread_mutex_unlock(&later->lock);
    pthread_cond_destroy(&later->ended);
    pthread_mutex_destroy(&later->lock);
}

static bool take(sfs_later *later)
{
    pthread_mutex_lock(&later->lock);
    bool taken = later->running < MAX_THREADS;
    later->running += taken;
    pthread_mutex_unlock(&later->lock);
    return taken;
}

/* Under the lock to its end: whoever waits for the last one destroys the condition next. */
static void give_back(sfs_later *later)
{
    pthread_mutex_lock(&later->lock);
    later->running--;
    pthread_cond_broadcast(&later->ended);
    pthread_mutex_unlock(&later->lock);
}

static void *run(void *context)
{
    struct job *job = context;
    sfs_later *later = job->later;
    job->request.answer(&job->request);
    free(job);
    give_back(later);
    return NULL;
}

/* Signals are for the main thread. */
static bool start(struct job *job)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = !pthread_create(&thread, &attributes, run, job);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

bool sfs_later_answer(sfs_later *later, const sfs_late_request *request)
{
    size_t length = request->name ? strlen(request->name) + 1 : 0;
    if (!take(later))
        return false;
    struct job *job = malloc(sizeof *job + length);
    if (!job) {
        give_back(later);
        return false;
    }
    job->later = later;
    job->request = *request;
    if (length)
        job->request.name = memcpy(job->name, request->name, length);
    if (start(job))
        return true;
    free(job);
    give_back(later);
    return false;
}
