/* SPDX-License-Identifier: Apache-2.0 */
#include "select/split.h"

#include "order/key.h"
#include "order/order.h"
#include "select/class_rows.h"
#include "select/split_parts.h"
#include "select/strata.h"
#include "select/value_hash.h"
#include "store/guard.h"

/* A split at work. */
struct job {
    const sfs_collection *collection;
    const sfs_split_spec *spec;
    const sfs_row_set *base; /* or NULL */
    sfs_row_set *out;
    uint64_t n;         /* rows of the base */
    uint64_t value_key; /* of the stream of names and values */
    sfs_split_parts parts;
    uint64_t cuts[SFS_SPLIT_FOLDS];
};

/* Something that has a place in an order that chance decides: a row, or a class. */
struct place {
    uint64_t at; /* ascending; then by hash, then by number */
    uint64_t hash;
    uint32_t number;
};

static int compare_places(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* Where a name, or the value of a group, falls in [0, 2^64): the key of one word more. */
static uint64_t hash_place(const struct job *job, uint64_t value_hash)
{
    return sfs_splitmix(job->value_key ^ value_hash);
}

static uint64_t base_row(const struct job *job, uint64_t i)
{
    return job->base ? sfs_row_set_select(job->base, i) : i;
}

static sfs_row_walk walk_base(const struct job *job)
{
    return sfs_row_walk_start(job->base, NULL, job->n);
}

/* --- method hash ---------------------------------------------------------------------------- */

/* Words of the set that is selected, and where the hashes of their rows come from. */
struct hash_range {
    const struct job *job;
    sfs_value_hash values; /* owned */
    uint64_t first_word, end_word;
};

static sfs_status select_word(const struct hash_range *range, uint64_t word, sfs_error *error)
{
    const struct job *job = range->job;
    uint64_t hashes[64], first = word * 64, selected = 0;
    uint64_t asked = job->base ? job->base->words[word] : UINT64_MAX;
    uint64_t count = job->out->size - first < 64 ? job->out->size - first : 64;
    if (!asked)
        return 0;
    SFS_TRY(sfs_value_hash_read(&range->values, first, count, hashes, error));
    for (uint64_t i = 0; i < count; i++) {
        uint32_t part = sfs_split_find(&job->parts, job->cuts, hash_place(job, hashes[i]));
        selected |= (uint64_t)sfs_split_wants(&job->parts, part) << i;
    }
    job->out->words[word] = selected & asked;
    return 0;
}

static sfs_status select_words(void *context, sfs_error *error)
{
    const struct hash_range *range = context;
    for (uint64_t word = range->first_word; word < range->end_word; word++)
        SFS_TRY(select_word(range, word, error));
    return sfs_value_hash_check(&range->values, error);
}

/* By the names of the rows, or by the values of their groups: each on its own. */
static sfs_status select_by_hash(struct job *job, sfs_error *error)
{
    struct hash_range range = {.job = job, .end_word = sfs_row_set_words(job->out->size)};
    if (job->spec->group)
        SFS_TRY(
            sfs_value_hash_open(job->collection, job->spec->group, "group", &range.values, error));
    else
        sfs_value_hash_of_rows(job->collection, &range.values);
    sfs_split_cut_range(&job->parts, job->cuts);
    sfs_status status = sfs_guard(&job->collection->files, select_words, &range, error);
    sfs_value_hash_close(&range.values);
    return status;
}

/* --- rows in the order of a permutation ------------------------------------------------------ */

/* The uniform number of stochastic rounding of n rows, all or those of a class. */
static uint64_t rounding_number(const struct job *job, uint64_t n, const uint64_t *class_hash)
{
    return sfs_key((const uint64_t[]){SFS_ORDER_VERSION, job->spec->seed, 0, n,
                                      SFS_STREAM_SPLIT_ROUND, class_hash ? *class_hash : 0},
                   class_hash ? 6 : 5);
}

static uint64_t permutation_key(const struct job *job, uint64_t n, const uint64_t *class_hash)
{
    return sfs_key((const uint64_t[]){SFS_ORDER_VERSION, job->spec->seed, 0, n,
                                      SFS_STREAM_SPLIT_ROWS, class_hash ? *class_hash : 0},
                   class_hash ? 6 : 5);
}

/* Adds what lies in the parts asked for, of n rows in the order of a permutation: all rows of the
 * base, or those that members lists. */
static void add_permuted(const struct job *job, const sfs_permutation *permutation,
                         const uint32_t *members)
{
    uint64_t n = permutation->n, first = 0;
    for (uint32_t k = 0; k < job->parts.count; k++) {
        uint64_t end = k + 1 < job->parts.count ? job->cuts[k] : n;
        for (uint64_t j = first; j < end && sfs_split_wants(&job->parts, k); j++) {
            uint64_t i = sfs_permutation_at(permutation, j);
            sfs_row_set_add(job->out, base_row(job, members ? members[i] : i));
        }
        first = end;
    }
}

static sfs_status select_permuted(struct job *job, sfs_error *error)
{
    sfs_permutation permutation;
    SFS_TRY(sfs_permutation_open(&permutation, job->n, permutation_key(job, job->n, NULL), error));
    if (job->spec->method == SFS_SPLIT_EXACT)
        sfs_split_cut_exact(&job->parts, job->n, job->cuts);
    else
        sfs_split_cut_stochastic(&job->parts, job->n, rounding_number(job, job->n, NULL),
                                 job->cuts);
    add_permuted(job, &permutation, NULL);
    sfs_permutation_close(&permutation);
    return 0;
}

/* --- stratify and group ---------------------------------------------------------------------- */

/* The classes of the base's rows: strata, or groups. Everything is owned. */
struct grouping {
    struct job *job;
    sfs_classes classes;
    sfs_class_rows rows;
    struct place *order;      /* of the classes that have rows */
    uint32_t *sizes;          /* of each of them, in that order */
    sfs_strata strata;        /* in that order */
    struct place *class_rows; /* of one class: its rows by their names' hashes */
    sfs_value_hash names;
    uint32_t current; /* the class whose rows are put in order */
};

static sfs_status open_grouping(struct job *job, const char *column, const char *key,
                                struct grouping *out, sfs_error *error)
{
    *out = (struct grouping){.job = job};
    SFS_TRY(sfs_classes_open(job->collection, column, key, &out->classes, error));
    SFS_TRY(sfs_class_rows_open(&out->classes, walk_base(job), true, key, &out->rows, error));
    out->order = malloc(((size_t)out->rows.count + 1) * sizeof *out->order);
    out->sizes = malloc(((size_t)out->rows.count + 1) * sizeof *out->sizes);
    return out->order && out->sizes ? 0 : sfs_fail_memory(error);
}

static void close_grouping(struct grouping *grouping)
{
    sfs_classes_close(&grouping->classes);
    sfs_class_rows_close(&grouping->rows);
    sfs_strata_close(&grouping->strata);
    sfs_value_hash_close(&grouping->names);
    free(grouping->order);
    free(grouping->sizes);
    free(grouping->class_rows);
}

/* Classes in the order of their values' hashes, or of the places where chance puts those. */
static void order_classes(struct grouping *grouping, bool by_chance)
{
    for (uint32_t i = 0; i < grouping->rows.count; i++) {
        uint64_t hash = sfs_classes_hash(&grouping->classes, grouping->rows.classes[i]);
        uint64_t at = by_chance ? hash_place(grouping->job, hash) : hash;
        grouping->order[i] = (struct place){at, hash, i};
    }
    qsort(grouping->order, grouping->rows.count, sizeof *grouping->order, compare_places);
    for (uint32_t i = 0; i < grouping->rows.count; i++)
        grouping->sizes[i] = sfs_class_rows_size(&grouping->rows, grouping->order[i].number);
}

/* The cuts of the i-th class. */
static void cut_stratum(struct grouping *grouping, uint32_t i)
{
    struct job *job = grouping->job;
    uint64_t hash = grouping->order[i].hash;
    if (job->spec->method == SFS_SPLIT_STOCHASTIC) {
        uint64_t uniform = rounding_number(job, grouping->sizes[i], &hash);
        sfs_split_cut_stochastic(&job->parts, grouping->sizes[i], uniform, job->cuts);
        return;
    }
    const uint32_t *counts = grouping->strata.counts + (size_t)i * job->parts.count;
    uint64_t before = 0;
    for (uint32_t k = 0; k + 1 < job->parts.count; k++)
        job->cuts[k] = before += counts[k];
}

static const uint32_t *stratum_members(const struct grouping *grouping, uint32_t i)
{
    return grouping->rows.members + grouping->rows.starts[grouping->order[i].number];
}

static sfs_status permute_stratum(struct grouping *grouping, uint32_t i, sfs_error *error)
{
    struct job *job = grouping->job;
    sfs_permutation permutation;
    uint64_t hash = grouping->order[i].hash, n = grouping->sizes[i];
    SFS_TRY(sfs_permutation_open(&permutation, n, permutation_key(job, n, &hash), error));
    add_permuted(job, &permutation, stratum_members(grouping, i));
    sfs_permutation_close(&permutation);
    return 0;
}

/* Guarded. */
static sfs_status place_names(void *context, sfs_error *error)
{
    struct grouping *grouping = context;
    const uint32_t *members = stratum_members(grouping, grouping->current);
    for (uint32_t m = 0; m < grouping->sizes[grouping->current]; m++) {
        uint64_t hash;
        SFS_TRY(sfs_value_hash_read(&grouping->names, base_row(grouping->job, members[m]), 1, &hash,
                                    error));
        grouping->class_rows[m] = (struct place){hash_place(grouping->job, hash), hash, members[m]};
    }
    return 0;
}

static sfs_status hash_stratum(struct grouping *grouping, uint32_t i, sfs_error *error)
{
    struct job *job = grouping->job;
    uint64_t n = grouping->sizes[i];
    grouping->current = i;
    SFS_TRY(sfs_guard(&job->collection->files, place_names, grouping, error));
    qsort(grouping->class_rows, n, sizeof *grouping->class_rows, compare_places);
    for (uint64_t j = 0; j < n; j++)
        if (sfs_split_wants(&job->parts, sfs_split_find(&job->parts, job->cuts, j)))
            sfs_row_set_add(job->out, base_row(job, grouping->class_rows[j].number));
    return 0;
}

static sfs_status check_names(void *context, sfs_error *error)
{
    const struct grouping *grouping = context;
    return sfs_value_hash_check(&grouping->names, error);
}

static sfs_status select_strata(struct grouping *grouping, sfs_error *error)
{
    struct job *job = grouping->job;
    bool by_names = job->spec->method == SFS_SPLIT_HASH;
    uint32_t largest = 0;
    order_classes(grouping, false);
    if (job->spec->method != SFS_SPLIT_STOCHASTIC)
        SFS_TRY(sfs_strata_open(&job->parts, grouping->sizes, grouping->rows.count,
                                &grouping->strata, error));
    for (uint32_t i = 0; i < grouping->rows.count; i++)
        largest = grouping->sizes[i] > largest ? grouping->sizes[i] : largest;
    sfs_value_hash_of_rows(job->collection, &grouping->names);
    grouping->class_rows = by_names ? malloc((largest + UINT64_C(1)) * sizeof(struct place)) : NULL;
    if (by_names && !grouping->class_rows)
        return sfs_fail_memory(error);
    for (uint32_t i = 0; i < grouping->rows.count; i++) {
        cut_stratum(grouping, i);
        SFS_TRY(by_names ? hash_stratum(grouping, i, error) : permute_stratum(grouping, i, error));
    }
    return by_names ? sfs_guard(&job->collection->files, check_names, grouping, error) : 0;
}

static void add_group(struct grouping *grouping, uint32_t i)
{
    const uint32_t *members = stratum_members(grouping, i);
    for (uint32_t m = 0; m < grouping->sizes[i]; m++)
        sfs_row_set_add(grouping->job->out, base_row(grouping->job, members[m]));
}

/* Each group, in the order that chance decides, goes to the part that lacks most rows by then. */
static void fill_parts(struct grouping *grouping)
{
    struct job *job = grouping->job;
    __int128 lacks[SFS_SPLIT_FOLDS], whole = (__int128)job->parts.whole;
    for (uint32_t k = 0; k < job->parts.count; k++)
        lacks[k] = (__int128)job->parts.shares[k] * (__int128)job->n;
    for (uint32_t i = 0; i < grouping->rows.count; i++) {
        uint32_t most = 0;
        for (uint32_t k = 1; k < job->parts.count; k++)
            most = lacks[k] > lacks[most] ? k : most;
        lacks[most] -= whole * (__int128)grouping->sizes[i];
        if (sfs_split_wants(&job->parts, most))
            add_group(grouping, i);
    }
}

/* Groups lie one after another on a circle that is turned by a uniform number: each goes to the
 * part in which its first row comes to lie. */
static void turn_groups(struct grouping *grouping)
{
    struct job *job = grouping->job;
    uint64_t turn = rounding_number(job, job->n, NULL), before = 0;
    sfs_split_cut_range(&job->parts, job->cuts);
    for (uint32_t i = 0; i < grouping->rows.count; i++) {
        uint64_t at = (uint64_t)(((unsigned __int128)before << 64) / job->n) + turn;
        if (sfs_split_wants(&job->parts, sfs_split_find(&job->parts, job->cuts, at)))
            add_group(grouping, i);
        before += grouping->sizes[i];
    }
}

static sfs_status select_stratified(struct job *job, sfs_error *error)
{
    struct grouping grouping;
    sfs_status status = open_grouping(job, job->spec->stratify, "stratify", &grouping, error);
    if (!status)
        status = select_strata(&grouping, error);
    close_grouping(&grouping);
    return status;
}

static sfs_status select_groups(struct job *job, sfs_error *error)
{
    struct grouping grouping;
    sfs_status status = open_grouping(job, job->spec->group, "group", &grouping, error);
    if (!status) {
        order_classes(&grouping, true);
        if (job->spec->method == SFS_SPLIT_EXACT)
            fill_parts(&grouping);
        else
            turn_groups(&grouping);
    }
    close_grouping(&grouping);
    return status;
}

/* --- the keys -------------------------------------------------------------------------------- */

static sfs_status parse_keys(const sfs_split_spec *spec, sfs_split_parts *out, sfs_error *error)
{
    const char *alone = spec->part ? "part" : spec->stratify ? "stratify" : "group";
    if (!spec->split && !spec->fold)
        return sfs_fail(error, -EINVAL, "%s: expected split or fold beside it, found neither",
                        alone);
    if (spec->split && spec->fold)
        return sfs_fail(error, -EINVAL, "fold: expected either split or fold, found both");
    if (!spec->part)
        return sfs_fail(error, -EINVAL, "%s: expected part beside it, found none: add part=%s",
                        spec->split ? "split" : "fold",
                        spec->split ? "NAME, one of its names" : "train or part=val");
    if (spec->stratify && spec->group)
        return sfs_fail(error, -EINVAL,
                        "stratify: expected either stratify or group, found both: whole groups "
                        "seldom keep the shares of classes");
    return spec->split ? sfs_split_parse(spec->split, spec->part, out, error)
                       : sfs_fold_parse(spec->fold, spec->part, out, error);
}

sfs_status sfs_split_select(const sfs_collection *collection, const sfs_split_spec *spec,
                            const sfs_row_set *base, sfs_row_set *out, sfs_error *error)
{
    struct job job = {.collection = collection,
                      .spec = spec,
                      .base = base,
                      .out = out,
                      .n = base ? base->count : collection->rows};
    job.value_key =
        sfs_key((const uint64_t[]){SFS_ORDER_VERSION, spec->seed, 0, 0, SFS_STREAM_SPLIT_VALUE}, 5);
    SFS_TRY(parse_keys(spec, &job.parts, error));
    SFS_TRY(sfs_row_set_open(collection->rows, out, error));
    sfs_status status = spec->stratify                   ? select_stratified(&job, error)
                        : spec->method == SFS_SPLIT_HASH ? select_by_hash(&job, error)
                        : spec->group                    ? select_groups(&job, error)
                                                         : select_permuted(&job, error);
    if (!status)
        status = sfs_row_set_seal(out, error);
    if (status)
        sfs_row_set_close(out);
    return status;
}
