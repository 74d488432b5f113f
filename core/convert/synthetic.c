/* SPDX-License-Identifier: Apache-2.0 */
/* Counts shaped like a 10x dataset, so that anyone can try and measure without data.
 *
 * A count is negative binomial: a Poisson number of bursts, each of a size from the logarithmic
 * distribution (Quenouille: "A relation between the logarithmic, Poisson, and negative binomial
 * series", Biometrics 1949). Genes are drawn with log-normal frequencies, raised for the markers of
 * the row's class; the number of bursts of a row is log-normal; rows are sorted into plates, each
 * with its own mix of classes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "convert/convert.h"
#include "convert/gene_order.h"
#include "convert/random.h"

enum { CLASSES = 8, PLATES = 14, BLOCK_ENTRIES = 1 << 20, DEPTH_SAMPLES = 16 };

static const double gene_spread = 2.0, depth_spread = 0.45, burst_ratio = 0.35;
static const double marker_share = 0.01, marker_boost = 3.0;

static const char *const class_names[CLASSES] = {"T cell",      "B cell",         "monocyte",
                                                 "NK cell",     "dendritic cell", "fibroblast",
                                                 "endothelial", "megakaryocyte"};

struct spec {
    uint64_t rows, vars, seed;
    double density;
};

struct generator {
    struct spec spec;
    double bursts;            /* mean number of bursts in a row */
    sfs_alias genes[CLASSES]; /* owned */
    sfs_alias mix[PLATES];    /* owned: classes of a plate */
    uint32_t *counts;         /* owned: of the row being made, a count a gene */
    uint64_t *touched;        /* owned: a bit a gene of that row */
};

static sfs_status parse_member(const char *name, const char *value, struct spec *spec,
                               sfs_error *error)
{
    char *end;
    errno = 0;
    if (!strcmp(name, "density")) {
        spec->density = strtod(value, &end);
        if (*end || end == value || !(spec->density > 0 && spec->density <= 0.5))
            return sfs_fail(error, -EINVAL,
                            "synthetic: expected density above 0 and at most 0.5, found \"%s\"",
                            value);
        return 0;
    }
    uint64_t number = strtoull(value, &end, 10);
    if (errno || *end || *value < '0' || *value > '9')
        return sfs_fail(error, -EINVAL, "synthetic: expected a number for %s, found \"%s\"", name,
                        value);
    if (!strcmp(name, "rows"))
        spec->rows = number;
    else if (!strcmp(name, "vars"))
        spec->vars = number;
    else if (!strcmp(name, "seed"))
        spec->seed = number;
    else
        return sfs_fail(error, -EINVAL,
                        "synthetic: expected rows, vars, density or seed, found \"%s\"", name);
    return 0;
}

static sfs_status parse_spec(const char *input, struct spec *spec, sfs_error *error)
{
    SFS_AUTO_FREE char *text = strdup(strchr(input, ':') + 1);
    if (!text)
        return sfs_fail_memory(error);
    char *rest = text;
    for (char *member; (member = strsep(&rest, ","));) {
        char *value = strchr(member, '=');
        if (!value)
            return sfs_fail(error, -EINVAL,
                            "synthetic: expected rows=R,vars=V,density=D,seed=S, found \"%s\"",
                            input);
        *value++ = '\0';
        SFS_TRY(parse_member(member, value, spec, error));
    }
    if (!spec->vars || spec->vars > 1 << 24)
        return sfs_fail(error, -EINVAL, "synthetic: expected vars from 1 to 2^24, found %" PRIu64,
                        spec->vars);
    return 0;
}

/* Each kind raises its own markers; the rest of the frequencies is common to all. share: those of
 * the last kind, which are as unequal as any other's. */
