/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/h5_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "convert/convert.h"

enum { BLOCK = 8192, NUMBER_TEXT = 40 };

/* What is needed while an array goes by. */
typedef struct text_reader {
    const sfs_h5_array *values, *mask;
    sfs_h5_text_sink sink;
    void *context;
    char *items;    /* owned: a block of elements */
    uint8_t *flags; /* owned: of its mask */
} text_reader;

static void reader_close(text_reader *reader)
{
    free(reader->items);
    free(reader->flags);
}

/* The fewest digits that read back as the same value. */
static void shortest(double value, bool single, char out[NUMBER_TEXT])
{
    for (int digits = 0; digits < 17; digits++) {
        snprintf(out, NUMBER_TEXT, "%.*e", digits, value);
        if (single ? strtof(out, NULL) == (float)value : strtod(out, NULL) == value)
            return;
    }
}

/* Writes a float as Python's repr does: 0.1, 1.0, 1e-05, 1e+16. */
static void print_float(double value, bool single, char out[NUMBER_TEXT])
{
    if (!isfinite(value)) {
        snprintf(out, NUMBER_TEXT, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return;
    }
    shortest(value, single, out);
    char *mark = strchr(out, 'e');
    int exponent = atoi(mark + 1);
    int digits = (int)(mark - out) - (value < 0 || signbit(value)) - (mark[-2] == '.' || strchr(out, '.'));
    if (exponent >= 16 || exponent < -4)
        return;
    int decimals = digits - 1 - exponent;
    snprintf(out, NUMBER_TEXT, "%.*f", decimals > 1 ? decimals : 1, strtod(out, NULL));
}
