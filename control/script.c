/* SPDX-License-Identifier: BSD-3-Clause */
#include "script.h"

#include "dataplane/refuse.h"
#include "number.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS_MAX 32
#define CLOCK_MAX ((uint64_t)INT64_MAX) /* ns; delays are added to it */

/* ---- words ----------------------------------------------------------------------------------- */

struct words {
    char copy[4096];
    char *word[WORDS_MAX];
    int count;
};

static bool split(struct words *ws, const char *line)
{
    size_t len = strcspn(line, "\n#");
    /* A '#' that names a frame stands behind a blank and before a digit. */
    while (line[len] == '#' && line[len + 1] >= '0' && line[len + 1] <= '9')
        len += 1 + strcspn(line + len + 1, "\n#");
    if (len >= sizeof ws->copy)
        return false;
    memcpy(ws->copy, line, len);
    ws->copy[len] = '\0';
    ws->count = 0;
    char *save = NULL;
    for (char *w = strtok_r(ws->copy, " \t\r", &save); w != NULL;
         w = strtok_r(NULL, " \t\r", &save)) {
        if (ws->count == WORDS_MAX)
            return false;
        ws->word[ws->count++] = w;
    }
    return true;
}

/* A number that a choice has room for. */
static bool parse_u32(const char *text, uint32_t *k)
{
    uint64_t value;
    if (!number_parse(text, &value) || value > UINT32_MAX)
        return false;
    *k = (uint32_t)value;
    return true;
}

static bool parse_process(const char *text, uint16_t *p)
{
    uint64_t value;
    if (*text != 'p' || !number_parse(text + 1, &value) || value >= PROCS_MAX)
        return false;
    *p = (uint16_t)value;
    return true;
}

/* "0->1" */
static bool parse_edge(const char *text, uint16_t *from, uint16_t *to)
{
    char *end;
    unsigned long p = strtoul(text, &end, 10), q;
    if (end == text || strncmp(end, "->", 2) != 0 || p >= PROCS_MAX)
        return false;
    const char *second = end + 2;
    q = strtoul(second, &end, 10);
    *from = (uint16_t)p;
    *to = (uint16_t)q;
    return end != second && *end == '\0' && q < PROCS_MAX;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

struct key {
    const char *name;
    uint16_t offset;
    uint16_t bytes;
    uint64_t most; /* 0: what fits */
};

#define CONF_KEY(field)                                                                           \
    {                                                                                             \
#field, offsetof(struct sim_job, conf.field), sizeof(((struct stack_conf *)NULL)->field), \
            0                                                                                     \
    }
#define JOB_KEY(name, field, most)                                                           \
    {                                                                                        \
        name, offsetof(struct sim_job, field), sizeof(((struct sim_job *)NULL)->field), most \
    }

static const struct key keys[] = {
    JOB_KEY("n", n, 0),
    JOB_KEY("seed", seed, 0),
    JOB_KEY("ops", ops, SIM_OPS_MAX),
    JOB_KEY("bytes", msg_bytes, MSG_BYTES_MAX),
    JOB_KEY("delay_ns", delay_ns, 0),
    JOB_KEY("disk_ns", disk_ns, 0),
    JOB_KEY("lag", lag, 0),
    JOB_KEY("convoy_ns", convoy_ns, 0),
    JOB_KEY("unstable", unstable, 0),
    JOB_KEY("lies_void", lies_void, 1),
    CONF_KEY(inbox_events),
    CONF_KEY(flight_msgs),
    CONF_KEY(ring_msgs),
    CONF_KEY(instances),
    CONF_KEY(store_msgs),
    CONF_KEY(frame_records),
    CONF_KEY(batch_events),
    CONF_KEY(msg_copy_bytes),
    CONF_KEY(rto_min_ns),
    CONF_KEY(rto_max_ns),
    CONF_KEY(ack_delay_ns),
    CONF_KEY(give_up_ns),
    CONF_KEY(heartbeat_ns),
    CONF_KEY(detect_ns),
    JOB_KEY("forward", conf.forward, 1),
};

static uint64_t key_get(const struct sim_job *job, const struct key *k)
{
    uint64_t v = 0;
    memcpy(&v, (const uint8_t *)job + k->offset, k->bytes); /* little-endian, like the wire */
    return v;
}

int script_set(struct sim_job *job, const char *key, const char *value, char *why, size_t size)
{
    for (size_t i = 0; i < RTE_DIM(keys); i++) {
        const struct key *k = &keys[i];
        uint64_t v;
        if (strcmp(k->name, key) != 0)
            continue;
        if (!number_parse(value, &v) && !fault_parse_time(value, &v))
            return refuse(why, size, "%s=%s: not a number or a time", key, value);
        if ((k->bytes < 8 && v >> (8 * k->bytes) != 0) || (k->most != 0 && v > k->most))
            return refuse(why, size, "%s=%s is too large", key, value);
        memcpy((uint8_t *)job + k->offset, &v, k->bytes);
        return 0;
    }
    return refuse(why, size,
                  "'%s' is no key of a simulation: n, seed, ops, bytes, delay_ns or a "
                  "field of the stack's configuration",
                  key);
}

int script_start_text(const struct sim_job *job, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "start %s", job->def->name);
    for (size_t i = 0; i < RTE_DIM(keys) && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, " %s=%" PRIu64, keys[i].name,
                               key_get(job, &keys[i]));
    if (at < size)
        at += (size_t)snprintf(text + at, size - at, "\n");
    for (uint16_t i = 0; i < job->faults && at < size; i++) {
        char rule[200];
        fault_text(&job->fault[i], rule, sizeof rule);
        at += (size_t)snprintf(text + at, size - at, "fault%s %s\n",
                               job->fault[i].off ? " off" : "", rule);
    }
    return (int)at;
}

