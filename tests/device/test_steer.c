/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device eal over a port that steers: each process here gets a queue of its own and the flow rule
 * that leads its UDP port there; a port that does not steer all of them is demultiplexed in
 * software. No virtual device of DPDK steers where the kernel has no classifier, so the port is
 * rings, and this file stands in for its flow engine: it keeps the rules that it is given and puts
 * a frame on the queue that they say.
 */
#include "device.h"

#include <errno.h>
#include <stdio.h>

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_ring.h>

#include "dataplane/eal.h"
#include "dataplane/wire_headers.h"

#define QUEUES     2
#define RING_SLOTS 64
#define N          3 /* p0 and p1 live here, p2 beyond the port */

/* ---- the port --------------------------------------------------------------------------------- */

static struct {
    struct rte_ring *in[QUEUES];
    struct rte_ring *out[QUEUES];
    uint16_t port;
    int rules_max; /* that it takes while it has more than one queue */
    int rules;
    uint16_t udp_port[8];
    uint16_t queue[8];
} nic;

int __wrap_rte_flow_validate(uint16_t port, const struct rte_flow_attr *attr,
                             const struct rte_flow_item pattern[],
                             const struct rte_flow_action actions[], struct rte_flow_error *error);
struct rte_flow *__wrap_rte_flow_create(uint16_t port, const struct rte_flow_attr *attr,
                                        const struct rte_flow_item pattern[],
                                        const struct rte_flow_action actions[],
                                        struct rte_flow_error *error);
int __wrap_rte_flow_flush(uint16_t port, struct rte_flow_error *error);

/* Exact match of the UDP destination port of an IPv4 packet, to a queue: all that this NIC knows. */
int __wrap_rte_flow_validate(uint16_t port, const struct rte_flow_attr *attr,
                             const struct rte_flow_item pattern[],
                             const struct rte_flow_action actions[], struct rte_flow_error *error)
{
    (void)error;
    const struct rte_flow_item_udp *mask = pattern[2].mask;
    if (port != nic.port || !attr->ingress || nic.rules == nic.rules_max ||
        pattern[0].type != RTE_FLOW_ITEM_TYPE_ETH || pattern[0].mask != NULL ||
        pattern[1].type != RTE_FLOW_ITEM_TYPE_IPV4 || pattern[1].mask != NULL ||
        pattern[2].type != RTE_FLOW_ITEM_TYPE_UDP || pattern[3].type != RTE_FLOW_ITEM_TYPE_END ||
        mask == NULL || mask->hdr.dst_port != 0xffff || mask->hdr.src_port != 0 ||
        actions[0].type != RTE_FLOW_ACTION_TYPE_QUEUE ||
        actions[1].type != RTE_FLOW_ACTION_TYPE_END)
        return -ENOTSUP;
    return 0;
}

struct rte_flow *__wrap_rte_flow_create(uint16_t port, const struct rte_flow_attr *attr,
                                        const struct rte_flow_item pattern[],
                                        const struct rte_flow_action actions[],
                                        struct rte_flow_error *error)
{
    if (__wrap_rte_flow_validate(port, attr, pattern, actions, error) != 0)
        return NULL;
    const struct rte_flow_item_udp *udp = pattern[2].spec;
    const struct rte_flow_action_queue *to = actions[0].conf;
    nic.udp_port[nic.rules] = rte_be_to_cpu_16(udp->hdr.dst_port);
    nic.queue[nic.rules] = to->index;
    return (struct rte_flow *)&nic.queue[nic.rules++];
}

int __wrap_rte_flow_flush(uint16_t port, struct rte_flow_error *error)
{
    (void)port;
    (void)error;
    nic.rules = 0;
    return 0;
}

