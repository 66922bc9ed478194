/* SPDX-License-Identifier: BSD-3-Clause */
#include "request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 40 /* of a member that is quoted */

const struct request_form request_forms[REQUEST_VERBS] = {
    [REQUEST_STATUS] = {"status", TAKES_NOTHING, "what runs, how far it is, its processes"},
    [REQUEST_STATS] = {"stats", TAKES_NOTHING, "figures of each process"},
    [REQUEST_FAULT_ADD] = {"fault add", TAKES_RULE, "arm a rule, as loss 10% 0->1"},
    [REQUEST_FAULT_LIST] = {"fault list", TAKES_NOTHING, "the rules that are armed"},
    [REQUEST_FAULT_CLEAR] = {"fault clear", TAKES_ANY_FAULT, "disarm a rule, or all"},
    [REQUEST_PAUSE] = {"pause", TAKES_PROCESS, "a process takes no breath"},
    [REQUEST_RESUME] = {"resume", TAKES_PROCESS, "it goes on"},
    [REQUEST_CRASH] = {"crash", TAKES_PROCESS, "a process stops for good"},
    [REQUEST_RECOVER] = {"recover", TAKES_PROCESS, "it comes back with what its log holds"},
    [REQUEST_SNAPSHOT] = {"snapshot", TAKES_ANY_PROCESS, "write a process's state to a file"},
    [REQUEST_TRACE_ON] = {"trace on", TAKES_ANY_PROCESS, "write a process's events to a file"},
    [REQUEST_TRACE_OFF] = {"trace off", TAKES_ANY_PROCESS, "end that"},
    [REQUEST_STOP] = {"stop", TAKES_NOTHING, "end the load, judge and report, as Ctrl-C does"},
};

/* ---- reading ------------------------------------------------------------------------------------ */

struct reading {
    struct request *r;
    uint32_t n;
    char *why;
    size_t why_size;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct reading *g, const char *format,
                                                        ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(g->why, g->why_size, format, args);
    va_end(args);
    return -EINVAL;
}

static int read_id(const struct reading *g, const json_t *id)
{
    if (id == NULL || json_is_null(id))
        return 0;
    char *text = json_is_integer(id) || json_is_string(id)
                     ? json_dumps(id, JSON_ENCODE_ANY | JSON_ENSURE_ASCII)
                     : NULL;
    bool fits = text != NULL && strlen(text) < sizeof g->r->id;
    if (fits)
        memcpy(g->r->id, text, strlen(text) + 1);
    free(text);
    return fits
               ? 0
               : refuse(g, "\"id\" is a number, or a string of at most %d bytes", REQUEST_ID_BYTES);
}

static int read_version(const struct reading *g, const json_t *version)
{
    if (json_is_integer(version) && json_integer_value(version) == REQUEST_VERSION)
        return 0;
    return refuse(g, "this run speaks \"upon\":%d; begin the request with it", REQUEST_VERSION);
}

static int read_verb(const struct reading *g, const json_t *verb)
{
    const char *name = json_string_value(verb);
    for (int i = 0; name != NULL && i < REQUEST_VERBS; i++)
        if (strcmp(name, request_forms[i].name) == 0) {
            g->r->verb = (enum request_verb)i;
            return 0;
        }
    char known[256] = "";
    for (int i = 0, at = 0; i < REQUEST_VERBS; i++)
        at += snprintf(known + at, sizeof known - (size_t)at, "%s%s", i > 0 ? ", " : "",
                       request_forms[i].name);
    return refuse(g, "\"do\" is one of: %s", known);
}

static int read_process(const struct reading *g, const json_t *process)
{
    if (!json_is_integer(process) || json_integer_value(process) < 0 ||
        json_integer_value(process) >= (json_int_t)g->n)
        return refuse(g, "\"process\" is a rank from 0 to %u", g->n - 1);
    g->r->process = (uint32_t)json_integer_value(process);
    return 0;
}

static int read_fault(const struct reading *g, const json_t *fault)
{
    if (!json_is_integer(fault) || json_integer_value(fault) < 0 ||
        json_integer_value(fault) >= (json_int_t)REQUEST_ALL)
        return refuse(g, "\"fault\" is a number that \"fault list\" tells");
    g->r->fault = (uint32_t)json_integer_value(fault);
    return 0;
}

