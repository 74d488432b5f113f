/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace/entropy.h"

#include <math.h>
#include <stdbool.h>

/* The counts of the categories in a batch depend on each other only through pairs: the covariance
 * of functions f(X) and g(Y) of two of them is, exactly, the sum over degrees k of
 * r_k <f, P_k> <g, Q_k>, where P_k and Q_k are the orthonormal polynomials of either and
 *   r_k = (-1)^k sqrt(w_k(X) w_k(Y)),  w_k = product over i < k of (K - i) / (n - K - i)
 * for a category of K rows. The sum over all pairs is one over categories, therefore. */
enum {
    DEGREES = 4,
    ROOM = 1 << 16, /* points: the widest marginal, 2^24 rows from two halves, has 40,000 that
                       weigh anything */
};

static const double negligible = 1e-20; /* weights, beside the largest one */
static const double exhausted = 1e-6;   /* the norm of a polynomial: there are no more points */

/* How many rows of a category are in a batch: points with their probabilities. */
struct marginal {
    double *weight;         /* owned, and the three that follow in its memory: ROOM each */
    double *value;          /* of the term that entropy has of it, without its mean */
    double *now, *before;   /* polynomials of the last two degrees */
    size_t first, end;      /* the points that are used ... */
    double at_zero;         /* ... and how many rows point 0 stands for */
    double mean, deviation; /* of the rows */
    double value_mean;
};

/* Sums over the categories so far. */
struct sums {
    double value_mean;
    double rest;                                     /* each category's own part of it */
    double single[DEGREES + 1], square[DEGREES + 1]; /* of w_k <f, P_k>, and of its square */
    double share, slope, spread; /* of the slopes of the linear parts, weighted by share */
};

double sfs_entropy_bits(const uint64_t *counts, size_t count)
{
    double rows = 0, bits = 0;
    for (size_t i = 0; i < count; i++)
        rows += (double)counts[i];
    for (size_t i = 0; i < count; i++)
        if (counts[i])
            bits += (double)counts[i] / rows * log2(rows / (double)counts[i]);
    return bits;
}

/* Fills in the weights around the likeliest number of rows, as far as they count. */
static void weigh(struct marginal *m, double n, double rows, double batch)
{
    double low = fmax(0, batch - (n - rows)), high = fmin(batch, rows);
    double mode = fmin(high, fmax(low, floor((batch + 1) * (rows + 1) / (n + 2))));
    m->at_zero = mode - ROOM / 2;
    m->first = ROOM / 2;
    m->end = m->first + 1;
    m->weight[m->first] = 1;
    for (double k = mode; k < high && m->end < ROOM && m->weight[m->end - 1] > negligible; k++) {
        double ratio = (rows - k) * (batch - k) / ((k + 1) * (n - rows - batch + k + 1));
        m->weight[m->end] = m->weight[m->end - 1] * ratio;
        m->end++;
    }
    for (double k = mode; k > low && m->first && m->weight[m->first] > negligible; k--) {
        double ratio = k * (n - rows - batch + k) / ((rows - k + 1) * (batch - k + 1));
        m->weight[m->first - 1] = m->weight[m->first] * ratio;
        m->first--;
    }
}

static double weighted_sum(const struct marginal *m, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = m->first; i < m->end; i++)
        sum += m->weight[i] * a[i] * b[i];
    return sum;
}

static double rows_at(const struct marginal *m, size_t i)
{
    return m->at_zero + (double)i;
}

static void measure(struct marginal *m, double batch)
{
    double total = 0, rows = 0, square = 0, value = 0;
    for (size_t i = m->first; i < m->end; i++)
        total += m->weight[i];
    for (size_t i = m->first; i < m->end; i++) {
        m->weight[i] /= total;
        rows += m->weight[i] * rows_at(m, i);
        m->value[i] = rows_at(m, i) > 0 ? rows_at(m, i) * log2(rows_at(m, i)) / batch : 0;
        value += m->weight[i] * m->value[i];
    }
    for (size_t i = m->first; i < m->end; i++) {
        square += m->weight[i] * (rows_at(m, i) - rows) * (rows_at(m, i) - rows);
        m->value[i] -= value;
    }
    m->mean = rows;
    m->deviation = sqrt(square);
    m->value_mean = value;
}

