/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/row_list.h"

#include "batch/ask.h"
#include "batch/chosen_row.h"
#include "store/guard.h"

/* So many rows are asked for ahead of the one that is located. */
enum { LOCATE_AHEAD = 8 };

static sfs_status count_run(void *context, sfs_error *error)
{
    sfs_row_list *list = context;
    uint64_t before, after;
    SFS_TRY(sfs_matrix_nnz_before(list->matrix, list->first, &before, error));
    SFS_TRY(sfs_matrix_nnz_before(list->matrix, list->first + list->count, &after, error));
    if (after < before)
        return sfs_fail(error, -EIO,
                        "%s: the row offsets of rows %llu and %llu contradict each other",
                        list->matrix->name, (unsigned long long)list->first,
                        (unsigned long long)(list->first + list->count));
    list->nnz = after - before;
    list->wide = list->nnz >= SFS_WIDE_NNZ;
    return sfs_matrix_check_sizes(list->matrix, list->first, list->count, error);
}

sfs_status sfs_row_list_run(const sfs_collection *collection, const sfs_matrix *matrix,
                            uint64_t first, uint64_t count, sfs_row_list *out, sfs_error *error)
{
    *out =
        (sfs_row_list){.collection = collection, .matrix = matrix, .first = first, .count = count};
    return sfs_guard(&collection->files, count_run, out, error);
}

/* Finds each row; indptr is filled as int64. */
static sfs_status locate_rows(void *context, sfs_error *error)
{
    sfs_row_list *list = context;
    int64_t *indptr = list->indptr;
    sfs_shards_read read = {0};
    indptr[0] = 0;
    for (uint64_t i = 0; i < list->count; i++) {
        sfs_row_place place;
        if (i + LOCATE_AHEAD < list->count)
            sfs_matrix_prefetch(list->matrix, (uint64_t)list->rows[i + LOCATE_AHEAD]);
        SFS_TRY(sfs_matrix_locate(list->matrix, (uint64_t)list->rows[i], &place, error));
        sfs_shards_note(&read, list->matrix, place.shard);
        list->starts[i] = place.start;
        if (list->sizes)
            list->sizes[i] = place.size;
        indptr[i + 1] = indptr[i] + place.nnz;
    }
    list->nnz = (uint64_t)indptr[list->count];
    return sfs_shards_check_sizes(&read, list->matrix, error);
}

/* In place: element i lies at or before where it was. */
static void narrow_indptr(sfs_row_list *list)
{
    const char *from = list->indptr;
    char *to = list->indptr;
    for (uint64_t i = 0; i <= list->count; i++) {
        int64_t wide;
        memcpy(&wide, from + i * sizeof wide, sizeof wide);
        int32_t narrow = (int32_t)wide;
        memcpy(to + i * sizeof narrow, &narrow, sizeof narrow);
    }
}

sfs_status sfs_row_list_table(const sfs_collection *collection, const sfs_matrix *matrix,
                              int64_t *rows, uint64_t count, sfs_row_list *out, sfs_error *error)
{
    *out = (sfs_row_list){.collection = collection, .matrix = matrix, .count = count, .rows = rows};
    out->starts = malloc((count + 1) * sizeof *out->starts);
    out->indptr = malloc((count + 1) * sizeof(int64_t));
    bool packed = matrix->codec == SFS_CODEC_PACKED;
    if (packed)
        out->sizes = malloc((count + 1) * sizeof *out->sizes);
    sfs_status status = out->starts && out->indptr && (out->sizes || !packed)
                            ? sfs_guard(&collection->files, locate_rows, out, error)
                            : sfs_fail_memory(error);
    if (status) {
        sfs_row_list_close(out);
        return status;
    }
    out->wide = out->nnz >= SFS_WIDE_NNZ;
    if (!out->wide)
        narrow_indptr(out);
    return 0;
}

sfs_status sfs_row_list_numbers(const sfs_collection *collection, int64_t *rows, uint64_t count,
                                sfs_row_list *out, sfs_error *error)
{
    (void)error;
    *out = (sfs_row_list){.collection = collection, .count = count, .rows = rows};
    return 0;
}

