/* SPDX-License-Identifier: BSD-3-Clause */
/* `upon sim`: schedules by seed, judged, counted, and explained when a property breaks. */
#include "sim_main.h"

#include "dataplane/refuse.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/eal.h"
#include "config_diff.h"
#include "diagram.h"
#include "events.h"
#include "explore.h"
#include "job.h"
#include "replay.h"
#include "shiviz.h"
#include "shrink.h"
#include "sweep.h"

#define STACKS_MAX 64
#define SHAPES_MAX 9 /* worlds are kept for n = 1 … 8 of each stack */
#define DEFAULT_NS 10000000000ull
#define SETS_MAX   32
#define POOL_PKTS  16383
#define PKT_BYTES  1024 /* of a packet, and more where a job's messages are larger */
#define STATES_MAX (1u << 21)

enum { EXIT_HOLDS = 0, EXIT_VIOLATED = 1, EXIT_FAILED = 2 };

#define SHRINK_NS 2000000000ull /* given to a violation that has just been found */

/* ---- pictures of an execution ---------------------------------------------------------------- */

/* Where an execution is drawn, or written with vector clocks; and which choices of it. */
struct picture {
    const char *diagram;
    const char *shiviz;
    uint64_t first, last;
};

enum { OPT_DIAGRAM = 768, OPT_SHIVIZ, OPT_WINDOW };

#define PICTURE_OPTIONS                                                                  \
    {"diagram", OPT_DIAGRAM, "FILE", 0, "draw the execution in space and time, as SVG"}, \
        {"window", OPT_WINDOW, "A..B", 0, "draw only these choices"},                    \
    {                                                                                    \
        "shiviz", OPT_SHIVIZ, "FILE", 0, "write it with vector clocks, for ShiViz"       \
    }

/* ---- what was asked for ---------------------------------------------------------------------- */

struct options {
    const struct stack_def *stack; /* NULL: all */
    uint64_t first, last;          /* seeds */
    uint64_t time_ns;              /* 0: no limit */
    uint64_t steps;                /* 0: the strategy's own */
    uint64_t n;                    /* 0: drawn, or 3 */
    uint64_t depth;
    uint64_t pool_pkts;
    uint32_t lie_ppm;
    enum strategy strategy;
    bool swarm;
    bool exhaustive;
    bool sweep;
    struct picture picture;
    struct explore_conf search; /* what an exhaustive search may do, and its bounds */
    bool crashes_given;
    bool recoveries_given;
    bool seeds_given;
    bool trace, transcript, quiet, keep_going, unfair, unchecked;
    const char *script;
    const char *out;
    const char *set[SETS_MAX];
    uint32_t sets;
    const char *job_path;
    char *job_set[SETS_MAX]; /* section.key=value */
    uint32_t job_sets;
    uint64_t size;          /* of a message, from the job; 0: drawn, or 8 */
    struct stack_conf conf; /* what the job's [params] gave; the rest is 0 */
    struct faults faults;
    bool plan; /* they are a script, with its own time */
};

enum {
    OPT_SEEDS = 256,
    OPT_STRATEGY,
    OPT_STEPS,
    OPT_TIME,
    OPT_FAULTS,
    OPT_SET,
    OPT_DEPTH,
    OPT_UNFAIR,
    OPT_KEEP,
    OPT_UNCHECKED,
    OPT_MEMORY,
    OPT_LIES,
    OPT_CRASHES,
    OPT_RECOVERIES,
    OPT_LOSSES,
    OPT_DUPLICATES,
    OPT_TIMERS,
    OPT_SOURCES,
    OPT_STATES,
    OPT_STATE_MEMORY,
    OPT_UNREDUCED,
    OPT_TOTAL_ORDER,
    OPT_TRANSCRIPT,
};

static const struct argp_option options_table[] =
    {{"stack", 'S', "NAME", 0, "simulate this stack (default: every stack, in turn)"},
     {"n", 'n', "N", 0, "processes (default: drawn from the seed; 3 without swarm)"},
     {"seed", 's', "N", 0, "one schedule"},
     {"seeds", OPT_SEEDS, "A..B", 0, "all of these (default: from 1 until the time is over)"},
     {"strategy", OPT_STRATEGY, "NAME", 0,
      "swarm (default), random, pctcp, timed, exhaustive, sweep (crash points), script"},
     {"depth", OPT_DEPTH, "D", 0, "pctcp: bugs of depth D (default 3)"},
     {"steps", OPT_STEPS, "N", 0, "choices of the adversary before the world is healed"},
     {"time", OPT_TIME, "TIME", 0, "stop after this (default 10s, unless seeds are given)"},
     {"faults", OPT_FAULTS, "RULE", 0,
      "a line of a script, as \"loss 10% 0->1\" or \"at 3ms crash 1\", or a file of them; may be "
      "repeated"},
     {"lies", OPT_LIES, "PERCENT", 0, "detectors say what is not so, in this share of choices"},
     {"set", OPT_SET, "KEY=VALUE", 0,
      "ops, bytes, flight_msgs, detect_ns …, or a key of a job, as job.n; may be repeated"},
     {"script", 'f', "FILE", 0, "obey a scenario"},
     {"trace", 't', NULL, 0, "print the execution in the book's notation"},
     {"transcript", OPT_TRANSCRIPT, NULL, 0,
      "print a scenario's lines, and under each the events that follow"},
     {"unfair", OPT_UNFAIR, NULL, 0, "never heal the world: liveness stays open"},
     {"unchecked", OPT_UNCHECKED, NULL, 0, "without checkers"},
     {"keep-going", OPT_KEEP, NULL, 0, "go on after a violation"},
     {"memory", OPT_MEMORY, "PACKETS", 0, "packets in all, of 1 KiB (default 16383)"},
     {"crashes", OPT_CRASHES, "N", 0, "exhaustive: at most N crashes (default 1)"},
     {"recoveries", OPT_RECOVERIES, "N", 0,
      "exhaustive: at most N recoveries of stacks with a log (default 1)"},
     {"losses", OPT_LOSSES, "N", 0, "exhaustive: at most N frames are lost (default 0)"},
     {"duplicates", OPT_DUPLICATES, "N", 0, "exhaustive: at most N arrive twice (default 0)"},
     {"timers", OPT_TIMERS, "N", 0, "exhaustive: timers that fire at each process (default 0)"},
     {"sources", OPT_SOURCES, "N", 0, "exhaustive: processes that make requests (default 1)"},
     {"states", OPT_STATES, "N", 0, "exhaustive: stop at N distinct states"},
     {"state-memory", OPT_STATE_MEMORY, "MIB", 0, "exhaustive: of the states seen (default 1024)"},
     {"unreduced", OPT_UNREDUCED, NULL, 0, "exhaustive: without partial-order reduction"},
     {"total-order", OPT_TOTAL_ORDER, NULL, 0,
      "exhaustive: tell apart any two orders of events at borders"},
     PICTURE_OPTIONS,
     {"out", 'o', "DIR", 0, "where replay files go (default runs)"},
     {"quiet", 'q', NULL, 0, "no progress line"},
     {0}};

