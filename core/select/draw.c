/* SPDX-License-Identifier: Apache-2.0 */
#include "select/draw.h"

#include "order/key.h"
#include "order/order.h"
#include "select/class_weights.h"
#include "select/row_weights.h"

static sfs_status open_weight(const sfs_collection *collection, const sfs_draw_spec *spec,
                              sfs_row_walk walk, sfs_draw *out, sfs_error *error)
{
    if (walk.count >= SFS_CLASS_ROWS_MAX)
        return sfs_fail(error, -EINVAL,
                        "weight: expected a view of fewer than 2^32 rows, found one of %llu: "
                        "select fewer with where",
                        (unsigned long long)walk.count);
    out->table = malloc((walk.count + 1) * sizeof *out->table);
    if (!out->table)
        return sfs_fail_memory(error);
    SFS_TRY(sfs_row_weights_read(collection, spec->weight, walk, out->table, error));
    return walk.count ? sfs_alias_build(out->table, walk.count, error) : 0;
}

/* The weights of the classes that have rows, into the table. */
static sfs_status weigh_classes(const sfs_draw_spec *spec, const sfs_classes *classes,
                                const char *column, sfs_draw *out, sfs_error *error)
{
    bool by_rows = out->kind == SFS_DRAW_PURE && !spec->class_weights;
    uint64_t sum = 0;
    SFS_AUTO_FREE uint64_t *weights = malloc((classes->count + UINT64_C(1)) * sizeof *weights);
    if (!weights)
        return sfs_fail_memory(error);
    if (spec->class_weights)
        SFS_TRY(sfs_class_weights_parse(spec->class_weights, classes, column, weights, error));
    for (uint32_t i = 0; i < out->rows.count; i++) {
        out->table[i].weight = by_rows               ? sfs_class_rows_size(&out->rows, i)
                               : spec->class_weights ? weights[out->rows.classes[i]]
                                                     : SFS_CLASS_WEIGHT_ONE;
        sum |= out->table[i].weight;
    }
    if (!sum && out->n)
        return sfs_fail(error, -EINVAL,
                        "%s: expected a class with rows and a weight above 0 in the column "
                        "\"%.80s\", found none among the %llu rows of the view",
                        spec->class_weights ? "class_weights"
                        : spec->pure        ? "pure"
                                            : "balance",
                        column, (unsigned long long)out->n);
    return 0;
}

static sfs_status open_classes(const sfs_draw_spec *spec, const sfs_classes *classes,
                               sfs_row_walk walk, sfs_draw *out, sfs_error *error)
{
    const char *column = spec->pure ? spec->pure : spec->balance;
    const char *key = spec->pure ? "pure" : "balance";
    SFS_TRY(sfs_class_rows_open(classes, walk, false, key, &out->rows, error));
    out->table = malloc((out->rows.count + UINT64_C(1)) * sizeof *out->table);
    if (!out->table)
        return sfs_fail_memory(error);
    SFS_TRY(weigh_classes(spec, classes, column, out, error));
    return out->rows.count ? sfs_alias_build(out->table, out->rows.count, error) : 0;
}

static sfs_status open_balance(const sfs_collection *collection, const sfs_draw_spec *spec,
                               sfs_row_walk walk, sfs_draw *out, sfs_error *error)
{
    sfs_classes classes;
    const char *column = spec->pure ? spec->pure : spec->balance;
    SFS_TRY(sfs_classes_open(collection, column, spec->pure ? "pure" : "balance", &classes, error));
    sfs_status status = open_classes(spec, &classes, walk, out, error);
    sfs_classes_close(&classes);
    return status;
}

static sfs_status check_keys(const sfs_draw_spec *spec, sfs_error *error)
{
    int given = !!spec->weight + !!spec->balance + !!spec->pure;
    if (given > 1)
        return sfs_fail(error, -EINVAL, "%s: expected one of weight, balance and pure, found %s",
                        spec->weight ? "weight" : "balance", given > 2 ? "all three" : "two");
    if (!spec->balance && !spec->pure)
        return spec->class_weights ? sfs_fail(error, -EINVAL,
                                              "class_weights: expected balance or pure beside it, "
                                              "found neither")
                                   : 0;
    return 0;
}

sfs_status sfs_draw_open(const sfs_collection *collection, const sfs_draw_spec *spec,
                         sfs_row_walk walk, sfs_draw *out, sfs_error *error)
{
    *out = (sfs_draw){.n = walk.count,
                      .kind = spec->weight ? SFS_DRAW_WEIGHT
                              : spec->pure ? SFS_DRAW_PURE
                                           : SFS_DRAW_BALANCE};
    SFS_TRY(check_keys(spec, error));
    sfs_status status = spec->weight ? open_weight(collection, spec, walk, out, error)
                                     : open_balance(collection, spec, walk, out, error);
    if (status)
        sfs_draw_close(out);
    return status;
}

void sfs_draw_close(sfs_draw *draw)
{
    free(draw->table);
    sfs_class_rows_close(&draw->rows);
    *draw = (sfs_draw){0};
}

uint64_t sfs_draw_memory(const sfs_draw *draw)
{
    uint64_t entries = draw->kind == SFS_DRAW_WEIGHT ? draw->n : draw->rows.count;
    return (entries + 1) * sizeof *draw->table + sfs_class_rows_memory(&draw->rows);
}

/* A number below m, for a number uniform in [0, 2^64). */
static uint64_t below(uint64_t uniform, uint64_t m)
{
    return (uint64_t)(((unsigned __int128)uniform * m) >> 64);
}

static uint64_t row_of_class(const sfs_draw *draw, uint64_t class_index, uint64_t uniform)
{
    uint32_t start = draw->rows.starts[class_index];
    return draw->rows.members[start + below(uniform, draw->rows.starts[class_index + 1] - start)];
}

uint64_t sfs_draw_row(const sfs_draw *draw, uint64_t seed, uint64_t epoch, uint64_t draw_index,
                      uint64_t batch_index)
{
    uint64_t words[] = {SFS_ORDER_VERSION, seed, epoch, draw->n, SFS_STREAM_DRAW, draw_index, 1};
    uint64_t first = sfs_key(words, 6);
    if (draw->kind == SFS_DRAW_WEIGHT)
        return sfs_alias_draw(draw->table, draw->n, first);
    if (draw->kind == SFS_DRAW_BALANCE)
        return row_of_class(draw, sfs_alias_draw(draw->table, draw->rows.count, first),
                            sfs_key(words, 7));
    words[4] = SFS_STREAM_BATCH_CLASS;
    words[5] = batch_index;
    uint64_t chosen = sfs_alias_draw(draw->table, draw->rows.count, sfs_key(words, 6));
    return row_of_class(draw, chosen, first);
}
