/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `upon run`: processes on polling lcores, this thread asleep beside them.
 *
 * Whatever can be refused is refused before anything starts. While the processes run, this thread
 * wakes once in a tick, reads the board, and writes a line of the series; it touches nothing that
 * a process waits for. When the load has ended it waits, in bounded time, for what is still on its
 * way, stops the processes, takes the stacks apart, counts the packets, and judges.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <rte_launch.h>

#include "dataplane/clock.h"
#include "dataplane/eal.h"
#include "dataplane/fabric.h"
#include "dataplane/placement.h"
#include "result.h"
#include "verbs.h"

#define SETS_MAX         64
#define TICK_NS          100000000  /* with a processor to spare for this thread */
#define TICK_CROWDED_NS  1000000000 /* with none: it takes its time from a process */
#define DRAIN_TICK_NS    2000000
#define START_NS         20000000 /* the processes are all polling by then */
#define EAL_WORDS_MAX    32
#define SAMPLES_ALL      (1u << 21) /* deliveries that are remembered, of all processes */
#define CLOSED_OPS_PER_S 4e6        /* more than a closed loop will do */

struct arguments {
    const char *job;
    const char *out;
    char *set[SETS_MAX];
    uint32_t sets;
    bool json;
    bool quiet;
};

/* The processes that one lcore runs by taking their breaths in turn. */
struct worker {
    struct board *board;
    uint32_t count;
    struct stack *st[PSET_PROCS];
    uint64_t preempted; /* times that another program took its processor */
};

struct run {
    const struct arguments *args;
    struct job job;
    struct placement place;
    struct fabric *fabric;
    struct board *board;
    bool eal; /* started */
    struct stack *st[PSET_PROCS];
    size_t stack_bytes;
    struct worker worker[PLACEMENT_LCORES_MAX];
    struct verdict verdict;
    struct result result;
    char placement_text[1024];
    char device_text[256];
    char machine_text[128];
    char folder[4096];
    FILE *say; /* for people */
    FILE *series;
    uint64_t tick_ns;
    /* The last second, or tick. */
    struct hist recent;
    struct hist before;
    uint64_t before_ns;
    uint64_t before_sent;
    uint64_t before_delivered;
    char why[1024];
};

static int fail(const struct run *r)
{
    fprintf(stderr, "upon: %s\n", r->why);
    return STATUS_FAILED;
}

/* ---- setting up --------------------------------------------------------------------------------- */

static int spare_processors(const struct placement *p)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    sched_getaffinity(0, sizeof cpus, &cpus);
    return CPU_COUNT(&cpus) - p->lcores;
}

/* How many deliveries will be there to sample, and which power of two keeps them within bounds. */
static struct board *open_board(const struct job *job)
{
    double per_s = job->mode == JOB_OPEN ? job->rate : CLOSED_OPS_PER_S;
    double expected = per_s * (double)job->duration_ns / 1e9;
    uint32_t budget = SAMPLES_ALL / (job->n > 4 ? job->n : 4), every = 1;
    while (expected / every * 1.02 + 1024 > budget)
        every *= 2;
    uint32_t samples = (uint32_t)(expected / every * 1.05) + 1024;
    if (job->top->shape == LOAD_TO_NEXT) /* no delivery waits for another: none is remembered */
        samples = every = 1;
    return board_open(job->n, job->top->shape == LOAD_ONE_VALUE ? BOARD_BLOCKS : 1, samples, every);
}

/* The words of device.eal; they point into `text`. */
static void split_words(char *text, const char *words[EAL_WORDS_MAX + 1])
{
    uint32_t n = 0;
    char *rest;
    for (char *w = strtok_r(text, " \t", &rest); w != NULL && n < EAL_WORDS_MAX;
         w = strtok_r(NULL, " \t", &rest))
        words[n++] = w;
    words[n] = NULL;
}

