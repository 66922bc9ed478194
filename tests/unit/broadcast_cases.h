/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every reliable and uniform broadcast must show, as cases for its unit test: the test says
 * what it is (struct subject), and lists them, each under the name of the properties it shows.
 */
#ifndef UPON_BROADCAST_CASES_H
#define UPON_BROADCAST_CASES_H

#include "harness.h"

#include "protocols/broadcast/flow.h"
#include "protocols/random.h"

#define MS  1000000u
#define ANY UINT16_MAX

struct subject {
    const char *stack;
    const char *layer;
    enum ev_type broadcast;
    enum ev_type deliver;
    bool uniform;
    bool detects;  /* it has P below */
    bool majority; /* f < N/2, else any f */
};

#define CASE(name, f, subject)                 \
    {                                          \
        name, f, NULL, NULL, (void *)(subject) \
    }

static struct world w;
static const uint16_t sizes[] = {1, 3, 4, 7};

/* A detector that says nothing by itself: the test is P. Nobody is given up for silence. */
static const struct stack_conf quiet = {.detect_ns = 1000000000000000u,
                                        .heartbeat_ns = 100 * MS,
                                        .give_up_ns = UINT64_MAX,
                                        .rto_max_ns = 4 * MS};

__attribute__((unused)) static void start(const struct subject *s, uint16_t n, uint32_t store_msgs)
{
    struct stack_conf conf = quiet;
    conf.store_msgs = store_msgs;
    world_start(&w, stack_find(s->stack), n, &conf);
}

__attribute__((unused)) static struct co *layer(const struct subject *s, uint16_t p)
{
    return stack_co(w.st[p], s->layer);
}

/* What p broadcasts k-th has a value of its own. */
__attribute__((unused)) static uint64_t value_of(uint16_t p, uint64_t k)
{
    return 1000000u * (p + 1u) + k;
}

__attribute__((unused)) static void broadcast(const struct subject *s, uint16_t p, uint64_t k)
{
    world_request(&w, p, s->broadcast, 0, 0, world_msg(&w, p, value_of(p, k), 24));
}

__attribute__((unused)) static uint32_t delivered(const struct subject *s, uint16_t at,
                                                  uint16_t origin, uint64_t k)
{
    return world_count(&w, at, s->deliver, origin, value_of(origin, k));
}

/* P tells every process that p has crashed. */
__attribute__((unused)) static void detect(const struct subject *s, uint16_t p)
{
    for (uint16_t q = 0; s->detects && q < w.n; q++)
        if (!w.crashed[q])
            indicate(stack_co(w.st[q], "P"), ev_make(EV_P_CRASH, p, 0, 0, MSG_NONE));
}

__attribute__((unused)) static void crash(uint16_t p)
{
    world_crash(&w, p);
    world_lose(&w, p, ANY);
}

__attribute__((unused)) static uint16_t faulty_max(const struct subject *s, uint16_t n)
{
    return s->majority ? (uint16_t)((n - 1) / 2) : (uint16_t)(n - 1);
}

__attribute__((unused)) static uint64_t count_all(enum counter c)
{
    uint64_t sum = 0;
    for (uint16_t p = 0; p < w.n; p++)
        sum += w.st[p]->counters[c];
    return sum;
}

/* Let the network heal and every link catch up. */
__attribute__((unused)) static void heal(void)
{
    world_run(&w, 80 * MS);
}

/* Judge the record of a run in which p broadcast `sent[p]` messages. */
__attribute__((unused)) static void judge(const struct subject *s, const uint64_t *sent)
{
    uint32_t known = 0;
    for (uint16_t o = 0; o < w.n; o++)
        for (uint64_t k = 0; k < sent[o]; k++) {
            bool by_correct = false, by_any = false;
            for (uint16_t p = 0; p < w.n; p++) {
                uint32_t times = delivered(s, p, o, k);
                known += times;
                assert_true(times <= 1); /* no duplication */
                by_any |= times == 1;
                by_correct |= times == 1 && !w.crashed[p];
            }
            bool must = by_correct || !w.crashed[o] || (s->uniform && by_any);
            for (uint16_t p = 0; p < w.n && must; p++) /* validity, agreement */
                if (!w.crashed[p])
                    assert_int_equal(delivered(s, p, o, k), 1);
        }
    assert_int_equal(known, w.seens); /* no creation */
}