static int obey_start(struct script *s, const struct words *ws, char *why, size_t size)
{
    if (s->named)
        return refuse(why, size, "'start' stands twice");
    if (ws->count < 2)
        return refuse(why, size, "'start' lacks the name of a stack");
    s->job = (struct sim_job){.def = stack_find(ws->word[1]), .n = 3, .ops = 0, .delay_ns = 20000};
    if (s->job.def == NULL)
        return refuse(why, size, "stack '%s' is unknown: see upon list stacks", ws->word[1]);
    for (int i = 2; i < ws->count; i++) {
        char *eq = strchr(ws->word[i], '=');
        if (eq == NULL)
            return refuse(why, size, "'%s' is no key=value", ws->word[i]);
        *eq = '\0';
        int err = script_set(&s->job, ws->word[i], eq + 1, why, size);
        if (err != 0)
            return err;
    }
    s->named = true;
    return 0;
}

static int obey_fault(struct script *s, const char *line, char *why, size_t size)
{
    char text[256];
    const char *rule = strstr(line, "fault") + 5;
    rule += strspn(rule, " \t");
    bool off = strncmp(rule, "off ", 4) == 0;
    if (off)
        rule += 4;
    size_t len = strcspn(rule, "\r\n#");
    if (len >= sizeof text)
        return refuse(why, size, "the fault is too long");
    memcpy(text, rule, len);
    text[len] = '\0';
    if (s->job.faults == FAULT_RULES_MAX)
        return refuse(why, size, "more than %d faults", FAULT_RULES_MAX);
    struct fault_rule *r = &s->job.fault[s->job.faults];
    int err = fault_parse(text, r, why, size);
    if (err == 0 && !s->recorded)
        err = fault_check(r, s->job.n, why, size);
    if (err != 0)
        return err;
    r->off = off;
    s->job.faults++;
    return 0;
}

static const char *name_of(const struct script *s)
{
    return s->name != NULL ? s->name : "scenario";
}

