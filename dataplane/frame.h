/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is on the wire: Ethernet / IPv4 / UDP / frame header / records.
 *
 * A frame is what one breath sends to one peer. Its header holds what is per peer; behind it stand
 * `records` records, each a message with the headers of its layers. A record lies in one segment;
 * where a record starts, a new segment may start. All integers are little-endian, at any alignment.
 *
 * Everything here takes (pointer, length) and trusts no byte.
 */
#ifndef UPON_FRAME_H
#define UPON_FRAME_H

#include "counters.h"
#include "pkt.h"

/* No dissector takes this byte for its own: 1 to 4 begin WireGuard's messages. */
#define FRAME_VERSION 0x55

enum frame_kind {
    FRAME_KIND_NONE = 0,   /* an all-zero packet is no frame */
    FRAME_KIND_PLAIN = 1,  /* fair-loss: the sequence fields are zero */
    FRAME_KIND_WINDOW = 2, /* pl_window: sequence, acknowledgement and credit are meaningful */
    FRAME_KINDS
};

struct frame_wire {
    uint8_t version;        /* FRAME_VERSION */
    uint8_t kind;           /* enum frame_kind */
    uint8_t records[2];     /* how many records follow */
    uint8_t cluster[4];     /* whose process set; never 0 */
    uint8_t from[2];        /* sender's rank */
    uint8_t to[2];          /* receiver's rank */
    uint8_t bytes[4];       /* of the frame: this header and all records */
    uint8_t incarnation[4]; /* of the sender; never 0 */
    uint8_t to_incarn[4];   /* of the receiver as the sender knows it; 0: not known yet */
    uint8_t seq[8];         /* sequence number of the first record; the others follow it */
    uint8_t ack[8];         /* the receiver's sequence numbers below this one all arrived */
    uint8_t sack[8];        /* bit i: sequence number ack + 1 + i arrived */
    uint8_t credit[4];      /* how many sequence numbers from ack on the sender will take */
    uint8_t reserved[4];    /* 0 */
};
static_assert(sizeof(struct frame_wire) == 56, "the layout is the protocol");

struct record_wire {
    uint8_t len[2];   /* bytes of the message behind this header */
    uint8_t user;     /* port of the component above the link */
    uint8_t reserved; /* 0 */
};
static_assert(sizeof(struct record_wire) == 4, "the layout is the protocol");

#define FRAME_BYTES  ((uint16_t)sizeof(struct frame_wire))
#define RECORD_BYTES ((uint16_t)sizeof(struct record_wire))

#define ETHER_BYTES 14
#define IPV4_BYTES  20
#define UDP_BYTES   8
#define WIRE_BYTES  (ETHER_BYTES + IPV4_BYTES + UDP_BYTES) /* in front of a frame, on a device */

/* Headroom in front of the frame header of an outgoing packet. */
static_assert(RTE_PKTMBUF_HEADROOM >= WIRE_BYTES, "the environment pushes its headers there");

/* A frame header, decoded. */
struct frame {
    uint64_t seq;
    uint64_t ack;
    uint64_t sack;
    uint32_t credit;
    uint32_t cluster;
    uint32_t incarnation;
    uint32_t to_incarn;
    uint32_t bytes;
    uint16_t records;
    uint16_t from;
    uint16_t to;
    uint8_t kind;
};

/* Who we are, to hold a frame against. */
struct frame_self {
    uint32_t cluster;
    uint16_t n;
    uint16_t self;
    bool one_life; /* nobody recovers: an incarnation other than the first is a lie */
};

/*
 * Decode and validate the header of a frame of `bytes` bytes in all, of which `len` stand at
 * `data`. Returns -1 when it is good, else the counter (COUNT_drop_…) of the reason; then *f is
 * unspecified. Records are not looked at: frame_next_record() does that, each before its use.
 */