/* ---- the cases ------------------------------------------------------------------------------- */

__attribute__((unused)) static void case_every_message_once(void **state)
{
    const struct subject *s = *state;
    for (size_t i = 0; i < 4; i++) {
        uint64_t sent[7] = {20, 20, 20, 20, 20, 20, 20};
        start(s, sizes[i], 64);
        for (uint16_t p = 0; p < w.n; p++)
            for (uint64_t k = 0; k < 20; k++)
                broadcast(s, p, k);
        world_settle(&w);
        judge(s, sent);
        assert_int_equal(w.seens, 20u * w.n * w.n);
        world_end(&w);
    }
}

/* Requests that wait at p for its next step: room() does not count them yet. */
__attribute__((unused)) static uint32_t asked(const struct subject *s, uint16_t p)
{
    const struct co *top = layer(s, p);
    return top->tail - top->head;
}

/* Loss, duplication, reordering, crashes at any moment, sources that honour room(). */
__attribute__((unused)) static void adversary(const struct subject *s, uint16_t n, uint64_t seed,
                                              uint16_t crashes)
{
    struct random r = random_seeded(seed, n);
    uint64_t sent[7] = {0};
    const uint64_t quota = 24;
    uint16_t fallen = 0;
    start(s, n, 8);
    for (int step = 0; step < 600; step++) {
        uint16_t p = (uint16_t)random_below(&r, n);
        uint32_t what = random_below(&r, 20);
        if (what < 4 && !w.crashed[p] && sent[p] < quota && asked(s, p) < co_room(layer(s, p))) {
            broadcast(s, p, sent[p]++);
            if (what < 2)
                world_step(&w, p); /* else it waits for company */
        } else if (what == 4 && fallen < crashes && random_below(&r, 8) == 0 && !w.crashed[p]) {
            world_step(&w, p);
            world_crash(&w, p);
            world_lose(&w, p, (uint16_t)random_below(&r, n));
            fallen++;
        } else if (what == 5 && w.crashed[p]) {
            detect(s, p);
        } else if (w.sim.flights == 0) {
            for (uint16_t q = 0; q < n; q++) {
                w.sim.env[q].now_ns += 3 * MS;
                world_step(&w, q);
            }
        } else {
            uint32_t k = random_below(&r, w.sim.flights);
            if (what == 6)
                sim_drop(&w.sim, k);
            else if (what == 7 && !w.crashed[w.sim.flight[k].to])
                sim_duplicate(&w.sim, k);
            else
                world_deliver(&w, k);
        }
    }
    for (uint16_t p = 0; p < n; p++)
        if (w.crashed[p])
            detect(s, p);
    heal();
    judge(s, sent);
    assert_int_equal(count_all(COUNT_drop_early), 0);
    assert_int_equal(count_all(COUNT_drop_message), 0);
    world_end(&w);
}

__attribute__((unused)) static void case_adversary(void **state)
{
    const struct subject *s = *state;
    for (size_t i = 0; i < 4; i++)
        for (uint64_t seed = 1; seed <= 12; seed++)
            adversary(s, sizes[i], seed, (uint16_t)(seed % (faulty_max(s, sizes[i]) + 1u)));
}

