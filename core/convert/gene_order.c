/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/gene_order.h"

#include <string.h>

#include "codec/nonzero.h"
#include "convert/table_writer.h"

enum { POSITIONS = 4096 };

void sfs_gene_order_close(sfs_gene_order *order)
{
    free(order->source);
    free(order->place);
    *order = (sfs_gene_order){0};
}

static inline __attribute__((always_inline)) void
count_entries(uint64_t *counts, const int32_t *indices, const uint8_t *values, uint64_t entries,
              uint32_t size, uint64_t mask)
{
    for (uint64_t i = 0; i < entries; i++)
        counts[indices[i]] += sfs_is_nonzero(values + i * size, size, mask);
}

void sfs_gene_count_sparse(uint64_t *counts, const sfs_csr_block *block)
{
    uint64_t entries = 0, mask = sfs_nonzero_mask(block->dtype);
    for (uint64_t i = 0; i < block->rows; i++)
        entries += block->nnz[i];
    SFS_FOR_SIZE(block->dtype.size,
                 count_entries(counts, block->indices, block->values, entries, ELEMENT, mask))
}

static inline __attribute__((always_inline)) void
count_row(uint64_t *counts, const uint8_t *row, uint64_t columns, uint32_t size, uint64_t mask)
{
    for (uint64_t column = 0; column < columns; column++)
        counts[column] += sfs_is_nonzero(row + column * size, size, mask);
}

void sfs_gene_count_dense(uint64_t *counts, uint64_t rows, uint64_t columns, sfs_dtype dtype,
                          const void *values)
{
    const uint8_t *row = values;
    uint64_t mask = sfs_nonzero_mask(dtype);
    for (uint64_t i = 0; i < rows; i++, row += columns * dtype.size)
        SFS_FOR_SIZE(dtype.size, count_row(counts, row, columns, ELEMENT, mask))
}

/* By frequency, and where that is the same, by place in the source: a total order, so that it does
 * not matter whether sorting is stable. */
static int compare(const void *a, const void *b, void *counts)
{
    int32_t one = *(const int32_t *)a, other = *(const int32_t *)b;
    uint64_t often = ((const uint64_t *)counts)[one], seldom = ((const uint64_t *)counts)[other];
    if (often != seldom)
        return often > seldom ? -1 : 1;
    return one < other ? -1 : 1;
}

sfs_status sfs_gene_order_open(const uint64_t *counts, uint64_t columns, sfs_gene_order *out,
                               sfs_error *error)
{
    out->columns = columns;
    out->source = malloc((columns + 1) * sizeof *out->source);
    out->place = malloc((columns + 1) * sizeof *out->place);
    if (!out->source || !out->place)
        return sfs_fail_memory(error);
    for (uint64_t i = 0; i < columns; i++)
        out->source[i] = (int32_t)i;
    qsort_r(out->source, columns, sizeof *out->source, compare, (void *)(uintptr_t)counts);
    for (uint64_t i = 0; i < columns; i++)
        out->place[out->source[i]] = (int32_t)i;
    return 0;
}

sfs_status sfs_gene_order_sparse(const sfs_gene_order *order, sfs_csr_block *block,
                                 sfs_error *error)
{
    uint64_t entries = 0;
    for (uint64_t i = 0; i < block->rows; i++)
        entries += block->nnz[i];
    for (uint64_t i = 0; i < entries; i++)
        block->indices[i] = order->place[block->indices[i]];
    /* What the source held was counted before: this disorder is ours. */
    return sfs_csr_normalize(block, &(sfs_matrix_stats){0}, error);
}

static inline __attribute__((always_inline)) void
permute(uint8_t *to, const uint8_t *from, const int32_t *source, uint64_t columns, uint32_t size)
{
    for (uint64_t i = 0; i < columns; i++)
        memcpy(to + i * size, from + (uint64_t)source[i] * size, size);
}

sfs_status sfs_gene_order_dense(const sfs_gene_order *order, uint64_t rows, sfs_dtype dtype,
                                void *values, sfs_error *error)
{
    uint64_t bytes = order->columns * dtype.size;
    SFS_AUTO_FREE uint8_t *copy = malloc(bytes + 1);
    if (!copy)
        return sfs_fail_memory(error);
    uint8_t *row = values;
    for (uint64_t i = 0; i < rows; i++, row += bytes) {
        memcpy(copy, row, bytes);
        SFS_FOR_SIZE(dtype.size, permute(row, copy, order->source, order->columns, ELEMENT))
    }
    return 0;
}

static sfs_status write_positions(const sfs_gene_order *order, sfs_column_writer *writer,
                                  sfs_error *error)
{
    int64_t positions[POSITIONS];
    for (uint64_t first = 0, count; first < order->columns; first += count) {
        uint64_t left = order->columns - first;
        count = left < POSITIONS ? left : POSITIONS;
        for (uint64_t i = 0; i < count; i++)
            positions[i] = order->source[first + i];
        SFS_TRY(sfs_column_writer_values(writer, count, positions, NULL, error));
    }
    return 0;
}

sfs_status sfs_gene_order_write(const sfs_gene_order *order, const char *table, sfs_output *output,
                                sfs_error *error)
{
    const sfs_column_spec spec = {.table = table, .name = SFS_GENE_POSITION, .dtype = {'i', 8}};
    sfs_column_writer *writer;
    SFS_TRY(sfs_column_writer_open(output, &spec, &writer, error));
    sfs_status status = write_positions(order, writer, error);
    if (!status)
        return sfs_column_writer_finish(writer, error);
    sfs_column_writer_abort(writer);
    return status;
}