static int open_fabric(struct run *r)
{
    const struct job *job = &r->job;
    uint16_t self[PSET_PROCS];
    for (uint16_t p = 0; p < job->n; p++)
        self[p] = p;
    const struct fabric_conf conf = {.device = job->device,
                                     .args = job->device_args,
                                     .n = (uint16_t)job->n,
                                     .self = self,
                                     .selves = (uint16_t)job->n,
                                     .mtu = (uint32_t)job->mtu,
                                     .msg_bytes = (uint32_t)job->size,
                                     .pool_pkts = job->pool,
                                     .checksum = job_checksum(job)};
    char eal_text[JOB_TEXT_BYTES];
    const char *eal_words[EAL_WORDS_MAX + 1];
    memcpy(eal_text, job->eal_args, sizeof eal_text);
    split_words(eal_text, eal_words);
    /* A pool is one piece of memory: leave room for what lies between pieces. */
    const struct eal_conf eal = {.args = eal_words,
                                 .cpu = r->place.cpu,
                                 .cpus = r->place.lcores,
                                 .memory_bytes = fabric_memory_wanted(&conf) * 3 / 2};
    int err = eal_start(&eal, r->why, sizeof r->why);
    r->eal = err == 0;
    if (err == 0)
        err = fabric_open(&r->fabric, &conf, r->why, sizeof r->why);
    return err;
}

