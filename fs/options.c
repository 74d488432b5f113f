/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "ahead.h"

enum { MAX_PREFETCH = 1024, SHARE_OF_MEMORY = 32, MAX_DEFAULT_CACHE = 1 << 30 };

static const char help[] =
    "usage: shufflefs COLLECTION MOUNTPOINT [-o key=value,...]\n"
    "       shufflefs --cat COLLECTION PATH [-o key=value,...]\n"
    "\n"
    "Mounts a collection (made by mkshufflefs) as shuffled training batches:\n"
    "MOUNTPOINT/epoch_0/rank_0/batch_0.csr\n"
    "\n"
    "    --cat          write a file of the tree to stdout, without a mount\n"
    "    -f             stay in the foreground\n"
    "    -d             show what the kernel asks for (implies -f)\n"
    "    -h, --help     show this and exit\n"
    "    -V, --version  show the versions and exit\n"
    "\n"
    "What is in a batch:\n"
    "    -o batch_size=N    rows in a batch (1024)\n"
    "    -o world_size=N    number of ranks (1)\n"
    "    -o seed=N          64-bit seed of the order (0)\n"
    "    -o order=ORDER     shuffle, block or sequential (shuffle)\n"
    "    -o block_size=N    rows that stay together, order=block (64)\n"
    "    -o window=N        rows shuffled together, order=block (65536)\n"
    "    -o tail=TAIL       last batches: even, keep, pad or drop (even;\n"
    "                       sequential: keep)\n"
    "    -o layer=NAME      X, raw/X or a layer (X)\n"
    "    -o value_dtype=T   type of values: store, float64, float32, float16,\n"
    "                       int64, int32, uint16 or uint8 (store); refused where\n"
    "                       a value would change\n"
    "    -o index_dtype=T   type of column indices: int32, int64, uint16 (int32)\n"
    "    -o lossy=N         1: values that do not fit become the nearest that do (0)\n"
    "    -o obs=COL;COL     columns of obs that .csr files carry (none)\n"
    "    -o obsm=KEY;KEY    arrays of obsm that .csr files carry (none)\n"
    "\n"
    "Which rows and genes (these and those above are the keys of a view):\n"
    "    -o where=EXPR      an expression over obs: its rows (all)\n"
    "    -o rows_file=PATH  row numbers, a line each or .npy, in the order wanted\n"
    "                       (none)\n"
    "    -o genes=EXPR      an expression over var: its genes (all)\n"
    "    -o genes_file=PATH names of genes, a line each, in the order wanted (none)\n"
    "    -o split=P:F;P:F   parts and their fractions: train:0.8;test:0.2 (none)\n"
    "    -o part=P          the part whose rows these are (none)\n"
    "    -o fold=IofN       instead of split: part=val is fold I of N, part=train\n"
    "                       the others (none)\n"
    "    -o split_seed=N    seed of the split (0)\n"
    "    -o split_method=M  hash, exact or stochastic (hash)\n"
    "    -o stratify=COL    the parts have equal shares of each value (none)\n"
    "    -o group=COL       no value is in two parts (none)\n"
    "    -o weight=COL      rows drawn by weight, with replacement (none)\n"
    "    -o balance=COL     values drawn equally, with replacement (none)\n"
    "    -o pure=COL        each batch of one value, with replacement (none)\n"
    "    -o class_weights=V:W;V:W  of balance and pure (none)\n"
    "    -o epoch_size=N    rows drawn in an epoch (as many as there are)\n"
    "\n"
    "How it is mounted:\n"
    "    -o epochs=N        epochs that ls lists (10)\n"
    "    -o formats=F;F     what ls lists in a rank: csr, npz, npy, h5ad, obs.csv,\n"
    "                       dir (csr)\n"
    "    -o cache=MODE      page cache for batches: auto, never or always (auto)\n"
    "    -o cache_size=S    memory for decoded batches: bytes, k, m, g (auto);\n"
    "                       auto is 1/32 of the memory there is, at most 1g\n"
    "    -o view_cache_size=S  memory for the rows and genes of views that are\n"
    "                       not in use (auto); auto as for cache_size\n"
    "    -o prefetch=N      batches decoded ahead of a reader (auto)\n"
    "    -o allow_other     let other users read\n"
    "    -o auto_unmount    unmount when the daemon dies\n";

