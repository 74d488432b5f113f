/* SPDX-License-Identifier: Apache-2.0 */
#include "select/strata.h"

/* A part that waits for a row more of a class: how many rows it lacks by now, in 1 / whole. */
struct bid {
    int64_t lacks;
    uint32_t part;
};

struct rounding {
    const sfs_split_parts *parts;
    const uint32_t *sizes;
    sfs_strata *out;
    uint8_t *up;      /* owned, classes x parts: the count is rounded up */
    struct bid *bids; /* owned: a class's parts whose count is not whole */
    int64_t *lacks;  /* owned: of each part, its fraction of all rows less its rows, in 1 / whole */
    uint32_t *queue; /* owned: parts that a chain has reached, in this order ... */
    uint32_t *came;  /* owned: ... from which part (PARTS: not reached; itself: began there) ... */
    uint32_t *through; /* owned: ... and in which class */
};

/* The rows of class c for part k: whole ones, and what is left over in 1 / whole. */
static uint32_t ideal_rows(const struct rounding *rounding, uint32_t c, uint32_t k, int64_t *rest)
{
    unsigned __int128 ideal = (unsigned __int128)rounding->parts->shares[k] * rounding->sizes[c];
    *rest = (int64_t)(ideal % rounding->parts->whole);
    return (uint32_t)(ideal / rounding->parts->whole);
}

static size_t cell(const struct rounding *rounding, uint32_t c, uint32_t k)
{
    return (size_t)c * rounding->out->parts + k;
}

/* Most lacking first. */
static int compare_bids(const void *left, const void *right)
{
    const struct bid *a = left, *b = right;
    if (a->lacks != b->lacks)
        return a->lacks > b->lacks ? -1 : 1;
    return a->part < b->part ? -1 : a->part > b->part;
}

/* Rounds the counts of one class: of those that are not whole, the parts that lack most are rounded
 * up, as many as it takes. */
static void round_class(struct rounding *rounding, uint32_t c)
{
    uint32_t left = rounding->sizes[c], bids = 0;
    for (uint32_t k = 0; k < rounding->out->parts; k++) {
        int64_t rest;
        uint32_t rows = ideal_rows(rounding, c, k, &rest);
        rounding->out->counts[cell(rounding, c, k)] = rows;
        rounding->lacks[k] += rest;
        left -= rows;
        if (rest)
            rounding->bids[bids++] = (struct bid){rounding->lacks[k], k};
    }
    qsort(rounding->bids, bids, sizeof *rounding->bids, compare_bids);
    for (uint32_t i = 0; i < left; i++) {
        rounding->up[cell(rounding, c, rounding->bids[i].part)] = 1;
        rounding->lacks[rounding->bids[i].part] -= (int64_t)rounding->parts->whole;
    }
}

/* Lets the chain that reached `part` reach the parts to which a class can give one of its rows. */
static void reach_from(struct rounding *rounding, uint32_t part, uint32_t *reached)
{
    uint32_t parts = rounding->out->parts;
    for (uint32_t c = 0; c < rounding->out->classes; c++) {
        if (!rounding->up[cell(rounding, c, part)])
            continue;
        for (uint32_t k = 0; k < parts; k++) {
            int64_t rest;
            if (rounding->came[k] != parts || rounding->up[cell(rounding, c, k)])
                continue;
            ideal_rows(rounding, c, k, &rest);
            if (!rest)
                continue;
            rounding->came[k] = part;
            rounding->through[k] = c;
            rounding->queue[(*reached)++] = k;
        }
    }
}

/* Moves one row from part to part, within classes, along the shortest chain that begins in a part
 * with lacks <= from and ends in one with lacks >= to. There is one: if not, the parts that are
 * reached would have no more rows than their fractions. */
static void move_row(struct rounding *rounding, int64_t from, int64_t to)
{
    uint32_t parts = rounding->out->parts, reached = 0, end = parts;
    for (uint32_t k = 0; k < parts; k++) {
        rounding->came[k] = parts;
        if (rounding->lacks[k] <= from) {
            rounding->came[k] = k;
            rounding->queue[reached++] = k;
        }
    }
    for (uint32_t i = 0; i < reached && end == parts; i++) {
        if (rounding->lacks[rounding->queue[i]] >= to)
            end = rounding->queue[i];
        else
            reach_from(rounding, rounding->queue[i], &reached);
    }
    rounding->lacks[end] -= (int64_t)rounding->parts->whole;
    for (; rounding->came[end] != end; end = rounding->came[end]) {
        rounding->up[cell(rounding, rounding->through[end], end)] = 1;
        rounding->up[cell(rounding, rounding->through[end], rounding->came[end])] = 0;
    }
    rounding->lacks[end] += (int64_t)rounding->parts->whole;
}

/* Until no part is off by a row or more. */
static void balance_parts(struct rounding *rounding)
{
    int64_t whole = (int64_t)rounding->parts->whole;
    for (;;) {
        int64_t least = 0, most = 0;
        for (uint32_t k = 0; k < rounding->out->parts; k++) {
            least = rounding->lacks[k] < least ? rounding->lacks[k] : least;
            most = rounding->lacks[k] > most ? rounding->lacks[k] : most;
        }
        if (least <= -whole)
            move_row(rounding, -whole, 1);
        else if (most >= whole)
            move_row(rounding, -1, whole);
        else
            return;
    }
}

static sfs_status round_all(struct rounding *rounding, sfs_error *error)
{
    sfs_strata *out = rounding->out;
    size_t cells = (size_t)out->classes * out->parts;
    out->counts = calloc(cells + 1, sizeof *out->counts);
    rounding->up = calloc(cells + 1, 1);
    rounding->bids = calloc(out->parts, sizeof *rounding->bids);
    rounding->lacks = calloc(out->parts, sizeof *rounding->lacks);
    rounding->queue = calloc(out->parts * (size_t)3, sizeof *rounding->queue);
    if (!out->counts || !rounding->up || !rounding->bids || !rounding->lacks || !rounding->queue)
        return sfs_fail_memory(error);
    rounding->came = rounding->queue + out->parts;
    rounding->through = rounding->came + out->parts;
    for (uint32_t c = 0; c < out->classes; c++)
        round_class(rounding, c);
    balance_parts(rounding);
    for (size_t i = 0; i < cells; i++)
        out->counts[i] += rounding->up[i];
    return 0;
}

sfs_status sfs_strata_open(const sfs_split_parts *parts, const uint32_t *sizes, uint32_t classes,
                           sfs_strata *out, sfs_error *error)
{
    *out = (sfs_strata){.classes = classes, .parts = parts->count};
    struct rounding rounding = {.parts = parts, .sizes = sizes, .out = out};
    sfs_status status = round_all(&rounding, error);
    free(rounding.up);
    free(rounding.bids);
    free(rounding.lacks);
    free(rounding.queue);
    if (status)
        sfs_strata_close(out);
    return status;
}

void sfs_strata_close(sfs_strata *strata)
{
    free(strata->counts);
    *strata = (sfs_strata){0};
}