/* A line of a script of faults. */
static int obey_plan(struct script *s, const char *line, char *why, size_t size)
{
    if (!s->named || s->started)
        return refuse(why, size,
                      "faults that have their time stand between 'start' and the first "
                      "choice");
    int err = faults_add(&s->faults, line, name_of(s), s->line, why, size);
    s->placed = err != 0;
    return err;
}

/* ---- choices --------------------------------------------------------------------------------- */

/* waiting: nobody steps; returns how many words that was. */
static int waiting_word(const struct words *ws, int at, struct choice *c)
{
    if (at >= ws->count || strcmp(ws->word[at], "waiting") != 0)
        return 0;
    c->b = WAITS;
    return 1;
}

static int frame_choice(const struct sim_world *w, const struct words *ws, struct choice *c,
                        char *why, size_t size)
{
    const struct sim *s = &w->sim;
    if (ws->count == 1 && s->flights > 0) {
        *c = choice_frame(c->kind, s, 0);
        return 0;
    }
    if (ws->count < 2 || !parse_edge(ws->word[1], &c->p, &c->q))
        return refuse(why, size, "'%s' lacks an edge, such as 0->1", ws->word[0]);
    int at = 2;
    bool named = ws->count > 2 && ws->word[2][0] == '#';
    if (named) {
        if (!parse_u32(ws->word[2] + 1, &c->k))
            return refuse(why, size, "'%s' is no frame number", ws->word[2]);
        at = 3;
    } else {
        uint32_t k = 0;
        while (k < s->flights && (s->flight[k].from != c->p || s->flight[k].to != c->q))
            k++;
        if (k == s->flights)
            return refuse(why, size, "no frame is in flight on %u->%u", c->p, c->q);
        c->k = s->flight[k].ordinal;
    }
    if (c->kind == CHOICE_DUPLICATE)
        at += waiting_word(ws, at, c);
    if (c->kind == CHOICE_CORRUPT && at + 1 < ws->count && strcmp(ws->word[at], "bit") == 0 &&
        number_parse(ws->word[at + 1], &c->a))
        at += 2;
    if (at < ws->count)
        return refuse(why, size, "'%s' is not understood there", ws->word[at]);
    return 0;
}

static int request_choice(const struct sim_world *w, const struct words *ws, struct choice *c,
                          char *why, size_t size)
{
    int at = 2;
    if (w->app.type == EV_NONE)
        return refuse(why, size, "stack %s takes no requests", w->job.def->name);
    if (at >= ws->count || strcmp(ws->word[at], w->app.verb) != 0)
        return refuse(why, size, "stack %s takes requests to %s, not to '%s'", w->job.def->name,
                      w->app.verb, at < ws->count ? ws->word[at] : "");
    at++;
    if (w->app.to_process && (at >= ws->count || !parse_process(ws->word[at++], &c->q)))
        return refuse(why, size, "'%s' lacks its process, such as p1", w->app.verb);
    if (at >= ws->count || !number_parse(ws->word[at++], &c->a))
        return refuse(why, size, "'%s' lacks its value, a number", w->app.verb);
    if (w->app.instance && at < ws->count && ws->word[at][0] == '@')
        if (!number_parse(ws->word[at++] + 1, &c->b))
            return refuse(why, size, "'%s' is no instance, such as @3", ws->word[at - 1]);
    if (at < ws->count && strcmp(ws->word[at], "waiting") == 0) {
        c->k = 1;
        at++;
    }
    if (at < ws->count)
        return refuse(why, size, "'%s' is not understood there", ws->word[at]);
    return 0;
}

/* A word out of a list; `count` if it is none of them. */
static uint32_t one_of(const char *word, const char *const *words, uint32_t count)
{
    uint32_t i = 0;
    while (i < count && strcmp(words[i], word) != 0)
        i++;
    return i;
}

/* keeps nothing | all | first | last | 77; returns how many words that was. */
static int keeps_words(const struct words *ws, int at, uint64_t *keeps)
{
    if (at + 1 >= ws->count || strcmp(ws->word[at], "keeps") != 0)
        return 0;
    *keeps = one_of(ws->word[at + 1], keeps_names, KEEPS);
    return *keeps < KEEPS || (number_parse(ws->word[at + 1], keeps) && *keeps >= KEEPS) ? 2 : 0;
}

