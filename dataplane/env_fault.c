/* SPDX-License-Identifier: BSD-3-Clause */
#include "env_fault.h"

#include <errno.h>
#include <stdlib.h>

#include "wire_headers.h"

/* Packets on their way to one peer, gathered for the environment below. */
struct burst {
    struct env_fault *f;
    uint16_t peer;
    uint16_t n;
    struct rte_mbuf *pkts[RX_BURST_FRAMES];
};

static struct env_fault *fault_env(struct env *env)
{
    return (struct env_fault *)env;
}

static void count(struct env_fault *f, enum counter c)
{
    f->env.counters[c]++;
}

static void burst_send(struct burst *b)
{
    if (b->n > 0)
        b->f->below->ops->tx(b->f->below, b->peer, b->pkts, b->n);
    b->n = 0;
}

static void burst_add(struct burst *b, struct rte_mbuf *pkt)
{
    if (b->n == RX_BURST_FRAMES)
        burst_send(b);
    b->pkts[b->n++] = pkt;
}

/* ---- holding back ---------------------------------------------------------------------------- */

static bool before(const struct env_fault_held *a, const struct env_fault_held *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static void hold_back(struct env_fault *f, uint16_t peer, struct rte_mbuf *pkt, uint64_t due_ns)
{
    if (unlikely(f->helds == f->conf.held_max)) {
        count(f, COUNT_drop_delay_full);
        pkt_free(pkt);
        return;
    }
    count(f, COUNT_fault_delayed);
    struct env_fault_held h = {due_ns, f->next_number++, pkt, peer};
    uint32_t at = f->helds++;
    for (uint32_t up; at > 0 && before(&h, &f->held[up = (at - 1) / 2]); at = up)
        f->held[at] = f->held[up];
    f->held[at] = h;
}

static struct env_fault_held take_earliest(struct env_fault *f)
{
    struct env_fault_held first = f->held[0], last = f->held[--f->helds];
    uint32_t at = 0;
    for (;;) {
        uint32_t down = 2 * at + 1;
        if (down >= f->helds)
            break;
        if (down + 1 < f->helds && before(&f->held[down + 1], &f->held[down]))
            down++;
        if (!before(&f->held[down], &last))
            break;
        f->held[at] = f->held[down];
        at = down;
    }
    f->held[at] = last;
    return first;
}

static void release_due(struct env_fault *f, uint64_t now_ns)
{
    struct burst b = {.f = f};
    while (f->helds > 0 && f->held[0].due_ns <= now_ns) {
        struct env_fault_held h = take_earliest(f);
        if (h.peer != b.peer)
            burst_send(&b);
        b.peer = h.peer;
        burst_add(&b, h.pkt);
    }
    burst_send(&b);
}

void env_fault_poll(struct env_fault *f)
{
    if (f->helds > 0)
        release_due(f, f->below->ops->now(f->below));
}

/* ---- what befalls a frame -------------------------------------------------------------------- */

/*
 * A second packet with the bytes of the first: it has its own frame header, in front of which it
 * gets its own lower headers, and refers to the rest. NULL: the pool is empty.
 */
static struct rte_mbuf *second_of(struct env_fault *f, struct rte_mbuf *pkt)
{
    if (!f->env.multi_seg)
        return rte_pktmbuf_copy(pkt, f->env.pool, 0, UINT32_MAX);
    struct rte_mbuf *head = pkt_alloc(f->env.pool);
    struct rte_mbuf *rest = head != NULL ? rte_pktmbuf_clone(pkt, f->env.pool) : NULL;
    if (rest == NULL) {
        if (head != NULL)
            pkt_free(head);
        return NULL;
    }
    assert(pkt->data_len >= FRAME_BYTES);
    rte_memcpy(pkt_data(head), pkt_data(pkt), FRAME_BYTES);
    head->data_len = FRAME_BYTES;
    rest->data_off = (uint16_t)(rest->data_off + FRAME_BYTES);
    rest->data_len = (uint16_t)(rest->data_len - FRAME_BYTES);
    head->next = rest;
    head->nb_segs = (uint16_t)(1 + pkt->nb_segs);
    head->pkt_len = pkt->pkt_len;
    return head;
}

static void flip_bit(struct rte_mbuf *pkt, uint32_t bit)
{
    for (; bit / 8 >= pkt->data_len; pkt = pkt->next)
        bit -= pkt->data_len * 8u;
    pkt_data(pkt)[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* Without a device that carries it: the edge verifies the sum that UDP would, as in simulation. */
static void flip_at_the_edge(struct env_fault *f, uint16_t peer, struct rte_mbuf *pkt, uint32_t bit)
{
    uint16_t sum = wire_sum(pkt, 0, pkt->pkt_len);
    flip_bit(pkt, bit);
    if (wire_sum(pkt, 0, pkt->pkt_len) == sum) {
        f->below->ops->tx(f->below, peer, &pkt, 1);
        return;
    }
    count(f, COUNT_drop_udp_checksum);
    pkt_free(pkt);
}

/* Others hold the bytes: the flipped one is a copy. */
static void send_flipped(struct env_fault *f, uint16_t peer, struct rte_mbuf *pkt, uint32_t bit)
{
    struct rte_mbuf *copy = rte_pktmbuf_copy(pkt, f->env.pool, 0, UINT32_MAX);
    pkt_free(pkt);
    if (copy == NULL) {
        count(f, COUNT_drop_pool_empty);
        return;
    }
    count(f, COUNT_fault_corrupted);
    bit %= copy->pkt_len * 8;
    if (f->conf.flip != NULL)
        f->conf.flip(f->below, peer, copy, bit);
    else
        flip_at_the_edge(f, peer, copy, bit);
}

/* Whether there is a token in the bucket of each rate that the frame is under. */
static bool within_rates(struct env_fault *f, uint16_t peer, uint32_t limited, uint64_t now_ns)
{
    bool within = true;
    for (; limited != 0; limited &= limited - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(limited);
        within &= fault_token(&f->engine.rule[i], &f->full_ns[i][peer], now_ns);
    }
    return within;
}

static void send_later(struct env_fault *f, struct burst *now, struct rte_mbuf *pkt,
                       uint64_t now_ns, uint64_t delay_ns)
{
    if (delay_ns == 0)
        burst_add(now, pkt);
    else
        hold_back(f, now->peer, pkt, now_ns + delay_ns);
}

static void suffer(struct env_fault *f, struct burst *b, struct rte_mbuf *pkt, uint64_t now_ns,
                   const struct fault_fate *fate)
{
    if (fate->lost || (fate->limited != 0 && !within_rates(f, b->peer, fate->limited, now_ns))) {
        count(f, COUNT_drop_fault);
        pkt_free(pkt);
        return;
    }
    if (fate->corrupt != 0) {
        send_flipped(f, b->peer, pkt, fate->corrupt - 1);
        return;
    }
    struct rte_mbuf *second = fate->copies > 0 ? second_of(f, pkt) : NULL;
    send_later(f, b, pkt, now_ns, fate->delay_ns);
    if (second != NULL) {
        count(f, COUNT_fault_copies);
        send_later(f, b, second, now_ns, fate->delay_ns);
    } else if (fate->copies > 0) {
        count(f, COUNT_drop_pool_empty);
    }
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static void keep_late(struct env_fault *f, const struct frame *header, uint8_t port, struct msg m,
                      uint64_t due_ns)
{
    if (f->lates == ENV_FAULT_LATES_MAX) {
        count(f, COUNT_drop_delay_full);
        return;
    }
    struct env_fault_late *l = &f->late[f->lates++];
    *l = (struct env_fault_late){due_ns, header->from, port, (uint8_t)m.len, header->kind, {0}};
    memcpy(l->bytes, msg_data(m), m.len);
    count(f, COUNT_fault_late);
}

/* Whether the record was seen before: its frame was sent again. If not, it is from now on. */
static bool seen_before(struct env_fault *f, const struct frame *header, uint64_t number)
{
    if (header->kind != FRAME_KIND_WINDOW)
        return false; /* no numbers, and nothing is promised */
    const struct env_fault_name n = {number, header->incarnation, header->from};
    for (uint32_t i = 0; i < ENV_FAULT_LATES_MAX && i < f->named; i++)
        if (f->name[i].number == n.number && f->name[i].incarnation == n.incarnation &&
            f->name[i].from == n.from)
            return true;
    f->name[f->named++ % ENV_FAULT_LATES_MAX] = n;
    return false;
}

/*
 * Keep the detectors' records of a frame for later, and give them a port that nobody has: their
 * sequence numbers arrive and are acknowledged, and the link goes on.
 */
static void keep_heartbeats(struct env_fault *f, struct rte_mbuf *pkt, const struct frame *header,
                            uint64_t due_ns)
{
    struct frame_cursor c = frame_records(pkt, header);
    struct msg m;
    uint8_t user;
    for (uint64_t number = header->seq;; number++) {
        frame_piece(&c);
        struct rte_mbuf *seg = c.seg;
        struct record_wire *record = (struct record_wire *)c.at;
        if (frame_next_record(&c, &m, &user) <= 0)
            return;
        if (user >= CO_PORTS_MAX || (f->conf.heartbeat_ports >> user & 1) == 0 ||
            m.len > ENV_FAULT_LATE_BYTES || !RTE_MBUF_DIRECT(seg) || rte_mbuf_refcnt_read(seg) != 1)
            continue; /* the bytes are not ours alone to write: another rule doubled the frame */
        record->user = ENV_FAULT_PORT_NOBODY;
        if (!seen_before(f, header, number))
            keep_late(f, header, user, m, due_ns);
    }
}

static void see_heartbeats(struct env_fault *f, struct rte_mbuf *pkt, const struct frame *header)
{
    struct frame_cursor c = frame_records(pkt, header);
    struct msg m;
    uint8_t user;
    for (uint64_t number = header->seq; frame_next_record(&c, &m, &user) > 0; number++)
        if (user < CO_PORTS_MAX && (f->conf.heartbeat_ports >> user & 1) != 0)
            seen_before(f, header, number);
}

static void look_for_heartbeats(struct env_fault *f, struct rte_mbuf *pkt, uint64_t now_ns)
{
    struct frame header;
    if (frame_decode(pkt_data(pkt), pkt->data_len, pkt->pkt_len, &f->conf.me, &header) >= 0)
        return; /* it is not for detectors; the stack counts what is wrong with it */
    struct fault_heartbeat_fate fate = fault_heartbeats(&f->engine, header.from, f->conf.me.self,
                                                        f->arrived[header.from]++, now_ns);
    if (fate.held)
        keep_heartbeats(f, pkt, &header,
                        fate.delay_ns != 0 ? now_ns + fate.delay_ns : fate.until_ns);
    else if (f->conf.watches)
        see_heartbeats(f, pkt, &header);
}

uint64_t env_fault_late_ns(const struct env_fault *f)
{
    uint64_t first = UINT64_MAX;
    for (uint32_t i = 0; i < f->lates; i++)
        if (f->late[i].due_ns < first)
            first = f->late[i].due_ns;
    return f->lates > 0 && f->for_heartbeats == 0 ? 0 : first;
}

bool env_fault_late(struct env_fault *f, struct env_fault_late *late)
{
    if (f->lates == 0)
        return false;
    uint64_t now_ns = f->below->ops->now(f->below);
    for (uint32_t i = 0; i < f->lates; i++) {
        if (f->late[i].due_ns > now_ns && f->for_heartbeats != 0)
            continue;
        *late = f->late[i];
        f->lates--;
        memmove(&f->late[i], &f->late[i + 1], (f->lates - i) * sizeof f->late[0]);
        return true;
    }
    return false;
}

/* ---- the environment ------------------------------------------------------------------------- */

static uint16_t fault_rx(struct env *env, struct rte_mbuf **pkts, uint16_t n)
{
    struct env_fault *f = fault_env(env);
    env_fault_poll(f);
    uint16_t got = f->below->ops->rx(f->below, pkts, n);
    if (unlikely(f->for_heartbeats != 0 || f->conf.watches) && got > 0) {
        uint64_t now_ns = f->below->ops->now(f->below);
        for (uint16_t i = 0; i < got; i++)
            look_for_heartbeats(f, pkts[i], now_ns);
    }
    return got;
}

static void fault_tx(struct env *env, uint16_t peer, struct rte_mbuf **pkts, uint16_t n)
{
    struct env_fault *f = fault_env(env);
    uint64_t ordinal = f->ordinal[peer];
    f->ordinal[peer] += n;
    if (f->touching[peer] == 0) {
        f->below->ops->tx(f->below, peer, pkts, n);
        return;
    }
    struct burst b = {.f = f, .peer = peer};
    uint64_t now_ns = f->below->ops->now(f->below);
    for (uint16_t i = 0; i < n; i++) {
        struct fault_fate fate =
            fault_frame(&f->engine, f->conf.me.self, peer, ordinal + i, now_ns);
        suffer(f, &b, pkts[i], now_ns, &fate);
    }
    burst_send(&b);
}

static uint64_t fault_now(struct env *env)
{
    struct env_fault *f = fault_env(env);
    return f->below->ops->now(f->below);
}

static const struct env_ops fault_ops = {fault_rx, fault_tx, fault_now};

/* ---- set-up ---------------------------------------------------------------------------------- */

int env_fault_init(struct env_fault *f, struct env *below, const struct env_fault_conf *conf)
{
    assert(conf->me.n <= PSET_PROCS);
    *f = (struct env_fault){.env = *below, .below = below, .conf = *conf};
    f->env.ops = &fault_ops;
    fault_init(&f->engine, conf->seed, NULL, 0);
    f->held = malloc(conf->held_max * sizeof f->held[0]);
    return f->held != NULL || conf->held_max == 0 ? 0 : -ENOMEM;
}

void env_fault_fini(struct env_fault *f)
{
    while (f->helds > 0)
        pkt_free(f->held[--f->helds].pkt);
    free(f->held);
    f->held = NULL;
}

static void look_who_is_touched(struct env_fault *f)
{
    for (uint16_t q = 0; q < f->conf.me.n; q++)
        f->touching[q] = fault_touching(&f->engine, f->conf.me.self, q);
    f->for_heartbeats = 0;
    for (uint32_t i = 0; i < FAULT_RULES_MAX; i++)
        if ((f->engine.armed >> i & 1) != 0 && f->engine.rule[i].befalls == FAULT_HEARTBEATS)
            f->for_heartbeats |= 1u << i;
}

void env_fault_arm(struct env_fault *f, uint32_t i, const struct fault_rule *rule)
{
    assert(i < FAULT_RULES_MAX);
    f->engine.rule[i] = *rule;
    memset(f->full_ns[i], 0, sizeof f->full_ns[i]);
    fault_arm(&f->engine, i, true);
    look_who_is_touched(f);
}

void env_fault_disarm(struct env_fault *f, uint32_t i)
{
    assert(i < FAULT_RULES_MAX);
    fault_arm(&f->engine, i, false);
    look_who_is_touched(f);
}

void env_fault_clear(struct env_fault *f)
{
    f->engine.armed = 0;
    look_who_is_touched(f);
}
