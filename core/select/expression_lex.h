/* SPDX-License-Identifier: Apache-2.0 */
/* The words of an expression. Spelled as in Python. */
#ifndef SFS_SELECT_EXPRESSION_LEX_H
#define SFS_SELECT_EXPRESSION_LEX_H

#include "select/expression_tree.h"

typedef enum sfs_token_kind {
    SFS_TOKEN_END,
    SFS_TOKEN_NAME,
    SFS_TOKEN_NUMBER,
    SFS_TOKEN_TEXT,
    SFS_TOKEN_SIGN, /* anything else: an operator, a bracket, or what means nothing here */
} sfs_token_kind;

typedef struct sfs_token {
    sfs_token_kind kind;
    size_t first, past; /* its bytes in the source */
    sfs_number number;
    sfs_bytes text; /* of a string, in the arena */
} sfs_token;

/* The token at or after byte `at`. EINVAL for a string or number that is none, ENOMEM. */
sfs_status sfs_token_read(const sfs_source *source, size_t at, sfs_arena *arena, sfs_token *out,
                          sfs_error *error);

/* Whether the token is this name or sign. */
bool sfs_token_is(const sfs_source *source, const sfs_token *token, const char *word);

#endif
