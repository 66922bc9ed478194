/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fault engine at the edge: what it lets pass, loses, delays, doubles and flips, over an
 * environment that records what it is given; no packet is missing afterwards.
 */
#include <stdlib.h>

#include <rte_ip.h>

#include "dataplane/env_fault.h"
#include "dataplane/frame.h"
#include "tests/unit/harness.h"

#define SENT_MAX 4096
#define N        3

struct below {
    struct env env;
    uint64_t counters[COUNTERS];
    uint64_t now_ns;
    struct rte_mbuf *sent[SENT_MAX];
    uint16_t to[SENT_MAX];
    uint32_t sents;
    bool echo;
};

/* What was sent comes back, as from p1. */
static uint16_t below_rx(struct env *env, struct rte_mbuf **pkts, uint16_t n)
{
    struct below *b = (struct below *)env;
    if (!b->echo || b->sents == 0 || n == 0)
        return 0;
    pkts[0] = b->sent[--b->sents];
    struct frame_wire *w = (struct frame_wire *)pkt_data(pkts[0]);
    le16_put(w->from, 1);
    le16_put(w->to, 0);
    return 1;
}

static void below_tx(struct env *env, uint16_t peer, struct rte_mbuf **pkts, uint16_t n)
{
    struct below *b = (struct below *)env;
    for (uint16_t i = 0; i < n; i++) {
        assert_true(b->sents < SENT_MAX);
        b->to[b->sents] = peer;
        b->sent[b->sents++] = pkts[i];
    }
}

static uint64_t below_now(struct env *env)
{
    return ((struct below *)env)->now_ns;
}

static const struct env_ops below_ops = {below_rx, below_tx, below_now};

struct edge {
    struct below below;
    struct env_fault f;
    unsigned pool_full;
};

static void edge_start(struct edge *e, uint32_t held_max)
{
    *e = (struct edge){.pool_full = rte_mempool_avail_count(harness_pool())};
    e->below.env = (struct env){.ops = &below_ops,
                                .pool = harness_pool(),
                                .counters = e->below.counters,
                                .frame_bytes_max = 1400,
                                .multi_seg = true};
    const struct env_fault_conf conf = {.me = {.cluster = 1, .n = N, .self = 0},
                                        .seed = 7,
                                        .heartbeat_ports = 1u << 1,
                                        .held_max = held_max};
    assert_int_equal(env_fault_init(&e->f, &e->below.env, &conf), 0);
}

static void edge_forget(struct edge *e)
{
    for (uint32_t i = 0; i < e->below.sents; i++)
        pkt_free(e->below.sent[i]);
    e->below.sents = 0;
}

static void edge_end(struct edge *e)
{
    edge_forget(e);
    env_fault_fini(&e->f);
    assert_int_equal(rte_mempool_avail_count(harness_pool()), e->pool_full);
}

static void arm(struct edge *e, uint32_t i, const char *text)
{
    struct fault_rule rule;
    char why[256];
    if (fault_parse(text, &rule, why, sizeof why) != 0)
        fail_msg("%s", why);
    env_fault_arm(&e->f, i, &rule);
}

/* A frame of two records, for the ports 0 and 1, each 8 bytes that say `value`. */
static struct rte_mbuf *frame_of(uint64_t value)
{
    struct rte_mbuf *pkt = pkt_alloc(harness_pool());
    uint32_t bytes = FRAME_BYTES + 2 * (RECORD_BYTES + 8);
    assert_non_null(pkt);
    uint8_t *data = (uint8_t *)rte_pktmbuf_append(pkt, (uint16_t)bytes);
    frame_encode(data, &(struct frame){.kind = FRAME_KIND_PLAIN,
                                       .cluster = 1,
                                       .to = 1,
                                       .bytes = bytes,
                                       .records = 2,
                                       .incarnation = 1});
    for (uint8_t user = 0; user < 2; user++) {
        uint8_t *r = data + FRAME_BYTES + user * (RECORD_BYTES + 8);
        *(struct record_wire *)r = (struct record_wire){.len = {8, 0}, .user = user};
        le64_put(r + RECORD_BYTES, value);
    }
    return pkt;
}

