/* SPDX-License-Identifier: Apache-2.0 */
/* The converter's command line. */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "convert/convert.h"
#include "convert/lines_writer.h"
#include "convert/view_command.h"
#include "shufflefs/version.h"

static const char help[] =
    "usage: mkshufflefs INPUT -o NAME.sfs [options]\n"
    "       mkshufflefs view add|list|remove NAME.sfs ... (mkshufflefs view --help)\n"
    "\n"
    "Makes a shufflefs collection from a dataset.\n"
    "\n"
    "INPUT is an AnnData file (.h5ad), or synthetic counts shaped like a 10x dataset:\n"
    "  synthetic:rows=25382,vars=34455,density=0.031,seed=0\n"
    "\n"
    "  -o, --output NAME.sfs  the collection to make; it must not exist\n"
    "      --layer NAME       convert layers/NAME alone, as X\n"
    "      --raw              convert raw/X alone, as X, with raw's own genes\n"
    "      --codec CODEC      packed, raw or dense; else sparse matrices are packed,\n"
    "                         dense ones dense\n"
    "      --shard-rows N     rows in a shard (all in one)\n"
    "      --sort-genes       columns and var by falling number of non-zeros of X\n"
    "      --json             print a summary as JSON\n"
    "      --quiet            no progress\n"
    "  -h, --help             show this and exit\n"
    "  -V, --version          show the version and exit\n";

/* What becomes of the output, in memory that both processes share: WORKING is left once, by whoever
 * is first, the child to publish or the parent to stop it. PUBLISHED and, after the summary, TOLD
 * are the child's to say. */
enum { WORKING, STOPPING, PUBLISHING, PUBLISHED, TOLD };
typedef atomic_int stage_of_work;

struct command {
    sfs_convert_options options;
    bool json, quiet;
};

static int usage_error(const char *what, const char *value)
{
    fprintf(stderr, "mkshufflefs: %s%s%s: see mkshufflefs --help\n", what, value ? " " : "",
            value ? value : "");
    return 1;
}

/* Names the letter where it is one of several behind a dash, else the whole word. */
static int option_error(const char *word)
{
    char letter[] = {'-', (char)optopt, '\0'};
    bool among_letters = optopt > 0 && optopt < 128;
    return usage_error("unknown or incomplete option", among_letters ? letter : word);
}

static int parse_codec(const char *value, sfs_codec_choice *out)
{
    if (!strcmp(value, "packed"))
        *out = SFS_CHOOSE_PACKED;
    else if (!strcmp(value, "raw"))
        *out = SFS_CHOOSE_RAW;
    else if (!strcmp(value, "dense"))
        *out = SFS_CHOOSE_DENSE;
    else
        return usage_error("--codec: expected packed, raw or dense, found", value);
    return 0;
}

static int parse_shard_rows(const char *value, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(value, &end, 10);
    if (errno || *end || !*out || *value < '0' || *value > '9')
        return usage_error("--shard-rows: expected a number of at least 1, found", value);
    return 0;
}