static bool parse_u64(const char *text, uint64_t *v)
{
    char *end;
    errno = 0;
    *v = strtoull(text, &end, 0);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

static bool parse_range(const char *text, uint64_t *first, uint64_t *last)
{
    char head[32];
    const char *dots = strstr(text, "..");
    if (dots == NULL || (size_t)(dots - text) >= sizeof head)
        return false;
    memcpy(head, text, (size_t)(dots - text));
    head[dots - text] = '\0';
    return parse_u64(head, first) && parse_u64(dots + 2, last) && *first <= *last;
}

static bool parse_strategy(const char *text, struct options *o)
{
    o->swarm = strcmp(text, "swarm") == 0;
    o->exhaustive = strcmp(text, "exhaustive") == 0;
    o->sweep = strcmp(text, "sweep") == 0;
    for (int i = 0; i < STRATEGIES; i++)
        if (strcmp(text, strategy_names[i]) == 0) {
            o->strategy = (enum strategy)i;
            return true;
        }
    return o->swarm || o->exhaustive || o->sweep || strcmp(text, "script") == 0;
}

/* A number within bounds, or the end of the program with a sentence. */
static uint64_t number(struct argp_state *state, const char *name, const char *arg, uint64_t least,
                       uint64_t most)
{
    uint64_t v;
    if (!parse_u64(arg, &v) || v < least || v > most)
        argp_failure(state, EXIT_FAILED, 0, "--%s %s: not a number from %" PRIu64 " to %" PRIu64,
                     name, arg, least, most);
    return v;
}

static error_t on_picture(int key, const char *arg, struct argp_state *state, struct picture *p)
{
    if (key == OPT_DIAGRAM)
        p->diagram = arg;
    else if (key == OPT_SHIVIZ)
        p->shiviz = arg;
    else if (key != OPT_WINDOW)
        return ARGP_ERR_UNKNOWN;
    else if (!parse_range(arg, &p->first, &p->last) || p->last == 0)
        argp_failure(state, EXIT_FAILED, 0, "--window %s: not a range such as 10..40", arg);
    return 0;
}

static void on_fault(struct argp_state *state, struct options *o, const char *arg)
{
    char why[1024];
    bool file = access(arg, R_OK) == 0;
    int err = file ? events_read(&o->faults, arg, why, sizeof why)
                   : faults_add(&o->faults, arg, "--faults", o->faults.count + 1, why, sizeof why);
    if (err != 0)
        argp_failure(state, EXIT_FAILED, 0, "%s", why);
    o->plan |=
        file || (o->faults.count > 0 && o->faults.line[o->faults.count - 1].deed != DEED_RULE);
}

static void on_set(struct argp_state *state, struct options *o, const char *arg)
{
    struct sim_job scratch = {0};
    char key[64], why[256];
    const char *eq = strchr(arg, '=');
    if (o->sets + o->job_sets == SETS_MAX || eq == NULL || (size_t)(eq - arg) >= sizeof key)
        argp_failure(state, EXIT_FAILED, 0, "--set %s: not KEY=VALUE", arg);
    memcpy(key, arg, (size_t)(eq - arg));
    key[eq - arg] = '\0';
    if (strchr(key, '.') != NULL) {
        o->job_set[o->job_sets++] = (char *)(uintptr_t)arg;
        return;
    }
    if (script_set(&scratch, key, eq + 1, why, sizeof why) != 0)
        argp_failure(state, EXIT_FAILED, 0, "--set %s: %s", arg, why);
    o->set[o->sets++] = arg;
}

/* What an exhaustive search may do. */
static error_t on_search(int key, char *arg, struct argp_state *state, struct options *o)
{
    struct explore_conf *c = &o->search;
    switch (key) {
    case OPT_CRASHES:
        c->crashes = (uint16_t)number(state, "crashes", arg, 0, EXPLORE_PROCS_MAX);
        o->crashes_given = true;
        return 0;
    case OPT_RECOVERIES:
        c->recoveries = (uint16_t)number(state, "recoveries", arg, 0, 100);
        o->recoveries_given = true;
        return 0;
    case OPT_LOSSES:
        c->losses = (uint32_t)number(state, "losses", arg, 0, 1000);
        return 0;
    case OPT_DUPLICATES:
        c->duplicates = (uint32_t)number(state, "duplicates", arg, 0, 1000);
        return 0;
    case OPT_TIMERS:
        c->timers = (uint32_t)number(state, "timers", arg, 0, 1000);
        return 0;
    case OPT_SOURCES:
        c->sources = (uint16_t)number(state, "sources", arg, 1, EXPLORE_PROCS_MAX);
        return 0;
    case OPT_STATES:
        c->states_max = number(state, "states", arg, 1, UINT64_MAX);
        return 0;
    case OPT_STATE_MEMORY:
        c->memory_bytes = number(state, "state-memory", arg, 1, 1u << 20) << 20;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t on_flag(int key, struct options *o)
{
    bool *flag = key == 't'               ? &o->trace
                 : key == 'q'             ? &o->quiet
                 : key == OPT_TRANSCRIPT  ? &o->transcript
                 : key == OPT_UNFAIR      ? &o->unfair
                 : key == OPT_UNCHECKED   ? &o->unchecked
                 : key == OPT_KEEP        ? &o->keep_going
                 : key == OPT_UNREDUCED   ? &o->search.unreduced
                 : key == OPT_TOTAL_ORDER ? &o->search.total_order
                                          : NULL;
    if (flag == NULL)
        return ARGP_ERR_UNKNOWN;
    *flag = true;
    return 0;
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 'S':
        o->stack = stack_find(arg);
        if (o->stack == NULL)
            argp_failure(state, EXIT_FAILED, 0, "stack '%s' is unknown: see upon list stacks", arg);
        return 0;
    case 'n':
        o->n = number(state, "n", arg, 1, PROCS_MAX);
        return 0;
    case 's':
        o->first = o->last = number(state, "seed", arg, 0, UINT64_MAX);
        o->seeds_given = true;
        return 0;
    case OPT_SEEDS:
        if (!parse_range(arg, &o->first, &o->last))
            argp_failure(state, EXIT_FAILED, 0, "--seeds %s: not a range such as 1..1000", arg);
        o->seeds_given = true;
        return 0;
    case OPT_STRATEGY:
        if (!parse_strategy(arg, o))
            argp_failure(state, EXIT_FAILED, 0,
                         "--strategy %s: swarm, random, pctcp, timed, exhaustive, sweep or script",
                         arg);
        return 0;
    case OPT_DEPTH:
        o->depth = number(state, "depth", arg, 1, 8);
        return 0;
    case OPT_STEPS:
        o->steps = number(state, "steps", arg, 1, UINT32_MAX / 2);
        return 0;
    case OPT_TIME:
        if (!fault_parse_time(arg, &o->time_ns))
            argp_failure(state, EXIT_FAILED, 0, "--time %s: not a time such as 10s", arg);
        return 0;
    case OPT_FAULTS:
        on_fault(state, o, arg);
        return 0;
    case OPT_LIES:
        o->lie_ppm = (uint32_t)number(state, "lies", arg, 0, 100) * 10000;
        return 0;
    case OPT_SET:
        on_set(state, o, arg);
        return 0;
    case OPT_MEMORY:
        o->pool_pkts = number(state, "memory", arg, 1023, 16777215);
        return 0;
    case 'f':
        o->script = arg;
        return 0;
    case 'o':
        o->out = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (o->job_path != NULL)
            return ARGP_ERR_UNKNOWN;
        o->job_path = arg;
        return 0;
    default:
        if (on_search(key, arg, state, o) == 0 || on_picture(key, arg, state, &o->picture) == 0)
            return 0;
        return on_flag(key, o);
    }
}

/* ---- a job file ------------------------------------------------------------------------------ */

/* Fields of the stack's configuration that a job may give. */
static const struct {
    uint16_t offset;
    uint16_t bytes;
} conf_fields[] = {
#define FIELD(name)                                                                  \
    {                                                                                \
        offsetof(struct stack_conf, name), sizeof(((struct stack_conf *)NULL)->name) \
    }
    FIELD(flight_msgs),   FIELD(ring_msgs),    FIELD(instances),    FIELD(store_msgs),
    FIELD(frame_records), FIELD(batch_events), FIELD(rto_min_ns),   FIELD(rto_max_ns),
    FIELD(ack_delay_ns),  FIELD(give_up_ns),   FIELD(heartbeat_ns), FIELD(detect_ns),
#undef FIELD
};

/* Copy what the job gave over what is drawn. A job that gives nothing changes nothing. */
static void set_conf(const struct stack_conf *from, struct stack_conf *to)
{
    static const uint64_t zero;
    for (size_t i = 0; i < RTE_DIM(conf_fields); i++) {
        const uint8_t *given = (const uint8_t *)from + conf_fields[i].offset;
        if (memcmp(given, &zero, conf_fields[i].bytes) != 0)
            memcpy((uint8_t *)to + conf_fields[i].offset, given, conf_fields[i].bytes);
    }
}

/* The script of a live run, its times in virtual time. */
static int take_faults(struct options *o, const struct job *job, char *why, size_t size)
{
    if (job->faults.count > 0 && o->faults.count > 0) {
        snprintf(why, size, "the job has [faults] of its own; leave out --faults, or the job");
        return -EINVAL;
    }
    if (job->faults.count > 0)
        o->faults = job->faults;
    o->plan |= job->faults.count > 0 || job->faults_file[0] != '\0';
    return job->faults_file[0] == '\0' ? 0 : events_read(&o->faults, job->faults_file, why, size);
}

/*
 * Take from a job what a simulation can honour: stack, n, size, seed, [faults] and [params]. Device, load and
 * duration belong to a live run: here the adversary decides when what is sent.
 */
static int take_job(struct options *o, const struct job *job, char *why, size_t size)
{
    if (job_given(job, offsetof(struct job, stack)) && o->stack == NULL) {
        o->stack = stack_find(job->stack);
        if (o->stack == NULL)
            return refuse(why, size, "job.stack = %s is unknown: see upon list stacks", job->stack);
    }
    if (job_given(job, offsetof(struct job, n)) && o->n == 0)
        o->n = job->n;
    if (job_given(job, offsetof(struct job, seed)) && !o->seeds_given)
        o->first = job->seed;
    if (job_given(job, offsetof(struct job, size)))
        o->size = job->size;
    if (take_faults(o, job, why, size) != 0)
        return -EINVAL;
    if (o->n > PROCS_MAX || o->size > MSG_BYTES_MAX)
        return refuse(why, size, "job.%s: a simulation has at most %u",
                      o->n > PROCS_MAX ? "n" : "size",
                      o->n > PROCS_MAX ? PROCS_MAX : MSG_BYTES_MAX);
    for (size_t i = 0; i < RTE_DIM(conf_fields); i++) {
        size_t at = conf_fields[i].offset;
        if (job_given(job, offsetof(struct job, conf) + at))
            memcpy((uint8_t *)&o->conf + at, (const uint8_t *)&job->conf + at,
                   conf_fields[i].bytes);
    }
    return 0;
}

static int read_job(struct options *o)
{
    static struct job job;
    char why[512];
    if (o->job_path == NULL && o->job_sets == 0)
        return 0;
    if (job_read(&job, o->job_path, o->job_set, o->job_sets, why, sizeof why) != 0 ||
        take_job(o, &job, why, sizeof why) != 0) {
        fprintf(stderr, "upon sim: %s\n", why);
        return EXIT_FAILED;
    }
    return 0;
}

/* ---- tallies --------------------------------------------------------------------------------- */

struct tally {
    uint64_t runs;
    uint64_t unfair; /* that did not come to rest */
    uint64_t state[CO_STACK_MAX][CHECK_PROPERTIES_MAX][4];
    const char *code[CO_STACK_MAX][CHECK_PROPERTIES_MAX];
};

struct session {
    struct options o;
    struct rte_mempool *pool;
    struct adversary *adversary;
    struct sim_world *world[STACKS_MAX][SHAPES_MAX];
    struct sim_world *large;
    struct tally tally[STACKS_MAX];
    uint32_t stacks;
    uint64_t *states; /* hashes seen: open addressing */
    uint64_t distinct;
    uint64_t runs, events, breaths, choices, violations;
    uint64_t digest; /* of all trace hashes, in order of seeds */
    struct timespec begin;
    uint64_t next_progress_ns;
};

static uint64_t since_ns(const struct timespec *begin)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)(now.tv_sec - begin->tv_sec) * 1000000000u + (uint64_t)now.tv_nsec -
           (uint64_t)begin->tv_nsec;
}

