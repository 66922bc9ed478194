/* SPDX-License-Identifier: BSD-3-Clause */
/* Wiring: a stack that does not fit is refused, in a sentence, before anything starts. */
#include "co.h"

#include "dataplane/refuse.h"

#include <errno.h>
#include <stdio.h>

#define RING_HALF_MSGS 2 /* in each half of a link's ring, at least: it is managed by quarters */

void stack_conf_default(struct stack_conf *c)
{
#define DEFAULT(field, value) \
    if (c->field == 0)        \
    c->field = (value)
    DEFAULT(n, 3);
    DEFAULT(cluster, 0x55504f4e);
    DEFAULT(incarnation, 1);
    DEFAULT(seed, 1);
    DEFAULT(inbox_events, CO_INBOX_EVENTS);
    DEFAULT(flight_msgs, PL_WINDOW_FLIGHT_MSGS);
    DEFAULT(ring_msgs, PL_WINDOW_RING_MSGS);
    DEFAULT(instances, 4096);
    DEFAULT(store_msgs, 4096);
    DEFAULT(frame_records, FRAME_RECORDS_MAX);
    DEFAULT(batch_events, CO_BATCH_EVENTS);
    DEFAULT(msg_copy_bytes, MSG_COPY_BYTES);
    DEFAULT(rto_min_ns, 2000000);
    DEFAULT(rto_max_ns, 1000000000);
    DEFAULT(ack_delay_ns, 25000);
    DEFAULT(give_up_ns, 500000000);
    DEFAULT(heartbeat_ns, 10000000);
    DEFAULT(detect_ns, 100000000);
#undef DEFAULT
}

static const struct stack_layer *layer_find(const struct stack_def *def, const char *name,
                                            const struct stack_layer *end)
{
    for (const struct stack_layer *l = def->layers; l->name != NULL && l != end; l++)
        if (strcmp(l->name, name) == 0)
            return l;
    return NULL;
}

const struct stack_layer *stack_top(const struct stack_def *def)
{
    return layer_find(def, def->top, NULL);
}

static bool handles(const struct co_class *cls, uint16_t type)
{
    return cls->upon != NULL && cls->upon[type] != NULL;
}

/* The first event of an abstraction, in one direction, that a class has no handler for; or 0. */
static uint16_t unhandled(const struct co_class *cls, uint8_t abstraction, uint8_t way)
{
    for (uint16_t t = 1; t < EV_TYPES; t++)
        if (ev_infos[t].abstraction == abstraction && ev_infos[t].way == way && !handles(cls, t))
            return t;
    return 0;
}

static int check_conf(const struct stack_conf *c, char *why, size_t size)
{
    if (c->n < 1 || c->n > PROCS_MAX)
        return refuse(why, size, "n = %u: a process set has 1 to %d processes", c->n, PROCS_MAX);
    if (c->self >= c->n)
        return refuse(why, size, "rank %u is outside of the %u processes", c->self, c->n);
    const struct {
        const char *name;
        uint32_t value;
    } powers[] = {{"flight_msgs", c->flight_msgs},
                  {"ring_msgs", c->ring_msgs},
                  {"instances", c->instances},
                  {"store_msgs", c->store_msgs}};
    for (size_t i = 0; i < sizeof powers / sizeof powers[0]; i++)
        if (powers[i].value == 0 || (powers[i].value & (powers[i].value - 1)) != 0)
            return refuse(why, size, "%s = %u: must be a power of two", powers[i].name,
                          powers[i].value);
    if (c->flight_msgs > c->ring_msgs / 2)
        return refuse(why, size, "ring_msgs = %u: must be at least twice flight_msgs = %u",
                      c->ring_msgs, c->flight_msgs);
    if (c->frame_records < 1 || c->frame_records > FRAME_RECORDS_MAX)
        return refuse(why, size, "frame_records = %u: a frame holds 1 to %d", c->frame_records,
                      FRAME_RECORDS_MAX);
    return 0;
}

