/* SPDX-License-Identifier: Apache-2.0 */
#include "select/expression_lex.h"

#include <string.h>

bool sfs_token_is(const sfs_source *source, const sfs_token *token, const char *word)
{
    size_t size = token->past - token->first;
    return (token->kind == SFS_TOKEN_NAME || token->kind == SFS_TOKEN_SIGN) &&
           size == strlen(word) && !memcmp(source->text + token->first, word, size);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Bytes beyond ASCII are letters, whatever they mean. */
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

/* The value of a digit in any base; 99 for what is none. */
static unsigned digit_value(char c)
{
    if (is_digit(c))
        return (unsigned)(c - '0');
    unsigned letter = (unsigned)((c | 32) - 'a');
    return letter < 26 ? letter + 10 : 99;
}

/* --- numbers --- */

/* What follows is of digits with single underscores between them; returns where they end. */
static size_t skip_digits(const char *text, size_t at, unsigned base)
{
    while (digit_value(text[at]) < base || (text[at] == '_' && digit_value(text[at - 1]) < base &&
                                            digit_value(text[at + 1]) < base))
        at++;
    return at;
}

static sfs_status fail_number(const sfs_source *source, sfs_token *token, sfs_error *error)
{
    while (is_letter(source->text[token->past]) || is_digit(source->text[token->past]) ||
           source->text[token->past] == '.')
        token->past++;
    return sfs_source_fail(source, token->first, error,
                           "expected a number such as 500, 0.25 or 1e6, found %s",
                           sfs_source_show(source, token->first, token->past).text);
}

static sfs_status read_integer(const sfs_source *source, size_t digits, unsigned base,
                               sfs_token *token, sfs_error *error)
{
    for (size_t i = digits; i < token->past; i++) {
        if (source->text[i] == '_')
            continue;
        token->number.integer = token->number.integer * base + digit_value(source->text[i]);
        if (token->number.integer > UINT64_MAX)
            return sfs_source_fail(source, token->first, error,
                                   "expected an integer below 2^64, found %s: write it as a float, "
                                   "such as 1e30",
                                   sfs_source_show(source, token->first, token->past).text);
    }
    return 0;
}

static sfs_status read_real(const sfs_source *source, sfs_arena *arena, sfs_token *token,
                            sfs_error *error)
{
    char *copy = sfs_arena_get(arena, token->past - token->first + 1, 1);
    if (!copy)
        return sfs_fail_memory(error);
    size_t size = 0;
    for (size_t i = token->first; i < token->past; i++)
        if (source->text[i] != '_')
            copy[size++] = source->text[i];
    token->number = (sfs_number){.is_float = true, .real = sfs_parse_real(copy)};
    return 0;
}

/* The end of digits, fraction and exponent; *real: whether there is one of the latter two. */
static size_t skip_decimal(const char *text, size_t at, bool *real)
{
    at = is_digit(text[at]) ? skip_digits(text, at, 10) : at;
    *real = text[at] == '.';
    if (*real && is_digit(text[++at]))
        at = skip_digits(text, at, 10);
    if ((text[at] | 32) != 'e')
        return at;
    size_t digits = at + 1 + (text[at + 1] == '+' || text[at + 1] == '-');
    if (!is_digit(text[digits]))
        return at;
    *real = true;
    return skip_digits(text, digits, 10);
}

static sfs_status read_number(const sfs_source *source, sfs_arena *arena, sfs_token *token,
                              sfs_error *error)
{
    const char *text = source->text;
    size_t at = token->first;
    char letter = text[at] == '0' ? (char)(text[at + 1] | 32) : 0;
    unsigned base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    bool real = false;
    token->kind = SFS_TOKEN_NUMBER;
    if (base != 10) {
        token->past = skip_digits(text, at + 2, base);
        if (token->past == at + 2)
            return fail_number(source, token, error);
        at += 2;
    } else {
        token->past = skip_decimal(text, at, &real);
    }
    bool led = !real && base == 10 && text[at] == '0' &&
               strspn(text + at, "0_") < token->past - token->first;
    if (is_letter(text[token->past]) || is_digit(text[token->past]) || text[token->past] == '.' ||
        led)
        return fail_number(source, token, error);
    return real ? read_real(source, arena, token, error)
                : read_integer(source, at, base, token, error);
}

/* --- strings --- */

static size_t put_utf8(uint32_t code, uint8_t *out)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    size_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    out[0] = (uint8_t)((0xF00U >> more & 0xF0U) | code >> 6 * more);
    for (size_t i = 1; i <= more; i++)
        out[i] = (uint8_t)(0x80 | (code >> 6 * (more - i) & 63));
    return more + 1;
}