static void count_state(struct session *s, uint64_t hash)
{
    if (s->distinct >= STATES_MAX / 4 * 3)
        return;
    uint64_t i = hash & (STATES_MAX - 1);
    while (s->states[i] != 0 && s->states[i] != hash)
        i = (i + 1) & (STATES_MAX - 1);
    s->distinct += s->states[i] == 0;
    s->states[i] = hash;
}

static void count_run(struct session *s, uint32_t stack, const struct sim_world *w,
                      const struct outcome *out)
{
    struct tally *t = &s->tally[stack];
    t->runs++;
    t->unfair += !out->fair;
    s->runs++;
    s->events += w->events;
    s->breaths += w->breaths;
    s->choices += w->steps;
    s->violations += out->violated;
    s->digest = (s->digest ^ w->trace_hash) * 0x9e3779b97f4a7c15u;
    s->digest ^= s->digest >> 32;
    if (out->state != 0)
        count_state(s, out->state);
    for (int i = 0; i < CO_STACK_MAX; i++)
        if (w->check[i] != NULL && !(w->lies >> w->check[i]->cls->abstraction & 1))
            for (uint16_t r = 0; r < w->check[i]->results; r++) {
                t->state[i][r][w->check[i]->result[r].state]++;
                t->code[i][r] = w->check[i]->result[r].code;
            }
}

