/* SPDX-License-Identifier: BSD-3-Clause */
/* `upon sim`: schedules by seed, judged, counted, and explained when a property breaks. */
#include "sim_main.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "replay.h"
#include "sim_plan.h"
#include "sim_result.h"
#include "sim_session.h"
#include "sweep.h"

#define DEFAULT_NS 10000000000ull
#define TABLE_MOST 4096 /* rows, as of a live run */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    signal(signal_number, SIG_DFL); /* who asks twice does not want to wait */
    interrupted = 1;
}

/* ---- tallies --------------------------------------------------------------------------------- */

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
    const bool unsettled = s->o.unsettled && !s->o.unfair && adversary_may_lie(w->job.def);
    const bool ended = !out->stopped && !out->starved;
    t->unsettled += ended && unsettled && !out->fair;
    t->unfair += ended && !unsettled && !out->fair;
    s->runs++;
    s->events += w->events;
    s->breaths += w->breaths;
    s->choices += w->steps;
    s->violations += out->violated;
    s->digest = (s->digest ^ w->trace_hash) * 0x9e3779b97f4a7c15u;
    s->digest ^= s->digest >> 32;
    if (out->state != 0)
        count_state(s, out->state);
    t->stopped += out->stopped;
    t->beyond += out->beyond;
    t->starved += out->starved;
    t->left += ended && w->behind != 0;
    t->misled += w->job.lies_void && w->lied != 0;
    if (!ended)
        return;
    for (int i = 0; i < CO_STACK_MAX; i++)
        if (w->check[i] != NULL)
            for (uint16_t r = 0; r < w->check[i]->results; r++) {
                const bool aside = sim_world_void(w, (uint16_t)i, r);
                t->state[i][r][aside ? CHECK_UNKNOWN : w->check[i]->result[r].state]++;
                t->code[i][r] = w->check[i]->result[r].code;
            }
}

static void print_layer(struct session *s, const struct tally *t, const struct stack_layer *l,
                        int i)
{
    sim_result_say(s, "    %-10s", l->name);
    for (int r = 0; r < CHECK_PROPERTIES_MAX && t->code[i][r] != NULL; r++) {
        const uint64_t *n = t->state[i][r];
        const char *sep = "";
        sim_result_say(s, "  %s ", t->code[i][r]);
        if (n[CHECK_VIOLATED] > 0) {
            sim_result_say(s, "VIOLATED in %" PRIu64, n[CHECK_VIOLATED]);
            sep = ", ";
        } else if (n[CHECK_HOLDS] > 0) {
            sim_result_say(s, "holds");
            sep = ", ";
        }
        if (n[CHECK_VIOLATED] == 0 && n[CHECK_NOT_YET] > 0) {
            sim_result_say(s, "%sopen in %" PRIu64, sep, n[CHECK_NOT_YET]);
            sep = ", ";
        }
        if (n[CHECK_UNKNOWN] > 0)
            sim_result_say(s, "%svoid in %" PRIu64, sep, n[CHECK_UNKNOWN]);
    }
    sim_result_say(s, "\n");
}

