/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device eal: ports from the EAL command line, NICs on a testbed most of the time.
 *
 * With a port for each process ("%p" in the argument) every frame leaves by its sender's port. Else
 * the processes here share one: it steers each one's UDP port to its queue, or, where it cannot, the
 * first process polls for all and hands over. Among themselves they then use rings, since no switch
 * sends a frame back to where it came from; if all live here, the port sees no frame.
 */
#include "fabric_device.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_flow.h>

#include "clock.h"
#include "eal.h"

#define HAND_OVER_SLOTS 2048
#define EAL_SELVES_MAX  16 /* the rings among them */
#define LINK_TIMEOUT_NS 10000000000ull
#define LINK_POLL_US    10000

static const char *args_of(const struct fabric *f)
{
    return f->conf.args != NULL ? f->conf.args : "";
}

static bool port_each(const struct fabric *f)
{
    return strstr(args_of(f), "%p") != NULL;
}

/* The port of a process, or that of all. */
static int find_port(struct fabric *f, uint16_t rank, uint16_t *port)
{
    char args[RTE_ETH_NAME_MAX_LEN] = "", *end;
    (void)fabric_name(f, rank, args, sizeof args); /* it has been looked at before EAL started */
    unsigned long id = strtoul(args, &end, 10);
    if (isdigit((unsigned char)args[0]) && *end == '\0' && id < RTE_MAX_ETHPORTS &&
        rte_eth_dev_is_valid_port((uint16_t)id)) {
        *port = (uint16_t)id;
        return 0;
    }
    if (rte_eth_dev_get_port_by_name(args, port) == 0)
        return 0;
    return fabric_refuse_key(f, "device.args", ENODEV,
                             "device eal: device.args = \"%s\": DPDK has %u ports, and none "
                             "of that name or number: give it to EAL, e.g. --allow=0000:01:00.0 or "
                             "--vdev=net_af_packet0,iface=eth1",
                             args, rte_eth_dev_count_avail());
}

/* What comes in by one port is told apart by its UDP port alone. */
static int check_shared(struct fabric *f)
{
    const struct fabric_conf *c = &f->conf;
    if (c->selves > EAL_SELVES_MAX)
        return fabric_refuse_key(f, "job.n", EINVAL,
                                 "device eal: %u processes share a port, %d can: lower job.n, or "
                                 "give a port to each, with %%p in device.args",
                                 c->selves, EAL_SELVES_MAX);
    for (uint16_t i = 0; i < c->selves && c->addr != NULL && c->selves < c->n; i++)
        for (uint16_t k = 0; k < i; k++)
            if (c->addr[c->self[i]].udp_port == c->addr[c->self[k]].udp_port)
                return fabric_refuse_key(f, "device.topology", EINVAL,
                                         "device eal: p%u and p%u share a port and have the same "
                                         "UDP port, %u, by which their frames are told apart: give "
                                         "them different ones",
                                         c->self[k], c->self[i], c->addr[c->self[i]].udp_port);
    return 0;
}

static int eal_check(struct fabric *f)
{
    char name[RTE_ETH_NAME_MAX_LEN];
    if (!fabric_name(f, f->conf.self[0], name, sizeof name))
        return fabric_refuse_key(f, "device.args", EINVAL,
                                 "device eal: device.args = \"%s\" names no port: write the number "
                                 "or the name of one that device.eal gives to DPDK, with %%p for "
                                 "the rank if each process has its own",
                                 args_of(f));
    return port_each(f) ? fabric_check_ports(f, f->conf.selves) : check_shared(f);
}

/* The least MTU of the ports is the job's. */
static int eal_probe(struct fabric *f)
{
    uint32_t least = UINT32_MAX;
    for (uint16_t i = 0; i < (port_each(f) ? f->conf.selves : 1); i++) {
        uint16_t port, mtu;
        int err = find_port(f, f->conf.self[i], &port);
        if (err != 0)
            return err;
        if (rte_eth_dev_get_mtu(port, &mtu) == 0 && mtu < least)
            least = mtu;
    }
    if (f->conf.mtu == 0 && least != UINT32_MAX)
        f->conf.mtu = least;
    return 0;
}

/* ---- by the port ----------------------------------------------------------------------------- */

