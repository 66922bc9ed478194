/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulated environment: n processes in one thread, a clock that only the adversary moves, and
 * the multiset of frames in flight. It chooses nothing: who delivers what to whom, and when, is the
 * caller's (control/adversary.c, or a test).
 */
#ifndef UPON_ENV_SIM_H
#define UPON_ENV_SIM_H

#include "env.h"

/* A frame in flight: sent, neither delivered nor lost. */
struct sim_frame {
    struct rte_mbuf *pkt;
    uint64_t id; /* in the order of sending, from 0 */
    uint64_t sent_ns;
    uint16_t from;
    uint16_t to;
};

struct sim;

struct env_sim {
    struct env env;
    struct sim *sim;
    uint64_t now_ns; /* this process's clock */
    uint64_t counters[COUNTERS];
    struct rte_mbuf **in; /* InBuf: delivered, to be received by the next breath */
    uint32_t ins;
    uint32_t in_max;
    uint16_t self;
};

struct sim {
    struct env_sim *env;      /* n of them */
    struct sim_frame *flight; /* in the order of sending */
    uint32_t flights;
    uint32_t flight_max;
    uint64_t next_id;
    uint16_t n;
    /* Called for every frame that is sent, before it is in flight; false: it is dropped. May be
     * NULL. */
    bool (*sending)(void *ctx, struct sim_frame *f);
    void *ctx;
};

/* Set up for `n` processes whose packets all come from `pool`. Allocates; 0 or −ENOMEM. */
int sim_init(struct sim *s, uint16_t n, struct rte_mempool *pool);

/* Free everything, packets in flight and in InBufs included. */
void sim_fini(struct sim *s);

/* Drop all packets, zero clocks and counters: as after sim_init(), without allocating. */
void sim_reset(struct sim *s);

/* Del(m, i, j): move the frame at index `k` of the flight into its receiver's InBuf. */
void sim_deliver(struct sim *s, uint32_t k);

/* Put a copy of the frame at index `k` into the receiver's InBuf and keep it in flight. */
void sim_duplicate(struct sim *s, uint32_t k);

/* Lose the frame at index `k`. */
void sim_drop(struct sim *s, uint32_t k);

#endif
