/* SPDX-License-Identifier: BSD-3-Clause */
/* The frame header: encode, decode, refuse. */
#include "frame.h"

#include "counters.h"

int frame_decode(const uint8_t *data, uint32_t len, uint32_t bytes, const struct frame_self *me,
                 struct frame *f)
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
                 (f->records == 0 && f->bytes != FRAME_BYTES) || le32_get(w->reserved) != 0))
        return COUNT_drop_length;
    f->incarnation = le32_get(w->incarnation);
    if (unlikely(f->incarnation == 0))
        return COUNT_drop_incarnation;
    f->to_incarn = le32_get(w->to_incarn);
    f->seq = le64_get(w->seq);
    f->ack = le64_get(w->ack);
    f->sack = le64_get(w->sack);
    f->credit = le32_get(w->credit);
    return -1;
}

void frame_encode(uint8_t *data, const struct frame *f)
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