/* written p1 [#k] [lost | misdirected | failed | short | full] [keeps …] [waiting] */
static int written_choice(const struct sim_world *w, const struct words *ws, struct choice *c,
                          char *why, size_t size)
{
    int at = 2;
    if (ws->count < 2 || !parse_process(ws->word[1], &c->p) || c->p >= w->n)
        return refuse(why, size, "'written' lacks a process, such as p1");
    const struct disk_sim *d = w->needs.disk ? w->proc[c->p].disk : NULL;
    if (d == NULL)
        return refuse(why, size, "stack %s has no disk", w->job.def->name);
    if (at < ws->count && ws->word[at][0] == '#') {
        if (!parse_u32(ws->word[at] + 1, &c->k))
            return refuse(why, size, "'%s' is no number of a write", ws->word[at]);
        at++;
    } else if (d->writes == 0) {
        return refuse(why, size, "no write is under way at p%u", c->p);
    } else {
        c->k = d->write[0].ordinal;
    }
    if (at < ws->count) {
        uint32_t fate = one_of(ws->word[at], fate_names, DISK_FATES);
        at += fate < DISK_FATES;
        c->b = fate < DISK_FATES ? fate : DISK_KEEPS;
    }
    at += keeps_words(ws, at, &c->a);
    if (at < ws->count && strcmp(ws->word[at], "waiting") == 0) {
        c->b += WRITTEN_WAITS;
        at++;
    }
    return at < ws->count ? refuse(why, size, "'%s' is not understood there", ws->word[at]) : 0;
}

/* crash p1 | crash-at p1 3 | crash-sent p1 1 | crash-super p1 1 | lose-super p1 3 |
 * recover p1 super 1 … [keeps …] */
static int life_choice(const struct words *ws, struct choice *c, char *why, size_t size)
{
    int at = 2;
    uint32_t copies;
    if (ws->count < 2 || !parse_process(ws->word[1], &c->p))
        return refuse(why, size, "'%s' lacks a process, such as p1", ws->word[0]);
    if (c->kind == CHOICE_RECOVER) {
        if (at + 1 < ws->count && strcmp(ws->word[at], "super") == 0 &&
            parse_u32(ws->word[at + 1], &copies) && copies < 2) {
            c->k = copies + 1;
            at += 2;
        }
    } else if (c->kind != CHOICE_CRASH) {
        if (at >= ws->count || !parse_u32(ws->word[at], &c->k))
            return refuse(why, size,
                          "'%s' lacks a number: of the event, of the frames sent, or "
                          "of the copies written or lost",
                          ws->word[0]);
        at++;
    }
    if (c->kind != CHOICE_RECOVER)
        at += keeps_words(ws, at, &c->a);
    return at < ws->count ? refuse(why, size, "'%s' is not understood there", ws->word[at]) : 0;
}

/* flip p1 segment 2 byte 4097 bit 3 */
static int flip_choice(const struct words *ws, struct choice *c, char *why, size_t size)
{
    if (ws->count != 8 || !parse_process(ws->word[1], &c->p) ||
        strcmp(ws->word[2], "segment") != 0 || !parse_u32(ws->word[3], &c->k) ||
        strcmp(ws->word[4], "byte") != 0 || !number_parse(ws->word[5], &c->a) ||
        strcmp(ws->word[6], "bit") != 0 || !number_parse(ws->word[7], &c->b))
        return refuse(why, size, "not of the form: flip p1 segment 2 byte 4097 bit 3");
    return 0;
}

/* How far the clock is to move on: no further than it goes. */
static bool parse_forward(const struct sim_world *w, const char *text, uint64_t *ns)
{
    return (fault_parse_time(text, ns) || number_parse(text, ns)) &&
           *ns <= CLOCK_MAX - sim_world_now(w);
}

