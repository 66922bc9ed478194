/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leader-driven consensus.
 *
 * Abstraction   uc, uniform consensus (CGR Module 5.2), a row of instances
 *
 * Algorithm     leader-driven consensus (CGR Algorithm 5.7): a sequence of epochs, each started by
 *               epoch change; the leader of the current one proposes its own value in it
 *
 * Uses          ec, ep, pl (for forwarding only)
 *
 * Properties    UC1, UC2, UC3, UC4
 *
 * Model         fail-noisy; a majority of correct processes
 *
 * Space         `instances` rows: the own proposal, held until the instance is decided. A process
 *               proposes no instance beyond `instances` / 2 above the one below which all are
 *               decided here; ⟨app, Ready⟩ says how many that leaves.
 *
 * Differs       - A stream of instances shares its epochs: an epoch change concerns all of them.
 *                 Instances are decided in any order, each once.
 *               - With `forward`, who is not the leader sends its proposal to the leader of its
 *                 epoch, which proposes it if it has none of its own for that instance; and again
 *                 to each new leader, until the instance is decided. The textbook decides only what
 *                 some leader proposed itself, so that a client waits until its own process leads.
 *                 Who proposes for an instance where it holds a forwarded value makes that its own.
 *               - A proposal for an instance that is decided here already is ignored.
 *               - UC1 holds as long as the rows suffice. Who was suspected, or down, for longer than
 *                 the others keep decisions is told ⟨uc, Missed | i⟩: what it has not decided before
 *                 i, it never will; all from i on it decides with the others.
 *               - Of one file with luc, logged uniform consensus (luc_leader_driven: fail-recovery,
 *                 uses lec, lep, pl; CGR Module 5.7, Algorithm 5.11). Proposals are not stored: who
 *                 crashed proposes again what it still wants. Decisions are the rows of lep; after
 *                 a recovery those that were not released (⟨luc, Release | i⟩) are indicated again,
 *                 behind ⟨luc, Resumed | i⟩, which says where they begin.
 */
#include "consensus.h"
#include "protocols/co.h"
#include "protocols/post.h"
#include "protocols/view.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define INST_MAX   (UINT64_MAX >> 2)
#define BURST_MSGS 256 /* stored proposals handed on in one go */

enum { USE_EC, USE_EP, USE_PL };

#define FORWARD 1

struct uc_wire {
    uint8_t kind; /* FORWARD; a value follows */
    uint8_t reserved[7];
    uint8_t inst[8];
};
static_assert(sizeof(struct uc_wire) == 16, "the layout is the protocol");

enum {
    ROW_DECIDED = 1,
    ROW_SENT = 2,    /* a header was put in front of it: the next one needs a copy */
    ROW_FOREIGN = 4, /* forwarded to us */
};

struct row {
    struct rte_mbuf *seg; /* the proposal, held; NULL: none */
    uint16_t off;
    uint16_t len;
    uint8_t flags;
    uint8_t pad[3];
};
static_assert(sizeof(struct row) == 16, "four to a cache line");

/* The events of uc, or of luc. */
struct uc_events {
    uint16_t propose, init, abort, decide, missed;
    bool logged;
};

struct uc {
    struct co co;
    const struct uc_events *ev;
    bool begun;   /* an epoch has been started */
    bool resumed; /* luc: the next epoch is one of an earlier life */
    uint64_t ets;
    uint64_t newts;
    uint16_t leader;
    uint16_t newleader;
    bool aborting; /* between ⟨ep, Abort⟩ and ⟨ep, Aborted⟩ */
    uint32_t mask; /* rows − 1 */
    uint32_t window;
    uint64_t done;   /* all before it are decided */
    uint64_t mine;   /* the application proposed nothing from here on */
    uint64_t next;   /* no row from here on holds a proposal */
    uint64_t at;     /* proposals before it have been handed on in this epoch */
    uint64_t before; /* done, when this breath began */
    uint64_t step;   /* the breath */
    struct timer timer;
    struct row row[];
};

static struct uc *state(struct co *co)
{
    return (struct uc *)co;
}

static size_t uc_bytes(const struct stack_conf *conf)
{
    return sizeof(struct uc) + conf->instances * sizeof(struct row);
}

static const struct uc_events uc_events = {EV_EP_PROPOSE, EV_EP_INIT,   EV_EP_ABORT,
                                           EV_UC_DECIDE,  EV_UC_MISSED, false};
