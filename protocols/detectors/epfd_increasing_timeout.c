/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Increasing timeout.
 *
 * Abstraction   ◇P, eventually perfect failure detector (CGR Module 2.8)
 *
 * Algorithm     increasing timeout (CGR Algorithm 2.7): suspect who does not answer in time; who
 *               answers after all is restored, and everybody is given more time from then on
 *
 * Uses          pl
 *
 * Properties    EPFD1; EPFD2 as soon as delays are bounded by something, known or not
 *
 * Model         fail-noisy, partially synchronous
 *
 * Space         6 words and 4 bytes a process; one request in a link at most to each peer
 *
 * Differs       As with P, period (`heartbeat_ns`) and delay are apart: the delay begins with
 *               `detect_ns` and grows by `detect_ns` whenever a suspicion proves false. What
 *               arrives in the same breath as the alarm is in time. We never suspect ourselves.
 *               The link hears of it too (⟨pl, Suspect⟩, ⟨pl, Restore⟩), so that what a crashed
 *               process is owed stops nobody: the book's links have no bound.
 */
#include "detectors.h"
#include "heartbeat.h"
#include "protocols/post.h"

struct epfd {
    struct co co;
    uint64_t suspected;
    uint64_t delay_ns;
    struct heartbeat hb;
};

static struct epfd *epfd(struct co *co)
{
    return (struct epfd *)co;
}

static size_t epfd_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct epfd);
}

/* upon ⟨◇P, Init⟩ do suspected := ∅; delay := Δ; starttimer */
static void epfd_init(struct co *self)
{
    epfd(self)->delay_ns = self->st->conf.detect_ns;
    heartbeat_init(self, &epfd(self)->hb);
}

/* upon ⟨Timeout⟩: judge behind what this breath has received. */
static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    trigger(self, ev_make(EV_EPFD_JUDGE, 0, 0, 0, MSG_NONE));
}

static void tell_users(struct co *self, enum ev_type type, uint64_t set)
{
    for (; set != 0; set &= set - 1)
        indicate(self, ev_make(type, (uint16_t)__builtin_ctzll(set), 0, 0, MSG_NONE));
}

/* if alive ∩ suspected ≠ ∅ then delay := delay + Δ; restore those;
 * suspect who is neither alive nor suspected */
static void upon_epfd_judge(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    struct epfd *s = epfd(self);
    uint64_t restored = s->hb.heard & s->suspected;
    uint64_t late = heartbeat_late(self, &s->hb, s->delay_ns) & ~s->suspected;
    if (restored != 0)
        s->delay_ns += self->st->conf.detect_ns;
    s->suspected = (s->suspected & ~restored) | late;
    heartbeat_tell_link(self, EV_PL_RESTORE, restored);
    heartbeat_tell_link(self, EV_PL_SUSPECT, late);
    tell_users(self, EV_EPFD_RESTORE, restored);
    tell_users(self, EV_EPFD_SUSPECT, late);
    heartbeat_next(self, &s->hb, s->hb.peers);
}

/* upon ⟨pl, Deliver | q, HEARTBEAT-REQUEST⟩ do trigger ⟨pl, Send | q, HEARTBEAT-REPLY⟩
 * upon ⟨pl, Deliver | q, HEARTBEAT-REPLY⟩ do alive := alive ∪ {q} */
static void upon_pl_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    heartbeat_deliver(self, &epfd(self)->hb, ev, n);
}

static void epfd_check(const struct co *self)
{
    const struct epfd *s = (const struct epfd *)self;
    heartbeat_check(self, &s->hb);
    assert((s->suspected & ~s->hb.peers) == 0);
    assert(s->delay_ns >= self->st->conf.detect_ns);
}

static void epfd_show(const struct co *self, struct view *v)
{
    const struct epfd *s = (const struct epfd *)self;
    view_u64(v, "suspected", s->suspected);
    view_u64(v, "delay_ns", s->delay_ns);
    heartbeat_show(&s->hb, v);
}

static void epfd_post(const struct co *self, struct co_post *p)
{
    p->suspected = ((const struct epfd *)self)->suspected;
    p->have |= POST_SUSPECTED;
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_TIMER_TIMEOUT] = upon_timeout,
                                           [EV_EPFD_JUDGE] = upon_epfd_judge,
                                           [EV_PL_DELIVER] = upon_pl_deliver};

const struct co_class epfd_increasing_timeout_class = {
    .name = "epfd_increasing_timeout",
    .title = "increasing timeout (CGR Algorithm 2.7)",
    .implements = ABS_EPFD,
    .uses = {ABS_PL},
    .procs_max = PSET_PROCS,
    .bytes = epfd_bytes,
    .init = epfd_init,
    .upon = upon,
    .unasked = heartbeat_unasked,
    .check = epfd_check,
    .show = epfd_show,
    .post = epfd_post,
    .tell = heartbeat_tell,
};