static int usage_error(const char *what, const char *value)
{
    fprintf(stderr, "shufflefs: %s%s%s; see shufflefs --help\n", what, value ? " " : "",
            value ? value : "");
    return SFS_EXIT_USAGE;
}

/* Names the letter where it is one of several behind a dash, else the whole word. */
static int option_error(const char *word)
{
    char letter[] = {'-', (char)optopt, '\0'};
    bool among_letters = optopt > 0 && optopt < 128;
    return usage_error("unknown or incomplete option", among_letters ? letter : word);
}

/* Options of mount(8) and fstab that are not ours: the mount is always ro,nosuid,nodev. */
static bool is_for_mount(const char *key)
{
    static const char *const known[] = {"ro",       "rw",
                                        "nosuid",   "nodev",
                                        "suid",     "dev",
                                        "exec",     "noexec",
                                        "atime",    "noatime",
                                        "async",    "auto",
                                        "noauto",   "user",
                                        "nouser",   "users",
                                        "owner",    "group",
                                        "_netdev",  "nofail",
                                        "defaults", "default_permissions",
                                        "relatime", NULL};
    if (!strncmp(key, "x-", 2))
        return true;
    for (const char *const *name = known; *name; name++)
        if (!strcmp(*name, key))
            return true;
    return false;
}

static int set_cache(sfs_options *out, const char *value)
{
    static const char *const modes[] = {"auto", "never", "always"};
    for (int i = 0; i < 3; i++) {
        if (!strcmp(value, modes[i])) {
            out->cache = (sfs_cache_mode)i;
            return 0;
        }
    }
    fprintf(stderr, "shufflefs: cache: expected auto, never or always, found \"%s\"\n", value);
    return SFS_EXIT_USAGE;
}

/* A small share of the memory, and no more than a few large batches take. */
static uint64_t default_cache_size(void)
{
    uint64_t share = sfs_memory_limit() / SHARE_OF_MEMORY;
    return share < MAX_DEFAULT_CACHE ? share : MAX_DEFAULT_CACHE;
}

static int size_error(const char *key, const char *value)
{
    fprintf(stderr,
            "shufflefs: %s: expected auto, or bytes such as 64m or 2g, found %s; see shufflefs "
            "--help\n",
            key, value);
    return SFS_EXIT_USAGE;
}

/* Bytes, with an optional k, m or g. */
static int set_size(const char *key, uint64_t *out, const char *value)
{
    static const char units[] = "kmg";
    char *end;
    if (!strcmp(value, "auto")) {
        *out = default_cache_size();
        return 0;
    }
    errno = 0;
    uint64_t size = strtoull(value, &end, 10);
    const char *unit = *end ? strchr(units, *end | 0x20) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (errno || *value < '0' || *value > '9' || (*end && (!unit || end[1])) ||
        size > UINT64_C(1) << 46 >> shift)
        return size_error(key, value);
    *out = size << shift;
    return 0;
}

static int set_prefetch(sfs_options *out, const char *value)
{
    char *end;
    errno = 0;
    out->prefetch = strcmp(value, "auto") ? strtoull(value, &end, 10) : SFS_AHEAD_AUTO;
    if (strcmp(value, "auto") &&
        (errno || *end || *value < '0' || *value > '9' || out->prefetch > MAX_PREFETCH))
        return usage_error("prefetch: expected auto or a number of batches up to 1024, found",
                           value);
    return 0;
}