static void print_layer(const struct tally *t, const struct stack_layer *l, int i)
{
    printf("    %-10s", l->name);
    for (int r = 0; r < CHECK_PROPERTIES_MAX && t->code[i][r] != NULL; r++) {
        const uint64_t *n = t->state[i][r];
        printf("  %s ", t->code[i][r]);
        if (n[CHECK_VIOLATED] > 0)
            printf("VIOLATED in %" PRIu64, n[CHECK_VIOLATED]);
        else if (n[CHECK_HOLDS] == 0 && n[CHECK_NOT_YET] == 0)
            printf("unknown");
        else if (n[CHECK_NOT_YET] > 0)
            printf("holds, open in %" PRIu64, n[CHECK_NOT_YET]);
        else
            printf("holds");
    }
    printf("\n");
}

static void print_table(const struct session *s)
{
    for (uint32_t k = 0; k < s->stacks; k++) {
        const struct tally *t = &s->tally[k];
        if (t->runs == 0)
            continue;
        printf("%s: %" PRIu64 " schedules", stack_defs[k]->name, t->runs);
        if (t->unfair > 0)
            printf(", %" PRIu64 " stopped before they came to rest", t->unfair);
        printf("\n");
        int i = 0;
        for (const struct stack_layer *l = stack_defs[k]->layers; l->name != NULL; l++, i++)
            if (t->code[i][0] != NULL)
                print_layer(t, l, i);
    }
    double seconds = (double)since_ns(&s->begin) / 1e9;
    printf("%" PRIu64 " schedules in %.2f s: %.0f schedules/s, %.2f M events/s, %.2f M steps/s, "
           "%s%" PRIu64 " distinct states sampled, %" PRIu64 " violations\n",
           s->runs, seconds, (double)s->runs / seconds, (double)s->events / seconds / 1e6,
           (double)s->breaths / seconds / 1e6, s->distinct >= STATES_MAX / 4 * 3 ? "≥ " : "",
           s->distinct, s->violations);
    printf("digest of all traces: %016" PRIx64 "\n", s->digest);
}

static void progress(struct session *s, uint64_t seed)
{
    uint64_t ns = since_ns(&s->begin);
    if (s->o.quiet || !isatty(STDERR_FILENO) || ns < s->next_progress_ns)
        return;
    s->next_progress_ns = ns + 1000000000u;
    fprintf(stderr,
            "\rseed %" PRIu64 "  %.1f s  %.0f schedules/s  %.2f M events/s  %" PRIu64
            " distinct states  %" PRIu64 " violations ",
            seed, (double)ns / 1e9, (double)s->runs * 1e9 / (double)ns,
            (double)s->events * 1e3 / (double)ns, s->distinct, s->violations);
}

/* ---- a violation ----------------------------------------------------------------------------- */

/* What an abort in a protocol's own assertion leaves behind: the schedule that led there. */
static struct {
    const struct sim_world *w;
    char path[512];
} in_hand;

static void on_abort(int signal_number)
{
    signal(signal_number, SIG_DFL);
    if (in_hand.w == NULL)
        return;
    const struct sim_world *w = in_hand.w;
    char what[256];
    choice_text(&w->current, &w->app, what, sizeof what);
    fprintf(stderr,
            "\nstack %s stopped at an assertion in seed %" PRIu64 ", after %" PRIu64
            " choices, in: %s\n",
            w->job.def->name, w->job.seed, w->steps - 1, what);
    if (in_hand.path[0] != '\0' && replay_write(in_hand.path, w, "assert", REPLAY_CUT) == 0)
        fprintf(stderr, "again: upon replay %s\n", in_hand.path);
    fflush(NULL);
    _exit(EXIT_VIOLATED);
}

static void replay_path(const struct options *o, const struct sim_job *job, char *path, size_t size)
{
    const char *dir = o->out != NULL ? o->out : "runs";
    snprintf(path, size, "%s/%s-%" PRIu64 ".replay", dir, job->def->name, job->seed);
}

static void make_dir(const struct options *o)
{
    const char *dir = o->out != NULL ? o->out : "runs";
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        fprintf(stderr, "upon sim: %s: %s: replay files are not written\n", dir, strerror(errno));
}

/* Run the same choices again, this time watched. */
static void explain(struct sim_world *w)
{
    static struct explain x;
    uint64_t records = w->records;
    struct choice *record = malloc((records + 1) * sizeof *record);
    char why[256];
    if (record == NULL)
        return;
    memcpy(record, w->record, records * sizeof *record);
    if (sim_world_start(w, &w->job, why, sizeof why) == 0) {
        explain_attach(&x, w, NULL);
        for (uint64_t i = 0; i < records; i++)
            sim_world_apply(w, &record[i]);
        explain_detach(&x);
        explain_print(&x, stdout);
    }
    free(record);
}

static void draw_title(const struct sim_world *w, char *title, size_t size)
{
    snprintf(title, size, "%s, n = %u, seed %" PRIu64, w->job.def->name, w->n, w->job.seed);
}

static int picture_failed(const char *path, int err)
{
    fprintf(stderr, "upon: %s: %s\n", path,
            err == -ENODATA ? "nothing visible happens in those choices" : strerror(-err));
    return EXIT_FAILED;
}

