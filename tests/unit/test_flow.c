/* SPDX-License-Identifier: BSD-3-Clause */
/* Names and windows of broadcasts, at their edges. */
#include "harness.h"

#include <string.h>

#include "protocols/broadcast/acks.h"

#define MS     1000000u
#define ME     2u /* of five processes */
#define OTHERS (flow_everybody(5) & ~(1ull << ME))

static struct world w;
static struct co *co;
static struct flow f;

/* A flow of our own, of a process with this window. */
static void begin(uint32_t window)
{
    const struct stack_conf conf = {.give_up_ns = 10 * MS};
    world_start(&w, stack_find("rb_eager"), 5, &conf);
    co = stack_co(w.st[ME], "rb");
    f = (struct flow){0};
    flow_init(co, &f);
    f.window = window;
}

static void end(void)
{
    if (timer_armed(&f.alarm))
        timer_cancel(&co->st->wheel, &f.alarm);
    world_end(&w);
}

static uint64_t counted(enum counter c)
{
    return co->st->counters[c];
}

static void test_the_window_is_a_share_of_the_ring_and_no_more_than_the_store(void **state)
{
    (void)state;
    static const struct {
        uint32_t ring, store, window;
    } cases[] = {{1024, 1024, 51}, {1024, 16, 16}, {1024, 51, 51}, {20, 16, 1}, {16, 16, 1}};
    begin(1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        co->st->conf.ring_msgs = cases[i].ring;
        co->st->conf.store_msgs = cases[i].store;
        flow_init(co, &f);
        assert_int_equal(f.window, cases[i].window);
        assert_int_equal(f.waited, flow_everybody(5));
    }
    end();
}

static void test_sets_of_one_and_of_all_processes(void **state)
{
    (void)state;
    static const uint64_t floor[PSET_PROCS] = {[0] = 7, [5] = 3, [63] = 4};
    assert_int_equal(flow_everybody(1), 1);
    assert_true(flow_everybody(64) == UINT64_MAX);
    assert_true(flow_lowest(floor, 0) == UINT64_MAX);
    assert_int_equal(flow_lowest(floor, 1), 7);
    assert_int_equal(flow_lowest(floor, 1ull << 63), 4);
    assert_int_equal(flow_lowest(floor, 1ull << 63 | 1ull << 5 | 1), 3);
    assert_int_equal(flow_lowest(floor, UINT64_MAX), 0);
}

static void test_room_is_what_the_slowest_leaves(void **state)
{
    (void)state;
    begin(8);
    assert_int_equal(flow_room(&f), 8);
    f.next = 8;
    assert_int_equal(flow_room(&f), 0);
    for (int p = 0; p < 5; p++)
        f.floor[p] = 8;
    f.floor[4] = 3;
    assert_int_equal(flow_room(&f), 3);
    flow_crashed(&f, 4);
    assert_int_equal(flow_room(&f), 8);
    f.waited |= 1ull << 4; /* as far behind as nobody may be: no sum wraps */
    f.floor[4] = 0;
    f.next = 9;
    assert_int_equal(flow_room(&f), 0);
    f.next = FLOW_NUMBER_MAX - 1;
    assert_int_equal(flow_room(&f), 0);
    for (int p = 0; p < 5; p++)
        f.floor[p] = FLOW_NUMBER_MAX - 1;
    assert_int_equal(flow_room(&f), 8);
    end();
}

static void test_a_floor_only_rises_and_not_beyond_what_was_sent(void **state)
{
    (void)state;
    begin(8);
    f.next = 5;
    flow_told(co, &f, 1, 5);
    assert_int_equal(f.floor[1], 5);
    flow_told(co, &f, 1, 3); /* overtaken on its way */
    assert_int_equal(f.floor[1], 5);
    assert_int_equal(counted(COUNT_drop_message), 0);
    flow_told(co, &f, 1, 6);
    flow_told(co, &f, 3, UINT64_MAX);
    assert_int_equal(f.floor[1], 5);
    assert_int_equal(f.floor[3], 0);
    assert_int_equal(counted(COUNT_drop_message), 2);
    end();
}

static void test_who_was_given_up_is_waited_for_again_inside_the_window_only(void **state)
{
    (void)state;
    begin(8);
    f.next = 20;
    f.waited = flow_everybody(5) & ~2ull;
    f.given_up = 2;
    flow_told(co, &f, 1, 11); /* 9 are open: it lacks one for good */
    assert_int_equal(f.given_up, 2);
    assert_false(f.waited & 2);
    flow_told(co, &f, 1, 12);
    assert_int_equal(f.given_up, 0);
    assert_true(f.waited & 2);
    f.waited &= ~1ull; /* crashed, as P says: not given up */
    flow_told(co, &f, 0, 20);
    assert_false(f.waited & 1);
    end();
}

