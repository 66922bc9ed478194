/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catch.h"
#include "dataplane/eal.h"
#include "diagram.h"
#include "replay.h"
#include "shiviz.h"
#include "shrink.h"

#define POOL_PKTS 16383         /* and more where there are many processes, … */
#define POOL_MOST 262143        /* … up to this */
#define PKT_BYTES 1024          /* of a packet, and more where a job's messages are larger */
#define SHRINK_NS 2000000000ull /* given to a violation that has just been found */

/* ---- files ----------------------------------------------------------------------------------- */

static const char *command;   /* of the session: sim or replay */
static uint64_t memory_asked; /* packets; 0: nobody asked for so many */

/* How the file is run again, which may need as many packets. */
static void say_again(FILE *to, const char *path)
{
    fprintf(to, "again: upon replay %s", path);
    if (memory_asked != 0)
        fprintf(to, " --memory %" PRIu64, memory_asked);
    fprintf(to, "\n");
}

static const char *out_dir(const struct options *o)
{
    return o->out != NULL ? o->out : "runs";
}

int session_make_dir(const struct options *o)
{
    const char *dir = out_dir(o);
    struct stat st;
    int err = mkdir(dir, 0777) == 0 ? 0 : errno;
    if (err == EEXIST)
        err = stat(dir, &st) != 0      ? errno
              : !S_ISDIR(st.st_mode)   ? ENOTDIR
              : access(dir, W_OK) != 0 ? errno
                                       : 0;
    if (err == 0)
        return 0;
    fprintf(stderr,
            "upon sim: %s: %s: replay files cannot be written there; choose another --out\n", dir,
            strerror(err));
    return EXIT_FAILED;
}

int session_recorded(const struct replay_info *info, const char *path, uint64_t choices,
                     uint64_t trace_hash, const char *property, int status)
{
    char why[256];
    if (replay_same(info, choices, trace_hash, property, why, sizeof why))
        return status;
    fflush(stdout);
    fprintf(stderr, "upon replay: %s: %s\n", path, why);
    return strcmp(info->revision, upon_revision) == 0 ? EXIT_FAILED : status;
}

/* What is written behind the choices of an execution that ended so. */
static enum replay_end end_of(const struct sim_world *w, const struct outcome *out)
{
    return out->stopped && sim_world_within(w) ? REPLAY_CUT
           : out->fair                         ? REPLAY_END_FAIR
                                               : REPLAY_END;
}

static void replay_path(const struct options *o, const struct sim_job *job, char *path, size_t size)
{
    snprintf(path, size, "%s/%s-%" PRIu64 ".replay", out_dir(o), job->def->name, job->seed);
}

/* ---- what stops at an assertion ---------------------------------------------------------------- */

/* Others give back what they hold of the pool: `w` may have to be abandoned. */
static void give_back_others(struct session *s, const struct sim_world *w)
{
    struct sim_world **all = &s->world[0][0];
    for (uint32_t i = 0; i < STACKS_MAX * SHAPES_MAX; i++)
        if (all[i] != NULL && all[i] != w)
            sim_world_give_back(all[i]);
    if (s->large != NULL && s->large != w)
        sim_world_give_back(s->large);
}

bool session_run(struct session *s, struct sim_world *w, void (*fn)(void *ctx), void *ctx,
                 struct outcome *out)
{
    if (catch_run(fn, ctx))
        return true;
    give_back_others(s, w);
    sim_world_abandon(w);
    *out = (struct outcome){.starved = true, .first_steps = w->steps};
    if (catch_left()) {
        session_open(s,
                     "stack %s, n = %u, seed %" PRIu64 ": all %u packets were in use after %" PRIu64
                     " choices: give more with --memory",
                     w->job.def->name, w->n, w->job.seed, w->pool->size, w->steps);
        return false;
    }
    *out = (struct outcome){.violated = true, .stopped = true, .first_steps = w->steps};
    out->result = (struct check_result){REPLAY_ASSERT, CHECK_VIOLATED, w->steps, ""};
    snprintf(out->result.witness, sizeof out->result.witness, "%s", catch_place());
    return false;
}

