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
    uint32_t left;        /* bytes that still fit, in the packet and on the device */
    uint32_t bytes;       /* of the frame so far, header included */
    uint16_t records;
    bool closed; /* a shared body ends its frame */
};

/* Open a packet. False, and counted, when the pool is empty: the link tries again later. */
static inline bool frame_open(struct frame_builder *b, struct stack *st)
{
    b->st = st;
    b->pkt = pkt_alloc(st->env->pool);
    if (unlikely(b->pkt == NULL)) {
        st->counters[COUNT_drop_pool_empty]++;
        return false;
    }
    uint32_t room = (uint32_t)b->pkt->buf_len - b->pkt->data_off;
    if (room > st->env->frame_bytes_max)
        room = st->env->frame_bytes_max;
    b->at = pkt_data(b->pkt) + FRAME_BYTES;
    b->left = room - FRAME_BYTES;
    b->bytes = FRAME_BYTES;
    b->records = 0;
    b->closed = false;
    return true;
}

/* Reference a body from the frame instead of copying it: the frame's last segment. */
static inline bool frame_share(struct frame_builder *b, struct msg m)
{
    struct rte_mbuf *body = pkt_alloc(b->st->env->pool);
    if (unlikely(body == NULL))
        return false;
    pkt_refer(body, m);
    b->pkt->next = body;
    b->pkt->nb_segs = 2;
    b->closed = true;
    return true;
}

/*
 * Add a message as a record for `user`. False when it does not fit this frame any more; a message
 * that fits no frame at all is the caller's bug. The message stays the caller's.
 */
static inline bool frame_add(struct frame_builder *b, struct msg m, uint8_t user)
{
    bool share = m.len > b->st->conf.msg_copy_bytes && b->st->env->multi_seg;
    uint32_t need = RECORD_BYTES + (share ? 0u : m.len);
    if (b->closed || b->records == b->st->conf.frame_records || need > b->left ||
        (share && b->bytes + RECORD_BYTES + m.len > b->st->env->frame_bytes_max))
        return false;
    uint8_t *p = b->at;
    if (share && unlikely(!frame_share(b, m)))
        return false;
    le16_put(p, m.len);
    p[2] = user;
    p[3] = 0;
    if (!share)
        pkt_copy(p + RECORD_BYTES, msg_data(m), m.len);
    b->at += need;
    b->left -= need;
    b->bytes += RECORD_BYTES + (uint32_t)m.len;
    b->records++;
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
    f.bytes = b->bytes;
    f.records = b->records;
    frame_encode(start, &f);
    b->pkt->data_len = (uint16_t)(b->at - start);
    b->pkt->pkt_len = b->bytes;
    st->counters[COUNT_tx_records] += b->records;
    stack_send(st, peer, b->pkt);
    b->pkt = NULL;
}

#endif
