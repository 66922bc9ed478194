/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Orders between two threads: each is carried out once, in order, whole, and its answer is read
 * by its number; a process that is paused or has crashed takes no breath.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "control/process.h"
#include "tests/unit/harness.h"

#define MANY 200000

static struct orders *orders_new(void)
{
    struct orders *o = aligned_alloc(64, sizeof *o);
    assert_non_null(o);
    return memset(o, 0, sizeof *o);
}

/* Every field follows from the order's number, so that a torn one shows. */
static struct order order_of(uint64_t number)
{
    return (struct order){.kind = ORDER_ARM,
                          .arg = (uint32_t)number,
                          .rule = {.ppm = (uint32_t)(number * 3), .side = number * 5}};
}

static void *answer_all(void *arg)
{
    struct orders *o = arg;
    for (uint64_t taken = 0; taken < MANY;) {
        const struct order *order;
        if (!orders_pending(o, taken)) {
            sched_yield(); /* both threads may have one processor */
            continue;
        }
        while ((order = order_next(o)) != NULL) {
            taken++;
            bool whole = order->arg == (uint32_t)taken &&
                         order->rule.ppm == (uint32_t)(taken * 3) && order->rule.side == taken * 5;
            order_answer(o, &(struct order_answer){.result = whole ? (int32_t)taken : -EIO,
                                                   .effect_ns = taken * 7});
        }
    }
    return NULL;
}

static void each_order_is_answered_once_in_order_and_whole(void **state)
{
    (void)state;
    struct orders *o = orders_new();
    struct order_answer a;
    pthread_t thread;
    uint64_t posted = 0, acked = 0;
    assert_int_equal(pthread_create(&thread, NULL, answer_all, o), 0);
    while (acked < MANY) {
        struct order order = order_of(posted + 1);
        if (posted - acked == ORDERS_MAX)
            sched_yield();
        if (posted < MANY && posted - acked < ORDERS_MAX) {
            uint64_t number = order_post(o, &order);
            assert_int_equal(number, posted + 1);
            posted++;
        }
        for (; acked < posted && order_acked(o, acked + 1, &a); acked++) {
            assert_int_equal(a.result, acked + 1);
            assert_int_equal(a.effect_ns, (acked + 1) * 7);
        }
    }
    pthread_join(thread, NULL);
    free(o);
}

static void a_full_ring_refuses_and_old_answers_are_stale(void **state)
{
    (void)state;
    struct orders *o = orders_new();
    struct order order = {.kind = ORDER_PAUSE};
    struct order_answer a;
    for (uint64_t i = 1; i <= ORDERS_MAX; i++)
        assert_int_equal(order_post(o, &order), i);
    assert_int_equal(order_post(o, &order), 0);
    assert_false(order_acked(o, 1, &a));
    assert_non_null(order_next(o));
    order_answer(o, &(struct order_answer){.result = -EINVAL, .why = "no"});
    assert_true(order_acked(o, 1, &a));
    assert_int_equal(a.result, -EINVAL);
    assert_string_equal(a.why, "no");
    assert_int_equal(order_post(o, &order), ORDERS_MAX + 1);
    assert_true(order_acked(o, 1, &a));
    assert_int_equal(a.result, -ESTALE);
    free(o);
}

/* ---- carried out ------------------------------------------------------------------------------- */

/* A process among two, which is given orders. */
static struct world w;
static struct process p;
static struct orders *o;

static void begin(uint16_t rank)
{
    const struct process_conf conf = {.seed = 7, .held_max = 16};
    o = orders_new();
    world_start(&w, stack_find("beb"), 2, NULL);
    assert_int_equal(process_init(&p, w.st[rank], o, &conf), 0);
}

static void end(void)
{
    process_fini(&p);
    world_end(&w);
    free(o);
}

static struct order_answer carry_out(enum order_kind kind)
{
    struct order_answer a;
    uint64_t number = order_post(o, &(struct order){.kind = kind});
    assert_int_not_equal(number, 0);
    process_step(&p);
    assert_true(order_acked(o, number, &a));
    return a;
}