/* Where it stopped: behind what it printed. */
static void say_stopped(const struct sim_world *w, const struct outcome *out)
{
    char what[256] = "(no choice)";
    fflush(stdout);
    if (sim_world_within(w))
        choice_text(&w->current, &w->app, what, sizeof what);
    fprintf(stderr,
            "\nstack %s stopped at an assertion in seed %" PRIu64 ", after %" PRIu64
            " choices, in: %s\n    %s\n",
            w->job.def->name, w->job.seed, w->records, what, out->result.witness);
}

/* ---- an execution that has been run ------------------------------------------------------------ */

/* Choices that are applied to a world again. */
struct again {
    struct sim_world *w;
    struct choice *record;
    uint64_t records;
};

/* Take what the world has recorded, and where `out` stopped within a choice that one, too. */
static bool take_again(struct again *a, struct sim_world *w, const struct outcome *out)
{
    *a = (struct again){.w = w, .records = w->records};
    a->record = malloc((w->records + 1) * sizeof *a->record);
    if (a->record == NULL)
        return false;
    memcpy(a->record, w->record, w->records * sizeof *a->record);
    if (out != NULL && out->stopped && sim_world_within(w))
        a->record[a->records++] = w->current;
    return true;
}

static void apply_again(void *ctx)
{
    const struct again *a = ctx;
    for (uint64_t i = 0; i < a->records; i++)
        sim_world_apply(a->w, &a->record[i]);
}