static const struct uc_events luc_events = {EV_LEP_PROPOSE, EV_LEP_INIT,   EV_LEP_ABORT,
                                            EV_LUC_DECIDE,  EV_LUC_MISSED, true};

static void size_rows(struct co *self, const struct uc_events *events)
{
    struct uc *u = state(self);
    uint32_t rows = self->st->conf.instances;
    u->mask = rows - 1;
    u->window = rows > 1 ? rows / 2 : 1;
    u->ev = events;
}

/* upon ⟨uc, Init⟩: epoch 0 is led by p0. */
static void uc_init(struct co *self)
{
    size_rows(self, &uc_events);
    state(self)->begun = true;
    trigger(self->use[USE_EP], ev_make(EV_EP_INIT, 0, 0, 0, MSG_NONE));
}

/* upon ⟨luc, Init⟩: lec says which epoch is the first of this life. */
static void luc_init(struct co *self)
{
    size_rows(self, &luc_events);
}

static struct msg proposal(const struct row *r)
{
    return (struct msg){r->seg, r->off, r->len};
}

static bool leads(const struct uc *u)
{
    return u->leader == u->co.st->self;
}

/* ---- proposing ------------------------------------------------------------------------------- */

static void forward(struct uc *u, struct row *r, uint64_t inst)
{
    struct msg m = proposal(r);
    if ((r->flags & ROW_SENT) || (m.seg->ol_flags & (PKT_SLAB | RTE_MBUF_F_INDIRECT)) != PKT_SLAB) {
        m = msg_new(u->co.st, r->len);
        pkt_copy(msg_data(m), msg_data(proposal(r)), r->len);
    }
    struct uc_wire *w = msg_push(&m, sizeof *w);
    *w = (struct uc_wire){.kind = FORWARD};
    le64_put(w->inst, inst);
    r->flags |= ROW_SENT;
    link_send(&u->co, u->co.use[USE_PL], EV_PL_SEND, u->leader, m);
}

/* upon ℓ = self such that val ≠ ⊥: trigger ⟨ep, Propose | val⟩; or let the leader do it. */
static void hand_on(struct uc *u, struct row *r, uint64_t inst)
{
    if (r->seg == NULL)
        return;
    if (leads(u)) {
        bool fresh = !(r->flags & (ROW_SENT | ROW_FOREIGN));
        trigger(u->co.use[USE_EP], ev_make(u->ev->propose, 0, inst, fresh, proposal(r)));
        r->flags |= ROW_SENT;
    } else if (u->co.st->conf.forward && !(r->flags & ROW_FOREIGN)) {
        forward(u, r, inst);
    }
}

/*
 * Epoch consensus has rows for instances up to a window above what was decided when this breath
 * began: it recycles none in the breath that decides it.
 */
static uint64_t limit(struct uc *u)
{
    if (u->step != u->co.st->steps) {
        u->step = u->co.st->steps;
        u->before = u->done;
    }
    return u->before + u->window;
}

/* Hand on what is stored, as fast as the layers below take it. */
static void hand_on_stored(struct uc *u)
{
    if (u->aborting)
        return;
    uint64_t end = limit(u) < u->next ? limit(u) : u->next;
    uint32_t left = co_room(u->co.use[USE_PL]) / 2;
    if (left > BURST_MSGS)
        left = BURST_MSGS;
    if (u->at < u->done)
        u->at = u->done;
    for (; u->at < end && left > 0; u->at++, left--)
        hand_on(u, &u->row[u->at & u->mask], u->at);
    bool later = u->at < end || (u->at < u->next && u->before < u->done);
    if (later && !timer_armed(&u->timer))
        co_timer(&u->co, &u->timer, u->co.st->conf.ack_delay_ns, 0);
}

static void store(struct uc *u, uint64_t inst, struct msg v, uint8_t flags)
{
    struct row *r = &u->row[inst & u->mask];
    r->seg = v.seg;
    r->off = v.off;
    r->len = v.len;
    r->flags = flags;
    if (u->next <= inst)
        u->next = inst + 1;
    if (unlikely(u->aborting || inst > u->at || inst >= limit(u)))
        return;
    if (inst == u->at)
        u->at++;
    hand_on(u, r, inst);
}

/* The value that was forwarded to us stands for what the application proposes there: it was proposed,
 * too. So to hand it on is our duty from now on, and no longer its sender's alone, who may crash. */
static void adopt(struct uc *u, struct row *r, uint64_t inst)
{
    if (!(r->flags & ROW_FOREIGN))
        return;
    r->flags = (r->flags & ~ROW_FOREIGN) | ROW_SENT;
    if (!u->aborting && !leads(u) && inst < u->at)
        hand_on(u, r, inst);
}