/* Run what the world has recorded again and draw it. `violation`: NULL, none. */
static int draw(struct sim_world *w, const struct picture *p, const struct check_result *violation)
{
    struct spacetime st = {0};
    uint64_t records = w->records;
    struct choice *record = malloc((records + 1) * sizeof *record);
    char why[256], title[128], caption[320] = "";
    int err = 0, status = EXIT_HOLDS;
    if ((p->diagram == NULL && p->shiviz == NULL) || record == NULL) {
        free(record);
        return EXIT_HOLDS;
    }
    draw_title(w, title, sizeof title);
    if (violation != NULL)
        snprintf(caption, sizeof caption, "%s violated at choice %" PRIu64 ": %s", violation->code,
                 violation->step, violation->witness);
    memcpy(record, w->record, records * sizeof *record);
    if (sim_world_start(w, &w->job, why, sizeof why) == 0) {
        spacetime_attach(&st, w);
        for (uint64_t i = 0; i < records; i++)
            sim_world_apply(w, &record[i]);
        spacetime_detach(&st);
        struct diagram_conf conf = {.first = p->first,
                                    .last = p->last,
                                    .title = title,
                                    .caption = violation != NULL ? caption : NULL};
        if (p->diagram != NULL && (err = diagram_write(p->diagram, &st, &conf)) != 0)
            status = picture_failed(p->diagram, err);
        if (p->shiviz != NULL && (err = shiviz_write(p->shiviz, &st)) != 0)
            status = picture_failed(p->shiviz, err);
    }
    if (status == EXIT_HOLDS && p->shiviz != NULL)
        printf("ShiViz reads %s with the expression %s\n", p->shiviz, SHIVIZ_REGEX);
    spacetime_free(&st);
    free(record);
    return status;
}

/* Make what the world has recorded as small as `limit_ns` allows, and keep that in a file. */
static int shrink(struct sim_world *w, const struct outcome *out, const char *path,
                  uint64_t limit_ns)
{
    struct shrink_result r;
    char text[512];
    if (shrink_run(w, out, limit_ns, &r) != 0) {
        printf("it cannot be shrunk: %s does not show up again under a fair end\n",
               out->result.code);
        return EXIT_FAILED;
    }
    shrink_text(&r, text, sizeof text);
    printf("shrunk: %s\n    %s\n", text, r.out.result.witness);
    int err = replay_write(path, w, r.out.result.code, r.out.fair ? REPLAY_END_FAIR : REPLAY_END);
    if (err != 0) {
        fprintf(stderr, "upon: %s: %s\n", path, strerror(-err));
        return EXIT_FAILED;
    }
    explain(w);
    printf("again: upon replay %s\n", path);
    return EXIT_HOLDS;
}

/* "runs/urb-7.replay" → "runs/urb-7.small.replay" */
static void small_path(const char *path, char *small, size_t size)
{
    const char *end = strstr(path, ".replay");
    int stem = end != NULL ? (int)(end - path) : (int)strlen(path);
    snprintf(small, size, "%.*s.small.replay", stem, path);
}

static void report(struct session *s, struct sim_world *w, const struct outcome *out)
{
    const struct stack_layer *l = &w->job.def->layers[out->layer];
    char path[512];
    enum replay_end end = out->fair ? REPLAY_END_FAIR : REPLAY_END;
    replay_path(&s->o, &w->job, path, sizeof path);
    make_dir(&s->o);
    int err = replay_write(path, w, out->result.code, end);
    printf("%s\n%s of stack %s: %s violated in seed %" PRIu64 ", at choice %" PRIu64 " of %" PRIu64
           "\n    %s\nThe end of the execution:\n",
           isatty(STDERR_FILENO) ? "\r" : "", l->name, w->job.def->name, out->result.code,
           w->job.seed, out->result.step, w->steps, out->result.witness);
    explain(w);
    if (err == 0)
        printf("again: upon replay %s\n", path);
    else
        printf("(%s could not be written: %s)\n", path, strerror(-err));
    char small[600];
    in_hand.w = NULL; /* the file of the whole schedule is not to be overwritten */
    small_path(path, small, sizeof small);
    shrink(w, out, small, SHRINK_NS);
    printf("\n");
}

/* ---- schedules by seed ----------------------------------------------------------------------- */

static uint32_t stack_index(const struct stack_def *def)
{
    uint32_t i = 0;
    while (stack_defs[i] != def)
        i++;
    return i;
}

/* The stack that a seed is about: the one asked for, or each in turn. */
static const struct stack_def *stack_of(const struct session *s, uint64_t seed)
{
    if (s->o.stack != NULL)
        return s->o.stack;
    return stack_defs[seed % s->stacks];
}

static void set_keys(const struct options *o, struct sim_job *job)
{
    for (uint32_t i = 0; i < o->sets; i++) {
        char key[64], why[256];
        const char *eq = strchr(o->set[i], '=');
        snprintf(key, sizeof key, "%.*s", (int)(eq - o->set[i]), o->set[i]);
        script_set(job, key, eq + 1, why, sizeof why);
    }
}

static uint16_t procs_most(const struct stack_def *def)
{
    uint16_t most = PROCS_MAX;
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++)
        if (l->cls->procs_max != 0 && l->cls->procs_max < most)
            most = l->cls->procs_max;
    return most;
}

/*
 * The script is all that goes wrong, beside the order of things: the clock that it needs is kept,
 * and requests are spread over its time.
 */
static void follow_script(const struct session *s, struct sim_job *job, struct mix *mix)
{
    job->faults = 0;
    job->ops = 20;
    *mix = mix_default(STRATEGY_TIMED, job->def, job->n);
    mix->plan = &s->o.faults;
    mix->crash = mix->pause = mix->lie = mix->drop = mix->duplicate = mix->corrupt = 0;
    mix->request = 10000;
    mix->steps = s->o.steps != 0 ? (uint32_t)s->o.steps : mix->steps;
    mix->unfair = s->o.unfair;
}

static void make_job(const struct session *s, uint64_t seed, struct sim_job *job, struct mix *mix)
{
    const struct options *o = &s->o;
    *job = (struct sim_job){.def = stack_of(s, seed),
                            .n = (uint16_t)(o->n != 0  ? o->n
                                            : o->swarm ? 0
                                                       : 3),
                            .seed = seed,
                            .ops = 2,
                            .delay_ns = 20000,
                            .unchecked = o->unchecked};
    if (o->plan && o->n == 0) /* nobody whom it names is left out */
        job->n = faults_named(&o->faults, 3);
    if (o->swarm) {
        adversary_draw(seed, job, mix);
    } else {
        *mix = mix_default(o->strategy, job->def, job->n);
        mix->depth = (uint8_t)(o->depth != 0 ? o->depth : 3);
    }
    if (job->n > procs_most(job->def) && o->n == 0)
        job->n = procs_most(job->def);
    set_conf(&o->conf, &job->conf);
    if (o->size != 0)
        job->msg_bytes = (uint32_t)o->size;
    set_keys(o, job);
    job->seed = seed;
    mix->unfair = o->unfair;
    if (o->lie_ppm != 0)
        mix->lie = o->lie_ppm;
    if (o->steps != 0)
        mix->steps = (uint32_t)o->steps;
    if (o->plan)
        follow_script(s, job, mix);
}

