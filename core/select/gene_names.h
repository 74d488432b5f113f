/* SPDX-License-Identifier: Apache-2.0 */
/* A list of genes by name, as genes_file has it. */
#ifndef SFS_SELECT_GENE_NAMES_H
#define SFS_SELECT_GENE_NAMES_H

#include "store/map.h"
#include "store/table.h"

/* Finds the columns of the genes that text names, in its order: a line a gene, spelled as in
 * var/_index.txt, ended by \n or \r\n; blank lines mean nothing. `files` are those of the
 * collection of var. The caller frees *columns, *count of them, none twice. EINVAL names the first
 * line that var has no gene for, or more than one, or that names a gene again; EIO, ENOMEM. */
sfs_status sfs_gene_names_find(const sfs_map_set *files, const sfs_table *var, const char *text,
                               size_t size, uint32_t **columns, uint64_t *count, sfs_error *error);

#endif