static sfs_status open_genes(struct generator *generator, double *share, sfs_error *error)
{
    uint32_t vars = (uint32_t)generator->spec.vars;
    SFS_AUTO_FREE double *weights = calloc(vars, sizeof *weights);
    if (!weights)
        return sfs_fail_memory(error);
    for (uint64_t kind = 0; kind < CLASSES; kind++) {
        sfs_random common, own;
        double total = 0;
        sfs_random_seed(&common, generator->spec.seed, 1);
        sfs_random_seed(&own, generator->spec.seed, 2 + kind);
        for (uint32_t gene = 0; gene < vars; gene++) {
            weights[gene] = exp(gene_spread * sfs_random_normal(&common));
            if (sfs_random_uniform(&own) < marker_share)
                weights[gene] *= marker_boost;
            total += weights[gene];
        }
        for (uint32_t gene = 0; gene < vars; gene++)
            share[gene] = weights[gene] / total;
        SFS_TRY(sfs_alias_open(&generator->genes[kind], weights, vars, error));
    }
    return 0;
}

/* The share of non-zeros when rows have `bursts` of them on average. */
static double expected_density(const double *share, uint64_t vars, double bursts)
{
    double sum = 0;
    for (int sample = 0; sample < DEPTH_SAMPLES; sample++) {
        /* Quantiles of a normal distribution, by a logistic curve: close enough to set a density.
         */
        double u = (sample + 0.5) / (double)DEPTH_SAMPLES, normal = log(u / (1 - u)) / 1.702;
        double depth = bursts * exp(depth_spread * normal - depth_spread * depth_spread / 2);
        for (uint64_t gene = 0; gene < vars; gene++)
            sum -= expm1(-depth * share[gene]);
    }
    return sum / (double)DEPTH_SAMPLES / (double)vars;
}

static void find_bursts(struct generator *generator, const double *share)
{
    double low = 0, high = 1e3 * (double)generator->spec.vars;
    for (int i = 0; i < 30; i++) {
        double middle = (low + high) / 2;
        if (expected_density(share, generator->spec.vars, middle) < generator->spec.density)
            low = middle;
        else
            high = middle;
    }
    generator->bursts = low;
}

static sfs_status open_mix(struct generator *generator, sfs_error *error)
{
    for (uint64_t plate = 0; plate < PLATES; plate++) {
        sfs_random random;
        double weights[CLASSES];
        sfs_random_seed(&random, generator->spec.seed, 100 + plate);
        for (int kind = 0; kind < CLASSES; kind++)
            weights[kind] = pow(0.7, kind) * exp(0.5 * sfs_random_normal(&random));
        SFS_TRY(sfs_alias_open(&generator->mix[plate], weights, CLASSES, error));
    }
    return 0;
}

static sfs_status open_generator(struct generator *generator, sfs_error *error)
{
    uint64_t vars = generator->spec.vars;
    SFS_AUTO_FREE double *share = calloc(vars, sizeof *share);
    generator->counts = calloc(vars, sizeof *generator->counts);
    generator->touched = calloc(vars / 64 + 1, sizeof *generator->touched);
    if (!share || !generator->counts || !generator->touched)
        return sfs_fail_memory(error);
    SFS_TRY(open_genes(generator, share, error));
    SFS_TRY(open_mix(generator, error));
    find_bursts(generator, share);
    return 0;
}

static void close_generator(struct generator *generator)
{
    for (int i = 0; i < CLASSES; i++)
        sfs_alias_close(&generator->genes[i]);
    for (int i = 0; i < PLATES; i++)
        sfs_alias_close(&generator->mix[i]);
    free(generator->counts);
    free(generator->touched);
}

/* A burst's size (Kemp: "Efficient generation of logarithmically distributed pseudo-random
 * variables", 1981). */
static uint32_t burst_size(sfs_random *random)
{
    double v = sfs_random_uniform(random);
    if (v >= burst_ratio)
        return 1;
    double q = -expm1(log1p(-burst_ratio) * sfs_random_uniform(random));
    if (v <= q * q)
        return (uint32_t)(1 + log(v) / log(q));
    return v <= q ? 2 : 1;
}

/* What a row is, beside its counts. */
struct row {
    int32_t plate, kind;
    int32_t n_genes;
    int64_t n_counts;
};

static uint64_t plate_of(const struct spec *spec, uint64_t row)
{
    return (uint64_t)((unsigned __int128)row * PLATES / spec->rows);
}

