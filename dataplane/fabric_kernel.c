/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices af_packet and tap: a kernel interface for each process. Both are left as they are found;
 * what peers send to an address that is not the interface's own is received all the same.
 *
 * An interface may stand in a network namespace of its own. A socket belongs to the namespace that
 * its thread was in when it was made: the control thread enters each while it opens a port there.
 */
#include "fabric_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "eal.h"

#define AF_PACKET_FRAMES       1024
#define AF_PACKET_HEADER_BYTES 96 /* Ethernet's, and what the kernel puts before it: 80 */
#define AF_PACKET_ALIGN        64
#define AF_PACKET_MTU_MAX      9000
#define TAP_MTU_MAX            9000

#define NETNS_FOLDER "/run/netns" /* where `ip netns` keeps them */

/* ---- namespaces ------------------------------------------------------------------------------ */

/* Enter p's namespace, if it has one. `home` becomes the way back, for netns_leave(). */
static int netns_enter(struct fabric *f, uint16_t rank, int *home)
{
    const char *netns = f->conf.netns;
    char name[64], path[128];
    *home = -1;
    if (netns == NULL || netns[0] == '\0')
        return 0;
    if (!fabric_expand(netns, rank, name, sizeof name) || strchr(name, '/') != NULL)
        return fabric_refuse_key(f, "device.netns", EINVAL,
                                 "device.netns = \"%s\": names no network namespace: set it to one "
                                 "such as upon%%p, where %%p is the rank",
                                 netns);
    snprintf(path, sizeof path, NETNS_FOLDER "/%s", name);
    int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    int there = open(path, O_RDONLY | O_CLOEXEC);
    int err = here >= 0 && there >= 0 && setns(there, CLONE_NEWNET) == 0 ? 0 : errno;
    if (there >= 0)
        close(there);
    if (err == 0)
        *home = here;
    else if (here >= 0)
        close(here);
    if (err != 0)
        return fabric_refuse_key(
            f, "device.netns", err,
            "device %s: the network namespace %s of p%u cannot be entered: %s: "
            "make it with scripts/netns up %u, and run as root",
            f->conf.device, name, rank, strerror(err), f->conf.n);
    return 0;
}

static void netns_leave(int home)
{
    if (home < 0)
        return;
    if (setns(home, CLONE_NEWNET) != 0)
        rte_panic("a thread cannot return to its network namespace\n");
    close(home);
}

/* ---- interfaces ------------------------------------------------------------------------------ */

/* The name of p's interface. */
static int interface_name(struct fabric *f, uint16_t rank, char *name, size_t size)
{
    if (!fabric_name(f, rank, name, size) || strchr(name, '/') != NULL)
        return fabric_refuse_key(
            f, "device.args", EINVAL,
            "device.args = \"%s\": names no interface, which has 1 to "
            "%d characters: set it to one such as veth%%p, where %%p is the rank",
            f->conf.args != NULL ? f->conf.args : "", IFNAMSIZ - 1);
    return 0;
}

static int check_names(struct fabric *f)
{
    char name[IFNAMSIZ];
    const char *args = f->conf.args != NULL ? f->conf.args : "";
    const char *netns = f->conf.netns != NULL ? f->conf.netns : "";
    if (f->conf.selves > 1 && strstr(args, "%p") == NULL && strstr(netns, "%p") == NULL)
        return fabric_refuse_key(f, "device.args", EINVAL,
                                 "device.args = \"%s\": %u processes need an interface "
                                 "each: put %%p where the rank belongs",
                                 args, f->conf.selves);
    int err = fabric_check_ports(f, f->conf.selves);
    for (uint16_t i = 0; i < f->conf.selves && err == 0; i++)
        err = interface_name(f, f->conf.self[i], name, sizeof name);
    return err;
}

/* Peers may be told another address than the interface has: then it must take all frames. */
static void accept_address(struct fabric *f, uint16_t rank, uint16_t port)
{
    struct rte_ether_addr mac;
    if (rte_eth_macaddr_get(port, &mac) != 0 || memcmp(&mac, &f->addr[rank].mac, sizeof mac) != 0)
        (void)rte_eth_promiscuous_enable(port);
}

static int open_port(struct fabric *f, struct fabric_proc *p, const char *driver,
                     const char *format)
{
    char name[IFNAMSIZ], label[16], args[160];
    uint16_t port;
    int err = interface_name(f, p->rank, name, sizeof name);
    if (err != 0)
        return err;
    snprintf(label, sizeof label, "p%u", p->rank);
    snprintf(args, sizeof args, format, name);
    err = fabric_vdev(f, driver, label, args, &port);
    if (err == 0)
        err = fabric_single_port(f, p, port);
    if (err == 0)
        accept_address(f, p->rank, port);
    return err;
}

static int open_ports(struct fabric *f, const char *driver, const char *format)
{
    const bool apart = f->conf.netns != NULL && f->conf.netns[0] != '\0';
    for (uint16_t i = 0; i < f->conf.selves; i++) {
        int home, err = netns_enter(f, f->proc[i].rank, &home);
        if (err == 0)
            err = open_port(f, &f->proc[i], driver, format);
        netns_leave(home);
        if (err != 0)
            return err;
    }
    snprintf(f->text, sizeof f->text, "%s (%s, interfaces %.32s%s%.32s)", f->conf.device, driver,
             f->conf.args, apart ? " in namespaces " : "", apart ? f->conf.netns : "");
    return 0;
}

/* ---- af_packet ------------------------------------------------------------------------------- */

/* Ask the kernel of the interface that `req` names. 0 or −errno. */
static int interface_ask(unsigned long what, struct ifreq *req)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int err = ioctl(fd, what, req) == 0 ? 0 : -errno;
    close(fd);
    return err;
}

