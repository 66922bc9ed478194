/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flooding consensus.
 *
 * Abstraction   c, regular consensus (CGR Module 5.1), a row of instances
 *
 * Algorithm     flooding consensus (CGR Algorithm 5.1): in rounds, everybody tells everybody what it
 *               has seen proposed, until nothing new can come; the least value is decided
 *
 * Uses          beb, P
 *
 * Properties    C1, C2, C3, C4; not uniform: who decides and crashes may decide alone
 *
 * Model         fail-stop; any number of crashes. C4 rests on P's accuracy: one false suspicion is
 *               enough to split the correct processes, as the laboratory false_suspicion shows. So
 *               does C1: who is suspected falsely may be left behind. Where delays have no bound,
 *               use uc.
 *
 * Space         `instances` rows of 2n rounds: four words and the least value of each. A row is free
 *               again when its instance and all before it are decided here. What others send is
 *               less than `instances` ahead: half of that is the window in which an application
 *               proposes, and nobody decides an instance without a proposal of ours, unless we are
 *               suspected falsely; then it is dropped (drop_early).
 *
 * Differs       - A set of proposals is known by its least element: a union's least is the lesser of
 *                 two, and nothing but the least is ever decided.
 *               - What arrives for a round that is over here is not added to it any more.
 *               - A PROPOSAL tells from whom its sender had heard in the round before. A process
 *                 decides in round r if it hears in r from the same set S as in r − 1, and if each
 *                 of S says so of itself. The textbook asks only the first. That is not enough when
 *                 messages of a process that crashed reach some and not others, round by round:
 *                 n = 5, p2 crashes having sent nothing, p3 having reached only p4 in round 1, p4
 *                 having reached only p1, in rounds 1 and 2. Then p0 hears from {p0, p1} twice and
 *                 p1 from {p0, p1, p4} twice, so both would decide in round 2; but only p1 has
 *                 heard, by way of p4, what p3 proposed.
 *
 * Why C4 holds: let a correct p decide v in round r, having heard from S. Each of S heard from just S
 * in round r − 1, thus begins r with the same values. Every correct process is in S. If it decides
 * in r, then by the same rule from the same S, thus v. Otherwise it needs p's message of round
 * r + 1, and p sends ⟨DECIDED, v⟩ instead.
 *
 * Rounds: a round that no process which crashed reaches, after one that none reached, decides. As
 * the k-th to crash gets at most two rounds further than the one before it, 2n rounds suffice.
 */
#include "consensus.h"
#include "protocols/co.h"
#include "protocols/post.h"
#include "protocols/view.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum { USE_BEB, USE_P };

enum kind { PROPOSAL = 1, DECIDED };

struct c_wire {
    uint8_t kind;
    uint8_t round; /* PROPOSAL: from 1; DECIDED: 0 */
    uint8_t reserved[6];
    uint8_t inst[8];
    uint8_t heard[8]; /* PROPOSAL: bit p: the sender heard from p in the round before */
};
static_assert(sizeof(struct c_wire) == 24, "the layout is the protocol");
static_assert(2 * PSET_PROCS <= UINT8_MAX, "a round fits its field");

struct round {
    uint64_t from;    /* receivedfrom: bit p: p's proposals of this round have come */
    uint64_t all;     /* whom each of those had heard from in the round before */
    uint64_t any;     /* whom some of them had */
    struct msg least; /* of proposals; held */
};

struct row {
    uint16_t round;
    bool proposed;
    bool decided;
};

struct c_flooding {
    struct co co;
    uint64_t correct;    /* bit p: P has not said that p crashed */
    uint64_t everybody;  /* Π */
    uint64_t floor;      /* all instances below are decided */
    uint64_t mine;       /* all instances that we proposed for are below */
    uint32_t rows;       /* a power of two */
    uint16_t rounds_max; /* 2n */
    struct row *row;
    struct round round[]; /* of each row: its rounds from 1 */
};

static struct c_flooding *c(struct co *co)
{
    return (struct c_flooding *)co;
}

static size_t c_flooding_bytes(const struct stack_conf *conf)
{
    return sizeof(struct c_flooding) +
           conf->instances * (2 * conf->n * sizeof(struct round) + sizeof(struct row));
}

static void reset(struct c_flooding *s, uint64_t inst);

