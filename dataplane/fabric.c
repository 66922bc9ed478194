/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools, environments and the life of ports; the kinds of devices stand in fabric_<device>.c. */
#include "fabric_device.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>

#include "clock.h"
#include "eal.h"
#include "large.h"

#define POOL_BASE_PKTS     8192  /* what a stack stores, receives and caches */
#define POOL_PEER_PKTS     4096  /* a peer's window: messages kept, heads and bodies in flight */
#define POOL_PKTS_MAX      32768 /* by default: memory is finite too */
#define POOL_CACHE_PKTS    256
#define POOL_OVERHEAD      512         /* per packet: mbuf, pool header, alignment, its ring */
#define FABRIC_SLACK_BYTES (24u << 20) /* ports, rings, descriptors, EAL itself */
#define PKT_BYTES_MIN      2048        /* what drivers expect of a receive buffer */
#define MTU_DEFAULT        1500
#define PKT_LOWER_BYTES    96 /* Ethernet's header; af_packet's driver wants room for more */
#define PKT_BYTES_MAX      RTE_ALIGN_FLOOR(UINT16_MAX - RTE_PKTMBUF_HEADROOM, RTE_CACHE_LINE_SIZE)
#define MTU_MAX            (PKT_BYTES_MAX - PKT_LOWER_BYTES)
#define PORT_FILES         6 /* open ones of a port of memif, which has the most: 4.5 were counted */
#define QUEUE_SLOTS        1024
#define LAYERS_BYTES       (FRAME_BYTES + RECORD_BYTES + MSG_HEADROOM_MAX)

static const struct fabric_device_ops *const devices[] = {&fabric_ring,  &fabric_null,
                                                          &fabric_memif, &fabric_af_packet,
                                                          &fabric_tap,   &fabric_pcap,
                                                          &fabric_eal};

const char *fabric_device_name(uint32_t index)
{
    return index < RTE_DIM(devices) ? devices[index]->name : NULL;
}

const char *fabric_device_text(uint32_t index)
{
    return index < RTE_DIM(devices) ? devices[index]->text : NULL;
}

static const struct fabric_device_ops *device_find(const char *name)
{
    for (size_t i = 0; i < RTE_DIM(devices); i++)
        if (strcmp(devices[i]->name, name) == 0)
            return devices[i];
    return NULL;
}

int fabric_refuse_key(struct fabric *f, const char *key, int error, const char *format, ...)
{
    va_list args;
    f->key = key;
    va_start(args, format);
    vsnprintf(f->why, f->why_size, format, args);
    va_end(args);
    return -error;
}

/* ---- ports ----------------------------------------------------------------------------------- */

static int no_memory(struct fabric *f)
{
    return fabric_refuse(f, ENOMEM, "out of memory for the fabric");
}

int fabric_check_ports(struct fabric *f, uint32_t ports)
{
    if (ports <= RTE_MAX_ETHPORTS)
        return 0;
    return fabric_refuse_key(f, "job.n", EINVAL,
                             "device %s: %u of %u processes share an OS process, which takes %u "
                             "interfaces there, and DPDK has %d: lower job.n%s",
                             f->conf.device, f->conf.selves, f->conf.n, ports, RTE_MAX_ETHPORTS,
                             f->device->apart ? ", give more processors, or spread the processes "
                                                "evenly over them with job.cores"
                                              : "");
}