static void send_values(struct edge *e, uint16_t peer, uint64_t from, uint64_t n)
{
    for (uint64_t v = from; v < from + n; v++) {
        struct rte_mbuf *pkt = frame_of(v);
        e->f.env.ops->tx(&e->f.env, peer, &pkt, 1);
    }
}

/* The records of the k-th packet that was sent: value of the first, users of both. */
static uint64_t value_of(struct edge *e, uint32_t k, uint8_t user[2])
{
    struct rte_mbuf *pkt = e->below.sent[k];
    struct frame f = {0};
    struct frame_self me = {.cluster = 1, .n = N, .self = 1};
    struct msg m[2] = {{0}, {0}};
    assert_int_equal(frame_decode(pkt_data(pkt), pkt->data_len, pkt->pkt_len, &me, &f), -1);
    struct frame_cursor c = frame_records(pkt, &f);
    assert_int_equal(frame_next_record(&c, &m[0], &user[0]), 1);
    assert_int_equal(frame_next_record(&c, &m[1], &user[1]), 1);
    assert_int_equal(frame_next_record(&c, &m[1], &user[1]), 0);
    return le64_get(msg_data(m[0]));
}

static uint64_t value_at(struct edge *e, uint32_t k)
{
    uint8_t user[2];
    return value_of(e, k, user);
}

/* ---- tests -------------------------------------------------------------------------------------- */

static void what_no_rule_touches_passes_unchanged(void **state)
{
    (void)state;
    struct edge e;
    edge_start(&e, 8);
    assert_true(env_fault_idle(&e.f));
    arm(&e, 3, "loss 0->2");
    assert_false(env_fault_idle(&e.f));
    send_values(&e, 1, 0, 10);
    assert_int_equal(e.below.sents, 10);
    for (uint32_t k = 0; k < 10; k++)
        assert_int_equal(value_at(&e, k), k);
    send_values(&e, 2, 0, 10);
    assert_int_equal(e.below.sents, 10);
    assert_int_equal(e.below.counters[COUNT_drop_fault], 10);
    env_fault_disarm(&e.f, 3);
    assert_true(env_fault_idle(&e.f));
    edge_end(&e);
}

static void the_same_seed_loses_the_same_frames(void **state)
{
    (void)state;
    struct edge a, b;
    edge_start(&a, 8);
    arm(&a, 0, "loss 30%");
    send_values(&a, 1, 0, 200);
    uint32_t kept = a.below.sents;
    uint64_t values[200];
    for (uint32_t k = 0; k < kept; k++)
        values[k] = value_at(&a, k);
    edge_end(&a);
    edge_start(&b, 8);
    arm(&b, 0, "loss 30%");
    send_values(&b, 1, 0, 200);
    assert_int_equal(b.below.sents, kept);
    assert_in_range(kept, 110, 170);
    for (uint32_t k = 0; k < kept; k++)
        assert_int_equal(value_at(&b, k), values[k]);
    edge_end(&b);
}

static void delayed_frames_leave_when_they_are_due_in_order_of_due_time(void **state)
{
    (void)state;
    struct edge e;
    edge_start(&e, 512);
    arm(&e, 0, "delay uniform 1ms 5ms 0->1");
    send_values(&e, 1, 0, 100);
    assert_int_equal(e.below.sents, 0);
    assert_int_equal(e.below.counters[COUNT_fault_delayed], 100);
    uint64_t due[100];
    for (uint64_t v = 0; v < 100; v++)
        due[v] = fault_frame(&e.f.engine, 0, 1, v, 0).delay_ns;
    env_fault_clear(&e.f);
    assert_false(env_fault_idle(&e.f));
    uint64_t last = 0;
    for (e.below.now_ns = 0; e.below.now_ns <= 5000000; e.below.now_ns += 1000) {
        uint32_t k = e.below.sents;
        e.f.env.ops->rx(&e.f.env, (struct rte_mbuf *[1]){NULL}, 1);
        for (; k < e.below.sents; k++) {
            uint64_t v = value_at(&e, k);
            assert_in_range(due[v], last, e.below.now_ns);
            assert_true(due[v] + 1000 > e.below.now_ns);
            last = due[v];
        }
    }
    assert_int_equal(e.below.sents, 100);
    assert_true(env_fault_idle(&e.f));
    edge_end(&e);
}