static void c_flooding_init(struct co *self)
{
    struct c_flooding *s = c(self);
    const struct stack_conf *conf = &self->st->conf;
    s->everybody = s->correct = ~0ull >> (PSET_PROCS - conf->n);
    s->rows = conf->instances;
    s->rounds_max = (uint16_t)(2 * conf->n);
    s->row = (struct row *)&s->round[(size_t)s->rows * s->rounds_max];
    for (uint32_t i = 0; i < s->rows; i++)
        reset(s, i);
}

static struct row *row_of(const struct c_flooding *s, uint64_t inst)
{
    return &s->row[inst & (s->rows - 1)];
}

static struct round *round_of(const struct c_flooding *s, uint64_t inst, uint16_t round)
{
    size_t at = (size_t)(inst & (s->rows - 1)) * s->rounds_max + round - 1;
    return (struct round *)(uintptr_t)&s->round[at];
}

static void forget(struct round *r)
{
    if (r->least.seg != NULL)
        msg_release(r->least);
    *r = (struct round){.all = UINT64_MAX};
}

/* A row for another instance. */
static void reset(struct c_flooding *s, uint64_t inst)
{
    *row_of(s, inst) = (struct row){.round = 1};
    for (uint16_t k = 1; k <= s->rounds_max; k++)
        forget(round_of(s, inst, k));
}

/* Values are ordered as strings of bytes. */
static bool less(struct msg a, struct msg b)
{
    int order = memcmp(msg_data(a), msg_data(b), a.len < b.len ? a.len : b.len);
    return order != 0 ? order < 0 : a.len < b.len;
}

static void write_header(struct msg m, enum kind kind, uint16_t round, uint64_t inst,
                         uint64_t heard)
{
    struct c_wire *w = (struct c_wire *)msg_data(m);
    *w = (struct c_wire){.kind = (uint8_t)kind, .round = (uint8_t)round};
    le64_put(w->inst, inst);
    le64_put(w->heard, heard);
}

static void broadcast(struct c_flooding *s, struct msg m)
{
    trigger(s->co.use[USE_BEB], ev_make(EV_BEB_BROADCAST, 0, 0, 0, m));
}

/* decision := v; trigger ⟨beb, Broadcast | [DECIDED, v]⟩; trigger ⟨c, Decide | v⟩. The value may be
 * one that we give back here, so the events carry a copy. */
static void decide(struct c_flooding *s, uint64_t inst, struct msg v)
{
    struct msg m = msg_copy_behind(s->co.st, v, sizeof(struct c_wire));
    write_header(m, DECIDED, 0, inst, 0);
    broadcast(s, m);
    msg_pull(&m, sizeof(struct c_wire));
    indicate(&s->co, ev_make(EV_C_DECIDE, 0, inst, 0, m));
    reset(s, inst);
    row_of(s, inst)->decided = true;
    for (; row_of(s, s->floor)->decided; s->floor++)
        reset(s, s->floor);
}

/* round := round + 1; trigger ⟨beb, Broadcast | [PROPOSAL, round, proposals[round − 1]]⟩ */
static void next_round(struct c_flooding *s, uint64_t inst, struct row *row)
{
    const struct round *before = round_of(s, inst, row->round);
    struct msg m = msg_copy_behind(s->co.st, before->least, sizeof(struct c_wire));
    row->round++;
    write_header(m, PROPOSAL, row->round, inst, before->from);
    broadcast(s, m);
}

/* upon correct ⊆ receivedfrom[round] ∧ decision = ⊥: decide if everybody heard from the same set as
 * we did, in this round and in the one before; else go on to the next round. */
static void advance(struct c_flooding *s, uint64_t inst)
{
    struct row *row = row_of(s, inst);
    while (row->proposed && !row->decided) {
        const struct round *now = round_of(s, inst, row->round);
        uint64_t before =
            row->round == 1 ? s->everybody : round_of(s, inst, (uint16_t)(row->round - 1))->from;
        if ((s->correct & ~now->from) != 0 || now->from == 0)
            return;
        if (now->from == before && now->all == before && now->any == before) {
            decide(s, inst, now->least);
            return;
        }
        if (row->round == s->rounds_max)
            return; /* P has lied: nothing is owed any more */
        next_round(s, inst, row);
    }
}