/* step p1, timer p1 [waiting], lie p1 p2 [epfd] [waiting], arm 0, advance 5ms, heal */
static int other_choice(const struct sim_world *w, const struct words *ws, struct choice *c,
                        char *why, size_t size)
{
    int want = 1, at = 1;
    const char *missing = NULL;
    if (c->kind == CHOICE_ADVANCE) {
        want = 2;
        if (ws->count < 2 || !parse_forward(w, ws->word[1], &c->a))
            missing = "a time, such as 5ms, until which a clock goes: 292 years in all";
    } else if (c->kind == CHOICE_ARM || c->kind == CHOICE_DISARM) {
        want = 2;
        if (ws->count < 2 || !parse_u32(ws->word[1], &c->k))
            missing = "the number of a fault";
    } else if (c->kind != CHOICE_HEAL) {
        want = 2;
        if (ws->count <= at || !parse_process(ws->word[at++], &c->p))
            missing = "a process, such as p1";
        if (c->kind == CHOICE_LIE && ++want &&
            (ws->count <= at || !parse_process(ws->word[at], &c->q)))
            missing = "the process that the lie is about";
        else if (c->kind == CHOICE_LIE && ws->count > want && strcmp(ws->word[want], "epfd") == 0) {
            c->k = LIE_EPFD;
            want++;
        }
    }
    if (missing != NULL)
        return refuse(why, size, "'%s' lacks %s", ws->word[0], missing);
    if (c->kind == CHOICE_TIMER || c->kind == CHOICE_LIE)
        want += waiting_word(ws, want, c);
    if (ws->count > want)
        return refuse(why, size, "'%s' is not understood there", ws->word[want]);
    return 0;
}

/* CHOICES: the word is none. */
static uint8_t kind_of(const char *word)
{
    uint8_t kind = 1;
    while (kind < CHOICES && strcmp(choice_names[kind], word) != 0)
        kind++;
    return kind;
}

static bool on_frame(uint8_t kind)
{
    return kind >= CHOICE_DELIVER && kind <= CHOICE_CORRUPT;
}

static int parse_choice(const struct sim_world *w, const struct words *ws, struct choice *c,
                        char *why, size_t size)
{
    const uint8_t kind = kind_of(ws->word[0]);
    if (kind == CHOICES)
        return refuse(why, size, "'%s' is no choice of a scenario", ws->word[0]);
    *c = (struct choice){.kind = kind, .hint = UINT32_MAX};
    int err;
    if (on_frame(kind))
        err = frame_choice(w, ws, c, why, size);
    else if (kind == CHOICE_REQUEST && (ws->count < 2 || !parse_process(ws->word[1], &c->p)))
        err = refuse(why, size, "'request' lacks a process, such as p1");
    else if (kind == CHOICE_REQUEST)
        err = request_choice(w, ws, c, why, size);
    else if (kind == CHOICE_WRITTEN)
        err = written_choice(w, ws, c, why, size);
    else if (kind == CHOICE_FLIP)
        err = flip_choice(ws, c, why, size);
    else if (kind >= CHOICE_CRASH && kind <= CHOICE_RECOVER)
        err = life_choice(ws, c, why, size);
    else
        err = other_choice(w, ws, c, why, size);
    if (err == 0 && (c->p >= w->n || c->q >= w->n))
        return refuse(why, size, "p%u is not one of the %u processes", c->p >= w->n ? c->p : c->q,
                      w->n);
    return err;
}

int script_choice(const struct sim_world *w, const char *line, struct choice *c, char *why,
                  size_t size)
{
    struct words ws;
    if (!split(&ws, line) || ws.count == 0)
        return refuse(why, size, "the line is no choice");
    return parse_choice(w, &ws, c, why, size);
}

static bool in_flight(const struct sim *s, const struct choice *c)
{
    for (uint32_t k = 0; k < s->flights; k++)
        if (s->flight[k].from == c->p && s->flight[k].to == c->q && s->flight[k].ordinal == c->k)
            return true;
    return false;
}

