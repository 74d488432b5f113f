/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the command line of shufflefs over and over in one process, for tests that read many files:
 * under a sanitizer, most of a short process is its start and its end.
 *
 * From stdin: the number of arguments and then each, all ended by NUL. To stdout: "EXIT OUT ERR\n",
 * OUT bytes of what was written to stdout, ERR bytes of what was to stderr. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARGUMENTS_MAX = 16 };

/* main() of fs/main.c, which is compiled under this name. */
int sfs_main(int argc, char **argv);

static char *read_word(void)
{
    char *word = NULL;
    size_t room = 0;
    if (getdelim(&word, &room, '\0', stdin) > 0)
        return word;
    free(word);
    return NULL;
}

/* The number of arguments, each to be freed; 0 where there is no other request. */
static int read_request(char **argv)
{
    char *count = read_word();
    int argc = count ? atoi(count) : 0;
    free(count);
    for (int i = 0; i < argc && i < ARGUMENTS_MAX; i++)
        argv[i] = read_word();
    return argc < ARGUMENTS_MAX ? argc : 0;
}

static void answer(int argc, char **argv)
{
    FILE *out = stdout, *err = stderr;
    char *said[2] = {NULL, NULL};
    size_t sizes[2];
    stdout = open_memstream(&said[0], &sizes[0]);
    stderr = open_memstream(&said[1], &sizes[1]);
    optind = 0; /* getopt begins anew */
    int status = sfs_main(argc, argv);
    fclose(stdout);
    fclose(stderr);
    stdout = out;
    stderr = err;
    printf("%d %zu %zu\n", status, sizes[0], sizes[1]);
    fwrite(said[0], 1, sizes[0], stdout);
    fwrite(said[1], 1, sizes[1], stdout);
    fflush(stdout);
    free(said[0]);
    free(said[1]);
}

int main(void)
{
    char *argv[ARGUMENTS_MAX + 1] = {NULL};
    for (int argc; (argc = read_request(argv)) > 0;) {
        char *given[ARGUMENTS_MAX + 1] = {NULL};
        for (int i = 0; i < argc; i++)
            given[i] = argv[i]; /* getopt changes their order */
        answer(argc, given);
        for (int i = 0; i < argc; i++)
            free(argv[i]);
    }
    return 0;
}
