/* SPDX-License-Identifier: BSD-3-Clause */
#include "console.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "dataplane/clock.h"
#include "result.h"

#define STATUS_WAITS_MAX 8 /* lines of who waits for whom */

#define LATE_TEXT                                                                                 \
    "p%u did not answer within 2 s: its thread is gone or kept from running; what was asked may " \
    "still be done"

/* ---- seeing ------------------------------------------------------------------------------------- */

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* Seconds since the load began. */
static double run_time(const struct console *o, uint64_t ns)
{
    return ((double)ns - (double)board_get(&o->board->start_ns)) / 1e9;
}

static const char *phase(const struct console *o, uint64_t now)
{
    if (now < o->board->from_ns)
        return "warm-up";
    return now < board_get(&o->board->end_ns) ? "measuring" : "draining";
}

static const char *state_of(const struct console *o, uint32_t p)
{
    static const char *const names[] =
        {[PROCESS_UP] = "up", [PROCESS_PAUSED] = "paused", [PROCESS_CRASHED] = "crashed"};
    uint64_t state = board_get(&o->board->orders[p].state);
    if (o->nodes != NULL && o->nodes->node[o->place->lcore[p]].pid == 0)
        return "gone";
    return state <= PROCESS_CRASHED ? names[state] : "unknown";
}

static long pid_of(const struct console *o, uint32_t p)
{
    return o->nodes != NULL ? (long)o->nodes->node[o->place->lcore[p]].pid : (long)getpid();
}

static json_t *status_process(const struct console *o, uint32_t p)
{
    const struct board_row *row = board_row(o->board, p);
    json_t *e = json_object();
    json_object_set_new(e, "process", number(p));
    json_object_set_new(e, "state", json_string(state_of(o, p)));
    json_object_set_new(e, "cpu", number(o->place->cpu[o->place->lcore[p]]));
    json_object_set_new(e, "os_process", json_integer(pid_of(o, p)));
    json_object_set_new(e, "rules_armed",
                        number(
                            (uint64_t)__builtin_popcountll(board_get(&o->board->orders[p].armed))));
    json_object_set_new(e, "issued", number(board_get(&row->issued)));
    json_object_set_new(e, "completed", number(board_get(&row->completed)));
    json_object_set_new(e, "delivered", number(board_get(&row->delivered)));
    return e;
}

/* "p0 ep, 3.2 s: instance 17: quorum 2 of 3, has p0, missing p1 p2" */
static json_t *status_waits(const struct console *o)
{
    char line[STATUS_WAITS_MAX][FIGURES_LINE_BYTES];
    const struct figures_page *page = figures_lock(o->figures, 0);
    uint32_t lines = figures_wait_lines(page, (uint16_t)o->job->n, line, STATUS_WAITS_MAX);
    figures_unlock(o->figures);
    json_t *a = json_array();
    for (uint32_t i = 0; i < lines; i++)
        json_array_append_new(a, json_string(line[i]));
    return a;
}

static json_t *status(const struct console *o)
{
    uint64_t now = clock_now_ns(), end = board_get(&o->board->end_ns);
    json_t *e = json_object(), *processes = json_array();
    char *folder = realpath(o->folder, NULL); /* a client may stand elsewhere */
    json_object_set_new(e, "folder", json_string(folder != NULL ? folder : o->folder));
    free(folder);
    json_object_set_new(e, "revision", json_string(upon_revision));
    json_object_set_new(e, "os_process", json_integer(getpid()));
    json_object_set_new(e, "stack", json_string(o->job->stack));
    json_object_set_new(e, "n", json_integer(o->job->n));
    json_object_set_new(e, "device", json_string(o->job->device));
    json_object_set_new(e, "phase", json_string(phase(o, now)));
    json_object_set_new(e, "time_s", json_real(run_time(o, now)));
    json_object_set_new(e, "remaining_s", json_real(now < end ? (double)(end - now) / 1e9 : 0.0));
    for (uint32_t p = 0; p < o->job->n; p++)
        json_array_append_new(processes, status_process(o, p));
    json_object_set_new(e, "processes", processes);
    json_object_set_new(e, "waits", status_waits(o));
    return e;
}