static struct sim_world *world_for(struct session *s, const struct sim_job *job)
{
    struct sim_world **w = &s->large;
    if (job->n < SHAPES_MAX)
        w = &s->world[stack_index(job->def)][job->n];
    if (*w == NULL)
        *w = sim_world_new(s->pool);
    return *w;
}

/* One seed. 0, or EXIT_FAILED with a sentence printed. */
static int run_seed(struct session *s, uint64_t seed)
{
    struct sim_job job;
    struct mix mix;
    char why[256], text[2048];
    static struct explain x;
    make_job(s, seed, &job, &mix);
    struct sim_world *w = world_for(s, &job);
    if (w != NULL && s->o.faults.count > 0 &&
        sim_plan_rules(&s->o.faults, &job, why, sizeof why) != 0) {
        fprintf(stderr, "upon sim: %s\n", why);
        return EXIT_FAILED;
    }
    if (w == NULL || sim_world_start(w, &job, why, sizeof why) != 0) {
        fprintf(stderr, "upon sim: %s\n", w == NULL ? "out of memory" : why);
        return EXIT_FAILED;
    }
    in_hand.w = w;
    replay_path(&s->o, &job, in_hand.path, sizeof in_hand.path);
    if (s->o.trace || (s->o.first == s->o.last && s->o.seeds_given)) {
        adversary_text(&w->job, &mix, text, sizeof text);
        printf("%s\n", text);
    }
    if (s->o.trace)
        explain_attach(&x, w, stdout);
    struct outcome out = adversary_judge(s->adversary, w, &mix, seed);
    if (s->o.trace)
        explain_detach(&x);
    count_run(s, stack_index(job.def), w, &out);
    if (out.violated)
        report(s, w, &out);
    in_hand.w = NULL;
    return s->o.first == s->o.last ? draw(w, &s->o.picture, out.violated ? &out.result : NULL) : 0;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static int run_seeds(struct session *s)
{
    uint64_t limit = s->o.time_ns;
    if (limit == 0 && !s->o.seeds_given)
        limit = DEFAULT_NS;
    for (uint64_t seed = s->o.first;; seed++) {
        int err = run_seed(s, seed);
        if (err != 0)
            return err;
        progress(s, seed);
        if (seed == s->o.last || interrupted || (s->violations > 0 && !s->o.keep_going) ||
            (limit != 0 && s->runs % 16 == 0 && since_ns(&s->begin) >= limit))
            break;
    }
    if (!s->o.quiet && isatty(STDERR_FILENO))
        fprintf(stderr, "\n");
    print_table(s);
    return s->violations > 0 ? EXIT_VIOLATED : EXIT_HOLDS;
}

/* ---- exhaustive search ----------------------------------------------------------------------- */

/* Search one stack, or each in turn, and say whether all was seen. */
static int search_stack(struct session *s, const struct stack_def *def)
{
    struct explore_conf c = s->o.search;
    struct explore_result r;
    struct mix mix;
    char why[256], text[1024];
    s->o.stack = def;
    make_job(s, s->o.first, &c.job, &mix);
    if (s->o.sets == 0)
        c.job.ops = 1;
    if (!s->o.crashes_given)
        c.crashes = sim_needs(def).disk || adversary_crashes_max(def, c.job.n) > 0;
    if (!s->o.recoveries_given || !sim_needs(def).disk)
        c.recoveries = sim_needs(def).disk;
    c.safety_only = s->o.unfair;
    c.choices_max = s->o.steps;
    c.time_ns = s->o.time_ns != 0 ? s->o.time_ns : 6 * DEFAULT_NS;
    struct sim_world *w = world_for(s, &c.job);
    in_hand.w = w;
    replay_path(&s->o, &c.job, in_hand.path, sizeof in_hand.path);
    int err = w != NULL ? explore_run(w, &c, &r, why, sizeof why) : -ENOMEM;
    in_hand.w = NULL;
    if (err != 0) {
        fprintf(stderr, "upon sim: %s\n", w == NULL ? "out of memory" : why);
        return EXIT_FAILED;
    }
    explore_text(&c, &r, text, sizeof text);
    printf("%s\n", text);
    if (r.out.violated)
        report(s, w, &r.out);
    return r.out.violated ? EXIT_VIOLATED : EXIT_HOLDS;
}

static int search_stacks(struct session *s)
{
    const struct stack_def *only = s->o.stack;
    int status = EXIT_HOLDS;
    for (uint32_t i = 0; i < s->stacks && status == EXIT_HOLDS && !interrupted; i++)
        if (only == NULL || only == stack_defs[i])
            status = search_stack(s, stack_defs[i]);
    return status;
}

/* ---- crash-point sweep ----------------------------------------------------------------------- */

static int sweep_stack(struct session *s, const struct stack_def *def)
{
    struct sweep_result r;
    struct sim_job job;
    struct mix mix;
    char why[256];
    s->o.stack = def;
    make_job(s, s->o.first, &job, &mix);
    struct sim_world *w = world_for(s, &job);
    in_hand.w = w;
    replay_path(&s->o, &job, in_hand.path, sizeof in_hand.path);
    int err = w != NULL ? sweep_run(w, &job, s->o.time_ns, &r, why, sizeof why) : -ENOMEM;
    in_hand.w = NULL;
    if (err != 0) {
        fprintf(stderr, "upon sim: %s\n", w == NULL ? "out of memory" : why);
        return EXIT_FAILED;
    }
    printf("%s n=%u seed=%" PRIu64 ": %" PRIu64 " crash points at %" PRIu64 " stores, %" PRIu64
           " writes begun, %" PRIu64 " finished, %" PRIu64 " deliveries%s; ",
           def->name, job.n, job.seed, r.points, r.stores, r.begun, r.finished, r.deliveries,
           r.complete ? "" : " (not all: the time was over)");
    if (r.unfinished > 0)
        printf("%" PRIu64 " did not come to rest; ", r.unfinished);
    printf("%s\n", r.out.violated ? "a property is violated" : "no property is violated");
    if (r.out.violated)
        report(s, w, &r.out);
    return r.out.violated ? EXIT_VIOLATED : EXIT_HOLDS;
}

/* One stack, or each that has a log. */
static int sweep_stacks(struct session *s)
{
    const struct stack_def *only = s->o.stack;
    int status = EXIT_HOLDS;
    for (uint32_t i = 0; i < s->stacks && status == EXIT_HOLDS && !interrupted; i++)
        if (only == stack_defs[i] || (only == NULL && sim_needs(stack_defs[i]).disk))
            status = sweep_stack(s, stack_defs[i]);
    return status;
}

/* ---- scenarios and replays ------------------------------------------------------------------- */

static int judge_script(struct sim_world *w, const struct script *sc)
{
    uint16_t layer;
    const struct check_result *r = sim_world_violation(w, &layer);
    if (sc->echo == NULL) /* a transcript is to change only where what it shows has changed */
        printf("trace %016" PRIx64 ", %" PRIu64 " choices, %" PRIu64 " events\n", w->trace_hash,
               w->steps, w->events);
    if (r == NULL) {
        printf("no property is violated%s\n", !sc->judged ? "; liveness was not judged"
                                              : sc->fair  ? ""
                                                          : "; liveness is open");
        return EXIT_HOLDS;
    }
    if (sc->echo != NULL)
        printf("%s: %s is violated\n", w->job.def->layers[layer].name, r->code);
    else
        printf("%s: %s violated at choice %" PRIu64 "\n    %s\n", w->job.def->layers[layer].name,
               r->code, r->step, r->witness);
    return EXIT_VIOLATED;
}

static int run_script(struct sim_world *w, const char *name, const char *text, bool trace,
                      bool transcript)
{
    static struct explain x;
    struct script sc = {.w = w, .echo = transcript ? stdout : NULL};
    char why[512];
    explain_attach(&x, w, trace || transcript ? stdout : NULL);
    x.transcript = transcript;
    x.shown = &sc.shown;
    in_hand.w = w;
    int err = script_text(&sc, text, why, sizeof why);
    in_hand.w = NULL;
    explain_detach(&x);
    if (err != 0) {
        fflush(stdout);
        fprintf(stderr, "upon: %s: %s\n", name, why);
        return EXIT_FAILED;
    }
    uint16_t layer;
    if (sim_world_violation(w, &layer) != NULL)
        explain_print(&x, stdout);
    return judge_script(w, &sc);
}

/* Draw what a scenario or a replay did. Its exit status stands, unless drawing fails. */
static int draw_script(struct sim_world *w, const struct picture *p, int status)
{
    uint16_t layer;
    const struct check_result *v = sim_world_violation(w, &layer);
    struct check_result copy = {0};
    if (v != NULL)
        copy = *v;
    int failed = status != EXIT_FAILED ? draw(w, p, v != NULL ? &copy : NULL) : EXIT_HOLDS;
    return failed != EXIT_HOLDS ? failed : status;
}

static int read_text(const char *path, char **text)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    size_t size = 0;
    if (f == NULL) {
        fprintf(stderr, "upon sim: %s: %s\n", path, strerror(errno));
        return EXIT_FAILED;
    }
    *text = NULL;
    if (getdelim(text, &size, '\0', f) < 0 && ferror(f) != 0) {
        fprintf(stderr, "upon sim: %s: %s\n", path, strerror(errno));
        fclose(f);
        return EXIT_FAILED;
    }
    fclose(f);
    return 0;
}

