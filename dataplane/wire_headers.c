/* SPDX-License-Identifier: BSD-3-Clause */
/* Header templates and UDP checksums. */
#include "wire_headers.h"

#include <arpa/inet.h>

#include <rte_ip.h>

#define UDP_PORT_FIRST 21000 /* up to 22023 no dissector of Wireshark waits */
#define IP_TTL_HOPS    64

struct fabric_addr wire_addr_default(uint16_t rank)
{
    /* From 1 on: 10.117.0.0 is the network itself. */
    uint8_t x = (uint8_t)((rank + 1) >> 8), y = (uint8_t)(rank + 1);
    return (struct fabric_addr){
        .mac = {{0x02, 0x75, 0x70, 0x6e, x, y}},
        .ip = {htonl(0x0a750000u | (uint32_t)x << 8 | y)},
        .udp_port = (uint16_t)(UDP_PORT_FIRST + rank),
    };
}

void wire_template_init(struct wire_template *t, const struct fabric_addr *from,
                        const struct fabric_addr *to)
{
    struct wire_headers *h = &t->headers;
    memset(t, 0, sizeof *t);
    memcpy(h->ether_to, to->mac.ether_addr_octet, sizeof h->ether_to);
    memcpy(h->ether_from, from->mac.ether_addr_octet, sizeof h->ether_from);
    be16_put(h->ether_type, WIRE_ETHER_TYPE_IPV4);
    h->ip_version_ihl = WIRE_IP_VERSION_IHL;
    /* Never fragmented, so that the identification may stay 0 (RFC 6864, atomic datagrams). */
    be16_put(h->ip_fragment, WIRE_IP_DONT_FRAGMENT);
    h->ip_ttl = IP_TTL_HOPS;
    h->ip_proto = WIRE_IP_PROTO_UDP;
    memcpy(h->ip_from, &from->ip, sizeof h->ip_from);
    memcpy(h->ip_to, &to->ip, sizeof h->ip_to);
    be16_put(h->udp_from, from->udp_port);
    be16_put(h->udp_to, to->udp_port);
    t->ip_sum = wire_sum_u16(&h->ip_version_ihl, IPV4_BYTES / 2);
}

struct wire_self wire_self_of(const struct fabric_addr *addr)
{
    return (struct wire_self){addr->ip.s_addr, rte_cpu_to_be_16(addr->udp_port)};
}

uint32_t wire_udp_sum(const uint8_t *data)
{
    const struct wire_headers *h = (const struct wire_headers *)data;
    uint16_t udp_bytes;
    memcpy(&udp_bytes, h->udp_bytes, sizeof udp_bytes);
    /* Pseudo header: both addresses, the protocol, and the length, which thus counts twice. */
    return wire_sum_u16(h->ip_from, (sizeof h->ip_from + sizeof h->ip_to + UDP_BYTES) / 2) +
           udp_bytes + rte_cpu_to_be_16(WIRE_IP_PROTO_UDP);
}

uint16_t wire_sum(const struct rte_mbuf *pkt, uint32_t from, uint32_t bytes)
{
    uint32_t sum = 0;
    for (; from >= pkt->data_len && bytes > 0; pkt = pkt->next)
        from -= pkt->data_len;
    for (uint32_t done = 0; done < bytes; pkt = pkt->next, from = 0) {
        uint32_t here = pkt->data_len - from;
        here = here < bytes - done ? here : bytes - done;
        uint16_t part = rte_raw_cksum(rte_pktmbuf_mtod_offset(pkt, const void *, from), here);
        sum += done & 1 ? rte_bswap16(part) : part;
        done += here;
    }
    return wire_fold(sum);
}

void wire_set_udp_checksum(uint8_t *data, uint16_t sum)
{
    struct wire_headers *h = (struct wire_headers *)data;
    uint16_t checksum = (uint16_t)~sum;
    if (checksum == 0)
        checksum = 0xffff; /* 0 says that there is none */
    memcpy(h->udp_checksum, &checksum, sizeof checksum);
}