static void draw_counts(struct generator *generator, struct row *row, sfs_random *random)
{
    double depth = depth_spread * sfs_random_normal(random) - depth_spread * depth_spread / 2;
    double bursts = generator->bursts * exp(depth);
    /* The normal limit of the Poisson number of bursts: rows have hundreds of them. */
    bursts += sqrt(bursts) * sfs_random_normal(random);
    for (int64_t left = bursts < 1 ? 1 : (int64_t)bursts; left > 0; left--) {
        uint32_t gene = sfs_alias_draw(&generator->genes[row->kind], random);
        uint32_t size = burst_size(random);
        generator->counts[gene] += size;
        generator->touched[gene / 64] |= UINT64_C(1) << (gene % 64);
        row->n_counts += size;
    }
}

/* Moves the row's counts out, in the order of genes; returns their number. */
static uint32_t take_counts(struct generator *generator, int32_t *indices, float *values)
{
    uint32_t n = 0;
    for (uint64_t word = 0; word <= generator->spec.vars / 64; word++) {
        for (uint64_t bits = generator->touched[word]; bits; bits &= bits - 1) {
            uint64_t gene = word * 64 + (uint64_t)__builtin_ctzll(bits);
            indices[n] = (int32_t)gene;
            values[n++] = (float)generator->counts[gene];
            generator->counts[gene] = 0;
        }
        generator->touched[word] = 0;
    }
    return n;
}

static struct row draw_row(struct generator *generator, uint64_t index, int32_t *indices,
                           float *values)
{
    sfs_random random;
    struct row row = {.plate = (int32_t)plate_of(&generator->spec, index)};
    sfs_random_seed(&random, generator->spec.seed, (UINT64_C(1) << 32) + index);
    row.kind = (int32_t)sfs_alias_draw(&generator->mix[row.plate], &random);
    draw_counts(generator, &row, &random);
    row.n_genes = (int32_t)take_counts(generator, indices, values);
    return row;
}

enum { INDEX, PLATE, CLASS, N_COUNTS, N_GENES, HIGH_DEPTH, COLUMNS };

struct obs_writers {
    sfs_column_writer *columns[COLUMNS]; /* owned */
};

static sfs_status open_obs(sfs_output *output, struct obs_writers *obs, sfs_error *error)
{
    static const sfs_column_spec specs[COLUMNS] = {
        [INDEX] = {.table = "obs", .name = "_index", .kind = SFS_COLUMN_STRING},
        [PLATE] = {.table = "obs", .name = "plate", .kind = SFS_COLUMN_CATEGORICAL},
        [CLASS] = {.table = "obs", .name = "cell_type", .kind = SFS_COLUMN_CATEGORICAL},
        [N_COUNTS] = {.table = "obs", .name = "n_counts", .dtype = {'i', 8}},
        [N_GENES] = {.table = "obs", .name = "n_genes", .dtype = {'i', 4}},
        [HIGH_DEPTH] = {.table = "obs", .name = "high_depth", .dtype = {'b', 1}},
    };
    SFS_TRY(sfs_table_declare(output, "obs", output->rows, error));
    for (int i = 0; i < COLUMNS; i++)
        SFS_TRY(sfs_column_writer_open(output, &specs[i], &obs->columns[i], error));
    for (int plate = 0; plate < PLATES; plate++) {
        char name[16];
        int length = snprintf(name, sizeof name, "plate%d", plate + 1);
        SFS_TRY(sfs_column_writer_category(obs->columns[PLATE], name, (size_t)length, error));
    }
    for (int kind = 0; kind < CLASSES; kind++)
        SFS_TRY(sfs_column_writer_category(obs->columns[CLASS], class_names[kind],
                                           strlen(class_names[kind]), error));
    return 0;
}