static int check_uses(const struct stack_def *def, const struct stack_layer *l, char *why,
                      size_t size)
{
    for (int i = 0; i < CO_USES_MAX; i++) {
        uint8_t want = l->cls->uses[i];
        if (want == ABS_NONE) {
            if (l->uses[i] != NULL)
                return refuse(why, size, "stack %s: %s (%s) is given %s, which it does not use",
                              def->name, l->name, l->cls->name, l->uses[i]);
            break;
        }
        if (l->uses[i] == NULL)
            return refuse(why, size, "stack %s: %s (%s) uses %s, and is given none: name a layer",
                          def->name, l->name, l->cls->name, abstraction_infos[want].name);
        const struct stack_layer *below = layer_find(def, l->uses[i], l);
        if (below == NULL)
            return refuse(why, size, "stack %s: %s uses %s, which is no layer below it", def->name,
                          l->name, l->uses[i]);
        if (below->cls->implements != want)
            return refuse(why, size, "stack %s: %s uses %s as %s, but it implements %s", def->name,
                          l->name, below->name, abstraction_infos[want].name,
                          abstraction_infos[below->cls->implements].name);
        uint16_t t = unhandled(l->cls, want, EV_WAY_INDICATION);
        if (t != 0)
            return refuse(why, size, "stack %s: %s (%s) has no handler for ⟨%s, %s⟩", def->name,
                          l->name, l->cls->name, abstraction_infos[want].name, ev_infos[t].name);
        for (int j = 0; j < i; j++)
            if (l->cls->uses[j] == want && strcmp(l->uses[j], l->uses[i]) != 0)
                return refuse(why, size,
                              "stack %s: %s would hear ⟨%s, …⟩ from both %s and %s and could not "
                              "tell them apart",
                              def->name, l->name, abstraction_infos[want].name, l->uses[j],
                              l->uses[i]);
    }
    return 0;
}

/* Whether a layer above uses this one. */
static bool used(const struct stack_def *def, const struct stack_layer *layer)
{
    for (const struct stack_layer *l = layer + 1; l->name != NULL; l++)
        for (int i = 0; i < CO_USES_MAX && l->uses[i] != NULL; i++)
            if (strcmp(l->uses[i], layer->name) == 0)
                return true;
    return false;
}

/* The least ring: half of it is for what asks for room(), and for an answer to that and for what
 * layers send without asking is the other half. */
static uint32_t ring_least(const struct stack_def *def, const struct co_class *app,
                           const struct stack_conf *conf)
{
    uint32_t half = RING_HALF_MSGS, least = 1;
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++)
        half += l->cls->unasked != NULL ? l->cls->unasked(conf) : 0;
    half += app != NULL && app->unasked != NULL ? app->unasked(conf) : 0;
    while (least < 2 * half)
        least *= 2;
    return least;
}

int co_check_wiring(const struct stack_def *def, const struct co_class *app,
                    const struct stack_conf *conf, char *why, size_t size)
{
    int err = check_conf(conf, why, size);
    if (err != 0)
        return err;
    uint32_t headers = 0, layers = 0;
    const struct stack_layer *kind[FRAME_KINDS] = {NULL};
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++) {
        if (++layers >= CO_STACK_MAX)
            return refuse(why, size, "stack %s has more than %d layers", def->name,
                          CO_STACK_MAX - 1);
        if (layer_find(def, l->name, l) != NULL)
            return refuse(why, size, "stack %s: two layers are named %s", def->name, l->name);
        if (l->cls->procs_max != 0 && conf->n > l->cls->procs_max)
            return refuse(why, size, "stack %s: %s (%s) takes at most %u processes, not %u",
                          def->name, l->name, l->cls->name, l->cls->procs_max, conf->n);
        err = check_uses(def, l, why, size);
        if (err != 0)
            return err;
        uint16_t t = unhandled(l->cls, l->cls->implements, EV_WAY_REQUEST);
        if (t != 0)
            return refuse(why, size, "stack %s: %s (%s) implements %s without ⟨%s, %s⟩", def->name,
                          l->name, l->cls->name, abstraction_infos[l->cls->implements].name,
                          abstraction_infos[l->cls->implements].name, ev_infos[t].name);
        headers += l->cls->header_bytes;
        uint8_t k = l->cls->frame_kind;
        if (k != 0 && kind[k] != NULL)
            return refuse(why, size, "stack %s: %s and %s would both receive frames of kind %u",
                          def->name, kind[k]->name, l->name, k);
        if (k != 0)
            kind[k] = l;
    }
    if (headers > MSG_HEADROOM_MAX)
        return refuse(why, size,
                      "stack %s: the headers of its layers, %u bytes, exceed the %d of "
                      "headroom",
                      def->name, headers, MSG_HEADROOM_MAX);
    const struct stack_layer *top = stack_top(def);
    if (top == NULL)
        return refuse(why, size, "stack %s: its top, %s, is none of its layers", def->name,
                      def->top);
    uint32_t ring = ring_least(def, app, conf);
    if (conf->ring_msgs < ring)
        return refuse(why, size,
                      "ring_msgs = %u: stack %s of %u process%s takes %u at least, for what its "
                      "layers relay and answer",
                      conf->ring_msgs, def->name, conf->n, conf->n == 1 ? "" : "es", ring);
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++)
        if (l != top && !used(def, l))
            return refuse(why, size, "stack %s: no layer uses %s (%s): nobody would hear it",
                          def->name, l->name, l->cls->name);
    if (app != NULL) {
        uint16_t t = unhandled(app, top->cls->implements, EV_WAY_INDICATION);
        if (t != 0)
            return refuse(why, size, "stack %s: the application %s has no handler for ⟨%s, %s⟩",
                          def->name, app->name, abstraction_infos[top->cls->implements].name,
                          ev_infos[t].name);
    }
    return 0;
}