static void set_percentile(json_t *e, const char *key, const struct hist *h, double percent)
{
    uint64_t value;
    json_object_set_new(e, key, hist_percentile(h, percent, &value) ? number(value) : json_null());
}

/* The whole run so far. */
static json_t *stats_process(const struct console *o, uint32_t p)
{
    static struct hist decide; /* of the control thread, which is one */
    const struct board_row *row = board_row(o->board, p);
    json_t *e = status_process(o, p), *counters = json_object();
    memset(&decide, 0, sizeof decide);
    hist_add(&decide, &row->decide);
    set_percentile(e, "p50_ns", &decide, 50);
    set_percentile(e, "p99_ns", &decide, 99);
    for (int i = 0; i < COUNTERS; i++)
        if (board_get(&row->counters[i]) > 0)
            json_object_set_new(counters, counter_texts[i].id,
                                number(board_get(&row->counters[i])));
    json_object_set_new(e, "counters", counters);
    return e;
}

static json_t *stats(const struct console *o)
{
    json_t *processes = json_array();
    for (uint32_t p = 0; p < o->job->n; p++)
        json_array_append_new(processes, stats_process(o, p));
    return json_pack("{s:f, s:o, s:o*}", "time_s", run_time(o, clock_now_ns()), "processes",
                     processes, "figures", figures_json(o->figures));
}

static void list_fault(void *ctx, uint32_t id, const char *by, const struct fault_line *l)
{
    char text[256];
    faults_deed_text(l, text, sizeof text);
    json_array_append_new(ctx, json_pack("{s:i, s:s, s:s, s:f}", "fault", (int)id, "rule", text,
                                         "by", by, "since_s", (double)l->at_ns / 1e9));
}

static json_t *fault_list(const struct console *o)
{
    json_t *faults = json_array();
    hand_each(&o->hand, clock_now_ns(), list_fault, faults);
    return json_pack("{s:o}", "faults", faults);
}

/* ---- answering ---------------------------------------------------------------------------------- */

static void answer_text(struct console *o, uint32_t client, char *text)
{
    if (text != NULL)
        serve_answer(o->serve, client, text);
    free(text);
}

static void answer(struct console *o, uint32_t client, const char *id, json_t *body)
{
    answer_text(o, client, request_answer(id, body));
}

static void answer_error(struct console *o, uint32_t client, const char *id, const char *sentence)
{
    answer_text(o, client, request_error(id, sentence));
}

/* ---- orders ------------------------------------------------------------------------------------- */

/* Ask a process. False: a sentence in `why` says why that cannot be. */
static bool ask(struct console *o, struct console_deed *d, uint32_t p, const struct order *order)
{
    if (strcmp(state_of(o, p), "gone") == 0) {
        snprintf(d->why, sizeof d->why, "the OS process of p%u is gone", p);
        return false;
    }
    d->order[p] = order_post(&o->board->orders[p], order);
    if (d->order[p] == 0) {
        snprintf(d->why, sizeof d->why,
                 "p%u has %d orders that it did not answer; wait until it runs again", p,
                 ORDERS_MAX);
        return false;
    }
    d->asked |= 1ull << p;
    d->awaited |= 1ull << p;
    return true;
}

/* Who can answer. */
static uint64_t those_alive(const struct console *o)
{
    uint64_t alive = 0;
    for (uint32_t p = 0; p < o->job->n; p++) {
        const char *state = state_of(o, p);
        alive |= (uint64_t)(strcmp(state, "gone") != 0 && strcmp(state, "crashed") != 0) << p;
    }
    return alive;
}

