/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/timer.h"
#include "protocols/random.h"

#define TIMERS 500

static struct timer_wheel wheel;
static struct timer timers[TIMERS];
static uint64_t fired_at[TIMERS];
static uint64_t clock_ns;
static uint32_t fired;

static void fire(void *ctx, struct timer *t)
{
    (void)ctx;
    fired++;
    fired_at[t - timers] = clock_ns;
}

/* Against the definition: a timer fires at the first advance that is not before its time. */
static void test_never_early_never_lost(void **state)
{
    (void)state;
    struct random r = random_seeded(7, 0);
    for (int round = 0; round < 200; round++) {
        clock_ns = random_u64(&r) >> 20;
        timer_wheel_init(&wheel, clock_ns);
        uint64_t start = clock_ns;
        int shift = 12 + (int)random_below(&r, 28);
        fired = 0;
        uint32_t want = 0;
        for (int i = 0; i < TIMERS; i++) {
            timers[i] = (struct timer){0};
            fired_at[i] = UINT64_MAX;
            timer_arm(&wheel, &timers[i], start + (random_u64(&r) & ((1ull << shift) - 1)));
        }
        for (int i = 0; i < TIMERS; i += 7)
            timer_cancel(&wheel, &timers[i]);
        for (int i = 0; i < TIMERS; i++)
            want += i % 7 != 0;
        assert_int_equal(wheel.armed, want);
        while (wheel.armed > 0) {
            uint64_t next = timer_next_ns(&wheel);
            assert_true(wheel.next_ns <= next);
            uint64_t before = clock_ns;
            clock_ns += 1 + (random_u64(&r) & ((1ull << (shift - 4)) - 1));
            timer_advance(&wheel, clock_ns, fire, NULL);
            for (int i = 0; i < TIMERS; i++) {
                if (i % 7 == 0)
                    continue;
                uint64_t due = (timers[i].when_ns + 4095) & ~4095ull;
                if (due <= start)
                    due = (start & ~4095ull) + 4096;
                if (due > before && due <= clock_ns) {
                    assert_true(fired_at[i] == clock_ns);
                }
            }
        }
        assert_int_equal(fired, want);
        for (int i = 0; i < TIMERS; i++)
            assert_true(i % 7 == 0 ? fired_at[i] == UINT64_MAX : fired_at[i] >= timers[i].when_ns);
    }
}

static uint32_t order[3];

static void fire_in_order(void *ctx, struct timer *t)
{
    (void)ctx;
    order[fired++] = (uint32_t)(t - timers);
}

static void test_equal_times_fire_in_order_of_arming(void **state)
{
    (void)state;
    fired = 0;
    timer_wheel_init(&wheel, 0);
    for (int i = 0; i < 3; i++)
        timers[i] = (struct timer){0};
    timer_arm(&wheel, &timers[2], 5000000); /* from a higher level */
    timer_advance(&wheel, 4900000, fire_in_order, NULL);
    timer_arm(&wheel, &timers[0], 5000000);
    timer_arm(&wheel, &timers[1], 5000000);
    timer_advance(&wheel, 6000000, fire_in_order, NULL);
    assert_int_equal(fired, 3);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 0);
    assert_int_equal(order[2], 1);
}

static void fire_again(void *ctx, struct timer *t)
{
    fired++;
    timer_arm(ctx, t, clock_ns + 10000);
}

static void test_a_timer_may_rearm_itself(void **state)
{
    (void)state;
    fired = 0;
    clock_ns = 0;
    timer_wheel_init(&wheel, 0);
    timers[0] = (struct timer){0};
    timer_arm(&wheel, &timers[0], 10000);
    for (clock_ns = 0; clock_ns <= 1000000; clock_ns += 5000)
        timer_advance(&wheel, clock_ns, fire_again, &wheel);
    assert_in_range(fired, 60, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_early_never_lost),
        cmocka_unit_test(test_equal_times_fire_in_order_of_arming),
        cmocka_unit_test(test_a_timer_may_rearm_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
