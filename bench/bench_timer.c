/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timing wheel. Arm and cancel: beside putting into and taking out of a plain list. Advance:
 * timers that arm themselves again when they fire, beside a plain list turned round.
 */
#include <stdlib.h>

#include "bench.h"
#include "dataplane/timer.h"
#include "tsc.h"

#define TIMERS 1024
#define ROUNDS 64

struct timers {
    struct timer_wheel wheel;
    struct timer list;
    uint64_t now;
    uint64_t fired;
    struct timer t[TIMERS];
};

static void *timers_open(const int64_t *args, const char **why)
{
    (void)args, (void)why;
    struct timers *s = calloc(1, sizeof *s);
    timer_wheel_init(&s->wheel, 0);
    s->list.next = s->list.prev = &s->list;
    return s;
}

/* Every timer at another time, from 10 µs to 300 ms: links' timeouts and detectors' periods. */
static uint64_t delay_ns(uint32_t i)
{
    return 10000 + (uint64_t)(i * 2654435761u % 300) * 1000000;
}

static void put_last(struct timer *list, struct timer *t)
{
    t->prev = list->prev;
    t->next = list;
    list->prev->next = t;
    list->prev = t;
}

static void take_out(struct timer *t)
{
    t->prev->next = t->next;
    t->next->prev = t->prev;
}

static double list_arm_cancel(void *ctx)
{
    struct timers *s = ctx;
    uint64_t start = tsc_now();
    for (int r = 0; r < ROUNDS; r++) {
        for (uint32_t i = 0; i < TIMERS; i++) {
            s->t[i].when_ns = s->now + delay_ns(i);
            put_last(&s->list, &s->t[i]);
        }
        keep(s);
        for (uint32_t i = 0; i < TIMERS; i++)
            take_out(&s->t[i]);
        keep(s);
    }
    for (uint32_t i = 0; i < TIMERS; i++)
        s->t[i].next = NULL; /* as the wheel leaves them */
    return tsc_ns(tsc_now() - start) / (ROUNDS * TIMERS);
}

static double wheel_arm_cancel(void *ctx)
{
    struct timers *s = ctx;
    uint64_t start = tsc_now();
    for (int r = 0; r < ROUNDS; r++) {
        for (uint32_t i = 0; i < TIMERS; i++)
            timer_arm(&s->wheel, &s->t[i], s->now + delay_ns(i));
        keep(s);
        for (uint32_t i = 0; i < TIMERS; i++)
            timer_cancel(&s->wheel, &s->t[i]);
        keep(s);
    }
    return tsc_ns(tsc_now() - start) / (ROUNDS * TIMERS);
}

static void fire_again(void *ctx, struct timer *t)
{
    struct timers *s = ctx;
    s->fired++;
    timer_arm(&s->wheel, t, s->now + t->arg);
}

static double list_turn(void *ctx)
{
    struct timers *s = ctx;
    struct timer list = {.next = &list, .prev = &list};
    static struct timer t[TIMERS];
    for (uint32_t i = 0; i < TIMERS; i++)
        put_last(&list, &t[i]);
    uint64_t start = tsc_now();
    for (uint32_t i = 0; i < ROUNDS * TIMERS; i++) {
        struct timer *first = list.next;
        take_out(first);
        first->when_ns = s->now + i;
        put_last(&list, first);
        keep(first);
    }
    return tsc_ns(tsc_now() - start) / (ROUNDS * TIMERS);
}

/* A breath each microsecond; each of the timers is due every 1 to 64 ticks. */
static double wheel_fire(void *ctx)
{
    struct timers *s = ctx;
    if (s->wheel.armed == 0)
        for (uint32_t i = 0; i < TIMERS; i++) {
            s->t[i].arg = (uint64_t)(1 + i % 64) << TIMER_TICK_SHIFT;
            timer_arm(&s->wheel, &s->t[i], s->now + s->t[i].arg);
        }
    uint64_t start = tsc_now(), before = s->fired;
    while (s->fired - before < ROUNDS * TIMERS) {
        s->now += 1000;
        timer_advance(&s->wheel, s->now, fire_again, s);
    }
    return tsc_ns(tsc_now() - start) / (double)(s->fired - before);
}

/* A breath in which no timer is due. */
static double wheel_idle(void *ctx)
{
    struct timers *s = ctx;
    if (s->wheel.armed == 0)
        for (uint32_t i = 0; i < 8; i++)
            timer_arm(&s->wheel, &s->t[i], s->now + (1ull << 40));
    uint64_t start = tsc_now();
    for (int i = 0; i < 65536; i++) {
        s->now += 100;
        timer_advance(&s->wheel, s->now, fire_again, s);
        keep(s);
    }
    return tsc_ns(tsc_now() - start) / 65536;
}

BENCH(timer_arm_cancel, .open = timers_open, .floor = list_arm_cancel, .subject = wheel_arm_cancel,
      .close = free)
BENCH(timer_fire_and_rearm, .open = timers_open, .floor = list_turn, .subject = wheel_fire,
      .close = free)
BENCH(timer_idle_breath, .open = timers_open, .subject = wheel_idle, .close = free)
