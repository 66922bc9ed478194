/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's rings between the processes of one OS process, as ports: for frames with all their headers. */
#include "fabric_device.h"

#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_lcore.h>

#define RING_SLOTS 2048 /* a full window of one-record frames, and acknowledgements */

/* Queue k of a process's port leads to the k-th process here; that to itself is never used. */
static int ring_port(struct fabric *f, uint16_t i)
{
    uint16_t m = f->conf.selves;
    struct fabric_proc *p = &f->proc[i];
    struct rte_ring *rx[FABRIC_NET_RING_PROCS_MAX], *tx[FABRIC_NET_RING_PROCS_MAX];
    char name[32];
    for (uint16_t k = 0; k < m; k++) {
        rx[k] = f->ring[k * m + i];
        tx[k] = f->ring[i * m + k];
    }
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
    }
    return err;
}

int fabric_net_ring_open(struct fabric *f)
{
    uint16_t m = f->conf.selves;
    int err = 0;
    for (uint16_t i = 0; i < m; i++)
        for (uint16_t j = 0; j < m; j++)
            if (fabric_add_ring(f, f->proc[i].rank, f->proc[j].rank, RING_SLOTS) == NULL)
                return fabric_refuse(f, ENOMEM, "device %s: no memory for %u rings of %d",
                                     f->conf.device, m * m, RING_SLOTS);
    for (uint16_t i = 0; i < m && err == 0; i++)
        err = ring_port(f, i);
    return err;
}
