/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_session.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/eal.h"
#include "diagram.h"
#include "replay.h"
#include "shiviz.h"
#include "shrink.h"

#define POOL_PKTS 16383         /* and more where there are many processes, … */
#define POOL_MOST 262143        /* … up to this */
#define PKT_BYTES 1024          /* of a packet, and more where a job's messages are larger */
#define SHRINK_NS 2000000000ull /* given to a violation that has just been found */

/* ---- an execution in hand --------------------------------------------------------------------- */

/* What an abort in a protocol's own assertion leaves behind: the schedule that led there. */
static struct {
    const struct sim_world *w;
    const struct options *o;            /* where to write it; NULL: nowhere */
    const struct explain *x;            /* what was seen of it; NULL: nothing */
    const struct replay_info *recorded; /* what is run again; NULL: it is run for the first time */
    char path[512];
    const char *command;
    uint64_t memory; /* packets that were asked for; 0: nobody did */
} in_hand;

/* How the file is run again, which may need as many packets. */
static void say_again(FILE *to, const char *path)
{
    fprintf(to, "again: upon replay %s", path);
    if (in_hand.memory != 0)
        fprintf(to, " --memory %" PRIu64, in_hand.memory);
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

static void keep_cut(const struct sim_world *w, bool within)
{
    int err = 0;
    if (in_hand.o == NULL || session_make_dir(in_hand.o) != 0)
        return;
    err = replay_write(in_hand.path, w, REPLAY_ASSERT, within ? REPLAY_CUT : REPLAY_END);
    if (err == 0)
        say_again(stderr, in_hand.path);
    else
        fprintf(stderr, "%s could not be written: %s\n", in_hand.path, strerror(-err));
}

static void on_abort(int signal_number)
{
    const struct sim_world *w = in_hand.w;
    char what[256] = "(no choice)";
    int status = EXIT_VIOLATED;
    signal(signal_number, SIG_DFL);
    if (w != NULL) {
        bool within = w->steps > w->records; /* a choice, which is not recorded yet */
        if (in_hand.x != NULL)
            explain_print(in_hand.x, stdout);
        fflush(stdout);
        if (within)
            choice_text(&w->current, &w->app, what, sizeof what);
        fprintf(stderr,
                "\nstack %s stopped at an assertion in seed %" PRIu64 ", after %" PRIu64
                " choices, in: %s\n",
                w->job.def->name, w->job.seed, w->records, what);
        keep_cut(w, within);
        if (in_hand.recorded != NULL)
            status =
                session_recorded(in_hand.recorded, in_hand.path, w->steps,
                                 within ? w->trace_before : w->trace_hash, REPLAY_ASSERT, status);
    }
    fflush(NULL);
    if (w != NULL)
        _exit(status);
}

static void replay_path(const struct options *o, const struct sim_job *job, char *path, size_t size)
{
    snprintf(path, size, "%s/%s-%" PRIu64 ".replay", out_dir(o), job->def->name, job->seed);
}

void session_hold(const struct options *o, const struct sim_world *w, const struct sim_job *job)
{
    in_hand.x = NULL;
    in_hand.recorded = NULL;
    in_hand.path[0] = '\0';
    in_hand.w = w;
    in_hand.o = o;
    if (job != NULL)
        replay_path(o, job, in_hand.path, sizeof in_hand.path);
}

void session_hold_again(const struct sim_world *w, const struct explain *x,
                        const struct replay_info *recorded, const char *path)
{
    session_hold(NULL, w, NULL);
    in_hand.x = x;
    in_hand.recorded = recorded;
    snprintf(in_hand.path, sizeof in_hand.path, "%s", path);
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

int session_draw(struct sim_world *w, const struct picture *p, const struct check_result *violation)
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

/* "; P was made to lie": a layer that trusts it is not to blame. Nothing where nobody lied. */
static const char *liars(const struct sim_world *w)
{
    static const struct {
        uint8_t abstraction;
        const char *text;
    } said[] = {{ABS_P, "; P was made to lie"},
                {ABS_EPFD, "; ◇P was made to lie"},
                {ABS_OMEGA, "; Ω was made to lie"}};
    for (size_t i = 0; i < RTE_DIM(said); i++)
        if (w->untrue >> said[i].abstraction & 1)
            return said[i].text;
    return "";
}

int session_shrink(struct sim_world *w, const struct outcome *out, const char *path,
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
    printf("shrunk: %s\n    %s%s\n", text, r.out.result.witness, liars(w));
    int err = replay_write(path, w, r.out.result.code, r.out.fair ? REPLAY_END_FAIR : REPLAY_END);
    if (err != 0) {
        fprintf(stderr, "upon: %s: %s\n", path, strerror(-err));
        return EXIT_FAILED;
    }
    explain(w);
    say_again(stdout, path);
    return EXIT_HOLDS;
}

void session_small_path(const char *path, char *small, size_t size)
{
    const char *end = strstr(path, ".replay");
    int stem = end != NULL ? (int)(end - path) : (int)strlen(path);
    snprintf(small, size, "%.*s.small.replay", stem, path);
}

void session_report(struct session *s, struct sim_world *w, const struct outcome *out)
{
    const struct stack_layer *l = &w->job.def->layers[out->layer];
    char path[512];
    enum replay_end end = out->fair ? REPLAY_END_FAIR : REPLAY_END;
    replay_path(&s->o, &w->job, path, sizeof path);
    int err = session_make_dir(&s->o) == 0 ? replay_write(path, w, out->result.code, end) : -ENOENT;
    printf("%s\n%s of stack %s: %s violated in seed %" PRIu64 ", at choice %" PRIu64 " of %" PRIu64
           "%s\n    %s\nThe end of the execution:\n",
           isatty(STDERR_FILENO) ? "\r" : "", l->name, w->job.def->name, out->result.code,
           w->job.seed, out->result.step, w->steps, liars(w), out->result.witness);
    explain(w);
    if (err == 0)
        say_again(stdout, path);
    else
        printf("(%s could not be written: %s)\n", path, strerror(-err));
    char small[600];
    session_hold(NULL, NULL, NULL); /* the file of the whole schedule is not to be overwritten */
    session_small_path(path, small, sizeof small);
    json_t *found =
        json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:s, s:b}", "stack", w->job.def->name, "seed",
                  (json_int_t)w->job.seed, "layer", l->name, "property", out->result.code, "choice",
                  (json_int_t)out->result.step, "choices", (json_int_t)w->steps, "witness",
                  out->result.witness, "detector_lied", (int)(w->untrue != 0));
    json_object_set_new(found, "replay", err == 0 ? json_string(path) : json_null());
    bool shrunk = session_shrink(w, out, small, SHRINK_NS) == EXIT_HOLDS;
    json_object_set_new(found, "small_replay", shrunk ? json_string(small) : json_null());
    json_array_append_new(s->found, found);
    printf("\n");
}