static int wire_stacks(struct run *r)
{
    struct job *job = &r->job;
    r->stack_bytes = co_wire_bytes(job->def, &load_class, &job->conf);
    for (uint16_t p = 0; p < job->n; p++) {
        void *mem = mmap(NULL, r->stack_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (mem == MAP_FAILED) {
            snprintf(r->why, sizeof r->why,
                     "no memory for %u stacks of %zu bytes; lower params.instances or job.n",
                     job->n, r->stack_bytes);
            return -ENOMEM;
        }
        struct stack_conf conf = job->conf;
        conf.self = p;
        r->st[p] = co_wire(mem, job->def, &load_class, &conf, fabric_env(r->fabric, p));
        struct worker *w = &r->worker[r->place.lcore[p]];
        w->board = r->board;
        w->st[w->count++] = r->st[p];
    }
    return 0;
}

static uint64_t now_ns(const struct run *r)
{
    struct env *env = fabric_env(r->fabric, 0);
    return env->ops->now(env);
}

/* The instant at which everything begins is the same for all processes. */
static void attach_load(struct run *r)
{
    const struct job *job = &r->job;
    uint64_t start = now_ns(r) + START_NS;
    r->board->from_ns = start + job->warmup_ns;
    board_put(&r->board->end_ns, r->board->from_ns + job->duration_ns);
    uint32_t sources =
        job->top->shape == LOAD_ONE_VALUE ? 1 : (uint32_t)__builtin_popcountll(job->sources);
    const struct load_conf conf = {.top = job->top,
                                   .board = r->board,
                                   .seed = job->seed,
                                   .sources = job->sources,
                                   .size = (uint32_t)job->size,
                                   .closed = job->mode == JOB_CLOSED,
                                   .window = job->window,
                                   .interval_ns = 1e9 / job->rate * sources,
                                   .start_ns = start,
                                   .arrival = job->arrival,
                                   .plant = job->plant};
    for (uint32_t p = 0; p < job->n; p++)
        load_attach(r->st[p], &conf);
}

/* ---- while it runs ------------------------------------------------------------------------------- */

static int worker_run(void *arg)
{
    struct worker *w = arg;
    struct rusage before, after;
    getrusage(RUSAGE_THREAD, &before);
    while (board_get(&w->board->stop) == 0)
        for (uint32_t i = 0; i < w->count; i++)
            co_breath(w->st[i]);
    getrusage(RUSAGE_THREAD, &after);
    w->preempted = (uint64_t)(after.ru_nivcsw - before.ru_nivcsw);
    return 0;
}

/* Sleep until `until_ns`, or until a signal asks to end: then true. */
static bool sleep_until(const struct run *r, uint64_t until_ns, const sigset_t *signals)
{
    for (;;) {
        uint64_t now = now_ns(r);
        if (now >= until_ns)
            return false;
        uint64_t left = until_ns - now;
        const struct timespec t = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
        if (sigtimedwait(signals, NULL, &t) > 0)
            return true;
    }
}

static void totals(const struct run *r, uint64_t *sent, uint64_t *delivered)
{
    const uint8_t shape = r->job.top->shape;
    *sent = 0;
    *delivered = shape == LOAD_TO_NEXT ? 0 : UINT64_MAX;
    for (uint32_t p = 0; p < r->job.n; p++) {
        uint64_t s = board_get(&board_row(r->board, p)->issued);
        uint64_t d = board_get(&board_row(r->board, p)->delivered);
        *sent = shape != LOAD_ONE_VALUE ? *sent + s : s > *sent ? s : *sent;
        *delivered = shape == LOAD_TO_NEXT ? *delivered + d : d < *delivered ? d : *delivered;
    }
}

static void put_percentile(FILE *f, const struct hist *h, double percent)
{
    uint64_t value;
    if (hist_percentile(h, percent, &value))
        fprintf(f, ",%" PRIu64, value);
    else
        fputs(",", f);
}

/* One line of the series, and of the progress. */
static void tick(struct run *r, uint64_t now, bool progress)
{
    uint64_t sent, delivered;
    totals(r, &sent, &delivered);
    double seconds = (double)(now - r->before_ns) / 1e9;
    double since = ((double)now - (double)r->board->from_ns) / 1e9;
    double sent_per_s = (double)(sent - r->before_sent) / seconds;
    double delivered_per_s = (double)(delivered - r->before_delivered) / seconds;
    memset(&r->recent, 0, sizeof r->recent);
    for (uint32_t p = 0; p < r->job.n; p++)
        hist_add(&r->recent, &board_row(r->board, p)->decide);
    hist_since(&r->recent, &r->before);
    if (r->series != NULL) {
        fprintf(r->series, "%.3f,%.0f,%.0f,%.0f", since,
                r->job.mode == JOB_OPEN ? r->job.rate : sent_per_s, sent_per_s, delivered_per_s);
        put_percentile(r->series, &r->recent, 50);
        put_percentile(r->series, &r->recent, 99);
        putc('\n', r->series);
    }
    if (progress) {
        char a[32], b[32], c[32] = "-", d[32] = "-";
        uint64_t value;
        if (hist_percentile(&r->recent, 50, &value))
            report_ns(c, sizeof c, value);
        if (hist_percentile(&r->recent, 99, &value))
            report_ns(d, sizeof d, value);
        fprintf(stderr, "\r\033[K  %5.1f s   sent %s/s   delivered %s/s   p50 %s   p99 %s", since,
                report_count(a, sizeof a, sent_per_s), report_count(b, sizeof b, delivered_per_s),
                c, d);
        fflush(stderr);
    }
    r->before_ns = now;
    r->before_sent = sent;
    r->before_delivered = delivered;
}

/* Watch until the load ends, or is ended. */
static void watch(struct run *r, const sigset_t *signals)
{
    const bool progress = isatty(STDERR_FILENO) && !r->args->quiet;
    uint64_t ticks = 0, per_second = 1000000000 / r->tick_ns;
    r->before_ns = r->board->from_ns - r->job.warmup_ns;
    for (;;) {
        uint64_t end = board_get(&r->board->end_ns);
        uint64_t next = r->board->from_ns - r->job.warmup_ns + (ticks + 1) * r->tick_ns;
        if (sleep_until(r, next < end ? next : end, signals)) {
            uint64_t now = now_ns(r);
            board_put(&r->board->end_ns, now < end ? now : end);
            break;
        }
        if (next >= end)
            break;
        ticks++;
        tick(r, next, progress && ticks % per_second == 0);
        verdict_compare(&r->verdict, r->board);
    }
    if (board_get(&r->board->end_ns) > r->before_ns)
        tick(r, board_get(&r->board->end_ns), false); /* what is left of a second */
    if (progress)
        fputs("\r\033[K", stderr);
}

static void drain(struct run *r, const sigset_t *signals)
{
    uint64_t until = now_ns(r) + r->job.drain_ns;
    bool enough = false;
    while (!enough && !verdict_drained(r->job.top, r->board) && now_ns(r) < until)
        enough = sleep_until(r, now_ns(r) + DRAIN_TICK_NS, signals);
    verdict_compare(&r->verdict, r->board);
}

static void run_processes(struct run *r, const sigset_t *signals)
{
    for (uint16_t k = 0; k < r->place.lcores; k++)
        rte_eal_remote_launch(worker_run, &r->worker[k], eal_lcore(k));
    watch(r, signals);
    drain(r, signals);
    board_put(&r->board->stop, 1);
    for (uint16_t k = 0; k < r->place.lcores; k++)
        rte_eal_wait_lcore(eal_lcore(k));
}

/* ---- ending --------------------------------------------------------------------------------------- */

static void judge(struct run *r)
{
    struct result *res = &r->result;
    for (uint16_t k = 0; k < r->place.lcores; k++)
        res->preemptions += r->worker[k].preempted;
    for (uint32_t p = 0; p < r->job.n; p++)
        load_detach(r->st[p]);
    for (uint32_t p = 0; p < r->job.n; p++)
        stack_fini(r->st[p]);
    res->memory_bytes =
        fabric_memory_bytes(r->fabric) + r->job.n * r->stack_bytes + board_bytes(r->board);
    res->leaked_pkts = fabric_close(r->fabric);
    verdict_close(&r->verdict, r->board);
    result_compute(res, &r->job, r->board);
    if (res->leaked_pkts > 0)
        verdict_note(&r->verdict, "%" PRIu64 " packets did not return to their pool: a leak",
                     res->leaked_pkts);
    if (res->counters[COUNT_drop_lost_peer] > 0)
        verdict_note(&r->verdict,
                     "%" PRIu64 " messages went to a peer that was given up as crashed; raise "
                     "params.give_up",
                     res->counters[COUNT_drop_lost_peer]);
}

static int report(struct run *r)
{
    const struct arguments *args = r->args;
    int err = result_write(&r->result, r->folder, r->why, sizeof r->why);
    if (args->quiet && !args->json)
        report_line(r->say, &r->result);
    else if (!args->quiet)
        report_tail(r->say, &r->result, r->folder);
    if (args->json) {
        char *text = result_json(&r->result);
        puts(text != NULL ? text : "{}");
        free(text);
    }
    if (err != 0)
        return fail(r);
    return verdict_status(&r->verdict);
}

static void describe(struct run *r)
{
    struct result *res = &r->result;
    struct timespec t;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &t);
    res->start_unix = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    gmtime_r(&t.tv_sec, &tm);
    strftime(res->when, sizeof res->when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    placement_text(&r->place, r->placement_text, sizeof r->placement_text);
    snprintf(r->device_text, sizeof r->device_text, "%s", fabric_describe(r->fabric));
    snprintf(r->machine_text, sizeof r->machine_text, "TSC at %.4g GHz, %s",
             (double)clock_start(0) / 1e9, eal_memory_text());
    res->machine = r->machine_text;
    res->job = &r->job;
    res->verdict = &r->verdict;
    res->placement = r->placement_text;
    res->device = r->device_text;
    res->lcores = r->place.lcores;
    res->shared = placement_shared(&r->place);
    r->tick_ns = spare_processors(&r->place) > 0 ? TICK_NS : TICK_CROWDED_NS;
}

static int open_series(struct run *r)
{
    char path[4200];
    int err =
        result_folder(r->args->out, &r->job, r->folder, sizeof r->folder, r->why, sizeof r->why);
    if (err != 0)
        return err;
    snprintf(path, sizeof path, "%s/series.csv", r->folder);
    r->series = fopen(path, "w");
    if (r->series == NULL) {
        err = -errno;
        snprintf(r->why, sizeof r->why, "%.800s: %s; choose another place with --out DIR", path,
                 strerror(errno));
        return err;
    }
    fputs("time_s,offered_per_s,sent_per_s,delivered_per_s,p50_ns,p99_ns\n", r->series);
    return 0;
}

static int run(struct run *r)
{
    const struct arguments *args = r->args;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL); /* before EAL makes threads, which inherit it */
    if (job_read(&r->job, args->job, args->set, args->sets, r->why, sizeof r->why) != 0 ||
        job_check(&r->job, r->why, sizeof r->why) != 0)
        return fail(r);
    const char *cores = strcmp(r->job.cores, "auto") == 0 ? NULL : r->job.cores;
    if (placement_make(&r->place, (uint16_t)r->job.n, cores, r->why, sizeof r->why) != 0)
        return fail(r);
    verdict_open(&r->verdict, r->job.top);
    r->board = open_board(&r->job);
    if (r->board == NULL) {
        snprintf(r->why, sizeof r->why, "no memory for the board; lower job.n");
        return fail(r);
    }
    if (open_fabric(r) != 0 || open_series(r) != 0 || wire_stacks(r) != 0)
        return fail(r);
    describe(r);
    if (!args->quiet)
        report_head(r->say, &r->result);
    fflush(r->say);
    attach_load(r);
    run_processes(r, &signals);
    fclose(r->series);
    judge(r);
    return report(r);
}

