/* SPDX-License-Identifier: BSD-3-Clause */
#include "env_sim.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_ip.h>

#include "frame.h"

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

/* The flight is a window that slides over its allocation, so that the oldest leaves at no cost. */
static struct sim_frame *flight_end(struct sim *s)
{
    uint32_t at = (uint32_t)(s->flight - s->base);
    if (at + s->flights == s->base_max) {
        if (s->flights > s->base_max / 2)
            s->base = grow(s->base, &s->base_max, sizeof s->base[0]);
        memmove(s->base, s->base + at, s->flights * sizeof s->base[0]);
        s->flight = s->base;
    }
    return s->flight + s->flights;
}

/* Take a frame out of the flight by moving the shorter side. */
static void remove_frame(struct sim *s, uint32_t k)
{
    s->flights--;
    if (k < s->flights - k) {
        memmove(s->flight + 1, s->flight, k * sizeof s->flight[0]);
        s->flight++;
    } else {
        memmove(s->flight + k, s->flight + k + 1, (s->flights - k) * sizeof s->flight[0]);
    }
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

static struct rte_mbuf *copy_of(struct sim *s, struct rte_mbuf *pkt)
{
    struct rte_mbuf *copy = rte_pktmbuf_copy(pkt, s->env[0].env.pool, 0, UINT32_MAX);
    if (copy == NULL) {
        env_starved(&s->env[0].env);
        rte_panic("simulator: the packet pool is empty: raise its size\n");
    }
    return copy;
}

static void add_copies(struct sim *s, struct sim_frame f)
{
    for (uint8_t i = 1; i <= f.copies; i++) {
        struct sim_frame *copy = flight_end(s);
        *copy = f;
        copy->pkt = copy_of(s, f.pkt);
        copy->id = s->next_id++;
        copy->ordinal += i * SIM_COPY_ORDINAL;
        s->flights++;
    }
}

static uint64_t sim_now(struct env *env)
{
    const struct env_sim *e = (const struct env_sim *)env;
    return e->now_ns > e->sim->now_ns ? e->now_ns : e->sim->now_ns;
}

static void sim_tx(struct env *env, uint16_t peer, struct rte_mbuf **pkts, uint16_t n)
{
    struct env_sim *e = (struct env_sim *)env;
    struct sim *s = e->sim;
    for (uint16_t i = 0; i < n; i++) {
        struct sim_frame *f = flight_end(s);
        *f = (struct sim_frame){.pkt = pkts[i],
                                .id = s->next_id++,
                                .sent_ns = sim_now(env),
                                .ordinal = s->ordinal[e->self * s->n + peer]++,
                                .from = e->self,
                                .to = peer};
        if (s->sending != NULL && !s->sending(s->ctx, f)) {
            rte_pktmbuf_free(pkts[i]);
            continue;
        }
        s->flights++;
        if (f->copies > 0)
            add_copies(s, *f);
    }
}

static const struct env_ops sim_ops = {sim_rx, sim_tx, sim_now};

int sim_init(struct sim *s, uint16_t n, struct rte_mempool *pool)
{
    *s = (struct sim){.n = n, .n_max = n, .base_max = FLIGHT_START};
    s->env = calloc(n, sizeof s->env[0]);
    s->base = calloc(FLIGHT_START, sizeof s->base[0]);
    s->ordinal = calloc((size_t)n * n, sizeof s->ordinal[0]);
    if (s->env == NULL || s->base == NULL || s->ordinal == NULL)
        return -ENOMEM;
    s->flight = s->base;
    uint32_t room = (uint32_t)rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
    for (uint16_t i = 0; i < n; i++) {
        struct env_sim *e = &s->env[i];
        *e = (struct env_sim){.env = {.ops = &sim_ops,
                                      .pool = pool,
                                      .counters = e->counters,
                                      .frame_bytes_max = room,
                                      .multi_seg = true,
                                      .lower_bytes = WIRE_BYTES},
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
    s->flight = s->base;
    s->flights = 0;
    s->next_id = 0;
    s->now_ns = 0;
    memset(s->ordinal, 0, (size_t)s->n * s->n * sizeof s->ordinal[0]);
    for (uint16_t i = 0; i < s->n; i++) {
        struct env_sim *e = &s->env[i];
        for (uint32_t k = 0; k < e->ins; k++)
            rte_pktmbuf_free(e->in[k]);
        e->ins = 0;
        e->now_ns = 0;
        memset(e->counters, 0, sizeof e->counters);
    }
}

void sim_resize(struct sim *s, uint16_t n)
{
    sim_reset(s);
    s->n = n;
    sim_reset(s);
}

void sim_fini(struct sim *s)
{
    sim_reset(s);
    for (uint16_t i = 0; i < s->n_max; i++)
        free(s->env[i].in);
    free(s->env);
    free(s->base);
    free(s->ordinal);
}

static void receive(struct sim *s, uint16_t to, struct rte_mbuf *pkt)
{
    struct env_sim *e = &s->env[to];
    if (e->ins == e->in_max)
        e->in = grow(e->in, &e->in_max, sizeof e->in[0]);
    e->in[e->ins++] = pkt;
}

void sim_deliver(struct sim *s, uint32_t k)
{
    receive(s, s->flight[k].to, s->flight[k].pkt);
    remove_frame(s, k);
}

void sim_duplicate(struct sim *s, uint32_t k)
{
    receive(s, s->flight[k].to, copy_of(s, s->flight[k].pkt));
}

void sim_drop(struct sim *s, uint32_t k)
{
    rte_pktmbuf_free(s->flight[k].pkt);
    remove_frame(s, k);
}

bool sim_corrupt(struct sim *s, uint32_t k, uint32_t bit)
{
    struct rte_mbuf *copy = copy_of(s, s->flight[k].pkt);
    uint16_t to = s->flight[k].to;
    uint8_t *data = rte_pktmbuf_mtod(copy, uint8_t *);
    uint16_t sum = rte_raw_cksum(data, copy->data_len);
    bit %= (uint32_t)copy->data_len * 8;
    data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    bool caught = rte_raw_cksum(data, copy->data_len) != sum;
    sim_drop(s, k);
    if (caught) {
        s->env[to].counters[COUNT_drop_udp_checksum]++;
        rte_pktmbuf_free(copy);
    } else {
        receive(s, to, copy);
    }
    return caught;
}
