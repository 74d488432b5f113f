/* SPDX-License-Identifier: Apache-2.0 */
#include "store/lines.h"

#include <inttypes.h>

static sfs_status open_part(const sfs_files *files, const json_t *object, sfs_lines_part *part,
                            sfs_error *error)
{
    uint64_t bases = part->rows / SFS_LINES_BASE_ROWS + (part->rows % SFS_LINES_BASE_ROWS != 0);
    SFS_TRY(sfs_json_uint(object, "bytes", INT64_MAX / 16, &part->bytes, error));
    SFS_TRY(sfs_files_array(files, object, "bases", (sfs_dtype){'u', 8}, bases, 0, &part->bases,
                            error));
    return sfs_files_array(files, object, "deltas", (sfs_dtype){'u', 4}, part->rows, 0,
                           &part->deltas, error);
}

sfs_status sfs_lines_open(const sfs_files *files, const json_t *object, const uint64_t *part_rows,
                          size_t part_count, sfs_table *out, sfs_error *error)
{
    const json_t *csv = json_object_get(object, "csv");
    json_t *parts;
    uint64_t version, row = 0, bytes = 0;
    if (!csv)
        return 0;
    SFS_TRY(sfs_json_uint(csv, "version", INT64_MAX, &version, error));
    if (version != SFS_LINES_VERSION)
        return 0;
    SFS_TRY(sfs_json_array(csv, "parts", &parts, error));
    if (json_array_size(parts) != part_count)
        return sfs_fail(error, -EBADMSG, "expected %zu \"parts\" of \"csv\", found %zu", part_count,
                        json_array_size(parts));
    out->lines = calloc(part_count + 1, sizeof *out->lines);
    if (!out->lines)
        return sfs_fail_memory(error);
    for (out->part_count = 0; out->part_count < part_count; out->part_count++) {
        sfs_lines_part *part = &out->lines[out->part_count];
        *part = (sfs_lines_part){
            .first_row = row, .rows = part_rows[out->part_count], .bytes_before = bytes};
        SFS_TRY(open_part(files, json_array_get(parts, out->part_count), part, error));
        row += part->rows;
        bytes += part->bytes;
        if (bytes > INT64_MAX / 16)
            return sfs_fail(error, -EBADMSG, "expected fewer \"bytes\" of \"csv\"");
    }
    return 0;
}

uint64_t sfs_table_lines_bytes(const sfs_table *table)
{
    const sfs_lines_part *last = &table->lines[table->part_count - 1];
    return last->bytes_before + last->bytes;
}

/* The last part that begins at or before the row. */
static const sfs_lines_part *find_part(const sfs_table *table, uint64_t row)
{
    size_t low = 0, high = table->part_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (table->lines[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return &table->lines[low];
}

sfs_status sfs_table_line_start(const sfs_table *table, uint64_t row, uint64_t *out,
                                sfs_error *error)
{
    const sfs_lines_part *part = find_part(table, row);
    uint64_t local = row - part->first_row;
    *out = part->bytes_before + part->bytes;
    if (local >= part->rows)
        return 0;
    SFS_TRY(sfs_array_verify(&part->bases, local / SFS_LINES_BASE_ROWS, 1, error));
    SFS_TRY(sfs_array_verify(&part->deltas, local, 1, error));
    uint64_t base =
        ((const uint64_t *)(const void *)part->bases.items)[local / SFS_LINES_BASE_ROWS];
    uint32_t delta = ((const uint32_t *)(const void *)part->deltas.items)[local];
    if (base > part->bytes || delta > part->bytes - base)
        return sfs_fail(error, -EIO,
                        "%s: expected row %" PRIu64 " within %" PRIu64 " bytes, found it behind "
                        "%" PRIu64 " + %" PRIu32 ": convert the data again",
                        part->deltas.map->name, local, part->bytes, base, delta);
    *out = part->bytes_before + base + delta;
    return 0;
}

sfs_status sfs_table_lines_check_sizes(const sfs_table *table, sfs_error *error)
{
    for (size_t i = 0; table->lines && i < table->part_count; i++) {
        SFS_TRY(sfs_map_check_size(table->lines[i].bases.map, error));
        SFS_TRY(sfs_map_check_size(table->lines[i].deltas.map, error));
    }
    return 0;
}