/* The sender crashes when its message has reached one process only. */
__attribute__((unused)) static void case_sender_crashes_in_mid_broadcast(void **state)
{
    const struct subject *s = *state;
    for (size_t i = 1; i < 4; i++)
        for (uint16_t q = 1; q < sizes[i]; q++) {
            uint64_t sent[7] = {1};
            start(s, sizes[i], 8);
            broadcast(s, 0, 0);
            world_step(&w, 0);
            for (uint16_t p = 1; p < w.n; p++)
                if (p != q)
                    world_lose(&w, 0, p);
            world_crash(&w, 0);
            world_settle(&w);
            detect(s, 0);
            heal();
            for (uint16_t p = 1; p < w.n; p++)
                assert_int_equal(delivered(s, p, 0, 0), 1);
            judge(s, sent);
            world_end(&w);
        }
}

/* Whoever is first to deliver crashes at once, and what it sent is lost; as often as f allows. */
__attribute__((unused)) static void case_deliverers_crash(void **state)
{
    const struct subject *s = *state;
    for (size_t i = 1; i < 4; i++)
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct random r = random_seeded(seed, 7);
            uint64_t sent[7] = {1};
            uint16_t left = faulty_max(s, sizes[i]);
            uint32_t seen = 0;
            start(s, sizes[i], 8);
            broadcast(s, 0, 0);
            world_step(&w, 0);
            for (int step = 0; step < 200; step++) {
                if (w.seens > seen && left > 0) {
                    crash(w.seen_by[w.seens - 1]);
                    detect(s, w.seen_by[w.seens - 1]);
                    left--;
                }
                seen = w.seens;
                if (w.sim.flights > 0)
                    world_deliver(&w, random_below(&r, w.sim.flights));
                else
                    for (uint16_t p = 0; p < w.n; p++)
                        world_step(&w, p);
            }
            heal();
            judge(s, sent);
            world_end(&w);
        }
}

/* p1 hands `len` bytes to best-effort broadcast, which are none of the protocol's. */
__attribute__((unused)) static void garbage(const uint8_t *bytes, uint16_t len)
{
    struct msg m = msg_new(w.st[1], len);
    memcpy(msg_data(m), bytes, len);
    trigger(stack_co(w.st[1], "beb"), ev_make(EV_BEB_BROADCAST, 0, 0, 0, m));
    world_settle(&w);
}

__attribute__((unused)) static void garbage_message(uint8_t kind, uint8_t reserved, uint16_t origin,
                                                    uint64_t number, uint16_t payload)
{
    uint8_t bytes[64] = {kind, reserved};
    le16_put(bytes + 2, origin);
    le64_put(bytes + 4, number);
    garbage(bytes, (uint16_t)(FLOW_HEADER_BYTES + payload));
}

__attribute__((unused)) static void case_garbage(void **state)
{
    const struct subject *s = *state;
    uint64_t bad = 0;
    uint8_t good[FLOW_HEADER_BYTES] = {FLOW_DATA};
    start(s, 3, 8);
    for (uint16_t len = 0; len < FLOW_HEADER_BYTES; len++, bad++)
        garbage(good, len);
    for (unsigned kind = 0; kind < 256; kind += kind == 0 ? 3 : 1, bad++)
        garbage_message((uint8_t)kind, 0, 0, 0, 8);
    garbage_message(FLOW_DATA, 1, 0, 0, 8), bad++;
    garbage_message(FLOW_DATA, 0, 3, 0, 8), bad++;
    garbage_message(FLOW_DATA, 0, UINT16_MAX, 0, 8), bad++;
    garbage_message(FLOW_DATA, 0, 0, FLOW_NUMBER_MAX, 8), bad++;
    garbage_message(FLOW_DATA, 0, 0, UINT64_MAX, 8), bad++;
    garbage_message(FLOW_FLOOR, 0, 0, 0, 1), bad++;
    assert_int_equal(w.st[0]->counters[COUNT_drop_message], bad);
    garbage_message(FLOW_FLOOR, 0, 0, 1, 0), bad++; /* it was never broadcast */
    assert_int_equal(w.st[0]->counters[COUNT_drop_message], bad);
    garbage_message(FLOW_DATA, 0, 0, 0, 8); /* nor was this; those who relay it repeat it */
    assert_true(w.st[0]->counters[COUNT_drop_message] > bad);
    assert_int_equal(world_count_type(&w, 0, s->deliver), 0);
    assert_int_equal(w.st[0]->counters[COUNT_drop_early], 0);
    garbage_message(FLOW_DATA, 0, 1, 8, 8); /* beyond the window; at p1 itself a lie */
    assert_int_equal(w.st[0]->counters[COUNT_drop_early], 1);
    assert_int_equal(w.st[1]->counters[COUNT_drop_early], 0);
    w.seens = 0;
    broadcast(s, 2, 0);
    heal();
    for (uint16_t p = 0; p < 3; p++)
        assert_int_equal(delivered(s, p, 2, 0), 1);
    world_end(&w);
}

