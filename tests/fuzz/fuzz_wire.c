/* SPDX-License-Identifier: BSD-3-Clause */
/* Ethernet, IPv4 and UDP headers. Input: the packet, in a heap buffer of its exact size. */
#include "fuzz.h"

#include "dataplane/wire_headers.h"

static struct wire_self self;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    struct fabric_addr addr = wire_addr_default(1);
    self = wire_self_of(&addr);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *packet = exact_copy(data, size);
    uint32_t len = (uint32_t)size, frame_bytes = 0;
    int bad = wire_check(packet, len, len, &self, &frame_bytes);
    if (bad < 0) {
        MUST(len >= WIRE_BYTES && frame_bytes <= len - WIRE_BYTES);
        (void)wire_has_udp_checksum(packet);
        (void)wire_udp_sum(packet);
    } else {
        MUST(bad >= COUNT_drop_first && bad < COUNTERS);
    }
    free(packet);
    return 0;
}
