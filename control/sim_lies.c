/* SPDX-License-Identifier: BSD-3-Clause */
/* Detectors that say what is not so, and what they had to say themselves. */
#include "sim_parts.h"

/* Marks an indication that no detector gave: their attributes mean nothing else. */
#define LIE UINT64_MAX

bool sim_lies_made_up(const struct ev *e)
{
    return e->attr == LIE && (e->type == EV_P_CRASH || e->type == EV_OMEGA_TRUST ||
                              e->type == EV_EPFD_SUSPECT || e->type == EV_EPFD_RESTORE);
}

void sim_lies_listen(struct sim_proc *x, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const bool lie = ev[i].attr == LIE;
        if (ev[i].type == EV_OMEGA_TRUST) {
            x->leader = lie ? x->leader : ev[i].proc;
            continue;
        }
        const uint64_t bit = ev[i].proc < 64 ? 1ull << ev[i].proc : 0;
        const uint64_t set = ev[i].type == EV_EPFD_SUSPECT ? bit : 0;
        x->world->doubted |= set;
        x->told = (x->told & ~bit) | set;
        if (!lie)
            x->suspected = (x->suspected & ~bit) | set;
    }
}

/* What a detector is made to say of q; ◇P the opposite of what it said last. */
static uint16_t lie_of(const struct sim_proc *x, uint8_t detector, uint16_t q, uint32_t whose)
{
    if (whose == LIE_EPFD)
        return detector != ABS_EPFD || q >= 64 ? EV_NONE
               : x->told >> q & 1              ? EV_EPFD_RESTORE
                                               : EV_EPFD_SUSPECT;
    return detector == ABS_P ? EV_P_CRASH : detector == ABS_OMEGA ? EV_OMEGA_TRUST : EV_NONE;
}

bool sim_lies_tell(struct sim_world *w, struct sim_proc *x, const struct choice *choice)
{
    const uint16_t q = choice->q;
    bool told = false;
    for (uint16_t i = 0; i < x->st->components; i++) {
        struct co *c = x->st->co[i];
        uint8_t a = c->cls->implements;
        uint16_t type = lie_of(x, a, q, choice->k);
        if (type == EV_NONE || q >= w->n)
            continue;
        if (a != ABS_P || w->proc[q].state != SIM_CRASHED)
            w->untrue |= 1ull << a;
        if (w->lied == 0 && (w->untrue >> ABS_P & 1))
            w->lied = w->steps;
        indicate(c, ev_make(type, q, 0, LIE, MSG_NONE));
        x->misled |= type == EV_OMEGA_TRUST;
        told = true;
    }
    if (told && choice->b != WAITS)
        sim_process_step(w, x);
    return told;
}

void sim_lies_correct(struct sim_world *w, struct sim_proc *x)
{
    for (uint16_t i = 0; i < x->st->components; i++) {
        struct co *c = x->st->co[i];
        if (c->cls->implements == ABS_OMEGA && x->misled && x->leader != UINT16_MAX)
            indicate(c, ev_make(EV_OMEGA_TRUST, x->leader, 0, LIE, MSG_NONE));
        if (c->cls->implements != ABS_EPFD)
            continue;
        for (uint64_t wrong = x->told ^ x->suspected; wrong != 0; wrong &= wrong - 1) {
            uint16_t q = (uint16_t)__builtin_ctzll(wrong);
            uint16_t type = x->suspected >> q & 1 ? EV_EPFD_SUSPECT : EV_EPFD_RESTORE;
            indicate(c, ev_make(type, q, 0, LIE, MSG_NONE));
        }
    }
    x->misled = false;
    sim_process_step(w, x);
}