/* ---- scenarios ------------------------------------------------------------------------------- */

static int judge_script(struct sim_world *w, const struct script *sc)
{
    uint16_t layer;
    const struct check_result *r = sim_world_violation(w, &layer);
    if (sc->echo == NULL) /* a transcript is to change only where what it shows has changed */
        printf("trace %016" PRIx64 ", %" PRIu64 " choices, %" PRIu64 " events\n", w->trace_hash,
               w->steps, w->events);
    if (r == NULL) {
        printf("no property is violated%s%s\n",
               !sc->judged ? "; liveness was not judged"
               : sc->fair  ? ""
                           : "; liveness is open",
               liars(w));
        return EXIT_HOLDS;
    }
    if (sc->echo != NULL)
        printf("%s: %s is violated%s\n", w->job.def->layers[layer].name, r->code, liars(w));
    else
        printf("%s: %s violated at choice %" PRIu64 "%s\n    %s\n", w->job.def->layers[layer].name,
               r->code, r->step, liars(w), r->witness);
    return EXIT_VIOLATED;
}

int session_script(struct sim_world *w, const char *name, const char *text,
                   const struct replay_info *recorded, bool trace, bool transcript)
{
    static struct explain x;
    struct script sc = {.w = w,
                        .echo = transcript ? stdout : NULL,
                        .name = name,
                        .recorded = recorded != NULL};
    char why[1024];
    explain_attach(&x, w, trace || transcript ? stdout : NULL);
    x.transcript = transcript;
    x.shown = &sc.shown;
    session_hold_again(w, &x, recorded, name);
    int err = script_text(&sc, text, why, sizeof why);
    if (err == 0)
        err = script_over(&sc, why, sizeof why);
    session_hold(NULL, NULL, NULL);
    explain_detach(&x);
    if (err != 0) {
        fflush(stdout);
        fprintf(stderr, "upon: %s\n", why);
        return EXIT_FAILED;
    }
    uint16_t layer;
    if (sim_world_violation(w, &layer) != NULL)
        explain_print(&x, stdout);
    return judge_script(w, &sc);
}

int session_draw_script(struct sim_world *w, const struct picture *p, int status)
{
    uint16_t layer;
    const struct check_result *v = sim_world_violation(w, &layer);
    struct check_result copy = {0};
    if (v != NULL)
        copy = *v;
    int failed = status != EXIT_FAILED ? session_draw(w, p, v != NULL ? &copy : NULL) : EXIT_HOLDS;
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

/* The pool is empty: what follows would be no protocol's fault. */
static void on_starved(const struct sim_world *w)
{
    fflush(stdout);
    fprintf(stderr,
            "upon %s: stack %s, n = %u, seed %" PRIu64 ": all %u packets are in use after %" PRIu64
            " choices: give more with --memory\n",
            in_hand.command, w->job.def->name, w->n, w->job.seed, w->pool->size, w->steps);
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

int session_start(struct session *s, const char *command, const struct sim_job *like)
{
    uint64_t pkts = pool_pkts(&s->o, like->n);
    uint64_t bytes = like->msg_bytes + 512u > PKT_BYTES ? like->msg_bytes + 512u : PKT_BYTES;
    unsigned megabytes = (unsigned)(32 + pkts * (bytes + 512) / (1u << 20));
    in_hand.command = command;
    in_hand.memory = s->o.pool_pkts;
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
    signal(SIGABRT, on_abort);
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

int session_leak(struct session *s, int status)
{
    unsigned full = s->pool->size, have = rte_mempool_avail_count(s->pool);
    if (have == full)
        return status;
    fprintf(stderr, "upon %s: %u packets did not return to the pool: a leak\n", in_hand.command,
            full - have);
    return status == EXIT_HOLDS ? EXIT_VIOLATED : status;
}
