/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/cast.h"
#include "namespace/number.h"

/* A word of a key with few values, and what it stands for. */
struct word {
    const char *name;
    int value;
};

static const struct word orders[] = {{"shuffle", SFS_ORDER_SHUFFLE},
                                     {"block", SFS_ORDER_BLOCK},
                                     {"sequential", SFS_ORDER_SEQUENTIAL},
                                     {0}};
static const struct word tails[] = {{"even", SFS_TAIL_EVEN},
                                    {"keep", SFS_TAIL_KEEP},
                                    {"pad", SFS_TAIL_PAD},
                                    {"drop", SFS_TAIL_DROP},
                                    {0}};
static const struct word formats[] = {{"csr", SFS_FORMAT_CSR}, {"dir", SFS_FORMAT_DIR}, {0}};

static const struct word index_sizes[] = {{"int32", 4}, {"int64", 8}, {"uint16", 2}, {0}};
static const struct word switches[] = {{"0", false}, {"1", true}, {0}};

static const char *word_name(const struct word *words, int value)
{
    while (words->name && words->value != value)
        words++;
    return words->name;
}

const char *sfs_order_name(sfs_order_kind order)
{
    return word_name(orders, (int)order);
}

const char *sfs_tail_name(sfs_tail tail)
{
    return word_name(tails, (int)tail);
}

const char *sfs_value_dtype_name(const sfs_view *view)
{
    return view->value_type < SFS_VALUE_TYPES ? sfs_value_types[view->value_type].name : "store";
}

const char *sfs_index_dtype_name(const sfs_view *view)
{
    return word_name(index_sizes, (int)view->index_dtype.size);
}

static sfs_status take_word(const struct word *words, const char *key, const char *value, int *out,
                            sfs_error *error)
{
    char accepted[64] = "";
    for (const struct word *word = words; word->name; word++) {
        if (!strcmp(word->name, value)) {
            *out = word->value;
            return 0;
        }
        size_t used = strlen(accepted);
        snprintf(accepted + used, sizeof accepted - used, "%s%s", used ? ", " : "", word->name);
    }
    return sfs_fail(error, -EINVAL, "%s: expected one of %s, found \"%.80s\"", key, accepted,
                    value);
}

/* A number key of a view: where it is kept, and its range. */
struct number_key {
    const char *name;
    size_t offset;
    uint64_t min, max;
};

static const struct number_key numbers[] = {
    {"batch_size", offsetof(sfs_view, batch_size), 1, SFS_MAX_BATCH_SIZE},
    {"world_size", offsetof(sfs_view, world_size), 1, SFS_MAX_WORLD_SIZE},
    {"seed", offsetof(sfs_view, seed), 0, UINT64_MAX},
    {"block_size", offsetof(sfs_view, block_size), 1, SFS_MAX_ROWS},
    {"window", offsetof(sfs_view, window), 1, SFS_MAX_ROWS},
    {"epochs", offsetof(sfs_view, epochs), 0, UINT64_C(1) << 31},
    {0},
};

static const struct number_key *find_number(const char *key)
{
    for (const struct number_key *number = numbers; number->name; number++)
        if (!strcmp(number->name, key))
            return number;
    return NULL;
}

