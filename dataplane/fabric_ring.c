/* SPDX-License-Identifier: BSD-3-Clause */
/* Device ring: all processes in one OS process, an SPSC ring for each ordered pair. */
#include "fabric_device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_lcore.h>

#define RING_SLOTS     2048 /* a full window of one-record frames, and acknowledgements */
#define RING_PROCS_MAX 16   /* queues of a net_ring port */

int fabric_ring_check(struct fabric *f)
{
    if (f->conf.selves > RING_PROCS_MAX || f->conf.n > RING_PROCS_MAX)
        return fabric_refuse_key(f, "job.n", EINVAL,
                                 "device %s: n = %u, and a ring port has %d queues, one a "
                                 "process: lower job.n or use another device",
                                 f->conf.device, f->conf.n, RING_PROCS_MAX);
    if (f->conf.selves != f->conf.n)
        return fabric_refuse(f, EINVAL,
                             "device %s: all %u processes live in one OS process, not "
                             "%u of them: use memif between OS processes",
                             f->conf.device, f->conf.n, f->conf.selves);
    return 0;
}

/* Queue k of a process's port leads to the k-th process here; that to itself is never used. */
static int ring_port(struct fabric *f, uint16_t i)
{
    uint16_t m = f->conf.selves;
    struct fabric_proc *p = &f->proc[i];
    struct rte_ring *rx[RING_PROCS_MAX], *tx[RING_PROCS_MAX];
    char name[32];
    for (uint16_t k = 0; k < m; k++) {
        rx[k] = f->ring[k * m + i];
        tx[k] = f->ring[i * m + k];
    }
    p->env->pair = calloc(m, sizeof p->env->pair[0]);
    if (p->env->pair == NULL)
        return fabric_refuse(f, ENOMEM, "device %s: out of memory", f->conf.device);
    snprintf(name, sizeof name, "up%u_p%u", f->generation, p->rank);
    int port = rte_eth_from_rings(name, rx, m, tx, m, rte_socket_id());
    if (port < 0)
        return fabric_refuse(f, rte_errno, "device %s: no ring port for p%u: %s", f->conf.device,
                             p->rank, rte_strerror(rte_errno));
    int err = fabric_add_port(f, (uint16_t)port, true);
    if (err == 0)
        err = fabric_port_start(f, (uint16_t)port, m, m, p->rx_pool);
    for (uint16_t k = 0; k < m && err == 0; k++) {
        p->env->peer[f->proc[k].rank].tx = (struct env_queue){(uint16_t)port, k};
        if (k != i)
            err = fabric_add_source(p, (uint16_t)port, k);
        if (k != i && err == 0)
            p->env->pair[p->env->sources - 1] = (struct env_pair){rx[k], tx[k]};
    }
    return err;
}

int fabric_ring_open(struct fabric *f)
{
    uint16_t m = f->conf.selves;
    for (uint16_t i = 0; i < m; i++)
        for (uint16_t j = 0; j < m; j++)
            if (fabric_add_ring(f, f->proc[i].rank, f->proc[j].rank, RING_SLOTS) == NULL)
                return fabric_refuse(f, ENOMEM, "device %s: no memory for %u rings of %d",
                                     f->conf.device, m * m, RING_SLOTS);
    for (uint16_t i = 0; i < m; i++) {
        int err = ring_port(f, i);
        if (err != 0)
            return err;
    }
    snprintf(f->text, sizeof f->text, "ring (net_ring, %u port%s, %u rings of %d)", m,
             m == 1 ? "" : "s", m * (m - 1u), RING_SLOTS);
    return 0;
}

const struct fabric_device_ops fabric_ring = {
    .name = "ring",
    .text = "shared memory between threads of one OS process",
    .check = fabric_ring_check,
    .open = fabric_ring_open,
    .shares_pool = true,
    .memory = true,
};
