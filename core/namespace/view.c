/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "namespace/number.h"
#include "store/fail.h"

/* A word of a key with few values, and what it stands for. */
struct word {
    const char *name;
    int value;
};

static const struct word orders[] = {{"shuffle", SFS_ORDER_SHUFFLE},
                                     {"block", SFS_ORDER_BLOCK},
                                     {"sequential", SFS_ORDER_SEQUENTIAL},
                                     {0}};
static const struct word tails[] = {{"even", SFS_TAIL_GIVEN + (int)SFS_TAIL_EVEN},
                                    {"keep", SFS_TAIL_GIVEN + (int)SFS_TAIL_KEEP},
                                    {"pad", SFS_TAIL_GIVEN + (int)SFS_TAIL_PAD},
                                    {"drop", SFS_TAIL_GIVEN + (int)SFS_TAIL_DROP},
                                    {0}};
static const struct word formats[SFS_FORMATS + 1] = {{"csr", SFS_FORMAT_CSR},
                                                     {"npz", SFS_FORMAT_NPZ},
                                                     {"npy", SFS_FORMAT_NPY},
                                                     {"h5ad", SFS_FORMAT_H5AD},
                                                     {"obs.csv", SFS_FORMAT_OBS_CSV},
                                                     {"dir", SFS_FORMAT_DIR},
                                                     {0}};
static const struct word index_sizes[] = {{"int32", 4}, {"int64", 8}, {"uint16", 2}, {0}};
static const struct word switches[] = {{"0", 0}, {"1", 1}, {0}};
static const struct word split_methods[] = {{"hash", SFS_SPLIT_HASH},
                                            {"exact", SFS_SPLIT_EXACT},
                                            {"stochastic", SFS_SPLIT_STOCHASTIC},
                                            {0}};

typedef enum key_kind { NUMBER, WORD, TEXT, FORMATS, VALUE_TYPE } key_kind;

/* A key: where its value is kept in a view, and what is accepted. */
struct key {
    const char *name;
    key_kind kind;
    size_t offset;
    uint64_t min, max;
    const struct word *words;
};

#define NUMBER_KEY(name, min, max)                                                                 \
    {                                                                                              \
#name, NUMBER, offsetof(sfs_view, name), min, max, NULL                                    \
    }
#define WORD_KEY(name, member, words)                                                              \
    {                                                                                              \
        name, WORD, offsetof(sfs_view, member), 0, 0, words                                        \
    }
#define TEXT_KEY(name, key)                                                                        \
    {                                                                                              \
        name, TEXT, offsetof(sfs_view, texts) + (key) * sizeof(char *), 0, 0, NULL                 \
    }

static const struct key keys[SFS_VIEW_KEYS] = {
    TEXT_KEY("balance", SFS_TEXT_BALANCE),
    NUMBER_KEY(batch_size, 1, SFS_MAX_BATCH_SIZE),
    NUMBER_KEY(block_size, 1, UINT64_C(1) << 40),
    TEXT_KEY("class_weights", SFS_TEXT_CLASS_WEIGHTS),
    NUMBER_KEY(epoch_size, 1, UINT64_C(1) << 40),
    NUMBER_KEY(epochs, 0, UINT64_C(1) << 31),
    TEXT_KEY("fold", SFS_TEXT_FOLD),
    {"formats", FORMATS, offsetof(sfs_view, formats), 0, 0, NULL},
    TEXT_KEY("genes", SFS_TEXT_GENES),
    TEXT_KEY("genes_file", SFS_TEXT_GENES_FILE),
    TEXT_KEY("group", SFS_TEXT_GROUP),
    WORD_KEY("index_dtype", index_size, index_sizes),
    TEXT_KEY("layer", SFS_TEXT_LAYER),
    WORD_KEY("lossy", lossy, switches),
    TEXT_KEY("obs", SFS_TEXT_OBS),
    TEXT_KEY("obsm", SFS_TEXT_OBSM),
    WORD_KEY("order", order, orders),
    TEXT_KEY("part", SFS_TEXT_PART),
    TEXT_KEY("pure", SFS_TEXT_PURE),
    TEXT_KEY("rows_file", SFS_TEXT_ROWS_FILE),
    NUMBER_KEY(seed, 0, UINT64_MAX),
    TEXT_KEY("split", SFS_TEXT_SPLIT),
    WORD_KEY("split_method", split_method, split_methods),
    NUMBER_KEY(split_seed, 0, UINT64_MAX),
    TEXT_KEY("stratify", SFS_TEXT_STRATIFY),
    WORD_KEY("tail", tail, tails),
    {"value_dtype", VALUE_TYPE, offsetof(sfs_view, value_type), 0, 0, NULL},
    TEXT_KEY("weight", SFS_TEXT_WEIGHT),
    TEXT_KEY("where", SFS_TEXT_WHERE),
    NUMBER_KEY(window, 1, UINT64_C(1) << 40),
    NUMBER_KEY(world_size, 1, SFS_MAX_WORLD_SIZE),
};

