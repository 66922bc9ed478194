/* SPDX-License-Identifier: BSD-3-Clause */
#include "load_state.h"

#include "record.h"

#include "protocols/view.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define XXH_INLINE_ALL /* 24 bytes, twice an operation: a call would cost more than the hash */
#include <xxhash.h>

#include <rte_lcore.h>
#include <rte_mempool.h>

#define ISSUE_OPS_MAX 64 /* in one breath, so that a broadcast of all fits the link's inbox */
#define POOL_LOOK_OPS 128
#define POST_NS       100000000 /* how often the counters are posted */

enum { ALARM_POST, ALARM_FROM, ALARM_END };

static const struct load_top tops[] = {
    {ABS_FLL, LOAD_TO_NEXT, EV_FLL_SEND, true, "send", {.creation = "FLL3"}},
    {ABS_SL, LOAD_TO_NEXT, EV_SL_SEND, true, "send", {.creation = "SL2"}},
    {ABS_PL,
     LOAD_TO_NEXT,
     EV_PL_SEND,
     false,
     "send",
     {.complete = "PL1", .duplication = "PL2", .creation = "PL3"}},
    {ABS_FPL,
     LOAD_TO_NEXT,
     EV_FPL_SEND,
     false,
     "send",
     {.complete = "FPL1", .duplication = "FPL2", .creation = "FPL3", .order = "FPL4"}},
    {ABS_BEB,
     LOAD_TO_ALL,
     EV_BEB_BROADCAST,
     false,
     "broadcast",
     {.complete = "BEB1", .duplication = "BEB2", .creation = "BEB3"}},
    {ABS_RB,
     LOAD_TO_ALL,
     EV_RB_BROADCAST,
     false,
     "broadcast",
     {.own = "RB1", .duplication = "RB2", .creation = "RB3", .complete = "RB4"},
     .owed = LOAD_OWED_OF_CORRECT},
    {ABS_URB,
     LOAD_TO_ALL,
     EV_URB_BROADCAST,
     false,
     "broadcast",
     {.own = "URB1", .duplication = "URB2", .creation = "URB3", .complete = "URB4"},
     .owed = LOAD_OWED_OF_ANY},
    {.abstraction = ABS_LPL,
     .shape = LOAD_TO_NEXT,
     .request = EV_LPL_SEND,
     .verb = "send",
     .property = {.complete = "LPL1", .duplication = "LPL2", .creation = "LPL3"},
     .logged = LOAD_LOG_DELIVERS,
     .release = EV_LPL_RELEASE},
    {.abstraction = ABS_LBEB,
     .shape = LOAD_TO_ALL,
     .request = EV_LBEB_BROADCAST,
     .verb = "broadcast",
     .property = {.complete = "LBEB1", .duplication = "LBEB2", .creation = "LBEB3"},
     .logged = LOAD_LOG_DELIVERS,
     .release = EV_LBEB_RELEASE},
    {.abstraction = ABS_LURB,
     .shape = LOAD_TO_ALL,
     .request = EV_LURB_BROADCAST,
     .verb = "broadcast",
     .property = {.own = "LURB1", .duplication = "LURB2", .creation = "LURB3", .complete = "LURB4"},
     .logged = LOAD_LOG_STORES,
     .release = EV_LURB_RELEASE,
     .owed = LOAD_OWED_OF_ANY},
    {.abstraction = ABS_HO,
     .shape = LOAD_TO_ALL,
     .request = EV_HO_BROADCAST,
     .verb = "broadcast",
     .property = {.complete = "HO1", .duplication = "HO4", .creation = "HO3"},
     .logged = LOAD_LOG_STORES,
     .release = EV_HO_DONE},
    {ABS_UC,
     LOAD_ONE_VALUE,
     EV_UC_PROPOSE,
     false,
     "propose",
     {.complete = "UC1", .creation = "UC2", .duplication = "UC3", .agreement = "UC4"},
     .owed = LOAD_OWED_OF_CORRECT},
    {.abstraction = ABS_LUC,
     .shape = LOAD_ONE_VALUE,
     .request = EV_LUC_PROPOSE,
     .verb = "propose",
     .property = {.complete = "LUC1", .creation = "LUC2", .agreement = "LUC3"},
     .logged = LOAD_LOG_STORES,
     .release = EV_LUC_RELEASE,
     .owed = LOAD_OWED_OF_ANY},
};