bool fabric_may(unsigned capability)
{
    unsigned long long caps = UINT64_MAX;
    char line[128];
    FILE *status = fopen("/proc/thread-self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "CapEff: %llx", &caps) == 1)
            break;
    if (status != NULL)
        fclose(status);
    return caps >> capability & 1;
}

int fabric_add_port(struct fabric *f, uint16_t port, bool ours)
{
    struct fabric_port *ports = realloc(f->port, (f->ports + 1u) * sizeof f->port[0]);
    if (ports == NULL)
        return no_memory(f);
    f->port = ports;
    f->port[f->ports++] = (struct fabric_port){.id = port, .ours = ours};
    return 0;
}

bool fabric_rank(const char *text, uint16_t rank, char *to, size_t size)
{
    size_t at = 0;
    for (const char *t = text; *t != '\0' && at < size;) {
        bool mark = strncmp(t, "%p", 2) == 0;
        at += (size_t)(mark ? snprintf(to + at, size - at, "%u", rank)
                            : snprintf(to + at, size - at, "%c", *t));
        t += mark ? 2 : 1;
    }
    return at > 0 && at < size;
}

bool fabric_expand(const char *text, uint16_t rank, char *name, size_t size)
{
    return fabric_rank(text, rank, name, size) && strpbrk(name, ",= ") == NULL;
}

bool fabric_name(const struct fabric *f, uint16_t rank, char *name, size_t size)
{
    return fabric_expand(f->conf.args != NULL ? f->conf.args : "", rank, name, size);
}

int fabric_vdev(struct fabric *f, const char *driver, const char *label, const char *args,
                uint16_t *port)
{
    char name[RTE_ETH_NAME_MAX_LEN];
    snprintf(name, sizeof name, "%s_%u_%s", driver, f->generation, label);
    int err = rte_eal_hotplug_add("vdev", name, args);
    if (err == 0)
        err = rte_eth_dev_get_port_by_name(name, port);
    if (err != 0)
        return fabric_refuse(f, -err, "device %s: %s(%s) does not open: %s (%s)", f->conf.device,
                             name, args, strerror(-err), eal_last_words());
    return fabric_add_port(f, *port, true);
}

struct rte_ring *fabric_add_ring(struct fabric *f, uint16_t from, uint16_t to, uint32_t slots)
{
    char name[RTE_RING_NAMESIZE];
    struct rte_ring **rings = realloc(f->ring, (f->rings + 1u) * sizeof f->ring[0]);
    if (rings == NULL)
        return NULL;
    f->ring = rings;
    snprintf(name, sizeof name, "up%u_%u_%u", f->generation, from, to);
    struct rte_ring *r =
        rte_ring_create(name, slots, (int)rte_socket_id(), RING_F_SP_ENQ | RING_F_SC_DEQ);
    if (r != NULL)
        f->ring[f->rings++] = r;
    return r;
}

static int setup_queues(uint16_t port, uint16_t rx_queues, uint16_t tx_queues,
                        struct rte_mempool *pool)
{
    uint16_t rx_slots = QUEUE_SLOTS, tx_slots = QUEUE_SLOTS;
    int err = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx_slots, &tx_slots);
    unsigned socket = (unsigned)rte_eth_dev_socket_id(port);
    for (uint16_t q = 0; q < rx_queues && err == 0; q++)
        err = rte_eth_rx_queue_setup(port, q, rx_slots, socket, NULL, pool);
    for (uint16_t q = 0; q < tx_queues && err == 0; q++)
        err = rte_eth_tx_queue_setup(port, q, tx_slots, socket, NULL);
    return err;
}

int fabric_port_setup(struct fabric *f, uint16_t port, uint16_t rx_queues, uint16_t tx_queues,
                      struct rte_mempool *pool)
{
    struct rte_eth_dev_info info;
    struct rte_eth_conf conf = {0};
    int err = rte_eth_dev_info_get(port, &info);
    if (err != 0)
        return fabric_refuse(f, -err, "device %s: port %u tells nothing of itself: %s",
                             f->conf.device, port, strerror(-err));
    if (rx_queues > info.max_rx_queues || tx_queues > info.max_tx_queues)
        return fabric_refuse(f, EINVAL,
                             "device %s: port %u has %u receive and %u transmit queues, "
                             "%u and %u are needed: lower job.n",
                             f->conf.device, port, info.max_rx_queues, info.max_tx_queues,
                             rx_queues, tx_queues);
    uint64_t want = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    if (f->device->offloads)
        want |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
    conf.txmode.offloads = info.tx_offload_capa & want;
    if (f->device->offloads)
        conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
    err = rte_eth_dev_configure(port, rx_queues, tx_queues, &conf);
    if (err == 0)
        err = setup_queues(port, rx_queues, tx_queues, pool);
    uint16_t mtu;
    if (err == 0 && f->device->sets_mtu && rte_eth_dev_get_mtu(port, &mtu) == 0 &&
        mtu != f->conf.mtu)
        err = rte_eth_dev_set_mtu(port, (uint16_t)f->conf.mtu);
    if (err != 0)
        return fabric_refuse(f, -err, "device %s: port %u takes no configuration: %s (%s)",
                             f->conf.device, port, strerror(-err), eal_last_words());
    return 0;
}