static sfs_status put_obs(const struct generator *generator, struct obs_writers *obs,
                          uint64_t index, const struct row *row, sfs_error *error)
{
    char name[32];
    int length = snprintf(name, sizeof name, "cell_%010" PRIu64, index);
    uint8_t high_depth =
        (double)row->n_genes > generator->spec.density * (double)generator->spec.vars;
    SFS_TRY(sfs_column_writer_string(obs->columns[INDEX], name, (size_t)length, false, error));
    SFS_TRY(sfs_column_writer_values(obs->columns[PLATE], 1, &row->plate, NULL, error));
    SFS_TRY(sfs_column_writer_values(obs->columns[CLASS], 1, &row->kind, NULL, error));
    SFS_TRY(sfs_column_writer_values(obs->columns[N_COUNTS], 1, &row->n_counts, NULL, error));
    SFS_TRY(sfs_column_writer_values(obs->columns[N_GENES], 1, &row->n_genes, NULL, error));
    return sfs_column_writer_values(obs->columns[HIGH_DEPTH], 1, &high_depth, NULL, error);
}

static sfs_status finish_obs(struct obs_writers *obs, sfs_error *error)
{
    for (int i = 0; i < COLUMNS; i++) {
        sfs_column_writer *column = obs->columns[i];
        obs->columns[i] = NULL;
        SFS_TRY(sfs_column_writer_finish(column, error));
    }
    return 0;
}

static sfs_status put_var(sfs_output *output, const struct spec *spec, const sfs_gene_order *genes,
                          sfs_error *error)
{
    const sfs_column_spec index = {
        .table = "var", .name = "_index", .kind = SFS_COLUMN_STRING, .order = genes->source};
    sfs_column_writer *writer;
    SFS_TRY(sfs_table_declare(output, "var", spec->vars, error));
    SFS_TRY(sfs_column_writer_open(output, &index, &writer, error));
    for (uint64_t gene = 0; gene < spec->vars; gene++) {
        char name[32];
        int length = snprintf(name, sizeof name, "GENE%06" PRIu64, gene);
        sfs_status status = sfs_column_writer_string(writer, name, (size_t)length, false, error);
        if (status) {
            sfs_column_writer_abort(writer);
            return status;
        }
    }
    SFS_TRY(sfs_column_writer_finish(writer, error));
    return genes->source ? sfs_gene_order_write(genes, "var", output, error) : 0;
}

/* A block of rows on its way to the matrix writer. */
struct block {
    uint64_t rows, entries;
    uint32_t *nnz;    /* owned */
    int32_t *indices; /* owned */
    float *values;    /* owned */
};

static sfs_csr_block as_csr(const struct generator *generator, const struct block *block)
{
    return (sfs_csr_block){
        .rows = block->rows,
        .nnz = block->nnz,
        .indices = block->indices,
        .values = block->values,
        .dtype = {'f', 4},
        .columns = generator->spec.vars,
    };
}

/* Makes all rows once more, and counts the non-zeros of each gene. */
static sfs_status order_genes(struct generator *generator, struct block *block,
                              sfs_progress *progress, sfs_gene_order *out, sfs_error *error)
{
    uint64_t rows = generator->spec.rows, vars = generator->spec.vars;
    SFS_AUTO_FREE uint64_t *counts = calloc(vars, sizeof *counts);
    if (!counts)
        return sfs_fail_memory(error);
    block->rows = 1;
    sfs_progress_start(progress, "X" SFS_GENE_COUNTING, rows);
    for (uint64_t i = 0; i < rows; i++) {
        struct row row = draw_row(generator, i, block->indices, block->values);
        block->nnz[0] = (uint32_t)row.n_genes;
        const sfs_csr_block csr = as_csr(generator, block);
        sfs_gene_count_sparse(counts, &csr);
        if (i % 256 == 0)
            sfs_progress_update(progress, i);
    }
    block->rows = 0;
    sfs_progress_finish(progress);
    return sfs_gene_order_open(counts, vars, out, error);
}

static sfs_status put_block(const struct generator *generator, struct block *block,
                            const sfs_gene_order *genes, sfs_matrix_writer *matrix,
                            sfs_error *error)
{
    sfs_csr_block csr = as_csr(generator, block);
    if (genes->source)
        SFS_TRY(sfs_gene_order_sparse(genes, &csr, error));
    SFS_TRY(sfs_matrix_writer_sparse(matrix, csr.rows, csr.nnz, csr.indices, csr.values, error));
    block->rows = block->entries = 0;
    return 0;
}