static void frames_with_one_delay_keep_their_order(void **state)
{
    (void)state;
    struct edge e;
    edge_start(&e, 512);
    arm(&e, 0, "delay constant 1ms");
    send_values(&e, 1, 0, 100);
    e.below.now_ns = 1000000;
    env_fault_poll(&e.f);
    assert_int_equal(e.below.sents, 100);
    for (uint32_t k = 0; k < 100; k++)
        assert_int_equal(value_at(&e, k), k);
    edge_end(&e);
}

static void a_full_store_loses_and_counts(void **state)
{
    (void)state;
    struct edge e;
    edge_start(&e, 8);
    arm(&e, 0, "delay constant 1ms");
    send_values(&e, 1, 0, 10);
    assert_int_equal(e.below.counters[COUNT_drop_delay_full], 2);
    assert_int_equal(e.f.helds, 8);
    edge_end(&e); /* and gives back what it holds */
}

static void a_second_frame_shares_the_bytes_of_the_first(void **state)
{
    (void)state;
    struct edge e;
    uint8_t user[2];
    edge_start(&e, 8);
    arm(&e, 0, "duplicate");
    send_values(&e, 1, 42, 1);
    assert_int_equal(e.below.sents, 2);
    assert_int_equal(value_of(&e, 0, user), 42);
    assert_int_equal(value_of(&e, 1, user), 42);
    assert_int_equal(user[1], 1);
    struct rte_mbuf *first = e.below.sent[0], *rest = e.below.sent[1]->next;
    assert_ptr_equal(rest->buf_addr, first->buf_addr);
    assert_int_equal(rte_mbuf_refcnt_read(first), 2);
    /* Each has lower headers of its own. */
    assert_ptr_not_equal(e.below.sent[1]->buf_addr, first->buf_addr);
    edge_end(&e);
}

static void no_second_frame_without_packets(void **state)
{
    (void)state;
    static struct rte_mbuf *taken[65536];
    struct edge e;
    uint32_t n = 0;
    edge_start(&e, 8);
    arm(&e, 0, "duplicate");
    struct rte_mbuf *pkt = frame_of(42);
    while (n < 65536 && (taken[n] = pkt_alloc(harness_pool())) != NULL)
        n++;
    assert_true(n < 65536);
    for (int spare = 0; spare < 2; spare++) { /* none; then one, where two are needed */
        e.f.env.ops->tx(&e.f.env, 1, &pkt, 1);
        assert_int_equal(e.below.sents, spare + 1);
        assert_int_equal(e.below.counters[COUNT_drop_pool_empty], spare + 1);
        pkt_free(taken[--n]);
        pkt = spare == 0 ? frame_of(43) : NULL;
        if (spare == 0)
            pkt_free(taken[--n]);
    }
    while (n > 0)
        pkt_free(taken[--n]);
    edge_end(&e);
}

static void a_flipped_bit_never_reaches_others_who_hold_the_bytes(void **state)
{
    (void)state;
    struct edge e;
    edge_start(&e, 8);
    arm(&e, 0, "corrupt");
    struct rte_mbuf *pkt = frame_of(42), *held = pkt;
    uint32_t bytes = pkt->pkt_len;
    uint8_t before[256];
    memcpy(before, pkt_data(pkt), bytes);
    rte_mbuf_refcnt_update(held, 1);
    e.f.env.ops->tx(&e.f.env, 1, &pkt, 1);
    assert_memory_equal(pkt_data(held), before, bytes);
    assert_int_equal(e.below.sents, 0);
    assert_int_equal(e.below.counters[COUNT_fault_corrupted], 1);
    assert_int_equal(e.below.counters[COUNT_drop_udp_checksum], 1);
    pkt_free(held);
    edge_end(&e);
}