int fabric_port_start(struct fabric *f, uint16_t port, uint16_t rx_queues, uint16_t tx_queues,
                      struct rte_mempool *pool)
{
    int err = fabric_port_setup(f, port, rx_queues, tx_queues, pool);
    if (err != 0)
        return err;
    err = rte_eth_dev_start(port);
    if (err != 0)
        return fabric_refuse(f, -err, "device %s: port %u does not start: %s (%s)", f->conf.device,
                             port, strerror(-err), eal_last_words());
    return 0;
}

static bool port_has(uint16_t port, uint64_t tx_offloads)
{
    struct rte_eth_dev_info info;
    return rte_eth_dev_info_get(port, &info) == 0 &&
           (info.tx_offload_capa & tx_offloads) == tx_offloads;
}

int fabric_add_source(struct fabric_proc *p, uint16_t port, uint16_t queue)
{
    struct env_dpdk *e = p->env;
    struct env_queue *s = realloc(e->source, (e->sources + 1u) * sizeof e->source[0]);
    if (s == NULL)
        return -ENOMEM;
    e->source = s;
    e->source[e->sources++] = (struct env_queue){port, queue};
    return 0;
}

int fabric_single_port(struct fabric *f, struct fabric_proc *p, uint16_t port)
{
    int err = fabric_port_start(f, port, 1, 1, p->rx_pool);
    for (uint16_t q = 0; q < f->conf.n; q++)
        p->env->peer[q].tx = (struct env_queue){port, 0};
    return err != 0 ? err : fabric_add_source(p, port, 0);
}

/* ---- opening --------------------------------------------------------------------------------- */

static uint32_t pool_pkts(const struct fabric_conf *c)
{
    uint32_t pkts = POOL_BASE_PKTS + (c->n - 1u) * POOL_PEER_PKTS;
    if (c->pool_pkts != 0)
        return c->pool_pkts;
    if (pkts > POOL_PKTS_MAX)
        pkts = POOL_PKTS_MAX;
    return pkts > c->pool_least ? pkts : c->pool_least;
}

static uint32_t pkt_bytes(uint32_t mtu)
{
    uint32_t bytes = RTE_ALIGN_CEIL(mtu + PKT_LOWER_BYTES, RTE_CACHE_LINE_SIZE);
    return bytes > PKT_BYTES_MIN ? bytes : PKT_BYTES_MIN;
}

bool fabric_device_apart(const char *name)
{
    const struct fabric_device_ops *device = device_find(name);
    return device != NULL && device->apart;
}

static bool has_mac(const struct fabric_conf *conf, uint16_t rank)
{
    return conf->addr != NULL &&
           !rte_is_zero_ether_addr((const struct rte_ether_addr *)&conf->addr[rank].mac);
}

/* What the configuration says of a process, and by default where it says nothing. */
static struct fabric_addr address_of(const struct fabric_conf *conf, uint16_t rank)
{
    struct fabric_addr own = wire_addr_default(rank),
                       a = conf->addr != NULL ? conf->addr[rank] : own;
    if (!has_mac(conf, rank))
        a.mac = own.mac;
    return a;
}

int fabric_address(const struct fabric_conf *conf, uint16_t rank, struct fabric_addr *addr,
                   char *why, size_t why_size)
{
    struct fabric f = {.conf = *conf, .why = why, .why_size = why_size};
    f.device = device_find(conf->device);
    *addr = address_of(conf, rank);
    bool asks = f.device != NULL && f.device->mac != NULL && !has_mac(conf, rank);
    return asks ? f.device->mac(&f, rank, &addr->mac) : 0;
}

uint64_t fabric_files(const struct fabric_conf *c)
{
    const struct fabric_device_ops *d = device_find(c->device);
    if (d == NULL || d->memory)
        return 0;
    return (uint64_t)c->selves * (d->port_per_peer ? (c->n - 1u) * PORT_FILES : PORT_FILES);
}

