/* SPDX-License-Identifier: Apache-2.0 */
#include "select/class_weights.h"

#include <string.h>

#include "select/decimal.h"

enum { PLACES = 9 };

/* What a class that was not named has while the others are read. */
#define NOT_NAMED UINT64_MAX

/* "NAME:WEIGHT", in a copy of the key's value. */
struct item {
    char *name;
    size_t name_size;
    const char *weight;
    size_t weight_size;
};

static sfs_status malformed(const char *at, sfs_error *error)
{
    return sfs_fail(error, -EINVAL,
                    "class_weights: expected NAME:WEIGHT with semicolons between, and a name in "
                    "quotes where it begins with one or has a semicolon, found \"%.80s\"",
                    at);
}

/* Takes the quotes off in place: two of them inside stand for one. Moves *at behind the last. */
static void take_quoted(char **at, struct item *item)
{
    char quote = **at, *from = *at + 1, *to = from;
    item->name = from;
    for (; *from; from++) {
        if (*from == quote && *++from != quote)
            break;
        *to++ = *from;
    }
    item->name_size = (size_t)(to - item->name);
    *at = from;
}

/* A name that is not in quotes ends at the last colon of the item. */
static bool take_plain(char **at, struct item *item)
{
    size_t size = strcspn(*at, ";");
    char *colon = memrchr(*at, ':', size);
    if (!colon || colon == *at)
        return false;
    item->name = *at;
    item->name_size = (size_t)(colon - *at);
    *at = colon;
    return true;
}

static sfs_status take_item(char **at, struct item *item, sfs_error *error)
{
    char *start = *at;
    if (*start == '"' || *start == '\'')
        take_quoted(at, item);
    else if (!take_plain(at, item))
        return malformed(start, error);
    if (**at != ':')
        return malformed(start, error);
    item->weight = *at + 1;
    item->weight_size = strcspn(item->weight, ";");
    *at += 1 + item->weight_size;
    return 0;
}

static sfs_status give_weight(const struct item *item, const sfs_classes *classes,
                              const char *column, uint64_t *weights, sfs_error *error)
{
    int shown = item->name_size < 80 ? (int)item->name_size : 80;
    uint64_t weight;
    uint32_t class_number = sfs_classes_find(classes, item->name, item->name_size);
    if (class_number == SFS_CLASS_MISSING)
        return sfs_fail(error, -EINVAL,
                        "class_weights: expected values of the column \"%.80s\", found \"%.*s\"",
                        column, shown, item->name);
    if (!sfs_decimal_parse(item->weight, item->weight_size, PLACES, &weight))
        return sfs_fail(error, -EINVAL,
                        "class_weights: expected a weight of 0 or more, up to 4000000000 and with "
                        "at most %d digits behind the point, for \"%.*s\", found \"%.*s\"",
                        PLACES, shown, item->name,
                        item->weight_size < 80 ? (int)item->weight_size : 80, item->weight);
    if (weights[class_number] != NOT_NAMED)
        return sfs_fail(error, -EINVAL,
                        "class_weights: expected each class once, found \"%.*s\" twice", shown,
                        item->name);
    weights[class_number] = weight;
    return 0;
}

sfs_status sfs_class_weights_parse(const char *text, const sfs_classes *classes, const char *column,
                                   uint64_t *weights, sfs_error *error)
{
    SFS_AUTO_FREE char *copy = strdup(text);
    if (!copy)
        return sfs_fail_memory(error);
    for (uint32_t i = 0; i < classes->count; i++)
        weights[i] = NOT_NAMED;
    for (char *at = copy;; at++) {
        struct item item = {0};
        SFS_TRY(take_item(&at, &item, error));
        SFS_TRY(give_weight(&item, classes, column, weights, error));
        if (!*at)
            break;
    }
    for (uint32_t i = 0; i < classes->count; i++)
        if (weights[i] == NOT_NAMED)
            weights[i] = SFS_CLASS_WEIGHT_ONE;
    return 0;
}
