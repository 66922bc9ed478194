/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Exclude on timeout.
 *
 * Abstraction   P, perfect failure detector (CGR Module 2.6)
 *
 * Algorithm     exclude on timeout (CGR Algorithm 2.5): ask every process for a heartbeat; who does
 *               not answer in time has crashed
 *
 * Uses          pl
 *
 * Properties    PFD1 always; PFD2 only as long as the model holds
 *
 * Model         fail-stop, synchronous: a request and its reply, both processes' steps included,
 *               must take less than `detect_ns` together. Where nothing bounds delays, as over any
 *               real network, P is a wish: a process that is slow is detected, for good, and what
 *               is built on P may then break its safety. Choose ◇P there.
 *
 * Space         5 words and 4 bytes a process; one request in a link at most to each peer
 *
 * Differs       The book asks once per timeout; here the period (`heartbeat_ns`) and the timeout
 *               (`detect_ns`) are two parameters: a crash is detected at most `detect_ns` + 2
 *               periods after it, and a request need not be repeated to a process that owes an
 *               answer. What arrives in the same breath as the alarm is in time. The link hears
 *               of it too (⟨pl, Suspect⟩), so that what a crashed process is owed stops nobody.
 */
#include "detectors.h"
#include "heartbeat.h"
#include "protocols/post.h"

struct p_exclude {
    struct co co;
    uint64_t detected;
    struct heartbeat hb;
};

static struct p_exclude *p_exclude(struct co *co)
{
    return (struct p_exclude *)co;
}

static size_t p_exclude_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct p_exclude);
}

/* upon ⟨P, Init⟩ do detected := ∅; starttimer */
static void p_exclude_init(struct co *self)
{
    heartbeat_init(self, &p_exclude(self)->hb);
}

/* upon ⟨Timeout⟩: judge behind what this breath has received. */
static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    trigger(self, ev_make(EV_P_JUDGE, 0, 0, 0, MSG_NONE));
}

/* forall p ∉ alive ∪ detected do detected := detected ∪ {p}; trigger ⟨P, Crash | p⟩ */
static void upon_p_judge(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    struct p_exclude *s = p_exclude(self);
    uint64_t late = heartbeat_late(self, &s->hb, self->st->conf.detect_ns) & ~s->detected;
    s->detected |= late;
    heartbeat_tell_link(self, EV_PL_SUSPECT, late);
    for (; late != 0; late &= late - 1)
        indicate(self, ev_make(EV_P_CRASH, (uint16_t)__builtin_ctzll(late), 0, 0, MSG_NONE));
    heartbeat_next(self, &s->hb, ~s->detected);
}

/* upon ⟨pl, Deliver | q, HEARTBEAT-REQUEST⟩ do trigger ⟨pl, Send | q, HEARTBEAT-REPLY⟩
 * upon ⟨pl, Deliver | q, HEARTBEAT-REPLY⟩ do alive := alive ∪ {q} */
static void upon_pl_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    heartbeat_deliver(self, &p_exclude(self)->hb, ev, n);
}

static void p_exclude_check(const struct co *self)
{
    const struct p_exclude *s = (const struct p_exclude *)self;
    heartbeat_check(self, &s->hb);
    assert((s->detected & ~s->hb.peers) == 0);
}

static void p_exclude_show(const struct co *self, struct view *v)
{
    const struct p_exclude *s = (const struct p_exclude *)self;
    view_u64(v, "detected", s->detected);
    heartbeat_show(&s->hb, v);
}

static void p_exclude_post(const struct co *self, struct co_post *p)
{
    p->crashed = ((const struct p_exclude *)self)->detected;
    p->have |= POST_CRASHED;
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_TIMER_TIMEOUT] = upon_timeout,
                                           [EV_P_JUDGE] = upon_p_judge,
                                           [EV_PL_DELIVER] = upon_pl_deliver};

const struct co_class p_exclude_on_timeout_class = {
    .name = "p_exclude_on_timeout",
    .title = "exclude on timeout (CGR Algorithm 2.5)",
    .implements = ABS_P,
    .uses = {ABS_PL},
    .procs_max = PSET_PROCS,
    .bytes = p_exclude_bytes,
    .init = p_exclude_init,
    .upon = upon,
    .unasked = heartbeat_unasked,
    .check = p_exclude_check,
    .show = p_exclude_show,
    .post = p_exclude_post,
    .tell = heartbeat_tell,
};