static struct rte_ring *make_ring(const char *kind, int nics, int q)
{
    char name[32];
    snprintf(name, sizeof name, "%s_%d_%d", kind, nics, q);
    return rte_ring_create(name, RING_SLOTS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

/* A fresh one for each fabric, which closes it. */
static void make_nic(int rules_max)
{
    static int nics;
    char name[32];
    for (int q = 0; q < QUEUES; q++) {
        nic.in[q] = make_ring("in", nics, q);
        nic.out[q] = make_ring("out", nics, q);
    }
    snprintf(name, sizeof name, "nic%d", nics++);
    int port = rte_eth_from_rings(name, nic.in, QUEUES, nic.out, QUEUES, SOCKET_ID_ANY);
    device_check(port >= 0, "a port of rings");
    nic.port = (uint16_t)port;
    nic.rules_max = rules_max;
    nic.rules = 0;
}

/* A frame of one byte arrives from p2 for p`to`: on the queue of its rule, on the first without. */
static void arrive(struct rte_mempool *pool, uint16_t to, uint8_t mark)
{
    struct wire_template t;
    struct fabric_addr from_addr = wire_addr_default(2), to_addr = wire_addr_default(to);
    wire_template_init(&t, &from_addr, &to_addr);
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
    uint8_t *data = (uint8_t *)rte_pktmbuf_append(m, WIRE_BYTES + 1);
    wire_write(data, &t, 1);
    data[WIRE_BYTES] = mark;
    uint16_t queue = 0;
    for (int i = 0; i < nic.rules; i++)
        if (nic.udp_port[i] == to_addr.udp_port)
            queue = nic.queue[i];
    device_check(rte_ring_enqueue(nic.in[queue], m) == 0, "the port has room");
}

/* ---- the processes ----------------------------------------------------------------------------- */

static const uint16_t selves[] = {0, 1};

static struct fabric *open_fabric(int rules_max)
{
    struct fabric *f;
    char why[512] = "", name[RTE_ETH_NAME_MAX_LEN];
    make_nic(rules_max);
    rte_eth_dev_get_name_by_port(nic.port, name);
    const struct fabric_conf conf = {.device = "eal",
                                     .args = name,
                                     .n = N,
                                     .self = selves,
                                     .selves = RTE_DIM(selves),
                                     .msg_bytes = 64,
                                     .pool_pkts = 1023};
    device_check(fabric_open(&f, &conf, why, sizeof why) == 0, why);
    printf("%s\n", fabric_describe(f));
    return f;
}

/* What p receives within a few polls: the marks, as text. */
static const char *received(struct fabric *f, uint16_t p, char text[16])
{
    struct env *env = fabric_env(f, p);
    size_t len = 0;
    for (int poll = 0; poll < 4; poll++) {
        struct rte_mbuf *pkts[8];
        uint16_t n = env->ops->rx(env, pkts, RTE_DIM(pkts));
        for (uint16_t i = 0; i < n; i++) {
            device_check(pkts[i]->pkt_len == 1, "the lower headers are gone");
            text[len++] = (char)*rte_pktmbuf_mtod(pkts[i], uint8_t *);
            rte_pktmbuf_free(pkts[i]);
        }
    }
    text[len] = '\0';
    return text;
}

static void send_one(struct fabric *f, uint16_t p)
{
    struct env *env = fabric_env(f, p);
    struct rte_mbuf *m = rte_pktmbuf_alloc(env->pool);
    *rte_pktmbuf_append(m, 1) = 'x';
    env->ops->tx(env, 2, &m, 1);
}

static unsigned sent_by_queue(int q)
{
    void *pkts[8];
    unsigned n = rte_ring_dequeue_burst(nic.out[q], pkts, RTE_DIM(pkts), NULL);
    rte_pktmbuf_free_bulk((struct rte_mbuf **)pkts, n);
    return n;
}

static void each_process_has_a_queue_of_the_port(void)
{
    char text[16];
    struct fabric *f = open_fabric(2);
    device_check(strstr(fabric_describe(f), "steered") != NULL, "it says that the port steers");
    device_check(nic.rules == 2 && nic.udp_port[0] == wire_addr_default(0).udp_port &&
                     nic.udp_port[1] == wire_addr_default(1).udp_port && nic.queue[0] == 0 &&
                     nic.queue[1] == 1,
                 "a rule for each process's UDP port, to its queue");
    struct rte_mempool *pool = fabric_env(f, 0)->pool;
    arrive(pool, 1, 'b');
    arrive(pool, 0, 'a');
    arrive(pool, 1, 'c');
    device_check(strcmp(received(f, 1, text), "bc") == 0, "p1 receives its frames, polling alone");
    device_check(strcmp(received(f, 0, text), "a") == 0, "p0 receives its frame");
    send_one(f, 1);
    send_one(f, 0);
    send_one(f, 1);
    device_check(sent_by_queue(0) == 1 && sent_by_queue(1) == 2, "each sends by its own queue");
    device_check(fabric_close(f) == 0, "all packets return");
}

static void a_port_that_steers_not_all_is_demultiplexed_in_software(int rules_max)
{
    char text[16];
    struct fabric *f = open_fabric(rules_max);
    device_check(strstr(fabric_describe(f), "software") != NULL, "it says that software does it");
    device_check(nic.rules == 0, "no rule is left behind");
    struct rte_mempool *pool = fabric_env(f, 0)->pool;
    arrive(pool, 1, 'b');
    arrive(pool, 0, 'a');
    device_check(strcmp(received(f, 0, text), "a") == 0, "p0 polls, and keeps what is its own");
    device_check(strcmp(received(f, 1, text), "b") == 0, "p1 is handed what is for it");
    device_check(fabric_close(f) == 0, "all packets return");
}

/* Their frames could not be told apart, where some cross the port. */
static void equal_udp_ports_behind_one_port_are_refused(void)
{
    struct fabric_addr addr[N];
    char why[512];
    const char *key;
    for (uint16_t p = 0; p < N; p++)
        addr[p] = wire_addr_default(p);
    struct fabric_conf conf = {.device = "eal",
                               .args = "0",
                               .n = N,
                               .self = selves,
                               .selves = RTE_DIM(selves),
                               .addr = addr};
    device_check(fabric_check(&conf, &key, why, sizeof why) == 0, "different UDP ports");
    addr[1].udp_port = addr[0].udp_port;
    device_check(fabric_check(&conf, &key, why, sizeof why) != 0, "equal UDP ports");
    device_check(strcmp(key, "device.topology") == 0 && strstr(why, "p0 and p1") != NULL, why);
    conf.args = "%p";
    device_check(fabric_check(&conf, &key, why, sizeof why) == 0, "a port for each");
    conf.args = "0";
    conf.n = RTE_DIM(selves);
    device_check(fabric_check(&conf, &key, why, sizeof why) == 0, "no frame crosses the port");
}

int main(void)
{
    if (eal_start_light(256) != 0)
        return 2;
    each_process_has_a_queue_of_the_port();
    a_port_that_steers_not_all_is_demultiplexed_in_software(1);
    a_port_that_steers_not_all_is_demultiplexed_in_software(0);
    each_process_has_a_queue_of_the_port();
    equal_udp_ports_behind_one_port_are_refused();
    return 0;
}