static sfs_status order_rows(const sfs_epoch *epoch, sfs_deal_run run, int64_t *rows,
                             sfs_error *error)
{
    sfs_order order;
    sfs_status status = sfs_order_open(&order, &epoch->order, error);
    for (uint64_t i = 0; i < run.count && !status; i++) {
        uint64_t position = run.first + i, place = 0;
        if (position >= epoch->order.n)
            position %= epoch->order.n;
        status = sfs_order_row(&order, position, &place, error);
        rows[i] = status ? 0 : (int64_t)sfs_view_rows_at(epoch->rows, place);
    }
    sfs_order_close(&order);
    return status;
}

static void draw_rows(const sfs_epoch *epoch, sfs_deal_run run, uint64_t batch, int64_t *rows)
{
    const sfs_order_spec *order = &epoch->order;
    for (uint64_t i = 0; i < run.count; i++) {
        uint64_t place =
            sfs_draw_row(epoch->draw, order->seed, order->epoch, (run.first + i) % order->n, batch);
        rows[i] = (int64_t)sfs_view_rows_at(epoch->rows, place);
    }
}

sfs_status sfs_row_list_deal(const sfs_collection *collection, const sfs_matrix *matrix,
                             const sfs_epoch *epoch, sfs_deal_run run, uint64_t batch,
                             sfs_row_list *out, sfs_error *error)
{
    bool all = !epoch->draw && !epoch->rows->list && !epoch->rows->set.words;
    sfs_status status = 0;
    if (all && epoch->order.kind == SFS_ORDER_SEQUENTIAL && !run.repeated)
        return sfs_row_list_run(collection, matrix, run.first, run.count, out, error);
    int64_t *rows = malloc((run.count + 1) * sizeof *rows);
    if (!rows)
        return sfs_fail_memory(error);
    if (epoch->draw)
        draw_rows(epoch, run, batch, rows);
    else
        status = order_rows(epoch, run, rows, error);
    if (status) {
        free(rows);
        return status;
    }
    return sfs_row_list_table(collection, matrix, rows, run.count, out, error);
}

/* The same rows, as a table. */
static sfs_status tabulate(sfs_row_list *list, sfs_error *error)
{
    int64_t *rows = malloc((list->count + 1) * sizeof *rows);
    if (!rows)
        return sfs_fail_memory(error);
    for (uint64_t i = 0; i < list->count; i++)
        rows[i] = (int64_t)(list->first + i);
    return sfs_row_list_table(list->collection, list->matrix, rows, list->count, list, error);
}

struct choosing {
    sfs_row_list *list;
    void *scratch;
};

/* Counts what is chosen of each row; indptr is filled as int64. */
static sfs_status count_chosen(void *context, sfs_error *error)
{
    const struct choosing *choosing = context;
    sfs_row_list *list = choosing->list;
    const sfs_codec *codec = sfs_codec_of(list->matrix);
    const sfs_chosen_form form = {.genes = list->genes};
    int64_t *indptr = list->indptr;
    sfs_shards_read read = {0};
    uint64_t starts_to = 0;
    sfs_ask_cold(list, 0, list->count, false);
    indptr[0] = 0;
    for (uint64_t i = 0; i < list->count; i++) {
        sfs_row_place place;
        sfs_chosen_row row;
        sfs_ask_array(list, i + 1, SFS_ROW_INDICES, &starts_to);
        SFS_TRY(sfs_row_list_place(list, i, &place, error));
        SFS_TRY(codec->verify(list->matrix, &place, error));
        sfs_shards_note(&read, list->matrix, place.shard);
        SFS_TRY(sfs_chosen_decode(list->matrix, &place, &form, choosing->scratch, &row, error));
        indptr[i + 1] = indptr[i] + row.count;
    }
    list->nnz = (uint64_t)indptr[list->count];
    return sfs_shards_check_sizes(&read, list->matrix, error);
}

static uint64_t indptr_at(const sfs_row_list *list, uint64_t i)
{
    return list->wide ? (uint64_t)((const int64_t *)list->indptr)[i]
                      : (uint64_t)((const int32_t *)list->indptr)[i];
}

