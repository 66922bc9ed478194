/* SPDX-License-Identifier: BSD-3-Clause */
#include "timer.h"

#include <stddef.h>

#define SLOT_BITS 6
#define SLOT_MASK (TIMER_SLOTS - 1)

static uint64_t tick_of(uint64_t when_ns)
{
    /* Round up: a timer never fires early. */
    return (when_ns >> TIMER_TICK_SHIFT) + ((when_ns & ((1u << TIMER_TICK_SHIFT) - 1)) != 0);
}

void timer_wheel_init(struct timer_wheel *w, uint64_t now_ns)
{
    w->tick = now_ns >> TIMER_TICK_SHIFT;
    w->order = 0;
    w->armed = 0;
    w->next_ns = UINT64_MAX;
    for (int l = 0; l < TIMER_LEVELS; l++) {
        w->mask[l] = 0;
        for (int s = 0; s < TIMER_SLOTS; s++) {
            struct timer *head = &w->slot[l][s];
            head->next = head->prev = head;
        }
    }
}

/* Put `t` where the tick `earliest` or a later one finds it. */
static void wheel_insert(struct timer_wheel *w, struct timer *t, uint64_t earliest)
{
    uint64_t tick = tick_of(t->when_ns);
    if (tick < earliest)
        tick = earliest;
    uint64_t due = tick << TIMER_TICK_SHIFT;
    if (due < w->next_ns)
        w->next_ns = due;
    uint64_t far = tick - w->tick;
    if (far >> (SLOT_BITS * TIMER_LEVELS) != 0) { /* beyond the wheel: as far as it reaches */
        far = (1ull << (SLOT_BITS * TIMER_LEVELS)) - 1;
        tick = w->tick + far;
    }
    int level = 0;
    while (far >> (SLOT_BITS * (level + 1)) != 0)
        level++;
    int slot = (int)((tick >> (SLOT_BITS * level)) & SLOT_MASK);
    struct timer *head = &w->slot[level][slot];
    /* Keep a slot in order of arming: a timer that comes down from a level above may be older. */
    struct timer *at = head->prev;
    while (at != head && at->order > t->order)
        at = at->prev;
    t->prev = at;
    t->next = at->next;
    at->next->prev = t;
    at->next = t;
    w->mask[level] |= 1ull << slot;
}

static void wheel_remove(struct timer *t)
{
    t->prev->next = t->next;
    t->next->prev = t->prev;
    t->next = t->prev = NULL;
}

void timer_arm(struct timer_wheel *w, struct timer *t, uint64_t when_ns)
{
    if (timer_armed(t))
        timer_cancel(w, t);
    t->when_ns = when_ns;
    t->order = w->order++;
    w->armed++;
    wheel_insert(w, t, w->tick + 1);
}

void timer_cancel(struct timer_wheel *w, struct timer *t)
{
    if (!timer_armed(t))
        return;
    wheel_remove(t);
    if (--w->armed == 0)
        w->next_ns = UINT64_MAX;
}

/* Bring the timers of the slot that this level has just entered down to their level. */
static void cascade(struct timer_wheel *w, int level)
{
    int slot = (int)((w->tick >> (SLOT_BITS * level)) & SLOT_MASK);
    struct timer *head = &w->slot[level][slot];
    w->mask[level] &= ~(1ull << slot);
    struct timer *t = head->next;
    if (t == head)
        return;
    head->prev->next = NULL; /* take the whole list: what is inserted may land here again */
    head->next = head->prev = head;
    while (t != NULL) {
        struct timer *next = t->next;
        wheel_insert(w, t, w->tick);
        t = next;
    }
}

