/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_stack.h"

#include <stdio.h>

#include "protocols/log/log.h"
#include "protocols/view.h"

#define MS 1000000ull

void sim_conf_default(struct stack_conf *c)
{
#define DEFAULT(field, value) \
    if (c->field == 0)        \
    c->field = (value)
    DEFAULT(flight_msgs, 16);
    /* Half of it holds what answers a burst of full frames, and what broadcasts relay. */
    DEFAULT(ring_msgs, c->n <= 32 ? 256 : 1024);
    DEFAULT(instances, 16);
    DEFAULT(store_msgs, 64);
    DEFAULT(inbox_events, 4096);
    DEFAULT(frame_records, 4);
    DEFAULT(rto_min_ns, 1 * MS);
    DEFAULT(rto_max_ns, 8 * MS);
    DEFAULT(ack_delay_ns, MS / 10);
    DEFAULT(give_up_ns, UINT64_MAX);
    DEFAULT(heartbeat_ns, 2 * MS);
    DEFAULT(detect_ns, 10 * MS);
#undef DEFAULT
    stack_conf_default(c);
}

bool sim_is_link(uint8_t abstraction)
{
    return abstraction == ABS_FLL || abstraction == ABS_SL || abstraction == ABS_PL ||
           abstraction == ABS_FPL || abstraction == ABS_LPL;
}

struct sim_needs sim_needs(const struct stack_def *def)
{
    struct sim_needs needs = {0};
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++) {
        uint8_t a = l->cls->implements;
        needs.synchronous |= a == ABS_P;
        needs.detector |= a == ABS_P || a == ABS_EPFD || a == ABS_OMEGA;
        needs.majority |= l->cls->majority;
        needs.omega |= a == ABS_OMEGA;
        needs.epfd |= a == ABS_EPFD;
        needs.disk |= a == ABS_LOG;
        needs.endless |= a == ABS_SL;
    }
    return needs;
}

uint16_t sim_crashes_max(const struct sim_needs *needs, uint16_t n)
{
    return needs->majority ? (uint16_t)((n - 1) / 2) : (uint16_t)(n - 1);
}

struct sim_app sim_app_of(const struct stack_def *def)
{
    struct sim_app app = {0};
    const struct stack_layer *top = stack_top(def);
    for (uint16_t t = 1; top != NULL && t < EV_TYPES && app.type == 0; t++) {
        const struct ev_info *info = &ev_infos[t];
        if (info->abstraction != top->cls->implements || info->way != EV_WAY_REQUEST ||
            strchr(info->fields, 'm') == NULL)
            continue;
        app.type = t;
        app.to_process = strchr(info->fields, 'p') != NULL;
        app.instance = strchr(info->fields, 'i') != NULL;
        snprintf(app.verb, sizeof app.verb, "%s", info->name);
        for (char *c = app.verb; *c != '\0'; c++)
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    }
    return app;
}

/* ---- the application ------------------------------------------------------------------------- */

struct app_sim {
    struct co co;
    uint64_t lag; /* log-deliveries that it keeps */
    bool refuses; /* ho, without a cursor: every third at first, and takes it when it comes again */
    uint64_t begin;    /* the first that this life was told of; UINT64_MAX: none yet */
    uint64_t next;     /* behind the last one that it was told of */
    uint64_t released; /* those below */
    uint64_t stored;   /* stack log: the last record that it stored */
    uint32_t bytes;    /* of a request's payload */
};

struct msg sim_app_payload(struct stack *st, uint64_t value, uint32_t bytes)
{
    struct msg m = msg_new(st, bytes);
    memset(msg_data(m), (int)value, bytes);
    le64_put(msg_data(m), value);
    return m;
}

static bool refused(const struct app_sim *a, uint64_t position)
{
    return a->refuses && position % 3 == 1;
}

