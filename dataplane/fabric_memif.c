/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device memif: shared memory between OS processes, an interface for each pair of processes. Of a
 * pair the lower rank is the server, whose socket stands in the folder that the job names; or it is
 * an abstract one, which the kernel forgets with its owner, whatever ends that.
 */
#include "fabric_device.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "eal.h"

#define MEMIF_RING_LOG2       11 /* 2048 buffers: a full window of one-record frames, and more */
#define MEMIF_BYTES_MIN       2048
#define MEMIF_UP_TIMEOUT_MS   10000
#define MEMIF_POLL_MS         2
#define MEMIF_RETRY_MS        50
#define MEMIF_SETTLE_MS       10
#define MEMIF_DOWN_TIMEOUT_MS 1000

/* What the names of the sockets begin with. DPDK takes paths from the root alone. */
static bool socket_base(const char *folder, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s", folder);
    return folder[0] == '@' || realpath(folder, path) != NULL;
}

static int memif_check(struct fabric *f)
{
    const char *folder = f->conf.args;
    const bool abstract = folder != NULL && folder[0] == '@';
    struct stat st;
    struct sockaddr_un addr;
    char path[PATH_MAX];
    /* One for each pair with an end here, and two ends if both are. */
    int err = fabric_check_ports(f, f->conf.selves * (f->conf.n - 1u));
    if (err != 0)
        return err;
    if (!abstract && (folder == NULL || stat(folder, &st) != 0 || !S_ISDIR(st.st_mode) ||
                      access(folder, W_OK | X_OK) != 0))
        return fabric_refuse_key(f, "device.args", ENOENT,
                                 "device memif: device.args = \"%s\" is no folder to put "
                                 "sockets into: name one that exists and is ours to write",
                                 folder != NULL ? folder : "");
    if (!socket_base(folder, path) ||
        strlen(path) + sizeof "/memif-1023-1023" > sizeof addr.sun_path ||
        strpbrk(path, ",=") != NULL)
        return fabric_refuse_key(
            f, "device.args", EINVAL,
            "device memif: the path %s is too long for a socket, or has a comma or "
            "an equals sign: name another folder",
            path);
    return 0;
}

/* One end of the interface between p and q. */
static int memif_end(struct fabric *f, struct fabric_proc *p, uint16_t q)
{
    uint16_t low = p->rank < q ? p->rank : q, high = p->rank < q ? q : p->rank, port;
    uint32_t bytes = f->frame_bytes_max + WIRE_BYTES;
    const bool abstract = f->conf.args[0] == '@';
    char label[24], path[PATH_MAX], args[PATH_MAX + 128];
    if (!socket_base(f->conf.args, path))
        return fabric_refuse(f, errno, "device memif: the folder %s is gone: make it again",
                             f->conf.args);
    snprintf(label, sizeof label, "p%u_p%u", p->rank, q);
    snprintf(args, sizeof args,
             "role=%s,id=0,bsize=%u,rsize=%d,socket=%s%cmemif-%u-%u,socket-abstract=%s",
             p->rank == low ? "server" : "client",
             bytes > MEMIF_BYTES_MIN ? (unsigned)RTE_ALIGN_CEIL(bytes, 64) : MEMIF_BYTES_MIN,
             MEMIF_RING_LOG2, path + abstract, abstract ? '-' : '/', low, high,
             abstract ? "yes" : "no");
    int err = fabric_vdev(f, "net_memif", label, args, &port);
    if (err != 0)
        return fabric_refuse(f, -err,
                             "device memif: the interface from p%u to p%u does not open: %s (%s): "
                             "if %s is another run's, name another folder in device.args, or "
                             "leave it out",
                             p->rank, q, strerror(-err), eal_last_words(), f->conf.args);
    err = fabric_port_setup(f, port, 1, 1, p->rx_pool);
    if (err != 0)
        return err;
    struct fabric_port *end = &f->port[f->ports - 1];
    end->at = p->rank;
    end->to = q;
    end->redial = p->rank == high;
    (void)rte_eth_dev_start(port); /* a client whose server is not there yet fails: see below */
    p->env->peer[q].tx = (struct env_queue){port, 0};
    return fabric_add_source(p, port, 0);
}