/* Receive what was sent with this value; the users of its records. */
static void receive_value(struct edge *e, uint64_t value, uint8_t user[2])
{
    struct rte_mbuf *pkt = NULL;
    struct frame f = {0};
    struct frame_self me = {.cluster = 1, .n = N, .self = 0};
    struct msg m = MSG_NONE;
    send_values(e, 1, value, 1);
    e->below.echo = true;
    assert_int_equal(e->f.env.ops->rx(&e->f.env, &pkt, 1), 1);
    assert_int_equal(frame_decode(pkt_data(pkt), pkt->data_len, pkt->pkt_len, &me, &f), -1);
    struct frame_cursor c = frame_records(pkt, &f);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(frame_next_record(&c, &m, &user[i]), 1);
        assert_int_equal(le64_get(msg_data(m)), value);
    }
    pkt_free(pkt);
}

static void heartbeats_alone_come_late(void **state)
{
    (void)state;
    struct edge e;
    uint8_t user[2];
    struct env_fault_late late;
    edge_start(&e, 8);
    arm(&e, 0, "loss class=heartbeat 1->0");
    receive_value(&e, 42, user);
    assert_int_equal(user[0], 0);
    assert_int_equal(user[1], ENV_FAULT_PORT_NOBODY);
    assert_int_equal(e.below.counters[COUNT_fault_late], 1);
    e.below.now_ns = 1000000000;
    assert_false(env_fault_late(&e.f, &late));
    env_fault_disarm(&e.f, 0);
    assert_false(env_fault_idle(&e.f));
    assert_true(env_fault_late(&e.f, &late));
    assert_int_equal(late.port, 1);
    assert_int_equal(late.from, 1);
    assert_int_equal(late.len, 8);
    assert_int_equal(le64_get(late.bytes), 42);
    assert_true(env_fault_idle(&e.f));
    edge_end(&e);
}

static void heartbeats_are_delayed_by_the_law(void **state)
{
    (void)state;
    struct edge e;
    uint8_t user[2];
    struct env_fault_late late;
    edge_start(&e, 8);
    arm(&e, 0, "delay 5ms class=heartbeat");
    receive_value(&e, 1, user);
    e.below.now_ns = 3000000;
    receive_value(&e, 2, user);
    assert_false(env_fault_late(&e.f, &late));
    e.below.now_ns = 5000000;
    assert_true(env_fault_late(&e.f, &late));
    assert_int_equal(le64_get(late.bytes), 1);
    assert_false(env_fault_late(&e.f, &late));
    edge_end(&e);
}

static void a_rate_counts_each_edge_by_itself(void **state)
{
    (void)state;
    struct edge e;
    edge_start(&e, 8);
    arm(&e, 0, "rate 1k/s burst=4");
    send_values(&e, 1, 0, 10);
    send_values(&e, 2, 0, 10);
    assert_int_equal(e.below.sents, 8);
    e.below.now_ns = 2000000;
    send_values(&e, 1, 10, 10);
    assert_int_equal(e.below.sents, 10);
    arm(&e, 0, "rate 1k/s burst=4"); /* armed again: its buckets are full again */
    send_values(&e, 1, 20, 10);
    assert_int_equal(e.below.sents, 14);
    edge_end(&e);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_no_rule_touches_passes_unchanged),
    cmocka_unit_test(the_same_seed_loses_the_same_frames),
    cmocka_unit_test(delayed_frames_leave_when_they_are_due_in_order_of_due_time),
    cmocka_unit_test(frames_with_one_delay_keep_their_order),
    cmocka_unit_test(a_full_store_loses_and_counts),
    cmocka_unit_test(a_second_frame_shares_the_bytes_of_the_first),
    cmocka_unit_test(a_flipped_bit_never_reaches_others_who_hold_the_bytes),
    cmocka_unit_test(no_second_frame_without_packets),
    cmocka_unit_test(heartbeats_alone_come_late),
    cmocka_unit_test(heartbeats_are_delayed_by_the_law),
    cmocka_unit_test(a_rate_counts_each_edge_by_itself),
};

HARNESS_MAIN(tests)