/* Many times the window goes by; packets in use and rows do not grow. */
__attribute__((unused)) static void case_memory_stays_flat(void **state)
{
    const struct subject *s = *state;
    for (size_t i = 0; i < 4; i++)
        for (uint32_t window = 1; window <= 64; window *= 8) {
            uint64_t sent = 0;
            unsigned most = 0;
            start(s, sizes[i], window);
            while (sent < 20 * window) {
                uint32_t room = window;
                for (uint16_t p = 0; p < w.n; p++)
                    if (co_room(layer(s, p)) < room)
                        room = co_room(layer(s, p));
                assert_true(room > 0); /* all is settled: nothing may keep a source waiting */
                for (uint16_t p = 0; p < w.n; p++)
                    for (uint32_t k = 0; k < room; k++)
                        broadcast(s, p, sent + k);
                sent += room;
                w.seens = 0;
                world_settle(&w);
                assert_int_equal(w.seens, (uint32_t)w.n * w.n * room);
                world_run(&w, MS); /* acknowledgements */
                unsigned used = rte_mempool_in_use_count(w.pool);
                most = used > most ? used : most;
            }
            assert_true(most <= 8u * w.n * w.n + 2u * window * w.n * w.n);
            assert_int_equal(count_all(COUNT_drop_early), 0);
            world_end(&w);
        }
}

/* Give p all the work that its room() admits, until `total` went out or it has none left. */
__attribute__((unused)) static uint64_t pump(const struct subject *s, uint16_t p, uint64_t from,
                                             uint64_t total)
{
    uint64_t k = from;
    for (int rounds = 0; rounds < 1000 && k < total; rounds++) {
        uint32_t room = co_room(layer(s, p));
        if (room == 0)
            break;
        for (; room > 0 && k < total; room--)
            broadcast(s, p, k++);
        world_settle(&w);
        world_run(&w, MS);
    }
    return k;
}

/* `ms` pass in which nothing reaches p; what it sends arrives. `every` ms it broadcasts (0: never). */
__attribute__((unused)) static void cut_off(const struct subject *s, uint16_t p, uint32_t ms,
                                            uint32_t every)
{
    for (uint32_t i = 0; i < ms; i++) {
        if (every != 0 && i % every == 0)
            broadcast(s, p, i / every);
        for (uint16_t q = 0; q < w.n; q++) {
            w.sim.env[q].now_ns += MS;
            world_step(&w, q);
        }
        for (world_lose(&w, ANY, p); w.sim.flights > 0; world_lose(&w, ANY, p))
            world_deliver(&w, 0);
    }
}

/*
 * Everybody broadcasts all that room() admits, all the time, while p1 and p2 cannot hear each
 * other; then they can. Nobody may end up refusing what others send since its own rings are full.
 */