/* p0 broadcasts, and p1 has not yet taken what arrived. */
static void broadcast(void)
{
    world_request(&w, 0, EV_BEB_BROADCAST, 0, 0, world_msg(&w, 0, 42, 8));
    world_step(&w, 0);
    while (w.sim.flights > 0)
        sim_deliver(&w.sim, 0);
}

static void a_paused_process_takes_no_breath_until_it_resumes(void **state)
{
    (void)state;
    begin(1);
    broadcast();
    uint64_t steps = w.st[1]->steps;
    assert_int_equal(carry_out(ORDER_PAUSE).result, 0);
    process_step(&p);
    assert_int_equal(w.st[1]->steps, steps);
    assert_int_equal(atomic_load(&o->state), PROCESS_PAUSED);
    assert_int_equal(carry_out(ORDER_PAUSE).result, -EALREADY);
    assert_int_equal(carry_out(ORDER_RESUME).result, 0);
    assert_int_equal(w.st[1]->steps, steps + 1);
    assert_int_equal(w.sim.env[1].counters[COUNT_rx_frames], 1);
    assert_int_equal(w.sim.env[1].counters[COUNT_drop_fault], 0);
    end();
}

static void a_crashed_process_takes_no_breath_and_loses_what_is_sent_to_it(void **state)
{
    (void)state;
    begin(1);
    broadcast();
    uint64_t steps = w.st[1]->steps;
    assert_int_equal(carry_out(ORDER_CRASH).result, 0);
    process_step(&p);
    assert_int_equal(w.st[1]->steps, steps);
    assert_int_equal(w.sim.env[1].counters[COUNT_drop_fault], 1);
    assert_int_equal(carry_out(ORDER_RESUME).result, -EALREADY);
    struct order_answer a = carry_out(ORDER_RECOVER);
    assert_int_equal(a.result, -ENOTSUP);
    assert_non_null(strstr(a.why, "p1 cannot recover"));
    assert_int_equal(atomic_load(&o->state), PROCESS_CRASHED);
    end();
}

static void rules_put_the_engine_between_stack_and_device_while_they_are_armed(void **state)
{
    (void)state;
    struct order order = {.kind = ORDER_ARM, .arg = 2};
    char why[256];
    assert_int_equal(fault_parse("delay constant 1ms", &order.rule, why, sizeof why), 0);
    begin(0);
    struct env *device = w.st[0]->env;
    order_post(o, &order);
    process_step(&p);
    assert_ptr_equal(w.st[0]->env, &p.fault.env);
    assert_int_equal(atomic_load(&o->armed), 1u << 2);
    world_request(&w, 0, EV_BEB_BROADCAST, 0, 0, world_msg(&w, 0, 42, 8));
    process_step(&p);
    assert_int_equal(w.sim.flights, 0);
    assert_int_equal(carry_out(ORDER_CLEAR).result, 0);
    assert_int_equal(w.sim.flights, 0); /* what is held back still is */
    w.sim.now_ns += 1000000;
    process_step(&p);
    assert_int_equal(w.sim.flights, 1);
    process_step(&p);
    assert_ptr_equal(w.st[0]->env, device);
    assert_int_equal(atomic_load(&o->armed), 0);
    end();
}

static void a_rule_that_is_not_armed_cannot_be_disarmed(void **state)
{
    (void)state;
    begin(1);
    assert_int_equal(carry_out(ORDER_DISARM).result, -ENOENT);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_order_is_answered_once_in_order_and_whole),
        cmocka_unit_test(a_full_ring_refuses_and_old_answers_are_stale),
        cmocka_unit_test(a_paused_process_takes_no_breath_until_it_resumes),
        cmocka_unit_test(a_crashed_process_takes_no_breath_and_loses_what_is_sent_to_it),
        cmocka_unit_test(rules_put_the_engine_between_stack_and_device_while_they_are_armed),
        cmocka_unit_test(a_rule_that_is_not_armed_cannot_be_disarmed),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
