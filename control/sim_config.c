/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration C_t of a world: hashed, and as text. */
#include "sim_world.h"

#include <inttypes.h>
#include <stdio.h>

#include "protocols/view.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t pkt_hash(const struct rte_mbuf *pkt, uint64_t seed)
{
    for (; pkt != NULL; pkt = pkt->next)
        seed = XXH3_64bits_withSeed(rte_pktmbuf_mtod(pkt, const void *), pkt->data_len, seed);
    return seed;
}

/* A message that was held back; field by field, since there is padding between them. */
static uint64_t late_hash(const struct env_fault_late *l, uint64_t seed)
{
    uint64_t h[5] = {l->due_ns, l->from, l->port, l->len, l->kind};
    seed = XXH3_64bits_withSeed(h, sizeof h, seed);
    return XXH3_64bits_withSeed(l->bytes, l->len, seed);
}

uint64_t sim_world_hash(struct sim_world *w)
{
    uint64_t hash = w->n;
    for (uint16_t p = 0; p < w->n; p++) {
        struct sim_proc *x = &w->proc[p];
        uint64_t h[2] = {x->state, 0};
        if (x->state != SIM_CRASHED)
            h[1] = stack_hash(x->st);
        for (uint32_t k = 0; k < w->sim.env[p].ins; k++)
            h[1] = pkt_hash(w->sim.env[p].in[k], h[1]);
        if (w->needs.disk)
            h[1] ^= sim_disk_hash(x->disk);
        for (uint32_t k = 0; w->edge != NULL && k < w->edge[p].lates; k++)
            h[1] = late_hash(&w->edge[p].late[k], h[1]);
        hash = XXH3_64bits_withSeed(h, sizeof h, hash);
    }
    uint64_t flight = 0; /* a multiset: a sum does not know the order */
    for (uint32_t k = 0; k < w->sim.flights; k++) {
        const struct sim_frame *f = &w->sim.flight[k];
        flight += pkt_hash(f->pkt, (uint64_t)f->from << 16 | f->to);
    }
    return XXH3_64bits_withSeed(&flight, sizeof flight, hash);
}

static void dump_pkt(const char *where, const struct rte_mbuf *pkt, uint16_t from, uint16_t to,
                     uint32_t ordinal, void (*put)(void *, const char *), void *ctx)
{
    char line[160];
    snprintf(line, sizeof line, "%s %u->%u #%u %u bytes #%016" PRIx64, where, from, to, ordinal,
             pkt->pkt_len, pkt_hash(pkt, 0));
    put(ctx, line);
}

/* Who sent a packet that waits in an InBuf: its header says so. */
static uint16_t sender_of(const struct rte_mbuf *pkt)
{
    return le16_get(((const struct frame_wire *)pkt_data(pkt))->from);
}

static void dump_disk(const struct disk_sim *d, void (*put)(void *, const char *), void *ctx)
{
    char line[160];
    snprintf(line, sizeof line, "disk #%016" PRIx64 "%s", sim_disk_hash(d),
             d->lied ? ", which has lost what it acknowledged" : "");
    put(ctx, line);
    for (uint32_t k = 0; k < d->writes; k++) {
        const struct disk_sim_write *w = &d->write[k];
        snprintf(line, sizeof line, "write #%u segment %u offset %" PRIu64 " %u bytes", w->ordinal,
                 w->slot, w->offset, w->bytes);
        put(ctx, line);
    }
}

/* Heartbeats that a rule holds back, in the order of their arrival. */
static void dump_late(const struct env_fault *f, void (*put)(void *, const char *), void *ctx)
{
    char line[160], due[32];
    for (uint32_t k = 0; k < f->lates; k++) {
        const struct env_fault_late *l = &f->late[k];
        snprintf(due, sizeof due, "at %" PRIu64 " ns", l->due_ns);
        snprintf(line, sizeof line, "held back from p%u port %u #%016" PRIx64 " until %s", l->from,
                 l->port, late_hash(l, 0), l->due_ns == UINT64_MAX ? "its rule ends" : due);
        put(ctx, line);
    }
}

static void dump_rules(const struct fault_engine *e, void (*put)(void *, const char *), void *ctx)
{
    char line[240], rule[200];
    for (uint32_t left = e->armed; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(left);
        fault_text(&e->rule[i], rule, sizeof rule);
        snprintf(line, sizeof line, "armed %u: %s", i, rule);
        put(ctx, line);
    }
}

void sim_world_dump(struct sim_world *w, void (*put)(void *ctx, const char *line), void *ctx)
{
    char line[160];
    static const char *const states[] = {"running", "paused", "crashed"};
    dump_rules(&w->faults, put, ctx); /* in front: what follows is of a process, or in flight */
    for (uint16_t p = 0; p < w->n; p++) {
        struct sim_proc *x = &w->proc[p];
        snprintf(line, sizeof line, "p%u %s at %" PRIu64 " ns", p, states[x->state],
                 w->sim.env[p].env.ops->now(&w->sim.env[p].env));
        put(ctx, line);
        if (w->needs.disk)
            dump_disk(x->disk, put, ctx);
        if (x->state == SIM_CRASHED)
            continue;
        stack_dump(x->st, put, ctx);
        for (uint32_t k = 0; k < w->sim.env[p].ins; k++)
            dump_pkt("InBuf", w->sim.env[p].in[k], sender_of(w->sim.env[p].in[k]), p, k, put, ctx);
        if (w->edge != NULL)
            dump_late(&w->edge[p], put, ctx);
    }
    for (uint32_t k = 0; k < w->sim.flights; k++) {
        const struct sim_frame *f = &w->sim.flight[k];
        dump_pkt("flight", f->pkt, f->from, f->to, f->ordinal, put, ctx);
    }
}