__attribute__((unused)) static void case_no_gridlock(void **state)
{
    const struct subject *s = *state;
    for (uint16_t n = 3; n <= 7; n += 2) {
        struct stack_conf conf = quiet;
        uint64_t sent = 0, seen = 0;
        conf.flight_msgs = 256;
        conf.ring_msgs = 4096; /* twice what a receive burst can bring */
        world_start(&w, stack_find(s->stack), n, &conf);
        for (int ms = 0; ms < 150; ms++) {
            for (uint16_t p = 0; p < n; p++) {
                for (uint32_t room = co_room(layer(s, p)); room > 0 && ms < 100; room--)
                    broadcast(s, p, sent++);
                w.sim.env[p].now_ns += MS;
                world_step(&w, p);
            }
            for (int hops = 0; hops < 4; hops++) {
                while (ms < 50 && world_lose(&w, 1, 2) + world_lose(&w, 2, 1) > 0)
                    ;
                while (w.sim.flights > 0) /* a burst: all at once, then one breath of each */
                    sim_deliver(&w.sim, 0);
                for (uint16_t p = 0; p < n; p++)
                    world_step(&w, p);
                seen += w.seens;
                w.seens = 0;
            }
        }
        assert_true(sent > n * 1024u);
        assert_int_equal(seen, n * sent);
        assert_int_equal(count_all(COUNT_drop_no_room), 0);
        assert_int_equal(count_all(COUNT_drop_early), 0);
        for (uint16_t p = 0; p < n; p++)
            assert_true(co_room(layer(s, p)) > 0);
        world_end(&w);
    }
}

/* The hash sees the state: equal after equal inputs, another one after any message. */
__attribute__((unused)) static void case_show_sees_every_message(void **state)
{
    const struct subject *s = *state;
    uint64_t hash[2];
    for (int run = 0; run < 2; run++) {
        start(s, 3, 8);
        uint64_t before = stack_hash(w.st[1]);
        broadcast(s, 0, 0);
        world_settle(&w);
        hash[run] = stack_hash(w.st[1]);
        assert_true(hash[run] != before);
        world_end(&w);
    }
    assert_true(hash[0] == hash[1]);
}

__attribute__((unused)) static void case_a_copy_comes_again(void **state)
{
    const struct subject *s = *state;
    start(s, 3, 8);
    for (uint64_t k = 0; k < 20; k++) {
        struct msg m = msg_new(w.st[1], FLOW_HEADER_BYTES + 8);
        struct flow_wire *h = (void *)msg_data(m);
        memset(h, 0, m.len);
        h->kind = FLOW_DATA;
        h->origin[0] = 1;
        le64_put(h->number, k);
        broadcast(s, 1, k);
        world_settle(&w);
        for (int i = 0; i < 5; i++) {
            trigger(layer(s, 0), ev_make(EV_BEB_DELIVER, (uint16_t)(i % 3), 0, 0, m));
            world_settle(&w);
        }
        assert_int_equal(world_count_type(&w, 0, s->deliver), k + 1);
    }
    world_end(&w);
}

/* Nothing tells a crashed process from a slow one: the window bounds what it may lack. */
__attribute__((unused)) static void case_silent_is_given_up(void **state)
{
    const struct subject *s = *state;
    struct stack_conf conf = quiet;
    conf.store_msgs = 32;
    conf.give_up_ns = 50 * MS;
    world_start(&w, stack_find(s->stack), 3, &conf);
    world_crash(&w, 2);
    uint64_t sent = pump(s, 0, 0, 200);
    assert_int_equal(sent, 32);
    assert_int_equal(count_all(COUNT_given_up), 0);
    world_run(&w, 60 * MS);
    assert_int_equal(w.st[0]->counters[COUNT_given_up], 1);
    assert_int_equal(pump(s, 0, sent, 200), 200);
    for (uint64_t k = 0; k < 200; k++)
        assert_int_equal(delivered(s, 1, 0, k), 1);
    world_end(&w);
}

