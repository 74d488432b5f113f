/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <syslog.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

/* Set once by the main thread, before the others start. */
static bool behind;

void sfs_log_to_syslog(void)
{
    openlog("shufflefs", LOG_PID, LOG_DAEMON);
    behind = true;
}

static void write_log(int priority, const char *format, va_list args)
{
    char line[2048];
    vsnprintf(line, sizeof line, format, args);
    if (behind)
        syslog(priority, "%s", line);
    else
        fprintf(stderr, "shufflefs: %s\n", line);
}

void sfs_log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_log(LOG_ERR, format, args);
    va_end(args);
}

static void from_libfuse(enum fuse_log_level level, const char *format, va_list args)
{
    char line[2048];
    int length = vsnprintf(line, sizeof line, format, args);
    if (length > 0 && line[length < (int)sizeof line ? length - 1 : (int)sizeof line - 2] == '\n')
        line[length < (int)sizeof line ? length - 1 : (int)sizeof line - 2] = '\0';
    if (behind)
        syslog((int)level, "%s", line);
    else
        fprintf(stderr, "shufflefs: %s\n", line);
}

void sfs_log_take_libfuse(void)
{
    fuse_set_log_func(from_libfuse);
}