static const sfs_view defaults = {.batch_size = 1024,
                                  .world_size = 1,
                                  .block_size = 64,
                                  .window = 65536,
                                  .epochs = 10,
                                  .order = SFS_ORDER_SHUFFLE,
                                  .value_type = SFS_VALUE_TYPES,
                                  .index_size = 4,
                                  .formats = SFS_FORMAT_CSR};

static uint64_t *number_of(const sfs_view *view, const struct key *key)
{
    return (uint64_t *)(void *)((char *)(uintptr_t)view + key->offset);
}

static int *word_of(const sfs_view *view, const struct key *key)
{
    return (int *)(void *)((char *)(uintptr_t)view + key->offset);
}

static char **text_of(const sfs_view *view, const struct key *key)
{
    return (char **)(void *)((char *)(uintptr_t)view + key->offset);
}

static const struct key *find_key(const char *name)
{
    for (size_t i = 0; i < SFS_VIEW_KEYS; i++)
        if (!strcmp(keys[i].name, name))
            return &keys[i];
    return NULL;
}

const char *sfs_view_key_name(size_t key)
{
    return keys[key].name;
}

bool sfs_view_key_is_number(size_t key)
{
    return keys[key].kind == NUMBER || keys[key].words == switches;
}

bool sfs_view_has_key(const char *name)
{
    return find_key(name);
}

sfs_status sfs_view_new(sfs_view **out, sfs_error *error)
{
    *out = malloc(sizeof **out);
    if (!*out)
        return sfs_fail_memory(error);
    **out = defaults;
    return 0;
}

void sfs_view_clear(sfs_view *view)
{
    for (size_t i = 0; i < SFS_TEXT_KEYS; i++)
        free(view->texts[i]);
    *view = defaults;
}

void sfs_view_free(sfs_view *view)
{
    if (view)
        sfs_view_clear(view);
    free(view);
}

sfs_status sfs_view_copy(const sfs_view *view, sfs_view *out, sfs_error *error)
{
    *out = *view;
    memset(out->texts, 0, sizeof out->texts);
    for (size_t i = 0; i < SFS_TEXT_KEYS; i++) {
        out->texts[i] = view->texts[i] ? strdup(view->texts[i]) : NULL;
        if (view->texts[i] && !out->texts[i]) {
            sfs_view_clear(out);
            return sfs_fail_memory(error);
        }
    }
    return 0;
}

sfs_tail sfs_view_tail(const sfs_view *view)
{
    if (view->tail != SFS_TAIL_OF_ORDER)
        return (sfs_tail)(view->tail - SFS_TAIL_GIVEN);
    return view->order == SFS_ORDER_SEQUENTIAL ? SFS_TAIL_KEEP : SFS_TAIL_EVEN;
}

sfs_dtype sfs_view_index_dtype(const sfs_view *view)
{
    return (sfs_dtype){view->index_size == 2 ? 'u' : 'i', (uint32_t)view->index_size};
}

/* "a, b, c" of the names in words. */
static void name_words(const struct word *words, char *out, size_t room)
{
    for (size_t used = 0; words->name; words++, used = strlen(out))
        snprintf(out + used, room - used, "%s%s", used ? ", " : "", words->name);
}

static sfs_status take_word(const struct word *words, const char *key, const char *value, int *out,
                            sfs_error *error)
{
    char accepted[96] = "";
    for (const struct word *word = words; word->name; word++) {
        if (!strcmp(word->name, value)) {
            *out = word->value;
            return 0;
        }
    }
    name_words(words, accepted, sizeof accepted);
    return sfs_fail(error, -EINVAL, "%s: expected one of %s, found \"%.80s\"", key, accepted,
                    value);
}

static sfs_status set_number(sfs_view *view, const struct key *key, const char *value,
                             sfs_error *error)
{
    uint64_t parsed;
    if (!sfs_number_parse(value, &parsed) || parsed < key->min || parsed > key->max)
        return sfs_fail(error, -EINVAL,
                        "%s: expected a number from %" PRIu64 " to %" PRIu64 ", found \"%.80s\"",
                        key->name, key->min, key->max, value);
    *number_of(view, key) = parsed;
    return 0;
}