/* Replaces the polynomials of degrees k and k - 1 by those of k + 1 and k. False where there is no
 * next one. */
static bool next_polynomial(struct marginal *m, double *before_factor)
{
    double at = 0, square = 0;
    for (size_t i = m->first; i < m->end; i++)
        at += m->weight[i] * m->now[i] * m->now[i] * (rows_at(m, i) - m->mean) / m->deviation;
    for (size_t i = m->first; i < m->end; i++) {
        double x = (rows_at(m, i) - m->mean) / m->deviation;
        double next = (x - at) * m->now[i] - *before_factor * m->before[i];
        m->before[i] = m->now[i];
        m->now[i] = next;
        square += m->weight[i] * next * next;
    }
    *before_factor = sqrt(square);
    if (*before_factor < exhausted)
        return false;
    for (size_t i = m->first; i < m->end; i++)
        m->now[i] /= *before_factor;
    return true;
}

/* Adds the slope of a linear part to their running mean and spread (West, "Updating mean and
 * variance estimates", CACM 22, 1979). */
static void add_slope(struct sums *sums, double slope, double share)
{
    double change = slope - sums->slope;
    sums->share += share;
    sums->slope += change * share / sums->share;
    sums->spread += share * change * (slope - sums->slope);
}

/* Adds `times` categories of that many rows. */
static void add(struct sums *sums, struct marginal *m, double n, double rows, double times)
{
    double w = 1, before_factor = 0;
    sums->value_mean += times * m->value_mean;
    if (m->deviation < exhausted)
        return;
    for (size_t i = m->first; i < m->end; i++) {
        m->now[i] = 1;
        m->before[i] = 0;
    }
    for (int k = 1; k <= DEGREES && next_polynomial(m, &before_factor); k++) {
        double part = weighted_sum(m, m->value, m->now);
        w *= rows >= k && n - rows >= k ? (rows - k + 1) / (n - rows - k + 1) : 0;
        if (k > 1) {
            sums->single[k] += times * sqrt(w) * part;
            sums->square[k] += times * w * part * part;
            continue;
        }
        add_slope(sums, part / m->deviation, times * rows / n);
        for (size_t i = m->first; i < m->end; i++)
            m->value[i] -= part * m->now[i];
        sums->rest += times * weighted_sum(m, m->value, m->value);
    }
}

static int descending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

sfs_status sfs_entropy_ideal_of(uint64_t *counts, size_t count, uint64_t batch,
                                sfs_entropy_ideal *out, sfs_error *error)
{
    struct sums sums = {0};
    SFS_AUTO_FREE double *room = malloc(4 * ROOM * sizeof *room);
    struct marginal m = {
        .weight = room, .value = room + ROOM, .now = room + 2 * ROOM, .before = room + 3 * ROOM};
    double n = 0, b = (double)batch;
    if (!room)
        return sfs_fail_memory(error);
    for (size_t i = 0; i < count; i++)
        n += (double)counts[i];
    qsort(counts, count, sizeof *counts, descending);
    for (size_t i = 0, same; i < count && counts[i]; i += same) {
        for (same = 1; i + same < count && counts[i + same] == counts[i];)
            same++;
        weigh(&m, n, (double)counts[i], b);
        measure(&m, b);
        add(&sums, &m, n, (double)counts[i], (double)same);
    }
    *out = (sfs_entropy_ideal){.mean = fmax(0, log2(b) - sums.value_mean), .rest = sums.rest};
    out->linear = n > 1 ? sums.spread * b * (n - b) / (n - 1) : 0;
    for (int k = 2; k <= DEGREES; k++)
        out->rest += (k % 2 ? -1 : 1) * (sums.single[k] * sums.single[k] - sums.square[k]);
    out->rest = fmax(0, out->rest);
    return 0;
}

/* Linear parts of two batches have a correlation of -b / (n - b), so that they add up to nothing
 * over an epoch. */
double sfs_entropy_mean_variance(const sfs_entropy_ideal *ideal, uint64_t m, uint64_t batch,
                                 uint64_t n)
{
    double shared = n > batch ? (double)(m - 1) * (double)batch / (double)(n - batch) : 1;
    return (ideal->rest + ideal->linear * fmax(0, 1 - shared)) / (double)m;
}
