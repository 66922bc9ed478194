/* SPDX-License-Identifier: BSD-3-Clause */
/* Which states are taken as one, and the table of those that were seen. */
#include "explore_state.h"

#include <errno.h>
#include <stdlib.h>

#include "protocols/view.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- what checkers hear ---------------------------------------------------------------------- */

/* All that these checkers remember of events is which there were, and how often. */
static bool counts_only(const struct check *c)
{
    uint8_t a = c->cls->abstraction;
    return a == ABS_FLL || a == ABS_PL || a == ABS_BEB || a == ABS_RB || a == ABS_URB ||
           a == ABS_UC;
}

/* A link's checker remembers which life of a peer a process has heard of. */
static void on_heard(struct explore *x, const struct stack *st, const struct ev *e)
{
    const struct frame *f = (const struct frame *)(uintptr_t)e->attr;
    x->hearing->heard[st->self] |= 1ull << (8 * e->proc + f->incarnation % LIVES_MAX);
}

/* What belongs to an earlier life is no part of the multiset and of the order of this one. */
void explore_begin_life(struct explore *x, struct level *l, uint16_t p)
{
    uint16_t at = x->conf.total_order ? 0 : p;
    uint64_t h[4] = {p, l->counted[p], l->ordered[at], l->heard[p]};
    l->ordered[at] = XXH3_64bits(h, sizeof h);
    l->counted[p] = l->heard[p] = 0;
}

static void on_event(void *ctx, struct sim_world *w, struct stack *st, struct co *to,
                     const struct ev *e)
{
    struct explore *x = ctx;
    uint32_t layer = w->border[to->index][e->type];
    if (w->needs.disk && e->type == EV_NET_FRAME && w->check[to->index] != NULL &&
        w->check[to->index]->cls->heard != NULL)
        on_heard(x, st, e);
    if (layer == 0 || w->check[layer - 1] == NULL)
        return;
    uint64_t h[4] = {(uint64_t)layer << 32 | (uint64_t)to->port << 16 | e->type, e->proc, e->inst,
                     e->attr};
    uint64_t hash = e->seg != NULL ? XXH3_64bits(msg_data(ev_msg(e)), e->len) : 0;
    hash = XXH3_64bits_withSeed(h, sizeof h, hash);
    uint64_t *in_order = &x->hearing->ordered[x->conf.total_order ? 0 : st->self];
    if (x->conf.total_order)
        hash ^= (uint64_t)st->self * 0x9e3779b97f4a7c15u;
    if (!x->conf.total_order && counts_only(w->check[layer - 1]))
        x->hearing->counted[st->self] += hash;
    else
        *in_order = XXH3_64bits_withSeed(&hash, sizeof hash, *in_order);
}

static void on_sent(void *ctx, struct sim_world *w, const struct sim_frame *f, bool lost)
{
    (void)w, (void)f, (void)lost;
    ((struct explore *)ctx)->sent++;
}

void explore_hear(struct explore *x, struct level *child)
{
    x->w->observer = (struct sim_observer){.event = on_event, .sent = on_sent, .ctx = x};
    x->hearing = child;
    x->sent = 0;
}

/* ---- hashes of states ------------------------------------------------------------------------ */

/* A write by content: where it goes, what it writes, in which buffer. */
uint64_t explore_write_hash(const struct disk_sim_write *d)
{
    uint64_t h[4] = {d->slot, d->offset, d->buffer, d->fails};
    return XXH3_64bits_withSeed(h, sizeof h, XXH3_64bits(d->data, d->bytes));
}

/* The clock of a process, and when each of its armed timers is due, in the order of firing. */
static uint64_t timers_hash(const struct stack *st, uint64_t now)
{
    uint64_t hash = now;
    for (int l = 0; l < TIMER_LEVELS; l++)
        for (int s = 0; s < TIMER_SLOTS; s++)
            for (const struct timer *t = st->wheel.slot[l][s].next; t != &st->wheel.slot[l][s];
                 t = t->next) {
                uint64_t h[3] = {t->when_ns, t->arg, ((const struct co *)t->owner)->index};
                hash = XXH3_64bits_withSeed(h, sizeof h, hash);
            }
    return hash;
}

uint64_t explore_process_hash(const struct explore *x, const struct level *l, uint16_t p)
{
    const struct sim_proc *proc = &x->w->proc[p];
    bool disk = x->w->needs.disk, down = proc->state == SIM_CRASHED;
    if (down && !disk)
        return 0;
    uint64_t (*hash)(struct stack *) = x->conf.timers > 0 ? stack_hash_timed : stack_hash;
    uint64_t h[7] = {down ? 0 : hash(proc->st), proc->ops,    l->told[p],
                     x->w->sim.env[p].now_ns,   l->timers[p], disk ? sim_disk_hash(proc->disk) : 0,
                     sim_world_busy(x->w, p)};
    if (!down && x->conf.timers > 0)
        h[3] = timers_hash(proc->st, h[3]);
    return (XXH3_64bits(h, sizeof h) & ~(uint64_t)1) | !down;
}