/* ---- arguments -------------------------------------------------------------------------------------- */

enum { OPTION_SET = 's', OPTION_OUT = 'o', OPTION_JSON = 'j', OPTION_QUIET = 'q' };

static const struct argp_option options[] =
    {{"set", OPTION_SET, "SECTION.KEY=VALUE", 0, "Override a key of the job; may be repeated", 0},
     {"out", OPTION_OUT, "DIR", 0, "Write the files there, not to runs/<time>-<stack>", 0},
     {"json", OPTION_JSON, NULL, 0, "Print summary.json and nothing else on stdout", 0},
     {"quiet", OPTION_QUIET, NULL, 0, "Print the result alone", 0},
     {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case OPTION_SET:
        if (a->sets == SETS_MAX)
            argp_error(state, "--set is given more than %d times; use a job file", SETS_MAX);
        a->set[a->sets++] = arg;
        return 0;
    case OPTION_OUT:
        a->out = arg;
        return 0;
    case OPTION_JSON:
        a->json = true;
        return 0;
    case OPTION_QUIET:
        a->quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->job != NULL)
            argp_error(state, "\"%s\": one job file is run at a time", arg);
        a->job = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int run_main(int argc, char **argv)
{
    static const struct argp argp =
        {.options = options,
         .parser = parse,
         .args_doc = "[JOB.ini]",
         .doc =
             "Run a stack over a device under load; measure and judge it.\v"
             "Without a job: uniform consensus among three processes over rings in memory, "
             "100000 proposals per second, for five seconds. `upon list keys` tells the keys of a "
             "job and their defaults.\n\n"
             "Exit status: 0 valid, 1 a property was violated, 2 could not run, or unknown."};
    struct arguments args = {0};
    argp_err_exit_status = STATUS_FAILED;
    if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
        return STATUS_FAILED;
    struct run *r = calloc(1, sizeof *r);
    if (r == NULL) {
        fprintf(stderr, "upon: no memory\n");
        return STATUS_FAILED;
    }
    r->args = &args;
    r->say = args.json ? stderr : stdout;
    int status = run(r);
    if (r->eal)
        eal_stop();
    for (uint32_t p = 0; p < PSET_PROCS; p++)
        if (r->st[p] != NULL)
            munmap(r->st[p], r->stack_bytes);
    board_close(r->board);
    free(r);
    return status;
}