/* Steer a UDP port to a queue; false if the port cannot. */
static bool steer(uint16_t port, uint16_t udp_port, uint16_t queue)
{
    const struct rte_flow_attr attr = {.ingress = 1};
    const struct rte_flow_item_udp udp = {.hdr.dst_port = rte_cpu_to_be_16(udp_port)};
    const struct rte_flow_item_udp mask = {.hdr.dst_port = 0xffff};
    const struct rte_flow_item pattern[] = {
        {.type = RTE_FLOW_ITEM_TYPE_ETH},
        {.type = RTE_FLOW_ITEM_TYPE_IPV4},
        {.type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp, .mask = &mask},
        {.type = RTE_FLOW_ITEM_TYPE_END},
    };
    const struct rte_flow_action_queue to = {.index = queue};
    const struct rte_flow_action actions[] = {
        {.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &to},
        {.type = RTE_FLOW_ACTION_TYPE_END},
    };
    struct rte_flow_error error;
    return rte_flow_validate(port, &attr, pattern, actions, &error) == 0 &&
           rte_flow_create(port, &attr, pattern, actions, &error) != NULL;
}

/* Remove all flows and stop. */
static void unsteer(uint16_t port)
{
    struct rte_flow_error error;
    (void)rte_flow_flush(port, &error);
    (void)rte_eth_dev_stop(port);
}

/* Whether the port steers at all: asked with one queue, since some never close a second one. */
static bool can_steer(struct fabric *f, uint16_t port)
{
    if (fabric_port_start(f, port, 1, 1, f->proc[0].rx_pool) != 0)
        return false;
    bool can = steer(port, f->addr[f->proc[0].rank].udp_port, 0);
    unsteer(port);
    return can;
}

/* 1 when each process has a queue of its own, 0 when the port cannot do that. */
static int open_steered(struct fabric *f, uint16_t port)
{
    struct rte_eth_dev_info info;
    uint16_t m = f->conf.selves;
    if (rte_eth_dev_info_get(port, &info) != 0 || info.max_rx_queues < m ||
        info.max_tx_queues < m || !can_steer(f, port))
        return 0;
    int err = fabric_port_start(f, port, m, m, f->proc[0].rx_pool);
    if (err != 0)
        return 0;
    for (uint16_t i = 0; i < m; i++)
        if (!steer(port, f->addr[f->proc[i].rank].udp_port, i)) {
            unsteer(port);
            return 0;
        }
    for (uint16_t i = 0; i < m && err == 0; i++)
        err = fabric_add_source(&f->proc[i], port, i);
    return err != 0 ? err : 1;
}

/* ---- in software ----------------------------------------------------------------------------- */

