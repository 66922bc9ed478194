/* SPDX-License-Identifier: BSD-3-Clause */
/* What a person, and a simulation, sees of epoch consensus: its invariants, its state, its messages. */
#include "ep_rows.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static const char *const kind_names[] = {"",       "READ",    "STATE", "END",   "WRITE",
                                         "ACCEPT", "DECIDED", "DONE",  "RESUME"};

void ep_check(const struct co *self)
{
    const struct ep *s = (const struct ep *)self;
    assert(s->kept == s->floor);
    assert(s->floor <= s->done && s->done <= s->floor + s->mask + 1);
    assert(s->told <= s->done && s->sure <= s->done);
    assert(s->floor <= s->top && s->top <= s->floor + s->mask + 1);
    assert(s->accepts.count == 0 && s->decides.count == 0);
    assert(!s->ready || leading(s));
    for (uint64_t i = s->floor; i <= s->floor + s->mask; i++) {
        const struct row *r = &s->row[i & s->mask];
        bool decided = r->flags & ROW_DECIDED;
        assert(!decided || r->seg != NULL);
        assert(i >= s->done || decided);
        assert(i != s->done || !decided);
        assert(i < s->top || (r->seg == NULL && r->prop_seg == NULL));
        assert(!(r->flags & ROW_TOLD) || (!decided && (r->storing || !settles(r))));
        if (r->flags & ROW_CHOSEN)
            assert(__builtin_popcountll(r->accepted) > self->st->n / 2);
    }
}

static void show_row(const struct ep *s, struct view *v, uint64_t inst)
{
    const struct row *r = &s->row[inst & s->mask];
    if (r->flags == 0 && r->seg == NULL && r->prop_seg == NULL)
        return;
    view_group(v, "instance", inst);
    view_u64(v, "flags", r->flags);
    if (r->seg != NULL) {
        view_u64(v, "valts", r->valts);
        view_u64(v, "storing", r->storing);
        view_msg(v, "val", value_of(r));
    }
    if (r->flags & ROW_TOLD)
        view_u64(v, "told_ts", r->told_ts);
    if (r->flags & ROW_LED)
        view_u64(v, "accepted", r->accepted);
    if (r->prop_seg != NULL)
        view_msg(v, "proposal", (struct msg){r->prop_seg, r->prop_off, r->prop_len});
}

void ep_show(const struct co *self, struct view *v)
{
    const struct ep *s = (const struct ep *)self;
    view_u64(v, "ets", s->ets);
    view_u64(v, "leader", s->leader);
    view_u64(v, "is",
             (uint64_t)s->active | (uint64_t)s->ready << 1 | (uint64_t)s->answering << 2 |
                 (uint64_t)timer_armed(&s->timer) << 3);
    view_u64(v, "floor", s->floor);
    if (timer_armed(&s->patience))
        view_u64(v, "behind", s->behind);
    view_u64(v, "lost", s->lost);
    view_u64(v, "relived", s->relived);
    if (s->lost_end > s->done)
        view_u64(v, "lost_end", s->lost_end);
    view_u64(v, "stable", s->stable);
    view_u64(v, "done", s->done);
    view_u64(v, "told", s->told);
    view_u64(v, "top", s->top);
    view_u64(v, "suspected", s->suspected);
    view_u64(v, "answer_round", s->answer_round);
    if (s->answering) {
        view_u64(v, "answer_at", s->answer_at);
        view_u64(v, "answer_end", s->answer_end);
        view_u64(v, "answer_count", s->answer_count);
    }
    if (s->log != NULL) {
        view_u64(v, "sure", s->sure);
        view_u64(v, "rest", timer_armed(&s->rest));
        view_u64(v, "sure_next", s->sure_next);
        view_u64(v, "released", s->released);
        view_u64(v, "lives",
                 (uint64_t)s->recovered | (uint64_t)s->resumed << 1 | (uint64_t)s->sure_asked << 2);
    }
    if (leading(s)) {
        view_u64(v, "scan", s->scan);
        view_u64(v, "over", s->over);
        view_u64(v, "heard", s->heard);
        view_u64(v, "passed", s->passed);
        if (timer_armed(&s->hold))
            view_u64(v, "held", s->held);
        view_u64(v, "round", s->round);
        view_u64(v, "unheard", s->unheard);
        view_u64(v, "read_from", s->read_from);
        view_u64(v, "answered", s->answered);
    }
    for (uint16_t q = 0; q < self->st->n; q++) {
        view_group(v, "peer", q);
        view_u64(v, "done", s->peer[q].done);
        view_u64(v, "read_ets", s->peer[q].read_ets);
        view_u64(v, "read_from", s->peer[q].read_from);
        view_u64(v, "read_round", s->peer[q].read_round);
        if (s->peer[q].again < s->peer[q].again_end) {
            view_u64(v, "again", s->peer[q].again);
            view_u64(v, "again_end", s->peer[q].again_end);
        }
        if (leading(s) && !s->ready) {
            view_u64(v, "states", s->peer[q].states);
            view_u64(v, "states_all", s->peer[q].states_all);
        }
    }
    for (uint64_t i = s->floor; i <= s->floor + s->mask; i++)
        show_row(s, v, i);
}

int ep_tell(struct msg m, char *text, size_t size)
{
    struct said said;
    if (!ep_decode(&m, &said))
        return -1;
    const char *name = kind_names[said.kind];
    if (said.kind == STATE || said.kind == END)
        return snprintf(text, size, "[%s %" PRIu64 " %" PRIu64 " %" PRIu64 "]", name, said.ets,
                        said.inst, said.more);
    if ((said.kind == ACCEPT || said.kind == DECIDED) && said.count > 1)
        return snprintf(text, size, "[%s %" PRIu64 " %" PRIu64 "..%" PRIu64 "]", name, said.ets,
                        said.inst, said.inst + said.count - 1);
    return snprintf(text, size, "[%s %" PRIu64 " %" PRIu64 "]", name, said.ets, said.inst);
}

/* Leader: what its oldest instance that is not decided waits for. */
static void post_leading(const struct ep *s, const struct row *r, struct post_wait *wait)
{
    uint16_t n = s->co.st->n;
    wait->kind = s->ready ? POST_QUORUM : POST_READ;
    wait->have = s->ready ? r->accepted : s->answered;
    wait->need = n / 2 + 1;
    if (s->ready && !(r->flags & ROW_LED) && s->scan >= s->floor + s->window) {
        wait->kind = POST_WINDOW;
        wait->have = s->suspected;
        for (uint16_t q = 0; q < n; q++)
            if (q == s->co.st->self || s->peer[q].done > s->stable)
                wait->have |= 1ull << q;
        wait->need = n;
    }
    wait->missing = ~wait->have & (~0ull >> (PSET_PROCS - n));
}

void ep_post(const struct co *self, struct co_post *p)
{
    const struct ep *s = (const struct ep *)self;
    if (s->leader == NOBODY)
        return;
    p->epoch = s->ets;
    p->leader = s->leader;
    p->have |= POST_EPOCH;
    if (s->top <= s->done)
        return;
    struct post_wait wait = {.kind = POST_LEADER,
                             .open = s->top - s->done,
                             .origin = NOBODY_POSTED,
                             .oldest = s->done,
                             .missing = 1ull << s->leader,
                             .need = 1};
    if (!s->active)
        wait = (struct post_wait){.kind = POST_EPOCH_CHANGE,
                                  .open = wait.open,
                                  .origin = NOBODY_POSTED,
                                  .oldest = s->done};
    else if (leading(s))
        post_leading(s, &s->row[s->done & s->mask], &wait);
    post_wait(self, p, wait);
}