/* Returns -1 to go on, else the exit status. */
static int parse(int argc, char **argv, struct command *command)
{
    enum { LAYER = 256, RAW, CODEC, SHARD_ROWS, SORT_GENES, JSON, QUIET };
    static const struct option longs[] = {
        {"output", required_argument, NULL, 'o'},
        {"layer", required_argument, NULL, LAYER},
        {"raw", no_argument, NULL, RAW},
        {"codec", required_argument, NULL, CODEC},
        {"shard-rows", required_argument, NULL, SHARD_ROWS},
        {"sort-genes", no_argument, NULL, SORT_GENES},
        {"json", no_argument, NULL, JSON},
        {"quiet", no_argument, NULL, QUIET},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    sfs_convert_options *options = &command->options;
    opterr = 0;
    for (int key; (key = getopt_long(argc, argv, "o:hV", longs, NULL)) != -1;) {
        int failed = 0;
        switch (key) {
        case 'o':
            options->output = optarg;
            break;
        case LAYER:
            options->layer = optarg;
            break;
        case RAW:
            options->raw = true;
            break;
        case CODEC:
            failed = parse_codec(optarg, &options->codec);
            break;
        case SHARD_ROWS:
            failed = parse_shard_rows(optarg, &options->shard_rows);
            break;
        case SORT_GENES:
            options->sort_genes = true;
            break;
        case JSON:
            command->json = true;
            break;
        case QUIET:
            command->quiet = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        case 'V':
            puts("mkshufflefs " SFS_VERSION);
            return 0;
        default:
            return option_error(argv[optind - 1]);
        }
        if (failed)
            return failed;
    }
    if (argc == optind)
        return usage_error("expected an INPUT", NULL);
    if (argc - optind > 1)
        return usage_error("expected one INPUT, found also", argv[optind + 1]);
    if (!options->output)
        return usage_error("expected -o NAME.sfs", NULL);
    if (options->layer && options->raw)
        return usage_error("--layer and --raw exclude each other", NULL);
    options->input = argv[optind];
    return -1;
}

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* A path where it can be told in JSON. */
static const char *printable(const char *path)
{
    json_t *text = json_string(path);
    const char *told = text ? path : "(a name that is not UTF-8)";
    json_decref(text);
    return told;
}

/* Columns of a table, the index not counted. */
static size_t column_count(const sfs_output *output, const char *table)
{
    const json_t *object = json_object_get(output->tables, table);
    return json_array_size(json_object_get(object, "columns")) -
           json_is_true(json_object_get(object, "has_index"));
}

/* What a non-zero takes on disk. */
static void print_sizes(const sfs_output *output)
{
    const json_t *matrix;
    size_t i;
    json_array_foreach (output->summary, i, matrix) {
        const json_t *bytes = json_object_get(matrix, "bytes");
        double nnz = (double)json_integer_value(json_object_get(matrix, "nnz"));
        double indices = (double)json_integer_value(json_object_get(bytes, "indices"));
        double values = (double)json_integer_value(json_object_get(bytes, "values"));
        double rows = (double)json_integer_value(json_object_get(bytes, "rows"));
        if (nnz > 0)
            fprintf(stderr, "%s: %s, %.3f bytes a non-zero: indices %.3f, values %.3f, rows %.3f\n",
                    json_string_value(json_object_get(matrix, "name")),
                    json_string_value(json_object_get(matrix, "codec")),
                    (indices + values + rows) / nnz, indices / nnz, values / nnz, rows / nnz);
    }
}

static void print_line(const struct command *command, const sfs_output *output, uint64_t variables,
                       double elapsed)
{
    if (command->quiet)
        return;
    print_sizes(output);
    fprintf(stderr, "%s: %" PRIu64 " rows, %" PRIu64 " variables, %" PRIu64 " bytes, %.1f s\n",
            command->options.output, output->rows, variables, output->bytes, elapsed);
}

/* False where it could not be written: the collection is there all the same. */
static bool print_json(const struct command *command, const sfs_output *output, uint64_t variables,
                       double elapsed)
{
    json_t *summary = json_pack(
        "{s:s, s:I, s:I, s:O, s:I, s:I, s:I, s:b, s:I, s:f}", "output",
        printable(command->options.output), "rows", (json_int_t)output->rows, "variables",
        (json_int_t)variables, "matrices", output->summary, "obs",
        (json_int_t)column_count(output, "obs"), "var", (json_int_t)column_count(output, "var"),
        "obsm", (json_int_t)column_count(output, "obsm"), "sorted_genes", output->sorted_genes,
        "bytes", (json_int_t)output->bytes, "seconds", elapsed);
    bool written = summary && !json_dumpf(summary, stdout, JSON_INDENT(1)) &&
                   putchar('\n') != EOF && !fflush(stdout);
    json_decref(summary);
    if (!written)
        fprintf(stderr, "mkshufflefs: %s was made, but its summary could not be written: %s\n",
                command->options.output, strerror(errno));
    return written;
}

static sfs_status convert(const sfs_convert_options *options, sfs_progress *progress,
                          sfs_output *output, uint64_t *variables, sfs_error *error)
{
    if (!strncmp(options->input, "synthetic:", strlen("synthetic:")))
        return sfs_convert_synthetic(options, progress, output, variables, error);
    return sfs_convert_h5ad(options, progress, output, variables, error);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool leave_working(stage_of_work *stage, int next)
{
    int expected = WORKING;
    return atomic_compare_exchange_strong(stage, &expected, next);
}

/* From here on a signal is too late. */
static sfs_status publish(sfs_output *output, stage_of_work *stage, sfs_error *error)
{
    while (!leave_working(stage, PUBLISHING))
        pause(); /* for the parent, which is about to kill this process */
    SFS_TRY(sfs_output_publish(output, error));
    atomic_store(stage, PUBLISHED);
    return 0;
}

static int convert_and_publish(const struct command *command, stage_of_work *stage)
{
    static const char *const tables[] = {"obs", "var", "raw_var"};
    sfs_error error;
    sfs_progress progress;
    sfs_output output = {.directory = -1};
    uint64_t variables = 0;
    double started = seconds();
    sfs_progress_init(&progress, command->quiet);
    sfs_status status = convert(&command->options, &progress, &output, &variables, &error);
    for (int i = 0; i < 3 && !status; i++)
        status = sfs_lines_write(&output, tables[i], &progress, &error);
    output.sorted_genes = command->options.sort_genes;
    if (!status)
        status = sfs_output_finish(&output, variables, printable(base_name(command->options.input)),
                                   &error);
    if (!status)
        status = publish(&output, stage, &error);
    bool told = true;
    if (!status && command->json)
        told = print_json(command, &output, variables, seconds() - started);
    else if (!status)
        print_line(command, &output, variables, seconds() - started);
    if (!status)
        atomic_store(stage, TOLD);
    sfs_output_abort(&output);
    if (status)
        fprintf(stderr, "mkshufflefs: %s\n", error.message);
    return status || !told ? 1 : 0;
}

/* Waits until the child is done or was stopped for a signal; returns that signal, or 0. It is not
 * stopped while it publishes, nor once all is told; but while it tells, for nobody may listen. */
static int wait_for(pid_t child, stage_of_work *stage, const sigset_t *signals, int *ended)
{
    static const struct timespec moment = {.tv_nsec = 50000000};
    for (int asked = 0;;) {
        int signal_number =
            asked ? sigtimedwait(signals, NULL, &moment) : sigwaitinfo(signals, NULL);
        if (signal_number == SIGCHLD && waitpid(child, ended, WNOHANG) == child)
            return 0;
        if (signal_number > 0 && signal_number != SIGCHLD)
            asked = signal_number;
        if (asked && (leave_working(stage, STOPPING) || atomic_load(stage) == PUBLISHED)) {
            kill(child, SIGKILL);
            waitpid(child, ended, 0);
            return asked;
        }
    }
}

/* Whether the collection has its name, of a child that is no more. */
static bool was_published(const struct command *command, stage_of_work *stage)
{
    int reached = atomic_load(stage);
    return reached >= PUBLISHED ||
           (reached == PUBLISHING && !access(command->options.output, F_OK));
}

/* Of a child that was stopped or died when the collection had its name. */
static int end_published(const struct command *command, stage_of_work *stage, int signal_number,
                         int ended)
{
    if (atomic_load(stage) == TOLD || (signal_number && !command->json))
        return 0;
    fprintf(stderr, "mkshufflefs: %s was made, but its summary could not be written: %s\n",
            command->options.output, strsignal(signal_number ? signal_number : WTERMSIG(ended)));
    return 1;
}

/* What a child that did not end by itself leaves is removed, and said. */
static int supervise(pid_t child, stage_of_work *stage, const sigset_t *signals,
                     const struct command *command)
{
    int ended, signal_number = wait_for(child, stage, signals, &ended);
    if (WIFEXITED(ended))
        return WEXITSTATUS(ended);
    if (was_published(command, stage))
        return end_published(command, stage, signal_number, ended);
    sfs_output_remove_partial(command->options.output);
    if (signal_number) {
        fprintf(stderr, "mkshufflefs: stopped by a signal (%s)\n", strsignal(signal_number));
        return 128 + signal_number;
    }
    fprintf(stderr,
            "mkshufflefs: %s: the process that read it died (%s): the file is damaged in a way "
            "that HDF5 "
            "does not survive, or memory ran out; nothing was made\n",
            command->options.input, strsignal(WTERMSIG(ended)));
    return 1;
}

/* Blocks the signals that sigwait takes. What is ignored, as by nohup, stays so. */
static void block_signals(sigset_t *signals)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action;
    signal(SIGCHLD, SIG_DFL); /* else there would be none */
    sigemptyset(signals);
    sigaddset(signals, SIGCHLD);
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        if (!sigaction(ending[i], NULL, &action) && action.sa_handler != SIG_IGN)
            sigaddset(signals, ending[i]);
    sigprocmask(SIG_BLOCK, signals, NULL);
}

/* A child does the work: libhdf5 can crash on a damaged file, and whatever happens to the child,
 * somebody is left to clean up and to say so. Signals are the parent's business alone. */
int main(int argc, char **argv)
{
    struct command command = {.options.shard_rows = UINT64_MAX};
    if (argc > 1 && !strcmp(argv[1], "view"))
        return sfs_view_command(argv + 2);
    int parsed = parse(argc, argv, &command);
    if (parsed >= 0)
        return parsed;

    sigset_t signals;
    block_signals(&signals);
    stage_of_work *stage =
        mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t parent = getpid(), child = stage == MAP_FAILED ? -1 : fork();
    if (child < 0) {
        fprintf(stderr, "mkshufflefs: cannot start a process: %s\n", strerror(errno));
        return 1;
    }
    if (child)
        return supervise(child, stage, &signals, &command);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        return 1;             /* it died before we could say that we go with it */
    signal(SIGXFSZ, SIG_IGN); /* so that a file size limit is an error of the write, */
    signal(SIGPIPE, SIG_IGN); /* and so is a reader of the summary who left */
    return convert_and_publish(&command, stage);
}