const struct load_top *load_top(enum abstraction a)
{
    for (size_t i = 0; i < sizeof tops / sizeof tops[0]; i++)
        if (tops[i].abstraction == a)
            return &tops[i];
    return NULL;
}

static size_t load_bytes(const struct stack_conf *conf)
{
    return sizeof(struct load) + conf->n * sizeof(struct sequence);
}

static uint64_t read_clock(struct co *self)
{
    return self->st->env->ops->now(self->st->env);
}

/* ---- posting counters ------------------------------------------------------------------------- */

static void post_counters(const struct load *l, board_u64 *to)
{
    for (uint32_t c = 0; c < COUNTERS; c++)
        board_put(&to[c], l->co.st->counters[c]);
}

/* The counters at the edges of the measured interval: what is reported of it lies between them. An
 * interrupt moves its end, which whoever delivers or issues next sees before its alarm does. */
static void post_edges(struct load *l, uint64_t now)
{
    const struct board *b = l->conf.board;
    uint64_t before = l->edges;
    if (l->edges == 0 && now >= b->from_ns) {
        post_counters(l, l->row->counters_from);
        l->sample_mask = board_get(&b->sample_every) - 1;
        l->edges = 1;
    }
    if (l->edges == 1 && now >= board_get(&b->end_ns)) {
        post_counters(l, l->row->counters_end);
        l->edges = 2;
    }
    if (l->edges != before)
        board_put(&l->row->edges, l->edges);
}

/* ---- issuing --------------------------------------------------------------------------------- */

static uint64_t op_tag(const struct load *l, const struct op_wire *w)
{
    return XXH3_64bits_withSeed(w, offsetof(struct op_wire, tag), l->conf.seed);
}

static struct msg op_write(struct load *l, uint64_t number, uint64_t intended_ns)
{
    struct msg m = msg_new(l->co.st, l->conf.size);
    struct op_wire *w = (struct op_wire *)msg_data(m);
    le64_put(w->intended_ns, intended_ns);
    le64_put(w->number, number);
    le16_put(w->source, l->co.st->self);
    le16_put(w->bytes, (uint16_t)l->conf.size);
    le32_put(w->run, l->conf.board->run);
    uint64_t tag = op_tag(l, w);
    le64_put(w->tag, tag);
    pkt_copy(w + 1, l->pattern, l->conf.size - OP_BYTES_MIN);
    l->issued_digest += tag;
    return m;
}

/* To the nearest ns: an interval that is none whole must not shift the operations at the edges. */
static uint64_t after_start(const struct load *l, double ns)
{
    return l->conf.start_ns + (uint64_t)(ns + 0.5);
}

/* Counted from the start, of a constant rate: no error adds up. */
static uint64_t intended(const struct load *l, uint64_t op)
{
    return after_start(l, l->phase_ns + (double)op * l->conf.interval_ns);
}

void load_intend(struct load *l)
{
    l->drawn++;
    if (l->conf.arrival == LOAD_CONSTANT) {
        l->next_ns = intended(l, l->drawn);
    } else {
        l->poisson_ns -= l->conf.interval_ns * log(1.0 - random_unit(&l->random));
        l->next_ns = after_start(l, l->poisson_ns);
    }
}

static uint16_t next_process(const struct stack *st)
{
    return (uint16_t)((st->self + 1) % st->n);
}

static bool sequence_has(const struct sequence *s, uint64_t number)
{
    return number < s->floor ||
           (number < s->top && (s->bits[number % LOAD_WINDOW_OPS / 64] >> number % 64 & 1));
}

/* In consensus another's proposal may have decided an instance before ours is due: ours lost. */
static bool lost_already(const struct load *l, uint64_t number)
{
    return l->conf.top->shape == LOAD_ONE_VALUE && sequence_has(&l->seen[0], number);
}

static void issue(struct load *l, uint64_t intended_ns)
{
    uint64_t number = l->next_op++;
    if (unlikely(lost_already(l, number)))
        return;
    struct msg m = op_write(l, number, intended_ns);
    struct co *top = l->co.use[0];
    l->outstanding++;
    if (l->conf.top->shape == LOAD_TO_NEXT)
        link_send(&l->co, top, l->conf.top->request, next_process(l->co.st), m);
    else
        trigger(top, ev_make(l->conf.top->request, 0, number, 0, m));
}

