/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between fabric.c, which makes pools and environments, and the kinds of devices, which make ports
 * and say what queue leads where. Nobody else includes this.
 */
#ifndef UPON_FABRIC_DEVICE_H
#define UPON_FABRIC_DEVICE_H

#include "env_dpdk.h"
#include "fabric.h"

#include <rte_ring.h>

/* A process of this OS process. */
struct fabric_proc {
    struct env_dpdk *env;
    struct rte_mempool *pool;    /* of what it sends, and of what its port receives */
    struct rte_mempool *slabs;   /* of its messages alone, where the pool is everybody's; or NULL */
    struct rte_mempool *rx_pool; /* the same, unless the device wants another */
    uint16_t rank;
};

struct fabric_port {
    uint16_t id;
    bool ours;   /* made here, so removed here */
    bool redial; /* memif: a client, which must call again when its server was not ready */
    uint16_t at; /* memif: this end is at one process … */
    uint16_t to; /* … and the other at another */
};

struct fabric_device_ops;

struct fabric {
    struct fabric_conf conf;
    const struct fabric_device_ops *device;
    struct fabric_addr *addr; /* n of them */
    struct fabric_proc *proc; /* selves of them */
    struct fabric_port *port; /* ports of them */
    struct rte_ring **ring;   /* rings of them */
    uint32_t rings;
    lane_slot *lane_slot; /* lane_slots of them: the lanes between processes, one behind another */
    size_t lane_slots;
    uint16_t ports;
    uint32_t frame_bytes_max;
    uint32_t generation;    /* tells the names of one fabric's objects from another's */
    rte_spinlock_t tx_lock; /* see env_dpdk.h */
    char text[256];
    char note[320];  /* see fabric_note() */
    const char *key; /* of a job, that what is refused was given by */
    char *why;
    size_t why_size;
};

struct fabric_device_ops {
    const char *name;
    const char *text;
    /* Check what can be checked before EAL starts; fill in the MTU if it is the device's own. */
    int (*check)(struct fabric *f);
    /* The same once EAL has started: ports that it was given; or NULL. */
    int (*probe)(struct fabric *f);
    /* Make ports; say in every environment what it receives from and sends to. */
    int (*open)(struct fabric *f);
    /* See fabric_whole(); NULL: nothing is kept. */
    bool (*whole)(const struct fabric *f, char *why, size_t why_size);
    bool offloads;      /* ask the port for checksums */
    bool sets_mtu;      /* tell the port its MTU */
    bool shares_pool;   /* one pool for all processes: packets pass from thread to thread */
    bool memory;        /* no wire anywhere: frames without lower headers */
    bool port_per_peer; /* not one port for each process, but for each pair */
    bool apart;         /* its processes may live in different OS processes */
    /* The MAC address that p's port has before it is opened; NULL: whatever is chosen for it. */
    int (*mac)(struct fabric *f, uint16_t rank, struct ether_addr *mac);
    /* See fabric_lacks_peers() and fabric_redial(); NULL: peers cannot be lost. */
    bool (*lacks)(const struct fabric *f);
    void (*redial)(struct fabric *f);
    /* Wait until what the going of peers does to ports behind our back is done, that of a port of
     * ours that was stopped included (NULL: none was); NULL: nothing. */
    void (*settle)(const struct fabric *f, const struct fabric_port *stopped);
    uint32_t rx_pool_pkts; /* an own pool for receiving, of so many packets; 0: none */
};

extern const struct fabric_device_ops fabric_ring, fabric_null, fabric_memif, fabric_af_packet,
    fabric_tap, fabric_pcap, fabric_eal;

/* Say why, and that a key of a job stands in the way ("device.args"); return −error. */
int fabric_refuse_key(struct fabric *f, const char *key, int error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same, of no key in particular. */
#define fabric_refuse(f, error, ...) fabric_refuse_key(f, (f)->key, error, __VA_ARGS__)

/* Whether DPDK has so many ports for this OS process. */
int fabric_check_ports(struct fabric *f, uint32_t ports);

/* Make a port of a virtual device, "<driver>_<generation>_<label>". */
int fabric_vdev(struct fabric *f, const char *driver, const char *label, const char *args,
                uint16_t *port);

/* Remember a port, to be closed with the fabric. */
int fabric_add_port(struct fabric *f, uint16_t port, bool ours);

/* A ring for packets between two threads, to be drained and freed with the fabric; or NULL. */
struct rte_ring *fabric_add_ring(struct fabric *f, uint16_t from, uint16_t to, uint32_t slots);

/* Configure the port and its queues. */
int fabric_port_setup(struct fabric *f, uint16_t port, uint16_t rx_queues, uint16_t tx_queues,
                      struct rte_mempool *pool);

/* The same, and start it. */
int fabric_port_start(struct fabric *f, uint16_t port, uint16_t rx_queues, uint16_t tx_queues,
                      struct rte_mempool *pool);

/* Receive `p`'s frames from this queue as well. */
int fabric_add_source(struct fabric_proc *p, uint16_t port, uint16_t queue);

/* Refuse what cannot live in one OS process: more processes than that, or some of them elsewhere. */
int fabric_check_together(struct fabric *f, uint16_t procs_max);

#define FABRIC_NET_RING_PROCS_MAX 16 /* queues of a port of net_ring, one for each process */

/* A port of net_ring for each process here, and a ring for each ordered pair. */
int fabric_net_ring_open(struct fabric *f);

/* Replace "%p" by the rank. False if the name does not fit. */
bool fabric_expand(const char *text, uint16_t rank, char *name, size_t size);

/* The same with the device's argument. */
bool fabric_name(const struct fabric *f, uint16_t rank, char *name, size_t size);

/* The common case: a port for a process, one queue each way. */
int fabric_single_port(struct fabric *f, struct fabric_proc *p, uint16_t port);

#endif
