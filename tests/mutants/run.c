/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of mutants: each planted bug must be found by the checker of its property, within its
 * number of seeds, and nothing unrelated may be reported; harmless edits and the algorithms as they
 * are must stay silent over the same seeds. Each row runs in a process of its own, so that a mutant
 * that trips an assertion takes nobody along.
 *
 *     mutants [--long | --times N | --rivals] [--only TEXT] [--verbose]
 *
 * --times N runs N times the seeds, all of them, and says in how many each bug shows; --long is
 * --times 20. Rows are told of as they end.
 *
 * --rivals compares the strategies of `upon sim` by what each needs to find these bugs.
 */
#include "mutants.h"
#include "strategy.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/eal.h"

#define ROWS_MAX    512
#define LAYERS_MAX  CO_STACK_MAX
#define LONG_TIMES  20 /* seeds of the long form, against the short one */
#define TIMES_MAX   1000
#define ROW_SECONDS 300 /* of processor time: a row that takes more never ends */
#define WORKERS     2

enum verdict { NOT_RUN, FOUND, SILENT, MISSED, UNRELATED, ENDED, STALE };

static const char *const verdict_names[] = {
    [NOT_RUN] = "not run",     [FOUND] = "found",   [SILENT] = "silent", [MISSED] = "NOT FOUND",
    [UNRELATED] = "UNRELATED", [ENDED] = "CRASHED", [STALE] = "STALE",
};

/* What became of a row; shared with the process that runs it. */
struct row {
    struct mutant mutant;
    enum verdict verdict;
    pid_t child;    /* that runs it */
    uint32_t seeds; /* run */
    uint32_t hits;  /* of them, with the property violated */
    uint32_t first; /* seed of the first */
    uint64_t steps; /* of that run, until it was violated */
    uint32_t bad_seed;
    char bad[24]; /* the unrelated property */
    char witness[256];
    uint32_t rival[RIVALS][RIVAL_BASES]; /* schedules until it was found; 0: not measured */
    uint32_t cell;                       /* of these, measured now */
    uint32_t schedule;                   /* and at which schedule */
};

static struct row *rows;
static uint32_t row_count;
static uint32_t times = 1; /* the seeds; above 1 none is the last for having been found */
static bool compare, verbose;

/* ---- a stack with one class replaced --------------------------------------------------------- */

struct replaced {
    struct stack_def def;
    struct stack_layer layers[LAYERS_MAX];
    struct co_class cls[LAYERS_MAX]; /* a bug: without invariants; the checkers must find it */
};

/* Of `n` layers keep the last one and what it uses, at once or further down: what nobody hears is
 * none of that stack, and its checker would wait for ever. */
static void keep_used(struct replaced *r, uint32_t n)
{
    bool kept[LAYERS_MAX] = {false};
    uint32_t to = 0;
    kept[n - 1] = true;
    for (uint32_t i = n; i-- > 0;)
        for (int k = 0; kept[i] && k < CO_USES_MAX && r->layers[i].uses[k] != NULL; k++)
            for (uint32_t j = 0; j < i; j++)
                kept[j] |= strcmp(r->layers[j].name, r->layers[i].uses[k]) == 0;
    for (uint32_t i = 0; i < n; i++)
        if (kept[i])
            r->layers[to++] = r->layers[i];
    r->layers[to] = (struct stack_layer){0};
}