uint64_t explore_frame_hash(const struct sim_frame *f)
{
    uint64_t hash = (uint64_t)f->from << 16 | f->to;
    for (const struct rte_mbuf *s = f->pkt; s != NULL; s = s->next)
        hash = XXH3_64bits_withSeed(rte_pktmbuf_mtod(s, const void *), s->data_len, hash);
    return hash;
}

uint64_t explore_state_hash(const struct explore *x, const struct level *l)
{
    const struct sim *s = &x->w->sim;
    uint64_t h[4] = {0, (uint64_t)l->crashes << 32 | l->losses,
                     (uint64_t)l->recoveries << 32 | l->duplicates, s->flights};
    for (uint32_t k = 0; k < s->flights; k++)
        h[0] += explore_frame_hash(&s->flight[k]);
    uint64_t hash = XXH3_64bits(h, sizeof h);
    size_t bytes = x->w->n * sizeof l->state[0];
    hash = XXH3_64bits_withSeed(l->state, bytes, hash);
    hash = XXH3_64bits_withSeed(l->counted, bytes, hash);
    hash = XXH3_64bits_withSeed(l->ordered, bytes, hash);
    hash = XXH3_64bits_withSeed(l->heard, bytes, hash);
    return hash != 0 ? hash : 1;
}

/* ---- the table of states --------------------------------------------------------------------- */

static uint64_t table_bytes(const struct table *t)
{
    return (t->mask + 1) * sizeof t->slot[0] + t->pool_max * sizeof t->pool[0];
}

struct seen *table_find(const struct table *t, uint64_t hash)
{
    uint64_t i = hash & t->mask;
    while (t->slot[i].hash != 0 && t->slot[i].hash != hash)
        i = (i + 1) & t->mask;
    return &t->slot[i];
}

uint64_t table_peak(const struct table *t)
{
    return table_bytes(t) > t->peak ? table_bytes(t) : t->peak;
}

int table_init(struct table *t, uint64_t memory_max)
{
    *t = (struct table){.memory_max = memory_max, .mask = SLOTS_START - 1};
    t->slot = calloc(SLOTS_START, sizeof t->slot[0]);
    return t->slot != NULL ? 0 : -ENOMEM;
}

void table_fini(struct table *t)
{
    free(t->slot);
    free(t->pool);
}

static bool grow_table(struct table *t)
{
    struct table bigger = *t;
    bigger.mask = 2 * t->mask + 1;
    uint64_t old = (t->mask + 1) * sizeof t->slot[0]; /* there until all are in the bigger one */
    if (table_bytes(&bigger) + old > t->memory_max ||
        (bigger.slot = calloc(bigger.mask + 1, sizeof t->slot[0])) == NULL)
        return false;
    if (table_bytes(&bigger) + old > t->peak)
        t->peak = table_bytes(&bigger) + old;
    for (uint64_t i = 0; i <= t->mask; i++)
        if (t->slot[i].hash != 0)
            *table_find(&bigger, t->slot[i].hash) = t->slot[i];
    free(t->slot);
    *t = bigger;
    return true;
}

static bool grow_pool(struct table *t)
{
    struct table bigger = *t;
    bigger.pool_max = t->pool_max == 0 ? SLOTS_START : 2 * t->pool_max;
    uint64_t old = t->pool_max * sizeof t->pool[0]; /* realloc may have both for a while */
    if (table_bytes(&bigger) + old > t->memory_max || bigger.pool_max > UINT32_MAX)
        return false;
    if (table_bytes(&bigger) + old > t->peak)
        t->peak = table_bytes(&bigger) + old;
    bigger.pool = realloc(t->pool, bigger.pool_max * sizeof t->pool[0]);
    if (bigger.pool == NULL)
        return false;
    *t = bigger;
    return true;
}

bool table_remember(struct table *t, struct seen *s, uint64_t hash, const struct level *l)
{
    if (4 * (t->states + 1) > 3 * (t->mask + 1)) {
        if (!grow_table(t))
            return false;
        s = table_find(t, hash);
    }
    while (t->pool == NULL || t->pooled + l->sleeps > t->pool_max)
        if (!grow_pool(t))
            return false;
    *s = (struct seen){hash, (uint32_t)t->pooled, (uint16_t)l->sleeps, false};
    memcpy(t->pool + t->pooled, l->sleep, l->sleeps * sizeof l->sleep[0]);
    t->pooled += l->sleeps;
    t->states++;
    return true;
}
