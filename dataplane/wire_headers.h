/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lower headers of a frame on a device: Ethernet, IPv4 without options, UDP.
 *
 * A peer's headers are a template of which only lengths and checksums change. Pure functions over
 * (pointer, length): they trust no byte, and know neither packets nor ports.
 */
#ifndef UPON_WIRE_HEADERS_H
#define UPON_WIRE_HEADERS_H

#include "counters.h"
#include "fabric.h"
#include "frame.h"

struct wire_headers {
    uint8_t ether_to[6];
    uint8_t ether_from[6];
    uint8_t ether_type[2];
    uint8_t ip_version_ihl;
    uint8_t ip_tos;
    uint8_t ip_bytes[2];
    uint8_t ip_id[2];
    uint8_t ip_fragment[2];
    uint8_t ip_ttl;
    uint8_t ip_proto;
    uint8_t ip_checksum[2];
    uint8_t ip_from[4];
    uint8_t ip_to[4];
    uint8_t udp_from[2];
    uint8_t udp_to[2];
    uint8_t udp_bytes[2];
    uint8_t udp_checksum[2];
};
static_assert(sizeof(struct wire_headers) == WIRE_BYTES, "the layout is the protocol");

/* What stands in front of every frame from one process to another. */
struct wire_template {
    struct wire_headers headers; /* lengths and checksums are zero */
    uint32_t ip_sum;             /* one's complement sum of its IPv4 header */
};

/* Where our frames are sent to; both as they stand in a packet's memory. */
struct wire_self {
    uint32_t ip;
    uint16_t udp_port;
};

/*
 * The address that `rank` has when a topology gives none: 10.117.x.y, 02:75:70:6e:x:y, UDP port
 * 21000 + rank, where x.y is rank + 1.
 */
struct fabric_addr wire_addr_default(uint16_t rank);

void wire_template_init(struct wire_template *t, const struct fabric_addr *from,
                        const struct fabric_addr *to);

struct wire_self wire_self_of(const struct fabric_addr *addr);

/* Write the headers of a frame of `frame_bytes` at `data`; its UDP checksum is "none". */
static inline void wire_write(uint8_t *data, const struct wire_template *t, uint32_t frame_bytes);

/*
 * Validate the headers of a packet of `bytes` bytes in all, of which `len` stand at `data`. Returns
 * -1 when they are good, else the counter (COUNT_drop_…) of the reason. When good, *frame_bytes is
 * the length of what follows them, which excludes the padding of short Ethernet frames.
 */
static inline int wire_check(const uint8_t *data, uint32_t len, uint32_t bytes,
                             const struct wire_self *self, uint32_t *frame_bytes);

/* Whether the sender computed a UDP checksum; RFC 768 lets it leave 0. */
static inline bool wire_has_udp_checksum(const uint8_t *data);

/*
 * The one's complement sum of the UDP pseudo header and header: the sum of what follows is added,
 * and the folded result of a good packet is 0xffff.
 */
uint32_t wire_udp_sum(const uint8_t *data);

/*
 * The folded sum of `bytes` bytes of a packet from byte `from` on; it has as many. Segments may begin
 * anywhere: rte_raw_cksum_mbuf() of DPDK 22.11 drops the carries of one that begins at an odd byte.
 */
uint16_t wire_sum(const struct rte_mbuf *pkt, uint32_t from, uint32_t bytes);

/* The checksum to write, given the folded sum of everything with the checksum field zero. */
void wire_set_udp_checksum(uint8_t *data, uint16_t sum);

/* ---- inline ---------------------------------------------------------------------------------- */

#define WIRE_ETHER_TYPE_IPV4  0x0800
#define WIRE_IP_VERSION_IHL   0x45
#define WIRE_IP_DONT_FRAGMENT 0x4000
#define WIRE_IP_PROTO_UDP     17

static inline uint16_t be16_get(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return rte_be_to_cpu_16(v);
}

static inline void be16_put(void *p, uint16_t v)
{
    v = rte_cpu_to_be_16(v);
    memcpy(p, &v, sizeof v);
}

static inline uint16_t wire_fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* Sums are kept in the packet's byte order: a one's complement sum does not mind. */
static inline uint32_t wire_sum_u16(const void *p, uint32_t words)
{
    const uint8_t *b = p;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < words; i++) {
        uint16_t v;
        memcpy(&v, b + 2 * i, sizeof v);
        sum += v;
    }
    return sum;
}

static inline void wire_write(uint8_t *data, const struct wire_template *t, uint32_t frame_bytes)
{
    struct wire_headers *h = (struct wire_headers *)data;
    memcpy(h, &t->headers, sizeof *h);
    uint16_t ip_bytes = rte_cpu_to_be_16((uint16_t)(IPV4_BYTES + UDP_BYTES + frame_bytes));
    uint16_t checksum = (uint16_t)~wire_fold(t->ip_sum + ip_bytes);
    memcpy(h->ip_bytes, &ip_bytes, sizeof ip_bytes);
    memcpy(h->ip_checksum, &checksum, sizeof checksum);
    be16_put(h->udp_bytes, (uint16_t)(UDP_BYTES + frame_bytes));
}

static inline int wire_check(const uint8_t *data, uint32_t len, uint32_t bytes,
                             const struct wire_self *self, uint32_t *frame_bytes)
{
    const struct wire_headers *h = (const struct wire_headers *)data;
    if (unlikely(len < ETHER_BYTES))
        return COUNT_drop_short;
    if (unlikely(be16_get(h->ether_type) != WIRE_ETHER_TYPE_IPV4))
        return COUNT_drop_not_ip;
    if (unlikely(len < ETHER_BYTES + IPV4_BYTES))
        return COUNT_drop_short;
    if (unlikely(h->ip_version_ihl != WIRE_IP_VERSION_IHL || h->ip_proto != WIRE_IP_PROTO_UDP ||
                 (be16_get(h->ip_fragment) & ~WIRE_IP_DONT_FRAGMENT) != 0))
        return COUNT_drop_not_udp;
    if (unlikely(wire_fold(wire_sum_u16(&h->ip_version_ihl, IPV4_BYTES / 2)) != 0xffff))
        return COUNT_drop_ip_checksum;
    uint32_t ip_bytes = be16_get(h->ip_bytes);
    if (unlikely(len < WIRE_BYTES || ip_bytes > bytes - ETHER_BYTES))
        return COUNT_drop_short;
    if (unlikely(ip_bytes < IPV4_BYTES + UDP_BYTES ||
                 be16_get(h->udp_bytes) != ip_bytes - IPV4_BYTES))
        return COUNT_drop_length;
    if (unlikely(memcmp(h->ip_to, &self->ip, sizeof self->ip) != 0 ||
                 memcmp(h->udp_to, &self->udp_port, sizeof self->udp_port) != 0))
        return COUNT_drop_wrong_port;
    *frame_bytes = ip_bytes - IPV4_BYTES - UDP_BYTES;
    return -1;
}

static inline bool wire_has_udp_checksum(const uint8_t *data)
{
    const struct wire_headers *h = (const struct wire_headers *)data;
    return (h->udp_checksum[0] | h->udp_checksum[1]) != 0;
}

#endif