static void print_table(struct session *s)
{
    for (uint32_t k = 0; k < s->stacks; k++) {
        const struct tally *t = &s->tally[k];
        if (t->runs == 0)
            continue;
        sim_result_say(s, "%s: %" PRIu64 " schedules", stack_defs[k]->name, t->runs);
        if (sim_args_untimed(&s->o) && sim_needs(stack_defs[k]).synchronous)
            sim_result_say(s, ", timed, since P needs a clock");
        if (t->stopped > 0)
            sim_result_say(s, ", %" PRIu64 " stopped at an assertion", t->stopped);
        if (t->starved > 0)
            sim_result_say(s, ", %" PRIu64 " ended without packets", t->starved);
        if (t->unfair > 0)
            sim_result_say(s, ", %" PRIu64 " stopped before they came to rest", t->unfair);
        if (t->beyond > 0)
            sim_result_say(s, ", %" PRIu64 " with more crashes than it withstands", t->beyond);
        if (t->unsettled > 0)
            sim_result_say(s, ", %" PRIu64 " in which a detector lied to the end", t->unsettled);
        if (t->left > 0)
            sim_result_say(s,
                           ", %" PRIu64 " in which a suspected process was left behind: the others "
                           "keep a quarter of instances for it",
                           t->left);
        if (t->misled > 0)
            sim_result_say(s, ", %" PRIu64 " in which P lied: what rests on its accuracy is void",
                           t->misled);
        sim_result_say(s, "\n");
        int i = 0;
        for (const struct stack_layer *l = stack_defs[k]->layers; l->name != NULL; l++, i++)
            if (t->code[i][0] != NULL)
                print_layer(s, t, l, i);
    }
    double seconds = (double)since_ns(&s->begin) / 1e9;
    sim_result_say(s,
                   "%" PRIu64
                   " schedules in %.2f s: %.0f schedules/s, %.2f M events/s, %.2f M steps/s, "
                   "%s%" PRIu64 " distinct states sampled, %" PRIu64 " violations\n",
                   s->runs, seconds, (double)s->runs / seconds, (double)s->events / seconds / 1e6,
                   (double)s->breaths / seconds / 1e6,
                   s->distinct >= STATES_MAX / 4 * 3 ? "≥ " : "", s->distinct, s->violations);
    sim_result_say(s, "digest of all traces: %016" PRIx64 "\n", s->digest);
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

/* ---- schedules by seed ----------------------------------------------------------------------- */

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

static bool is_set(const struct options *o, const char *key)
{
    size_t len = strlen(key);
    for (uint32_t i = 0; i < o->sets; i++)
        if (strncmp(o->set[i], key, len) == 0 && o->set[i][len] == '=')
            return true;
    return false;
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
    job->lies_void = false;
    job->ops = 20;
    *mix = mix_default(STRATEGY_TIMED, job->def, job->n);
    adversary_keep_time(mix, &s->o.faults);
    mix->crash = mix->pause = mix->lie = mix->drop = mix->duplicate = mix->corrupt = 0;
    mix->restarts = 0;
    mix->arrive = mix->recover = 0;
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
    if (o->plan)
        follow_script(s, job, mix);
    else if (o->clock)
        adversary_keep_time(mix, &o->faults);
    if (job->faults + o->faults.count > FAULT_RULES_MAX) /* what is drawn gives way */
        job->faults =
            o->faults.count < FAULT_RULES_MAX ? (uint16_t)(FAULT_RULES_MAX - o->faults.count) : 0;
    mix->rules = mix->rules < job->faults ? mix->rules : job->faults;
    sim_args_conf(&o->conf, &job->conf);
    if (o->size != 0)
        job->msg_bytes = (uint32_t)o->size;
    set_keys(o, job);
    mix->unfair = o->unfair;
    mix->unsettled = o->unsettled;
    if (o->lie_ppm != 0) { /* asked for, as is what it breaks */
        mix->lie = o->lie_ppm;
        job->lies_void = false;
    }
    if (o->steps != 0)
        mix->steps = (uint32_t)o->steps;
}

static void fit(const struct options *o, const char *key, uint32_t least, uint32_t *size)
{
    while (!is_set(o, key) && *size < least)
        *size *= 2;
}

/* Tables were drawn for the load that was drawn with them. Where another is given, those that are not
 * hold it: a table that is full for good stops a protocol that is to blame for nothing. */
static void fit_tables(const struct options *o, struct sim_job *job)
{
    const uint32_t rows = 8 * job->ops < TABLE_MOST ? 8 * job->ops : TABLE_MOST;
    if (!is_set(o, "ops") && !is_set(o, "bytes"))
        return;
    job->conf.n = job->n;
    sim_conf_default(&job->conf);
    fit(o, "instances", rows, &job->conf.instances);
    fit(o, "store_msgs", rows, &job->conf.store_msgs);
    fit(o, "ring_msgs", rows, &job->conf.ring_msgs);
}

/* A schedule that is about to be judged. */
struct judged {
    struct adversary *a;
    struct sim_world *w;
    struct mix *mix;
    uint64_t seed;
    struct outcome out;
};

static void judge(void *ctx)
{
    struct judged *j = ctx;
    j->out = adversary_judge(j->a, j->w, j->mix, j->seed);
}

/* A line of the script of faults that the schedule did not come to. */
static int missed(const struct session *s, const struct sim_world *w, const struct fault_line *l)
{
    char deed[160];
    faults_text(l, deed, sizeof deed);
    fprintf(stderr,
            "upon sim: %.200s:%u: '%s' is not reached: the schedule of seed %" PRIu64
            " has %" PRIu64 " choices by %.3f s, and more are not tried: let it happen earlier, or "
            "with fewer processes\n",
            s->o.faults.file[l->file], l->place, deed, w->job.seed, w->steps,
            (double)sim_world_now(w) / 1e9);
    return EXIT_FAILED;
}

/* One seed. 0, or EXIT_FAILED with a sentence printed. */
static int run_seed(struct session *s, uint64_t seed)
{
    struct sim_job job;
    struct mix mix;
    char why[256], text[2048];
    static struct explain x;
    make_job(s, seed, &job, &mix);
    fit_tables(&s->o, &job);
    struct sim_world *w = session_world(s, &job);
    if (w != NULL && s->o.faults.count > 0 &&
        sim_plan_rules(&s->o.faults, &job, why, sizeof why) != 0) {
        fprintf(stderr, "upon sim: %s\n", why);
        return EXIT_FAILED;
    }
    if (w == NULL || sim_world_start(w, &job, why, sizeof why) != 0) {
        fprintf(stderr, "upon sim: %s\n", w == NULL ? "out of memory" : why);
        return EXIT_FAILED;
    }
    if (s->o.trace || (s->o.first == s->o.last && s->o.seeds_given)) {
        adversary_text(&w->job, &mix, text, sizeof text);
        printf("%s\n", text);
    }
    if (s->o.trace)
        explain_attach(&x, w, stdout);
    struct judged j = {s->adversary, w, &mix, seed, {0}};
    session_run(s, w, judge, &j, &j.out);
    if (s->o.trace)
        explain_detach(&x);
    if (j.out.missed != NULL)
        return missed(s, w, j.out.missed);
    count_run(s, session_stack(job.def), w, &j.out);
    const struct picture *p = s->o.first == s->o.last ? &s->o.picture : NULL;
    if (j.out.violated)
        return session_report(s, w, &j.out, p);
    if (p != NULL)
        return session_draw(w, p, NULL);
    session_give_back(s, w);
    return 0;
}

/* What was judged in no schedule at all. */
static void note_open(struct session *s, const struct stack_def *def, const struct tally *t)
{
    if (t->runs > 0 && s->o.unchecked)
        session_open(s, "--unchecked: no property was judged");
    for (int i = 0; i < CO_STACK_MAX && t->runs > 0; i++)
        for (int r = 0; r < CHECK_PROPERTIES_MAX && t->code[i][r] != NULL; r++) {
            const uint64_t *n = t->state[i][r];
            if (n[CHECK_HOLDS] == 0 && n[CHECK_VIOLATED] == 0)
                session_open(s, "%s of stack %s was judged in no schedule%s", t->code[i][r],
                             def->name,
                             n[CHECK_UNKNOWN] > 0 ? ": P was made to lie"
                             : t->left > 0        ? ": a process was left behind; raise instances"
                                                  : "");
            else if (s->o.unfair && n[CHECK_NOT_YET] > 0)
                session_open(s, "--unfair: %s of stack %s is open in some schedules", t->code[i][r],
                             def->name);
        }
}

static int run_seeds(struct session *s)
{
    uint64_t limit = s->o.time_ns;
    if (limit == 0 && !s->o.seeds_given)
        limit = DEFAULT_NS;
    uint64_t seed = s->o.first;
    for (;;) {
        int err = run_seed(s, seed);
        if (err != 0)
            return err;
        progress(s, seed);
        if (seed == s->o.last || interrupted || (s->violations > 0 && !s->o.keep_going) ||
            (limit != 0 && since_ns(&s->begin) >= limit))
            break;
        if (s->leaks > 0 && !s->o.keep_going)
            break;
        seed++;
    }
    if (!s->o.quiet && isatty(STDERR_FILENO))
        fprintf(stderr, "\n");
    s->last = seed;
    if (seed != s->o.last)
        s->bound = interrupted                             ? "interruption"
                   : s->violations > 0 && !s->o.keep_going ? "a violation"
                   : s->leaks > 0 && !s->o.keep_going      ? "a leak"
                                                           : "time";
    print_table(s);
    if (s->o.seeds_given && s->bound != NULL)
        sim_result_say(s,
                       "bounded by %s: the seeds behind %" PRIu64 " were not run, up to %" PRIu64
                       "\n",
                       s->bound, seed, s->o.last);
    for (uint32_t k = 0; k < s->stacks; k++)
        note_open(s, stack_defs[k], &s->tally[k]);
    return s->violations > 0 ? EXIT_VIOLATED : EXIT_HOLDS;
}

/* ---- exhaustive search ----------------------------------------------------------------------- */

/* Whether --time leaves nothing for this stack, which is said. */
static bool time_is_over(struct session *s, const struct stack_def *def)
{
    if (s->o.time_ns == 0 || since_ns(&s->begin) < s->o.time_ns)
        return false;
    sim_result_say(s, "%s: bounded by time: it was not begun\n", def->name);
    session_open(s, "of stack %s nothing was seen: bounded by time", def->name);
    return true;
}

/* What is left of the time that was given, of which there is some; 0: none was given. */
static uint64_t time_left(const struct session *s)
{
    const uint64_t ns = since_ns(&s->begin);
    return s->o.time_ns == 0 ? 0 : ns < s->o.time_ns ? s->o.time_ns - ns : 1;
}

/* A search or a sweep that is about to be made. */
struct sought {
    struct sim_world *w;
    const struct explore_conf *c;
    struct explore_result found;
    const struct sim_job *job;
    uint64_t limit_ns;
    struct sweep_result swept;
    int err;
    char why[256];
};

/* It stopped at an assertion, or without packets, and so did the search or sweep that led there. */
static int stopped(struct session *s, struct sim_world *w, const struct outcome *out)
{
    if (out->starved) {
        sim_result_say(s, "%s n=%u: ended without packets\n", w->job.def->name, w->n);
        return EXIT_HOLDS;
    }
    sim_result_say(s, "%s n=%u: stopped at an assertion\n", w->job.def->name, w->n);
    session_report(s, w, out, NULL);
    return EXIT_VIOLATED;
}

static void search(void *ctx)
{
    struct sought *x = ctx;
    x->err = explore_run(x->w, x->c, &x->found, x->why, sizeof x->why);
}

/* Search one stack, or each in turn, and say whether all was seen. */
static int search_stack(struct session *s, const struct stack_def *def)
{
    struct explore_conf c = s->o.search;
    struct outcome out;
    struct mix mix;
    char text[1024];
    s->o.stack = def;
    make_job(s, s->o.first, &c.job, &mix);
    if (!is_set(&s->o, "ops"))
        c.job.ops = 1;
    if (!s->o.crashes_given)
        c.crashes = sim_needs(def).disk || adversary_crashes_max(def, c.job.n) > 0;
    if (!s->o.recoveries_given || !sim_needs(def).disk)
        c.recoveries = sim_needs(def).disk;
    c.safety_only = s->o.unfair;
    c.stop = &interrupted;
    c.choices_max = s->o.steps;
    c.time_ns = s->o.time_ns != 0 ? time_left(s) : 6 * DEFAULT_NS;
    struct sought x = {.w = session_world(s, &c.job), .c = &c, .why = "out of memory"};
    if (x.w == NULL)
        x.err = -ENOMEM;
    else if (!session_run(s, x.w, search, &x, &out))
        return stopped(s, x.w, &out);
    if (x.err != 0) {
        fprintf(stderr, "upon sim: %s\n", x.why);
        return EXIT_FAILED;
    }
    explore_text(&c, &x.found, text, sizeof text);
    sim_result_say(s, "%s\n", text);
    sim_result_search(s, &c, &x.found);
    if (x.found.bound != NULL)
        session_open(s, "the search of stack %s was bounded by %s", def->name, x.found.bound);
    if (stack_top(def)->cls->implements == ABS_P)
        session_open(s, "stack %s is P alone, which is an oracle in a search", def->name);
    if (x.found.out.violated)
        session_report(s, x.w, &x.found.out, NULL);
    return x.found.out.violated ? EXIT_VIOLATED : EXIT_HOLDS;
}

static int search_stacks(struct session *s)
{
    const struct stack_def *only = s->o.stack;
    int status = EXIT_HOLDS;
    for (uint32_t i = 0; i < s->stacks && status == EXIT_HOLDS && !interrupted; i++)
        if ((only == NULL || only == stack_defs[i]) && !time_is_over(s, stack_defs[i]))
            status = search_stack(s, stack_defs[i]);
    return status;
}

/* ---- crash-point sweep ----------------------------------------------------------------------- */

static void sweep(void *ctx)
{
    struct sought *x = ctx;
    x->err = sweep_run(x->w, x->job, x->limit_ns, &interrupted, &x->swept, x->why, sizeof x->why);
}

static int sweep_stack(struct session *s, const struct stack_def *def)
{
    struct outcome out;
    struct sim_job job;
    struct mix mix;
    char text[128];
    s->o.stack = def;
    make_job(s, s->o.first, &job, &mix);
    struct sought x = {.w = session_world(s, &job),
                       .job = &job,
                       .limit_ns = time_left(s),
                       .why = "out of memory"};
    if (x.w == NULL)
        x.err = -ENOMEM;
    else if (!session_run(s, x.w, sweep, &x, &out))
        return stopped(s, x.w, &out);
    if (x.err != 0) {
        fprintf(stderr, "upon sim: %s\n", x.why);
        return EXIT_FAILED;
    }
    const struct sweep_result r = x.swept;
    sim_result_say(s,
                   "%s n=%u seed=%" PRIu64 ": %" PRIu64 " crash points at %" PRIu64
                   " stores, %" PRIu64 " writes begun, %" PRIu64 " finished, %" PRIu64
                   " deliveries, %" PRIu64 " checkpoints%s%s; ",
                   def->name, job.n, job.seed, r.points, r.stores, r.begun, r.finished,
                   r.deliveries, r.checkpoints, r.bound == NULL ? "" : ", bounded by ",
                   r.bound == NULL ? "" : r.bound);
    sim_result_say(s, "every state of the disk at %" PRIu64, r.whole);
    if (r.partial > 0)
        sim_result_say(s, ", some at %" PRIu64, r.partial);
    sim_result_say(s, "; ");
    if (r.unfinished > 0) {
        choice_text(&r.open, &x.w->app, text, sizeof text);
        sim_result_say(s,
                       "%" PRIu64 " did not come to rest, and were not judged, the first of them "
                       "with '%s' at choice %" PRIu64 " of the measure; ",
                       r.unfinished, text, r.open_at);
    }
    sim_result_say(s, "%s\n",
                   r.out.violated ? "a property is violated" : "no property is violated");
    sim_result_sweep(s, &job, &r);
    if (r.bound != NULL)
        session_open(s, "the sweep of stack %s was bounded by %s", def->name, r.bound);
    if (r.out.violated)
        session_report(s, x.w, &r.out, NULL);
    return r.out.violated ? EXIT_VIOLATED : r.unfinished > 0 ? EXIT_FAILED : EXIT_HOLDS;
}

/* One stack, or each that has a log. */
static int sweep_stacks(struct session *s)
{
    const struct stack_def *only = s->o.stack;
    int status = EXIT_HOLDS;
    for (uint32_t i = 0; i < s->stacks && status == EXIT_HOLDS && !interrupted; i++)
        if ((only == stack_defs[i] || (only == NULL && sim_needs(stack_defs[i]).disk)) &&
            !time_is_over(s, stack_defs[i]))
            status = sweep_stack(s, stack_defs[i]);
    return status;
}

/* ---- scenarios ------------------------------------------------------------------------------- */

static int read_text(const char *path, char **text)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    size_t size = 0;
    if (f == NULL) {
        fprintf(stderr, "upon sim: %s: %s\n", path, strerror(errno));
        return EXIT_FAILED;
    }
    *text = NULL;
    ssize_t len = getdelim(text, &size, '\0', f);
    bool failed = len < 0 && ferror(f) != 0, zero = len > 0 && (*text)[len - 1] == '\0';
    if (failed || zero)
        fprintf(stderr, "upon sim: %s: %s\n", path,
                failed ? strerror(errno) : "not a scenario: it holds a zero byte");
    fclose(f);
    return failed || zero ? EXIT_FAILED : 0;
}

