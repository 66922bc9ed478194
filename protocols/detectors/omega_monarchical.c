/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Monarchical eventual leader detection.
 *
 * Abstraction   Ω, eventual leader detector (CGR Module 2.9)
 *
 * Algorithm     monarchical eventual leader detection (CGR Algorithm 2.8): trust the process of
 *               highest rank among those that are not suspected
 *
 * Uses          ◇P
 *
 * Properties    ELD1, ELD2
 *
 * Model         fail-noisy
 *
 * Space         two words
 *
 * Differs       Rank is the process number, and p0 is the monarch. The leader is looked for once a
 *               batch of suspicions. If everybody is suspected, which ◇P does not do since it
 *               spares its own process, the leader stays.
 */
#include "detectors.h"
#include "protocols/co.h"
#include "protocols/post.h"
#include "protocols/view.h"

#include <assert.h>

struct omega {
    struct co co;
    uint64_t suspected;
    uint16_t leader;
};

static struct omega *omega(struct co *co)
{
    return (struct omega *)co;
}

static size_t omega_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct omega);
}

static uint64_t unsuspected(const struct omega *s)
{
    return ~s->suspected & (~0ull >> (64 - s->co.st->n));
}

static void trust(struct omega *s, uint16_t p)
{
    s->leader = p;
    indicate(&s->co, ev_make(EV_OMEGA_TRUST, p, 0, 0, MSG_NONE));
}

/* upon ⟨Ω, Init⟩ do suspected := ∅; trust the highest rank of all */
static void omega_init(struct co *self)
{
    trust(omega(self), 0);
}

/* upon leader ≠ maxrank(Π ∖ suspected) do leader := that process; trigger ⟨Ω, Trust | leader⟩ */
static void elect(struct omega *s)
{
    uint64_t live = unsuspected(s);
    if (live != 0 && s->leader != __builtin_ctzll(live))
        trust(s, (uint16_t)__builtin_ctzll(live));
}

/* upon ⟨◇P, Suspect | p⟩ do suspected := suspected ∪ {p} */
static void upon_epfd_suspect(struct co *self, const struct ev *ev, uint32_t n)
{
    struct omega *s = omega(self);
    for (uint32_t i = 0; i < n; i++)
        s->suspected |= 1ull << ev[i].proc;
    elect(s);
}

/* upon ⟨◇P, Restore | p⟩ do suspected := suspected ∖ {p} */
static void upon_epfd_restore(struct co *self, const struct ev *ev, uint32_t n)
{
    struct omega *s = omega(self);
    for (uint32_t i = 0; i < n; i++)
        s->suspected &= ~(1ull << ev[i].proc);
    elect(s);
}

static void omega_check(const struct co *self)
{
    const struct omega *s = (const struct omega *)self;
    uint64_t live = unsuspected(s);
    assert(s->leader < self->st->n);
    assert(live == 0 || s->leader == __builtin_ctzll(live));
}

static void omega_show(const struct co *self, struct view *v)
{
    const struct omega *s = (const struct omega *)self;
    view_u64(v, "suspected", s->suspected);
    view_u64(v, "leader", s->leader);
}

static void omega_post(const struct co *self, struct co_post *p)
{
    p->trusted = ((const struct omega *)self)->leader;
    p->have |= POST_TRUSTED;
}

static co_upon_fn *const upon[EV_TYPES] =
    {[EV_EPFD_SUSPECT] = upon_epfd_suspect, [EV_EPFD_RESTORE] = upon_epfd_restore};

const struct co_class omega_monarchical_class = {
    .name = "omega_monarchical",
    .title = "monarchical eventual leader detection (CGR Algorithm 2.8)",
    .implements = ABS_OMEGA,
    .uses = {ABS_EPFD},
    .procs_max = PSET_PROCS,
    .bytes = omega_bytes,
    .init = omega_init,
    .upon = upon,
    .check = omega_check,
    .show = omega_show,
    .post = omega_post,
};