/* upon ⟨c, Propose | v⟩ do proposals[1] := {v}; trigger ⟨beb, Broadcast | [PROPOSAL, 1, {v}]⟩ */
static void upon_c_propose(struct co *self, const struct ev *ev, uint32_t n)
{
    struct c_flooding *s = c(self);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t inst = ev[i].inst;
        if (inst >= s->mine)
            s->mine = inst + 1;
        if (inst < s->floor || row_of(s, inst)->decided || row_of(s, inst)->proposed)
            continue; /* decided before we came to propose, or proposed before */
        assert(inst < s->floor + s->rows / 2 && "the application proposes beyond its room()");
        struct msg m = ev_msg(&ev[i]);
        msg_push(&m, sizeof(struct c_wire));
        write_header(m, PROPOSAL, 1, inst, s->everybody);
        row_of(s, inst)->proposed = true;
        broadcast(s, m);
    }
}

/* upon ⟨beb, Deliver | p, [PROPOSAL, r, ps]⟩ do receivedfrom[r] := receivedfrom[r] ∪ {p};
 * proposals[r] := proposals[r] ∪ ps */
static void proposal(struct c_flooding *s, uint16_t p, uint16_t round, uint64_t inst,
                     uint64_t heard, struct msg v)
{
    if (row_of(s, inst)->decided || round < row_of(s, inst)->round)
        return;
    struct round *r = round_of(s, inst, round);
    r->from |= 1ull << p;
    r->all &= heard;
    r->any |= heard;
    if (r->least.seg == NULL || less(v, r->least)) {
        msg_hold(v);
        if (r->least.seg != NULL)
            msg_release(r->least);
        r->least = v;
    }
    advance(s, inst);
}

/* Whether what came is a message of ours. */
static bool sound(const struct c_flooding *s, const struct c_wire *w)
{
    bool known = w->kind == PROPOSAL ? w->round >= 1 && w->round <= s->rounds_max
                                     : w->kind == DECIDED && w->round == 0;
    return known && (le64_get(w->heard) & ~s->everybody) == 0;
}

static void upon_beb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct c_flooding *s = c(self);
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        const struct c_wire *w = msg_pull(&m, sizeof *w);
        if (w == NULL || !sound(s, w)) {
            co_count(self, COUNT_drop_message, 1);
            continue;
        }
        uint64_t inst = le64_get(w->inst);
        if (inst < s->floor)
            continue; /* decided; others are told so by our DECIDED */
        if (inst - s->floor >= s->rows)
            co_count(self, COUNT_drop_early, 1);
        else if (w->kind == PROPOSAL)
            proposal(s, ev[i].proc, w->round, inst, le64_get(w->heard), m);
        /* upon ⟨beb, Deliver | p, [DECIDED, v]⟩ such that p ∈ correct ∧ decision = ⊥ */
        else if ((s->correct >> ev[i].proc & 1) && !row_of(s, inst)->decided)
            decide(s, inst, m);
    }
}

/* upon ⟨P, Crash | p⟩ do correct := correct ∖ {p} */
static void upon_p_crash(struct co *self, const struct ev *ev, uint32_t n)
{
    struct c_flooding *s = c(self);
    for (uint32_t i = 0; i < n; i++)
        s->correct &= ~(1ull << ev[i].proc);
    uint64_t end = s->floor + s->rows;
    for (uint64_t inst = s->floor; inst < end; inst++)
        if (inst >= s->floor) /* a decision moves the floor */
            advance(s, inst);
}

/* Half of the rows is for what we propose, the other half for who is ahead of us. */
static bool c_flooding_takes(const struct co *self, uint64_t inst)
{
    const struct c_flooding *s = (const struct c_flooding *)self;
    return inst < s->floor + s->rows / 2;
}

static uint32_t c_flooding_room(const struct co *self)
{
    const struct c_flooding *s = (const struct c_flooding *)self;
    uint64_t from = s->mine > s->floor ? s->mine : s->floor, end = s->floor + s->rows / 2;
    uint32_t room = end > from ? (uint32_t)(end - from) : 0, below = co_room(self->use[USE_BEB]);
    return room < below / 2 ? room : below / 2;
}

/* Of an instance, a further round, and DECIDED. */
static uint32_t c_flooding_unasked(const struct stack_conf *conf)
{
    (void)conf;
    return 2;
}

