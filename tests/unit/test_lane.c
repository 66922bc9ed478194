/* SPDX-License-Identifier: BSD-3-Clause */
/* A lane: in order, nothing lost, nothing twice, full means full, and a burst is seen whole. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/lane.h"

#define SLOTS 64

/* A packet that is nothing but its number. */
static struct rte_mbuf *numbered(uintptr_t number)
{
    return (struct rte_mbuf *)((number + 1) * 64);
}

static lane_slot slots[SLOTS];

static void begin(struct lane_end *writer, struct lane_end *reader)
{
    memset((void *)slots, 0, sizeof slots);
    *writer = *reader = (struct lane_end){.slot = slots, .mask = SLOTS - 1};
}

static uint16_t put(struct lane_end *writer, uintptr_t first, uint16_t n)
{
    struct rte_mbuf *pkts[2 * SLOTS];
    for (uint16_t i = 0; i < n; i++)
        pkts[i] = numbered(first + i);
    return lane_put(writer, pkts, n);
}

/* Take up to `n`, which must be those from `first` on. */
static uint16_t take(struct lane_end *reader, uintptr_t first, uint16_t n)
{
    struct rte_mbuf *pkts[2 * SLOTS];
    uint16_t got = lane_get(reader, pkts, n);
    for (uint16_t i = 0; i < got; i++)
        assert_ptr_equal(pkts[i], numbered(first + i));
    return got;
}

static void packets_leave_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    struct lane_end w, r;
    uintptr_t sent = 0, heard = 0;
    begin(&w, &r);
    assert_int_equal(take(&r, 0, 1), 0);
    for (uint16_t n = 1; n <= SLOTS; n++) { /* bursts of every length, at ever another slot */
        assert_int_equal(put(&w, sent, n), n);
        sent += n;
        heard += take(&r, heard, (uint16_t)(n / 2));
        heard += take(&r, heard, SLOTS);
        assert_int_equal(heard, sent);
    }
}

static void a_full_lane_takes_what_there_is_room_for(void **state)
{
    (void)state;
    struct lane_end w, r;
    begin(&w, &r);
    assert_int_equal(put(&w, 0, 2 * SLOTS), SLOTS);
    assert_int_equal(put(&w, SLOTS, 1), 0);
    for (uint16_t free = 1; free < SLOTS; free++) {
        begin(&w, &r);
        assert_int_equal(put(&w, 0, SLOTS), SLOTS);
        assert_int_equal(take(&r, 0, free), free);
        assert_int_equal(put(&w, SLOTS, SLOTS), free);
        assert_int_equal(take(&r, free, SLOTS), SLOTS);
        assert_int_equal(take(&r, free + SLOTS, SLOTS), 0);
    }
}

static void a_lane_of_one_slot_works(void **state)
{
    (void)state;
    struct lane_end w, r;
    begin(&w, &r);
    w.mask = r.mask = 0;
    for (uintptr_t i = 0; i < 5; i++) {
        assert_int_equal(put(&w, i, 3), 1);
        assert_int_equal(put(&w, i, 1), 0);
        assert_int_equal(take(&r, i, 3), 1);
        assert_int_equal(take(&r, i, 3), 0);
    }
}

/* ---- two threads ----------------------------------------------------------------------------- */

#define PACKETS 300000
#define BURST   7 /* not a divisor of the slots: bursts lie across the end, too */

static void *write_bursts(void *arg)
{
    struct lane_end *w = arg;
    for (uintptr_t sent = 0; sent < PACKETS; sent += BURST)
        while (lane_room(w, BURST) < BURST || put(w, sent, BURST) == 0)
            sched_yield();
    return NULL;
}

static void between_threads_a_burst_is_seen_whole(void **state)
{
    (void)state;
    struct lane_end w, r;
    pthread_t writer;
    begin(&w, &r);
    assert_int_equal(pthread_create(&writer, NULL, write_bursts, &w), 0);
    uintptr_t end = (PACKETS + BURST - 1) / BURST * BURST;
    for (uintptr_t heard = 0; heard < end;) {
        uint16_t got = take(&r, heard, 9 * BURST); /* the writer goes on meanwhile */
        if (got == 0)
            sched_yield();
        heard += got;
        assert_int_equal(heard % BURST, 0);
    }
    pthread_join(writer, NULL);
    assert_int_equal(take(&r, end, SLOTS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_leave_in_the_order_in_which_they_came),
        cmocka_unit_test(a_full_lane_takes_what_there_is_room_for),
        cmocka_unit_test(a_lane_of_one_slot_works),
        cmocka_unit_test(between_threads_a_burst_is_seen_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
