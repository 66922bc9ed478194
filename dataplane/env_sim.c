/* SPDX-License-Identifier: BSD-3-Clause */
#include "env_sim.h"

#include <errno.h>
#include <stdlib.h>

#define FLIGHT_START 256
#define IN_START     64

static void *grow(void *array, uint32_t *max, size_t size)
{
    *max *= 2;
    array = realloc(array, *max * size);
    if (array == NULL)
        rte_panic("simulator: out of memory for %u frames in flight\n", *max);
    return array;
}

static uint16_t sim_rx(struct env *env, struct rte_mbuf **pkts, uint16_t n)
{
    struct env_sim *e = (struct env_sim *)env;
    uint16_t got = e->ins < n ? (uint16_t)e->ins : n;
    memcpy(pkts, e->in, got * sizeof pkts[0]);
    e->ins -= got;
    memmove(e->in, e->in + got, e->ins * sizeof e->in[0]);
    return got;
}

static void sim_tx(struct env *env, uint16_t peer, struct rte_mbuf **pkts, uint16_t n)
{
    struct env_sim *e = (struct env_sim *)env;
    struct sim *s = e->sim;
    for (uint16_t i = 0; i < n; i++) {
        if (s->flights == s->flight_max)
            s->flight = grow(s->flight, &s->flight_max, sizeof s->flight[0]);
        struct sim_frame *f = &s->flight[s->flights];
        *f = (struct sim_frame){pkts[i], s->next_id++, e->now_ns, e->self, peer};
        if (s->sending != NULL && !s->sending(s->ctx, f))
            rte_pktmbuf_free(pkts[i]);
        else
            s->flights++;
    }
}

static uint64_t sim_now(struct env *env)
{
    return ((struct env_sim *)env)->now_ns;
}

static const struct env_ops sim_ops = {sim_rx, sim_tx, sim_now};

int sim_init(struct sim *s, uint16_t n, struct rte_mempool *pool)
{
    *s = (struct sim){.n = n, .flight_max = FLIGHT_START};
    s->env = calloc(n, sizeof s->env[0]);
    s->flight = calloc(FLIGHT_START, sizeof s->flight[0]);
    if (s->env == NULL || s->flight == NULL)
        return -ENOMEM;
    uint32_t room = (uint32_t)rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
    for (uint16_t i = 0; i < n; i++) {
        struct env_sim *e = &s->env[i];
        *e = (struct env_sim){.env = {&sim_ops, pool, e->counters, room, true},
                              .sim = s,
                              .in_max = IN_START,
                              .self = i};
        e->in = calloc(IN_START, sizeof e->in[0]);
        if (e->in == NULL)
            return -ENOMEM;
    }
    return 0;
}

void sim_reset(struct sim *s)
{
    for (uint32_t k = 0; k < s->flights; k++)
        rte_pktmbuf_free(s->flight[k].pkt);
    s->flights = 0;
    s->next_id = 0;
    for (uint16_t i = 0; i < s->n; i++) {
        struct env_sim *e = &s->env[i];
        for (uint32_t k = 0; k < e->ins; k++)
            rte_pktmbuf_free(e->in[k]);
        e->ins = 0;
        e->now_ns = 0;
        memset(e->counters, 0, sizeof e->counters);
    }
}

void sim_fini(struct sim *s)
{
    sim_reset(s);
    for (uint16_t i = 0; i < s->n; i++)
        free(s->env[i].in);
    free(s->env);
    free(s->flight);
}

static void receive(struct sim *s, uint16_t to, struct rte_mbuf *pkt)
{
    struct env_sim *e = &s->env[to];
    if (e->ins == e->in_max)
        e->in = grow(e->in, &e->in_max, sizeof e->in[0]);
    e->in[e->ins++] = pkt;
}

static void remove_frame(struct sim *s, uint32_t k)
{
    s->flights--;
    memmove(s->flight + k, s->flight + k + 1, (s->flights - k) * sizeof s->flight[0]);
}

void sim_deliver(struct sim *s, uint32_t k)
{
    receive(s, s->flight[k].to, s->flight[k].pkt);
    remove_frame(s, k);
}

void sim_duplicate(struct sim *s, uint32_t k)
{
    struct rte_mbuf *copy = rte_pktmbuf_copy(s->flight[k].pkt, s->env[0].env.pool, 0, UINT32_MAX);
    if (copy == NULL)
        rte_panic("simulator: the packet pool is empty: raise its size\n");
    receive(s, s->flight[k].to, copy);
}

void sim_drop(struct sim *s, uint32_t k)
{
    rte_pktmbuf_free(s->flight[k].pkt);
    remove_frame(s, k);
}