static void c_flooding_fini(struct co *self)
{
    struct c_flooding *s = c(self);
    for (uint32_t i = 0; i < s->rows; i++)
        reset(s, i);
}

static void c_flooding_check(const struct co *self)
{
    const struct c_flooding *s = (const struct c_flooding *)self;
    assert(!row_of(s, s->floor)->decided);
    for (uint64_t inst = s->floor; inst < s->floor + s->rows; inst++) {
        const struct row *row = row_of(s, inst);
        assert(row->round >= 1 && row->round <= s->rounds_max);
        assert(row->proposed || row->round == 1);
        for (uint16_t k = 1; k <= s->rounds_max; k++) {
            const struct round *r = round_of(s, inst, k);
            assert((r->from == 0) == (r->least.seg == NULL));
            assert((r->from & ~s->everybody) == 0 && (r->from == 0 || !row->decided));
        }
    }
}

static void c_flooding_show(const struct co *self, struct view *v)
{
    const struct c_flooding *s = (const struct c_flooding *)self;
    view_u64(v, "correct", s->correct);
    view_u64(v, "floor", s->floor);
    view_u64(v, "mine", s->mine);
    for (uint64_t inst = s->floor; inst < s->floor + s->rows; inst++) {
        const struct row *row = row_of(s, inst);
        view_group(v, "instance", inst);
        view_u64(v, "round", row->round);
        view_u64(v, "proposed", row->proposed);
        view_u64(v, "decided", row->decided);
        for (uint16_t k = 1; k <= s->rounds_max; k++) {
            const struct round *r = round_of(s, inst, k);
            if (r->from == 0)
                continue;
            view_group(v, "round", k);
            view_u64(v, "from", r->from);
            view_u64(v, "all", r->all);
            view_u64(v, "any", r->any);
            view_msg(v, "least", r->least);
        }
    }
}

/* A value of eight bytes or fewer is told as the number that it is. */
static int c_flooding_tell(struct msg m, char *text, size_t size)
{
    const struct c_wire *w = msg_pull(&m, sizeof *w);
    if (w == NULL || (w->kind != PROPOSAL && w->kind != DECIDED))
        return -1;
    uint64_t value = 0;
    for (uint16_t i = 0; i < m.len && i < 8; i++)
        value |= (uint64_t)msg_data(m)[i] << 8 * i;
    if (w->kind == DECIDED)
        return snprintf(text, size, "[DECIDED @%" PRIu64 " %" PRIu64 "]", le64_get(w->inst), value);
    return snprintf(text, size, "[PROPOSAL @%" PRIu64 " round %u %" PRIu64 "]", le64_get(w->inst),
                    w->round, value);
}

static void c_flooding_post(const struct co *self, struct co_post *p)
{
    const struct c_flooding *s = (const struct c_flooding *)self;
    const struct row *row = row_of(s, s->floor);
    if (!row->proposed || row->decided)
        return;
    uint64_t from = round_of(s, s->floor, row->round)->from;
    post_wait(self, p,
              (struct post_wait){.kind = POST_ALL,
                                 .open = s->mine - s->floor,
                                 .origin = NOBODY_POSTED,
                                 .oldest = s->floor,
                                 .have = from,
                                 .missing = s->correct & ~from,
                                 .need = (uint64_t)__builtin_popcountll(s->correct | from)});
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_C_PROPOSE] = upon_c_propose,
                                           [EV_BEB_DELIVER] = upon_beb_deliver,
                                           [EV_P_CRASH] = upon_p_crash};

const struct co_class c_flooding_class = {
    .name = "c_flooding",
    .title = "flooding consensus (CGR Algorithm 5.1)",
    .implements = ABS_C,
    .uses = {ABS_BEB, ABS_P},
    .accurate = "C1 C4",
    .header_bytes = sizeof(struct c_wire),
    .procs_max = PSET_PROCS,
    .bytes = c_flooding_bytes,
    .init = c_flooding_init,
    .upon = upon,
    .room = c_flooding_room,
    .unasked = c_flooding_unasked,
    .takes = c_flooding_takes,
    .fini = c_flooding_fini,
    .check = c_flooding_check,
    .show = c_flooding_show,
    .post = c_flooding_post,
    .tell = c_flooding_tell,
};
