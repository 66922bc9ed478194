/* SPDX-License-Identifier: BSD-3-Clause */
/* Running a stack: inboxes, messages, the breath, the trace in the book's notation. */
#include "co.h"
#include "post.h"

#include <inttypes.h>
#include <stdio.h>

const struct abstraction_info abstraction_infos[ABSTRACTIONS] = {
#define ABSTRACTION(ID, name, text) [ABS_##ID] = {name, text},
#define REQUEST(ID, EVENT, text, fields)
#define INDICATION(ID, EVENT, text, fields)
#define INTERNAL(ID, EVENT, text, fields)
#define PROPERTY(ID, code, kind, text)
#include "modules.def"
#undef ABSTRACTION
#undef REQUEST
#undef INDICATION
#undef INTERNAL
#undef PROPERTY
};

const struct ev_info ev_infos[EV_TYPES] = {
#define ABSTRACTION(ID, name, text)
#define REQUEST(ID, EVENT, text, fields) \
    [EV_##ID##_##EVENT] = {text, fields, ABS_##ID, EV_WAY_REQUEST},
#define INDICATION(ID, EVENT, text, fields) \
    [EV_##ID##_##EVENT] = {text, fields, ABS_##ID, EV_WAY_INDICATION},
#define INTERNAL(ID, EVENT, text, fields) \
    [EV_##ID##_##EVENT] = {text, fields, ABS_##ID, EV_WAY_INTERNAL},
#define PROPERTY(ID, code, kind, text)
#include "modules.def"
#undef ABSTRACTION
#undef REQUEST
#undef INDICATION
#undef INTERNAL
#undef PROPERTY
};

const struct property_info property_infos[] = {
#define ABSTRACTION(ID, name, text)
#define REQUEST(ID, EVENT, text, fields)
#define INDICATION(ID, EVENT, text, fields)
#define INTERNAL(ID, EVENT, text, fields)
#define PROPERTY(ID, code, kind, text) {code, text, ABS_##ID, kind},
#include "modules.def"
#undef ABSTRACTION
#undef REQUEST
#undef INDICATION
#undef INTERNAL
#undef PROPERTY
};
const uint32_t property_info_count = sizeof property_infos / sizeof property_infos[0];

/* ---- inboxes --------------------------------------------------------------------------------- */

void co_inbox_full(struct co *to)
{
    rte_panic("p%u %s: inbox of %u events is full: a layer triggers more than its room() admits\n",
              to->st->self, to->name, to->inbox_events);
}

/* Events of equal type at `ev`, of `max` ≥ 1. */
static inline uint32_t run_length(const struct ev *ev, uint32_t max)
{
    const uint16_t type = ev->type;
    uint32_t n = 1;
    while (n + 4 <= max && ((ev[n].type ^ type) | (ev[n + 1].type ^ type) |
                            (ev[n + 2].type ^ type) | (ev[n + 3].type ^ type)) == 0)
        n += 4;
    while (n < max && ev[n].type == type)
        n++;
    return n;
}

void co_run(struct stack *st)
{
    const uint32_t batch = st->conf.batch_events;
    while (st->ready != 0) {
        struct co *c = st->co[__builtin_ctz(st->ready)];
        const struct ev *ev = c->inbox + c->head;
        uint32_t tail = c->tail, left = tail - c->head;
        uint32_t n = run_length(ev, left < batch ? left : batch);
        if (unlikely(tail > c->inbox_high))
            c->inbox_high = tail;
        c->head += n;
        if (n == left)
            st->ready &= ~c->bit; /* before the handler, which may trigger itself */
        if (unlikely(st->trace != NULL) && !st->trace->handled(st->trace, st, c, ev, n)) {
            st->halted = true;
            return;
        }
        c->upon[ev->type](c, ev, n);
        if (c->head == c->tail) {
            c->head = c->tail = 0; /* the next events reuse the lines that are warm */
        } else if (unlikely(c->head > c->inbox_events / 2)) {
            memmove(c->inbox, c->inbox + c->head, (c->tail - c->head) * sizeof *ev);
            c->tail -= c->head;
            c->head = 0;
        }
    }
}

/* ---- messages and frames --------------------------------------------------------------------- */

void stack_spent_full(struct stack *st)
{
    rte_panic("p%u: %u packets in one breath: raise TX_QUEUE_FRAMES\n", st->self, st->spent);
}

struct msg msg_new_slow(struct stack *st, uint32_t bytes)
{
    if (st->slab != NULL)
        stack_spend(st, st->slab);
    st->slab = st->env->slabs != NULL ? pkt_alloc(st->env->slabs) : NULL;
    if (st->slab == NULL)
        st->slab = pkt_alloc(st->env->pool);
    if (unlikely(st->slab == NULL))
        env_starved(st->env);
    if (unlikely(st->slab == NULL || st->headroom + bytes > st->slab->buf_len))
        rte_panic("p%u: no packet for a message of %u bytes: raise job.pool or lower job.size\n",
                  st->self, bytes);
    st->slab->ol_flags |= PKT_SLAB;
    st->slab_pos = (st->headroom + bytes + 7) & ~7u;
    return (struct msg){st->slab, st->headroom, (uint16_t)bytes};
}

/* Counted as sent before the environment has them: it takes back what the device did not take. */
void stack_transmit(struct stack *st)
{
    st->counters[COUNT_tx_frames] += st->outs;
    st->counters[COUNT_tx_bytes] += (uint64_t)st->outs * st->env->lower_bytes;
    for (uint32_t i = 0; i < st->outs;) {
        uint16_t peer = st->out_peer[i];
        uint32_t from = i;
        uint64_t bytes = 0;
        for (; i < st->outs && st->out_peer[i] == peer && i - from < RX_BURST_FRAMES; i++)
            bytes += st->out[i]->pkt_len;
        st->counters[COUNT_tx_bytes] += bytes;
        st->env->ops->tx(st->env, peer, &st->out[from], (uint16_t)(i - from));
    }
    st->outs = 0;
}

/* ---- the breath ------------------------------------------------------------------------------ */

/* Hand each frame that is ours to the link that takes its kind, with its header decoded. */
static void receive(struct stack *st, struct rte_mbuf **pkts, uint16_t n)
{
    st->counters[COUNT_rx_frames] += n;
    for (uint16_t i = 0; i < n; i++) {
        struct rte_mbuf *pkt = pkts[i];
        stack_spend(st, pkt);
        struct frame *f = &st->rx[i];
        int bad = frame_decode(pkt_data(pkt), pkt->data_len, pkt->pkt_len, &st->me, f);
        if (unlikely(bad >= 0)) {
            st->counters[bad]++;
            continue;
        }
        struct co *link = st->link[f->kind];
        if (unlikely(link == NULL)) {
            st->counters[COUNT_drop_version]++;
            continue;
        }
        pkt_warm_rest(pkt);
        struct msg m = {pkt, pkt->data_off, pkt->data_len};
        trigger(link, ev_make(EV_NET_FRAME, f->from, 0, (uintptr_t)f, m));
    }
}

static void timer_fired(void *ctx, struct timer *t)
{
    (void)ctx;
    trigger(t->owner, ev_make(EV_TIMER_TIMEOUT, 0, 0, t->arg, MSG_NONE));
}

static void flush(struct stack *st)
{
    while (st->dirty != 0) {
        struct co *c = st->co[__builtin_ctz(st->dirty)];
        st->dirty &= ~c->bit;
        c->cls->flush(c);
    }
}

/* The frames of this breath have left: hand over what the process tells itself. */
static void own_deliver(struct stack *st)
{
    uint32_t n = st->owns;
    st->owns = 0;
    for (uint32_t i = 0; i < n; i++)
        trigger(st->own_to[i], st->own[i]);
}

void stack_own_full(struct stack *st)
{
    own_deliver(st);
}

static void settle(struct stack *st)
{
    while (st->late != 0) {
        struct co *c = st->co[__builtin_ctz(st->late)];
        st->late &= ~c->bit;
        c->cls->settle(c);
    }
}

void stack_release(struct stack *st)
{
    pkt_free_bulk(st->spents, st->spent);
    st->spent = 0;
}

static inline void read_clock(struct stack *st)
{
    st->now = st->env->ops->now(st->env);
    st->unclocked = 0;
}

/*
 * The time of this breath. Where reading the clock is dear (on a virtual machine it may cost as much
 * as all the rest of an idle breath), frames that wait are not kept waiting for it: their breath
 * takes the time that was read when the last one had sent its frames, or by an idle one since.
 */
static inline void breath_time(struct stack *st, uint16_t frames)
{
    if (!st->env->clock_dear || (frames == 0 && ++st->unclocked >= UNCLOCKED_BREATHS))
        read_clock(st);
}

/* trigger ⟨app, Ready | room⟩, and run what it sends. */
static void ask_app(struct stack *st)
{
    uint32_t room = co_room(st->app->use[0]);
    if (room == 0 || unlikely(st->halted))
        return;
    trigger(st->app, ev_make(EV_APP_READY, 0, 0, room, MSG_NONE));
    co_run(st);
}

uint32_t co_breath(struct stack *st)
{
    struct rte_mbuf *pkts[RX_BURST_FRAMES];
    uint16_t n = st->env->ops->rx(st->env, pkts, RX_BURST_FRAMES);
    breath_time(st, n);
    if (n > 0)
        receive(st, pkts, n);
    timer_advance(&st->wheel, st->now, timer_fired, st);
    if (st->log != NULL)
        st->log->cls->poll(st->log);
    co_run(st);
    if (st->app_wants) /* after what has come: what is sent now rides with the answers to it */
        ask_app(st);
    for (;;) {
        if (unlikely(st->halted))
            return n;
        if (st->dirty != 0)
            flush(st);
        if (st->outs > 0)
            stack_transmit(st);
        if (likely(st->owns == 0))
            break;
        own_deliver(st);
        co_run(st);
    }
    if (n > 0 && st->env->clock_dear)
        read_clock(st);
    if (st->late != 0)
        settle(st);
    if (st->spent > 0)
        stack_release(st);
    st->steps++;
    return n;
}

int stack_recover(struct stack *st, char *why, size_t why_size)
{
    if (st->log == NULL)
        return 0;
    int err = st->log->cls->recover(st->log, why, why_size);
    co_run(st);
    while (st->owns > 0) {
        own_deliver(st);
        co_run(st);
    }
    stack_release(st);
    st->steps++;
    return err;
}

void stack_fini(struct stack *st)
{
    for (int i = st->components - 1; i >= 0; i--)
        if (st->co[i]->cls->fini != NULL)
            st->co[i]->cls->fini(st->co[i]);
    for (uint32_t i = 0; i < st->outs; i++)
        pkt_free(st->out[i]);
    st->outs = 0;
    stack_release(st);
    if (st->slab != NULL)
        pkt_free_seg(st->slab);
    st->slab = NULL;
}

void stack_check(const struct stack *st)
{
    for (uint32_t i = 0; i < st->components; i++)
        if (st->co[i]->cls->check != NULL)
            st->co[i]->cls->check(st->co[i]);
}

void stack_post(const struct stack *st, struct co_post *p)
{
    assert(st->n <= PSET_PROCS);
    memset(p, 0, offsetof(struct co_post, link) + st->n * sizeof p->link[0]);
    for (uint32_t i = 0; i < st->components; i++)
        if (st->co[i]->cls->post != NULL)
            st->co[i]->cls->post(st->co[i], p);
}

const struct co *ev_border(const struct co *to, const struct ev *ev)
{
    const struct ev_info *info = &ev_infos[ev->type];
    if (info->way == EV_WAY_REQUEST)
        return to;
    if (info->way != EV_WAY_INDICATION)
        return NULL;
    for (int i = 0; i < CO_USES_MAX && to->use[i] != NULL; i++) {
        const struct co *below = to->use[i];
        if (below->cls->implements == info->abstraction)
            return below->user[0] == to || below->port_demux ? below : NULL;
    }
    return NULL;
}

/* ---- the trace ------------------------------------------------------------------------------- */

/* A payload as a person reads it: eight bytes or fewer are a number, more a length and a digest. */
static int payload_text(struct msg m, char *text, size_t size)
{
    const uint8_t *p = msg_data(m);
    uint64_t v = 0;
    if (m.len <= 8) {
        memcpy(&v, p, m.len);
        return snprintf(text, size, "%" PRIu64, le64_get(&v));
    }
    v = 0xcbf29ce484222325u; /* FNV-1a: short, and the same everywhere */
    for (uint32_t i = 0; i < m.len; i++)
        v = (v ^ p[i]) * 0x100000001b3u;
    return snprintf(text, size, "%uB#%06" PRIx64, m.len, v >> 40);
}

/* The component whose header begins the message that `ev` carries: who is above its border. */
static const struct co_class *message_owner(const struct stack *st, const struct co *to,
                                            const struct ev *ev)
{
    switch (ev_infos[ev->type].way) {
    case EV_WAY_REQUEST: {
        const struct co *user = NULL;
        if (to->users == 1)
            user = to->user[0];
        else if (ev->inst < CO_PORTS_MAX)
            user = st->port[ev->inst];
        return user != NULL ? user->cls : NULL;
    }
    case EV_WAY_INDICATION:
        return to->cls;
    default:
        return NULL;
    }
}

int ev_text(const struct stack *st, const struct co *to, const struct ev *ev, char *text,
            size_t size)
{
    const struct ev_info *info = &ev_infos[ev->type];
    const char *name = abstraction_infos[info->abstraction].name;
    /* A request names the component that takes it, an indication the abstraction that it is from.
     */
    if (info->way == EV_WAY_REQUEST)
        name = to->name;
    size_t at = 0;
#define PUT(...)                                                  \
    do {                                                          \
        int w_ = snprintf(text + at, size - at, __VA_ARGS__);     \
        at = (size_t)w_ < size - at ? at + (size_t)w_ : size - 1; \
    } while (0)
    PUT("p%u ⟨%s, %s", st->self, name, info->name);
    const char *sep = " | ";
    for (const char *f = info->fields; *f != '\0'; f++) {
        PUT("%s", sep);
        sep = ", ";
        if (*f == 'p')
            PUT("p%u", ev->proc);
        else if (*f == 'i')
            PUT("%" PRIu64, ev->inst);
        else if (*f == 'a')
            PUT("%" PRIu64, ev->attr);
        else if (*f == 'm' && ev->seg == NULL)
            PUT("-");
        else if (*f == 'm') {
            char body[160];
            const struct co_class *owner = message_owner(st, to, ev);
            if (owner == NULL || owner->tell == NULL ||
                owner->tell(ev_msg(ev), body, sizeof body) < 0)
                payload_text(ev_msg(ev), body, sizeof body);
            PUT("%s", body);
        }
    }
    PUT("⟩");
#undef PUT
    return (int)at;
}