/* The first process polls for all. Returns how many transmit queues there are, or −errno. */
static int open_demultiplexed(struct fabric *f, uint16_t port)
{
    uint16_t m = f->conf.selves;
    struct env_demux *d = calloc(1, sizeof *d + m * sizeof d->out[0]);
    if (d == NULL)
        return -ENOMEM;
    f->proc[0].env->demux = d;
    d->in = (struct env_queue){port, 0};
    for (uint16_t i = 1; i < m; i++) {
        struct env_dpdk *e = f->proc[i].env;
        e->handed = fabric_add_ring(f, UINT16_MAX, f->proc[i].rank, HAND_OVER_SLOTS);
        if (e->handed == NULL)
            return fabric_refuse(f, ENOMEM, "device eal: no memory for a ring to p%u",
                                 f->proc[i].rank);
        d->out[d->outs].udp_port = rte_cpu_to_be_16(f->addr[f->proc[i].rank].udp_port);
        d->out[d->outs++].ring = e->handed;
    }
    if (fabric_port_start(f, port, 1, m, f->proc[0].rx_pool) == 0)
        return m;
    int err = fabric_port_start(f, port, 1, 1, f->proc[0].rx_pool); /* then by turns, locked */
    return err != 0 ? err : 1;
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool lives_here(const struct fabric *f, uint16_t rank)
{
    for (uint16_t i = 0; i < f->conf.selves; i++)
        if (f->proc[i].rank == rank)
            return true;
    return false;
}

static void send_by(struct fabric *f, uint16_t port, uint16_t tx_queues)
{
    rte_spinlock_init(&f->tx_lock);
    for (uint16_t i = 0; i < f->conf.selves; i++) {
        struct env_dpdk *e = f->proc[i].env;
        for (uint16_t q = 0; q < f->conf.n; q++)
            if (!lives_here(f, q))
                e->peer[q].tx = (struct env_queue){port, i < tx_queues ? i : 0};
        if (tx_queues < f->conf.selves)
            e->tx_lock = &f->tx_lock;
    }
}

static const char *driver_of(uint16_t port)
{
    struct rte_eth_dev_info info = {0};
    (void)rte_eth_dev_info_get(port, &info);
    return info.driver_name != NULL ? info.driver_name : "?";
}

/* A port for each process. */
static int open_each(struct fabric *f)
{
    uint16_t port = 0;
    for (uint16_t i = 0; i < f->conf.selves; i++) {
        int err = find_port(f, f->proc[i].rank, &port);
        if (err == 0)
            err = fabric_add_port(f, port, false);
        if (err == 0)
            err = fabric_single_port(f, &f->proc[i], port);
        if (err != 0)
            return err;
        (void)rte_eth_promiscuous_enable(port); /* peers may have been told other MACs */
    }
    snprintf(f->text, sizeof f->text, "eal (%s, ports %.32s: one for each process)",
             driver_of(port), args_of(f));
    return 0;
}

/* What the text shall say of frames between processes that share the port. */
static void describe_shared(struct fabric *f, uint16_t port, const char *how)
{
    if (f->conf.selves == 1)
        snprintf(f->text, sizeof f->text, "eal (%s, port %u)", driver_of(port), port);
    else if (f->conf.selves < f->conf.n)
        snprintf(f->text, sizeof f->text,
                 "eal (%s, port %u%s; rings between the %u processes here)", driver_of(port), port,
                 how, f->conf.selves);
    else {
        snprintf(f->text, sizeof f->text, "eal (rings in memory; no frame on port %u, %s)", port,
                 driver_of(port));
        snprintf(f->note, sizeof f->note,
                 "no frame will cross port %u: all %u processes share it, and pass frames through "
                 "memory; for figures of a wire give EAL a port for each process, cabled together, "
                 "and write device.args with %%p for the rank, as %%p or net_af_packet%%p",
                 port, f->conf.n);
    }
}

static int open_shared(struct fabric *f)
{
    uint16_t port, m = f->conf.selves;
    int err = find_port(f, f->conf.self[0], &port);
    if (err == 0 && m > 1)
        err = fabric_net_ring_open(f);
    if (err == 0)
        err = fabric_add_port(f, port, false);
    if (err != 0)
        return err;
    const char *how = "";
    if (m == 1) {
        err = fabric_single_port(f, &f->proc[0], port);
    } else if ((err = open_steered(f, port)) == 1) {
        how = ", steered by the port to a queue each";
        send_by(f, port, m);
        err = 0;
    } else if (err == 0 && (err = open_demultiplexed(f, port)) > 0) {
        how = ", demultiplexed in software by the first process here";
        send_by(f, port, (uint16_t)err);
        err = 0;
    }
    if (err != 0)
        return err;
    (void)rte_eth_promiscuous_enable(port); /* peers may have been told other MACs */
    describe_shared(f, port, how);
    return 0;
}

/* A NIC takes seconds until it has a link, and what is sent before is lost: no peer is suspected for
 * that. Rings in memory are up at once. */
static int await_links(struct fabric *f)
{
    uint64_t end = clock_now_ns() + LINK_TIMEOUT_NS;
    for (uint16_t i = 0; i < f->ports;) {
        struct rte_eth_link link = {0};
        if (rte_eth_link_get_nowait(f->port[i].id, &link) != 0 ||
            link.link_status == RTE_ETH_LINK_UP)
            i++;
        else if (clock_now_ns() < end)
            rte_delay_us_sleep(LINK_POLL_US);
        else
            return fabric_refuse_key(f, "device.args", ENETDOWN,
                                     "device eal: port %u (%s) has no link after %llu s: plug its "
                                     "cable, or look at the other end",
                                     f->port[i].id, driver_of(f->port[i].id),
                                     LINK_TIMEOUT_NS / 1000000000);
    }
    return 0;
}

static int eal_open(struct fabric *f)
{
    int err = port_each(f) ? open_each(f) : open_shared(f);
    return err != 0 ? err : await_links(f);
}

const struct fabric_device_ops fabric_eal = {
    .name = "eal",
    .text =
        "ports given to EAL, e.g. NICs: one for each process with %p in the argument, and frames "
        "cross them; one for all without, and frames among those stay in memory",
    .check = eal_check,
    .probe = eal_probe,
    .open = eal_open,
    .offloads = true,
    .sets_mtu = true,
    .apart = true,
};
