/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The environment of a process on ethdevs and the TSC. The fabric fills it in; the thread that runs
 * the process uses it.
 */
#ifndef UPON_ENV_DPDK_H
#define UPON_ENV_DPDK_H

#include "env.h"
#include "wire_headers.h"

struct env_queue {
    uint16_t port;
    uint16_t queue;
};

/* What it takes to send to a peer. */
struct env_peer {
    struct wire_template headers;
    struct env_queue tx;
};

struct env_dpdk {
    struct env env;
    struct env_peer *peer;    /* n of them */
    struct env_queue *source; /* queues where our frames arrive */
    uint16_t sources;
    uint16_t next_source; /* polled first in the next breath, so that no peer starves the others */
    bool captured;        /* a copy of what is sent goes to `capture`, which takes all */
    struct env_queue capture;
    bool udp_checksum; /* compute it in software */
    bool udp_offload;  /* have the port compute it, and the IPv4 header's */
    struct wire_self self;
    uint64_t counters[COUNTERS] __attribute__((aligned(RTE_CACHE_LINE_SIZE)));
};

extern const struct env_ops env_dpdk_ops;

#endif