/* A link tells its user nothing of the arrival: the window moves with what the receiver posts. */
static uint64_t outstanding(struct load *l)
{
    const struct stack *st = l->co.st;
    if (l->conf.top->shape == LOAD_TO_NEXT)
        return l->next_op -
               board_get(&board_source(l->conf.board, next_process(st), st->self)->delivered);
    return l->outstanding;
}

static uint32_t issue_closed(struct load *l, uint32_t room, uint64_t now)
{
    uint64_t first = l->next_op;
    for (; room > 0 && outstanding(l) < l->conf.window; room--)
        issue(l, now);
    return (uint32_t)(l->next_op - first);
}

static uint32_t issue_open(struct load *l, uint32_t room, uint64_t now)
{
    uint64_t first = l->next_op, end = board_get(&l->conf.board->end_ns);
    uint64_t due = now < end ? now : end - 1, before = l->offered_measured;
    for (; room > 0 && l->next_ns <= due; room--) {
        issue(l, l->next_ns);
        l->offered_measured += measured(l, l->next_ns);
        load_intend(l);
    }
    if (unlikely(now >= end))
        l->late_measured += l->offered_measured - before;
    return (uint32_t)(l->next_op - first);
}

/* The count first: of what it counts, whom a kill stops before the digest has sent nothing that the
 * digest lacks, so nobody has delivered as many. */
void load_post_issued(struct load *l)
{
    if (l->ledger)
        board_put(&load_past(l)->issued, l->next_op > l->owed_op ? l->next_op : l->owed_op);
    board_put(&l->row->issued, l->next_op);
    atomic_thread_fence(memory_order_release);
    if (l->ledger)
        board_put(&load_past(l)->issued_digest, l->issued_digest);
    board_put(&l->row->issued_digest, l->issued_digest);
    board_put(&l->row->issued_measured, l->issued_measured);
    board_put(&l->row->offered_measured, l->conf.closed ? l->issued_measured : l->offered_measured);
    board_put(&l->row->late_measured, l->late_measured);
}

/*
 * Whether packets are left for what is under way. Looked at once in so many operations, since other
 * cores write to what it reads.
 */
static bool pool_has_room(struct load *l)
{
    if (l->next_op - l->pool_seen_op < POOL_LOOK_OPS && !l->pool_low)
        return true;
    l->pool_seen_op = l->next_op;
    l->pool_low = rte_mempool_avail_count(l->co.st->env->pool) < l->pool_reserve;
    return !l->pool_low;
}

/* A quarter is not for new operations; nor is what other lcores may hold in their caches. */
static uint32_t pool_reserve(const struct rte_mempool *pool)
{
    return pool->size / 4 + rte_lcore_count() * pool->cache_size * 3 / 2;
}

/* What was intended before the end and is late is still sent, for a while, or its latency would go
 * unseen; what is not sent by then has none, and is counted (never_sent()). */
static bool finished(const struct load *l, uint64_t now)
{
    uint64_t end = board_get(&l->conf.board->end_ns);
    if (l->next_op < load_owed(l))
        return false;
    return l->conf.closed || l->next_ns >= end || now >= end + LOAD_GRACE_NS;
}

