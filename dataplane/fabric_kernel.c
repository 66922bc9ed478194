/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices af_packet and tap: a kernel interface for each process. Both are left as they are found;
 * what peers send to an address that is not the interface's own is received all the same.
 */
#include "fabric_device.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "eal.h"

#define AF_PACKET_FRAMES       1024
#define AF_PACKET_HEADER_BYTES 128 /* Ethernet's, and what the kernel puts before it */
#define AF_PACKET_MTU_MAX      9000
#define TAP_MTU_MAX            9000

/* The name of p's interface. */
static int interface_name(struct fabric *f, uint16_t rank, char *name, size_t size)
{
    if (!fabric_name(f, rank, name, size) || strchr(name, '/') != NULL)
        return fabric_refuse(f, EINVAL,
                             "device.args = \"%s\": names no interface, which has 1 to "
                             "%d characters: set it to one such as veth%%p, where %%p is the rank",
                             f->conf.args != NULL ? f->conf.args : "", IFNAMSIZ - 1);
    return 0;
}

static int check_names(struct fabric *f)
{
    char name[IFNAMSIZ];
    const char *args = f->conf.args != NULL ? f->conf.args : "";
    if (f->conf.selves > 1 && strstr(args, "%p") == NULL)
        return fabric_refuse(f, EINVAL,
                             "device.args = \"%s\": %u processes need an interface "
                             "each: put %%p where the rank belongs",
                             args, f->conf.selves);
    return interface_name(f, f->conf.self[0], name, sizeof name);
}

/* Peers may be told another address than the interface has: then it must take all frames. */
static void accept_address(struct fabric *f, uint16_t rank, uint16_t port)
{
    struct rte_ether_addr mac;
    if (rte_eth_macaddr_get(port, &mac) != 0 || memcmp(&mac, &f->addr[rank].mac, sizeof mac) != 0)
        (void)rte_eth_promiscuous_enable(port);
}

static int open_ports(struct fabric *f, const char *driver, const char *format)
{
    for (uint16_t i = 0; i < f->conf.selves; i++) {
        struct fabric_proc *p = &f->proc[i];
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
        if (err != 0)
            return err;
        accept_address(f, p->rank, port);
        if (i == 0)
            snprintf(f->text, sizeof f->text, "%s (%s, interface %s%s)", f->conf.device, driver,
                     name, f->conf.selves > 1 ? " and others" : "");
    }
    return 0;
}

/* ---- af_packet ------------------------------------------------------------------------------- */

/* The MTU of an interface; 0, and errno, if there is none. */
static uint32_t interface_mtu(const char *name)
{
    struct ifreq req = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    snprintf(req.ifr_name, sizeof req.ifr_name, "%s", name);
    int err = ioctl(fd, SIOCGIFMTU, &req);
    close(fd);
    return err == 0 ? (uint32_t)req.ifr_mtu : 0;
}

static int af_packet_check(struct fabric *f)
{
    uint32_t least = UINT32_MAX;
    int err = check_names(f);
    for (uint16_t i = 0; i < f->conf.selves && err == 0; i++) {
        char name[IFNAMSIZ];
        err = interface_name(f, f->conf.self[i], name, sizeof name);
        if (err != 0)
            return err;
        uint32_t mtu = interface_mtu(name);
        if (mtu == 0)
            return fabric_refuse(f, ENODEV,
                                 "device af_packet: there is no interface %s: make it, "
                                 "e.g. ip link add %s type veth peer name peer0",
                                 name, name);
        if (f->conf.mtu > mtu)
            return fabric_refuse(f, EINVAL,
                                 "device af_packet: mtu = %u is more than that of %s: "
                                 "ip link set %s mtu %u, or lower job.mtu",
                                 f->conf.mtu, name, name, f->conf.mtu);
        least = mtu < least ? mtu : least;
    }
    if (err == 0 && f->conf.mtu == 0)
        f->conf.mtu = least < AF_PACKET_MTU_MAX ? least : AF_PACKET_MTU_MAX;
    return err;
}

static int af_packet_open(struct fabric *f)
{
    char args[160];
    uint32_t frame = rte_align32pow2(f->conf.mtu + AF_PACKET_HEADER_BYTES);
    uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
    snprintf(args, sizeof args, "iface=%%s,qpairs=1,framesz=%u,blocksz=%u,framecnt=%d", frame,
             frame > page ? frame : page, AF_PACKET_FRAMES);
    return open_ports(f, "net_af_packet", args);
}

const struct fabric_device_ops fabric_af_packet = {
    .name = "af_packet",
    .text = "a kernel interface for each process, e.g. veth between network namespaces (root)",
    .check = af_packet_check,
    .open = af_packet_open,
};

/* ---- tap ------------------------------------------------------------------------------------- */

static int tap_check(struct fabric *f)
{
    int err = check_names(f);
    if (err == 0 && f->conf.mtu > TAP_MTU_MAX)
        return fabric_refuse(f, EINVAL, "device tap: mtu = %u is more than %u: lower job.mtu",
                             f->conf.mtu, TAP_MTU_MAX);
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
};