/* "uc" is a stack; "uc:ec" is its layer ec and what that one stands on. */
static void replace(struct replaced *r, const struct mutant *m)
{
    const char *top = strchr(m->stack, ':');
    char name[64];
    snprintf(name, sizeof name, "%.*s",
             (int)(top != NULL ? (size_t)(top - m->stack) : strlen(m->stack)), m->stack);
    const struct stack_def *def = stack_find(name);
    uint32_t n = 0, hits = 0;
    if (def == NULL) {
        fprintf(stderr, "mutant %s: there is no stack %s\n", m->name, m->stack);
        exit(2);
    }
    r->def = *def;
    r->def.top = top != NULL ? top + 1 : def->top;
    r->def.layers = r->layers;
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++) {
        r->layers[n] = *l;
        r->cls[n] = *l->cls;
        r->layers[n].cls = &r->cls[n];
        if (m->cls != NULL && strcmp(l->cls->name, m->replaces) == 0) {
            r->cls[n] = *m->cls;
            hits++;
        }
        if (m->breaks[0] != '\0')
            r->cls[n].check = NULL;
        n++;
        if (strcmp(l->name, r->def.top) == 0)
            break;
    }
    keep_used(r, n);
    if (m->cls != NULL && hits == 0) {
        fprintf(stderr, "mutant %s: stack %s has no layer of class %s\n", m->name, m->stack,
                m->replaces);
        exit(2);
    }
}

/* ---- one row --------------------------------------------------------------------------------- */

/* Whether `code` is one of the words of `codes`. */
static bool among(const char *codes, const char *code)
{
    size_t len = strlen(code);
    for (const char *p = codes; (p = strstr(p, code)) != NULL; p += len)
        if ((p == codes || p[-1] == ' ') && (p[len] == '\0' || p[len] == ' '))
            return true;
    return false;
}

/* Look at every result of a run that has ended. */
static void judge(struct row *row, struct check *const *check, uint32_t seed)
{
    const struct mutant *m = &row->mutant;
    bool hit = false;
    for (int i = 0; i < CO_STACK_MAX; i++)
        for (uint16_t k = 0; check[i] != NULL && k < check[i]->results; k++) {
            const struct check_result *r = &check[i]->result[k];
            if (r->state != CHECK_VIOLATED)
                continue;
            if (strcmp(r->code, m->breaks) == 0) {
                hit = true;
                if (row->hits > 0)
                    continue;
                row->first = seed;
                row->steps = r->step;
                snprintf(row->witness, sizeof row->witness, "%s", r->witness);
            } else if (!among(m->also, r->code) && row->bad_seed == 0) {
                row->bad_seed = seed;
                snprintf(row->bad, sizeof row->bad, "%s", r->code);
                snprintf(row->witness, sizeof row->witness, "%s", r->witness);
            }
        }
    row->hits += hit;
}

static struct {
    struct row *row;
    struct check *const *check; /* of each layer */
    uint32_t seed;
} current;

/* An assertion ended the run: what was violated until then counts. */
static void on_abort(int signal)
{
    (void)signal;
    judge(current.row, current.check, current.seed);
    if (current.row->bad_seed != 0)
        current.row->verdict = UNRELATED;
    else if (current.row->hits > 0)
        current.row->verdict = FOUND;
    _exit(0);
}

static bool harmless(const struct row *row)
{
    return row->mutant.breaks[0] == '\0';
}

/* Run seeds, until one is enough. */
static void run_seeds(struct row *row, struct check *const *check,
                      void (*run)(struct row *row, void *ctx, uint32_t seed), void *ctx)
{
    uint32_t seeds = row->mutant.seeds * times;
    signal(SIGABRT, on_abort);
    current.row = row;
    current.check = check;
    for (uint32_t seed = 1; seed <= seeds && row->bad_seed == 0; seed++) {
        current.seed = row->seeds = seed;
        run(row, ctx, seed);
        judge(row, check, seed);
        if (!harmless(row) && row->hits > 0 && times == 1)
            break;
    }
    row->verdict = row->bad_seed != 0                                  ? UNRELATED
                   : harmless(row)                                     ? SILENT
                   : row->first == 0 || row->first > row->mutant.seeds ? MISSED
                                                                       : FOUND;
}

static struct replaced replaced;

static void run_stack(struct row *row, void *world, uint32_t seed)
{
    strategy_run(world, &replaced.def, seed, &row->mutant);
}

