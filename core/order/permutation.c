/* SPDX-License-Identifier: Apache-2.0 */
#include "order/permutation.h"

#include "order/key.h"

#define MULTIPLIER UINT64_C(0xD2B74407B1CE6E93)
#define MULTIPLIER_INVERSE UINT64_C(0xF5F365BD212BDF9B) /* modulo 2^64 */

_Static_assert(MULTIPLIER *MULTIPLIER_INVERSE == 1, "the inverse modulo 2^64");

static sfs_status fill_table(sfs_permutation *permutation, uint64_t key, sfs_error *error)
{
    uint64_t n = permutation->n;
    permutation->forward = malloc((n + 1) * 2 * sizeof *permutation->forward);
    if (!permutation->forward)
        return sfs_fail_memory(error);
    permutation->inverse = permutation->forward + n;
    for (uint64_t i = 0; i < n; i++)
        permutation->forward[i] = (uint16_t)i;
    for (uint64_t i = n; i-- > 1;) {
        uint64_t hash = sfs_key((const uint64_t[]){key, i}, 2);
        uint64_t j = (uint64_t)(((unsigned __int128)hash * (i + 1)) >> 64);
        uint16_t swapped = permutation->forward[i];
        permutation->forward[i] = permutation->forward[j];
        permutation->forward[j] = swapped;
    }
    for (uint64_t i = 0; i < n; i++)
        permutation->inverse[permutation->forward[i]] = (uint16_t)i;
    return 0;
}

sfs_status sfs_permutation_open(sfs_permutation *permutation, uint64_t n, uint64_t key,
                                sfs_error *error)
{
    *permutation = (sfs_permutation){.n = n};
    if (n <= SFS_PERMUTATION_TABLE)
        return fill_table(permutation, key, error);
    unsigned bits = 64 - (unsigned)__builtin_clzll(n - 1);
    permutation->left = bits / 2;
    permutation->right = bits - bits / 2;
    for (uint64_t round = 0; round < SFS_PERMUTATION_ROUNDS; round++)
        permutation->keys[round] = (uint32_t)sfs_key((const uint64_t[]){key, round}, 2);
    return 0;
}

void sfs_permutation_close(sfs_permutation *permutation)
{
    free(permutation->forward);
    *permutation = (sfs_permutation){0};
}

static uint64_t encrypt(const sfs_permutation *p, uint64_t value)
{
    uint64_t left_mask = (UINT64_C(1) << p->left) - 1, right_mask = (UINT64_C(1) << p->right) - 1;
    unsigned odd_bit = p->right - p->left;
    uint64_t a = value >> p->right, b = value & right_mask;
    for (int round = 0; round < SFS_PERMUTATION_ROUNDS; round++) {
        uint64_t product = MULTIPLIER * a;
        uint64_t next_a = ((product >> 32) ^ p->keys[round] ^ b) & left_mask;
        b = (((product & UINT32_MAX) << odd_bit) | (b >> p->left)) & right_mask;
        a = next_a;
    }
    return (a << p->right) | b;
}

static uint64_t decrypt(const sfs_permutation *p, uint64_t value)
{
    uint64_t left_mask = (UINT64_C(1) << p->left) - 1, right_mask = (UINT64_C(1) << p->right) - 1;
    unsigned odd_bit = p->right - p->left;
    uint64_t odd_mask = (UINT64_C(1) << odd_bit) - 1;
    uint64_t a = value >> p->right, b = value & right_mask;
    for (int round = SFS_PERMUTATION_ROUNDS; round-- > 0;) {
        uint64_t before = ((b >> odd_bit) * MULTIPLIER_INVERSE) & left_mask;
        uint64_t high = (MULTIPLIER * before) >> 32;
        b = ((b & odd_mask) << p->left) | ((a ^ high ^ p->keys[round]) & left_mask);
        a = before;
    }
    return (a << p->right) | b;
}

uint64_t sfs_permutation_at(const sfs_permutation *permutation, uint64_t i)
{
    if (permutation->forward)
        return permutation->forward[i];
    do {
        i = encrypt(permutation, i);
    } while (i >= permutation->n);
    return i;
}

uint64_t sfs_permutation_inverse(const sfs_permutation *permutation, uint64_t value)
{
    if (permutation->forward)
        return permutation->inverse[value];
    do {
        value = decrypt(permutation, value);
    } while (value >= permutation->n);
    return value;
}
