/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process says to an observer: whom its operations wait for, what its links hold. */
#include "harness.h"

#include "protocols/post.h"

#define MS 1000000ull

static struct world w;
static struct co_post post;

static const struct post_wait *wait_of(uint16_t p, const char *layer)
{
    stack_post(w.st[p], &post);
    for (uint64_t i = 0; i < post.waits; i++)
        if (strcmp(w.st[p]->co[post.wait[i].layer]->name, layer) == 0)
            return &post.wait[i];
    return NULL;
}

static void test_consensus_cut_from_a_majority_names_the_quorum_and_who_is_missing(void **state)
{
    (void)state;
    world_start(&w, stack_find("uc"), 3, NULL);
    world_run(&w, MS);
    world_crash(&w, 1);
    world_crash(&w, 2);
    world_request(&w, 0, EV_UC_PROPOSE, 0, 0, world_msg(&w, 0, 7, 8));
    world_request(&w, 0, EV_UC_PROPOSE, 0, 1, world_msg(&w, 0, 8, 8));
    world_step(&w, 0);
    world_settle(&w);
    const struct post_wait *wait = wait_of(0, "ep");
    assert_non_null(wait);
    assert_int_equal(wait->kind, POST_QUORUM);
    assert_int_equal(wait->need, 2);
    assert_int_equal(wait->have, 1);
    assert_int_equal(wait->missing, 6);
    assert_int_equal(wait->open, 2);
    assert_int_equal(wait->oldest, 0);
    assert_int_equal(wait->origin, NOBODY_POSTED);
    assert_true(post.have & POST_EPOCH);
    assert_int_equal(post.leader, 0);
    world_end(&w);
}

static void test_consensus_that_decides_waits_for_nobody(void **state)
{
    (void)state;
    world_start(&w, stack_find("uc"), 3, NULL);
    world_request(&w, 0, EV_UC_PROPOSE, 0, 0, world_msg(&w, 0, 7, 8));
    world_settle(&w);
    world_run(&w, 2 * MS);
    for (uint16_t p = 0; p < 3; p++) {
        assert_null(wait_of(p, "ep"));
        assert_null(wait_of(p, "uc"));
    }
    world_end(&w);
}

static void test_a_proposal_forwarded_to_a_silent_leader_waits_for_it(void **state)
{
    (void)state;
    const struct stack_conf conf = {.forward = true};
    world_start(&w, stack_find("uc"), 3, &conf);
    world_crash(&w, 0);
    world_request(&w, 1, EV_UC_PROPOSE, 0, 0, world_msg(&w, 1, 7, 8));
    world_step(&w, 1);
    const struct post_wait *wait = wait_of(1, "uc");
    assert_non_null(wait);
    assert_int_equal(wait->kind, POST_LEADER);
    assert_int_equal(wait->missing, 1);
    world_end(&w);
}

static void test_a_new_leader_without_a_majority_waits_to_read_from_one(void **state)
{
    (void)state;
    world_start(&w, stack_find("uc"), 5, NULL);
    world_run(&w, MS);
    world_crash(&w, 0);
    world_crash(&w, 2);
    world_crash(&w, 3);
    world_request(&w, 1, EV_UC_PROPOSE, 0, 0, world_msg(&w, 1, 7, 8));
    world_run(&w, 20 * w.st[1]->conf.detect_ns);
    const struct post_wait *wait = wait_of(1, "ep");
    assert_non_null(wait);
    assert_int_equal(wait->kind, POST_READ);
    assert_int_equal(wait->have, 1 << 1 | 1 << 4);
    assert_int_equal(wait->missing, 1 << 0 | 1 << 2 | 1 << 3);
    assert_int_equal(wait->need, 3);
    assert_int_equal(post.trusted, 1);
    assert_int_equal(post.suspected, 1 << 0 | 1 << 2 | 1 << 3);
    world_end(&w);
}

static void test_uniform_broadcast_waits_for_a_majority_and_then_for_the_rest(void **state)
{
    (void)state;
    world_start(&w, stack_find("urb"), 3, NULL);
    world_crash(&w, 2);
    world_request(&w, 0, EV_URB_BROADCAST, 0, 0, world_msg(&w, 0, 7, 8));
    world_step(&w, 0);
    const struct post_wait *wait = wait_of(0, "urb");
    assert_non_null(wait);
    assert_int_equal(wait->kind, POST_QUORUM);
    assert_int_equal(wait->need, 2);
    assert_int_equal(wait->have, 1);
    assert_int_equal(wait->missing, 6);
    assert_int_equal(wait->origin, 0);
    world_settle(&w);
    assert_int_equal(world_count_type(&w, 0, EV_URB_DELIVER), 1);
    wait = wait_of(0, "urb");
    assert_non_null(wait);
    assert_int_equal(wait->kind, POST_ALL);
    assert_int_equal(wait->missing, 4);
    world_end(&w);
}

static void test_all_ack_waits_for_whom_P_has_not_detected(void **state)
{
    (void)state;
    world_start(&w, stack_find("urb_all_ack"), 3, NULL);
    world_crash(&w, 2);
    world_request(&w, 0, EV_URB_BROADCAST, 0, 0, world_msg(&w, 0, 7, 8));
    world_settle(&w);
    const struct post_wait *wait = wait_of(0, "urb");
    assert_non_null(wait);
    assert_int_equal(wait->missing, 4);
    world_run(&w, 20 * w.st[0]->conf.detect_ns);
    assert_null(wait_of(0, "urb"));
    assert_int_equal(post.crashed, 4);
    assert_true(post.have & POST_CRASHED);
    world_end(&w);
}