/* upon ⟨app, Ready | room⟩ do issue what is due, as far as there is room */
static void upon_app_ready(struct co *self, const struct ev *ev, uint32_t n)
{
    struct load *l = load(self);
    /* A closed loop intends what it sends now: one time says when, and whether it is measured. */
    uint64_t now = l->conf.closed ? read_clock(self) : self->st->now;
    bool over = now >= board_get(&l->conf.board->end_ns);
    if (unlikely(over))
        post_edges(l, now);
    if (unlikely(over) && finished(l, now)) {
        self->st->app_wants = false;
        board_put(&l->row->done, 1);
        return;
    }
    uint32_t room = ev[n - 1].attr < ISSUE_OPS_MAX ? (uint32_t)ev[n - 1].attr : ISSUE_OPS_MAX;
    uint32_t sent = 0;
    uint64_t first = l->next_op;
    if (unlikely(l->conf.closed && over) && room > load_owed(l) - first)
        room = (uint32_t)(load_owed(l) - first);
    if (unlikely(!pool_has_room(l)))
        return;
    if (l->conf.closed && now >= l->conf.start_ns)
        sent = issue_closed(l, room, now);
    else if (!l->conf.closed && l->next_ns <= now)
        sent = issue_open(l, room, now);
    if (sent == 0)
        return;
    if (measured(l, now)) /* what an earlier life had issued counts once */
        l->issued_measured += first >= l->again_op        ? sent
                              : l->next_op <= l->again_op ? 0
                                                          : l->next_op - l->again_op;
    load_post_issued(l);
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* Where loss is allowed, what is too far behind will not come any more. */
static void sequence_skip(struct sequence *s, uint64_t number)
{
    for (; number >= s->floor + LOAD_WINDOW_OPS; s->floor++)
        s->bits[s->floor % LOAD_WINDOW_OPS / 64] &= ~(1ull << s->floor % 64);
    if (s->top < s->floor)
        s->top = s->floor;
}

/* The first of a kind leaves a sentence. */
void load_fault(struct load *l, enum board_fault what, const char *format, ...)
{
    if (board_get(&l->row->fault[what]) == 0) {
        va_list args;
        va_start(args, format);
        vsnprintf(l->row->witness[what], BOARD_WITNESS_BYTES, format, args);
        va_end(args);
        atomic_thread_fence(memory_order_release);
    }
    board_add(&l->row->fault[what], 1);
}

/* Whether these bytes are an operation that a source issued. */
bool load_op_read(const struct load *l, const uint8_t *data, uint32_t len, struct op *op)
{
    if (unlikely(len != l->conf.size))
        return false;
    const struct op_wire *w = (const struct op_wire *)data;
    op->intended_ns = le64_get(w->intended_ns);
    op->number = le64_get(w->number);
    op->source = le16_get(w->source);
    op->run = le32_get(w->run);
    op->tag = le64_get(w->tag);
    return op->tag == op_tag(l, w) && op->source < l->co.st->n &&
           ((l->conf.sources | l->conf.board->sources_before) >> op->source & 1) != 0 &&
           memcmp(w + 1, l->pattern, l->conf.size - OP_BYTES_MIN) == 0;
}

static void sample(struct load *l, const struct op *op, uint64_t latency_ns)
{
    struct board *b = l->conf.board;
    if (unlikely(l->samples == b->samples_max)) {
        board_add(&l->row->samples_missed, 1);
        return;
    }
    board_samples(b, l->co.st->self)[l->samples++] =
        (struct board_sample){(uint64_t)op->source << BOARD_KEY_SHIFT | op->number, latency_ns};
}

/* An operation has come for the first time: measure, unless it was intended in an earlier run. */
static void taken(struct load *l, const struct op *op, uint64_t now)
{
    uint64_t latency = now > op->intended_ns ? now - op->intended_ns : 0;
    bool ours = op->run == l->conf.board->run, counts = ours && measured(l, op->intended_ns);
    l->delivered++;
    if (l->cell != NULL && ours &&
        (op->source == l->co.st->self || l->conf.top->shape == LOAD_TO_NEXT))
        cell_complete(l->cell, latency);
    if (l->conf.top->shape == LOAD_TO_NEXT) { /* one receiver: it is the last, too */
        if (counts)
            hist_record(&l->row->decide, latency);
        return;
    }
    if (counts && (op->number & l->sample_mask) == 0)
        sample(l, op, latency);
    if (op->source == l->co.st->self) {
        l->completed++;
        if (counts)
            hist_record(&l->row->decide, latency);
    }
}

static void post_taken(struct load *l, uint64_t now, uint64_t before)
{
    struct board_row *row = l->row;
    if (l->cell != NULL)
        cell_deliver(l->cell, now, l->delivered - before);
    if (likely(measured(l, now)))
        l->delivered_measured += l->delivered - before;
    else
        post_edges(l, now);
    board_put(&row->delivered, l->delivered);
    board_put(&row->delivered_measured, l->delivered_measured);
    board_put(&row->completed, l->completed);
    atomic_store_explicit(&row->samples, l->samples, memory_order_release);
}

/* The count last: behind a count that a killed process posted stands its digest. */
void load_post_sequence(struct load *l, uint32_t source)
{
    const struct sequence *s = &l->seen[source];
    struct board_source *to = board_source(l->conf.board, l->co.st->self, source);
    board_put(&to->digest, s->digest);
    board_put(&to->floor, s->floor);
    board_put(&to->top, s->top);
    atomic_store_explicit(&to->delivered, s->count, memory_order_release);
}

/* First time; or false, and the fault is noted. */
static bool in_sequence(struct load *l, struct sequence *s, const struct op *op, const char *what)
{
    const struct load_top *top = l->conf.top;
    uint16_t self = l->co.st->self;
    if (unlikely(top->property.order != NULL && op->number > s->floor))
        load_fault(l, BOARD_ORDER, "p%u delivered %" PRIu64 " of p%u before %" PRIu64, self,
                   op->number, op->source, s->floor);
    if (unlikely(top->lossy))
        sequence_skip(s, op->number);
    switch (sequence_add(s, op->number, op->tag)) {
    case SEEN_FIRST:
        return true;
    case SEEN_AGAIN:
        if (!top->lossy)
            load_fault(l, BOARD_DUPLICATION, "p%u %s %" PRIu64 " of p%u twice", self, what,
                       op->number, op->source);
        return false;
    default:
        load_fault(l, BOARD_UNCHECKED, "p%u %s %" PRIu64 " of p%u, but lacks %" PRIu64, self, what,
                   op->number, op->source, s->floor);
        return false;
    }
}

static void take_delivery(struct load *l, const uint8_t *data, uint32_t len, uint16_t from,
                          uint64_t place, uint64_t now)
{
    struct op op;
    if (unlikely(!load_op_read(l, data, len, &op) || op.source != from)) {
        load_fault(l, BOARD_CREATION, "p%u delivered %u bytes from p%u that p%u did not %s",
                   l->co.st->self, len, from, from, l->conf.top->verb);
        return;
    }
    if (l->ledger && !load_remember(l, place, &op))
        return;
    if (likely(in_sequence(l, &l->seen[from], &op, "delivered"))) {
        l->outstanding -= from == l->co.st->self;
        taken(l, &op, now);
    }
}

/* Our user of it is the board, which has it now: the layer below may forget it. */
static void release_deliveries(struct load *l, const struct ev *ev, uint32_t n)
{
    struct co *top = l->co.use[0];
    if (l->conf.top->release == EV_HO_DONE)
        for (uint32_t i = 0; i < n; i++)
            trigger(top, ev_make(EV_HO_DONE, 0, ev[i].inst, 0, MSG_NONE));
    else
        trigger(top, ev_make((enum ev_type)l->conf.top->release, 0, l->co.port, ev[n - 1].inst + 1,
                             MSG_NONE));
}

/* upon ⟨pl, Deliver | p, m⟩, ⟨beb, Deliver | p, m⟩ and their like */
static void upon_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct load *l = load(self);
    uint64_t now = read_clock(self), before = l->delivered, from = 0;
    l->cell = cells_at(&l->cells, now);
    for (uint32_t i = 0; i < n; i++) {
        take_delivery(l, msg_data(ev_msg(&ev[i])), ev[i].len, ev[i].proc, ev[i].inst, now);
        from |= 1ull << ev[i].proc;
    }
    for (; from != 0; from &= from - 1)
        load_post_sequence(l, (uint32_t)__builtin_ctzll(from));
    post_taken(l, now, before);
    if (l->conf.top->logged)
        release_deliveries(l, ev, n);
    if (l->source && l->conf.closed)
        self->st->app_wants = true;
}