/* Reads up to `most` digits of a character's code; returns how many there are. */
static size_t read_code(const char *text, unsigned base, size_t most, uint32_t *code)
{
    size_t count = 0;
    for (*code = 0; count < most && digit_value(text[count]) < base; count++)
        *code = *code * base + digit_value(text[count]);
    return count;
}

/* The escape whose backslash is at *at: appends what it means, and passes it. What Python does not
 * know keeps its backslash. */
static sfs_status read_escape(const sfs_source *source, size_t *at, uint8_t *out, size_t *size,
                              sfs_error *error)
{
    static const char letters[] = "\\'\"abfnrtv", means[] = "\\'\"\a\b\f\n\r\t\v";
    const char *text = source->text + *at + 1;
    const char *letter = *text ? strchr(letters, *text) : NULL;
    size_t digits = *text == 'x' ? 2 : *text == 'u' ? 4 : *text == 'U' ? 8 : 0;
    uint32_t code;
    if (letter) {
        out[(*size)++] = (uint8_t)means[letter - letters];
        *at += 2;
    } else if (*text == '\n') {
        *at += 2;
    } else if (digits) {
        if (read_code(text + 1, 16, digits, &code) < digits || code > 0x10FFFF ||
            (code >= 0xD800 && code < 0xE000))
            return sfs_source_fail(source, *at, error,
                                   "expected \\%c and %zu hexadecimal digits of a character, found "
                                   "%s",
                                   *text, digits,
                                   sfs_source_show(source, *at, *at + 2 + digits).text);
        *size += put_utf8(code, out + *size);
        *at += 2 + digits;
    } else if ((digits = read_code(text, 8, 3, &code))) {
        *size += put_utf8(code, out + *size);
        *at += 1 + digits;
    } else if (*text == 'N' && text[1] == '{') {
        return sfs_source_fail(source, *at, error,
                               "expected a character or its code, as \\u00e9, found \\N{...}");
    } else {
        out[(*size)++] = '\\';
        *at += 1;
    }
    return 0;
}

static sfs_status read_text(const sfs_source *source, sfs_arena *arena, sfs_token *token,
                            sfs_error *error)
{
    char quote = source->text[token->first];
    size_t at = token->first + 1, end = at, size = 0;
    while (source->text[end] && source->text[end] != quote && source->text[end] != '\n')
        end += source->text[end] == '\\' && source->text[end + 1] ? 2 : 1;
    if (source->text[end] != quote)
        return sfs_source_fail(source, token->first, error,
                               "expected a string that ends with %c, found %s", quote,
                               sfs_source_show(source, token->first, end).text);
    /* No escape is longer than what it stands for. */
    uint8_t *out = sfs_arena_get(arena, end - at + 1, 1);
    if (!out)
        return sfs_fail_memory(error);
    while (at < end) {
        if (source->text[at] == '\\')
            SFS_TRY(read_escape(source, &at, out, &size, error));
        else
            out[size++] = (uint8_t)source->text[at++];
    }
    token->kind = SFS_TOKEN_TEXT;
    token->past = end + 1;
    token->text = (sfs_bytes){out, size};
    return 0;
}

sfs_status sfs_token_read(const sfs_source *source, size_t at, sfs_arena *arena, sfs_token *out,
                          sfs_error *error)
{
    static const char *const pairs[] = {"==", "!=", "<=", ">=", "//", "**", "<<",
                                        ">>", "<>", "&&", "||", ":=", "=~"};
    const char *text = source->text;
    at += strspn(text + at, " \t\n\r\f\v");
    *out = (sfs_token){.kind = SFS_TOKEN_SIGN, .first = at, .past = at + 1};
    if (!text[at]) {
        out->kind = SFS_TOKEN_END;
        out->past = at;
        return 0;
    }
    if (is_digit(text[at]) || (text[at] == '.' && is_digit(text[at + 1])))
        return read_number(source, arena, out, error);
    if (text[at] == '"' || text[at] == '\'')
        return read_text(source, arena, out, error);
    if (is_letter(text[at])) {
        out->kind = SFS_TOKEN_NAME;
        while (is_letter(text[out->past]) || is_digit(text[out->past]))
            out->past++;
        return 0;
    }
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!strncmp(text + at, pairs[i], 2))
            out->past = at + 2;
    return 0;
}
