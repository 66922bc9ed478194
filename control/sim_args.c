/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_args.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/refuse.h"
#include "events.h"
#include "job.h"
#include "number.h"
#include "script.h"

/* ---- the command line ------------------------------------------------------------------------ */

enum {
    OPT_SEEDS = 256,
    OPT_STRATEGY,
    OPT_STEPS,
    OPT_TIME,
    OPT_FAULTS,
    OPT_SET,
    OPT_DEPTH,
    OPT_UNFAIR,
    OPT_UNSETTLED,
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
     {"depth", OPT_DEPTH, "D", 0, "pctcp: bugs of depth D, 1 to 5 (default 3)"},
     {"steps", OPT_STEPS, "N", 0, "choices of the adversary before the world is healed"},
     {"time", OPT_TIME, "TIME", 0,
      "stop after so many seconds, or 500ms, 5m … (default 10s, unless seeds are given; of a "
      "search 60s for each stack)"},
     {"faults", OPT_FAULTS, "RULE", 0,
      "a line of a script, as \"loss 10% 0->1\" or \"at 3ms crash 1\", or a file of them; may be "
      "repeated"},
     {"lies", OPT_LIES, "PERCENT", 0, "detectors say what is not so, in this share of choices"},
     {"unsettled", OPT_UNSETTLED, NULL, 0,
      "Ω and ◇P lie for ever, when the world is healed too: what needs them stays open"},
     {"set", OPT_SET, "KEY=VALUE", 0,
      "ops, bytes, flight_msgs, detect_ns …, or a key of a job, as job.n; may be repeated"},
     {"script", 'f', "FILE", 0, "obey a scenario"},
     {"trace", 't', NULL, 0, "print the execution in the book's notation"},
     {"transcript", OPT_TRANSCRIPT, NULL, 0,
      "print a scenario's lines, and under each the events that follow"},
     {"unfair", OPT_UNFAIR, NULL, 0, "never heal the world: liveness stays open"},
     {"unchecked", OPT_UNCHECKED, NULL, 0, "without checkers"},
     {"keep-going", OPT_KEEP, NULL, 0, "go on after a violation"},
     {"memory", OPT_MEMORY, "PACKETS", 0,
      "packets in all, of 1 KiB or as messages need (default 16383, or 4 n² up to 262143)"},
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
     {"out", 'o', "DIR", 0,
      "where replay files go (default runs); write summary.json and table.txt there, too"},
     {"json", 'j', NULL, 0, "print summary.json and nothing else on stdout"},
     {"quiet", 'q', NULL, 0, "no progress line"},
     {0}};

bool arg_range(const char *text, uint64_t *first, uint64_t *last)
{
    char head[32];
    const char *dots = strstr(text, "..");
    if (dots == NULL || (size_t)(dots - text) >= sizeof head)
        return false;
    memcpy(head, text, (size_t)(dots - text));
    head[dots - text] = '\0';
    return number_parse(head, first) && number_parse(dots + 2, last) && *first <= *last;
}

static bool parse_strategy(const char *text, struct options *o)
{
    o->swarm = strcmp(text, "swarm") == 0;
    o->exhaustive = strcmp(text, "exhaustive") == 0;
    o->sweep = strcmp(text, "sweep") == 0;
    o->scenario = strcmp(text, "script") == 0;
    for (int i = 0; i < STRATEGIES; i++)
        if (strcmp(text, strategy_names[i]) == 0) {
            o->strategy = (enum strategy)i;
            return true;
        }
    return o->swarm || o->exhaustive || o->sweep || o->scenario;
}

uint64_t arg_number(struct argp_state *state, const char *name, const char *arg, uint64_t least,
                    uint64_t most)
{
    uint64_t v = 0;
    if (!number_parse(arg, &v) || v < least || v > most)
        argp_failure(state, EXIT_FAILED, 0, "--%s %s: not a number from %" PRIu64 " to %" PRIu64,
                     name, arg, least, most);
    return v;
}