static sfs_status put_rows(struct generator *generator, struct block *block,
                           const sfs_gene_order *genes, sfs_matrix_writer *matrix,
                           struct obs_writers *obs, sfs_progress *progress, sfs_error *error)
{
    uint64_t rows = generator->spec.rows;
    for (uint64_t i = 0; i < rows; i++) {
        struct row row =
            draw_row(generator, i, block->indices + block->entries, block->values + block->entries);
        SFS_TRY(put_obs(generator, obs, i, &row, error));
        block->nnz[block->rows++] = (uint32_t)row.n_genes;
        block->entries += (uint32_t)row.n_genes;
        if (block->entries < BLOCK_ENTRIES && block->rows < BLOCK_ENTRIES && i + 1 < rows)
            continue;
        SFS_TRY(put_block(generator, block, genes, matrix, error));
        sfs_progress_update(progress, i + 1);
    }
    return 0;
}

static sfs_status open_block(const struct generator *generator, struct block *block,
                             sfs_error *error)
{
    uint64_t room = BLOCK_ENTRIES + generator->spec.vars;
    block->nnz = malloc(BLOCK_ENTRIES * sizeof *block->nnz);
    block->indices = malloc(room * sizeof *block->indices);
    block->values = malloc(room * sizeof *block->values);
    return block->nnz && block->indices && block->values ? 0 : sfs_fail_memory(error);
}

static sfs_status put_all(const sfs_convert_options *options, struct generator *generator,
                          struct block *block, sfs_gene_order *genes, struct obs_writers *obs,
                          sfs_output *output, sfs_progress *progress, sfs_error *error)
{
    sfs_matrix_writer *matrix;
    sfs_matrix_spec spec = {.name = "X",
                            .codec = sfs_codec_chosen(options->codec, true),
                            .dtype = {'f', 4},
                            .columns = generator->spec.vars};
    SFS_TRY(open_block(generator, block, error));
    SFS_TRY(open_generator(generator, error));
    if (options->sort_genes)
        SFS_TRY(order_genes(generator, block, progress, genes, error));
    SFS_TRY(put_var(output, &generator->spec, genes, error));
    SFS_TRY(open_obs(output, obs, error));
    SFS_TRY(sfs_matrix_writer_open(output, &spec, &matrix, error));
    sfs_progress_start(progress, "X", generator->spec.rows);
    sfs_status status = put_rows(generator, block, genes, matrix, obs, progress, error);
    if (status) {
        sfs_matrix_writer_abort(matrix);
        return status;
    }
    sfs_progress_finish(progress);
    SFS_TRY(sfs_matrix_writer_finish(matrix, &(sfs_matrix_stats){0}, error));
    return finish_obs(obs, error);
}

sfs_status sfs_convert_synthetic(const sfs_convert_options *options, sfs_progress *progress,
                                 sfs_output *output, uint64_t *variables, sfs_error *error)
{
    struct generator generator = {.spec = {25382, 34455, 0, 0.031}};
    struct obs_writers obs = {0};
    struct block block = {0};
    sfs_gene_order genes = {0};
    if (options->layer || options->raw)
        return sfs_fail(error, -EINVAL, "synthetic: has X alone, neither layers nor raw");
    SFS_TRY(parse_spec(options->input, &generator.spec, error));
    SFS_TRY(
        sfs_output_open(output, options->output, generator.spec.rows, options->shard_rows, error));
    *variables = generator.spec.vars;
    sfs_status status = put_all(options, &generator, &block, &genes, &obs, output, progress, error);
    for (int i = 0; i < COLUMNS; i++)
        sfs_column_writer_abort(obs.columns[i]);
    close_generator(&generator);
    sfs_gene_order_close(&genes);
    free(block.nnz);
    free(block.indices);
    free(block.values);
    return status;
}