/* The same of p's interface, in its namespace. */
static int af_packet_ask(struct fabric *f, uint16_t rank, unsigned long what, struct ifreq *req)
{
    *req = (struct ifreq){0};
    int home, err = interface_name(f, rank, req->ifr_name, sizeof req->ifr_name);
    if (err == 0)
        err = netns_enter(f, rank, &home);
    if (err != 0)
        return err;
    err = interface_ask(what, req);
    netns_leave(home);
    if (err != 0)
        return fabric_refuse_key(
            f, "device.args", ENODEV,
            "device af_packet: there is no interface %s: make it, e.g. ip link "
            "add %s type veth peer name peer0",
            req->ifr_name, req->ifr_name);
    return 0;
}

static int af_packet_mac(struct fabric *f, uint16_t rank, struct ether_addr *mac)
{
    struct ifreq req;
    int err = af_packet_ask(f, rank, SIOCGIFHWADDR, &req);
    if (err == 0)
        memcpy(mac, req.ifr_hwaddr.sa_data, sizeof *mac);
    return err;
}

static bool is_ours(const struct fabric *f, uint16_t rank)
{
    for (uint16_t i = 0; i < f->conf.selves; i++)
        if (f->conf.self[i] == rank)
            return true;
    return false;
}

/* What is sent through an interface that is down is lost, and the driver counts it as sent. */
static int af_packet_up(struct fabric *f, uint16_t rank)
{
    struct ifreq req;
    char in[64] = "";
    int err = af_packet_ask(f, rank, SIOCGIFFLAGS, &req);
    if (err != 0 || (req.ifr_flags & IFF_UP) != 0)
        return err;
    bool apart = f->conf.netns != NULL && f->conf.netns[0] != '\0' &&
                 fabric_expand(f->conf.netns, rank, in, sizeof in);
    return fabric_refuse_key(f, "device.args", ENETDOWN,
                             "device af_packet: interface %s is down: ip %s%s%slink set %s up",
                             req.ifr_name, apart ? "-n " : "", in, apart ? " " : "", req.ifr_name);
}

static int af_packet_check(struct fabric *f)
{
    uint32_t least = UINT32_MAX;
    int err = check_names(f);
    if (err == 0 && !fabric_may(CAP_NET_RAW))
        return fabric_refuse(f, EPERM,
                             "device af_packet: it opens raw sockets, which takes CAP_NET_RAW: run "
                             "as root");
    /* Those of the others, too, where they can be seen: what we send must fit each of them. */
    for (uint16_t p = 0; p < f->conf.n && err == 0; p++) {
        struct ifreq req;
        int none = af_packet_ask(f, p, SIOCGIFMTU, &req);
        if (none != 0 && is_ours(f, p))
            return none;
        if (none != 0)
            continue;
        uint32_t mtu = (uint32_t)req.ifr_mtu;
        if (f->conf.mtu > mtu)
            return fabric_refuse_key(f, "job.mtu", EINVAL,
                                     "device af_packet: mtu = %u is more than that of %s: "
                                     "ip link set %s mtu %u, or lower job.mtu",
                                     f->conf.mtu, req.ifr_name, req.ifr_name, f->conf.mtu);
        least = mtu < least ? mtu : least;
    }
    for (uint16_t i = 0; i < f->conf.selves && err == 0; i++)
        err = af_packet_up(f, f->conf.self[i]);
    if (err == 0 && f->conf.mtu == 0)
        f->conf.mtu = least < AF_PACKET_MTU_MAX ? least : AF_PACKET_MTU_MAX;
    return err;
}

static int af_packet_open(struct fabric *f)
{
    char args[160];
    uint32_t frame = RTE_ALIGN(f->conf.mtu + AF_PACKET_HEADER_BYTES, AF_PACKET_ALIGN);
    /* The driver takes all frames to lie side by side: a block is whole pages, and whole frames. */
    uint32_t block = frame * ((uint32_t)sysconf(_SC_PAGESIZE) / AF_PACKET_ALIGN);
    snprintf(args, sizeof args, "iface=%%s,qpairs=1,framesz=%u,blocksz=%u,framecnt=%d", frame,
             block, AF_PACKET_FRAMES);
    return open_ports(f, "net_af_packet", args);
}

const struct fabric_device_ops fabric_af_packet = {
    .name = "af_packet",
    .text = "a kernel interface for each process, e.g. veth between network namespaces (root)",
    .check = af_packet_check,
    .open = af_packet_open,
    .mac = af_packet_mac,
    .apart = true,
};

/* ---- tap ------------------------------------------------------------------------------------- */

static int tap_check(struct fabric *f)
{
    int err = check_names(f);
    if (err == 0 && (!fabric_may(CAP_NET_ADMIN) || access("/dev/net/tun", R_OK | W_OK) != 0))
        return fabric_refuse(f, EPERM,
                             "device tap: it makes interfaces, which takes CAP_NET_ADMIN and "
                             "/dev/net/tun: run as root");
    if (err == 0 && f->conf.mtu > TAP_MTU_MAX)
        return fabric_refuse_key(f, "job.mtu", EINVAL,
                                 "device tap: mtu = %u is more than %u: lower job.mtu", f->conf.mtu,
                                 TAP_MTU_MAX);
    return err;
}

static int tap_open(struct fabric *f)
{
    return open_ports(f, "net_tap", "iface=%s");
}

const struct fabric_device_ops fabric_tap = {
    .name = "tap",
    .text = "a tap interface made for each process; the kernel switches between them (root)",
    .check = tap_check,
    .open = tap_open,
    .sets_mtu = true,
    .apart = true,
};