__attribute__((unused)) static void case_slow_is_waited_for(void **state)
{
    const struct subject *s = *state;
    struct stack_conf conf = quiet;
    conf.store_msgs = 32;
    conf.give_up_ns = 20 * MS;
    world_start(&w, stack_find(s->stack), 3, &conf);
    assert_int_equal(pump(s, 0, 0, 32), 32);
    for (uint64_t k = 32; k < 60; k++)
        broadcast(s, 0, k);
    cut_off(s, 2, 200, 10);
    assert_int_equal(w.st[0]->counters[COUNT_given_up], 0);
    assert_true(co_room(layer(s, 0)) <= 4);
    heal();
    for (uint64_t k = 0; k < 60; k++)
        assert_int_equal(delivered(s, 2, 0, k), 1);
    assert_int_equal(count_all(COUNT_drop_early), 0);
    world_end(&w);
}

__attribute__((unused)) static void case_given_up_too_early(void **state)
{
    const struct subject *s = *state;
    struct stack_conf conf = quiet;
    conf.store_msgs = 32;
    conf.give_up_ns = 20 * MS;
    world_start(&w, stack_find(s->stack), 3, &conf);
    for (uint64_t k = 0; k < 32; k++)
        broadcast(s, 0, k);
    cut_off(s, 2, 60, 0);
    assert_int_equal(w.st[0]->counters[COUNT_given_up], 1);
    heal();
    assert_int_equal(pump(s, 0, 32, 200), 200);
    for (uint64_t k = 0; k < 200; k++)
        assert_int_equal(delivered(s, 2, 0, k), 1);
    assert_int_equal(count_all(COUNT_drop_early), 0);
    world_crash(&w, 2);
    assert_true(pump(s, 0, 200, 400) < 400); /* again it is one of those that it waits for */
    world_end(&w);
}

__attribute__((unused)) static void case_P_frees_sources(void **state)
{
    const struct subject *s = *state;
    start(s, 3, 32);
    world_crash(&w, 2);
    uint64_t sent = pump(s, 0, 0, 200);
    assert_int_equal(sent, 32);
    detect(s, 2);
    world_run(&w, MS);
    assert_int_equal(pump(s, 0, sent, 200), 200);
    for (uint64_t k = 0; k < 200; k++)
        assert_int_equal(delivered(s, 1, 0, k), 1);
    world_end(&w);
}

/* Nobody is given up for silence; what P says is enough for the links, too. */
__attribute__((unused)) static void case_P_frees_links(void **state)
{
    const struct subject *s = *state;
    struct stack_conf conf = quiet;
    conf.heartbeat_ns = MS;
    conf.detect_ns = 5 * MS;
    conf.flight_msgs = 64;
    conf.ring_msgs = 256;
    conf.store_msgs = 32;
    world_start(&w, stack_find(s->stack), 3, &conf);
    world_crash(&w, 2);
    uint64_t sent = pump(s, 0, 0, 2000);
    world_run(&w, 20 * MS);
    assert_int_equal(pump(s, 0, sent, 2000), 2000);
    assert_int_equal(world_count_type(&w, 1, s->deliver), 2000);
    world_end(&w);
}

__attribute__((unused)) static void case_P_itself_detects(void **state)
{
    const struct subject *s = *state;
    struct stack_conf conf = {.heartbeat_ns = 2 * MS,
                              .detect_ns = 10 * MS,
                              .rto_max_ns = 4 * MS,
                              .store_msgs = 8};
    uint64_t sent[7] = {1};
    world_start(&w, stack_find(s->stack), 3, &conf);
    world_run(&w, 10 * MS);
    broadcast(s, 0, 0);
    world_step(&w, 0);
    world_lose(&w, 0, 2);
    world_crash(&w, 0);
    world_run(&w, 40 * MS);
    assert_int_equal(delivered(s, 1, 0, 0), 1);
    assert_int_equal(delivered(s, 2, 0, 0), 1);
    judge(s, sent);
    world_end(&w);
}

#endif