static sfs_status set_text(sfs_view *view, const struct key *key, const char *value,
                           sfs_error *error)
{
    char **text = text_of(view, key);
    bool is_default = !*value || (text == &view->texts[SFS_TEXT_LAYER] && !strcmp(value, "X"));
    char *copy = is_default ? NULL : strdup(value);
    if (!is_default && !copy)
        return sfs_fail_memory(error);
    if (text == &view->texts[SFS_TEXT_LAYER] && !*value)
        return sfs_fail(error, -EINVAL, "layer: expected X, raw/X or the name of a layer");
    free(*text);
    *text = copy;
    return 0;
}

static sfs_status set_formats(sfs_view *view, const char *value, sfs_error *error)
{
    SFS_AUTO_FREE char *text = strdup(value);
    unsigned chosen = 0;
    if (!text)
        return sfs_fail_memory(error);
    char *rest = text;
    for (char *format; (format = strsep(&rest, ";"));) {
        int bit;
        SFS_TRY(take_word(formats, "formats", format, &bit, error));
        chosen |= (unsigned)bit;
    }
    view->formats = chosen;
    return 0;
}

static sfs_status set_value_type(sfs_view *view, const char *value, sfs_error *error)
{
    view->value_type = (int)sfs_value_type_find(value);
    if (view->value_type < SFS_VALUE_TYPES || !strcmp(value, "store"))
        return 0;
    char accepted[128] = "store";
    for (size_t i = 0; i < SFS_VALUE_TYPES; i++) {
        size_t used = strlen(accepted);
        snprintf(accepted + used, sizeof accepted - used, ", %s", sfs_value_types[i].name);
    }
    return sfs_fail(error, -EINVAL, "value_dtype: expected one of %s, found \"%.80s\"", accepted,
                    value);
}

static sfs_status unknown_key(const char *name, sfs_error *error)
{
    char names[512] = "";
    for (size_t i = 0, used = 0; i < SFS_VIEW_KEYS; i++, used = strlen(names))
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", keys[i].name);
    return sfs_fail(error, -EINVAL, "expected one of the keys %s, found \"%.80s\"", names, name);
}

sfs_status sfs_view_set(sfs_view *view, const char *name, const char *value, sfs_error *error)
{
    const struct key *key = find_key(name);
    if (!key)
        return unknown_key(name, error);
    switch (key->kind) {
    case NUMBER:
        return set_number(view, key, value, error);
    case WORD:
        return take_word(key->words, name, value, word_of(view, key), error);
    case TEXT:
        return set_text(view, key, value, error);
    case FORMATS:
        return set_formats(view, value, error);
    default:
        return set_value_type(view, value, error);
    }
}

static char *formats_value(unsigned chosen)
{
    char text[96] = "";
    for (const struct word *word = formats; word->name; word++) {
        size_t used = strlen(text);
        if (chosen & (unsigned)word->value)
            snprintf(text + used, sizeof text - used, "%s%s", used ? ";" : "", word->name);
    }
    return strdup(text);
}

static const char *word_value(const sfs_view *view, const struct key *key)
{
    bool tail = key->words == tails;
    int value = tail ? SFS_TAIL_GIVEN + (int)sfs_view_tail(view) : *word_of(view, key);
    const struct word *word = key->words;
    while (word->value != value)
        word++;
    return word->name;
}

char *sfs_view_value(const sfs_view *view, size_t i)
{
    const struct key *key = &keys[i];
    char number[24];
    switch (key->kind) {
    case NUMBER:
        snprintf(number, sizeof number, "%" PRIu64, *number_of(view, key));
        return strdup(number);
    case WORD:
        return strdup(word_value(view, key));
    case TEXT: {
        const char *text = *text_of(view, key);
        return strdup(text ? text : text_of(view, key) == &view->texts[SFS_TEXT_LAYER] ? "X" : "");
    }
    case FORMATS:
        return formats_value(view->formats);
    default:
        return strdup(view->value_type < SFS_VALUE_TYPES ? sfs_value_types[view->value_type].name
                                                         : "store");
    }
}

bool sfs_view_is_default(const sfs_view *view, size_t i)
{
    const struct key *key = &keys[i];
    sfs_view other = {.order = view->order};
    switch (key->kind) {
    case NUMBER:
        return *number_of(view, key) == *number_of(&defaults, key);
    case TEXT:
        return !*text_of(view, key);
    case FORMATS:
        return view->formats == defaults.formats;
    default:
        return key->words == tails ? sfs_view_tail(view) == sfs_view_tail(&other)
                                   : *word_of(view, key) == *word_of(&defaults, key);
    }
}