/* What this life was told of below `end` is taken: say so, in the words of what is below us. */
static void release(struct app_sim *a, uint64_t end)
{
    struct co *top = a->co.use[0];
    if (end <= a->released && top->cls->implements != ABS_LUC)
        return; /* luc releases what is decided without gaps, and decides in any order */
    switch (top->cls->implements) {
    case ABS_LPL:
        trigger(top, ev_make(EV_LPL_RELEASE, 0, a->co.port, end, MSG_NONE));
        break;
    case ABS_LBEB:
        trigger(top, ev_make(EV_LBEB_RELEASE, 0, 0, end, MSG_NONE));
        break;
    case ABS_LURB:
        trigger(top, ev_make(EV_LURB_RELEASE, 0, 0, end, MSG_NONE));
        break;
    case ABS_LUC:
        trigger(top, ev_make(EV_LUC_RELEASE, 0, end, 0, MSG_NONE));
        break;
    case ABS_HO:
        for (uint64_t i = a->released > a->begin ? a->released : a->begin; i < end; i++)
            if (!refused(a, i))
                trigger(top, ev_make(EV_HO_DONE, 0, i, 0, MSG_NONE));
        break;
    default:
        break;
    }
    a->released = end;
}

static bool is_log_delivery(uint16_t type)
{
    return type == EV_LPL_DELIVER || type == EV_LBEB_DELIVER || type == EV_LURB_DELIVER ||
           type == EV_HO_DELIVER || type == EV_LUC_DECIDE;
}

/* The application keeps nothing of what it hears, and of log-deliveries the last few. */
static void upon_anything(struct co *self, const struct ev *ev, uint32_t n)
{
    struct app_sim *a = (struct app_sim *)self;
    for (uint32_t i = 0; i < n; i++)
        if (ev[i].type == EV_LOG_STORED)
            a->stored = ev[i].inst;
        else if (is_log_delivery(ev[i].type)) {
            if (ev[i].type == EV_HO_DELIVER && ev[i].inst < a->next && refused(a, ev[i].inst))
                trigger(a->co.use[0], ev_make(EV_HO_DONE, 0, ev[i].inst, 0, MSG_NONE));
            a->begin = ev[i].inst < a->begin ? ev[i].inst : a->begin;
            a->next = ev[i].inst + 1 > a->next ? ev[i].inst + 1 : a->next;
        }
    if (a->next > a->lag)
        release(a, a->next - a->lag);
}

/* ⟨log, Compact⟩: only its last record is still needed. */
static void upon_log_compact(struct co *self, const struct ev *ev, uint32_t n)
{
    struct app_sim *a = (struct app_sim *)self;
    (void)ev, (void)n;
    if (a->stored != UINT64_MAX)
        log_store(self, self->use[0], a->stored,
                  sim_app_payload(self->st, (uint64_t)self->st->self << 32 | (a->stored + 1),
                                  a->bytes));
}

void sim_app_begin(struct stack *st, uint32_t lag, uint32_t bytes)
{
    struct app_sim *a = (struct app_sim *)st->app;
    const struct co_class *top = a->co.use[0]->cls;
    a->lag = lag;
    a->refuses = lag > 0 && top->implements == ABS_HO && !co_class_uses(top, ABS_LOG);
    a->bytes = bytes;
}

bool sim_app_release_all(struct stack *st)
{
    struct app_sim *a = (struct app_sim *)st->app;
    bool late = a->next > a->released && a->lag > 0;
    a->lag = 0;
    if (late)
        release(a, a->next);
    return late;
}

static size_t app_sim_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct app_sim);
}

static void app_sim_init(struct co *self)
{
    struct app_sim *a = (struct app_sim *)self;
    a->begin = a->stored = UINT64_MAX;
}

static void app_sim_show(const struct co *self, struct view *v)
{
    const struct app_sim *a = (const struct app_sim *)self;
    view_u64(v, "next", a->next);
    view_u64(v, "released", a->released);
    view_u64(v, "stored", a->stored);
}

static co_upon_fn *app_upon[EV_TYPES];

const struct co_class sim_app_class = {.name = "app_sim",
                                       .title = "the simulator's application",
                                       .implements = ABS_APP,
                                       .bytes = app_sim_bytes,
                                       .init = app_sim_init,
                                       .show = app_sim_show,
                                       .upon = app_upon};

void sim_app_prepare(void)
{
    for (uint16_t t = 1; t < EV_TYPES; t++)
        if (ev_infos[t].way == EV_WAY_INDICATION)
            app_upon[t] = t == EV_LOG_COMPACT ? upon_log_compact : upon_anything;
}
