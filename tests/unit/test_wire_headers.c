/* SPDX-License-Identifier: BSD-3-Clause */
/* The lower headers: built right, and refused for every reason, each under its own counter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <rte_udp.h>

#include "dataplane/wire_headers.h"
#include "protocols/random.h"

#define PAYLOAD 61 /* odd, for the checksum's sake */
#define BYTES   (WIRE_BYTES + PAYLOAD)

static struct wire_template headers;
static struct wire_self self;

static void make(uint8_t *packet)
{
    struct fabric_addr from = wire_addr_default(4), to = wire_addr_default(300);
    wire_template_init(&headers, &from, &to);
    self = wire_self_of(&to);
    for (int i = 0; i < PAYLOAD; i++)
        packet[WIRE_BYTES + i] = (uint8_t)(i * 7 + 1);
    wire_write(packet, &headers, PAYLOAD);
}

/* Check in a heap buffer of exactly `len` bytes, which a sanitizer watches. */
__attribute__((noinline)) static int check(const uint8_t *packet, uint32_t len, uint32_t bytes)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    uint32_t frame_bytes = 0;
    memcpy(copy, packet, len);
    int bad = wire_check(copy, len, bytes, &self, &frame_bytes);
    if (bad < 0)
        assert_int_equal(frame_bytes, PAYLOAD);
    free(copy);
    return bad;
}

static void set_ip_checksum(uint8_t *packet)
{
    struct wire_headers *h = (struct wire_headers *)packet;
    memset(h->ip_checksum, 0, 2);
    uint16_t sum = (uint16_t)~wire_fold(wire_sum_u16(&h->ip_version_ihl, 10));
    memcpy(h->ip_checksum, &sum, 2);
}

static void test_what_is_written_is_a_datagram_by_dpdk_too(void **state)
{
    (void)state;
    uint8_t packet[BYTES];
    make(packet);
    struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(packet + ETHER_BYTES);
    uint16_t sum = ip->hdr_checksum;
    ip->hdr_checksum = 0;
    assert_int_equal(rte_ipv4_cksum(ip), sum);
    ip->hdr_checksum = sum;
    assert_int_equal(check(packet, BYTES, BYTES), -1);
    assert_false(wire_has_udp_checksum(packet));
    wire_set_udp_checksum(packet, wire_fold(wire_udp_sum(packet) +
                                            rte_raw_cksum(packet + WIRE_BYTES, PAYLOAD)));
    assert_true(wire_has_udp_checksum(packet));
    struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
    sum = udp->dgram_cksum;
    udp->dgram_cksum = 0;
    assert_int_equal(rte_ipv4_udptcp_cksum(ip, udp), sum);
    udp->dgram_cksum = sum;
    assert_int_equal(wire_fold(wire_udp_sum(packet) + rte_raw_cksum(packet + WIRE_BYTES, PAYLOAD)),
                     0xffff);
}

/* Cut in three wherever it may be cut, and from any byte on: the sum is that of the bytes in a row. */
static void test_the_sum_of_a_chain_is_that_of_its_bytes(void **state)
{
    (void)state;
    enum { LONG = 1200 };
    static uint8_t bytes[LONG];
    for (uint32_t i = 0; i < LONG; i++)
        bytes[i] = (uint8_t)(255 - i % 7);
    for (uint32_t a = 0; a < 64; a++)
        for (uint32_t b = 0; b < 16; b++)
            for (uint32_t from = 0; from < 80; from += 13) {
                uint32_t cut = a + 600 + b, len = LONG - from - b;
                struct rte_mbuf last = {.buf_addr = bytes + cut,
                                        .data_len = (uint16_t)(LONG - cut)};
                struct rte_mbuf body = {.buf_addr = bytes + a,
                                        .data_len = (uint16_t)(cut - a),
                                        .next = &last};
                struct rte_mbuf head = {.buf_addr = bytes,
                                        .data_len = (uint16_t)a,
                                        .next = &body,
                                        .pkt_len = LONG,
                                        .nb_segs = 3};
                assert_int_equal(wire_sum(&head, from, len), rte_raw_cksum(bytes + from, len));
            }
}

static void test_every_length_is_written_right(void **state)
{
    (void)state;
    static uint8_t packet[WIRE_BYTES + 9000];
    make(packet);
    for (uint32_t n = 0; n <= 9000; n++) {
        uint32_t frame_bytes;
        wire_write(packet, &headers, n);
        assert_int_equal(wire_check(packet, WIRE_BYTES, WIRE_BYTES + n, &self, &frame_bytes), -1);
        assert_int_equal(frame_bytes, n);
    }
}

static void test_a_packet_cut_at_any_byte_is_short(void **state)
{
    (void)state;
    uint8_t packet[BYTES];
    make(packet);
    for (uint32_t len = 0; len < BYTES; len++)
        assert_int_equal(check(packet, len, len), COUNT_drop_short);
    /* Segmented: enough in all, but the headers are not together. */
    for (uint32_t len = 0; len < WIRE_BYTES; len++)
        assert_int_equal(check(packet, len, BYTES), COUNT_drop_short);
    assert_int_equal(check(packet, WIRE_BYTES, BYTES), -1);
}