static int start_session(struct session *s)
{
    uint64_t pkts = s->o.pool_pkts != 0 ? s->o.pool_pkts : POOL_PKTS;
    uint64_t bytes = s->o.size + 512 > PKT_BYTES ? s->o.size + 512 : PKT_BYTES;
    unsigned megabytes = (unsigned)(32 + pkts * (bytes + 512) / (1u << 20));
    if (eal_start_light(megabytes) != 0 ||
        (s->pool = eal_pool("sim", (unsigned)pkts, 256, (unsigned)bytes)) == NULL) {
        fprintf(stderr, "upon sim: no memory for %" PRIu64 " packets: lower --memory\n", pkts);
        return EXIT_FAILED;
    }
    s->adversary = adversary_new();
    s->states = calloc(STATES_MAX, sizeof s->states[0]);
    if (s->adversary == NULL || s->states == NULL)
        return EXIT_FAILED;
    while (stack_defs[s->stacks] != NULL)
        s->stacks++;
    if (s->stacks > STACKS_MAX)
        rte_panic("simulator: raise STACKS_MAX to %u\n", s->stacks);
    clock_gettime(CLOCK_MONOTONIC, &s->begin);
    signal(SIGABRT, on_abort);
    signal(SIGINT, on_interrupt);
    return 0;
}

static void end_session(struct session *s)
{
    for (uint32_t i = 0; i < STACKS_MAX; i++)
        for (uint32_t n = 0; n < SHAPES_MAX; n++)
            if (s->world[i][n] != NULL)
                sim_world_free(s->world[i][n]);
    if (s->large != NULL)
        sim_world_free(s->large);
    adversary_free(s->adversary);
    free(s->states);
}

/* The pool must be full again: a packet that is missing is a leak in a protocol. */
static int check_leak(struct session *s, int status)
{
    unsigned full = (unsigned)(s->o.pool_pkts != 0 ? s->o.pool_pkts : POOL_PKTS);
    unsigned have = rte_mempool_avail_count(s->pool);
    if (have == full)
        return status;
    fprintf(stderr, "upon sim: %u packets did not return to the pool: a leak\n", full - have);
    return status == EXIT_HOLDS ? EXIT_VIOLATED : status;
}

int sim_main(int argc, char **argv)
{
    static const struct argp argp =
        {options_table, on_option, NULL,
         "Search for a schedule that breaks a property. Alone: swarm over every stack for ten "
         "seconds.\vA run is a function of the job and the seed, byte for byte, in every build. "
         "Exit "
         "status: 0 all properties hold, 1 one was violated, 2 it could not run."};
    static struct session s;
    s = (struct session){.o = {.first = 1, .last = UINT64_MAX, .swarm = true}};
    argp_err_exit_status = EXIT_FAILED;
    if (argp_parse(&argp, argc, argv, 0, NULL, &s.o) != 0)
        return EXIT_FAILED;
    char *text = NULL;
    int status = read_job(&s.o);
    if (status == 0 && s.o.script != NULL)
        status = read_text(s.o.script, &text);
    if (status == 0)
        status = start_session(&s);
    if (status != 0)
        return status;
    if (s.o.script != NULL) {
        s.large = sim_world_new(s.pool);
        status =
            run_script(s.large, s.o.script, text != NULL ? text : "", s.o.trace, s.o.transcript);
        status = draw_script(s.large, &s.o.picture, status);
    } else if (s.o.sweep) {
        status = sweep_stacks(&s);
    } else if (s.o.exhaustive) {
        status = search_stacks(&s);
    } else {
        status = run_seeds(&s);
    }
    free(text);
    end_session(&s);
    return check_leak(&s, status);
}

/* ---- upon replay ----------------------------------------------------------------------------- */