static int read_rule(const struct reading *g, const json_t *rule)
{
    const char *text = json_string_value(rule);
    if (text == NULL || text[0] == '\0' || strlen(text) >= sizeof g->r->rule ||
        strpbrk(text, "\r\n") != NULL)
        return refuse(g, "\"rule\" is one line of at most %d bytes, as \"loss 10%% 0->1\"",
                      REQUEST_RULE_BYTES - 1);
    memcpy(g->r->rule, text, strlen(text) + 1);
    return 0;
}

/* Whether a name of the client's can stand in a sentence. */
static bool quotable(const char *name)
{
    size_t len = 0;
    while (len <= NAME_BYTES && name[len] >= ' ' && name[len] <= '~')
        len++;
    return name[len] == '\0';
}

/* The members behind the verb: those that it takes, no others. */
static int read_rest(const struct reading *g, json_t *o)
{
    static const char *const member[] = {[TAKES_NOTHING] = NULL,
                                         [TAKES_PROCESS] = "process",
                                         [TAKES_ANY_PROCESS] = "process",
                                         [TAKES_RULE] = "rule",
                                         [TAKES_ANY_FAULT] = "fault"};
    const struct request_form *form = &request_forms[g->r->verb];
    const char *takes = member[form->takes], *key;
    json_t *value;
    json_object_foreach(o, key, value) if (strcmp(key, "upon") != 0 && strcmp(key, "id") != 0 &&
                                           strcmp(key, "do") != 0 &&
                                           (takes == NULL ||
                                            strcmp(key, takes) !=
                                                0)) return refuse(g, "\"%s\" does not take \"%s\"",
                                                                  form->name,
                                                                  quotable(key) ? key : "…");
    value = takes != NULL ? json_object_get(o, takes) : NULL;
    if (value == NULL)
        return form->takes == TAKES_PROCESS || form->takes == TAKES_RULE
                   ? refuse(g, "\"%s\" takes \"%s\", which is missing", form->name, takes)
                   : 0;
    if (form->takes == TAKES_RULE)
        return read_rule(g, value);
    return form->takes == TAKES_ANY_FAULT ? read_fault(g, value) : read_process(g, value);
}

int request_parse(struct request *r, const char *line, size_t len, uint32_t n, char *why,
                  size_t why_size)
{
    const struct reading g = {r, n, why, why_size};
    json_error_t error;
    *r = (struct request){.process = REQUEST_ALL, .fault = REQUEST_ALL, .id = "null"};
    json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(o)) {
        json_decref(o);
        return refuse(&g, "a request is a JSON object on one line, as "
                          "{\"upon\":1,\"id\":1,\"do\":\"status\"}");
    }
    int err = read_id(&g, json_object_get(o, "id"));
    if (err == 0)
        err = read_version(&g, json_object_get(o, "upon"));
    if (err == 0)
        err = read_verb(&g, json_object_get(o, "do"));
    if (err == 0)
        err = read_rest(&g, o);
    json_decref(o);
    return err;
}

/* ---- answering ---------------------------------------------------------------------------------- */

/* A line of "upon", "id", "ok", and what `body` says. */
static char *line_of(const char *id, bool ok, json_t *body)
{
    json_t *o = json_object();
    json_object_set_new(o, "upon", json_integer(REQUEST_VERSION));
    json_object_set_new(o, "id", json_loads(id, JSON_DECODE_ANY, NULL));
    json_object_set_new(o, "ok", json_boolean(ok));
    if (body != NULL)
        json_object_update_missing(o, body);
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(o);
    json_decref(body);
    size_t len = text != NULL ? strlen(text) : 0;
    char *line = text != NULL ? realloc(text, len + 2) : NULL;
    if (line == NULL) {
        free(text);
        return NULL;
    }
    memcpy(line + len, "\n", 2);
    return line;
}

char *request_answer(const char *id, json_t *body)
{
    return line_of(id, true, body);
}

char *request_error(const char *id, const char *sentence)
{
    return line_of(id, false, json_pack("{s:s}", "error", sentence));
}