/* Why a choice of p is not possible, by what p is. */
static const char *state_of(const struct sim_world *w, const struct choice *c)
{
    const struct sim_proc *x = &w->proc[c->p];
    if (x->state == SIM_CRASHED)
        return x->refused ? "has crashed, and its log was refused" : "has crashed";
    if (c->kind == CHOICE_RECOVER)
        return "has not crashed";
    if (c->kind == CHOICE_RESUME)
        return "is not paused";
    if (x->state == SIM_PAUSED)
        return "is paused";
    return c->kind == CHOICE_TIMER ? "has no timer armed" : "has no room";
}

/* A choice that can be read was not possible: one sentence. */
static int impossible(const struct sim_world *w, const char *word, const struct choice *c,
                      char *why, size_t size)
{
    const char *stack = w->job.def->name;
    if (on_frame(c->kind) && in_flight(&w->sim, c))
        return refuse(why, size, "'%s' is not possible now: p%u has crashed", word, c->q);
    if (on_frame(c->kind))
        return refuse(why, size, "frame #%u of %u->%u is not in flight", c->k, c->p, c->q);
    if (c->kind == CHOICE_ARM || c->kind == CHOICE_DISARM)
        return refuse(why, size, "'%s %u': the scenario has %u faults, counted from 0", word, c->k,
                      w->faults.rules);
    bool of_log = c->kind == CHOICE_FLIP || c->kind == CHOICE_CRASH_SUPER ||
                  c->kind == CHOICE_LOSE_SUPER || (c->kind == CHOICE_RECOVER && c->k > 0);
    if (of_log && !w->needs.disk)
        return refuse(why, size, "'%s': stack %s has no log", word, stack);
    if (c->kind == CHOICE_FLIP)
        return refuse(why, size, "'%s': there is no such bit", word);
    if (c->kind == CHOICE_LOSE_SUPER)
        return refuse(why, size, "'%s': 1 loses copy 0, 2 copy 1, 3 both", word);
    if (w->proc[c->p].state == SIM_RUNNING && c->kind == CHOICE_LIE)
        return refuse(why, size, "'%s': stack %s has no detector that could say that", word, stack);
    if (w->proc[c->p].state == SIM_RUNNING && c->kind == CHOICE_CRASH_SUPER)
        return refuse(why, size, "'%s': the super block has copies 0 and 1", word);
    if (w->proc[c->p].state != SIM_CRASHED && c->kind == CHOICE_WRITTEN)
        return refuse(why, size, "write #%u of p%u is not under way", c->k, c->p);
    if (w->proc[c->p].state == SIM_RUNNING && c->kind == CHOICE_REQUEST && w->app.instance &&
        !sim_world_takes(w, c))
        return refuse(why, size,
                      "p%u takes no proposal for instance %" PRIu64
                      " now: it is beyond what its table of instances holds, or there is no room",
                      c->p, c->b);
    return refuse(why, size, "'%s' is not possible now: p%u %s", word, c->p, state_of(w, c));
}

static int obey_choice(struct script *s, const struct words *ws, char *why, size_t size)
{
    struct choice c;
    int err = parse_choice(s->w, ws, &c, why, size);
    if (err != 0)
        return err;
    if (sim_world_apply(s->w, &c))
        return 0;
    return impossible(s->w, ws->word[0], &c, why, size);
}

/* deliver 0->1 all: the frames that are on this edge now, oldest first; there may be none. */
static int obey_all(struct script *s, struct words *ws, char *why, size_t size)
{
    struct sim *sim = &s->w->sim;
    uint16_t from, to;
    if (!parse_edge(ws->word[1], &from, &to))
        return refuse(why, size, "'%s' lacks an edge, such as 0->1", ws->word[0]);
    if (from >= s->w->n || to >= s->w->n)
        return refuse(why, size, "p%u is not one of the %u processes", from >= s->w->n ? from : to,
                      s->w->n);
    uint32_t count = 0;
    for (uint32_t k = 0; k < sim->flights; k++)
        count += sim->flight[k].from == from && sim->flight[k].to == to;
    ws->count = 2;
    int err = 0;
    while (count-- > 0 && err == 0)
        err = obey_choice(s, ws, why, size);
    return err;
}

