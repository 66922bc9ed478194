/* SPDX-License-Identifier: BSD-3-Clause */
/* Device ring: all processes in one OS process, an SPSC ring for each ordered pair. */
#include "fabric_device.h"

#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_lcore.h>

#define RING_SLOTS     2048 /* a full window of one-record frames, and acknowledgements */
#define RING_PROCS_MAX 16   /* queues of a net_ring port */

int fabric_ring_check(struct fabric *f)
{
    if (f->conf.n > RING_PROCS_MAX)
        return fabric_refuse(f, EINVAL,
                             "device ring: n = %u, and a ring port has %d queues, one a "
                             "process: lower job.n or use another device",
                             f->conf.n, RING_PROCS_MAX);
    if (f->conf.selves != f->conf.n)
        return fabric_refuse(f, EINVAL,
                             "device ring: all %u processes live in one OS process, not "
                             "%u of them: use memif between OS processes",
                             f->conf.n, f->conf.selves);
    return 0;
}

/* Queue j of a process's port leads to process j; the queue to itself is never used. */
static int ring_port(struct fabric *f, struct fabric_proc *p)
{
    uint16_t n = f->conf.n;
    struct rte_ring *rx[RING_PROCS_MAX], *tx[RING_PROCS_MAX];
    char name[32];
    for (uint16_t q = 0; q < n; q++) {
        rx[q] = f->ring[q * n + p->rank];
        tx[q] = f->ring[p->rank * n + q];
    }
    snprintf(name, sizeof name, "up%u_p%u", f->generation, p->rank);
    int port = rte_eth_from_rings(name, rx, n, tx, n, rte_socket_id());
    if (port < 0)
        return fabric_refuse(f, rte_errno, "device ring: no port for p%u: %s", p->rank,
                             rte_strerror(rte_errno));
    int err = fabric_add_port(f, (uint16_t)port, true);
    if (err == 0)
        err = fabric_port_start(f, (uint16_t)port, n, n, p->rx_pool);
    for (uint16_t q = 0; q < n && err == 0; q++) {
        p->env->peer[q].tx = (struct env_queue){(uint16_t)port, q};
        if (q != p->rank)
            err = fabric_add_source(p, (uint16_t)port, q);
    }
    return err;
}

int fabric_ring_open(struct fabric *f)
{
    uint16_t n = f->conf.n;
    for (uint16_t i = 0; i < n; i++)
        for (uint16_t j = 0; j < n; j++)
            if (fabric_add_ring(f, i, j, RING_SLOTS) == NULL)
                return fabric_refuse(f, ENOMEM, "device ring: no memory for %u rings of %d", n * n,
                                     RING_SLOTS);
    for (uint16_t i = 0; i < n; i++) {
        int err = ring_port(f, &f->proc[i]);
        if (err != 0)
            return err;
    }
    snprintf(f->text, sizeof f->text, "ring (net_ring, %u port%s, %u rings of %d)", n,
             n == 1 ? "" : "s", n * (n - 1u), RING_SLOTS);
    return 0;
}

const struct fabric_device_ops fabric_ring = {
    .name = "ring",
    .text = "shared memory between threads of one OS process",
    .check = fabric_ring_check,
    .open = fabric_ring_open,
};
