/* SPDX-License-Identifier: BSD-3-Clause */
#include "inject.h"

#include <stdio.h>

void inject_open(struct inject *i, const struct faults *faults, struct board *board,
                 struct events *events, uint64_t start_ns)
{
    *i = (struct inject){.faults = faults,
                         .board = board,
                         .events = events,
                         .start_ns = start_ns,
                         .heal = {{.deed = DEED_CLEAR, .until_ns = FAULTS_NEVER},
                                  {.deed = DEED_RESUME, .until_ns = FAULTS_NEVER}}};
}

static uint64_t everybody(const struct board *b)
{
    return b->n >= 64 ? UINT64_MAX : (1ull << b->n) - 1;
}

/* Who carries a rule out: the sender of what it can befall, the receiver of heartbeats, whoever
 * writes to the disk. */
static bool carries_out(const struct fault_engine *e, uint16_t p, uint16_t q)
{
    const struct fault_rule *r = &e->rule[0];
    if (p == q)
        return fault_of_disk(r) && (r->from == FAULT_ANY || r->from == p);
    return fault_touching(e, p, q) != 0 || fault_heartbeats(e, q, p, 0, 0).held;
}

uint64_t inject_whom(const struct fault_line *l, const struct board *b)
{
    struct fault_engine e;
    uint64_t procs = 0;
    if (l->deed == DEED_CLEAR)
        return everybody(b);
    if (l->deed != DEED_RULE)
        return l->procs;
    fault_init(&e, 0, &l->rule, 1);
    e.rule[0].ppm = FAULT_PPM; /* whatever is possible */
    for (uint16_t p = 0; p < b->n; p++)
        for (uint16_t q = 0; q < b->n; q++)
            procs |= (uint64_t)carries_out(&e, p, q) << p;
    return procs;
}

struct order inject_order(const struct fault_line *l, bool ends)
{
    static const uint32_t kinds[DEEDS] =
        {[DEED_RULE] = ORDER_ARM,    [DEED_PAUSE] = ORDER_PAUSE,     [DEED_RESUME] = ORDER_RESUME,
         [DEED_CRASH] = ORDER_CRASH, [DEED_RECOVER] = ORDER_RECOVER, [DEED_CLEAR] = ORDER_CLEAR};
    struct order o = {.kind = kinds[l->deed], .arg = l->number, .rule = l->rule};
    if (ends)
        o.kind = l->deed == DEED_RULE ? ORDER_DISARM : ORDER_RESUME;
    return o;
}

/* Ask one process. What cannot be asked is an event, too. */
static void ask(struct inject *i, const struct order *o, struct event event)
{
    uint64_t number = 0;
    if (i->waits < INJECT_WAITS_MAX)
        number = order_post(&i->board->orders[event.process], o);
    if (number == 0) {
        event.why = "it has not answered what it was asked before";
        events_put(i->events, &event);
        return;
    }
    if (o->kind == ORDER_CRASH) /* the verdict owes it nothing from here on */
        board_put(&i->board->crashed, board_get(&i->board->crashed) | 1ull << event.process);
    i->wait[i->waits++] = (struct inject_wait){number, event.asked_ns, event.process, event};
}

static void ask_all(struct inject *i, const struct fault_line *l, uint64_t procs,
                    struct event event)
{
    const struct order o = inject_order(l, event.ends);
    event.what = l;
    for (; procs != 0; procs &= procs - 1) {
        event.process = (uint16_t)__builtin_ctzll(procs);
        ask(i, &o, event);
    }
}

static void do_step(struct inject *i, const struct fault_step *step, uint64_t now_ns)
{
    const struct fault_line *l = &i->faults->line[step->line];
    if (!step->ends)
        i->id[step->line] = events_id(i->events);
    ask_all(i, l, inject_whom(l, i->board),
            (struct event){.id = i->id[step->line],
                           .by = EVENT_SCRIPT,
                           .ends = step->ends,
                           .asked_ns = now_ns});
}

/* ---- answers ------------------------------------------------------------------------------------ */

