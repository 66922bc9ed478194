/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_result.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "dataplane/refuse.h"
#include "result.h"

/* ---- the table ------------------------------------------------------------------------------- */

int sim_result_open(struct session *s)
{
    s->found = json_array();
    s->parts = json_array();
    s->table = open_memstream(&s->table_text, &s->table_bytes);
    bool ready = s->found != NULL && s->parts != NULL && s->table != NULL;
    if (ready && s->o.json) {
        fflush(stdout);
        s->json_fd = dup(STDOUT_FILENO);
        ready = s->json_fd >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0;
    }
    if (ready)
        return 0;
    fprintf(stderr, "upon sim: the summary cannot be made: %s\n", strerror(errno));
    return EXIT_FAILED;
}

void sim_result_say(struct session *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stdout, format, args);
    va_end(args);
    va_start(args, format);
    vfprintf(s->table, format, args);
    va_end(args);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *count(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *number_or_null(uint64_t n)
{
    return n != 0 ? count(n) : json_null();
}

void sim_result_search(struct session *s, const struct explore_conf *c,
                       const struct explore_result *r)
{
    json_t *o =
        json_pack("{s:s, s:i, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "stack",
                  c->job.def->name, "n", (int)c->job.n, "seed", (json_int_t)c->job.seed, "violated",
                  (int)r->out.violated, "states", (json_int_t)r->states, "transitions",
                  (json_int_t)r->transitions, "ends", (json_int_t)r->ends, "depth",
                  (json_int_t)r->depth, "memory_bytes", (json_int_t)r->memory_bytes,
                  "every_state_at", (json_int_t)r->whole, "some_states_at", (json_int_t)r->partial);
    json_object_set_new(o, "bounded_by", text_or_null(r->bound));
    json_array_append_new(s->parts, o);
}

void sim_result_sweep(struct session *s, const struct sim_job *job, const struct sweep_result *r)
{
    json_t *o = json_pack("{s:s, s:i, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
                          "stack", job->def->name, "n", (int)job->n, "seed", (json_int_t)job->seed,
                          "violated", (int)r->out.violated, "crash_points", (json_int_t)r->points,
                          "stores", (json_int_t)r->stores, "writes_begun", (json_int_t)r->begun,
                          "writes_finished", (json_int_t)r->finished, "deliveries",
                          (json_int_t)r->deliveries, "checkpoints", (json_int_t)r->checkpoints,
                          "every_state_at", (json_int_t)r->whole, "some_states_at",
                          (json_int_t)r->partial, "unfinished", (json_int_t)r->unfinished);
    json_object_set_new(o, "bounded_by", text_or_null(r->bound));
    json_array_append_new(s->parts, o);
}

static json_t *json_property(const struct tally *t, const char *layer, int i, int r)
{
    const uint64_t *n = t->state[i][r];
    const char *verdict = n[CHECK_VIOLATED] > 0  ? "violated"
                          : n[CHECK_NOT_YET] > 0 ? "open"
                          : n[CHECK_HOLDS] > 0   ? "holds"
                                                 : "unknown";
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "layer", layer, "code", t->code[i][r],
                     "verdict", verdict, "holds", (json_int_t)n[CHECK_HOLDS], "violated",
                     (json_int_t)n[CHECK_VIOLATED], "open", (json_int_t)n[CHECK_NOT_YET], "unknown",
                     (json_int_t)n[CHECK_UNKNOWN]);
}

static json_t *json_stack(const struct stack_def *def, const struct tally *t)
{
    json_t *properties = json_array();
    int i = 0;
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++, i++)
        for (int r = 0; r < CHECK_PROPERTIES_MAX && t->code[i][r] != NULL; r++)
            json_array_append_new(properties, json_property(t, l->name, i, r));
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "stack", def->name,
                     "schedules", (json_int_t)t->runs, "stopped_at_assertion",
                     (json_int_t)t->stopped, "ended_without_packets", (json_int_t)t->starved,
                     "beyond_what_it_withstands", (json_int_t)t->beyond, "misled_by_P",
                     (json_int_t)t->misled, "left_behind", (json_int_t)t->left,
                     "stopped_before_rest", (json_int_t)t->unfair, "unsettled",
                     (json_int_t)t->unsettled, "properties", properties);
}

static json_t *json_stacks(const struct session *s)
{
    json_t *a = json_array();
    for (uint32_t k = 0; k < s->stacks; k++)
        if (s->tally[k].runs > 0)
            json_array_append_new(a, json_stack(stack_defs[k], &s->tally[k]));
    return a;
}

static const char *strategy_of(const struct options *o)
{
    return o->exhaustive ? "exhaustive"
           : o->sweep    ? "sweep"
           : o->swarm    ? "swarm"
                         : strategy_names[o->strategy];
}