/* value is NULL for a key without one. */
static int set(sfs_options *out, const char *key, const char *value)
{
    sfs_error error;
    bool *flag = !strcmp(key, "allow_other")    ? &out->allow_other
                 : !strcmp(key, "auto_unmount") ? &out->auto_unmount
                                                : NULL;
    if (!strcmp(key, "cache"))
        return set_cache(out, value ? value : "");
    if (!strcmp(key, "cache_size"))
        return set_size(key, &out->cache_size, value ? value : "");
    if (!strcmp(key, "view_cache_size"))
        return set_size(key, &out->view_cache_size, value ? value : "");
    if (!strcmp(key, "prefetch"))
        return set_prefetch(out, value ? value : "");
    if (flag && value)
        return usage_error("expected no value after -o", key);
    if (flag) {
        *flag = true;
    } else if (sfs_view_has_key(key)) {
        if (!sfs_view_set(out->view, key, value ? value : "", &error))
            return 0;
        fprintf(stderr, "shufflefs: %s\n", error.message);
        return SFS_EXIT_USAGE;
    } else if (!is_for_mount(key)) {
        return usage_error("unknown option -o", key);
    }
    return 0;
}

/* Splits key=value,... in place; `\,` and `\\` are the only escapes. */
static int set_all(sfs_options *out, char *text)
{
    while (*text) {
        char *key = text, *to = text;
        for (; *text && *text != ','; text++) {
            if (*text == '\\' && (text[1] == ',' || text[1] == '\\'))
                text++;
            *to++ = *text;
        }
        if (*text)
            text++;
        *to = '\0';
        char *value = strchr(key, '=');
        if (value)
            *value++ = '\0';
        int failed = *key ? set(out, key, value) : 0;
        if (failed)
            return failed;
    }
    return 0;
}

static int set_text(sfs_options *out, const char *text)
{
    char *copy = strdup(text);
    int failed = copy ? set_all(out, copy) : usage_error("out of memory", NULL);
    free(copy);
    return failed;
}

static int parse_flags(int argc, char **argv, sfs_options *out, bool *cat)
{
    enum { CAT = 256 };
    static const struct option longs[] = {{"cat", no_argument, NULL, CAT},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'V'},
                                          {0}};
    opterr = 0;
    for (int key; (key = getopt_long(argc, argv, "o:fdhV", longs, NULL)) != -1;) {
        int failed = 0;
        switch (key) {
        case 'o':
            failed = set_text(out, optarg);
            break;
        case 'd':
            out->debug = true;
            out->foreground = true;
            break;
        case 'f':
            out->foreground = true;
            break;
        case CAT:
            *cat = true;
            break;
        case 'h':
            fputs(help, stdout);
            return SFS_EXIT_OK;
        case 'V':
            printf("shufflefs " SFS_VERSION "\nFUSE library version %s\n", fuse_pkgversion());
            return SFS_EXIT_OK;
        default:
            return option_error(argv[optind - 1]);
        }
        if (failed)
            return failed;
    }
    return -1;
}

int sfs_options_parse(int argc, char **argv, sfs_options *out)
{
    sfs_error error;
    bool cat = false;
    *out = (sfs_options){.cache_size = default_cache_size(),
                         .view_cache_size = default_cache_size(),
                         .prefetch = SFS_AHEAD_AUTO};
    if (sfs_view_new(&out->view, &error))
        return usage_error(error.message, NULL);
    int status = parse_flags(argc, argv, out, &cat);
    if (status >= 0)
        return status;
    if (argc - optind < 2)
        return usage_error(
            cat ? "expected --cat COLLECTION PATH" : "expected COLLECTION MOUNTPOINT", NULL);
    if (argc - optind > 2)
        return usage_error(cat ? "expected --cat COLLECTION PATH, found also"
                               : "expected COLLECTION MOUNTPOINT, found also",
                           argv[optind + 2]);
    out->collection = argv[optind];
    if (cat)
        out->cat = argv[optind + 1];
    else
        out->mountpoint = argv[optind + 1];
    return -1;
}
