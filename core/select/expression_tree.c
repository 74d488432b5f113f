/* SPDX-License-Identifier: Apache-2.0 */
#include "select/expression_tree.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 4096, ALIGN = alignof(max_align_t), SHOWN = 40 };

struct sfs_arena_block {
    struct sfs_arena_block *next; /* owned */
    alignas(max_align_t) uint8_t bytes[];
};

void *sfs_arena_get(sfs_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 4)
        return NULL;
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (!arena->blocks || arena->size - arena->used < bytes) {
        size_t room = bytes > BLOCK ? bytes : BLOCK;
        struct sfs_arena_block *block = calloc(1, sizeof *block + room);
        if (!block)
            return NULL;
        block->next = arena->blocks;
        *arena = (sfs_arena){.blocks = block, .size = room};
    }
    arena->used += bytes;
    return arena->blocks->bytes + arena->used - bytes;
}

void sfs_arena_close(sfs_arena *arena)
{
    while (arena->blocks) {
        struct sfs_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
    *arena = (sfs_arena){0};
}

static bool begins_character(uint8_t byte)
{
    return (byte & 0xC0) != 0x80;
}

sfs_status sfs_source_fail(const sfs_source *source, size_t at, sfs_error *error,
                           const char *format, ...)
{
    char sentence[sizeof error->message];
    size_t character = 1;
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    for (size_t i = 1; i <= at && i <= source->length; i++)
        character += i == source->length || begins_character((uint8_t)source->text[i]);
    return sfs_fail(error, -EINVAL, "%s: at character %zu, %s", source->key, character, sentence);
}

static sfs_shown show_between(sfs_bytes bytes, char quote)
{
    sfs_shown shown = {{quote}};
    size_t size = bytes.size;
    if (size > SHOWN)
        for (size = SHOWN; size > SHOWN - 3 && !begins_character(bytes.bytes[size]);)
            size--;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = bytes.bytes[i];
        shown.text[1 + i] = byte < ' ' || byte == 127 ? '?' : (char)byte;
    }
    char *end = shown.text + 1 + size;
    if (size < bytes.size)
        end = stpcpy(end, "...");
    *end = quote;
    return shown;
}

sfs_shown sfs_bytes_show(sfs_bytes bytes)
{
    return show_between(bytes, '"');
}

sfs_shown sfs_source_show(const sfs_source *source, size_t first, size_t past)
{
    if (first >= source->length)
        return (sfs_shown){"the end"};
    past = past < source->length ? past : source->length;
    return show_between(
        (sfs_bytes){(const uint8_t *)source->text + first, past > first ? past - first : 0}, '`');
}

void sfs_expression_close(sfs_expression *expression)
{
    if (expression)
        sfs_arena_close(&expression->arena);
    free(expression);
}

static const char *copy(sfs_arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copied = sfs_arena_get(arena, size, 1);
    return copied ? memcpy(copied, text, size) : NULL;
}

sfs_status sfs_expression_open(const char *text, const char *key, const sfs_table *table,
                               sfs_expression **out, sfs_error *error)
{
    sfs_expression *expression = calloc(1, sizeof *expression);
    if (!expression)
        return sfs_fail_memory(error);
    expression->table = table;
    expression->source = (sfs_source){.key = copy(&expression->arena, key),
                                      .text = copy(&expression->arena, text),
                                      .length = strlen(text)};
    expression->columns =
        sfs_arena_get(&expression->arena, table->column_count + 1, sizeof *expression->columns);
    sfs_status status = expression->source.key && expression->source.text && expression->columns
                            ? sfs_expression_parse(expression, error)
                            : sfs_fail_memory(error);
    if (!status)
        status = sfs_expression_type(expression, error);
    if (status)
        sfs_expression_close(expression);
    else
        *out = expression;
    return status;
}