static sfs_status set_number(sfs_view *view, const struct number_key *number, const char *value,
                             sfs_error *error)
{
    uint64_t parsed;
    if (!sfs_number_parse(value, &parsed) || parsed < number->min || parsed > number->max)
        return sfs_fail(error, -EINVAL,
                        "%s: expected a number from %" PRIu64 " to %" PRIu64 ", found \"%.80s\"",
                        number->name, number->min, number->max, value);
    memcpy((char *)view + number->offset, &parsed, sizeof parsed);
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
    view->value_type = sfs_value_type_find(value);
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

static sfs_status set_layer(sfs_view *view, const char *value, sfs_error *error)
{
    if (!*value || strlen(value) >= sizeof view->layer)
        return sfs_fail(error, -EINVAL, "layer: expected X, raw/X or the name of a layer");
    strcpy(view->layer, value);
    view->layer_given = true;
    return 0;
}

sfs_status sfs_view_new(sfs_view **out, sfs_error *error)
{
    *out = malloc(sizeof **out);
    if (!*out)
        return sfs_fail_memory(error);
    **out = (sfs_view){.batch_size = 1024,
                       .world_size = 1,
                       .block_size = 64,
                       .window = 65536,
                       .epochs = 10,
                       .order = SFS_ORDER_SHUFFLE,
                       .tail = SFS_TAIL_EVEN,
                       .formats = SFS_FORMAT_CSR,
                       .layer = "X",
                       .value_type = SFS_VALUE_TYPES,
                       .index_dtype = {'i', 4}};
    return 0;
}

void sfs_view_free(sfs_view *view)
{
    free(view);
}

bool sfs_view_has_key(const char *key)
{
    static const char *const others[] = {"order",       "tail",        "layer", "formats",
                                         "value_dtype", "index_dtype", "lossy", NULL};
    for (const char *const *other = others; *other; other++)
        if (!strcmp(key, *other))
            return true;
    return find_number(key);
}

sfs_status sfs_view_set(sfs_view *view, const char *key, const char *value, sfs_error *error)
{
    const struct number_key *number = find_number(key);
    int word = 0;
    if (number)
        return set_number(view, number, value, error);
    if (!strcmp(key, "layer"))
        return set_layer(view, value, error);
    if (!strcmp(key, "formats"))
        return set_formats(view, value, error);
    if (!strcmp(key, "value_dtype"))
        return set_value_type(view, value, error);
    if (!strcmp(key, "index_dtype")) {
        SFS_TRY(take_word(index_sizes, key, value, &word, error));
        view->index_dtype = (sfs_dtype){word == 2 ? 'u' : 'i', (uint32_t)word};
        return 0;
    }
    if (!strcmp(key, "lossy")) {
        SFS_TRY(take_word(switches, key, value, &word, error));
        view->lossy = word;
        return 0;
    }
    if (!strcmp(key, "order")) {
        SFS_TRY(take_word(orders, key, value, &word, error));
        view->order = (sfs_order_kind)word;
        return 0;
    }
    if (!strcmp(key, "tail")) {
        SFS_TRY(take_word(tails, key, value, &word, error));
        view->tail = (sfs_tail)word;
        view->tail_given = true;
        return 0;
    }
    return sfs_fail(error, -EINVAL,
                    "expected one of the keys batch_size, world_size, seed, order, block_size, "
                    "window, tail, layer, value_dtype, index_dtype, lossy, epochs, formats, found "
                    "\"%.80s\"",
                    key);
}

static const sfs_matrix *find_layer(const sfs_collection *collection, const char *layer)
{
    for (size_t i = 0; i < collection->matrix_count; i++)
        if (!strcmp(sfs_layer_key(collection->matrices[i].name), layer))
            return &collection->matrices[i];
    return NULL;
}

static sfs_status unknown_layer(const sfs_collection *collection, const char *layer,
                                sfs_error *error)
{
    char names[512] = "";
    for (size_t i = 0; i < collection->matrix_count; i++) {
        const char *name = sfs_layer_key(collection->matrices[i].name);
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", name);
    }
    return sfs_fail(error, -EINVAL, "layer: expected one of the collection's (%s), found \"%s\"",
                    *names ? names : "none", layer);
}

/* Refuses types that would lose values, unless that is asked for. */
static sfs_status bind_form(const sfs_view *view, const sfs_matrix *matrix, sfs_csr_form *out,
                            sfs_error *error)
{
    bool stored = view->value_type == SFS_VALUE_TYPES;
    *out =
        (sfs_csr_form){.values = stored ? matrix->dtype : sfs_value_types[view->value_type].dtype,
                       .indices = view->index_dtype};
    if (view->index_dtype.size == 2 && matrix->columns > UINT16_MAX + 1)
        return sfs_fail(error, -EINVAL,
                        "index_dtype: expected at most 65536 columns for uint16, found %" PRIu64
                        " in %s",
                        matrix->columns, view->layer);
    if (stored || view->lossy || sfs_dtype_same(out->values, matrix->dtype))
        return 0;
    const char *name = sfs_value_types[view->value_type].name;
    const sfs_misfit *misfit = &matrix->misfits[view->value_type];
    if (!matrix->misfits_known)
        return sfs_fail(error, -EINVAL,
                        "value_dtype: expected a collection that says whether %s fits %s, found "
                        "that it does not: convert the data again, or add lossy=1",
                        view->layer, name);
    if (misfit->found)
        return sfs_fail(error, -EINVAL,
                        "value_dtype: expected values that fit %s, found %s in row %" PRIu64
                        " of %s: choose another dtype, or add lossy=1 for the nearest values",
                        name, misfit->value, misfit->row, view->layer);
    return 0;
}

sfs_status sfs_view_bind(const sfs_view *view, const sfs_collection *collection,
                         sfs_bound_view *out, sfs_error *error)
{
    *out = (sfs_bound_view){.view = *view, .matrix = find_layer(collection, view->layer)};
    if (!out->matrix && view->layer_given)
        return unknown_layer(collection, view->layer, error);
    if (out->matrix)
        SFS_TRY(bind_form(view, out->matrix, &out->form, error));
    if (view->order == SFS_ORDER_BLOCK && view->window % view->block_size != 0)
        return sfs_fail(error, -EINVAL,
                        "window: expected a multiple of block_size (%" PRIu64 "), found %" PRIu64,
                        view->block_size, view->window);
    if (!view->tail_given)
        out->view.tail = view->order == SFS_ORDER_SEQUENTIAL ? SFS_TAIL_KEEP : SFS_TAIL_EVEN;
    out->deal = (sfs_deal_spec){.n = out->matrix ? collection->rows : 0,
                                .world_size = view->world_size,
                                .batch_size = view->batch_size,
                                .tail = out->view.tail};
    out->steps = sfs_deal_steps(&out->deal);
    return 0;
}

sfs_order_spec sfs_bound_view_order(const sfs_bound_view *bound, uint64_t epoch)
{
    return (sfs_order_spec){.kind = bound->view.order,
                            .n = bound->deal.n,
                            .seed = bound->view.seed,
                            .epoch = epoch,
                            .block_size = bound->view.block_size,
                            .window = bound->view.window};
}