/* upon ⟨uc, Propose | i, v⟩ do val := v */
static void upon_uc_propose(struct co *self, const struct ev *ev, uint32_t n)
{
    struct uc *u = state(self);
    struct msg_refs refs = {NULL, 0};
    for (uint32_t i = 0; i < n; i++) {
        uint64_t inst = ev[i].inst;
        if (unlikely(inst > u->done + u->mask))
            rte_panic("p%u uc: instance %" PRIu64 " is proposed, while %" PRIu64
                      " is undecided: the application proposes beyond its room()\n",
                      self->st->self, inst, u->done);
        if (u->mine <= inst)
            u->mine = inst + 1;
        struct row *r = &u->row[inst & u->mask];
        if (inst < u->done || (r->flags & ROW_DECIDED))
            continue;
        if (r->seg != NULL) {
            adopt(u, r, inst);
            continue;
        }
        msg_refs_hold(&refs, ev[i].seg);
        store(u, inst, ev_msg(&ev[i]), 0);
    }
    msg_refs_hold_flush(&refs);
    if (unlikely(u->at < u->next))
        hand_on_stored(u);
}

/* upon ⟨pl, Deliver | q, [FORWARD, i, v]⟩: propose it, unless there is a proposal. */
static void upon_pl_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct uc *u = state(self);
    struct msg_refs refs = {NULL, 0};
    uint16_t leader = u->aborting ? u->newleader : u->leader;
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        const struct uc_wire *w = msg_pull(&m, sizeof *w);
        if (unlikely(w == NULL || w->kind != FORWARD || le64_get(w->inst) > INST_MAX)) {
            co_count(self, COUNT_drop_message, 1);
            continue;
        }
        uint64_t inst = le64_get(w->inst);
        if (inst < u->done || leader != self->st->self) { /* its sender will learn of either */
            co_count(self, COUNT_drop_stale, 1);
            continue;
        }
        if (unlikely(inst > u->done + u->mask)) {
            co_count(self, COUNT_drop_early, 1);
            continue;
        }
        const struct row *r = &u->row[inst & u->mask];
        if ((r->flags & ROW_DECIDED) || r->seg != NULL)
            continue;
        msg_refs_hold(&refs, m.seg);
        store(u, inst, m, ROW_FOREIGN);
    }
    msg_refs_hold_flush(&refs);
    if (unlikely(u->at < u->next))
        hand_on_stored(u);
}

static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    hand_on_stored(state(self));
}

/* ---- epochs ---------------------------------------------------------------------------------- */

/* upon ⟨ec, StartEpoch | newts, newl⟩ do trigger ⟨ep, Abort⟩ */
static void upon_ec_start_epoch(struct co *self, const struct ev *ev, uint32_t n)
{
    struct uc *u = state(self);
    for (uint32_t i = 0; i < n; i++) {
        assert(ev[i].attr > u->newts || !u->begun);
        u->begun = true;
        u->resumed = ev[i].inst != 0;
        u->newts = ev[i].attr;
        u->newleader = ev[i].proc;
    }
    if (!u->aborting)
        trigger(self->use[USE_EP], ev_make(u->ev->abort, 0, 0, 0, MSG_NONE));
    u->aborting = true;
}

/* upon ⟨ep, Aborted⟩ do (ets, ℓ) := (newts, newl); proposed := FALSE; initialise the new epoch */
static void upon_ep_aborted(struct co *self, const struct ev *ev, uint32_t n)
{
    struct uc *u = state(self);
    assert(n == 1 && u->aborting && ev->attr == u->ets);
    u->ets = u->newts;
    u->leader = u->newleader;
    u->aborting = false;
    u->at = u->done;
    trigger(self->use[USE_EP], ev_make(u->ev->init, u->leader, u->resumed, u->ets, MSG_NONE));
    hand_on_stored(u);
}

/* ---- deciding -------------------------------------------------------------------------------- */

/* Recycle the rows of what is decided without a gap. */
static void pass_decided(struct uc *u)
{
    while (u->row[u->done & u->mask].flags & ROW_DECIDED)
        u->row[u->done++ & u->mask].flags = 0;
}

/* With rows recycled there may be proposals to hand on. */
static void go_on(struct uc *u)
{
    if (u->at < u->done)
        u->at = u->done;
    if (u->next < u->done)
        u->next = u->done;
    if (unlikely(u->at < u->next))
        hand_on_stored(u);
}

