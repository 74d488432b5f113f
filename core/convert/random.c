/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/random.h"

/* Pairs each column that is too light with one that is too heavy, until none is left. */
static void pair(sfs_alias *alias, double *share, uint32_t *stack)
{
    uint32_t small = 0, large = alias->n;
    for (uint32_t i = 0; i < alias->n; i++)
        stack[share[i] < 1 ? small++ : --large] = i;
    while (small && large < alias->n) {
        uint32_t light = stack[--small], heavy = stack[large];
        alias->keep[light] = (float)share[light];
        alias->other[light] = heavy;
        share[heavy] -= 1 - share[light];
        if (share[heavy] < 1) {
            large++;
            stack[small++] = heavy;
        }
    }
}

sfs_status sfs_alias_open(sfs_alias *alias, const double *weights, uint32_t n, sfs_error *error)
{
    SFS_AUTO_FREE double *share = malloc(n * sizeof *share);
    SFS_AUTO_FREE uint32_t *stack = malloc(n * sizeof *stack);
    alias->n = n;
    alias->other = malloc(n * (sizeof *alias->other + sizeof *alias->keep));
    if (!share || !stack || !alias->other)
        return sfs_fail_memory(error);
    alias->keep = (float *)(void *)(alias->other + n);
    double total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += weights[i];
    for (uint32_t i = 0; i < n; i++) {
        share[i] = weights[i] / total * n;
        alias->keep[i] = 1;
        alias->other[i] = i;
    }
    pair(alias, share, stack);
    return 0;
}

void sfs_alias_close(sfs_alias *alias)
{
    free(alias->other);
    *alias = (sfs_alias){0};
}
