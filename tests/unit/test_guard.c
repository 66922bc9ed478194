/* SPDX-License-Identifier: BSD-3-Clause */
/* Guarded handlers and their rewriting in three steps (protocols/guard.h). */
#include "harness.h"

#include "protocols/guard.h"
#include "protocols/links/links.h"
#include "protocols/random.h"

#define MSGS    60
#define SENDERS 3

static struct world w;

/*
 * CGR Algorithm 2.11 as the book has it, guard and all: pending is a set, and after each event the
 * handler "upon exists (p, m, sn) ∈ pending such that sn = next[p]" runs as long as it can.
 */
struct literal {
    struct co co;
    uint64_t next[SENDERS];
    struct ev pending[SENDERS * MSGS];
    uint32_t pendings;
};

static size_t literal_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct literal);
}

static uint64_t number_of(const struct ev *e)
{
    return le64_get(msg_data(ev_msg(e)) + 8);
}

static bool exists_next(struct literal *s)
{
    for (uint32_t i = 0; i < s->pendings; i++) {
        struct ev e = s->pending[i];
        if (number_of(&e) != s->next[e.proc])
            continue;
        s->pending[i] = s->pending[--s->pendings];
        s->next[e.proc]++;
        struct msg m = ev_msg(&e);
        msg_pull(&m, 16);
        trigger(s->co.user[0], ev_make(EV_FPL_DELIVER, e.proc, 0, 0, m));
        return true;
    }
    return false;
}

static void literal_pl_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct literal *s = (struct literal *)self;
    for (uint32_t i = 0; i < n; i++) {
        msg_hold(ev_msg(&ev[i])); /* until the process ends: a test may */
        s->pending[s->pendings++] = ev[i];
        while (exists_next(s))
            ;
    }
}

static void literal_fpl_send(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)self, (void)ev, (void)n;
}

static co_upon_fn *const literal_upon[EV_TYPES] =
    {[EV_PL_DELIVER] = literal_pl_deliver, [EV_FPL_SEND] = literal_fpl_send};

static const struct co_class literal_class = {.name = "fpl_literal",
                                              .title = "sequence number, with its guard",
                                              .implements = ABS_FPL,
                                              .uses = {ABS_PL},
                                              .bytes = literal_bytes,
                                              .upon = literal_upon};

/* Feed p0 all messages of all senders, in an order and in portions drawn from `seed`. */
static uint32_t run(const struct co_class *cls, uint64_t seed, struct seen *seen)
{
    const struct stack_def def = {
        .name = "guard",
        .top = "fpl",
        .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                               {"fpl", cls, {"pl"}},
                                               {0}},
    };
    struct random r = random_seeded(seed, 0);
    struct stack_conf conf = {.flight_msgs = 16,
                              .ring_msgs = 64,
                              .batch_events = 1 + random_below(&r, 64)};
    uint32_t left[SENDERS * MSGS], lefts = 0;
    world_start(&w, &def, SENDERS, &conf);
    for (uint32_t i = 0; i < SENDERS * MSGS; i++)
        left[lefts++] = i;
    struct rte_mbuf *made[SENDERS * MSGS];
    for (uint32_t i = 0; lefts > 0; i++) {
        uint32_t k = random_below(&r, lefts), what = left[k];
        left[k] = left[--lefts];
        struct msg m = msg_new(w.st[0], 24);
        memset(msg_data(m), 0, 24);
        le32_put(msg_data(m), 1);
        msg_data(m)[4] = (uint8_t)w.st[0]->app->port;
        le64_put(msg_data(m) + 8, what / SENDERS);
        le64_put(msg_data(m) + 16, what);
        made[i] = m.seg;
        trigger(stack_co(w.st[0], "fpl"),
                ev_make(EV_PL_DELIVER, (uint16_t)(what % SENDERS), 0, 0, m));
        if (random_below(&r, 4) == 0)
            world_step(&w, 0);
    }
    world_step(&w, 0);
    uint32_t seens = w.seens;
    memcpy(seen, w.seen, seens * sizeof seen[0]);
    if (cls == &literal_class)
        for (uint32_t i = 0; i < SENDERS * MSGS; i++)
            rte_pktmbuf_free_seg(made[i]);
    world_end(&w);
    return seens;
}

static void test_guarded_and_rewritten_handlers_give_equal_traces(void **state)
{
    (void)state;
    static struct seen guarded[SEEN_MAX], rewritten[SEEN_MAX];
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint32_t a = run(&literal_class, seed, guarded);
        uint32_t b = run(&fpl_sequence_number_class, seed, rewritten);
        assert_int_equal(a, SENDERS * MSGS);
        assert_int_equal(b, SENDERS * MSGS);
        /* Senders are independent: their order among each other is the schedule's. */
        for (uint16_t p = 0; p < SENDERS; p++)
            for (uint32_t i = 0, k = 0; i < a; i++) {
                if (guarded[i].proc != p)
                    continue;
                while (rewritten[k].proc != p)
                    k++;
                assert_memory_equal(&guarded[i], &rewritten[k], sizeof guarded[0]);
                k++;
            }
    }
}

static struct ev event(uint64_t inst)
{
    return ev_make(EV_PL_DELIVER, 0, inst, 0, MSG_NONE);
}

static void test_events_are_held_by_key_and_then_by_arrival(void **state)
{
    (void)state;
    static const uint64_t keys[] = {5, 2, 9, 2, 5, 0, 9, 2};
    static const uint64_t order[] = {5, 1, 3, 7, 0, 4, 2, 6};
    struct guard_row rows[8];
    struct guard g;
    world_start(&w, stack_find("pl"), 1, NULL);
    guard_init(&g, rows, 8);
    assert_null(guard_first(&g));
    for (uint64_t i = 0; i < 8; i++) {
        struct ev e = event(i);
        assert_true(guard_hold(&g, keys[i], &e));
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(guard_first(&g)->key, keys[order[i]]);
        assert_int_equal(guard_take(w.st[0]->co[0], &g).inst, order[i]);
    }
    assert_null(guard_first(&g));
    world_end(&w);
}

static void test_the_store_is_bounded_and_taken_events_count_until_the_flush(void **state)
{
    (void)state;
    struct guard_row rows[4];
    struct guard g;
    world_start(&w, stack_find("pl"), 1, NULL);
    guard_init(&g, rows, 4);
    for (uint64_t round = 0; round < 100; round++) {
        for (uint64_t i = 0; i < 4; i++) {
            struct ev e = event(i);
            e.seg = world_msg(&w, 0, i, 8).seg;
            assert_int_equal(guard_hold(&g, round, &e), round == 0 || i < 2);
        }
        guard_take(w.st[0]->co[0], &g);
        guard_take(w.st[0]->co[0], &g);
        struct ev e = event(9);
        assert_false(guard_hold(&g, round, &e));
        guard_flush(&g);
        assert_int_equal(guard_held(&g), 2);
    }
    guard_fini(&g);
    assert_int_equal(guard_held(&g), 0);
    world_end(&w); /* and no packet is missing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guarded_and_rewritten_handlers_give_equal_traces),
        cmocka_unit_test(test_events_are_held_by_key_and_then_by_arrival),
        cmocka_unit_test(test_the_store_is_bounded_and_taken_events_count_until_the_flush),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
