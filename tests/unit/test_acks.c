/* SPDX-License-Identifier: BSD-3-Clause */
/* Who has relayed what: rows, floors and quorums, at their edges. */
#include "harness.h"

#include "protocols/broadcast/acks.h"

#define MS    1000000u
#define N     5u
#define ME    2u
#define STORE 8u
#define ALL   (flow_everybody(N))

static struct world w;
static struct acks *a;

/* The store of p2 among five, with 8 rows for each origin, all of which are its window. */
static void begin(uint32_t quorum)
{
    const struct stack_conf conf = {.store_msgs = STORE, .give_up_ns = 10 * MS};
    world_start(&w, stack_find("rb_eager"), N, &conf);
    a = acks_of(stack_co(w.st[ME], "rb"));
    a->quorum = quorum;
    assert_int_equal(a->flow.window, STORE);
}

static void end(void)
{
    acks_check(&a->co);
    world_end(&w);
}

/* p relays number k of p0: how many have now, if it is new. */
static uint32_t add(uint16_t p, uint64_t k)
{
    return acks_add(a, p, (struct flow_id){k, 0, FLOW_DATA});
}

static void done(uint64_t k)
{
    acks_done(a, (struct flow_id){k, 0, FLOW_DATA});
}

static void add_all(uint64_t k)
{
    for (uint16_t p = 0; p < N; p++)
        assert_int_equal(add(p, k), p + 1u);
    done(k);
}

/* Floors that were told and wait in beb's inbox. */
static uint32_t told(void)
{
    return a->co.use[0]->tail - a->co.use[0]->head;
}

static void test_each_relay_counts_once(void **state)
{
    (void)state;
    begin(3);
    assert_int_equal(add(4, 0), 1);
    assert_int_equal(add(4, 0), 0);
    assert_int_equal(add(0, 0), 2);
    assert_int_equal(add(1, 0), 3); /* the quorum */
    assert_int_equal(add(0, 0), 0);
    assert_int_equal(add(ME, 0), 4);
    assert_int_equal(a->origin[0].top, 1);
    end();
}

static void test_a_message_is_finished_by_all_and_by_a_quorum(void **state)
{
    (void)state;
    begin(3);
    assert_false(acks_finished(a, 0));
    assert_false(acks_finished(a, ALL & ~1ull));
    assert_true(acks_finished(a, ALL));
    a->relayers = 4; /* the others were given up: a quorum is needed all the same */
    assert_false(acks_finished(a, 4));
    assert_false(acks_finished(a, 4 | 1));
    assert_true(acks_finished(a, 4 | 1 | 16));
    assert_false(acks_finished(a, 1 | 2 | 16));
    a->relayers = ALL;
    end();
}

static void test_a_floor_stops_at_the_first_that_is_open(void **state)
{
    (void)state;
    begin(1);
    add_all(1);
    add_all(2);
    assert_int_equal(a->origin[0].floor, 0);
    assert_int_equal(a->origin[0].top, 3);
    assert_int_equal(add(4, 3), 1);
    add_all(0);
    assert_int_equal(a->origin[0].floor, 3); /* over those behind it, too */
    assert_int_equal(add(1, 0), 0);          /* finished: what still comes of it is ignored */
    assert_int_equal(add(1, 3), 2);
    end();
}

static void test_rows_are_used_again_around_the_table(void **state)
{
    (void)state;
    begin(1);
    for (uint64_t k = 0; k < 5 * STORE + 3; k++) {
        assert_int_equal(add(1, k + STORE), 0); /* beyond the window */
        assert_int_equal(w.st[ME]->counters[COUNT_drop_early], k + 1);
        add_all(k);
        assert_int_equal(a->origin[0].floor, k + 1);
        acks_check(&a->co);
    }
    world_step(&w, ME);
    world_settle(&w);
    end();
}

static void test_a_full_window_finishes_at_once(void **state)
{
    (void)state;
    begin(1);
    for (uint64_t k = STORE; k-- > 1;)
        add_all(k);
    acks_check(&a->co);
    assert_int_equal(a->origin[0].floor, 0);
    assert_int_equal(add(0, STORE), 0);
    add_all(0);
    assert_int_equal(a->origin[0].floor, STORE);
    assert_int_equal(add(0, STORE), 1);
    world_step(&w, ME);
    world_settle(&w);
    end();
}

/* A quarter of the window between two tellings: 2 of 8. */
static void test_a_floor_is_told_now_and_then(void **state)
{
    (void)state;
    begin(1);
    add_all(0);
    assert_int_equal(told(), 0);
    add_all(1);
    assert_int_equal(told(), 1);
    assert_int_equal(a->origin[0].told, 2);
    add_all(2);
    assert_int_equal(told(), 1);
    world_step(&w, ME);
    world_settle(&w);
    end();
}

static void test_our_own_floor_opens_our_window_and_is_told_to_nobody(void **state)
{
    (void)state;
    begin(1);
    a->flow.next = 4;
    for (uint64_t k = 0; k < 4; k++) {
        const struct flow_id id = {k, ME, FLOW_DATA};
        for (uint16_t p = 0; p < N; p++)
            assert_int_equal(acks_add(a, p, id), p + 1u);
        acks_done(a, id);
        assert_int_equal(a->flow.floor[ME], k + 1);
    }
    assert_int_equal(told(), 0);
    assert_int_equal(acks_add(a, 0, (struct flow_id){4, ME, FLOW_DATA}), 0); /* never sent */
    assert_int_equal(w.st[ME]->counters[COUNT_drop_message], 1);
    end();
}

