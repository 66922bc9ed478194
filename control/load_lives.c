/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A load on a process that crashes and recovers.
 *
 * What it issued and took is told to the board, which outlives the process: the ledger has an entry
 * for each log-delivery (by its position) and each decision (by its instance). In another life
 * everything that the load knows is computed from it again; the process must tell us the same of
 * each place, or nothing, and must skip none.
 *
 * A source goes on behind the last operation that its log holds. What was requested last and did
 * not come to be stored never left the process: it is issued again, under the same number. In
 * consensus, where proposals are not stored, each instance that is not decided here is proposed
 * again. An open loop draws the same intended times for them.
 *
 * A run over the logs of an earlier one begins in the same way. The numbers go on; the intended times
 * are this run's.
 */
#include "load_state.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- the ledger ------------------------------------------------------------------------------- */

static struct board_entry *entry_at(const struct load *l, uint64_t place)
{
    return &board_ledger(l->conf.board, l->co.st->self)[place];
}

/* 0 says that there is no entry. */
static uint64_t entry_tag(const struct op *op)
{
    return op->tag != 0 ? op->tag : 1;
}

/* Without a cursor it is handed over until it is taken, and what we said of that is on its way. */
static bool handed_over_again(const struct load *l)
{
    const struct co_class *top = l->co.use[0]->cls;
    return top->implements == ABS_HO && !co_class_uses(top, ABS_LOG);
}

/* The position must be the next one of this life; a new one the next of all lives. */
static bool in_turn(struct load *l, uint64_t place, const struct op *op)
{
    uint16_t self = l->co.st->self;
    if (unlikely(place < l->told) && !handed_over_again(l)) {
        load_fault(l, BOARD_DUPLICATION,
                   "p%u was told twice of log-delivery %" PRIu64 ", message %" PRIu64 " of p%u",
                   self, place, op->number, op->source);
        return false;
    }
    if (unlikely(place > l->places))
        load_fault(l, BOARD_SKIPPED,
                   "p%u was told of log-delivery %" PRIu64 ", and never of %" PRIu64, self, place,
                   l->places);
    l->told = place + 1 > l->told ? place + 1 : l->told;
    l->places = place + 1 > l->places ? place + 1 : l->places;
    return true;
}

bool load_remember(struct load *l, uint64_t place, const struct op *op)
{
    bool one_value = l->conf.top->shape == LOAD_ONE_VALUE;
    if (!one_value && !in_turn(l, place, op))
        return false;
    if (unlikely(place >= l->conf.board->ledger_max)) {
        board_add(&l->row->forgotten, 1); /* it is full: there is no recovery from here on */
        board_add(&load_past(l)->forgotten, 1);
        return true;
    }
    struct board_entry *e = entry_at(l, place);
    uint64_t tag = board_get(&e->tag);
    if (likely(tag == 0)) {
        board_put(&e->key, (uint64_t)op->source << BOARD_KEY_SHIFT | op->number);
        atomic_store_explicit(&e->tag, entry_tag(op), memory_order_release);
        return true;
    }
    if (unlikely(tag != entry_tag(op)))
        load_fault(l, one_value ? BOARD_CHANGED : BOARD_CREATION,
                   "p%u %s %" PRIu64 " is another than in an earlier life", l->co.st->self,
                   one_value ? "decided that instance" : "was told that log-delivery", place);
    return false;
}

/* ---- another life ----------------------------------------------------------------------------- */

/* A block is compared by the control thread once it is complete: one that was is left as it is. */
static void put_block(struct load *l, uint64_t block, uint64_t count, uint64_t digest)
{
    struct board_block *b =
        &board_blocks(l->conf.board, l->co.st->self)[(block + 1) % l->conf.board->blocks];
    if (count == 0 || (board_get(&b->number) == block + 1 && board_get(&b->count) == count &&
                       board_get(&b->digest) == digest))
        return;
    board_put(&b->digest, digest);
    atomic_store_explicit(&b->count, count, memory_order_release);
    atomic_store_explicit(&b->number, block + 1, memory_order_release);
}

static void replay(struct load *l)
{
    const struct board *b = l->conf.board;
    bool one_value = l->conf.top->shape == LOAD_ONE_VALUE;
    uint64_t patience = one_value ? LOAD_WINDOW_OPS : 1, missing = 0, place = 0, count = 0,
             digest = 0;
    for (; place < b->ledger_max && missing < patience; place++) {
        const struct board_entry *e = entry_at(l, place);
        uint64_t tag = atomic_load_explicit(&e->tag, memory_order_acquire),
                 key = board_get(&e->key);
        missing = tag != 0 ? 0 : missing + 1;
        if (tag != 0) {
            uint16_t source = (uint16_t)(key >> BOARD_KEY_SHIFT);
            sequence_add(&l->seen[one_value ? 0 : source], key & ((1ull << BOARD_KEY_SHIFT) - 1),
                         tag);
            l->delivered++;
            l->completed += source == l->co.st->self;
            l->places = place + 1;
            count++;
            digest += tag;
        }
        if (one_value && (place + 1) % BOARD_BLOCK_INSTANCES == 0) {
            put_block(l, place / BOARD_BLOCK_INSTANCES, count, digest);
            count = digest = 0;
        }
    }
    if (one_value)
        put_block(l, place / BOARD_BLOCK_INSTANCES, count, digest);
}

