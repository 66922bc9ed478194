/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Monarchical leader election.
 *
 * Abstraction   le, leader election (CGR Module 2.7)
 *
 * Algorithm     monarchical leader election (CGR Algorithm 2.6): the process of highest rank among
 *               those that have not crashed leads
 *
 * Uses          P
 *
 * Properties    LE1, LE2
 *
 * Model         fail-stop; both rest on P's accuracy
 *
 * Space         two words
 *
 * Differs       Rank is the process number, and p0 is the monarch. The leader is looked for once a
 *               batch of crashes. If P says of everybody that it has crashed, ourselves included,
 *               which P does not do, the leader stays.
 */
#include "detectors.h"
#include "protocols/co.h"
#include "protocols/post.h"
#include "protocols/view.h"

#include <assert.h>

struct le {
    struct co co;
    uint64_t crashed;
    uint16_t leader;
};

static struct le *le(struct co *co)
{
    return (struct le *)co;
}

static size_t le_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct le);
}

static uint64_t uncrashed(const struct le *s)
{
    return ~s->crashed & (~0ull >> (64 - s->co.st->n));
}

static void lead(struct le *s, uint16_t p)
{
    s->leader = p;
    indicate(&s->co, ev_make(EV_LE_LEADER, p, 0, 0, MSG_NONE));
}

/* upon ⟨le, Init⟩ do suspected := ∅; the highest rank of all leads */
static void le_init(struct co *self)
{
    lead(le(self), 0);
}

/* upon ⟨P, Crash | p⟩ do suspected := suspected ∪ {p};
 * upon leader ≠ maxrank(Π ∖ suspected) do leader := that process; trigger ⟨le, Leader | leader⟩ */
static void upon_p_crash(struct co *self, const struct ev *ev, uint32_t n)
{
    struct le *s = le(self);
    for (uint32_t i = 0; i < n; i++)
        s->crashed |= 1ull << ev[i].proc;
    uint64_t live = uncrashed(s);
    if (live != 0 && s->leader != __builtin_ctzll(live))
        lead(s, (uint16_t)__builtin_ctzll(live));
}

static void le_check(const struct co *self)
{
    const struct le *s = (const struct le *)self;
    uint64_t live = uncrashed(s);
    assert(live == 0 || s->leader == __builtin_ctzll(live));
}

static void le_show(const struct co *self, struct view *v)
{
    const struct le *s = (const struct le *)self;
    view_u64(v, "crashed", s->crashed);
    view_u64(v, "leader", s->leader);
}

static void le_post(const struct co *self, struct co_post *p)
{
    p->trusted = ((const struct le *)self)->leader;
    p->have |= POST_TRUSTED;
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_P_CRASH] = upon_p_crash};

const struct co_class le_monarchical_class = {
    .name = "le_monarchical",
    .title = "monarchical leader election (CGR Algorithm 2.6)",
    .implements = ABS_LE,
    .uses = {ABS_P},
    .accurate = "LE1 LE2",
    .procs_max = PSET_PROCS,
    .bytes = le_bytes,
    .init = le_init,
    .upon = upon,
    .check = le_check,
    .show = le_show,
    .post = le_post,
};