/* ---- laying out ------------------------------------------------------------------------------ */

/* A bump allocator over given memory; with none, it only counts. */
struct arena {
    uint8_t *base;
    size_t used;
};

static void *arena_take(struct arena *a, size_t bytes)
{
    void *p = a->base != NULL ? a->base + a->used : NULL;
    a->used += (bytes + 63) & ~(size_t)63;
    return p;
}

static struct co *component(struct arena *a, struct stack *st, const char *name,
                            const struct co_class *cls, const struct stack_conf *conf,
                            uint32_t inbox_events)
{
    size_t bytes = cls->bytes(conf);
    struct co *c = arena_take(a, bytes);
    struct ev *inbox = arena_take(a, inbox_events * sizeof(struct ev));
    struct co **user = arena_take(a, CO_STACK_MAX * sizeof(struct co *));
    if (a->base == NULL)
        return NULL;
    memset(c, 0, bytes);
    c->name = name;
    c->cls = cls;
    c->st = st;
    c->inbox = inbox;
    c->inbox_events = inbox_events;
    c->user = user;
    c->index = (uint8_t)st->components;
    c->port = c->index;
    c->bit = 1u << c->index;
    c->port_demux = cls->implements == ABS_FLL || cls->implements == ABS_SL ||
                    cls->implements == ABS_PL || cls->implements == ABS_FPL ||
                    cls->implements == ABS_LPL || cls->implements == ABS_LOG;
    c->upon = cls->upon;
    st->port[c->port] = c;
    st->co[st->components++] = c;
    return c;
}

static void connect(struct co *user, int slot, struct co *below)
{
    user->use[slot] = below;
    for (uint16_t i = 0; i < below->users; i++)
        if (below->user[i] == user)
            return;
    below->user[below->users++] = user;
}

static uint32_t stores(const struct co_class *cls, const struct stack_conf *conf)
{
    return cls->stores != NULL ? cls->stores(conf) : conf->store_msgs;
}

uint32_t co_wire_stores(const struct stack_def *def, const struct co_class *app,
                        const struct stack_conf *conf)
{
    uint32_t sum = 0;
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++) {
        if (co_class_uses(l->cls, ABS_LOG))
            sum += stores(l->cls, conf);
        if (app != NULL && l->cls->implements == ABS_LOG && strcmp(l->name, def->top) == 0)
            sum += stores(app, conf);
    }
    return sum;
}

/* The configuration of this stack: the log's queue takes what all its users may ask of it, so that
 * none has to ask how many others there are. */
static struct stack_conf conf_of(const struct stack_def *def, const struct co_class *app,
                                 const struct stack_conf *conf)
{
    struct stack_conf c = *conf;
    uint32_t sum = 1 + co_wire_stores(def, app, conf);
    for (c.log_requests = 1; c.log_requests < sum;)
        c.log_requests *= 2;
    return c;
}