/* Add a decision to the digest of its block; processes are compared by these. */
void load_post_block(struct load *l, const struct op *op)
{
    uint64_t number = op->number / BOARD_BLOCK_INSTANCES + 1;
    struct board_block *b =
        &board_blocks(l->conf.board, l->co.st->self)[number % l->conf.board->blocks];
    uint64_t count = board_get(&b->count), digest = board_get(&b->digest);
    if (unlikely(board_get(&b->number) != number)) {
        board_put(&b->count, 0); /* first: nobody takes the old count for the new number's */
        atomic_store_explicit(&b->number, number, memory_order_release);
        atomic_thread_fence(memory_order_release); /* nor the new digest for the old number's */
        count = digest = 0;
    }
    board_put(&b->digest, digest + op->tag);
    atomic_store_explicit(&b->count, count + 1, memory_order_release);
}

static void take_decision(struct load *l, const uint8_t *data, uint32_t len, uint64_t inst,
                          uint64_t now)
{
    struct op op;
    if (unlikely(!load_op_read(l, data, len, &op) || op.number != inst)) {
        load_fault(l, BOARD_CREATION,
                   "p%u decided %u bytes in instance %" PRIu64 " that nobody proposed",
                   l->co.st->self, len, inst);
        return;
    }
    if (l->ledger && !load_remember(l, inst, &op))
        return;
    if (unlikely(!in_sequence(l, &l->seen[0], &op, "decided")))
        return;
    l->outstanding -= inst < l->next_op;
    load_post_block(l, &op);
    taken(l, &op, now);
}