/* upon ⟨ep, Decide | i, v⟩: if it is the first for i, trigger ⟨uc, Decide | i, v⟩ */
static void upon_ep_decide(struct co *self, const struct ev *ev, uint32_t n)
{
    struct uc *u = state(self);
    struct msg_refs refs = {NULL, 0};
    limit(u);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t inst = ev[i].inst;
        struct row *r = &u->row[inst & u->mask];
        if (inst < u->done || (r->flags & ROW_DECIDED))
            continue;
        assert(inst <= u->done + u->mask);
        if (r->seg != NULL)
            msg_refs_release(&refs, r->seg);
        *r = (struct row){.flags = ROW_DECIDED};
        indicate(self, ev_make(u->ev->decide, 0, inst, 0, ev_msg(&ev[i])));
        pass_decided(u);
    }
    msg_refs_release_flush(&refs);
    go_on(u);
}

/* upon ⟨ep, Missed | i⟩: what was not decided here before i never will be; others have decided it. */
static void upon_ep_missed(struct co *self, const struct ev *ev, uint32_t n)
{
    struct uc *u = state(self);
    limit(u);
    for (uint32_t i = 0; i < n; i++) {
        for (; u->done < ev[i].inst; u->done++) {
            struct row *r = &u->row[u->done & u->mask];
            if (r->seg != NULL)
                msg_release(proposal(r));
            *r = (struct row){0};
        }
        pass_decided(u);
        indicate(self, ev_make(u->ev->missed, 0, ev[i].inst, 0, MSG_NONE));
    }
    go_on(u);
}

/* upon ⟨lep, Resumed | i⟩: all before i is decided, and not needed any more. */
static void upon_lep_resumed(struct co *self, const struct ev *ev, uint32_t n)
{
    struct uc *u = state(self);
    for (uint32_t i = 0; i < n; i++) {
        assert(u->next == u->done); /* nothing has been proposed in this life */
        u->done = u->next = u->at = u->before = ev[i].inst;
        indicate(self, ev_make(EV_LUC_RESUMED, 0, ev[i].inst, 0, MSG_NONE));
    }
}

/* upon ⟨luc, Release | i⟩: the decisions below i are not needed any more. */
static void upon_luc_release(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        trigger(self->use[USE_EP], ev_make(EV_LEP_RELEASE, 0, ev[i].inst, 0, MSG_NONE));
}

/* ---- the rest -------------------------------------------------------------------------------- */

static bool uc_takes(const struct co *self, uint64_t inst)
{
    const struct uc *u = (const struct uc *)self;
    return inst < u->done + u->window;
}

/* Proposals that the application may make: instances of its own row, and what is below takes. */
static uint32_t uc_room(const struct co *self)
{
    const struct uc *u = (const struct uc *)self;
    uint64_t from = u->mine > u->done ? u->mine : u->done, end = u->done + u->window;
    uint32_t room = end > from ? (uint32_t)(end - from) : 0;
    uint32_t below = UINT32_MAX;
    if (leads(u))
        below = co_room(self->use[USE_EP]);
    else if (self->st->conf.forward)
        below = co_room(self->use[USE_PL]);
    return room < below ? room : below;
}

/* A proposal that was adopted is forwarded at once. */
static uint32_t uc_unasked(const struct stack_conf *conf)
{
    (void)conf;
    return 1;
}

static void uc_fini(struct co *self)
{
    struct uc *u = state(self);
    for (uint64_t i = 0; i <= u->mask; i++) {
        if (u->row[i].seg != NULL)
            msg_release(proposal(&u->row[i]));
        u->row[i].seg = NULL;
    }
}

static void uc_check(const struct co *self)
{
    const struct uc *u = (const struct uc *)self;
    assert(u->newts >= u->ets && !u->aborting);
    assert(u->done <= u->next && u->next <= u->done + u->mask + 1 && u->done <= u->at);
    assert(!(u->row[u->done & u->mask].flags & ROW_DECIDED));
    for (uint64_t i = u->done; i <= u->done + u->mask; i++) {
        const struct row *r = &u->row[i & u->mask];
        assert(!(r->flags & ROW_DECIDED) || r->seg == NULL);
        assert(i < u->next || r->seg == NULL);
    }
}