/* What to order, and whom. False: a sentence in `why` says why that cannot be. */
static bool prepare(struct console *o, struct console_deed *d, struct order *order, uint64_t *whom)
{
    const struct request *r = &d->request;
    uint64_t alive = those_alive(o);
    papers_prepare(&o->papers);
    if (r->verb == REQUEST_SNAPSHOT || r->verb == REQUEST_TRACE_ON ||
        r->verb == REQUEST_TRACE_OFF) {
        order->kind = r->verb == REQUEST_SNAPSHOT ? ORDER_SNAPSHOT : ORDER_TRACE;
        order->arg = r->verb == REQUEST_TRACE_ON;
        *whom = r->process != REQUEST_ALL ? 1ull << r->process : alive;
        return true;
    }
    if (hand_prepare(&o->hand, r, clock_now_ns(), &d->hand, whom, d->why, sizeof d->why) != 0)
        return false;
    d->by_hand = true;
    *order = inject_order(&d->hand.line, d->hand.ends);
    if (r->process == REQUEST_ALL) /* a rule concerns those who are left */
        *whom &= alive;
    return true;
}

static struct console_deed *new_deed(struct console *o)
{
    for (uint32_t i = 0; i < CONSOLE_DEEDS_MAX; i++)
        if (!o->deed[i].open)
            return &o->deed[i];
    return NULL;
}

static void begin_deed(struct console *o, uint32_t client, const struct request *r)
{
    struct order order = {0};
    uint64_t whom = 0;
    struct console_deed *d = new_deed(o);
    if (d == NULL) {
        answer_error(o, client, r->id, "too many requests wait for processes; ask again later");
        return;
    }
    *d = (struct console_deed){.open = true,
                               .client = client,
                               .request = *r,
                               .until_ns = clock_now_ns() + CONSOLE_PATIENCE_NS};
    if (!prepare(o, d, &order, &whom))
        return; /* which the next look tells */
    if (whom == 0)
        snprintf(d->why, sizeof d->why, "nobody is left whom that concerns");
    for (; whom != 0; whom &= whom - 1)
        (void)ask(o, d, (uint32_t)__builtin_ctzll(whom), &order);
}

/* What a process did, for the answer. */
static json_t *effect_of(const struct console *o, const struct console_deed *d, uint32_t p)
{
    char path[PAPERS_PATH_BYTES];
    json_t *e = json_pack("{s:i, s:f}", "process", (int)p, "effect_s", run_time(o, d->effect[p]));
    if (d->request.verb == REQUEST_SNAPSHOT)
        papers_snapshot_name(&o->papers, p, path, sizeof path);
    else if (d->request.verb == REQUEST_TRACE_ON || d->request.verb == REQUEST_TRACE_OFF)
        papers_trace_name(&o->papers, p, path, sizeof path);
    else
        return e;
    json_object_set_new(e, "file", json_string(path));
    return e;
}

/* All have answered, or were given time enough. */
static void end_deed(struct console *o, struct console_deed *d)
{
    json_t *processes = json_array();
    for (uint32_t p = 0; p < o->job->n; p++)
        if (d->asked >> p & 1)
            json_array_append_new(processes, effect_of(o, d, p));
    if (d->by_hand)
        hand_end(&o->hand, &d->hand, d->done);
    json_t *body = json_pack("{s:o}", "processes", processes);
    if (d->request.verb == REQUEST_FAULT_ADD)
        json_object_set_new(body, "fault", number(d->hand.id));
    if (d->why[0] != '\0') {
        answer_error(o, d->client, d->request.id, d->why);
        json_decref(body);
    } else {
        answer(o, d->client, d->request.id, body);
    }
    d->open = false;
}