/* ---- directives ------------------------------------------------------------------------------ */

static void settle(struct sim_world *w)
{
    struct choice c;
    for (uint16_t p = 0; p < w->n; p++) {
        c = (struct choice){.kind = CHOICE_STEP, .p = p};
        if (w->proc[p].state == SIM_RUNNING)
            sim_world_apply(w, &c);
    }
    for (uint32_t k = 0; k < w->sim.flights;) {
        c = choice_frame(CHOICE_DELIVER, &w->sim, k);
        if (w->proc[c.q].state == SIM_RUNNING)
            sim_world_apply(w, &c);
        else
            k++; /* frames to a paused process wait */
    }
}

static int obey_run(struct script *s, const struct words *ws, char *why, size_t size)
{
    struct sim_world *w = s->w;
    uint64_t ns, end;
    if (ws->count != 2 || !fault_parse_time(ws->word[1], &ns) || ns > CLOCK_MAX - sim_world_now(w))
        return refuse(why, size,
                      "'run' lacks a time, such as 100ms, of the 292 years that a "
                      "clock goes");
    struct choice c = {.kind = CHOICE_ADVANCE};
    sim_world_apply(w, &c);
    end = w->sim.now_ns + ns;
    while (sim_plan_timed(&s->plan, w, &c)) {
        if (c.kind == CHOICE_ADVANCE && w->sim.now_ns + c.a > end)
            break;
        sim_world_apply(w, &c);
    }
    if (w->sim.now_ns < end) {
        c = (struct choice){.kind = CHOICE_ADVANCE, .a = end - w->sim.now_ns};
        sim_world_apply(w, &c);
    }
    return 0;
}

static int obey_show(struct script *s, const struct words *ws, char *why, size_t size)
{
    if (!s->named)
        return refuse(why, size, "the scenario does not begin with 'start STACK'");
    s->shown = 0;
    for (int i = 1; i < ws->count; i++) {
        uint32_t k = 0;
        while (s->job.def->layers[k].name != NULL &&
               strcmp(s->job.def->layers[k].name, ws->word[i]) != 0)
            k++;
        if (s->job.def->layers[k].name == NULL)
            return refuse(why, size, "'%s' is no layer of stack %s", ws->word[i], s->job.def->name);
        s->shown |= 1u << k;
    }
    return 0;
}

/* The line as it is read: without its comment, words one blank apart. */
static void echo(const struct script *s, const struct words *ws)
{
    for (int i = 0; i < ws->count; i++)
        fprintf(s->echo, "%s%s", ws->word[i], i + 1 < ws->count ? " " : "\n");
}

static int begin(struct script *s, char *why, size_t size)
{
    if (s->started)
        return 0;
    if (!s->named)
        return refuse(why, size, "the scenario does not begin with 'start STACK'");
    s->started = true;
    s->plan = sim_plan_begin(&s->faults);
    int err = sim_plan_rules(&s->faults, &s->job, why, size);
    s->placed = err != 0;
    if (err != 0)
        return err;
    s->mix = mix_default(STRATEGY_RANDOM, s->job.def, s->job.n);
    return sim_world_start(s->w, &s->job, why, size);
}

/* settle, fair, end, end fair: one word, but for the last. */
static int obey_end(struct script *s, const struct words *ws, char *why, size_t size)
{
    const bool end = strcmp(ws->word[0], "end") == 0;
    const bool fair = end && ws->count > 1 && strcmp(ws->word[1], "fair") == 0;
    if (ws->count > 1 + fair)
        return refuse(why, size, "'%s' is not understood there", ws->word[1 + fair]);
    if (strcmp(ws->word[0], "settle") == 0) {
        settle(s->w);
        return 0;
    }
    s->fair = end ? fair : adversary_settle(s->w, &s->mix);
    sim_world_end(s->w, s->fair);
    s->judged = true;
    return 0;
}