static void uc_show(const struct co *self, struct view *v)
{
    const struct uc *u = (const struct uc *)self;
    view_u64(v, "ets", u->ets);
    view_u64(v, "leader", u->leader);
    if (u->aborting) {
        view_u64(v, "newts", u->newts);
        view_u64(v, "newleader", u->newleader);
    }
    view_u64(v, "done", u->done);
    view_u64(v, "mine", u->mine);
    view_u64(v, "next", u->next);
    view_u64(v, "at", u->at);
    view_u64(v, "before", u->step != self->st->steps ? u->done : u->before);
    view_u64(v, "timer", timer_armed(&u->timer));
    for (uint64_t i = u->done; i <= u->done + u->mask; i++) {
        const struct row *r = &u->row[i & u->mask];
        if (r->seg == NULL && r->flags == 0)
            continue;
        view_group(v, "instance", i);
        view_u64(v, "flags", r->flags);
        view_msg(v, "proposal", proposal(r));
    }
}

static int uc_tell(struct msg m, char *text, size_t size)
{
    const struct uc_wire *w = msg_pull(&m, sizeof *w);
    if (w == NULL || w->kind != FORWARD)
        return -1;
    return snprintf(text, size, "[FORWARD %" PRIu64 "]", le64_get(w->inst));
}

/* The leader's own proposals are epoch consensus's to tell of. */
static void uc_post(const struct co *self, struct co_post *p)
{
    const struct uc *u = (const struct uc *)self;
    if (u->mine <= u->done || (leads(u) && !u->aborting))
        return;
    post_wait(self, p,
              (struct post_wait){.kind = u->aborting ? POST_EPOCH_CHANGE : POST_LEADER,
                                 .open = u->mine - u->done,
                                 .origin = NOBODY_POSTED,
                                 .oldest = u->done,
                                 .missing = u->aborting ? 0 : 1ull << u->leader,
                                 .need = u->aborting ? 0 : 1});
}

static co_upon_fn *const upon[EV_TYPES] =
    {[EV_UC_PROPOSE] = upon_uc_propose, [EV_EC_START_EPOCH] = upon_ec_start_epoch,
     [EV_EP_DECIDE] = upon_ep_decide,   [EV_EP_LEARN] = upon_ep_decide,
     [EV_EP_ABORTED] = upon_ep_aborted, [EV_EP_MISSED] = upon_ep_missed,
     [EV_PL_DELIVER] = upon_pl_deliver, [EV_TIMER_TIMEOUT] = upon_timeout};

const struct co_class uc_leader_driven_class = {
    .name = "uc_leader_driven",
    .title = "leader-driven consensus (CGR Algorithm 5.7)",
    .implements = ABS_UC,
    .majority = true,
    .uses = {ABS_EC, ABS_EP, ABS_PL},
    .header_bytes = sizeof(struct uc_wire),
    .procs_max = PSET_PROCS,
    .bytes = uc_bytes,
    .init = uc_init,
    .upon = upon,
    .room = uc_room,
    .unasked = uc_unasked,
    .takes = uc_takes,
    .fini = uc_fini,
    .check = uc_check,
    .show = uc_show,
    .post = uc_post,
    .tell = uc_tell,
};

static co_upon_fn *const luc_upon[EV_TYPES] = {[EV_LUC_PROPOSE] = upon_uc_propose,
                                               [EV_LUC_RELEASE] = upon_luc_release,
                                               [EV_LEC_START_EPOCH] = upon_ec_start_epoch,
                                               [EV_LEP_DECIDE] = upon_ep_decide,
                                               [EV_LEP_LEARN] = upon_ep_decide,
                                               [EV_LEP_ABORTED] = upon_ep_aborted,
                                               [EV_LEP_MISSED] = upon_ep_missed,
                                               [EV_LEP_RESUMED] = upon_lep_resumed,
                                               [EV_PL_DELIVER] = upon_pl_deliver,
                                               [EV_TIMER_TIMEOUT] = upon_timeout};

const struct co_class luc_leader_driven_class = {
    .name = "luc_leader_driven",
    .title = "logged leader-driven consensus (CGR Algorithm 5.11)",
    .implements = ABS_LUC,
    .majority = true,
    .uses = {ABS_LEC, ABS_LEP, ABS_PL},
    .header_bytes = sizeof(struct uc_wire),
    .procs_max = PSET_PROCS,
    .bytes = uc_bytes,
    .init = luc_init,
    .upon = luc_upon,
    .room = uc_room,
    .unasked = uc_unasked,
    .takes = uc_takes,
    .fini = uc_fini,
    .check = uc_check,
    .show = uc_show,
    .post = uc_post,
    .tell = uc_tell,
};