int sim_main(int argc, char **argv)
{
    static struct session s;
    s = (struct session){0};
    char *text = NULL;
    int status = sim_args(argc, argv, &s.o);
    if (status == 0 && s.o.script != NULL)
        status = read_text(s.o.script, &text);
    struct sim_job like = {.n = (uint16_t)s.o.n, .msg_bytes = (uint32_t)s.o.size};
    set_keys(&s.o, &like);
    if (text != NULL)
        (void)script_job(text, &like);  /* a scenario that has none is refused as it is read */
    if (status == 0 && s.o.out != NULL) /* asked for: not to be found out about at the first find */
        status = session_make_dir(&s.o);
    if (status == 0)
        status = session_start(&s, "sim", &like);
    if (status == 0)
        status = sim_result_open(&s);
    if (status != 0)
        return status;
    signal(SIGINT, on_interrupt);
    if (s.o.script != NULL) {
        struct outcome out;
        s.large = session_new_world(&s);
        status = session_script(&s, s.large, s.o.script, text != NULL ? text : "", NULL, s.o.trace,
                                s.o.transcript, &out);
        status = session_draw_script(s.large, &s.o.picture, &out, status);
    } else if (s.o.sweep) {
        status = sweep_stacks(&s);
    } else if (s.o.exhaustive) {
        status = search_stacks(&s);
    } else {
        status = run_seeds(&s);
    }
    free(text);
    session_end(&s);
    return sim_result_close(&s, argc, argv, session_leak(&s, status));
}