int script_job(const char *text, struct sim_job *job)
{
    struct script s = {0};
    struct words ws;
    char why[256];
    for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n') {
        if (!split(&ws, text))
            return -EINVAL;
        if (ws.count == 0)
            continue;
        int err = strcmp(ws.word[0], "start") == 0 ? obey_start(&s, &ws, why, sizeof why) : -EINVAL;
        if (err == 0)
            *job = s.job;
        return err;
    }
    return -EINVAL;
}

/* A line behind the start. */
static int obey(struct script *s, struct words *ws, char *why, size_t size)
{
    const char *word = ws->word[0];
    if (s->judged)
        return refuse(why, size, "'%s' stands behind the end", word);
    if (strcmp(word, "settle") == 0 || strcmp(word, "fair") == 0 || strcmp(word, "end") == 0)
        return obey_end(s, ws, why, size);
    if (strcmp(word, "run") == 0)
        return obey_run(s, ws, why, size);
    if (on_frame(kind_of(word)) && ws->count == 3 && strcmp(ws->word[2], "all") == 0)
        return obey_all(s, ws, why, size);
    return obey_choice(s, ws, why, size);
}

int script_line(struct script *s, const char *line, char *why, size_t size)
{
    struct words ws;
    s->placed = false;
    if (!split(&ws, line))
        return refuse(why, size, "the line is too long");
    if (ws.count == 0)
        return 0;
    if (strcmp(ws.word[0], "show") == 0)
        return obey_show(s, &ws, why, size);
    if (s->echo != NULL)
        echo(s, &ws);
    if (strcmp(ws.word[0], "start") == 0)
        return obey_start(s, &ws, why, size);
    if (strcmp(ws.word[0], "fault") == 0 && s->named && !s->started)
        return obey_fault(s, line, why, size);
    if (strcmp(ws.word[0], "at") == 0 || strstr(ws.word[0], "..") != NULL)
        return obey_plan(s, line, why, size);
    int err = begin(s, why, size);
    return err != 0 ? err : obey(s, &ws, why, size);
}

/* "scenario:3: sentence", unless the sentence says where. */
static int at_line(const struct script *s, const char *sentence, char *why, size_t size)
{
    return s->placed ? refuse(why, size, "%s", sentence)
                     : refuse(why, size, "%.200s:%u: %s", name_of(s), s->line, sentence);
}

int script_text(struct script *s, const char *text, char *why, size_t size)
{
    char line[4096], reason[512];
    for (s->line = 1; *text != '\0'; s->line++) {
        size_t len = strcspn(text, "\n");
        if (len >= sizeof line)
            return refuse(why, size, "%.200s:%u: the line is too long", name_of(s), s->line);
        memcpy(line, text, len);
        line[len] = '\0';
        if (script_line(s, line, reason, sizeof reason) != 0)
            return at_line(s, reason, why, size);
        text += len + (text[len] == '\n');
    }
    return begin(s, reason, sizeof reason) != 0 ? at_line(s, reason, why, size) : 0;
}

/* Rules hold in their windows, whoever moves the clock. */
static bool waits_for_run(const struct fault_step *step, const struct fault_line *l)
{
    return !step->ends && l->deed != DEED_RULE && l->deed != DEED_CLEAR;
}

int script_over(const struct script *s, char *why, size_t size)
{
    const struct faults *f = &s->faults;
    for (uint32_t i = s->plan.next; i < f->steps; i++) {
        const struct fault_line *l = &f->line[f->step[i].line];
        char deed[160];
        if (!waits_for_run(&f->step[i], l))
            continue;
        faults_text(l, deed, sizeof deed);
        return refuse(why, size, "%.200s:%u: '%s' never happens: no 'run' keeps time until then",
                      f->file[l->file], l->place, deed);
    }
    return 0;
}
