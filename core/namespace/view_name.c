/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/view_name.h"

#include <stdio.h>
#include <string.h>

#include "store/fail.h"

/* Keys that open files of the daemon's: a reader of a mount may not make it do so. */
static bool opens_files(const char *key)
{
    return !strcmp(key, "genes_file") || !strcmp(key, "rows_file");
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* In place. */
static sfs_status decode(const char *key, char *value, sfs_error *error)
{
    char *to = value;
    for (const char *at = value; *at; at++) {
        if (*at != '%') {
            *to++ = *at;
            continue;
        }
        int high = hex_digit(at[1]), low = high < 0 ? -1 : hex_digit(at[2]);
        if (low < 0 || !(high | low))
            return sfs_fail(
                error, -EINVAL,
                "%s: expected %%XX, two hexadecimal digits, found \"%.3s\"; a %% itself "
                "is spelled %%25",
                key, at);
        *to++ = (char)(high * 16 + low);
        at += 2;
    }
    *to = '\0';
    return 0;
}

static sfs_status set_pair(sfs_view *view, char *pair, bool *seen, sfs_error *error)
{
    char *value = strchr(pair, '=');
    if (!value)
        return sfs_fail(error, -EINVAL, "expected key=value, found \"%.80s\"", pair);
    *value++ = '\0';
    if (opens_files(pair))
        return sfs_fail(error, -EINVAL,
                        "%s: expected it as a mount option or in a named view (mkshufflefs view "
                        "add), found it in a path",
                        pair);
    SFS_TRY(decode(pair, value, error));
    SFS_TRY(sfs_view_set(view, pair, value, error));
    for (size_t i = 0; i < SFS_VIEW_KEYS; i++) {
        if (strcmp(sfs_view_key_name(i), pair) != 0)
            continue;
        if (seen[i])
            return sfs_fail(error, -EINVAL, "%s: expected each key once, found it twice", pair);
        seen[i] = true;
    }
    return 0;
}

static void encode(FILE *out, const char *value)
{
    for (const unsigned char *at = (const unsigned char *)value; *at; at++) {
        if (*at < 33 || *at > 126 || *at == '/' || *at == ',' || *at == '%')
            fprintf(out, "%%%02X", *at);
        else
            fputc(*at, out);
    }
}

char *sfs_view_name(const sfs_view *view)
{
    char *name = NULL;
    size_t size;
    FILE *out = open_memstream(&name, &size);
    if (!out)
        return NULL;
    const char *before = "@";
    bool complete = true;
    for (size_t i = 0; i < SFS_VIEW_KEYS; i++) {
        if (sfs_view_is_default(view, i))
            continue;
        SFS_AUTO_FREE char *value = sfs_view_value(view, i);
        complete &= value != NULL;
        fprintf(out, "%s%s=", before, sfs_view_key_name(i));
        encode(out, value ? value : "");
        before = ",";
    }
    if (*before == '@')
        fputc('@', out);
    if (fclose(out) || !complete) {
        free(name);
        return NULL;
    }
    return name;
}

/* Other spellings are links to the canonical name, which may be longer. */
static sfs_status check_length(const sfs_view *view, sfs_error *error)
{
    SFS_AUTO_FREE char *name = sfs_view_name(view);
    if (!name)
        return sfs_fail_memory(error);
    if (strlen(name) <= SFS_VIEW_NAME_MAX)
        return 0;
    return sfs_fail(error, -EINVAL,
                    "expected @key=value,key=value of at most %d bytes, found %zu with %%XX where "
                    "it is needed: give the view a name (mkshufflefs view add)",
                    SFS_VIEW_NAME_MAX, strlen(name));
}

sfs_status sfs_view_name_parse(const char *name, sfs_view **out, sfs_error *error)
{
    bool seen[SFS_VIEW_KEYS] = {false};
    if (*name != '@' || strlen(name) > SFS_VIEW_NAME_MAX)
        return sfs_fail(error, -EINVAL, "expected @key=value,key=value of at most %d bytes",
                        SFS_VIEW_NAME_MAX);
    SFS_AUTO_FREE char *text = strdup(name + 1);
    if (!text)
        return sfs_fail_memory(error);
    SFS_TRY(sfs_view_new(out, error));
    sfs_status status = 0;
    char *rest = *text ? text : NULL;
    for (char *pair; !status && (pair = strsep(&rest, ","));)
        status = set_pair(*out, pair, seen, error);
    if (!status)
        status = check_length(*out, error);
    if (status)
        sfs_view_free(*out);
    return status;
}