/* Run the same choices again, this time watched. */
static void explain(struct sim_world *w, const struct outcome *out)
{
    static struct explain x;
    struct again a;
    char why[256];
    if (!take_again(&a, w, out))
        return;
    catch_quiet(true);
    if (sim_world_start(w, &w->job, why, sizeof why) == 0) {
        explain_attach(&x, w, NULL);
        if (!catch_run(apply_again, &a))
            sim_world_abandon(w);
        explain_detach(&x);
        explain_print(&x, stdout);
    }
    catch_quiet(false);
    free(a.record);
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

int session_draw(struct sim_world *w, const struct picture *p, const struct outcome *out)
{
    struct spacetime st = {0};
    struct again a = {0};
    const struct choice current = w->current;
    const uint64_t steps = w->steps;
    char why[256], title[128], caption[320] = "";
    int err = 0, status = EXIT_HOLDS;
    if ((p->diagram == NULL && p->shiviz == NULL) || !take_again(&a, w, NULL))
        return EXIT_HOLDS;
    draw_title(w, title, sizeof title);
    if (out != NULL)
        snprintf(caption, sizeof caption, "%s%s at choice %" PRIu64 ": %s",
                 out->stopped ? "stopped" : out->result.code, out->stopped ? "" : " violated",
                 out->result.step, out->result.witness);
    if (sim_world_start(w, &w->job, why, sizeof why) == 0) {
        spacetime_attach(&st, w);
        apply_again(&a);
        spacetime_detach(&st);
        struct diagram_conf conf = {.first = p->first,
                                    .last = p->last,
                                    .title = title,
                                    .caption = out != NULL ? caption : NULL};
        if (p->diagram != NULL && (err = diagram_write(p->diagram, &st, &conf)) != 0)
            status = picture_failed(p->diagram, err);
        if (p->shiviz != NULL && (err = shiviz_write(p->shiviz, &st)) != 0)
            status = picture_failed(p->shiviz, err);
    }
    if (status == EXIT_HOLDS && p->shiviz != NULL)
        printf("ShiViz reads %s with the expression %s\n", p->shiviz, SHIVIZ_REGEX);
    w->current = current; /* the choice in which it stopped, which is not drawn */
    w->steps = steps;
    spacetime_free(&st);
    free(a.record);
    return status;
}

/* "; P was made to lie": a layer that trusts it is not to blame. Nothing where nobody lied. */
static const char *liars(uint64_t untrue)
{
    static const struct {
        uint8_t abstraction;
        const char *text;
    } said[] = {{ABS_P, "; P was made to lie"},
                {ABS_EPFD, "; ◇P was made to lie"},
                {ABS_OMEGA, "; Ω was made to lie"}};
    for (size_t i = 0; i < RTE_DIM(said); i++)
        if (untrue >> said[i].abstraction & 1)
            return said[i].text;
    return "";
}

/* Whether a violation has to do with the lies of P, if it told some. */
static bool rests_on_p(const struct sim_world *w, const struct outcome *out)
{
    for (uint16_t r = 0; !out->stopped && r < w->check[out->layer]->results; r++)
        if (strcmp(w->check[out->layer]->result[r].code, out->result.code) == 0)
            return sim_world_excused(w, out->layer, r);
    return out->stopped;
}

/* The same of what is violated, and of a P that was not to blame: its model did not hold. What does
 * not rest on the accuracy of P has no excuse in it. */
static const char *excuse(const struct sim_world *w, const struct outcome *out)
{
    static const char *const strained[] = {
        [STRAIN_PAUSE] = "; P is promised a bound on delays, and a process was paused",
        [STRAIN_LOSS] = "; P is promised a bound on delays, and frames were lost",
        [STRAIN_DELAY] = "; P is promised a bound on delays, and something was late",
    };
    const uint64_t p = rests_on_p(w, out) ? 0 : 1ull << ABS_P;
    const char *lies = liars(w->untrue & ~p);
    return lies[0] == '\0' && w->strain != STRAIN_NONE ? strained[w->strain] : lies;
}

int session_shrink(struct sim_world *w, const struct outcome *out, const char *path,
                   uint64_t limit_ns)
{
    struct shrink_result r;
    char text[512];
    if (shrink_run(w, out, limit_ns, &r) != 0) {
        printf("it cannot be shrunk: %s does not show up again under a fair end\n",
               out->stopped ? "the assertion" : out->result.code);
        return EXIT_FAILED;
    }
    shrink_text(&r, text, sizeof text);
    printf("shrunk: %s\n    %s%s\n", text, r.out.result.witness, excuse(w, &r.out));
    int err = replay_write(path, w, r.out.result.code, end_of(w, &r.out));
    if (err != 0) {
        fprintf(stderr, "upon: %s: %s\n", path, strerror(-err));
        return EXIT_FAILED;
    }
    explain(w, &r.out);
    say_again(stdout, path);
    return EXIT_HOLDS;
}

void session_small_path(const char *path, char *small, size_t size)
{
    const char *end = strstr(path, ".replay");
    int stem = end != NULL ? (int)(end - path) : (int)strlen(path);
    snprintf(small, size, "%.*s.small.replay", stem, path);
}

static void say_violated(const struct sim_world *w, const struct outcome *out)
{
    const struct stack_layer *l = &w->job.def->layers[out->layer];
    printf("%s\n%s of stack %s: %s violated in seed %" PRIu64 ", at choice %" PRIu64 " of %" PRIu64
           "%s\n    %s\nThe end of the execution:\n",
           isatty(STDERR_FILENO) ? "\r" : "", l->name, w->job.def->name, out->result.code,
           w->job.seed, out->result.step, w->steps, excuse(w, out), out->result.witness);
}

static json_t *found_of(const struct sim_world *w, const struct outcome *out)
{
    json_t *found =
        json_pack("{s:s, s:I, s:s, s:I, s:I, s:s, s:b, s:b}", "stack", w->job.def->name, "seed",
                  (json_int_t)w->job.seed, "property", out->result.code, "choice",
                  (json_int_t)out->result.step, "choices", (json_int_t)w->steps, "witness",
                  out->result.witness, "detector_lied", (int)(w->untrue != 0), "bound_broken",
                  (int)(w->strain != STRAIN_NONE));
    json_object_set_new(found, "layer",
                        out->stopped ? json_null()
                                     : json_string(w->job.def->layers[out->layer].name));
    return found;
}

int session_report(struct session *s, struct sim_world *w, const struct outcome *out,
                   const struct picture *p)
{
    char path[512], small[600];
    replay_path(&s->o, &w->job, path, sizeof path);
    session_small_path(path, small, sizeof small);
    int err = session_make_dir(&s->o) == 0 ? replay_write(path, w, out->result.code, end_of(w, out))
                                           : -ENOENT;
    json_t *found = found_of(w, out);
    give_back_others(s, w);
    int status = p != NULL ? session_draw(w, p, out) : EXIT_HOLDS;
    if (out->stopped)
        say_stopped(w, out);
    else
        say_violated(w, out);
    explain(w, out);
    fflush(stdout);
    if (err == 0)
        say_again(out->stopped ? stderr : stdout, path);
    else
        fprintf(out->stopped ? stderr : stdout, "(%s could not be written: %s)\n", path,
                strerror(-err));
    json_object_set_new(found, "replay", err == 0 ? json_string(path) : json_null());
    bool shrunk = session_shrink(w, out, small, SHRINK_NS) == EXIT_HOLDS;
    json_object_set_new(found, "small_replay", shrunk ? json_string(small) : json_null());
    json_array_append_new(s->found, found);
    printf("\n");
    return status;
}

/* ---- scenarios ------------------------------------------------------------------------------- */

/* A scenario that is being obeyed. */
struct obeyed {
    struct script sc;
    const char *text;
    int err;
    char why[1024];
};

static void obey(void *ctx)
{
    struct obeyed *o = ctx;
    o->err = script_text(&o->sc, o->text, o->why, sizeof o->why);
    if (o->err == 0)
        o->err = script_over(&o->sc, o->why, sizeof o->why);
    if (o->err == 0 && !o->sc.judged) /* some safety is judged at the end alone */
        sim_world_end(o->sc.w, false);
}

static int judge_script(struct session *s, const struct sim_world *w, const struct script *sc,
                        const struct outcome *out)
{
    if (!sc->judged || !sc->fair || !sim_world_owes(w) || w->behind != 0)
        session_open(s, "the scenario leaves liveness open");
    if (sc->echo == NULL) /* a transcript is to change only where what it shows has changed */
        printf("trace %016" PRIx64 ", %" PRIu64 " choices, %" PRIu64 " events\n", w->trace_hash,
               w->steps, w->events);
    if (!out->violated) {
        printf("no property is violated%s%s%s\n",
               !sc->judged          ? "; liveness was not judged"
               : !sc->fair          ? "; liveness is open"
               : !sim_world_owes(w) ? "; liveness is open: more are down than the stack withstands"
               : w->behind != 0     ? "; liveness is open: a suspected process was left behind"
                                    : "",
               w->job.lies_void && w->lied != 0 ? "; what rests on the accuracy of P is void" : "",
               liars(w->untrue));
        return EXIT_HOLDS;
    }
    const char *layer = w->job.def->layers[out->layer].name;
    if (sc->echo != NULL)
        printf("%s: %s is violated%s\n", layer, out->result.code, excuse(w, out));
    else
        printf("%s: %s violated at choice %" PRIu64 "%s\n    %s\n", layer, out->result.code,
               out->result.step, excuse(w, out), out->result.witness);
    return EXIT_VIOLATED;
}

static void outcome_of(const struct sim_world *w, bool fair, struct outcome *out)
{
    const struct check_result *r = sim_world_violation(w, &out->layer);
    out->fair = fair;
    out->violated = r != NULL;
    if (r != NULL)
        out->result = *r;
}

int session_script(struct session *s, struct sim_world *w, const char *name, const char *text,
                   const struct replay_info *recorded, bool trace, bool transcript,
                   struct outcome *out)
{
    static struct explain x;
    struct obeyed o = {.sc = {.w = w,
                              .echo = transcript ? stdout : NULL,
                              .name = name,
                              .recorded = recorded != NULL},
                       .text = text};
    *out = (struct outcome){0};
    explain_attach(&x, w, trace || transcript ? stdout : NULL);
    x.transcript = transcript;
    x.shown = &o.sc.shown;
    bool done = session_run(s, w, obey, &o, out);
    explain_detach(&x);
    if (o.err != 0 || out->starved) {
        fflush(stdout);
        fprintf(stderr, "upon: %s\n", out->starved ? s->open : o.why);
        return EXIT_FAILED;
    }
    if (done)
        outcome_of(w, o.sc.fair, out);
    if (out->violated)
        explain_print(&x, stdout);
    if (out->stopped)
        say_stopped(w, out);
    return out->stopped ? EXIT_VIOLATED : judge_script(s, w, &o.sc, out);
}

int session_draw_script(struct sim_world *w, const struct picture *p, const struct outcome *out,
                        int status)
{
    int failed =
        status != EXIT_FAILED ? session_draw(w, p, out->violated ? out : NULL) : EXIT_HOLDS;
    return failed != EXIT_HOLDS ? failed : status;
}

/* ---- the session ----------------------------------------------------------------------------- */

uint32_t session_stack(const struct stack_def *def)
{
    uint32_t i = 0;
    while (stack_defs[i] != def)
        i++;
    return i;
}

/* The pool is empty: what follows would be no protocol's fault. Where the schedule can be left, it is;
 * one that is run again to be drawn ends the program. */
static void on_starved(const struct sim_world *w)
{
    catch_leave();
    fflush(stdout);
    fprintf(stderr,
            "upon %s: stack %s, n = %u, seed %" PRIu64 ": all %u packets are in use after %" PRIu64
            " choices: give more with --memory\n",
            command, w->job.def->name, w->n, w->job.seed, w->pool->size, w->steps);
    fflush(NULL);
    _exit(EXIT_FAILED);
}

struct sim_world *session_new_world(struct session *s)
{
    struct sim_world *w = sim_world_new(s->pool);
    if (w != NULL)
        w->starved = on_starved;
    return w;
}

struct sim_world *session_world(struct session *s, const struct sim_job *job)
{
    struct sim_world **w = &s->large;
    if (job->n < SHAPES_MAX)
        w = &s->world[session_stack(job->def)][job->n];
    if (*w == NULL)
        *w = session_new_world(s);
    return *w;
}

/* A broadcast of each of n processes is n² frames in flight, and its acknowledgements are as many. */
static uint64_t pool_pkts(const struct options *o, uint64_t n)
{
    uint64_t pkts = 4 * n * n;
    pkts = pkts > POOL_PKTS ? pkts : POOL_PKTS;
    return o->pool_pkts != 0 ? o->pool_pkts : pkts < POOL_MOST ? pkts : POOL_MOST;
}

int session_start(struct session *s, const char *verb, const struct sim_job *like)
{
    uint64_t pkts = pool_pkts(&s->o, like->n);
    uint64_t bytes = like->msg_bytes + 512u > PKT_BYTES ? like->msg_bytes + 512u : PKT_BYTES;
    unsigned megabytes = (unsigned)(32 + pkts * (bytes + 512) / (1u << 20));
    command = verb;
    memory_asked = s->o.pool_pkts;
    if (eal_start_light(megabytes) != 0 ||
        (s->pool = eal_pool("sim", (unsigned)pkts, 256, (unsigned)bytes)) == NULL) {
        fprintf(stderr, "upon %s: no memory for %" PRIu64 " packets: lower --memory\n", command,
                pkts);
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
    return 0;
}

void session_end(struct session *s)
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

void session_open(struct session *s, const char *format, ...)
{
    va_list args;
    if (s->open[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(s->open, sizeof s->open, format, args);
    va_end(args);
}

bool session_give_back(struct session *s, struct sim_world *w)
{
    give_back_others(s, NULL); /* all */
    unsigned have = rte_mempool_avail_count(s->pool);
    if (have == s->pool->size)
        return true;
    fflush(stdout);
    fprintf(stderr,
            "upon %s: stack %s, n = %u, seed %" PRIu64
            ": %u packets did not return to the pool: a leak\n",
            command, w->job.def->name, w->n, w->job.seed, s->pool->size - have);
    eal_pool_refill(s->pool);
    s->leaks++;
    return false;
}

int session_leak(struct session *s, int status)
{
    unsigned full = s->pool->size, have = rte_mempool_avail_count(s->pool);
    if (have == full)
        return s->leaks > 0 && status == EXIT_HOLDS ? EXIT_VIOLATED : status;
    fprintf(stderr, "upon %s: %u packets did not return to the pool: a leak\n", command,
            full - have);
    return status == EXIT_HOLDS ? EXIT_VIOLATED : status;
}