/* What was asked for, and what came of it where nothing was said. */
static json_t *json_options(const struct session *s, int argc, char *const *argv)
{
    const struct options *o = &s->o;
    json_t *given = json_array();
    for (int i = 1; i < argc; i++)
        json_array_append_new(given, json_string(argv[i]));
    json_t *j =
        json_pack("{s:o, s:s, s:I, s:i}", "given", given, "strategy", strategy_of(o), "packets",
                  (json_int_t)s->pool->size, "fault_lines", (int)o->faults.count);
    json_object_set_new(j, "job", text_or_null(o->job_path));
    json_object_set_new(j, "stack",
                        o->given['S'] || o->job_path != NULL
                            ? text_or_null(o->stack != NULL ? o->stack->name : NULL)
                            : json_null());
    json_object_set_new(j, "n", number_or_null(o->n));
    json_object_set_new(j, "size_bytes", number_or_null(o->size));
    json_object_set_new(j, "steps", number_or_null(o->steps));
    json_object_set_new(j, "time_s",
                        o->time_ns != 0 ? json_real((double)o->time_ns / 1e9) : json_null());
    return j;
}

static json_t *json_seeds(const struct session *s)
{
    json_t *o = json_object();
    json_object_set_new(o, "first", count(s->o.first));
    json_object_set_new(o, "last", s->runs > 0 ? count(s->last) : json_null());
    json_object_set_new(o, "asked_last", s->o.seeds_given ? count(s->o.last) : json_null());
    json_object_set_new(o, "bounded_by", text_or_null(s->bound));
    return o;
}

static double seconds_of(const struct session *s)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds =
        (double)(now.tv_sec - s->begin.tv_sec) + (double)(now.tv_nsec - s->begin.tv_nsec) / 1e9;
    return round(seconds * 1000) / 1000;
}

static char *summary(const struct session *s, int argc, char *const *argv, int status)
{
    static const char *const verdicts[] =
        {[EXIT_HOLDS] = "valid", [EXIT_VIOLATED] = "invalid", [EXIT_FAILED] = "unknown"};
    char when[64], digest[32];
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(digest, sizeof digest, "%016" PRIx64, s->digest);
    json_t *o = json_object();
#define PUT(key, value) json_object_set_new(o, key, value)
    PUT("schema", json_string(SIM_RESULT_SCHEMA));
    const bool open = status == EXIT_HOLDS && s->open[0] != '\0';
    PUT("verdict", json_string(open ? verdicts[EXIT_FAILED] : verdicts[status]));
    PUT("unknown_because", open ? json_string(s->open) : json_null());
    PUT("revision", json_string(upon_revision));
    PUT("ended", json_string(when));
    PUT("duration_s", json_real(seconds_of(s)));
    PUT("options", json_options(s, argc, argv));
    if (s->runs > 0) {
        PUT("seeds", json_seeds(s));
        PUT("schedules", count(s->runs));
        PUT("choices", count(s->choices));
        PUT("events", count(s->events));
        PUT("steps", count(s->breaths));
        PUT("distinct_states", count(s->distinct));
        PUT("digest", json_string(digest));
        PUT("stacks", json_stacks(s));
    }
    if (s->o.exhaustive || s->o.sweep)
        PUT(s->o.sweep ? "sweeps" : "searches", json_incref(s->parts));
    PUT("violations", json_incref(s->found));
#undef PUT
    char *text = json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    json_decref(o);
    return text;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int print_summary(const struct session *s, const char *text, char *why, size_t size)
{
    FILE *f = text != NULL ? fdopen(s->json_fd, "w") : NULL;
    if (f == NULL || fprintf(f, "%s\n", text) < 0 || fclose(f) != 0)
        return refuse_as(why, size, -EIO, "the summary cannot be printed: %s", strerror(errno));
    return 0;
}

/* A scenario says itself how far it is judged; of all else an unknown verdict is no success. */
static int status_of(const struct session *s, int status)
{
    if (status != EXIT_HOLDS || s->open[0] == '\0' || s->o.script != NULL)
        return status;
    fprintf(stderr, "upon sim: nothing is violated, but the verdict is unknown: %s\n", s->open);
    return EXIT_FAILED;
}

int sim_result_close(struct session *s, int argc, char *const *argv, int status)
{
    char why[4224];
    int err = 0;
    fclose(s->table);
    char *text = summary(s, argc, argv, status);
    if (s->o.out != NULL)
        err = result_put(s->o.out, "summary.json", text, why, sizeof why);
    if (s->o.out != NULL && err == 0)
        err = result_put(s->o.out, "table.txt", s->table_text, why, sizeof why);
    if (s->o.json && err == 0)
        err = print_summary(s, text, why, sizeof why);
    if (err != 0)
        fprintf(stderr, "upon sim: %s\n", why);
    free(text);
    free(s->table_text);
    json_decref(s->found);
    json_decref(s->parts);
    return err != 0 ? EXIT_FAILED : status_of(s, status);
}