static bool is_up(uint16_t port)
{
    struct rte_eth_link link;
    return rte_eth_link_get_nowait(port, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

/* A server has room for what we send only once its client has polled. */
static void first_poll(uint16_t port)
{
    struct rte_mbuf *pkts[RX_BURST_FRAMES];
    rte_pktmbuf_free_bulk(pkts, rte_eth_rx_burst(port, 0, pkts, RX_BURST_FRAMES));
}

/*
 * Wait until every peer is there. A client that found no server, or one that was not ready, does
 * not try again by itself: it is restarted after a pause that doubles.
 */
static int await_links(struct fabric *f)
{
    unsigned waited = 0, pause = MEMIF_RETRY_MS, next = pause;
    for (; waited < MEMIF_UP_TIMEOUT_MS; waited += MEMIF_POLL_MS) {
        uint16_t up = 0;
        for (uint16_t i = 0; i < f->ports; i++) {
            uint16_t port = f->port[i].id;
            if (is_up(port)) {
                up++;
            } else if (f->port[i].redial && waited >= next) {
                (void)rte_eth_dev_stop(port);
                (void)rte_eth_dev_start(port);
            }
        }
        if (up == f->ports)
            break;
        if (waited >= next) {
            pause *= 2;
            next = waited + pause;
        }
        nanosleep(&(struct timespec){0, MEMIF_POLL_MS * 1000000L}, NULL);
    }
    if (waited >= MEMIF_UP_TIMEOUT_MS)
        return fabric_refuse(f, ETIMEDOUT,
                             "device memif: not all peers came within %d s: start "
                             "every process of the job, with the same device.args, %s",
                             MEMIF_UP_TIMEOUT_MS / 1000, f->conf.args);
    for (uint16_t i = 0; i < f->ports; i++)
        first_poll(f->port[i].id);
    return 0;
}

static bool memif_lacks(const struct fabric *f)
{
    for (uint16_t i = 0; i < f->ports; i++)
        if (f->port[i].redial && !is_up(f->port[i].id))
            return true;
    return false;
}

/* A server that was killed and started again waits for its clients, who do not call by themselves. */
static void memif_redial(struct fabric *f)
{
    for (uint16_t i = 0; i < f->ports; i++) {
        uint16_t port = f->port[i].id;
        if (f->port[i].redial && !is_up(port)) {
            (void)rte_eth_dev_stop(port);
            (void)rte_eth_dev_start(port);
        }
    }
}

/* The other end, if that is in this OS process. */
static const struct fabric_port *other_end(const struct fabric *f, const struct fabric_port *end)
{
    for (uint16_t i = 0; i < f->ports; i++)
        if (f->port[i].at == end->to && f->port[i].to == end->at)
            return &f->port[i];
    return NULL;
}

/*
 * DPDK's interrupt thread takes an interface down when its peer has gone, and the driver has no lock
 * against its being closed at the same time: let it come to rest. (An alarm of that thread as a fence
 * makes EAL's end crash, README.md.) Where a port has been stopped and its other end is here, that
 * the link is down says that the thread has begun.
 */
static void memif_settle(const struct fabric *f, const struct fabric_port *stopped)
{
    const struct fabric_port *other = stopped != NULL ? other_end(f, stopped) : NULL;
    for (unsigned ms = 0; other != NULL && ms < MEMIF_DOWN_TIMEOUT_MS && is_up(other->id); ms++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    nanosleep(&(struct timespec){0, MEMIF_SETTLE_MS * 1000000L}, NULL);
}

static int memif_open(struct fabric *f)
{
    for (uint16_t i = 0; i < f->conf.selves; i++)
        for (uint16_t q = 0; q < f->conf.n; q++) {
            int err = q != f->proc[i].rank ? memif_end(f, &f->proc[i], q) : 0;
            if (err != 0)
                return err;
        }
    snprintf(f->text, sizeof f->text, "memif (net_memif, %u interface%s here, rings of %d)",
             f->ports, f->ports == 1 ? "" : "s", 1 << MEMIF_RING_LOG2);
    return await_links(f);
}

const struct fabric_device_ops fabric_memif = {
    .name = "memif",
    .text = "shared memory between OS processes, an interface for each pair",
    .check = memif_check,
    .open = memif_open,
    .lacks = memif_lacks,
    .redial = memif_redial,
    .settle = memif_settle,
    .apart = true,
    .port_per_peer = true,
};