static void run_stack_row(struct row *row, struct rte_mempool *pool)
{
    unsigned full = rte_mempool_avail_count(pool);
    struct sim_world *w = sim_world_new(pool);
    if (w == NULL)
        exit(2);
    replace(&replaced, &row->mutant);
    run_seeds(row, w->check, run_stack, w);
    sim_world_free(w);
    unsigned left = rte_mempool_avail_count(pool);
    if (harmless(row) && left != full) {
        row->verdict = UNRELATED;
        row->bad_seed = row->seeds;
        snprintf(row->bad, sizeof row->bad, "leak");
        snprintf(row->witness, sizeof row->witness, "%u packets are missing from the pool",
                 full - left);
    }
}

static void run_log(struct row *row, void *check, uint32_t seed)
{
    struct check *c = check;
    c->cls->reset(c);
    if (row->mutant.log != NULL)
        row->mutant.log->run(seed, c);
    else
        oracle_log_as_it_is(seed, c);
}

static void run_log_row(struct row *row)
{
    struct check *check[CO_STACK_MAX] = {check_find(ABS_LOG)->open(1)};
    run_seeds(row, check, run_log, check[0]);
}

/* ---- strategies compared ----------------------------------------------------------------------- */

#define CELLS (RIVALS * RIVAL_BASES)

static void run_rivals_row(struct row *row, struct rte_mempool *pool)
{
    struct sim_world *w = sim_world_new(pool);
    struct adversary *a = adversary_new();
    if (w == NULL || a == NULL)
        exit(2);
    replace(&replaced, &row->mutant);
    if (!rival_for(&replaced.def))
        row->cell = CELLS;
    for (; row->cell < CELLS; row->cell++) {
        uint32_t i = row->cell / RIVAL_BASES, b = row->cell % RIVAL_BASES;
        row->rival[i][b] =
            rival_run(w, a, &replaced.def, &rivals[i], b + 1, row->mutant.breaks, &row->schedule);
    }
    adversary_free(a);
    sim_world_free(w);
}

/* In a process of its own, which an assertion may end: then the bug is found, and the next process
 * goes on. True: in that process. */
static bool rivals_go_on(struct row *row)
{
    int status = 0;
    while (row->cell < CELLS) {
        if (fork() == 0)
            return true;
        wait(&status);
        if (!WIFSIGNALED(status))
            continue;
        row->rival[row->cell / RIVAL_BASES][row->cell % RIVAL_BASES] = row->schedule;
        row->cell++;
    }
    return false;
}

static int by_size(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return a < b ? -1 : a > b;
}

static uint32_t median(const uint32_t *of)
{
    uint32_t sorted[RIVAL_BASES];
    memcpy(sorted, of, sizeof sorted);
    qsort(sorted, RIVAL_BASES, sizeof sorted[0], by_size);
    return sorted[RIVAL_BASES / 2];
}

/* A line for each bug that some strategy finds in most ranges. */
static void print_rivals(void)
{
    uint32_t best[RIVALS] = {0}, never[RIVALS] = {0}, bugs = 0, none = 0;
    printf("Schedules until a bug is found, median of %d ranges of seeds; -: more than %d.\n%-34s "
           "%-12s %-6s",
           RIVAL_BASES, RIVAL_SEEDS, "mutant", "stack", "breaks");
    for (uint32_t i = 0; i < RIVALS; i++)
        printf(" %7s", rivals[i].name);
    printf("\n");
    for (const struct row *r = rows; r < rows + row_count; r++) {
        uint32_t m[RIVALS], least = RIVAL_SEEDS + 1;
        for (uint32_t i = 0; i < RIVALS; i++) {
            m[i] = median(r->rival[i]);
            least = m[i] < least ? m[i] : least;
        }
        none += least > RIVAL_SEEDS;
        if (least == 0 || least > RIVAL_SEEDS)
            continue;
        printf("%-34s %-12s %-6s", r->mutant.name, r->mutant.stack, r->mutant.breaks);
        for (uint32_t i = 0; i < RIVALS; i++) {
            char text[16] = "-";
            if (m[i] <= RIVAL_SEEDS)
                snprintf(text, sizeof text, "%u", m[i]);
            printf(" %7s", text);
            best[i] += m[i] == least;
            never[i] += m[i] > RIVAL_SEEDS;
        }
        printf("\n");
        bugs++;
    }
    printf("\n%-54s", "fewest schedules, alone or with another");
    for (uint32_t i = 0; i < RIVALS; i++)
        printf(" %7u", best[i]);
    printf("\n%-54s", "not found");
    for (uint32_t i = 0; i < RIVALS; i++)
        printf(" %7u", never[i]);
    printf("\n%u bugs; %u more that none of these finds.\n", bugs, none);
}

