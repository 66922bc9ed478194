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
    uint64_t due_ns;  /* when it arrives, where the schedule keeps time; set by sending() */
    uint32_t ordinal; /* it is the ordinal-th frame from `from` to `to`: its name in a record */
    uint32_t tag;     /* the scheduler's: set by sending() */
    uint16_t from;
    uint16_t to;
    uint8_t copies; /* put this many copies in flight beside it; set by sending() */
};

/* Added to the ordinal of a frame to name its first, second … copy. */
#define SIM_COPY_ORDINAL (1u << 24)

struct sim;

struct env_sim {
    struct env env;
    struct sim *sim;
    uint64_t now_ns; /* this process's clock, where it is ahead of the common one */
    uint64_t counters[COUNTERS];
    struct rte_mbuf **in; /* InBuf: delivered, to be received by the next breath */
    uint32_t ins;
    uint32_t in_max;
    uint16_t self;
};

struct sim {
    struct env_sim *env;      /* n of them */
    struct sim_frame *flight; /* in the order of sending; moves when frames are added or removed */
    uint32_t flights;
    uint64_t now_ns; /* the common clock: no process is behind it */
    uint64_t next_id;
    struct sim_frame *base; /* the allocation that `flight` points into */
    uint32_t base_max;
    uint32_t *ordinal; /* n × n: of the next frame on each edge */
    uint16_t n;
    uint16_t n_max;
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

/* Use only the first `n` processes of those it was set up for. Resets. */
void sim_resize(struct sim *s, uint16_t n);

/* Put a copy of the frame at index `k` into the receiver's InBuf and keep it in flight. */
void sim_duplicate(struct sim *s, uint32_t k);

/* Lose the frame at index `k`. */
void sim_drop(struct sim *s, uint32_t k);

/*
 * Deliver the frame at index `k` with one bit flipped. The edge verifies the checksum that UDP
 * would carry, so the frame is counted and dropped there; no single bit escapes that sum. Returns
 * whether it was caught.
 */
bool sim_corrupt(struct sim *s, uint32_t k, uint32_t bit);

#endif
