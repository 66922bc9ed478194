/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frame decoder and the walk over the records. Input: a byte that says where the frame is split
 * into two segments (0: nowhere), then the frame. Each segment is a heap buffer of its exact size.
 */
#include "fuzz.h"

#include "dataplane/counters.h"
#include "dataplane/frame.h"

static struct rte_mbuf segment(const uint8_t *data, size_t size)
{
    return (struct rte_mbuf){.buf_addr = exact_copy(data, size),
                             .buf_len = (uint16_t)size,
                             .data_len = (uint16_t)size,
                             .nb_segs = 1};
}

static void walk(struct rte_mbuf *pkt, const struct frame *f)
{
    struct frame_cursor c = frame_records(pkt, f);
    uint32_t records = 0, bytes = FRAME_BYTES, sum = 0;
    struct msg m;
    uint8_t user;
    int more;
    while ((more = frame_next_record(&c, &m, &user)) > 0) {
        const struct rte_mbuf *seg = m.seg;
        MUST(seg == pkt || seg == pkt->next);
        MUST((uint32_t)m.off + m.len <= seg->buf_len);
        for (uint32_t i = 0; i < m.len; i++)
            sum += msg_data(m)[i];
        records++;
        bytes += RECORD_BYTES + (uint32_t)m.len;
        MUST(records <= f->records && bytes <= f->bytes);
    }
    if (more == 0)
        MUST(records == f->records && bytes == f->bytes);
    __asm__ volatile("" : : "r"(sum)); /* the bytes were read */
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct frame_self me = {0x55504f4e, 3, 1};
    if (size < 1 || size > 20000)
        return 0;
    size_t len = size - 1, split = data[0] != 0 && data[0] < len ? data[0] : len;
    struct rte_mbuf first = segment(data + 1, split), rest;
    memset(&rest, 0, sizeof rest);
    first.pkt_len = (uint32_t)len;
    if (split < len) {
        rest = segment(data + 1 + split, len - split);
        first.next = &rest;
        first.nb_segs = 2;
    }
    struct frame f;
    int bad = frame_decode(first.buf_addr, first.data_len, first.pkt_len, &me, &f);
    if (bad < 0) {
        MUST(f.from < me.n && f.from != me.self && f.to == me.self);
        MUST(f.bytes <= len && f.records <= FRAME_RECORDS_MAX);
        walk(&first, &f);
    } else {
        MUST(bad >= COUNT_drop_first && bad < COUNTERS);
    }
    free(first.buf_addr);
    free(rest.buf_addr);
    return 0;
}