static void test_laggards_keep_half_of_the_window(void **state)
{
    (void)state;
    begin(5);
    f.next = 2; /* of 5, half is 3 */
    assert_int_equal(flow_laggards(co, &f), 0);
    f.next = 3;
    assert_int_equal(flow_laggards(co, &f), OTHERS); /* never ourselves */
    f.floor[0] = 1;
    flow_crashed(&f, 4);
    assert_int_equal(flow_laggards(co, &f), OTHERS & ~1ull & ~16ull);
    f.window = 1; /* one open message is half, none is not */
    assert_int_equal(flow_laggards(co, &f), OTHERS & ~16ull);
    f.floor[0] = f.floor[1] = f.floor[3] = 3;
    assert_int_equal(flow_laggards(co, &f), 0);
    end();
}

static void test_a_watch_begins_once_and_only_where_somebody_is_late(void **state)
{
    (void)state;
    begin(8);
    flow_watch(co, &f, 0);
    assert_false(timer_armed(&f.alarm));
    f.heard = 8;
    flow_watch(co, &f, 2);
    assert_true(timer_armed(&f.alarm));
    assert_int_equal(f.heard, 0);
    f.heard = 2;
    flow_watch(co, &f, 2); /* it is being done: what was heard stays */
    assert_int_equal(f.heard, 2);
    timer_cancel(&co->st->wheel, &f.alarm);
    co->st->conf.give_up_ns = UINT64_MAX;
    flow_watch(co, &f, 2);
    assert_false(timer_armed(&f.alarm));
    end();
}

static void test_the_silent_are_given_up_and_the_late_watched_again(void **state)
{
    (void)state;
    begin(8);
    f.heard = 1 | 8; /* p3 is not late */
    assert_int_equal(flow_timeout(co, &f, 1 | 2 | 16), 2 | 16);
    assert_int_equal(f.given_up, 2 | 16);
    assert_int_equal(f.waited, 1 | 4 | 8);
    assert_int_equal(counted(COUNT_given_up), 2);
    assert_true(timer_armed(&f.alarm)); /* for p0 */
    assert_int_equal(f.heard, 0);
    timer_cancel(&co->st->wheel, &f.alarm);
    flow_crashed(&f, 0);
    assert_int_equal(flow_timeout(co, &f, 1), 1); /* silent, but not waited for: crashed, P says */
    assert_int_equal(f.given_up, 2 | 16);
    assert_false(timer_armed(&f.alarm));
    flow_check(co, &f);
    end();
}

/* ---- headers --------------------------------------------------------------------------------- */

/* A message with this header in front of `bytes` of payload. */
static struct msg headed(uint8_t kind, uint8_t reserved, uint16_t origin, uint64_t number,
                         uint32_t bytes)
{
    struct msg m = world_msg(&w, ME, 0, FLOW_HEADER_BYTES + bytes);
    struct flow_wire *wire = (struct flow_wire *)msg_data(m);
    memset(wire, 0, FLOW_HEADER_BYTES + bytes);
    wire->kind = kind;
    wire->reserved = reserved;
    le16_put(wire->origin, origin);
    le64_put(wire->number, number);
    return m;
}

static bool reads(struct msg m)
{
    struct flow_id id;
    return flow_decode(co, &m, &id);
}

static void test_a_header_is_read_or_dropped_and_counted(void **state)
{
    (void)state;
    begin(8);
    struct msg m = headed(FLOW_DATA, 0, 4, FLOW_NUMBER_MAX - 1, 16), bare = m;
    struct flow_id id;
    assert_true(flow_decode(co, &m, &id));
    assert_int_equal(id.kind, FLOW_DATA);
    assert_int_equal(id.origin, 4);
    assert_true(id.number == FLOW_NUMBER_MAX - 1);
    assert_int_equal(m.len, 16);
    assert_true(reads(headed(FLOW_DATA, 0, 0, 0, 0)));
    assert_true(reads(headed(FLOW_FLOOR, 0, 0, 0, 0)));
    assert_int_equal(counted(COUNT_drop_message), 0);
    assert_false(reads(headed(FLOW_DATA, 0, 5, 0, 8)));
    assert_false(reads(headed(FLOW_DATA, 0, 0, FLOW_NUMBER_MAX, 8)));
    assert_false(reads(headed(FLOW_DATA, 1, 0, 0, 8)));
    assert_false(reads(headed(0, 0, 0, 0, 8)));
    assert_false(reads(headed(FLOW_FLOOR + 1, 0, 0, 0, 8)));
    assert_false(reads(headed(FLOW_FLOOR, 0, 0, 0, 1))); /* a floor has no payload */
    bare.len = FLOW_HEADER_BYTES - 1;
    assert_false(reads(bare));
    assert_int_equal(counted(COUNT_drop_message), 7);
    end();
}

static bool has_row(uint16_t origin, uint64_t number, uint64_t floor)
{
    return flow_has_row(co, &f, (struct flow_id){number, origin, FLOW_DATA}, floor);
}

