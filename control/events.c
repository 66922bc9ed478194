/* SPDX-License-Identifier: BSD-3-Clause */
#include "events.h"

#include "dataplane/refuse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define LINE_BYTES 4096

/* ---- writing ------------------------------------------------------------------------------------ */

static void put_line(FILE *out, json_t *line)
{
    char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (text != NULL)
        fprintf(out, "%s\n", text);
    fflush(out); /* whoever watches the run sees it */
    free(text);
}

int events_open(struct events *e, const char *folder, char *why, size_t why_size)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/" EVENTS_FILE, folder);
    *e = (struct events){.out = fopen(path, "we")};
    if (e->out == NULL) {
        int err = errno;
        snprintf(why, why_size, "%.800s: %s; choose another place with --out DIR", path,
                 strerror(err));
        return -err;
    }
    return 0;
}

void events_begin(struct events *e, double start_unix, uint64_t start_ns)
{
    e->start_ns = start_ns;
    put_line(e->out, json_pack("{s:s, s:f, s:I}", "schema", EVENTS_SCHEMA, "start_unix", start_unix,
                               "start_ns", (json_int_t)start_ns));
}

uint32_t events_id(struct events *e)
{
    return ++e->next_id;
}

static json_t *since_start(const struct events *e, uint64_t ns)
{
    return json_integer(ns > e->start_ns ? (json_int_t)(ns - e->start_ns) : 0);
}

void events_put(struct events *e, const struct event *v)
{
    static const char *const by[] = {"script", "hand", "end", "disk"};
    char script[512], what[512];
    if (e->out == NULL)
        return;
    faults_text(v->what, script, sizeof script);
    faults_deed_text(v->what, what, sizeof what);
    bool ok = v->why == NULL || v->why[0] == '\0';
    put_line(e->out,
             json_pack("{s:i, s:s, s:s, s:s, s:s, s:o, s:i, s:o, s:s}", "id", (int)v->id, "by",
                       by[v->by], "script", script, "what", what, "edge", v->ends ? "end" : "begin",
                       "asked_ns", since_start(e, v->asked_ns), "process", (int)v->process,
                       "effect_ns", v->effect_ns != 0 ? since_start(e, v->effect_ns) : json_null(),
                       "result", ok ? "ok" : v->why));
}

bool events_close(struct events *e)
{
    bool good = e->out == NULL || ferror(e->out) == 0;
    if (e->out != NULL && fclose(e->out) != 0)
        good = false;
    e->out = NULL;
    return good;
}

/* ---- reading ------------------------------------------------------------------------------------ */

/* What the lines of one id have told. */
struct told {
    json_int_t id;
    uint32_t line; /* index in the script */
};

struct telling {
    struct faults *f;
    struct told told[FAULTS_MAX];
    uint32_t tolds;
};

static struct fault_line *find_told(struct telling *t, json_int_t id)
{
    for (uint32_t i = 0; i < t->tolds; i++)
        if (t->told[i].id == id)
            return &t->f->line[t->told[i].line];
    return NULL;
}

/* The first line of an id begins something, a later one may end it; both at the time that was
 * asked. What was refused everywhere would be refused again: that is left to see. */
static int tell(struct telling *t, const json_t *o, const char *file, uint32_t place, char *why,
                size_t size)
{
    const char *what = json_string_value(json_object_get(o, "what"));
    const char *edge = json_string_value(json_object_get(o, "edge"));
    const char *by = json_string_value(json_object_get(o, "by"));
    const json_t *id = json_object_get(o, "id"), *asked = json_object_get(o, "asked_ns");
    if (json_object_get(o, "schema") != NULL ||
        (by != NULL && (strcmp(by, "end") == 0 || strcmp(by, "disk") == 0)))
        return 0;
    if (what == NULL || edge == NULL || !json_is_integer(id) || !json_is_integer(asked) ||
        json_integer_value(asked) < 0)
        return refuse(why, size, "%.200s:%u: the event lacks id, what, edge or asked_ns", file,
                      place);
    uint64_t at_ns = (uint64_t)json_integer_value(asked);
    struct fault_line *line = find_told(t, json_integer_value(id));
    bool ends = strcmp(edge, "end") == 0;
    if (line != NULL && ends && at_ns > line->at_ns)
        line->until_ns = at_ns;
    if (line != NULL || ends)
        return 0;
    uint32_t before = t->f->count;
    int err = faults_add(t->f, what, file, place, why, size);
    if (err != 0 || t->f->count == before)
        return err;
    t->f->line[before].at_ns = at_ns;
    t->told[t->tolds++] = (struct told){json_integer_value(id), before};
    return 0;
}

static int read_events(struct faults *f, FILE *in, const char *path, char *why, size_t size)
{
    struct telling t = {.f = f};
    char text[LINE_BYTES];
    int err = 0;
    for (uint32_t place = 1; err == 0 && fgets(text, sizeof text, in) != NULL; place++) {
        json_error_t error;
        json_t *o = json_loads(text, 0, &error);
        if (o == NULL) {
            snprintf(why, size, "%.200s:%u: %.200s; give the events of a run, whole", path, place,
                     error.text);
            return -EINVAL;
        }
        err = tell(&t, o, path, place, why, size);
        json_decref(o);
    }
    return err;
}

int events_read(struct faults *f, const char *path, char *why, size_t size)
{
    FILE *in = fopen(path, "re");
    int first = in != NULL ? getc(in) : EOF;
    if (in == NULL)
        return faults_read(f, path, why, size); /* it says why not */
    ungetc(first, in);                          /* it may be a pipe, which is read once */
    int err = first == '{' ? read_events(f, in, path, why, size)
                           : faults_read_from(f, in, path, why, size);
    fclose(in);
    return err;
}
