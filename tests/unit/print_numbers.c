/* SPDX-License-Identifier: Apache-2.0 */
/* Prints numbers, for a test that compares them with Python: its arguments are a kind (b, i, u, f),
 * a size and a locale; standard input has the numbers' bytes, one after another. */
#include <locale.h>
#include <stdio.h>

#include "batch/number_text.h"

int main(int argc, char **argv)
{
    char item[8], text[SFS_NUMBER_TEXT];
    if (argc != 4)
        return 1;
    if (!setlocale(LC_ALL, argv[3]))
        return 2;
    sfs_dtype dtype = {argv[1][0], (uint32_t)atoi(argv[2])};
    while (fread(item, dtype.size, 1, stdin) == 1) {
        fwrite(text, sfs_number_text(dtype, item, text), 1, stdout);
        putchar('\n');
    }
    return 0;
}