struct replay_options {
    const char *path;
    uint64_t dump;     /* choice; UINT64_MAX: none */
    uint64_t from, to; /* diff: choices */
    uint64_t limit_ns; /* shrink; 0: until nothing can be left out */
    const char *out;   /* shrink: the file to write; NULL: beside the other */
    struct picture picture;
    bool diff;
    bool shrink;
    bool trace;
    bool any_revision;
};

enum { OPT_ANY_REVISION = 512, OPT_DUMP, OPT_DIFF, OPT_SHRINK, OPT_LIMIT };

static const struct argp_option replay_table[] =
    {{"trace", 't', NULL, 0, "print the whole execution in the book's notation"},
     {"dump", OPT_DUMP, "STEP", 0, "show the configuration of all processes after that choice"},
     {"diff", OPT_DIFF, "A..B", 0, "show what differs between the configurations after both"},
     {"shrink", OPT_SHRINK, NULL, 0, "make it small, the violation kept; write FILE.small.replay"},
     {"time", OPT_LIMIT, "TIME", 0, "shrink for at most this long"},
     {"out", 'o', "FILE", 0, "shrink: write this file instead"},
     PICTURE_OPTIONS,
     {"any-revision", OPT_ANY_REVISION, NULL, 0, "try a file of another revision"},
     {0}};

static error_t on_replay_option(int key, char *arg, struct argp_state *state)
{
    struct replay_options *o = state->input;
    switch (key) {
    case 't':
        o->trace = true;
        return 0;
    case OPT_DUMP:
        o->dump = number(state, "dump", arg, 0, UINT64_MAX - 1);
        return 0;
    case OPT_DIFF:
        if (!parse_range(arg, &o->from, &o->to))
            argp_failure(state, EXIT_FAILED, 0, "--diff %s: not two choices such as 3..9", arg);
        o->diff = true;
        return 0;
    case OPT_SHRINK:
        o->shrink = true;
        return 0;
    case OPT_LIMIT:
        if (!fault_parse_time(arg, &o->limit_ns))
            argp_failure(state, EXIT_FAILED, 0, "--time %s: not a time such as 10s", arg);
        return 0;
    case 'o':
        o->out = arg;
        return 0;
    case OPT_ANY_REVISION:
        o->any_revision = true;
        return 0;
    case ARGP_KEY_ARG:
        if (o->path != NULL)
            return ARGP_ERR_UNKNOWN;
        o->path = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->path == NULL)
            argp_failure(state, EXIT_FAILED, 0, "which FILE is to be replayed?");
        return 0;
    default:
        return on_picture(key, arg, state, &o->picture);
    }
}

static void print_line(void *ctx, const char *line)
{
    (void)ctx;
    printf("%s\n", line);
}

/* Apply the file's lines up to that many choices. */
static int play(struct sim_world *w, const char *path, const char *all, uint64_t step)
{
    struct script sc = {.w = w};
    char why[512], *text = strdup(all), *save = NULL;
    int status = text != NULL ? EXIT_HOLDS : EXIT_FAILED;
    for (char *line = text != NULL ? strtok_r(text, "\n", &save) : NULL; line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (sc.started && (w->steps >= step || strncmp(line, "end", 3) == 0))
            break;
        if (script_line(&sc, line, why, sizeof why) != 0) {
            fprintf(stderr, "upon replay: %s: %s\n", path, why);
            status = EXIT_FAILED;
            break;
        }
    }
    free(text);
    if (status == EXIT_HOLDS && w->steps < step) {
        fprintf(stderr, "upon replay: %s: there is no choice %" PRIu64 ": it has %" PRIu64 "\n",
                path, step, w->steps);
        status = EXIT_FAILED;
    }
    return status;
}

static int dump(struct sim_world *w, const char *path, const char *text, uint64_t step)
{
    int status = play(w, path, text, step);
    if (status == EXIT_HOLDS)
        sim_world_dump(w, print_line, NULL);
    return status;
}

/* What differs between the configurations after two choices. */
static int diff(struct sim_world *w, const struct replay_options *o, const char *text)
{
    struct config before = {0}, after = {0};
    int status = play(w, o->path, text, o->from);
    if (status == EXIT_HOLDS) {
        config_take(&before, w);
        status = play(w, o->path, text, o->to);
    }
    if (status == EXIT_HOLDS) {
        config_take(&after, w);
        if (config_diff(&before, &after, print_line, NULL) == 0)
            printf("the configurations are the same\n");
    }
    config_free(&before);
    config_free(&after);
    return status;
}

static int shrink_replayed(struct sim_world *w, const struct replay_options *o, bool fair)
{
    struct outcome out = {.violated = true, .fair = fair};
    char path[4096];
    const struct check_result *v = sim_world_violation(w, &out.layer);
    if (v == NULL) {
        fprintf(stderr, "upon replay: %s: no property is violated: there is nothing to shrink\n",
                o->path);
        return EXIT_FAILED;
    }
    out.result = *v;
    small_path(o->path, path, sizeof path);
    int status = shrink(w, &out, o->out != NULL ? o->out : path, o->limit_ns);
    return status == EXIT_HOLDS ? EXIT_VIOLATED : status;
}

static int replay(struct session *s, const struct replay_options *o, const struct replay_info *info,
                  const char *text)
{
    struct sim_world *w = s->large = sim_world_new(s->pool);
    if (o->dump != UINT64_MAX)
        return dump(w, o->path, text, o->dump);
    if (o->diff)
        return diff(w, o, text);
    int status = run_script(w, o->path, text, o->trace, false);
    if (status != EXIT_FAILED && w->trace_hash != info->trace_hash)
        printf("this is not the execution that was recorded: its trace was %016" PRIx64 "\n",
               info->trace_hash);
    if (status != EXIT_FAILED && o->shrink)
        status = shrink_replayed(w, o, strstr(text, "\nend fair") != NULL);
    return draw_script(w, &o->picture, status);
}

int replay_main(int argc, char **argv)
{
    static const struct argp argp = {replay_table, on_replay_option, "FILE",
                                     "Run a recorded schedule again, byte for byte."};
    static struct session s;
    struct replay_options o = {.dump = UINT64_MAX};
    struct replay_info info;
    char *text = NULL, why[512];
    argp_err_exit_status = EXIT_FAILED;
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
        return EXIT_FAILED;
    if (replay_read(o.path, o.any_revision, &info, &text, why, sizeof why) != 0) {
        fprintf(stderr, "upon replay: %s\n", why);
        return EXIT_FAILED;
    }
    s = (struct session){0};
    int status = start_session(&s);
    if (status == 0) {
        status = replay(&s, &o, &info, text);
        end_session(&s);
        status = check_leak(&s, status);
    }
    free(text);
    return status;
}