/* upon ⟨uc, Decide | i, v⟩ */
static void upon_uc_decide(struct co *self, const struct ev *ev, uint32_t n)
{
    struct load *l = load(self);
    uint64_t now = read_clock(self), before = l->delivered;
    l->cell = cells_at(&l->cells, now);
    for (uint32_t i = 0; i < n; i++) {
        take_decision(l, msg_data(ev_msg(&ev[i])), ev[i].len, ev[i].inst, now);
    }
    load_post_sequence(l, 0);
    post_taken(l, now, before);
    if (l->conf.top->logged) {
        trigger(self->use[0], ev_make(EV_LUC_RELEASE, 0, l->seen[0].floor, 0, MSG_NONE));
        if (l->source && l->next_op < l->seen[0].top)
            self->st->app_wants = true; /* nobody shall wait for what is missing before it */
    }
}

/* What is not seen before `end` never will be, so nobody waits for it any more. */
static void pass_over(struct load *l, struct sequence *s, uint64_t end)
{
    for (; s->floor < end || sequence_has(s, s->floor); s->floor++) {
        l->outstanding -= s->floor < l->next_op && !sequence_has(s, s->floor);
        s->bits[s->floor % LOAD_WINDOW_OPS / 64] &= ~(1ull << s->floor % 64);
    }
    if (s->top < s->floor)
        s->top = s->floor;
}

/* upon ⟨uc, Missed | i⟩: others have decided all before i, and recycled it. */
static void upon_uc_missed(struct co *self, const struct ev *ev, uint32_t n)
{
    struct load *l = load(self);
    uint64_t end = ev[n - 1].inst;
    if (l->seen[0].floor >= end)
        return;
    load_fault(l, BOARD_LEFT_BEHIND, "p%u was left behind: it is never told of instance %" PRIu64,
               self->st->self, l->seen[0].floor);
    pass_over(l, &l->seen[0], end);
    load_post_sequence(l, 0);
    if (l->conf.top->logged)
        trigger(self->use[0], ev_make(EV_LUC_RELEASE, 0, l->seen[0].floor, 0, MSG_NONE));
    if (l->source)
        self->st->app_wants = true;
}

/* upon ⟨luc, Resumed | i⟩: decisions before i were released, so that we have them. */
static void upon_luc_resumed(struct co *self, const struct ev *ev, uint32_t n)
{
    struct load *l = load(self);
    for (uint32_t i = 0; i < n; i++)
        if (ev[i].inst > l->seen[0].floor && l->ledger)
            load_fault(l, BOARD_SKIPPED,
                       "p%u resumed at instance %" PRIu64 ", and was never told of %" PRIu64,
                       self->st->self, ev[i].inst, l->seen[0].floor);
}

/* ---- planted bugs ------------------------------------------------------------------------------ */

/* The operation with another intended time. What is replaced carries a tag that fits: only who
 * knows what was issued, or what others took, can find it. */
static struct msg plant_value(struct load *l, struct msg m)
{
    struct msg other = msg_copy_behind(l->co.st, m, 0); /* others may read the message itself */
    struct op_wire *w = (struct op_wire *)msg_data(other);
    w->intended_ns[0] ^= 1;
    if (l->conf.plant == LOAD_PLANT_REPLACE)
        le64_put(w->tag, op_tag(l, w));
    return other;
}