static inline int frame_decode(const uint8_t *data, uint32_t len, uint32_t bytes,
                               const struct frame_self *me, struct frame *f)
{
    if (unlikely(len < FRAME_BYTES))
        return COUNT_drop_short;
    const struct frame_wire *w = (const struct frame_wire *)data;
    if (unlikely(w->version != FRAME_VERSION || w->kind == FRAME_KIND_NONE ||
                 w->kind >= FRAME_KINDS))
        return COUNT_drop_version;
    f->kind = w->kind;
    f->cluster = le32_get(w->cluster);
    if (unlikely(f->cluster != me->cluster))
        return COUNT_drop_cluster;
    f->to = le16_get(w->to);
    if (unlikely(f->to != me->self))
        return COUNT_drop_receiver;
    f->from = le16_get(w->from);
    if (unlikely(f->from >= me->n || f->from == me->self))
        return COUNT_drop_sender;
    f->bytes = le32_get(w->bytes);
    f->records = le16_get(w->records);
    if (unlikely(f->bytes > bytes || f->bytes < FRAME_BYTES || f->records > FRAME_RECORDS_MAX ||
                 f->bytes - FRAME_BYTES < (uint32_t)f->records * RECORD_BYTES ||
                 (f->records == 0 && f->bytes != FRAME_BYTES)))
        return COUNT_drop_length;
    if (unlikely(le32_get(w->reserved) != 0))
        return COUNT_drop_field;
    f->incarnation = le32_get(w->incarnation);
    if (unlikely(f->incarnation == 0 || (f->incarnation != 1 && me->one_life)))
        return COUNT_drop_incarnation;
    f->to_incarn = le32_get(w->to_incarn);
    f->seq = le64_get(w->seq);
    f->ack = le64_get(w->ack);
    f->sack = le64_get(w->sack);
    f->credit = le32_get(w->credit);
    return -1;
}

/* Write the header of *f at `data`, FRAME_BYTES long. */
static inline void frame_encode(uint8_t *data, const struct frame *f)
{
    struct frame_wire *w = (struct frame_wire *)data;
    w->version = FRAME_VERSION;
    w->kind = f->kind;
    le16_put(w->records, f->records);
    le32_put(w->cluster, f->cluster);
    le16_put(w->from, f->from);
    le16_put(w->to, f->to);
    le32_put(w->bytes, f->bytes);
    le32_put(w->incarnation, f->incarnation);
    le32_put(w->to_incarn, f->to_incarn);
    le64_put(w->seq, f->seq);
    le64_put(w->ack, f->ack);
    le64_put(w->sack, f->sack);
    le32_put(w->credit, f->credit);
    le32_put(w->reserved, 0);
}

/* Where the next record of a frame is looked for. */
struct frame_cursor {
    struct rte_mbuf *seg;
    uint8_t *at;        /* in the segment */
    const uint8_t *end; /* of what the segment has of the frame */
    uint32_t left;      /* records still promised */
    uint32_t rest;      /* bytes of the frame still promised in segments behind this one */
};

/* The next `bytes` of the frame stand in `seg`, `offset` behind its begin, and in those behind it. */
static inline void frame_enter(struct frame_cursor *c, struct rte_mbuf *seg, uint32_t offset,
                               uint32_t bytes)
{
    uint32_t have = seg->data_len - offset, here = have < bytes ? have : bytes;
    c->seg = seg;
    c->at = pkt_data(seg) + offset;
    c->end = c->at + here;
    c->rest = bytes - here;
}

/* Begin behind the header of a frame that frame_decode() passed. */
static inline struct frame_cursor frame_records(struct rte_mbuf *frame, const struct frame *f)
{
    struct frame_cursor c = {.left = f->records};
    frame_enter(&c, frame, FRAME_BYTES, f->bytes - FRAME_BYTES);
    return c;
}

/* Bytes that stand in one piece at the cursor, which goes on to the next segment first if it must. */
static inline uint32_t frame_piece(struct frame_cursor *c)
{
    while (unlikely(c->at == c->end) && c->rest > 0 && c->seg->next != NULL)
        frame_enter(c, c->seg->next, 0, c->rest);
    return (uint32_t)(c->end - c->at);
}

/*
 * The next record's message and user. Returns 1, 0 behind the last record, or -1 if what stands
 * there overruns the frame, is split across segments or leaves bytes that belong to no record.
 */
static inline int frame_next_record(struct frame_cursor *c, struct msg *m, uint8_t *user)
{
    if (c->left == 0)
        return c->at == c->end && c->rest == 0 ? 0 : -1;
    if (unlikely(frame_piece(c) < RECORD_BYTES))
        return -1;
    uint32_t record = le32_get(c->at), len = record & UINT16_MAX; /* struct record_wire */
    *user = (uint8_t)(record >> 16);
    c->at += RECORD_BYTES;
    /* A shared body has a segment of its own. */
    if (unlikely(record >> 24 != 0 || (len > 0 && frame_piece(c) < len)))
        return -1;
    *m = (struct msg){c->seg, (uint16_t)(c->at - (const uint8_t *)c->seg->buf_addr), (uint16_t)len};
    c->at += len;
    c->left--;
    return 1;
}

#endif