static void test_a_number_has_a_row_inside_the_window_alone(void **state)
{
    (void)state;
    begin(8);
    assert_true(has_row(0, 100, 100));
    assert_true(has_row(0, 107, 100));
    assert_false(has_row(0, 99, 100)); /* finished: nothing is wrong with it */
    assert_false(has_row(0, 0, 100));
    assert_int_equal(counted(COUNT_drop_early), 0);
    assert_false(has_row(0, 108, 100));
    assert_false(has_row(0, FLOW_NUMBER_MAX - 1, 0));
    assert_int_equal(counted(COUNT_drop_early), 2);
    assert_true(has_row(0, FLOW_NUMBER_MAX - 1, FLOW_NUMBER_MAX - 8));
    f.next = 3;
    assert_true(has_row(ME, 2, 0));
    assert_int_equal(counted(COUNT_drop_message), 0);
    assert_false(has_row(ME, 3, 0)); /* ours, and never sent */
    assert_int_equal(counted(COUNT_drop_message), 1);
    end();
}

/* What our flow hands to beb, in words. */
static const char *handed(uint32_t i)
{
    static char text[80];
    const struct co *beb = co->use[0];
    assert_in_range(i, 0, beb->tail - beb->head - 1);
    const struct ev *e = &beb->inbox[beb->head + i];
    assert_int_equal(e->type, EV_BEB_BROADCAST);
    assert_true(flow_tell(ev_msg(e), text, sizeof text) > 0);
    return text;
}

static void test_messages_are_numbered_and_told_in_words(void **state)
{
    (void)state;
    begin(8);
    struct flow *own = &acks_of(co)->flow;
    const struct ev ev[] = {
        ev_make(EV_RB_BROADCAST, 0, 0, 0, world_msg(&w, ME, 77, 8)),
        ev_make(EV_RB_BROADCAST, 0, 0, 0, world_msg(&w, ME, 78, 9)),
    };
    flow_broadcast(co, own, co->use[0], ev, 2);
    flow_broadcast(co, own, co->use[0], ev, 0);
    flow_tell_floor(co, co->use[0], 4, 12345678901);
    assert_int_equal(own->next, 2);
    assert_string_equal(handed(0), "[DATA p2 0 77]");
    assert_string_equal(handed(1), "[DATA p2 1 9B]");
    assert_string_equal(handed(2), "[FLOOR p4 12345678901]");
    world_step(&w, ME);
    world_settle(&w);
    for (uint16_t p = 0; p < 5; p++)
        assert_int_equal(world_count(&w, p, EV_RB_DELIVER, ME, 77), 1);
    end();
}

static void test_what_is_no_message_of_ours_has_no_words(void **state)
{
    (void)state;
    char text[80];
    begin(8);
    struct msg m = headed(FLOW_DATA, 0, 0, 0, 0);
    assert_int_equal(flow_tell(headed(0, 0, 0, 0, 8), text, sizeof text), -1);
    assert_int_equal(flow_tell(headed(FLOW_FLOOR + 1, 0, 0, 0, 8), text, sizeof text), -1);
    assert_true(flow_tell(m, text, sizeof text) > 0);
    assert_string_equal(text, "[DATA p0 0 0]");
    m.len = FLOW_HEADER_BYTES - 1;
    assert_int_equal(flow_tell(m, text, sizeof text), -1);
    end();
}

/* ---- what an observer is told ---------------------------------------------------------------- */

static void test_a_window_that_is_half_open_says_who_keeps_it_so(void **state)
{
    (void)state;
    static struct co_post post;
    begin(8);
    f.next = 3;
    flow_post(co, &f, &post);
    assert_int_equal(post.waits, 0);
    f.next = 6;
    f.floor[ME] = f.floor[0] = 6;
    f.floor[1] = 3; /* 3 of 8 are open to it */
    f.floor[3] = 2;
    f.floor[4] = 1;
    flow_post(co, &f, &post);
    assert_int_equal(post.waits, 1);
    const struct post_wait *wait = &post.wait[0];
    assert_int_equal(wait->kind, POST_WINDOW);
    assert_int_equal(wait->open, 5);
    assert_int_equal(wait->origin, ME);
    assert_int_equal(wait->oldest, 1);
    assert_int_equal(wait->missing, 8 | 16);
    assert_int_equal(wait->have, 1 | 2 | 4);
    assert_int_equal(wait->need, 5);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_window_is_a_share_of_the_ring_and_no_more_than_the_store),
        cmocka_unit_test(test_sets_of_one_and_of_all_processes),
        cmocka_unit_test(test_room_is_what_the_slowest_leaves),
        cmocka_unit_test(test_a_floor_only_rises_and_not_beyond_what_was_sent),
        cmocka_unit_test(test_who_was_given_up_is_waited_for_again_inside_the_window_only),
        cmocka_unit_test(test_laggards_keep_half_of_the_window),
        cmocka_unit_test(test_a_watch_begins_once_and_only_where_somebody_is_late),
        cmocka_unit_test(test_the_silent_are_given_up_and_the_late_watched_again),
        cmocka_unit_test(test_a_header_is_read_or_dropped_and_counted),
        cmocka_unit_test(test_a_number_has_a_row_inside_the_window_alone),
        cmocka_unit_test(test_messages_are_numbered_and_told_in_words),
        cmocka_unit_test(test_what_is_no_message_of_ours_has_no_words),
        cmocka_unit_test(test_a_window_that_is_half_open_says_who_keeps_it_so),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
