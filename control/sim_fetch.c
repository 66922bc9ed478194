/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_fetch.h"

#include <rte_prefetch.h>

static void note(struct sim_fetch *f, const struct stack *st, const void *address)
{
    uint32_t at = (uint32_t)((const char *)address - (const char *)st);
    at -= at % RTE_CACHE_LINE_SIZE;
    for (uint32_t i = 0; i < f->lines; i++)
        if (f->at[i] == at)
            return;
    if (f->lines < SIM_FETCH_LINES)
        f->at[f->lines++] = at;
}

static void note_two(struct sim_fetch *f, const struct stack *st, const void *address)
{
    note(f, st, address);
    note(f, st, (const char *)address + RTE_CACHE_LINE_SIZE);
}

void sim_fetch_learn(struct sim_fetch *f, const struct stack *st)
{
    f->lines = 0;
    for (const char *at = (const char *)st; at <= (const char *)&st->wheel.mask;
         at += RTE_CACHE_LINE_SIZE)
        note(f, st, at);
    note(f, st, st->rx);
    note(f, st, st->out);
    note(f, st, st->out_peer);
    note(f, st, st->spents);
    for (uint16_t i = 0; i < st->components; i++) {
        const struct co *co = st->co[i];
        note_two(f, st, co);
        note_two(f, st, co + 1); /* where its own state begins */
        note(f, st, co->inbox);
        note(f, st, co->user);
    }
}

void sim_fetch_ahead(const struct sim_fetch *f, const struct stack *st, const struct env_sim *env,
                     const struct rte_mbuf *pkt)
{
    rte_prefetch0(env);
    rte_prefetch0(env->counters);
    rte_prefetch0(env->in);
    rte_prefetch0(pkt);
    rte_prefetch0(pkt->cacheline1);
    rte_prefetch0(rte_pktmbuf_mtod(pkt, void *));
    for (uint32_t i = 0; i < f->lines; i++)
        rte_prefetch0((const char *)st + f->at[i]);
}