/*
 * Stands before the handler of the one indication that carries operations, and before whatever
 * records it: to both a planted bug is the stack's. Once it has done its work it steps aside.
 */
static void upon_planted(struct co *self, const struct ev *ev, uint32_t n)
{
    struct load *l = load(self);
    co_upon_fn *own = l->planted_before;
    uint32_t i = 0;
    struct op op;
    while (i < n && (!load_op_read(l, msg_data(ev_msg(&ev[i])), ev[i].len, &op) ||
                     op.number != LOAD_PLANT_OP))
        i++;
    uint32_t before = l->conf.plant == LOAD_PLANT_REPEAT && i < n ? i + 1 : i;
    if (before > 0)
        own(self, ev, before);
    if (i == n)
        return;
    struct ev wrong = ev[i];
    if (l->conf.plant == LOAD_PLANT_ALTER || l->conf.plant == LOAD_PLANT_REPLACE) {
        struct msg m = plant_value(l, ev_msg(&ev[i]));
        wrong = ev_make(ev[i].type, ev[i].proc, ev[i].inst, ev[i].attr, m);
    }
    if (l->conf.plant != LOAD_PLANT_LOSE)
        own(self, &wrong, 1);
    l->planted_upon[ev->type] = own;
    if (i + 1 < n)
        own(self, ev + i + 1, n - i - 1);
}

static void plant(struct load *l)
{
    memcpy(l->planted_upon, l->co.upon, sizeof l->planted_upon);
    for (uint32_t type = 0; type < EV_TYPES; type++)
        if (l->co.upon[type] != NULL && ev_infos[type].abstraction == l->conf.top->abstraction &&
            strchr(ev_infos[type].fields, 'm') != NULL) {
            l->planted_before = l->co.upon[type];
            l->planted_upon[type] = upon_planted;
        }
    l->co.upon = l->planted_upon;
}

/* ---- posting, beginning, ending ---------------------------------------------------------------
 */

static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    struct load *l = load(self);
    for (uint32_t i = 0; i < n; i++) {
        post_edges(l, self->st->now);
        if (ev[i].attr != ALARM_POST)
            continue;
        post_counters(l, l->row->counters);
        board_post_write(&l->row->post, &l->post, self->st);
        co_timer(self, &l->timer[ALARM_POST], POST_NS, ALARM_POST);
    }
}

void load_fill(struct load *l)
{
    struct random r = random_seeded(l->conf.seed, UINT64_MAX);
    for (uint32_t i = 0; i < sizeof l->pattern; i++)
        l->pattern[i] = (uint8_t)random_u64(&r);
}

/* The sources of a broadcast share the rate and take turns; those of consensus propose together. */
static void schedule(struct load *l)
{
    const struct load_conf *c = &l->conf;
    uint64_t stream = 1ull << 32;
    if (c->top->shape != LOAD_ONE_VALUE) {
        uint16_t self = l->co.st->self;
        uint32_t before = (uint32_t)__builtin_popcountll(c->sources & ((1ull << self) - 1));
        l->phase_ns = c->interval_ns * before / __builtin_popcountll(c->sources);
        stream += self;
    }
    l->random = random_seeded(c->seed, stream);
    l->poisson_ns = l->phase_ns;
    l->next_ns = after_start(l, l->phase_ns);
}

static void arm(struct load *l, int alarm, uint64_t when_ns)
{
    uint64_t now = l->co.st->now;
    co_timer(&l->co, &l->timer[alarm], when_ns > now ? when_ns - now : 0, (uint64_t)alarm);
}

void load_attach(struct stack *st, const struct load_conf *conf)
{
    struct load *l = load(st->app);
    l->conf = *conf;
    l->row = board_row(conf->board, st->self);
    l->source = conf->sources >> st->self & 1;
    l->sample_mask = board_get(&conf->board->sample_every) - 1;
    l->pool_reserve = pool_reserve(st->env->pool);
    const struct record_area *area = record_area_of(conf->board);
    if (area != NULL)
        l->cells = (struct cells){record_cells(area, st->self), conf->start_ns, area->cell_ns,
                                  area->cells};
    l->ledger = conf->top->logged != LOAD_UNLOGGED && conf->board->ledger_max > 0;
    load_fill(l);
    schedule(l);
    if (conf->plant != LOAD_PLANT_NONE && st->self == st->n - 1 && board_get(&l->row->lives) == 0)
        plant(l);
    arm(l, ALARM_POST, st->now + POST_NS);
    if (conf->board->from_ns > st->now)
        arm(l, ALARM_FROM, conf->board->from_ns);
    if (board_get(&conf->board->end_ns) > st->now)
        arm(l, ALARM_END, board_get(&conf->board->end_ns));
    board_add(&l->row->lives, 1);
    if (load_lived(l))
        load_take_over(l);
    l->edges = board_get(&l->row->edges);
    post_edges(l, st->now); /* an earlier life may have ended before the interval began */
    st->app_wants = l->source;
    if (!l->source)
        board_put(&l->row->done, 1);
}

