/* SPDX-License-Identifier: Apache-2.0 */
#include "select/row_weights.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "codec/cast.h"
#include "select/obs_column.h"
#include "store/guard.h"

enum { WEIGHT_BITS = 62 };

_Static_assert(SFS_ALIAS_WEIGHT_MAX == UINT64_C(1) << WEIGHT_BITS, "what an alias table accepts");

struct reading {
    const sfs_column *column;
    sfs_row_walk walk;
    sfs_alias_entry *out; /* first with the bits of a float64 in each */
    double largest;
};

static sfs_status read_weight(const struct reading *reading, uint64_t row, double *out,
                              sfs_error *error)
{
    const sfs_column *column = reading->column;
    const sfs_column_part *part = sfs_column_part_of(column, row);
    uint64_t at = row - part->first_row;
    bool missing;
    SFS_TRY(sfs_column_missing(column, part, row, &missing, error));
    SFS_TRY(sfs_array_verify(&part->values, at, 1, error));
    sfs_cast(column->dtype, part->values.items + at * column->dtype.size, (sfs_dtype){'f', 8}, out,
             1);
    if (missing)
        *out = 0;
    if (isfinite(*out) && *out >= 0)
        return 0;
    return sfs_fail(error, -EINVAL,
                    "weight: expected numbers of 0 or more in the column \"%.80s\", found %g in "
                    "row %" PRIu64 ": correct it, or leave the row out with where",
                    column->name, *out, row);
}

static sfs_status read_weights(void *context, sfs_error *error)
{
    struct reading *reading = context;
    for (uint64_t i = 0; i < reading->walk.count; i++) {
        double weight;
        SFS_TRY(read_weight(reading, sfs_row_walk_next(&reading->walk), &weight, error));
        memcpy(&reading->out[i].weight, &weight, sizeof weight);
        reading->largest = weight > reading->largest ? weight : reading->largest;
    }
    return sfs_column_check_sizes(reading->column, error);
}

static void scale_weights(const struct reading *reading)
{
    int exponent;
    frexp(reading->largest, &exponent); /* largest < 2^exponent */
    for (uint64_t i = 0; i < reading->walk.count; i++) {
        double weight;
        memcpy(&weight, &reading->out[i].weight, sizeof weight);
        reading->out[i].weight = (uint64_t)ldexp(weight, WEIGHT_BITS - exponent);
    }
}

sfs_status sfs_row_weights_read(const sfs_collection *collection, const char *name,
                                sfs_row_walk walk, sfs_alias_entry *out, sfs_error *error)
{
    struct reading reading = {.walk = walk, .out = out};
    SFS_TRY(sfs_obs_column(collection, name, "weight", &reading.column, error));
    if (reading.column->kind != SFS_COLUMN_NUMBER)
        return sfs_fail(error, -EINVAL,
                        "weight: expected a column of numbers or booleans, found \"%.80s\", which "
                        "has %s",
                        name, reading.column->kind == SFS_COLUMN_STRING ? "strings" : "categories");
    SFS_TRY(sfs_guard(&collection->files, read_weights, &reading, error));
    if (!(reading.largest > 0) && walk.count)
        return sfs_fail(error, -EINVAL,
                        "weight: expected a weight above 0 in the column \"%.80s\", found none "
                        "among the %" PRIu64 " rows of the view",
                        name, walk.count);
    scale_weights(&reading);
    return 0;
}