error_t arg_picture(int key, const char *arg, struct argp_state *state, struct picture *p)
{
    if (key == OPT_DIAGRAM)
        p->diagram = arg;
    else if (key == OPT_SHIVIZ)
        p->shiviz = arg;
    else if (key != OPT_WINDOW)
        return ARGP_ERR_UNKNOWN;
    else if (!arg_range(arg, &p->first, &p->last) || p->last == 0)
        argp_failure(state, EXIT_FAILED, 0, "--window %s: not a range such as 10..40", arg);
    return 0;
}

bool arg_picture_lacks(const struct picture *p)
{
    return p->last != 0 && p->diagram == NULL && p->shiviz == NULL;
}

/* A rule that says when it holds, or what takes how long, says nothing where no clock is kept. A delay
 * of heartbeats alone is kept by the clock of who hears them. */
static bool needs_clock(const struct fault_line *l)
{
    const struct fault_rule *r = &l->rule;
    return l->at_ns != 0 || l->until_ns != FAULTS_NEVER || r->until_ns != 0 ||
           r->kind == FAULT_RATE || r->kind == FAULT_DISK_SLOW ||
           (r->befalls == FAULT_ALL && (r->kind == FAULT_DELAY || r->kind == FAULT_REORDER));
}

static void on_fault(struct argp_state *state, struct options *o, const char *arg)
{
    char why[1024];
    bool file = access(arg, R_OK) == 0;
    int err = file ? events_read(&o->faults, arg, why, sizeof why)
                   : faults_add(&o->faults, arg, "--faults", o->faults.count + 1, why, sizeof why);
    if (err != 0)
        argp_failure(state, EXIT_FAILED, 0, "%s", why);
    const struct fault_line *last = &o->faults.line[o->faults.count - 1];
    o->plan |= file || (o->faults.count > 0 && last->deed != DEED_RULE);
    o->clock |= !file && o->faults.count > 0 && needs_clock(last);
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
    if (strcmp(key, "n") == 0 || strcmp(key, "seed") == 0) /* all else is drawn for them */
        argp_failure(state, EXIT_FAILED, 0, "--set %s: say --%s %s", arg, key, eq + 1);
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
        c->crashes = (uint16_t)arg_number(state, "crashes", arg, 0, EXPLORE_PROCS_MAX);
        o->crashes_given = true;
        return 0;
    case OPT_RECOVERIES:
        c->recoveries = (uint16_t)arg_number(state, "recoveries", arg, 0, 100);
        o->recoveries_given = true;
        return 0;
    case OPT_LOSSES:
        c->losses = (uint32_t)arg_number(state, "losses", arg, 0, 1000);
        return 0;
    case OPT_DUPLICATES:
        c->duplicates = (uint32_t)arg_number(state, "duplicates", arg, 0, 1000);
        return 0;
    case OPT_TIMERS:
        c->timers = (uint32_t)arg_number(state, "timers", arg, 0, 1000);
        return 0;
    case OPT_SOURCES:
        c->sources = (uint16_t)arg_number(state, "sources", arg, 1, EXPLORE_PROCS_MAX);
        return 0;
    case OPT_STATES:
        c->states_max = arg_number(state, "states", arg, 1, UINT64_MAX);
        return 0;
    case OPT_STATE_MEMORY:
        c->memory_bytes = arg_number(state, "state-memory", arg, 1, 1u << 20) << 20;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t on_flag(int key, struct options *o)
{
    bool *flag = key == 't'               ? &o->trace
                 : key == 'q'             ? &o->quiet
                 : key == 'j'             ? &o->json
                 : key == OPT_TRANSCRIPT  ? &o->transcript
                 : key == OPT_UNFAIR      ? &o->unfair
                 : key == OPT_UNSETTLED   ? &o->unsettled
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

/* Which schedules is said once. */
static void one_of(struct argp_state *state, const struct options *o, int other)
{
    if (o->given[other])
        argp_failure(state, EXIT_FAILED, 0, "--seed and --seeds: give one of them");
}

/* A bare number is in seconds. */
static bool read_time(const char *arg, uint64_t *ns)
{
    char seconds[32];
    int len = snprintf(seconds, sizeof seconds, "%ss", arg);
    return fault_parse_time(arg, ns) ||
           (len < (int)sizeof seconds && fault_parse_time(seconds, ns));
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    if (key > 0 && key < OPTS)
        o->given[key] = true;
    switch (key) {
    case 'S':
        o->stack = stack_find(arg);
        if (o->stack == NULL)
            argp_failure(state, EXIT_FAILED, 0, "stack '%s' is unknown: see upon list stacks", arg);
        return 0;
    case 'n':
        o->n = arg_number(state, "n", arg, 1, PROCS_MAX);
        return 0;
    case 's':
        one_of(state, o, OPT_SEEDS);
        o->first = o->last = arg_number(state, "seed", arg, 0, UINT64_MAX);
        o->seeds_given = true;
        return 0;
    case OPT_SEEDS:
        one_of(state, o, 's');
        if (!arg_range(arg, &o->first, &o->last))
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
        o->depth = arg_number(state, "depth", arg, 1, 5);
        return 0;
    case OPT_STEPS:
        o->steps = arg_number(state, "steps", arg, 1, UINT32_MAX / 2);
        return 0;
    case OPT_TIME:
        if (!read_time(arg, &o->time_ns))
            argp_failure(state, EXIT_FAILED, 0,
                         "--time %s: not a time: a number of seconds, or one such as 500ms or 5m",
                         arg);
        return 0;
    case OPT_FAULTS:
        on_fault(state, o, arg);
        return 0;
    case OPT_LIES:
        o->lie_ppm = (uint32_t)arg_number(state, "lies", arg, 0, 100) * 10000;
        return 0;
    case OPT_SET:
        on_set(state, o, arg);
        return 0;
    case OPT_MEMORY:
        o->pool_pkts = arg_number(state, "memory", arg, PKTS_LEAST, PKTS_MOST);
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
        if (on_search(key, arg, state, o) == 0 || arg_picture(key, arg, state, &o->picture) == 0)
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

void sim_args_conf(const struct stack_conf *from, struct stack_conf *to)
{
    static const uint64_t zero;
    for (size_t i = 0; i < RTE_DIM(conf_fields); i++) {
        const uint8_t *given = (const uint8_t *)from + conf_fields[i].offset;
        if (memcmp(given, &zero, conf_fields[i].bytes) != 0)
            memcpy((uint8_t *)to + conf_fields[i].offset, given, conf_fields[i].bytes);
    }
    if (from->msg_copy_bytes != 0) /* a job keeps it apart */
        to->msg_copy_bytes = from->msg_copy_bytes;
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

static bool simulated(size_t offset)
{
    for (size_t i = 0; i < RTE_DIM(conf_fields); i++)
        if (offset == offsetof(struct job, conf) + conf_fields[i].offset)
            return true;
    return offset == offsetof(struct job, stack) || offset == offsetof(struct job, n) ||
           offset == offsetof(struct job, seed) || offset == offsetof(struct job, size) ||
           offset == offsetof(struct job, msg_copy_bytes) ||
           offset == offsetof(struct job, faults_file);
}

/*
 * What of a job belongs to a live run. A file is written for one, and is simulated without it; who
 * asks for it here, or plants a bug there, would be told of another thing.
 */
static int pass_over(const struct options *o, const struct job *job, char *why, size_t size)
{
    char name[64], list[512] = "";
    size_t offset, at = 0;
    uint32_t next = 0;
    while (job_given_next(job, &next, name, sizeof name, &offset) != NULL) {
        bool plants = offset == offsetof(struct job, plant) && job->plant != 0;
        if (simulated(offset))
            continue;
        if (plants || job_overridden(job, offset))
            return refuse(
                why, size,
                "%s is of a live run, and a simulation does nothing with it: leave it out", name);
        if (at < sizeof list)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at > 0 ? ", " : "", name);
    }
    if (at > 0 && !o->quiet)
        fprintf(stderr, "(%s: of a live run, and not simulated: %s)\n", o->job_path, list);
    return 0;
}

/*
 * Take from a job what a simulation can honour: stack, n, size, seed, [faults] and [params]. Device, load and
 * duration belong to a live run: here the adversary decides when what is sent.
 */
static int take_job(struct options *o, const struct job *job, char *why, size_t size)
{
    if (pass_over(o, job, why, size) != 0)
        return -EINVAL;
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
    if (job_given(job, offsetof(struct job, msg_copy_bytes)))
        o->conf.msg_copy_bytes = (uint32_t)job->msg_copy_bytes;
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

/* ---- what goes together ---------------------------------------------------------------------- */

/* The ways in which schedules are made, and what they make use of. */
enum {
    WAY_SWARM = 1,
    WAY_RANDOM = 2,
    WAY_PCTCP = 4,
    WAY_TIMED = 8,
    WAY_EXHAUSTIVE = 16,
    WAY_SWEEP = 32,
    WAY_SCENARIO = 64,
    BY_SEED = WAY_SWARM | WAY_RANDOM | WAY_PCTCP | WAY_TIMED,
    BUT_SCENARIO = BY_SEED | WAY_EXHAUSTIVE | WAY_SWEEP,
};

static const struct {
    int key;
    unsigned ways; /* in which it means something */
} uses[] = {
    {'S', BUT_SCENARIO},
    {'n', BUT_SCENARIO},
    {'s', BUT_SCENARIO},
    {OPT_SEEDS, BY_SEED},
    {OPT_DEPTH, WAY_PCTCP},
    {OPT_STEPS, BY_SEED | WAY_EXHAUSTIVE},
    {OPT_TIME, BUT_SCENARIO},
    {OPT_LIES, BY_SEED},
    {OPT_UNSETTLED, BY_SEED},
    {OPT_SET, BUT_SCENARIO},
    {OPT_TRANSCRIPT, WAY_SCENARIO},
    {'t', BY_SEED | WAY_SCENARIO},
    {OPT_UNFAIR, BY_SEED | WAY_EXHAUSTIVE},
    {OPT_UNCHECKED, BUT_SCENARIO},
    {OPT_KEEP, BY_SEED},
    {OPT_CRASHES, WAY_EXHAUSTIVE},
    {OPT_RECOVERIES, WAY_EXHAUSTIVE},
    {OPT_LOSSES, WAY_EXHAUSTIVE},
    {OPT_DUPLICATES, WAY_EXHAUSTIVE},
    {OPT_TIMERS, WAY_EXHAUSTIVE},
    {OPT_SOURCES, WAY_EXHAUSTIVE},
    {OPT_STATES, WAY_EXHAUSTIVE},
    {OPT_STATE_MEMORY, WAY_EXHAUSTIVE},
    {OPT_UNREDUCED, WAY_EXHAUSTIVE},
    {OPT_TOTAL_ORDER, WAY_EXHAUSTIVE},
    {OPT_DIAGRAM, BY_SEED | WAY_SCENARIO},
    {OPT_SHIVIZ, BY_SEED | WAY_SCENARIO},
    {OPT_WINDOW, BY_SEED | WAY_SCENARIO},
    {'o', BUT_SCENARIO},
    {'j', BUT_SCENARIO},
};

static unsigned way_of(const struct options *o)
{
    return o->script != NULL ? WAY_SCENARIO
           : o->exhaustive   ? WAY_EXHAUSTIVE
           : o->sweep        ? WAY_SWEEP
           : o->swarm        ? WAY_SWARM
                             : WAY_RANDOM << o->strategy;
}
static_assert(WAY_RANDOM << STRATEGY_PCTCP == WAY_PCTCP &&
                  WAY_RANDOM << STRATEGY_TIMED == WAY_TIMED,
              "strategies stand in this order");

static const char *way_name(const struct options *o)
{
    return o->script != NULL ? "a scenario"
           : o->exhaustive   ? "an exhaustive search"
           : o->sweep        ? "a sweep"
           : o->swarm        ? "the swarm"
                             : strategy_names[o->strategy];
}

static const char *option_name(int key)
{
    for (const struct argp_option *x = options_table; x->name != NULL; x++)
        if (x->key == key)
            return x->name;
    return "";
}

bool sim_args_untimed(const struct options *o)
{
    return o->given[OPT_STRATEGY] && (way_of(o) & (WAY_RANDOM | WAY_PCTCP)) != 0;
}

/* One sentence on what was asked for and would not be done; NULL: all of it is. */
static const char *check_uses(const struct options *o, char *why, size_t size)
{
    if (o->scenario && o->script == NULL)
        return "--strategy script obeys a scenario: give it with --script FILE";
    if (o->script != NULL && o->given[OPT_STRATEGY] && !o->scenario)
        return "a scenario makes its choices itself: leave out --strategy, or --script";
    if (o->script != NULL && (o->job_path != NULL || o->job_sets > 0))
        return "a scenario has its own job: leave out the job, or --script";
    for (size_t i = 0; i < RTE_DIM(uses); i++)
        if (o->given[uses[i].key] && !(uses[i].ways & way_of(o))) {
            snprintf(why, size, "%s does nothing with --%s: leave it out", way_name(o),
                     option_name(uses[i].key));
            return why;
        }
    if (arg_picture_lacks(&o->picture))
        return "--window picks choices for a picture: give --diagram or --shiviz, too";
    if ((o->picture.diagram != NULL || o->picture.shiviz != NULL) && o->script == NULL &&
        o->first != o->last)
        return "a picture is of one schedule: give it with --seed";
    if (sim_args_untimed(o) && o->stack != NULL && sim_needs(o->stack).synchronous)
        return "P errs without a clock, which the strategy does not keep: leave out --strategy, or "
               "say timed";
    if ((o->plan || o->clock) && sim_args_untimed(o))
        return "faults that have their time need a clock: leave out --strategy, or say timed";
    if (o->given[OPT_RECOVERIES] && o->stack != NULL && !sim_needs(o->stack).disk)
        return "the stack has no log, and who crashes stays down: leave out --recoveries";
    return NULL;
}

static int check_options(const struct options *o)
{
    char why[256];
    const char *said = check_uses(o, why, sizeof why);
    if (said == NULL)
        return 0;
    fprintf(stderr, "upon sim: %s\n", said);
    return EXIT_FAILED;
}

/* Searches through all schedules, and scenarios, make their faults themselves. */
static int check_faults(const struct options *o)
{
    const char *who = o->script != NULL ? "a scenario names its own faults"
                      : o->sweep        ? "a sweep crashes at every point, and nothing else"
                      : o->exhaustive   ? "an exhaustive search is told of faults by --crashes, "
                                          "--recoveries, --losses and --duplicates"
                                        : NULL;
    if (who == NULL || o->faults.count == 0)
        return 0;
    fprintf(stderr, "upon sim: %s: leave out --faults\n", who);
    return EXIT_FAILED;
}

/* Who is to lie must be there. */
static int check_lies(const struct options *o)
{
    const char *lacks = NULL;
    if (o->stack == NULL)
        return 0;
    if (o->unsettled && !adversary_may_lie(o->stack))
        lacks = "neither Ω nor ◇P, which could fail to settle: leave out --unsettled";
    else if (o->lie_ppm != 0 && !sim_needs(o->stack).detector)
        lacks = "no detector that could lie: leave out --lies";
    if (lacks == NULL)
        return 0;
    fprintf(stderr, "upon sim: stack %s has %s\n", o->stack->name, lacks);
    return EXIT_FAILED;
}

int sim_args(int argc, char **argv, struct options *o)
{
    static const struct argp argp =
        {options_table, on_option, NULL,
         "Search for a schedule that breaks a property. Alone: swarm over every stack for ten "
         "seconds.\vA run is a function of the job and the seed, byte for byte, in every build. "
         "Exit "
         "status: 0 all properties hold, 1 one was violated, 2 it could not run."};
    *o = (struct options){.first = 1, .last = UINT64_MAX, .swarm = true};
    argp_err_exit_status = EXIT_FAILED;
    if (argp_parse(&argp, argc, argv, 0, NULL, o) != 0)
        return EXIT_FAILED;
    int err = read_job(o);
    if (err == 0)
        err = check_faults(o);
    if (err == 0)
        err = check_options(o);
    return err == 0 ? check_lies(o) : err;
}