/* The log, or a layer with the log below it. */
static bool above_log(const struct stack_def *def, const struct stack_layer *l)
{
    if (l->cls->implements == ABS_LOG)
        return true;
    for (int i = 0; i < CO_USES_MAX && l->uses[i] != NULL; i++)
        if (above_log(def, layer_find(def, l->uses[i], l)))
            return true;
    return false;
}

/* A compaction asks for a record of each row in one call, a poll answers all that a write made
 * durable, a recovery tells of each row: the log, and who is told, take all of it besides a burst. */
static uint32_t inbox_of(const struct stack_def *def, const struct co_class *app,
                         const struct stack_layer *l, const struct stack_conf *conf)
{
    uint32_t all = conf->inbox_events / 2 + co_wire_stores(def, app, conf);
    return above_log(def, l) && all > conf->inbox_events ? all : conf->inbox_events;
}

static size_t lay_out(struct arena *a, const struct stack_def *def, const struct co_class *app,
                      const struct stack_conf *conf)
{
    struct stack *st = arena_take(a, sizeof *st);
    if (st != NULL)
        memset(st, 0, offsetof(struct stack, wheel));
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++) {
        struct co *c = component(a, st, l->name, l->cls, conf, inbox_of(def, app, l, conf));
        if (c == NULL)
            continue;
        for (int i = 0; i < CO_USES_MAX && l->uses[i] != NULL; i++)
            connect(c, i, stack_co(st, l->uses[i]));
        if (l->cls->frame_kind != 0)
            st->link[l->cls->frame_kind] = c;
        if (l->cls->poll != NULL)
            st->log = c;
        st->headroom = (uint16_t)(st->headroom + l->cls->header_bytes);
    }
    if (app != NULL) {
        struct co *c = component(a, st, "app", app, conf, inbox_of(def, app, stack_top(def), conf));
        if (c != NULL) {
            st->app = c;
            connect(c, 0, stack_co(st, def->top));
        }
    }
    return a->used;
}

size_t co_wire_bytes(const struct stack_def *def, const struct co_class *app,
                     const struct stack_conf *conf)
{
    struct arena count = {NULL, 0};
    struct stack_conf c = conf_of(def, app, conf);
    return lay_out(&count, def, app, &c);
}

struct stack *co_wire(void *mem, const struct stack_def *def, const struct co_class *app,
                      const struct stack_conf *conf, struct env *env)
{
    struct arena a = {mem, 0};
    struct stack_conf c = conf_of(def, app, conf);
    lay_out(&a, def, app, &c);
    struct stack *st = mem;
    st->def = def;
    st->conf = c;
    st->env = env;
    st->counters = env->counters;
    st->n = conf->n;
    st->self = conf->self;
    st->headroom = (uint16_t)((st->headroom + 7) & ~7);
    st->me = (struct frame_self){conf->cluster, conf->n, conf->self, conf->one_life};
    st->random = random_seeded(conf->seed, conf->self);
    st->now = env->ops->now(env);
    timer_wheel_init(&st->wheel, st->now);
    for (uint32_t i = 0; i < st->components; i++)
        if (st->co[i]->cls->init != NULL)
            st->co[i]->cls->init(st->co[i]);
    return st;
}

struct co *stack_co(struct stack *st, const char *name)
{
    for (uint32_t i = 0; i < st->components; i++)
        if (strcmp(st->co[i]->name, name) == 0)
            return st->co[i];
    return NULL;
}

const struct stack_def *stack_find(const char *name)
{
    for (const struct stack_def *const *d = stack_defs; *d != NULL; d++)
        if (strcmp((*d)->name, name) == 0)
            return *d;
    return NULL;
}

uint32_t stack_heartbeat_ports(const struct stack *st)
{
    uint32_t ports = 0;
    for (uint32_t i = 0; i < st->components; i++) {
        uint8_t a = st->co[i]->cls->implements;
        if (a == ABS_P || a == ABS_EPFD || a == ABS_OMEGA || a == ABS_LE)
            ports |= 1u << st->co[i]->port;
    }
    return ports;
}
