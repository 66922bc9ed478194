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
     {"depth", OPT_DEPTH, "D", 0, "pctcp: bugs of depth D (default 3)"},
     {"steps", OPT_STEPS, "N", 0, "choices of the adversary before the world is healed"},
     {"time", OPT_TIME, "TIME", 0, "stop after this (default 10s, unless seeds are given)"},
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

bool arg_range(const char *text, uint64_t *first, uint64_t *last)
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

uint64_t arg_number(struct argp_state *state, const char *name, const char *arg, uint64_t least,
                    uint64_t most)
{
    uint64_t v;
    if (!parse_u64(arg, &v) || v < least || v > most)
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
        o->n = arg_number(state, "n", arg, 1, PROCS_MAX);
        return 0;
    case 's':
        o->first = o->last = arg_number(state, "seed", arg, 0, UINT64_MAX);
        o->seeds_given = true;
        return 0;
    case OPT_SEEDS:
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
        o->depth = arg_number(state, "depth", arg, 1, 8);
        return 0;
    case OPT_STEPS:
        o->steps = arg_number(state, "steps", arg, 1, UINT32_MAX / 2);
        return 0;
    case OPT_TIME:
        if (!fault_parse_time(arg, &o->time_ns))
            argp_failure(state, EXIT_FAILED, 0, "--time %s: not a time such as 10s", arg);
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
        o->pool_pkts = arg_number(state, "memory", arg, 1023, 16777215);
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
    return err == 0 ? check_lies(o) : err;
}
