/* SPDX-License-Identifier: Apache-2.0 */
/* Files of whole columns of obs, var and obsm. */
#ifndef SFS_BATCH_COLUMN_FILE_H
#define SFS_BATCH_COLUMN_FILE_H

#include "batch/file.h"

typedef enum sfs_column_form {
    SFS_COLUMN_NPY,        /* COL.npy: numbers, codes, or fixed-width bytes of strings */
    SFS_COLUMN_MASK,       /* COL.mask.npy */
    SFS_COLUMN_TEXT,       /* COL.txt: a line a string */
    SFS_COLUMN_CATEGORIES, /* COL.categories.txt */
    SFS_COLUMN_FORMS,
} sfs_column_form;

/* ".npy", ".mask.npy", ".txt", ".categories.txt". */
extern const char *const sfs_column_suffixes[SFS_COLUMN_FORMS];

bool sfs_column_has_form(const sfs_column *column, sfs_column_form form);

/* The type of the elements in the form SFS_COLUMN_NPY or SFS_COLUMN_MASK. */
sfs_dtype sfs_column_form_dtype(const sfs_column *column, sfs_column_form form);

/* The bytes of a row's elements in that form: of one element, but for obsm. */
uint64_t sfs_column_form_size(const sfs_column *column, sfs_column_form form);

/* The columns of a .npy file in that form: 0 where it has one dimension. */
uint32_t sfs_column_form_columns(const sfs_column *column, sfs_column_form form);

/* The number of rows of the whole column. */
uint64_t sfs_column_rows(const sfs_column *column);

/* The column has that form. The caller closes the file. */
sfs_status sfs_column_file_open(const sfs_collection *collection, const sfs_column *column,
                                sfs_column_form form, sfs_file **out, sfs_error *error);

/* A file of `size` bytes that the caller keeps. */
sfs_status sfs_text_file_open(const sfs_collection *collection, const char *text, size_t size,
                              sfs_file **out, sfs_error *error);

/* A file of a copy of them. */
sfs_status sfs_text_copy_open(const sfs_collection *collection, const char *text, size_t size,
                              sfs_file **out, sfs_error *error);

#endif
