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
    uint32_t records;
    uint32_t shared; /* bytes of a shared body, which ends its frame; 0: none */
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
    b->records = 0;
    b->shared = 0;
    return true;
}

/* Of the frame so far, header and shared body included. */
static inline uint32_t frame_bytes(const struct frame_builder *b)
{
    return (uint32_t)(b->at - pkt_data(b->pkt)) + b->shared;
}

/* Reference a body from the frame instead of copying it: the frame's last segment. */
static inline bool frame_share(struct frame_builder *b, struct msg m)
{
    struct rte_mbuf *body = pkt_alloc(b->st->env->pool);
    if (unlikely(body == NULL)) {
        env_starved(b->st->env);
        return false;
    }
    pkt_refer(body, m);
    b->pkt->next = body;
    b->pkt->nb_segs = 2;
    b->shared = m.len;
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
    if (b->shared != 0 || b->records == b->st->conf.frame_records || need > b->end - b->at ||
        (share && frame_bytes(b) + RECORD_BYTES + m.len > b->st->env->frame_bytes_max))
        return false;
    uint8_t *p = b->at;
    if (share && unlikely(!frame_share(b, m)))
        return false;
    le32_put(p, m.len | (uint32_t)user << 16); /* struct record_wire */
    if (!share)
        pkt_copy(p + RECORD_BYTES, msg_data(m), m.len);
    b->at += need;
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
    f.bytes = frame_bytes(b);
    f.records = (uint16_t)b->records;
    frame_encode(start, &f);
    b->pkt->data_len = (uint16_t)(b->at - start);
    b->pkt->pkt_len = f.bytes;
    st->counters[COUNT_tx_records] += b->records;
    stack_send(st, peer, b->pkt);
    b->pkt = NULL;
}

#endif