static void test_padding_of_short_frames_is_no_payload(void **state)
{
    (void)state;
    uint8_t packet[BYTES + 20] = {0};
    make(packet);
    assert_int_equal(check(packet, BYTES + 20, BYTES + 20), -1);
}

static void test_each_lie_has_its_counter(void **state)
{
    (void)state;
    static const struct {
        uint16_t at;
        uint8_t value;
        bool repair; /* the IPv4 checksum afterwards */
        int count;
    } lies[] = {
        {12, 0x86, false, COUNT_drop_not_ip},
        {12, 0x81, false, COUNT_drop_not_ip}, /* a VLAN tag */
        {14, 0x46, true, COUNT_drop_not_udp}, /* options */
        {14, 0x65, true, COUNT_drop_not_udp}, /* version 6 */
        {14, 0x44, true, COUNT_drop_not_udp},
        {20, 0x20, true, COUNT_drop_not_udp}, /* more fragments */
        {20, 0x80, true, COUNT_drop_not_udp}, /* the reserved bit */
        {21, 0x01, true, COUNT_drop_not_udp}, /* a fragment's offset */
        {23, 6, true, COUNT_drop_not_udp},    /* TCP */
        {24, 0x55, false, COUNT_drop_ip_checksum},
        {27, 0x77, false, COUNT_drop_ip_checksum},
        {16, 0x10, true, COUNT_drop_short},  /* longer than what came */
        {17, 27, true, COUNT_drop_length},   /* no room for UDP's header */
        {17, 88, true, COUNT_drop_length},   /* UDP does not agree */
        {39, 0, true, COUNT_drop_length},    /* UDP shorter than its header */
        {38, 0xff, true, COUNT_drop_length}, /* UDP longer than its packet */
        {33, 99, true, COUNT_drop_wrong_port},
        {37, 99, true, COUNT_drop_wrong_port},
    };
    for (size_t i = 0; i < RTE_DIM(lies); i++) {
        uint8_t packet[BYTES];
        make(packet);
        packet[lies[i].at] = lies[i].value;
        if (lies[i].repair)
            set_ip_checksum(packet);
        assert_int_equal(check(packet, BYTES, BYTES), lies[i].count);
    }
}

static void test_every_flipped_bit_of_the_ip_header_is_refused(void **state)
{
    (void)state;
    for (uint32_t bit = 8 * ETHER_BYTES; bit < 8 * (ETHER_BYTES + IPV4_BYTES); bit++) {
        uint8_t packet[BYTES];
        make(packet);
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(check(packet, BYTES, BYTES) >= COUNT_drop_first);
    }
}

static void test_zeros_and_noise_are_refused(void **state)
{
    (void)state;
    uint8_t packet[BYTES] = {0};
    struct random r = random_seeded(1, 1);
    make(packet);
    memset(packet, 0, sizeof packet);
    assert_int_equal(check(packet, 64, 64), COUNT_drop_not_ip);
    for (int i = 0; i < 200000; i++) {
        uint32_t len = random_below(&r, BYTES + 1);
        for (uint32_t k = 0; k < len; k++)
            packet[k] = (uint8_t)random_below(&r, 256);
        if (len > 14 && i % 2 == 0)
            memcpy(packet + 12, "\x08\x00\x45", 3);
        assert_true(check(packet, len, len) >= COUNT_drop_first);
    }
}

static void test_addresses_by_default_are_distinct_hosts(void **state)
{
    (void)state;
    for (uint16_t p = 0; p < PROCS_MAX; p++) {
        struct fabric_addr a = wire_addr_default(p);
        uint32_t host = rte_be_to_cpu_32(a.ip.s_addr) & 0xffff;
        assert_int_equal(host, p + 1);
        assert_int_equal(a.mac.ether_addr_octet[4] << 8 | a.mac.ether_addr_octet[5], p + 1);
        assert_int_equal(a.mac.ether_addr_octet[0] & 3, 2); /* local, no group */
        assert_int_equal(a.udp_port, 21000 + p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_a_datagram_by_dpdk_too),
        cmocka_unit_test(test_the_sum_of_a_chain_is_that_of_its_bytes),
        cmocka_unit_test(test_every_length_is_written_right),
        cmocka_unit_test(test_a_packet_cut_at_any_byte_is_short),
        cmocka_unit_test(test_padding_of_short_frames_is_no_payload),
        cmocka_unit_test(test_each_lie_has_its_counter),
        cmocka_unit_test(test_every_flipped_bit_of_the_ip_header_is_refused),
        cmocka_unit_test(test_zeros_and_noise_are_refused),
        cmocka_unit_test(test_addresses_by_default_are_distinct_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