/* The counters of an OS process that is gone, to go on from. */
static void take_counters(struct load *l)
{
    for (uint32_t c = 0; c < COUNTERS; c++)
        if (l->co.st->counters[c] < board_get(&l->row->counters[c]))
            l->co.st->counters[c] = board_get(&l->row->counters[c]);
}

void load_take_over(struct load *l)
{
    if (!l->ledger)
        return;
    replay(l);
    take_counters(l);
    l->delivered_measured = board_get(&l->row->delivered_measured);
    l->issued_measured = board_get(&l->row->issued_measured);
    l->late_measured = board_get(&l->row->late_measured);
    l->samples = board_get(&l->row->samples);
    l->again_op = board_get(&l->row->issued);
    l->owed_op = board_get(&load_past(l)->issued);
    l->own = l->seen[l->co.st->self];
}

/* ---- what the log holds ----------------------------------------------------------------------- */

/* Sees what recovery finds, before the components do, and hands it on. */
struct finder {
    struct trace trace;
    struct trace *next; /* that stood there, or NULL */
    struct load *load;
};

static bool found(struct trace *t, struct stack *st, struct co *to, const struct ev *ev, uint32_t n)
{
    const struct finder *f = (struct finder *)t;
    struct load *l = f->load;
    for (uint32_t i = 0; i < n && ev[i].type == EV_LOG_FOUND; i++) {
        struct op op;
        uint32_t size = l->conf.size;
        if (ev[i].len >= size &&
            load_op_read(l, msg_data(ev_msg(&ev[i])) + ev[i].len - size, size, &op) &&
            op.source == st->self)
            (void)sequence_add(&l->own, op.number, entry_tag(&op));
    }
    return f->next == NULL || f->next->handled(f->next, st, to, ev, n);
}

/* The intended times of what this run has issued already. */
static void draw_again(struct load *l)
{
    if (l->conf.closed)
        return;
    for (uint64_t k = board_get(&l->row->first); k < l->next_op; k++) {
        l->offered_measured += measured(l, l->next_ns);
        load_intend(l);
    }
}

static void go_on(struct load *l)
{
    const struct load_top *top = l->conf.top;
    uint16_t self = l->co.st->self;
    if (l->source && top->shape == LOAD_ONE_VALUE) {
        l->next_op = l->seen[0].floor;
    } else if (top->logged == LOAD_LOG_DELIVERS) {
        l->next_op = l->owed_op; /* after an earlier run, which had brought all of it about */
        l->issued_digest = board_get(&load_past(l)->issued_digest);
    } else if (top->shape != LOAD_ONE_VALUE) { /* also of who is no source any more */
        l->next_op = l->own.top;
        l->issued_digest = l->own.digest;
        l->outstanding = l->next_op - l->seen[self].count;
    }
    if (board_get(&l->row->lives) == 1) { /* of this run */
        board_put(&l->row->first, l->next_op);
        board_put(&l->row->before, l->delivered);
        board_put(&l->row->delivered, l->delivered);
    }
    draw_again(l);
    if (l->next_op > 0)
        load_post_issued(l);
    for (uint16_t s = 0; s < l->co.st->n; s++)
        load_post_sequence(l, s);
}

int load_recover(struct stack *st, char *why, size_t why_size)
{
    struct finder f = {.trace = {found}, .next = st->trace, .load = load(st->app)};
    if (!load_lived(f.load))
        return stack_recover(st, why, why_size);
    st->trace = &f.trace;
    int err = stack_recover(st, why, why_size);
    st->trace = f.next;
    if (err == 0)
        go_on(f.load);
    return err;
}

/* ---- reading a log from outside --------------------------------------------------------------- */

struct load_reader {
    struct stack st; /* as far as reading an operation looks at it */
    struct load load;
};

struct load_reader *load_reader_open(const struct load_conf *conf, uint16_t n)
{
    struct load_reader *r = aligned_alloc(64, (sizeof *r + 63) & ~(size_t)63);
    if (r == NULL)
        return NULL;
    memset(r, 0, sizeof *r);
    r->st.n = n;
    r->load.co.st = &r->st;
    r->load.conf = *conf;
    load_fill(&r->load);
    return r;
}

uint64_t load_reader_tag(const struct load_reader *r, const void *data, uint32_t len, uint64_t *key)
{
    struct op op;
    uint32_t size = r->load.conf.size;
    if (len < size || !load_op_read(&r->load, (const uint8_t *)data + len - size, size, &op))
        return 0;
    *key = (uint64_t)op.source << BOARD_KEY_SHIFT | op.number;
    return entry_tag(&op);
}

/* ---- what can be recovered -------------------------------------------------------------------- */

bool load_can_recover(const struct stack *st, const struct load_conf *conf, char *why,
                      size_t why_size)
{
    uint16_t self = st->self;
    if (st->log == NULL)
        snprintf(why, why_size, "p%u cannot recover: stack %s keeps nothing in a log", self,
                 st->def->name);
    else if (conf->top->logged == LOAD_LOG_DELIVERS && (conf->sources >> self & 1))
        snprintf(why, why_size,
                 "p%u cannot recover: %s does not store what a source requests, so nobody could "
                 "tell what is owed; crash a process that issues nothing, or run lurb",
                 self, st->def->name);
    else if (conf->board->ledger_max == 0 ||
             board_get(&board_row(conf->board, self)->forgotten) > 0)
        snprintf(why, why_size,
                 "p%u cannot recover: more was delivered than the run remembers; lower load.rate "
                 "or job.duration",
                 self);
    else
        return true;
    return false;
}