uint64_t fabric_memory_wanted(const struct fabric_conf *c)
{
    uint64_t pkt = pkt_bytes(c->mtu != 0 ? c->mtu : MTU_DEFAULT) + POOL_OVERHEAD;
    return (uint64_t)c->selves * pool_pkts(c) * pkt + FABRIC_SLACK_BYTES;
}

/* An MTU of 0 is that of a port which EAL has not found yet. */
static int check_mtu(struct fabric *f)
{
    const struct fabric_conf *c = &f->conf;
    uint32_t least = IPV4_BYTES + UDP_BYTES + LAYERS_BYTES + c->msg_bytes;
    if (c->mtu > MTU_MAX)
        return fabric_refuse_key(f, "job.mtu", EINVAL, "mtu = %u is more than %d: lower job.mtu",
                                 c->mtu, MTU_MAX);
    if (c->mtu != 0 && c->mtu < least)
        return fabric_refuse_key(f, "job.size job.mtu", EINVAL,
                                 "messages of %u bytes need an MTU of %u, and that of device %s "
                                 "is %u: set job.mtu = %u%s",
                                 c->msg_bytes, least, c->device, c->mtu, least,
                                 c->msg_bytes > 0 ? ", or lower job.size" : "");
    return 0;
}

static int check(struct fabric *f)
{
    struct fabric_conf *c = &f->conf;
    if (c->n < 1 || c->n > PROCS_MAX)
        return fabric_refuse(f, EINVAL, "n = %u: a process set has 1 to %d processes", c->n,
                             PROCS_MAX);
    if (c->selves < 1 || c->selves > c->n)
        return fabric_refuse(f, EINVAL, "%u of %u processes live here: name 1 to %u", c->selves,
                             c->n, c->n);
    for (uint16_t i = 0; i < c->selves; i++)
        if (c->self[i] >= c->n)
            return fabric_refuse(f, EINVAL, "rank %u is outside of the %u processes", c->self[i],
                                 c->n);
    f->device = c->device != NULL ? device_find(c->device) : NULL;
    if (f->device == NULL)
        return fabric_refuse(f, EINVAL, "no device is called %s: `upon list devices` names them",
                             c->device != NULL ? c->device : "(nothing)");
    int err = f->device->check != NULL ? f->device->check(f) : 0;
    if (err != 0)
        return err;
    if (c->mtu == 0 && f->device->probe == NULL)
        c->mtu = MTU_DEFAULT;
    return check_mtu(f);
}

int fabric_check(const struct fabric_conf *conf, const char **key, char *why, size_t why_size)
{
    struct fabric f = {.conf = *conf, .key = "job.device", .why = why, .why_size = why_size};
    int err = check(&f);
    *key = f.key;
    return err;
}

/* The rest of it, which takes EAL. */
static int probe(struct fabric *f)
{
    int err = f->device->probe != NULL ? f->device->probe(f) : 0;
    if (f->conf.mtu == 0)
        f->conf.mtu = MTU_DEFAULT;
    if (err == 0)
        err = check_mtu(f);
    f->frame_bytes_max = f->conf.mtu - IPV4_BYTES - UDP_BYTES;
    return err;
}

static int allocate(struct fabric *f)
{
    f->addr = calloc(f->conf.n, sizeof f->addr[0]);
    f->proc = calloc(f->conf.selves, sizeof f->proc[0]);
    if (f->addr == NULL || f->proc == NULL)
        return no_memory(f);
    for (uint16_t q = 0; q < f->conf.n; q++)
        f->addr[q] = address_of(&f->conf, q);
    for (uint16_t i = 0; i < f->conf.selves; i++) {
        struct fabric_proc *p = &f->proc[i];
        p->rank = f->conf.self[i];
        p->env = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof *p->env);
        if (p->env == NULL)
            return no_memory(f);
        memset(p->env, 0, sizeof *p->env);
        p->env->peer = calloc(f->conf.n, sizeof p->env->peer[0]);
        if (p->env->peer == NULL)
            return no_memory(f);
    }
    return 0;
}

