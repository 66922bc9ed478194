/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building frames, for the links: a packet is opened for a peer, records are added while they fit,
 * its header is written, and it is queued for the end of the breath.
 */
#ifndef UPON_FRAMES_H
#define UPON_FRAMES_H

#include "protocols/co.h"

struct frame_builder {
    struct stack *st;
    struct rte_mbuf *pkt; /* NULL: none open */
    uint8_t *at;          /* where the next record goes */
    const uint8_t *end;   /* of what fits, in the packet and on the device */
    uint32_t left;        /* records that it still takes */
    uint32_t shared;      /* bytes of a shared body, which ends its frame; 0: none */
};

/* Open a packet. False, and counted, when the pool is empty: the link tries again later. */
static inline bool frame_open(struct frame_builder *b, struct stack *st)
{
    b->st = st;
    b->pkt = pkt_alloc(st->env->pool);
    if (unlikely(b->pkt == NULL)) {
        env_starved(st->env);
        st->counters[COUNT_drop_pool_empty]++;
        return false;
    }
    uint32_t room = (uint32_t)b->pkt->buf_len - b->pkt->data_off;
    if (room > st->env->frame_bytes_max)
        room = st->env->frame_bytes_max;
    b->at = pkt_data(b->pkt) + FRAME_BYTES;
    b->end = b->at + (room - FRAME_BYTES);
    b->left = st->conf.frame_records;
    b->shared = 0;
    return true;
}

/* Of the frame so far, header and shared body included. */
static inline uint32_t frame_bytes(const struct frame_builder *b)
{
    return (uint32_t)(b->at - pkt_data(b->pkt)) + b->shared;
}

static inline uint32_t frame_records_so_far(const struct frame_builder *b)
{
    return b->st->conf.frame_records - b->left;
}

/* A longer message is referenced from the frame; UINT32_MAX where all are copied. */
static inline uint32_t frame_copy_max(const struct stack *st)
{
    return st->env->multi_seg ? st->conf.msg_copy_bytes : UINT32_MAX;
}

/*
 * Where records are written, for a loop that adds many messages: taken from a builder, and given
 * back to it. A loop keeps it in registers, which a builder whose address is known does not stay in.
 */
struct frame_pen {
    uint8_t *at;
    const uint8_t *end;
    uint32_t left;
    uint32_t copy_max;
};

static inline struct frame_pen frame_pen(const struct frame_builder *b, const struct stack *st)
{
    return (struct frame_pen){b->at, b->end, b->left, frame_copy_max(st)};
}

static inline void frame_pen_down(struct frame_builder *b, struct frame_pen pen)
{
    b->at = pen.at;
    b->left = pen.left;
}

/* Copy a message as a record for `user`. False when it does not fit, or is to be shared. */
static inline bool frame_write(struct frame_pen *pen, struct msg m, uint8_t user)
{
    if (unlikely(m.len > pen->copy_max || RECORD_BYTES + m.len > pen->end - pen->at ||
                 pen->left == 0))
        return false;
    le32_put(pen->at, m.len | (uint32_t)user << 16); /* struct record_wire */
    pkt_copy(pen->at + RECORD_BYTES, msg_data(m), m.len);
    pen->at += RECORD_BYTES + m.len;
    pen->left--;
    return true;
}

/*
 * Add a message that is longer than what is copied: a record's header in the frame, and behind it a
 * segment of its own that refers to the body. It is the frame's last. False when it does not fit, or
 * there is no packet.
 */
static inline bool frame_share(struct frame_builder *b, struct msg m, uint8_t user)
{
    if (b->left == 0 || RECORD_BYTES > b->end - b->at ||
        frame_bytes(b) + RECORD_BYTES + m.len > b->st->env->frame_bytes_max)
        return false;
    struct rte_mbuf *body = pkt_alloc(b->st->env->pool);
    if (unlikely(body == NULL)) {
        env_starved(b->st->env);
        return false;
    }
    pkt_refer(body, m);
    b->pkt->next = body;
    b->pkt->nb_segs = 2;
    le32_put(b->at, m.len | (uint32_t)user << 16); /* struct record_wire */
    b->at += RECORD_BYTES;
    b->left--;
    b->shared = m.len;
    b->end = b->at; /* full */
    return true;
}

/*
 * Add a message as a record for `user`. False when it does not fit this frame any more; a message
 * that fits no frame at all is the caller's bug. The message stays the caller's.
 */
static inline bool frame_add(struct frame_builder *b, struct msg m, uint8_t user)
{
    struct frame_pen pen = frame_pen(b, b->st);
    if (m.len > pen.copy_max)
        return frame_share(b, m, user);
    if (!frame_write(&pen, m, user))
        return false;
    frame_pen_down(b, pen);
    return true;
}

/* Write the header and queue the frame. What is common to all kinds is filled in here. */
static inline void frame_close(struct frame_builder *b, uint16_t peer, struct frame f)
{
    struct stack *st = b->st;
    uint8_t *start = pkt_data(b->pkt);
    f.cluster = st->conf.cluster;
    f.incarnation = st->conf.incarnation;
    f.from = st->self;
    f.to = peer;
    f.bytes = frame_bytes(b);
    f.records = (uint16_t)frame_records_so_far(b);
    frame_encode(start, &f);
    b->pkt->data_len = (uint16_t)(b->at - start);
    b->pkt->pkt_len = f.bytes;
    st->counters[COUNT_tx_records] += f.records;
    stack_send(st, peer, b->pkt);
    b->pkt = NULL;
}

#endif