/* How many operations of a constant rate are intended before `ns`, and so the first that is not. */
static uint64_t intended_before(const struct load *l, uint64_t ns)
{
    double guess = ((double)(ns - l->conf.start_ns) - l->phase_ns) / l->conf.interval_ns;
    uint64_t op = guess > 0 ? (uint64_t)guess : 0;
    while (op > 0 && intended(l, op - 1) >= ns)
        op--;
    while (intended(l, op) < ns)
        op++;
    return op;
}

/* How many operations an open loop intended in the measured interval, before `end`, and never came
 * to. Of Poisson arrivals, how many are expected: to draw them would take as long as to send. */
static uint64_t never_sent(const struct load *l, uint64_t end)
{
    const uint64_t from = l->conf.board->from_ns;
    if (l->conf.closed || !l->source || l->next_ns >= end || from >= end)
        return 0;
    if (l->conf.arrival == LOAD_CONSTANT)
        return intended_before(l, end) - (l->next_ns < from ? intended_before(l, from) : l->drawn);
    uint64_t rest = end - (l->next_ns < from ? from : l->next_ns);
    return (uint64_t)llround((double)rest / l->conf.interval_ns) + (l->next_ns >= from);
}

/* Who crashed intends nothing after its last breath. */
void load_detach(struct stack *st)
{
    struct load *l = load(st->app);
    const struct board *b = l->conf.board;
    if (b == NULL)
        return;
    uint64_t end = board_get(&b->end_ns);
    if (!board_correct(b, st->self) && st->now < end)
        end = st->now;
    uint64_t unsent = never_sent(l, end);
    board_put(&l->row->offered_measured,
              l->conf.closed ? l->issued_measured : l->offered_measured + unsent);
    board_put(&l->row->unsent, unsent);
    post_counters(l, l->row->counters);
}

static void load_show(const struct co *self, struct view *v)
{
    const struct load *l = (const struct load *)self;
    view_u64(v, "next_op", l->next_op);
    for (uint16_t p = 0; p < self->st->n; p++) {
        view_group(v, "source", p);
        view_u64(v, "floor", l->seen[p].floor);
        view_u64(v, "count", l->seen[p].count);
        view_u64(v, "digest", l->seen[p].digest);
    }
}

static co_upon_fn *const upon[EV_TYPES] =
    {[EV_APP_READY] = upon_app_ready,     [EV_FLL_DELIVER] = upon_deliver,
     [EV_SL_DELIVER] = upon_deliver,      [EV_PL_DELIVER] = upon_deliver,
     [EV_FPL_DELIVER] = upon_deliver,     [EV_BEB_DELIVER] = upon_deliver,
     [EV_RB_DELIVER] = upon_deliver,      [EV_URB_DELIVER] = upon_deliver,
     [EV_LPL_DELIVER] = upon_deliver,     [EV_LBEB_DELIVER] = upon_deliver,
     [EV_LURB_DELIVER] = upon_deliver,    [EV_HO_DELIVER] = upon_deliver,
     [EV_UC_DECIDE] = upon_uc_decide,     [EV_LUC_DECIDE] = upon_uc_decide,
     [EV_UC_MISSED] = upon_uc_missed,     [EV_LUC_MISSED] = upon_uc_missed,
     [EV_LUC_RESUMED] = upon_luc_resumed, [EV_TIMER_TIMEOUT] = upon_timeout};

const struct co_class load_class = {
    .name = "app_load",
    .title = "the load of a measured run",
    .implements = ABS_APP,
    .bytes = load_bytes,
    .upon = upon,
    .show = load_show,
};