static struct rte_mempool *make_pool(struct fabric *f, const char *what, uint16_t rank,
                                     uint32_t pkts)
{
    char name[RTE_MEMPOOL_NAMESIZE];
    snprintf(name, sizeof name, "%s%u_p%u", what, f->generation, rank);
    uint32_t cache = pkts / 8 < POOL_CACHE_PKTS ? pkts / 8 : POOL_CACHE_PKTS;
    struct rte_mempool *pool = eal_pool(name, pkts, cache, pkt_bytes(f->conf.mtu));
    if (pool == NULL)
        fabric_refuse(f, rte_errno,
                      "p%u: no memory for %u packets of %u bytes (%s): free hugepages, lower "
                      "job.pool, params.instances or params.store_msgs, or set job.mtu below %u",
                      rank, pkts, pkt_bytes(f->conf.mtu), rte_strerror(rte_errno), f->conf.mtu);
    return pool;
}

/*
 * Where packets pass from thread to thread, who has freed one that it received takes it for what it
 * sends next, from its own core's cache: its lines are warm. With a pool for each process they would
 * travel back first. What a process writes its own messages in does not travel (only frames do, which
 * copy it), and shall not be exchanged for what has just come from another core: a quarter of its
 * packets is for that alone. (README.md has the measurements.)
 */
static void make_process_pools(struct fabric *f, struct fabric_proc *p)
{
    uint32_t pkts = pool_pkts(&f->conf), slabs = pkts / 4;
    if (!f->device->shares_pool) {
        p->pool = make_pool(f, "pkt", p->rank, pkts);
        return;
    }
    p->pool = p != &f->proc[0] ? f->proc[0].pool
                               : make_pool(f, "pkt", p->rank, (pkts - slabs) * f->conf.selves);
    if (p->pool != NULL)
        p->slabs = make_pool(f, "slab", p->rank, slabs);
}

static int make_pools(struct fabric *f)
{
    for (uint16_t i = 0; i < f->conf.selves; i++) {
        struct fabric_proc *p = &f->proc[i];
        make_process_pools(f, p);
        p->rx_pool = p->pool;
        if (p->pool != NULL && f->device->rx_pool_pkts != 0)
            p->rx_pool = make_pool(f, "rx", p->rank, f->device->rx_pool_pkts);
        if (p->pool == NULL || p->rx_pool == NULL || (p->slabs == NULL && f->device->shares_pool))
            return -ENOMEM;
    }
    return 0;
}