/* From half of an origin's window on, who lacks its oldest is watched, and given up for silence. */
static void test_the_silent_are_waited_for_no_more_as_relayers(void **state)
{
    (void)state;
    begin(1);
    for (uint64_t k = 0; k < 4; k++) {
        assert_int_equal(add(0, k), 1);
        assert_int_equal(add(1, k), 2);
        assert_int_equal(add(ME, k), 3);
    }
    assert_false(timer_armed(&a->flow.alarm)); /* half is 4 behind the floor */
    assert_int_equal(add(0, 4), 1);
    assert_true(timer_armed(&a->flow.alarm));
    timer_cancel(&a->co.st->wheel, &a->flow.alarm);
    a->flow.heard = 8;
    acks_upon_timeout(&a->co, NULL, 0);
    assert_int_equal(a->relayers, ALL & ~16ull);
    assert_int_equal(a->origin[0].floor, 0);
    assert_true(timer_armed(&a->flow.alarm)); /* for p3, who was heard of */
    timer_cancel(&a->co.st->wheel, &a->flow.alarm);
    a->flow.heard = 0;
    acks_upon_timeout(&a->co, NULL, 0);
    assert_int_equal(a->relayers, 1 | 2 | 4);
    assert_int_equal(w.st[ME]->counters[COUNT_given_up], 2); /* each once */
    assert_int_equal(a->origin[0].floor, 4); /* of the fifth only one relay is here */
    assert_false(timer_armed(&a->flow.alarm));
    world_step(&w, ME);
    world_settle(&w);
    end();
}

static void test_nobody_is_watched_where_nobody_is_given_up(void **state)
{
    (void)state;
    begin(1);
    a->co.st->conf.give_up_ns = UINT64_MAX;
    for (uint64_t k = 0; k < STORE; k++)
        add(0, k);
    assert_false(timer_armed(&a->flow.alarm));
    end();
}

static void test_room_is_ours_or_that_below(void **state)
{
    (void)state;
    begin(1);
    assert_int_equal(acks_room(&a->co), STORE);
    a->flow.next = 3;
    assert_int_equal(acks_room(&a->co), STORE - 3);
    a->flow.window = 1u << 30;
    assert_int_equal(acks_room(&a->co), co_room(a->co.use[0]));
    a->flow.window = STORE;
    end();
}

/* ---- what an observer is told ---------------------------------------------------------------- */

static void test_the_oldest_message_that_is_open_says_whom_it_waits_for(void **state)
{
    (void)state;
    static struct co_post post;
    begin(3);
    acks_post(&a->co, &post);
    assert_int_equal(post.waits, 0);
    add(0, 0);
    add(1, 0);
    add(4, 0); /* delivered: it waits for all */
    add(0, 1);
    acks_post(&a->co, &post);
    assert_int_equal(post.waits, 1);
    assert_int_equal(post.wait[0].kind, POST_ALL);
    assert_int_equal(post.wait[0].open, 2);
    assert_int_equal(post.wait[0].origin, 0);
    assert_int_equal(post.wait[0].oldest, 0);
    assert_int_equal(post.wait[0].have, 1 | 2 | 16);
    assert_int_equal(post.wait[0].missing, 4 | 8);
    assert_int_equal(post.wait[0].need, N);
    acks_add(a, 3, (struct flow_id){0, 3, FLOW_DATA}); /* not delivered: that comes first */
    post.waits = 0;
    acks_post(&a->co, &post);
    assert_int_equal(post.wait[0].kind, POST_QUORUM);
    assert_int_equal(post.wait[0].open, 3);
    assert_int_equal(post.wait[0].origin, 3);
    assert_int_equal(post.wait[0].have, 8);
    assert_int_equal(post.wait[0].missing, ALL & ~8ull);
    assert_int_equal(post.wait[0].need, 3);
    a->flow.next = 1; /* and of two such ours */
    acks_add(a, ME, (struct flow_id){0, ME, FLOW_DATA});
    post.waits = 0;
    acks_post(&a->co, &post);
    assert_int_equal(post.wait[0].origin, ME);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_relay_counts_once),
        cmocka_unit_test(test_a_message_is_finished_by_all_and_by_a_quorum),
        cmocka_unit_test(test_a_floor_stops_at_the_first_that_is_open),
        cmocka_unit_test(test_rows_are_used_again_around_the_table),
        cmocka_unit_test(test_a_full_window_finishes_at_once),
        cmocka_unit_test(test_a_floor_is_told_now_and_then),
        cmocka_unit_test(test_our_own_floor_opens_our_window_and_is_told_to_nobody),
        cmocka_unit_test(test_the_silent_are_waited_for_no_more_as_relayers),
        cmocka_unit_test(test_nobody_is_watched_where_nobody_is_given_up),
        cmocka_unit_test(test_room_is_ours_or_that_below),
        cmocka_unit_test(test_the_oldest_message_that_is_open_says_whom_it_waits_for),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