/* No timer fires before this time; a bound, found from the slot masks alone. */
static uint64_t next_bound(const struct timer_wheel *w)
{
    if (w->armed == 0)
        return UINT64_MAX;
    uint64_t ticks = UINT64_MAX;
    if (w->mask[0] != 0) {
        unsigned from = (unsigned)((w->tick + 1) & SLOT_MASK);
        uint64_t turned = from == 0 ? w->mask[0] : w->mask[0] >> from | w->mask[0] << (64 - from);
        ticks = (uint64_t)__builtin_ctzll(turned) + 1;
    }
    uint64_t boundary = TIMER_SLOTS - (w->tick & SLOT_MASK);
    if ((w->mask[1] | w->mask[2] | w->mask[3]) != 0 && boundary < ticks)
        ticks = boundary;
    return (w->tick + ticks) << TIMER_TICK_SHIFT;
}

/* The earliest time at which a timer of one slot is due. */
static uint64_t slot_next_ns(const struct timer_wheel *w, const struct timer *head)
{
    uint64_t next = UINT64_MAX;
    for (const struct timer *t = head->next; t != head; t = t->next) {
        uint64_t due = tick_of(t->when_ns) << TIMER_TICK_SHIFT;
        if (due <= w->tick << TIMER_TICK_SHIFT)
            due = (w->tick + 1) << TIMER_TICK_SHIFT;
        if (due < next)
            next = due;
    }
    return next;
}

uint64_t timer_next_ns(const struct timer_wheel *w)
{
    uint64_t next = UINT64_MAX;
    if (w->armed == 0)
        return next;
    /* The first slot of a level, from where the hand stands on, holds the earliest of the level. */
    for (int l = 0; l < TIMER_LEVELS; l++) {
        unsigned from = ((w->tick >> (SLOT_BITS * l)) + 1) & SLOT_MASK;
        uint64_t mask = w->mask[l];
        if (from != 0)
            mask = mask >> from | mask << (TIMER_SLOTS - from);
        for (; mask != 0; mask &= mask - 1) {
            unsigned slot = (from + (unsigned)__builtin_ctzll(mask)) & SLOT_MASK;
            uint64_t first = slot_next_ns(w, &w->slot[l][slot]);
            if (first < next)
                next = first;
            if (first != UINT64_MAX) /* the slot was not emptied by a cancel */
                break;
        }
    }
    return next;
}

static void fire_slot(struct timer_wheel *w, timer_fire_fn *fire, void *ctx)
{
    int slot = (int)(w->tick & SLOT_MASK);
    struct timer *head = &w->slot[0][slot];
    while (head->next != head) {
        struct timer *t = head->next;
        wheel_remove(t);
        if (tick_of(t->when_ns) > w->tick) { /* it had waited beyond the wheel's reach */
            wheel_insert(w, t, w->tick + 1);
            continue;
        }
        w->armed--;
        fire(ctx, t);
    }
    w->mask[0] &= ~(1ull << slot);
}

void timer_turn(struct timer_wheel *w, uint64_t now_ns, timer_fire_fn *fire, void *ctx)
{
    uint64_t target = now_ns >> TIMER_TICK_SHIFT;
    if (now_ns < w->next_ns) { /* the wheel catches up when something is due */
        if (w->armed == 0 && target > w->tick)
            w->tick = target;
        return;
    }
    while (w->tick < target && w->armed > 0) {
        /* Jump over the ticks that cannot hold a timer, up to where a level turns. */
        uint64_t reach = 0;
        for (int l = 0; l < TIMER_LEVELS && w->mask[l] == 0; l++)
            reach = (1ull << (SLOT_BITS * (l + 1))) - 1;
        uint64_t jump = w->tick | reach;
        w->tick = jump < target - 1 ? jump : target - 1;
        w->tick++;
        for (int l = TIMER_LEVELS - 1; l > 0; l--)
            if ((w->tick & ((1ull << (SLOT_BITS * l)) - 1)) == 0)
                cascade(w, l);
        fire_slot(w, fire, ctx);
    }
    if (w->tick < target)
        w->tick = target;
    w->next_ns = next_bound(w);
}