/* ---- all rows -------------------------------------------------------------------------------- */

static void add_row(const struct mutant *m)
{
    if (row_count == ROWS_MAX) {
        fprintf(stderr, "more than %d rows: raise ROWS_MAX\n", ROWS_MAX);
        exit(2);
    }
    rows[row_count++] = (struct row){.mutant = *m};
}

/* The algorithms as they are, over as many seeds as any of their mutants. */
static void add_unmutated(const char *only)
{
    for (const struct mutant *m = mutants; m->name != NULL; m++) {
        if (only != NULL && strstr(m->name, only) == NULL)
            continue;
        uint32_t i = 0;
        while (i < row_count && strcmp(rows[i].mutant.stack, m->stack) != 0)
            i++;
        if (i == row_count)
            add_row(&(struct mutant){.name = "(as it is)",
                                     .file = "",
                                     .stack = m->stack,
                                     .breaks = "",
                                     .also = "",
                                     .bug = ""});
        if (rows[i].mutant.seeds < m->seeds)
            rows[i].mutant.seeds = m->seeds;
    }
}

/* EAL's memory is shared with children, so each child has an EAL of its own. */
/* False: there is nothing to run. */
static bool start(struct row *row)
{
    fflush(stdout);
    const struct mutant *m = &row->mutant; /* a stale one was made by make.py */
    if ((m->cls != NULL && m->cls->name == NULL) || (m->log != NULL && m->log->run == NULL)) {
        row->verdict = STALE;
        return false;
    }
    row->verdict = ENDED;
    pid_t child = fork();
    if (child != 0) {
        row->child = child;
        return true;
    }
    if (!verbose && freopen("/dev/null", "w", stderr) == NULL)
        _exit(2);
    rlim_t seconds = (rlim_t)ROW_SECONDS * times;
    setrlimit(RLIMIT_CPU, &(struct rlimit){seconds, seconds});
    if (strcmp(m->stack, "(log)") == 0) {
        if (!compare)
            run_log_row(row);
        _exit(0);
    }
    if (compare && !rivals_go_on(row))
        _exit(0);
    struct rte_mempool *pool = NULL;
    if (eal_start_light(64) != 0 || (pool = eal_pool("mutants", 8191, 0, 2176)) == NULL)
        _exit(2);
    if (compare)
        run_rivals_row(row, pool);
    else
        run_stack_row(row, pool);
    _exit(0);
}

static void print_row(const struct row *r)
{
    const struct mutant *m = &r->mutant;
    char found[64] = "-", steps[32] = "-";
    if (r->first != 0) {
        snprintf(found, sizeof found, "%u of ≤ %u", r->first, m->seeds);
        snprintf(steps, sizeof steps, "%" PRIu64, r->steps);
    }
    if (times > 1 && r->hits > 0)
        snprintf(found, sizeof found, "%u; %u/%u", r->first, r->hits, r->seeds);
    if (m->breaks[0] == '\0')
        snprintf(found, sizeof found, "%u", r->seeds);
    printf("%-34s %-14s %-6s %-16s %8s  %s", m->name, m->stack,
           m->breaks[0] != '\0' ? m->breaks : "-", found, steps, verdict_names[r->verdict]);
    if (r->verdict == STALE)
        printf(": %s", m->log != NULL ? m->log->why : m->cls->title);
    if (r->verdict == UNRELATED)
        printf(": %s at seed %u: %s", r->bad, r->bad_seed, r->witness);
    else if (verbose && r->first != 0)
        printf(": %s", r->witness);
    printf("\n");
}