/* The control thread's part of what a process did. 0 or −errno. */
static int complete(struct console *o, enum request_verb verb, uint32_t p)
{
    switch (verb) {
    case REQUEST_CRASH: /* nothing is owed to it any more */
        board_put(&o->board->crashed, board_get(&o->board->crashed) | 1ull << p);
        return 0;
    case REQUEST_RECOVER:
        board_put(&o->board->crashed, board_get(&o->board->crashed) & ~(1ull << p));
        return 0;
    case REQUEST_SNAPSHOT:
        return papers_snapshot(&o->papers, p);
    case REQUEST_TRACE_ON:
        return papers_trace_open(&o->papers, p);
    case REQUEST_TRACE_OFF:
        papers_trace_close(&o->papers, p);
        return 0;
    default:
        return 0;
    }
}

static void take_answer(struct console *o, struct console_deed *d, uint32_t p)
{
    struct order_answer a;
    if (!order_acked(&o->board->orders[p], d->order[p], &a))
        return;
    d->awaited &= ~(1ull << p);
    d->effect[p] = a.effect_ns;
    int err = a.result != 0 ? a.result : complete(o, d->request.verb, p);
    d->done |= a.result == 0;
    if (a.result == 0 && d->by_hand)
        hand_done(&o->hand, &d->hand, p, a.effect_ns);
    if (err != 0 && d->why[0] == '\0')
        snprintf(d->why, sizeof d->why, "%s", a.why[0] != '\0' ? a.why : strerror(-err));
}

static void look_after(struct console *o, struct console_deed *d, uint64_t now)
{
    for (uint64_t left = d->awaited; left != 0; left &= left - 1)
        take_answer(o, d, (uint32_t)__builtin_ctzll(left));
    if (d->awaited != 0 && now < d->until_ns)
        return;
    if (d->awaited != 0 && d->why[0] == '\0')
        snprintf(d->why, sizeof d->why, LATE_TEXT, (uint32_t)__builtin_ctzll(d->awaited));
    end_deed(o, d);
}

/* ---- the hooks of serve ------------------------------------------------------------------------- */

static void on_request(void *ctx, struct serve *s, uint32_t client, const char *line, size_t len)
{
    struct console *o = ctx;
    struct request r;
    char why[REQUEST_WHY_BYTES];
    (void)s;
    if (request_parse(&r, line, len, o->job->n, why, sizeof why) != 0) {
        answer_error(o, client, r.id, why);
        return;
    }
    switch (r.verb) {
    case REQUEST_STATUS:
        answer(o, client, r.id, status(o));
        return;
    case REQUEST_STATS:
        answer(o, client, r.id, stats(o));
        return;
    case REQUEST_FAULT_LIST:
        answer(o, client, r.id, fault_list(o));
        return;
    case REQUEST_STOP:
        answer(o, client, r.id, NULL);
        serve_interrupt(o->serve);
        return;
    default:
        begin_deed(o, client, &r);
        return;
    }
}

static void on_gone(void *ctx, uint32_t client)
{
    struct console *o = ctx;
    for (uint32_t i = 0; i < CONSOLE_DEEDS_MAX; i++)
        if (o->deed[i].open && o->deed[i].client == client)
            o->deed[i].client = REQUEST_ALL;
}

static uint64_t on_look(void *ctx, struct serve *s, uint64_t now)
{
    struct console *o = ctx;
    bool open = false;
    (void)s;
    for (uint32_t i = 0; i < CONSOLE_DEEDS_MAX; i++) {
        if (o->deed[i].open)
            look_after(o, &o->deed[i], now);
        open |= o->deed[i].open;
    }
    uint64_t papers = papers_look(&o->papers, now);
    uint64_t deeds = open ? now + CONSOLE_LOOK_NS : UINT64_MAX;
    return papers < deeds ? papers : deeds;
}

static char *on_error(const char *sentence)
{
    return request_error("null", sentence);
}

struct serve_user console_user(struct console *o)
{
    return (struct serve_user){.ctx = o,
                               .request = on_request,
                               .gone = on_gone,
                               .look = on_look,
                               .error = on_error};
}

void console_open(struct console *o)
{
    papers_open(&o->papers, o->folder, o->board);
}

void console_close(struct console *o)
{
    papers_close(&o->papers);
}
