/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hierarchical timing wheel (Varghese and Lauck 1987, scheme 6), in the environment's time.
 *
 * Four levels of 64 slots; a tick is 2^TIMER_TICK_SHIFT ns. Arming, cancelling and firing are O(1);
 * a timer is moved down at most three times. Timers never fire early; they fire in order of their
 * tick, and within a tick in the order in which they were armed, so a run is a function of its
 * inputs. One thread.
 */
#ifndef UPON_TIMER_H
#define UPON_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_TICK_SHIFT 12 /* 4.096 us */
#define TIMER_LEVELS     4
#define TIMER_SLOTS      64

struct timer {
    struct timer *next; /* NULL: not armed */
    struct timer *prev;
    uint64_t when_ns; /* when it was asked to fire */
    uint64_t order;   /* of arming */
    void *owner;
    uint64_t arg;
};

struct timer_wheel {
    uint64_t tick;    /* all ticks up to this one have fired */
    uint64_t order;   /* of the next arming */
    uint32_t armed;   /* timers in the wheel */
    uint64_t next_ns; /* no timer fires before; UINT64_MAX when none is armed */
    uint64_t mask[TIMER_LEVELS];
    struct timer slot[TIMER_LEVELS][TIMER_SLOTS]; /* list heads */
};

typedef void timer_fire_fn(void *ctx, struct timer *t);

void timer_wheel_init(struct timer_wheel *w, uint64_t now_ns);

static inline bool timer_armed(const struct timer *t)
{
    return t->next != NULL;
}

/* Arm `t` for `when_ns`, or move it there. A time that has passed fires at the next advance. */
void timer_arm(struct timer_wheel *w, struct timer *t, uint64_t when_ns);

void timer_cancel(struct timer_wheel *w, struct timer *t);

void timer_turn(struct timer_wheel *w, uint64_t now_ns, timer_fire_fn *fire, void *ctx);

/* Fire everything due at `now_ns`. A callback may arm and cancel any timer. */
static inline void timer_advance(struct timer_wheel *w, uint64_t now_ns, timer_fire_fn *fire,
                                 void *ctx)
{
    if (now_ns >= w->next_ns || w->armed == 0)
        timer_turn(w, now_ns, fire, ctx);
}

/* The earliest time at which a timer is due; UINT64_MAX when none is armed. O(levels),
 * and the timers of one slot in each. */
uint64_t timer_next_ns(const struct timer_wheel *w);

#endif
