/* SPDX-License-Identifier: Apache-2.0 */
#include "store/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A message is one line of a log, whatever the names in it are made of. */
static void keep_to_one_line(sfs_error *error)
{
    for (char *at = error->message; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = '?';
}

sfs_status sfs_fail(sfs_error *error, sfs_status status, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        vsnprintf(error->message, sizeof error->message, format, args);
        va_end(args);
        keep_to_one_line(error);
    }
    return status;
}

sfs_status sfs_fail_memory(sfs_error *error)
{
    return sfs_fail(error, -ENOMEM, "out of memory");
}

void sfs_error_prefix(sfs_error *error, const char *format, ...)
{
    if (!error)
        return;
    sfs_error rest = *error;
    va_list args;
    va_start(args, format);
    int used = vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof error->message)
        snprintf(error->message + used, sizeof error->message - (size_t)used, "%.*s",
                 (int)(sizeof error->message - (size_t)used - 1), rest.message);
    keep_to_one_line(error);
}
