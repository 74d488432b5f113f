/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/view_command.h"

#include <stdio.h>
#include <string.h>

#include "shufflefs/shufflefs.h"
#include "store/fail.h"

static const char help[] =
    "usage: mkshufflefs view add NAME.sfs VIEW [--KEY VALUE]...\n"
    "       mkshufflefs view list NAME.sfs\n"
    "       mkshufflefs view remove NAME.sfs VIEW\n"
    "\n"
    "Named views of a collection: VIEW is a directory in the root of every mount of it.\n"
    "\n"
    "  --KEY VALUE, --KEY=VALUE  a key of the view, as in shufflefs -o KEY=VALUE:\n"
    "                            --batch-size 512 --where \"tissue == 'lung'\"\n";

static int fail(const char *what)
{
    fprintf(stderr, "mkshufflefs: view: %s\n", what);
    return 1;
}

static int usage_error(const char *what)
{
    fprintf(stderr, "mkshufflefs: view: %s: see mkshufflefs view --help\n", what);
    return 1;
}

/* Reads one option and its value; moves *argv behind them. */
static int set_option(sfs_view *view, char ***argv)
{
    sfs_error error;
    char *word = *(*argv)++;
    SFS_AUTO_FREE char *key = strncmp(word, "--", 2) ? NULL : strdup(word + 2);
    if (!key)
        return usage_error("expected --KEY VALUE behind the name of the view");
    char *equals = strchr(key, '='), *value = equals ? equals + 1 : **argv;
    if (equals)
        *equals = '\0';
    for (char *at = key; *at; at++)
        *at = *at == '-' ? '_' : *at;
    if (!value)
        return usage_error("expected a value behind the last option");
    *argv += !equals;
    return sfs_view_set(view, key, value, &error) ? fail(error.message) : 0;
}

static int add(const sfs_collection *collection, char **argv)
{
    sfs_error error;
    sfs_view *view;
    const char *name = *argv;
    if (!name)
        return usage_error("expected the name of the view");
    if (sfs_view_new(&view, &error))
        return fail(error.message);
    int failed = 0;
    for (argv++; *argv && !failed;)
        failed = set_option(view, &argv);
    if (!failed && sfs_named_view_add(collection, name, view, &error))
        failed = fail(error.message);
    sfs_view_free(view);
    return failed;
}

static int list(const sfs_collection *collection, char **argv)
{
    sfs_error error;
    int failed = 0;
    if (*argv)
        return usage_error("expected nothing behind the collection");
    for (uint64_t i = 0;; i++) {
        char *name = NULL, *spelling = NULL;
        sfs_status status = sfs_named_view_get(collection, i, &name, &spelling, &error);
        if (name && !status)
            printf("%s\t%s\n", name, spelling);
        if (name && status)
            failed = fail(error.message);
        free(name);
        free(spelling);
        if (!name)
            return status == -ENOENT ? failed : fail(error.message);
    }
}

static int remove_view(const sfs_collection *collection, char **argv)
{
    sfs_error error;
    if (!*argv || argv[1])
        return usage_error("expected the name of one view");
    return sfs_named_view_remove(collection, *argv, &error) ? fail(error.message) : 0;
}

int sfs_view_command(char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const sfs_collection *collection, char **argv);
    } commands[] = {{"add", add}, {"list", list}, {"remove", remove_view}};
    sfs_collection *collection;
    sfs_error error;
    if (*argv && (!strcmp(*argv, "--help") || !strcmp(*argv, "-h")))
        return fputs(help, stdout) < 0;
    for (size_t i = 0; *argv && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(*argv, commands[i].name) != 0)
            continue;
        if (!argv[1])
            return usage_error("expected a collection");
        if (sfs_collection_open(argv[1], &collection, &error))
            return fail(error.message);
        int status = commands[i].run(collection, argv + 2);
        sfs_collection_close(collection);
        return status || fflush(stdout) ? 1 : 0;
    }
    return usage_error("expected add, list or remove");
}