static void fill_env(struct fabric *f, struct fabric_proc *p)
{
    struct env_dpdk *e = p->env;
    const uint64_t checksums = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
    bool demux = e->demux != NULL || e->handed != NULL;
    e->env = (struct env){.ops = demux               ? &env_demux_ops
                                 : f->device->memory ? &env_memory_ops
                                                     : &env_dpdk_ops,
                          .pool = p->pool,
                          .slabs = p->slabs,
                          .counters = e->counters,
                          .frame_bytes_max = f->frame_bytes_max,
                          .lower_bytes = f->device->memory ? 0 : WIRE_BYTES,
                          .multi_seg = true,
                          .clock_dear = true};
    e->self = wire_self_of(&f->addr[p->rank]);
    for (uint16_t i = 0; i < f->ports; i++)
        e->env.multi_seg &= port_has(f->port[i].id, RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
    e->udp_checksum = f->conf.checksum;
    for (uint16_t q = 0; q < f->conf.n; q++) {
        wire_template_init(&e->peer[q].headers, &f->addr[p->rank], &f->addr[q]);
        e->peer[q].offload = f->device->offloads && port_has(e->peer[q].tx.port, checksums);
    }
}

int fabric_open(struct fabric **out, const struct fabric_conf *conf, char *why, size_t why_size)
{
    static uint32_t generation;
    struct fabric *f = calloc(1, sizeof *f);
    *out = NULL;
    if (f == NULL)
        return -ENOMEM;
    *f = (struct fabric){.conf = *conf,
                         .why = why,
                         .why_size = why_size,
                         .generation = generation++};
    clock_start(0);
    int err = check(f);
    if (err == 0)
        err = probe(f);
    if (err == 0)
        err = allocate(f);
    if (err == 0)
        err = make_pools(f);
    if (err == 0)
        err = f->device->open(f);
    if (err != 0) {
        fabric_close(f);
        return err;
    }
    for (uint16_t i = 0; i < f->conf.selves; i++)
        fill_env(f, &f->proc[i]);
    *out = f;
    return 0;
}

/* ---- use and closing ------------------------------------------------------------------------- */

struct env *fabric_env(struct fabric *f, uint16_t rank)
{
    for (uint16_t i = 0; i < f->conf.selves; i++)
        if (f->proc[i].rank == rank)
            return &f->proc[i].env->env;
    return NULL;
}

bool fabric_lacks_peers(const struct fabric *f)
{
    return f->device->lacks != NULL && f->device->lacks(f);
}

void fabric_redial(struct fabric *f)
{
    if (f->device->redial != NULL)
        f->device->redial(f);
}

const char *fabric_describe(const struct fabric *f)
{
    return f->text;
}

const char *fabric_note(const struct fabric *f)
{
    return f->note[0] != '\0' ? f->note : NULL;
}

bool fabric_whole(const struct fabric *f, char *why, size_t why_size)
{
    return f->device->whole == NULL || f->device->whole(f, why, why_size);
}

static uint64_t pool_bytes(const struct rte_mempool *pool)
{
    return (uint64_t)pool->size * (pool->header_size + pool->elt_size + pool->trailer_size);
}

uint64_t fabric_memory_bytes(const struct fabric *f)
{
    uint64_t bytes = f->lane_slots * sizeof f->lane_slot[0];
    for (uint16_t i = 0; i < f->conf.selves; i++) {
        const struct fabric_proc *p = &f->proc[i];
        if (i == 0 || !f->device->shares_pool)
            bytes += pool_bytes(p->pool) + (p->rx_pool != p->pool ? pool_bytes(p->rx_pool) : 0);
        bytes += p->slabs != NULL ? pool_bytes(p->slabs) : 0;
    }
    return bytes;
}

static void settle(const struct fabric *f, const struct fabric_port *stopped)
{
    if (f->device != NULL && f->device->settle != NULL)
        f->device->settle(f, stopped);
}

static void close_ports(struct fabric *f)
{
    settle(f, NULL);
    for (uint16_t i = 0; i < f->ports; i++) {
        struct rte_eth_dev_info info = {0};
        uint16_t port = f->port[i].id;
        (void)rte_eth_dev_info_get(port, &info);
        (void)rte_eth_dev_stop(port);
        settle(f, &f->port[i]); /* its other end may be here, and would be closed by two threads */
        if (!f->port[i].ours || info.device == NULL)
            (void)rte_eth_dev_close(port);
        else
            (void)rte_dev_remove(info.device);
    }
    settle(f, NULL); /* before the memory of what it still has in its list can go, with EAL */
}

static void drain_rings(struct fabric *f)
{
    void *pkt;
    for (uint32_t i = 0; i < f->rings; i++) {
        while (rte_ring_dequeue(f->ring[i], &pkt) == 0)
            rte_pktmbuf_free(pkt);
        rte_ring_free(f->ring[i]);
    }
}

static void drain_lanes(struct fabric *f)
{
    for (size_t i = 0; i < f->lane_slots && f->lane_slot != NULL; i++)
        if (f->lane_slot[i] != NULL)
            rte_pktmbuf_free(f->lane_slot[i]);
    large_free(f->lane_slot, f->lane_slots * sizeof f->lane_slot[0]);
}

static uint32_t free_pool(struct rte_mempool *pool)
{
    if (pool == NULL)
        return 0;
    uint32_t missing = rte_mempool_in_use_count(pool);
    rte_mempool_free(pool);
    return missing;
}

uint32_t fabric_close(struct fabric *f)
{
    uint32_t leak = 0;
    close_ports(f);
    drain_rings(f);
    drain_lanes(f);
    for (uint16_t i = 0; f->proc != NULL && i < f->conf.selves; i++) {
        struct fabric_proc *p = &f->proc[i];
        if (p->rx_pool != p->pool)
            leak += free_pool(p->rx_pool);
        if (i == 0 || !f->device->shares_pool)
            leak += free_pool(p->pool);
        leak += free_pool(p->slabs);
        if (p->env != NULL) {
            free(p->env->peer);
            free(p->env->source);
            free(p->env->in);
            free(p->env->out);
            free(p->env->demux);
            free(p->env->capture);
        }
        free(p->env);
    }
    free(f->port);
    free(f->ring);
    free(f->proc);
    free(f->addr);
    free(f);
    return leak;
}
