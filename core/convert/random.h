/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers for synthetic data: xoshiro256++ (Blackman, Vigna: "Scrambled linear pseudorandom
 * number generators", ACM TOMS 2021), and the distributions that counts need. */
#ifndef SFS_CONVERT_RANDOM_H
#define SFS_CONVERT_RANDOM_H

#include <math.h>
#include <stdint.h>

#include "order/key.h"
#include "store/fail.h"

typedef struct sfs_random {
    uint64_t state[4];
} sfs_random;

static inline void sfs_random_seed(sfs_random *random, uint64_t seed, uint64_t stream)
{
    for (uint64_t i = 0; i < 4; i++)
        random->state[i] = sfs_key((const uint64_t[]){seed, stream, i}, 3);
}

static inline uint64_t sfs_random_next(sfs_random *random)
{
    uint64_t *s = random->state, sum = s[0] + s[3];
    uint64_t result = ((sum << 23) | (sum >> 41)) + s[0], shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

/* Uniform in (0, 1]. */
static inline double sfs_random_uniform(sfs_random *random)
{
    return ((double)(sfs_random_next(random) >> 11) + 0.5) * 0x1p-53;
}

/* Standard normal (Box, Muller 1958). */
static inline double sfs_random_normal(sfs_random *random)
{
    double radius = sqrt(-2 * log(sfs_random_uniform(random)));
    return radius * cos(6.283185307179586 * sfs_random_uniform(random));
}

/* Draws i with probability in proportion to its weight, O(1) (Vose: "A linear algorithm for
 * generating random numbers with a given distribution", IEEE TSE 1991). */
typedef struct sfs_alias {
    uint32_t n;
    uint32_t *other; /* owned, with keep in one allocation */
    float *keep;
} sfs_alias;

sfs_status sfs_alias_open(sfs_alias *alias, const double *weights, uint32_t n, sfs_error *error);
void sfs_alias_close(sfs_alias *alias);

static inline uint32_t sfs_alias_draw(const sfs_alias *alias, sfs_random *random)
{
    uint64_t bits = sfs_random_next(random);
    uint32_t i = (uint32_t)(((bits >> 32) * alias->n) >> 32);
    return (float)(uint32_t)bits * 0x1p-32F < alias->keep[i] ? i : alias->other[i];
}

#endif