/* Wait for a row to end; of a long form, tell of it. False: none runs. */
static bool end_one(void)
{
    static uint32_t ended;
    pid_t child = wait(NULL);
    if (child < 0)
        return false;
    ended++;
    if (times == 1)
        return true;
    for (uint32_t i = 0; i < row_count; i++)
        if (rows[i].child == child) {
            printf("%3u of %u  ", ended, row_count);
            print_row(&rows[i]);
            fflush(stdout);
        }
    return true;
}

static void run_all(void)
{
    uint32_t running = 0;
    for (uint32_t i = 0; i < row_count; i++) {
        if (running == WORKERS)
            running -= end_one();
        running += start(&rows[i]);
    }
    while (end_one())
        continue;
}

/* A property that a checker judges and no mutant breaks. */
static uint32_t print_uncovered(void)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < property_info_count; i++) {
        const struct property_info *p = &property_infos[i];
        bool covered = check_find(p->abstraction) == NULL;
        for (const struct mutant *m = mutants; m->name != NULL; m++)
            covered |= strcmp(m->breaks, p->code) == 0;
        if (!covered)
            printf("%s%s", missing++ == 0 ? "No mutant breaks " : ", ", p->code);
    }
    printf("%s", missing > 0 ? ".\n" : "");
    return missing;
}

static int print_all(void)
{
    uint32_t count[STALE + 1] = {0};
    printf("%s%-34s %-14s %-6s %-16s %8s  %s\n", times > 1 ? "\n" : "", "mutant", "stack", "breaks",
           "seeds", "steps", "verdict");
    for (uint32_t i = 0; i < row_count; i++) {
        print_row(&rows[i]);
        count[rows[i].verdict]++;
    }
    uint32_t bad = count[MISSED] + count[UNRELATED] + count[ENDED] + count[STALE];
    printf("\n%u found, %u silent as they must be, %u not found, %u with an unrelated report, %u "
           "crashed, %u stale.\n",
           count[FOUND], count[SILENT], count[MISSED], count[UNRELATED], count[ENDED],
           count[STALE]);
    return bad > 0;
}

static bool read_times(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    times = (uint32_t)n;
    return *end == '\0' && n > 0 && n <= TIMES_MAX;
}

int main(int argc, char **argv)
{
    const char *only = NULL;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--long") == 0)
            times = LONG_TIMES;
        else if (strcmp(argv[i], "--times") == 0 && i + 1 < argc && read_times(argv[i + 1]))
            i++;
        else if (strcmp(argv[i], "--rivals") == 0)
            compare = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            verbose = true;
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else {
            fprintf(stderr, "usage: mutants [--long | --times N | --rivals] [--only TEXT] "
                            "[--verbose]\n");
            return 2;
        }
    rows = mmap(NULL, ROWS_MAX * sizeof rows[0], PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                -1, 0);
    if (rows == MAP_FAILED)
        return 2;
    if (!compare)
        add_unmutated(only);
    for (const struct mutant *m = mutants; m->name != NULL; m++)
        if ((only == NULL || strstr(m->name, only) != NULL) && (!compare || m->breaks[0] != '\0'))
            add_row(m);
    run_all();
    if (compare) {
        print_rivals();
        return 0;
    }
    int bad = print_all();
    if (only == NULL)
        bad |= print_uncovered() > 0;
    return bad;
}