static sfs_status choose(sfs_row_list *list, const sfs_gene_set *genes, sfs_error *error)
{
    SFS_TRY(sfs_chosen_check(list->matrix, genes, error));
    if (!list->rows)
        SFS_TRY(tabulate(list, error));
    uint64_t longest = 0;
    list->stored = malloc((list->count + 1) * sizeof *list->stored);
    if (!list->stored)
        return sfs_fail_memory(error);
    for (uint64_t i = 0; i < list->count; i++) {
        list->stored[i] = (uint32_t)(indptr_at(list, i + 1) - indptr_at(list, i));
        longest = list->stored[i] > longest ? list->stored[i] : longest;
    }
    list->genes = genes;
    SFS_AUTO_FREE void *scratch = malloc(sfs_chosen_scratch(longest) + 1);
    if (!scratch)
        return sfs_fail_memory(error);
    struct choosing choosing = {list, scratch};
    SFS_TRY(sfs_guard(&list->collection->files, count_chosen, &choosing, error));
    list->wide = list->nnz >= SFS_WIDE_NNZ;
    if (!list->wide)
        narrow_indptr(list);
    return 0;
}

sfs_status sfs_row_list_choose(sfs_row_list *list, const sfs_gene_set *genes, sfs_error *error)
{
    sfs_status status = choose(list, genes, error);
    if (status)
        sfs_row_list_close(list);
    return status;
}

sfs_status sfs_row_list_like(const sfs_row_list *other, const sfs_matrix *matrix, sfs_row_list *out,
                             sfs_error *error)
{
    if (other->rows) {
        int64_t *rows = malloc((other->count + 1) * sizeof *rows);
        if (!rows)
            return sfs_fail_memory(error);
        memcpy(rows, other->rows, other->count * sizeof *rows);
        SFS_TRY(sfs_row_list_table(other->collection, matrix, rows, other->count, out, error));
    } else {
        SFS_TRY(
            sfs_row_list_run(other->collection, matrix, other->first, other->count, out, error));
    }
    return other->genes ? sfs_row_list_choose(out, other->genes, error) : 0;
}

void sfs_row_list_close(sfs_row_list *list)
{
    free(list->stored);
    free(list->rows);
    free(list->starts);
    free(list->sizes);
    free(list->indptr);
    *list = (sfs_row_list){0};
}

uint64_t sfs_row_list_memory(const sfs_row_list *list)
{
    uint64_t row = sizeof *list->rows + sizeof *list->starts + sizeof(int64_t) +
                   (list->sizes ? sizeof *list->sizes : 0) +
                   (list->stored ? sizeof *list->stored : 0);
    return list->rows ? (list->count + 1) * row : 0;
}

sfs_status sfs_row_list_before(const sfs_row_list *list, uint64_t i, uint64_t *out,
                               sfs_error *error)
{
    if (list->rows) {
        *out = indptr_at(list, i);
        return 0;
    }
    uint64_t base, at;
    SFS_TRY(sfs_matrix_nnz_before(list->matrix, list->first, &base, error));
    SFS_TRY(sfs_matrix_nnz_before(list->matrix, list->first + i, &at, error));
    *out = at - base;
    return 0;
}

sfs_status sfs_row_list_find(const sfs_row_list *list, uint64_t at, uint64_t *out, sfs_error *error)
{
    uint64_t low = 0, high = list->count; /* before(low) <= at < before(high) */
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2, before;
        SFS_TRY(sfs_row_list_before(list, middle, &before, error));
        if (before <= at)
            low = middle;
        else
            high = middle;
    }
    *out = low;
    return 0;
}

sfs_status sfs_row_list_place(const sfs_row_list *list, uint64_t i, sfs_row_place *out,
                              sfs_error *error)
{
    if (!list->rows)
        return sfs_matrix_locate(list->matrix, list->first + i, out, error);
    uint32_t nnz =
        list->stored ? list->stored[i] : (uint32_t)(indptr_at(list, i + 1) - indptr_at(list, i));
    sfs_matrix_place(list->matrix, (uint64_t)list->rows[i], list->starts[i],
                     list->sizes ? list->sizes[i] : 0, nnz, out);
    return 0;
}

sfs_status sfs_row_list_longest(const sfs_row_list *list, uint64_t *out, sfs_error *error)
{
    *out = 0;
    for (uint64_t i = 0; i < list->count; i++) {
        sfs_row_place place;
        SFS_TRY(sfs_row_list_place(list, i, &place, error));
        *out = place.nnz > *out ? place.nnz : *out;
    }
    return 0;
}
