/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "log.h"
#include "operations.h"
#include "processors.h"

enum { MIN_THREADS = 8, MAX_THREADS = 32 };

static int mountpoint_error(const char *mountpoint, const char *what)
{
    fprintf(stderr, "shufflefs: %s: %s\n", mountpoint, what);
    return SFS_EXIT_MOUNTPOINT;
}

/* statvfs, because the kernel remembers a dead file system's attributes. */
static int check_mountpoint(const char *mountpoint)
{
    struct stat stat_buffer;
    struct statvfs statvfs_buffer;
    if (stat(mountpoint, &stat_buffer) || statvfs(mountpoint, &statvfs_buffer)) {
        if (errno == ENOTCONN) {
            fprintf(stderr,
                    "shufflefs: %s: a file system whose daemon died is still mounted here; "
                    "unmount it with: fusermount3 -u %s\n",
                    mountpoint, mountpoint);
            return SFS_EXIT_MOUNTPOINT;
        }
        return mountpoint_error(mountpoint, strerror(errno));
    }
    return S_ISDIR(stat_buffer.st_mode) ? 0 : mountpoint_error(mountpoint, "expected a directory");
}

/* A path as the value of an option: commas and backslashes escaped. */
static void append_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == ',' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
}

/* What libfuse is told to mount with; malloc'ed. */
static char *mount_options(const sfs_options *options, const sfs_collection *collection)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fputs("ro,nosuid,nodev,default_permissions,subtype=shufflefs,", out);
    fprintf(out, "max_read=%d,fsname=", SFS_READ_MAX);
    append_escaped(out, sfs_collection_path(collection));
    if (options->allow_other)
        fputs(",allow_other", out);
    if (options->auto_unmount)
        fputs(",auto_unmount", out);
    return fclose(out) ? NULL : text;
}

static struct fuse_session *new_session(const sfs_options *options,
                                        const sfs_collection *collection, sfs_daemon *daemon)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    char *text = mount_options(options, collection);
    struct fuse_session *session = NULL;
    if (text && !fuse_opt_add_arg(&args, "shufflefs") && !fuse_opt_add_arg(&args, "-o") &&
        !fuse_opt_add_arg(&args, text) && (!options->debug || !fuse_opt_add_arg(&args, "-d")))
        session = fuse_session_new(&args, &sfs_operations, sizeof sfs_operations, daemon);
    fuse_opt_free_args(&args);
    free(text);
    return session;
}

/* Reads from several processes at once are what it is for: at least a few threads, however few the
 * cores. */
static unsigned thread_count(void)
{
    unsigned threads = 2 * sfs_processors();
    return threads < MIN_THREADS ? MIN_THREADS : threads > MAX_THREADS ? MAX_THREADS : threads;
}

/* The kernel may call the connection aborted while a mount is being taken away: an abort on purpose
 * leaves the mount, and nobody behind it. */
static bool is_unmounted(const char *mountpoint)
{
    struct statvfs statvfs_buffer;
    return !statvfs(mountpoint, &statvfs_buffer);
}

/* libfuse returns the number of the signal that ended the loop: that is a clean end too. */
static int serve(struct fuse_session *session, const char *mountpoint)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    if (!config)
        return SFS_EXIT_FUSE;
    fuse_loop_cfg_set_max_threads(config, thread_count());
    int ended = fuse_session_loop_mt(session, config);
    fuse_loop_cfg_destroy(config);
    if (ended >= 0 || (ended == -ECONNABORTED && is_unmounted(mountpoint)))
        return SFS_EXIT_OK;
    sfs_log_error("the connection to the kernel failed: %s", strerror(-ended));
    return SFS_EXIT_FUSE;
}

static int run_mounted(struct fuse_session *session, const sfs_options *options,
                       const char *mountpoint, sfs_daemon *daemon)
{
    int failed = sfs_negotiate_prepare(session);
    if (failed) {
        sfs_log_error("cannot set up the connection to the kernel: %s", strerror(-failed));
        return SFS_EXIT_FUSE;
    }
    if (fuse_daemonize(options->foreground)) {
        sfs_log_error("cannot go to the background: %s", strerror(errno));
        return SFS_EXIT_FUSE;
    }
    if (!options->foreground)
        sfs_log_to_syslog();
    if (sfs_daemon_start(daemon, options))
        return SFS_EXIT_FUSE;
    daemon->session = session;
    int status = serve(session, mountpoint);
    sfs_daemon_finish(daemon);
    return status;
}

/* Signals are handled before there is a mount that they could leave behind. */
static int mount_and_run(struct fuse_session *session, const sfs_options *options,
                         const char *mountpoint, sfs_daemon *daemon)
{
    if (fuse_set_signal_handlers(session)) {
        fprintf(stderr, "shufflefs: cannot handle signals: %s\n", strerror(errno));
        return SFS_EXIT_FUSE;
    }
    int status = SFS_EXIT_FUSE;
    if (fuse_session_mount(session, mountpoint)) {
        fprintf(stderr, "shufflefs: cannot mount at %s; is /dev/fuse there, and may you use it?\n",
                mountpoint);
    } else {
        status = run_mounted(session, options, mountpoint, daemon);
        fuse_session_unmount(session);
    }
    fuse_remove_signal_handlers(session);
    return status;
}

static int run_session(const sfs_options *options, const char *mountpoint,
                       const sfs_collection *collection, sfs_daemon *daemon)
{
    struct fuse_session *session = new_session(options, collection, daemon);
    if (!session) {
        fprintf(stderr, "shufflefs: cannot start a FUSE session\n");
        return SFS_EXIT_FUSE;
    }
    int status = mount_and_run(session, options, mountpoint, daemon);
    fuse_session_destroy(session);
    return status;
}

static int run_at(const sfs_options *options, const char *mountpoint,
                  const sfs_collection *collection, sfs_tree *tree)
{
    sfs_daemon daemon;
    sfs_log_take_libfuse();
    if (sfs_daemon_open(&daemon, tree, collection, options))
        return SFS_EXIT_FUSE;
    int status = run_session(options, mountpoint, collection, &daemon);
    sfs_daemon_close(&daemon);
    return status;
}

int sfs_session_run(const sfs_options *options, const sfs_collection *collection, sfs_tree *tree)
{
    int status = check_mountpoint(options->mountpoint);
    if (status)
        return status;
    /* Absolute, because libfuse unmounts by this name after it has gone to the root directory. */
    char *mountpoint = realpath(options->mountpoint, NULL);
    if (!mountpoint)
        return mountpoint_error(options->mountpoint, strerror(errno));
    status = run_at(options, mountpoint, collection, tree);
    free(mountpoint);
    return status;
}