static void test_a_link_tells_of_flight_backlog_credit_and_what_it_sent_again(void **state)
{
    (void)state;
    const struct stack_conf conf = {.flight_msgs = 64, .ring_msgs = 256};
    world_start(&w, stack_find("pl"), 2, &conf);
    for (uint32_t i = 0; i < 100; i++)
        world_request(&w, 0, EV_PL_SEND, 1, 0, world_msg(&w, 0, i, 8));
    world_step(&w, 0);
    world_lose(&w, 0, 1);
    stack_post(w.st[0], &post);
    assert_int_equal(post.link[0].state, POST_LINK_NONE);
    assert_int_equal(post.link[1].state, POST_LINK_UNHEARD);
    assert_int_equal(post.link[1].window, 64);
    assert_int_equal(post.link[1].flight, 64);
    assert_int_equal(post.link[1].queued, 36);
    assert_int_equal(post.link[1].credit, 0);
    assert_int_equal(post.link[1].resent, 0);
    world_run(&w, 20 * w.st[0]->conf.rto_min_ns);
    stack_post(w.st[0], &post);
    assert_int_equal(post.link[1].state, POST_LINK_UP);
    assert_int_equal(post.link[1].flight, 0);
    assert_int_equal(post.link[1].queued, 0);
    assert_int_equal(post.link[1].credit, 64);
    assert_in_range(post.link[1].resent, 64, 200);
    assert_int_equal(post.link[1].resent, w.st[0]->counters[COUNT_tx_retransmits]);
    world_end(&w);
}

static void test_a_link_to_a_silent_peer_tells_how_long_it_has_stalled(void **state)
{
    (void)state;
    world_start(&w, stack_find("pl"), 2, NULL);
    world_crash(&w, 1);
    world_request(&w, 0, EV_PL_SEND, 1, 0, world_msg(&w, 0, 1, 8));
    world_run(&w, 30 * MS);
    stack_post(w.st[0], &post);
    assert_in_range(post.link[1].stalled_ns, 29 * MS, 31 * MS);
    world_end(&w);
}

static void test_a_record_on_its_way_to_the_disk_is_waited_for(void **state)
{
    (void)state;
    world_start(&w, stack_find("lurb"), 3, NULL);
    world_run(&w, MS);
    w.disks_held = true;
    world_request(&w, 0, EV_LURB_BROADCAST, 0, 0, world_msg(&w, 0, 7, 8));
    for (int i = 0; i < 4; i++)
        world_step(&w, 0);
    const struct post_wait *wait = wait_of(0, "log");
    assert_non_null(wait);
    assert_int_equal(wait->kind, POST_DISK);
    assert_in_range(wait->open, 1, 8);
    w.disks_held = false;
    world_end(&w);
}

/* Every stack that a probe can load, in the middle of things. */
static void test_asking_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *stack;
        enum ev_type request;
    } loads[] = {{"uc", EV_UC_PROPOSE},        {"c_flooding", EV_C_PROPOSE},
                 {"urb", EV_URB_BROADCAST},    {"urb_all_ack", EV_URB_BROADCAST},
                 {"rb_lazy", EV_RB_BROADCAST}, {"rb_eager", EV_RB_BROADCAST},
                 {"pl_textbook", EV_PL_SEND},  {"pl", EV_PL_SEND},
                 {"lurb", EV_LURB_BROADCAST},  {"sl", EV_SL_SEND}};
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        world_start(&w, stack_find(loads[i].stack), 3, NULL);
        world_run(&w, MS);
        for (uint64_t k = 0; k < 5; k++)
            world_request(&w, 0, loads[i].request, 1, k, world_msg(&w, 0, k, 8));
        world_step(&w, 0);
        for (uint16_t p = 0; p < 3; p++) {
            uint64_t before = stack_hash(w.st[p]);
            memset(&post, 0xa5, sizeof post);
            stack_post(w.st[p], &post);
            assert_in_range(post.waits, 0, POST_WAITS_MAX);
            assert_int_equal(stack_hash(w.st[p]), before);
        }
        world_settle(&w);
        world_run(&w, MS);
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_consensus_cut_from_a_majority_names_the_quorum_and_who_is_missing),
        cmocka_unit_test(test_consensus_that_decides_waits_for_nobody),
        cmocka_unit_test(test_a_proposal_forwarded_to_a_silent_leader_waits_for_it),
        cmocka_unit_test(test_a_new_leader_without_a_majority_waits_to_read_from_one),
        cmocka_unit_test(test_uniform_broadcast_waits_for_a_majority_and_then_for_the_rest),
        cmocka_unit_test(test_all_ack_waits_for_whom_P_has_not_detected),
        cmocka_unit_test(test_a_link_tells_of_flight_backlog_credit_and_what_it_sent_again),
        cmocka_unit_test(test_a_link_to_a_silent_peer_tells_how_long_it_has_stalled),
        cmocka_unit_test(test_a_record_on_its_way_to_the_disk_is_waited_for),
        cmocka_unit_test(test_asking_changes_nothing),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
