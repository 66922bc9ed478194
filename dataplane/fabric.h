/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fabric: from a topology to ports, queues and header templates, for each kind of device.
 * Nothing above this file knows which device carries its frames.
 *
 * Opened and closed by the control thread, before the data cores run and after they stopped.
 */
#ifndef UPON_FABRIC_H
#define UPON_FABRIC_H

#include "env.h"

#include <net/ethernet.h>
#include <netinet/in.h>

/* Where a process lives on the wire. Network byte order in ip. */
struct fabric_addr {
    struct ether_addr mac;
    struct in_addr ip;
    uint16_t udp_port; /* host byte order */
};

struct fabric_conf {
    const char *device; /* "ring", "null", "memif", "af_packet", "tap", "pcap", or "eal" */
    /*
     * Device arguments. af_packet, tap: interface name, with "%p" for the rank. memif: folder of
     * the sockets, or "@" and a name that is this job's alone: sockets without files. pcap: the file to write, with "%p". eal: the EAL device name of a port that was
     * given on the EAL command line (--vdev, --allow), or a port number; with "%p", a port for each
     * process.
     */
    const char *args;
    const char *netns;    /* af_packet, tap: network namespace, with "%p" for the rank; or NULL */
    uint16_t n;           /* processes of Π */
    const uint16_t *self; /* ranks that live in this OS process */
    uint16_t selves;
    uint32_t mtu;        /* bytes of an IP packet; 0: the device's own, 1500 for virtual ones */
    uint32_t msg_bytes;  /* the largest message: refused if no frame can hold it */
    uint32_t pool_pkts;  /* packets per process; 0: enough for the window sizes of a live run */
    uint32_t pool_least; /* … and no fewer than these; what the stack may keep is not known here */
    bool checksum;       /* compute and verify UDP checksums where the device does not */
    /* n of them, or NULL for 10.117.x.y, 02:75:70:6e:x:y, 21000 + rank; a MAC of 0 is none said. */
    const struct fabric_addr *addr;
};

struct fabric;

/* The kinds of devices, by index from 0; NULL behind the last. */
const char *fabric_device_name(uint32_t index);
const char *fabric_device_text(uint32_t index);

/* Whether processes on this device may live in different OS processes. */
bool fabric_device_apart(const char *device);

/* `text` with the rank for each "%p". False: it is empty, or does not fit. Any thread. */
bool fabric_rank(const char *text, uint16_t rank, char *to, size_t size);

/* Whether this thread has a capability, as CAP_NET_RAW; yes, where that cannot be told. */
bool fabric_may(unsigned capability);

/*
 * Whether the device can carry that, as far as it can be told before EAL starts. Else −errno, a
 * sentence in `why`, and in `key` which key of a job stands in the way, as "device.args"; or which
 * may, the likeliest first: "job.size job.mtu".
 */
int fabric_check(const struct fabric_conf *conf, const char **key, char *why, size_t why_size);

/*
 * Where a process of this OS process lives on the wire: what `addr` says for it or the default,
 * with the interface's own MAC address for af_packet where `addr` says none. 0, or −errno with a sentence in `why`.
 */
int fabric_address(const struct fabric_conf *conf, uint16_t rank, struct fabric_addr *addr,
                   char *why, size_t why_size);

/* Bytes of memory to start EAL with (eal.h) so that fabric_open() finds what it needs. */
/* Open files of this OS process that the device may take, DPDK's own not counted. */
uint64_t fabric_files(const struct fabric_conf *conf);

uint64_t fabric_memory_wanted(const struct fabric_conf *conf);

/*
 * Open what the processes of this OS process need. 0, or −errno with one sentence in `why` that
 * names the place and the remedy.
 */
int fabric_open(struct fabric **f, const struct fabric_conf *conf, char *why, size_t why_size);

/* The environment of a local process. It belongs to the fabric. */
struct env *fabric_env(struct fabric *f, uint16_t rank);

/*
 * Whether a peer in another OS process is gone that we have to call again once it is back; and
 * calling it. The latter by the thread that polls, or while nobody does.
 */
bool fabric_lacks_peers(const struct fabric *f);
void fabric_redial(struct fabric *f);

/* What the job's report says of the device, e.g. "ring (shared memory, 6 lanes of 2048 packets)". */
const char *fabric_describe(const struct fabric *f);

/* What whoever starts a job on it should know of its figures beforehand; NULL: nothing. */
const char *fabric_note(const struct fabric *f);

/* Once its processes have ended: whether the device has kept all that it was to keep, as a capture
 * file. Else false, and a sentence in `why`. */
bool fabric_whole(const struct fabric *f, char *why, size_t why_size);

/* Bytes of packet memory, lanes included. */
uint64_t fabric_memory_bytes(const struct fabric *f);

/*
 * Drain what is still in rings and queues, close all ports, and count the packets that did not
 * return to their pools: the leak, 0 when all is well.
 */
uint32_t fabric_close(struct fabric *f);

#endif