/* Whether the wait is over; then it is an event. */
static bool answered(struct inject *i, struct inject_wait *w, uint64_t now_ns)
{
    struct order_answer a = {0};
    const struct orders *o = &i->board->orders[w->process];
    if (order_acked(o, w->number, &a)) {
        w->event.effect_ns = a.result == 0 ? a.effect_ns : 0;
        w->event.why = a.why[0] != '\0' || a.result == 0 ? a.why : "it was refused";
    } else if (now_ns > w->asked_ns + INJECT_PATIENCE_NS) {
        w->event.why = "no answer: its thread is gone, or kept from running";
    } else {
        return false;
    }
    if (w->event.what->deed == DEED_RECOVER && a.result == 0 && w->event.effect_ns != 0)
        board_put(&i->board->crashed, board_get(&i->board->crashed) & ~(1ull << w->process));
    events_put(i->events, &w->event);
    return true;
}

/* A process whose disk failed has crashed, and nobody asked it to. */
static void look_for_fallen(struct inject *i, uint64_t now_ns)
{
    for (uint16_t p = 0; p < i->board->n; p++) {
        uint64_t crashed = board_get(&i->board->crashed);
        if (crashed >> p & 1 || board_get(&board_row(i->board, p)->halted) == BOARD_RUNS)
            continue;
        board_put(&i->board->crashed, crashed | 1ull << p);
        i->fallen = (struct fault_line){.deed = DEED_CRASH,
                                        .procs = 1ull << p,
                                        .at_ns = now_ns - i->start_ns,
                                        .until_ns = FAULTS_NEVER};
        events_put(i->events, &(struct event){.id = events_id(i->events),
                                              .by = EVENT_DISK,
                                              .what = &i->fallen,
                                              .asked_ns = now_ns,
                                              .process = p,
                                              .effect_ns = now_ns});
    }
}

uint64_t inject_poll(struct inject *i, uint64_t now_ns)
{
    const struct faults *f = i->faults;
    look_for_fallen(i, now_ns);
    while (!i->healed && i->next < f->steps && i->start_ns + f->step[i->next].at_ns <= now_ns)
        do_step(i, &f->step[i->next++], now_ns);
    uint32_t left = 0;
    for (uint32_t k = 0; k < i->waits; k++)
        if (!answered(i, &i->wait[k], now_ns))
            i->wait[left++] = i->wait[k];
    i->waits = left;
    uint64_t next = i->waits > 0 ? now_ns + INJECT_LOOK_NS : UINT64_MAX;
    if (!i->healed && i->next < f->steps && i->start_ns + f->step[i->next].at_ns < next)
        next = i->start_ns + f->step[i->next].at_ns;
    return next;
}

/* What the script still held when the load ended: this thread was kept from running, or the run was
 * stopped. */
static void miss_the_rest(struct inject *i)
{
    for (; i->next < i->faults->steps; i->next++) {
        const struct fault_step *step = &i->faults->step[i->next];
        const struct fault_line *l = &i->faults->line[step->line];
        struct event event = {.id = events_id(i->events),
                              .by = EVENT_SCRIPT,
                              .what = l,
                              .asked_ns = i->start_ns + step->at_ns,
                              .why = "the load ended before its turn came"};
        for (uint64_t procs = step->ends ? 0 : inject_whom(l, i->board); procs != 0;
             procs &= procs - 1) {
            event.process = (uint16_t)__builtin_ctzll(procs);
            events_put(i->events, &event);
        }
    }
}

void inject_heal(struct inject *i, uint64_t now_ns)
{
    uint64_t armed = 0, paused = 0;
    miss_the_rest(i);
    i->healed = true;
    for (uint16_t p = 0; p < i->board->n; p++) {
        const struct orders *o = &i->board->orders[p];
        armed |= (uint64_t)(board_get(&o->armed) != 0) << p;
        paused |= (uint64_t)(board_get(&o->state) == PROCESS_PAUSED) << p;
    }
    if ((armed | paused) == 0)
        return;
    struct event event = {.id = events_id(i->events), .by = EVENT_END_OF_LOAD, .asked_ns = now_ns};
    for (int k = 0; k < 2; k++)
        i->heal[k].at_ns = now_ns - i->start_ns;
    ask_all(i, &i->heal[0], armed, event);
    ask_all(i, &i->heal[1], paused, event);
}

const char *inject_crashed_text(const struct board *b, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (uint64_t c = board_get(&b->crashed); c != 0 && at < size; c &= c - 1)
        at +=
            (size_t)snprintf(text + at, size - at, "%sp%d", at > 0 ? ", " : "", __builtin_ctzll(c));
    return text;
}
