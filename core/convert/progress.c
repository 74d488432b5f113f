/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { BAR_CELLS = 30 };

/* Seconds between two updates: on a terminal, and in a log. */
static const double terminal_interval = 0.1, log_interval = 10.0;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void sfs_progress_init(sfs_progress *progress, bool quiet)
{
    *progress = (sfs_progress){.quiet = quiet, .terminal = isatty(STDERR_FILENO)};
}

static void show_bar(const sfs_progress *progress, double rate, double left)
{
    char bar[BAR_CELLS + 1];
    double share = progress->total ? (double)progress->done / (double)progress->total : 1;
    int filled = (int)(share * (double)BAR_CELLS);
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r%-20.20s [%s] %3.0f%%  %.3g/s  %.0f s left \033[K", progress->what, bar,
            share * 100, rate, left);
    fflush(stderr);
}

static void show(sfs_progress *progress, double time)
{
    double elapsed = time - progress->started;
    double rate = elapsed > 0 ? (double)progress->done / elapsed : 0;
    double left = rate > 0 ? (double)(progress->total - progress->done) / rate : 0;
    progress->shown = time;
    if (progress->terminal)
        show_bar(progress, rate, left);
    else
        fprintf(stderr, "%s: %" PRIu64 " of %" PRIu64 ", %.3g/s, %.0f s left\n", progress->what,
                progress->done, progress->total, rate, left);
}

void sfs_progress_start(sfs_progress *progress, const char *what, uint64_t total)
{
    progress->what = what;
    progress->done = 0;
    progress->total = total;
    progress->started = progress->shown = now();
}

void sfs_progress_update(sfs_progress *progress, uint64_t done)
{
    progress->done = done < progress->total ? done : progress->total;
    if (progress->quiet)
        return;
    double time = now();
    if (time - progress->shown >= (progress->terminal ? terminal_interval : log_interval))
        show(progress, time);
}

void sfs_progress_finish(sfs_progress *progress)
{
    if (progress->quiet)
        return;
    double elapsed = now() - progress->started;
    fprintf(stderr, "%s%s: %" PRIu64 " done in %.1f s%s\n", progress->terminal ? "\r" : "",
            progress->what, progress->total, elapsed, progress->terminal ? "\033[K" : "");
}

void sfs_progress_note(sfs_progress *progress, const char *format, ...)
{
    if (progress->quiet)
        return;
    va_list args;
    va_start(args, format);
    fputs(progress->terminal ? "\r\033[K" : "", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}
