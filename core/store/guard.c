/* SPDX-License-Identifier: Apache-2.0 */
#include "store/guard.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

struct guard {
    sigjmp_buf jump;
    const sfs_map_set *set;
    const void *address; /* where the fault was; written by the handler */
    struct guard *outer;
};

/* The innermost guard of this thread; owned by the thread, read by its signal handler. */
static _Thread_local struct guard *volatile current;

/* What SIGBUS did before; written once, under `once`, before any guard runs. */
static struct sigaction previous;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void handle(int signal_number, siginfo_t *info, void *machine)
{
    struct guard *guard = current;
    if (guard && sfs_map_set_find(guard->set, info->si_addr)) {
        guard->address = info->si_addr;
        siglongjmp(guard->jump, 1);
    }
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(signal_number, info, machine);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signal_number);
    } else {
        /* Not ours: let the faulting instruction run again and end the process as it would have. */
        signal(SIGBUS, SIG_DFL);
    }
}

static void install(void)
{
    /* SA_NODEFER: siglongjmp leaves the handler without unblocking the signal. */
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &previous);
}

sfs_status sfs_guard(const sfs_map_set *set, sfs_status (*body)(void *context, sfs_error *error),
                     void *context, sfs_error *error)
{
    pthread_once(&once, install);
    struct guard guard = {.set = set, .outer = current};
    sfs_status status;
    if (sigsetjmp(guard.jump, 0)) {
        const sfs_map *map = sfs_map_set_find(set, guard.address);
        status =
            sfs_fail(error, -EIO,
                     "%s: expected %" PRIu64 " bytes, but the file could not be read at offset "
                     "%" PRIu64 ": it was cut short or its disk fails; restore the collection "
                     "and mount it again",
                     map->name, map->size, (uint64_t)((const uint8_t *)guard.address - map->bytes));
    } else {
        current = &guard;
        status = body(context, error);
    }
    current = guard.outer;
    return status;
}
