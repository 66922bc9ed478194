/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Since when a peer has taken nothing, as both perfect links judge it, and what they tell of a link.
 *
 * Silence is measured from a stamp that is made when the frames of a breath have left, by settle():
 * where the clock is dear, a breath with frames begins with the time of an earlier one, and after a
 * pause of ours that is old by all of the pause. A peer that has just answered, or that has just
 * been sent something, must not look silent for so long.
 */
#ifndef UPON_SILENCE_H
#define UPON_SILENCE_H

#include "procs.h"
#include "protocols/co.h"
#include "protocols/post.h"

/* Peer q took something, or is sent something after it owed nothing: its silence begins anew with
 * this breath, and settle() shall stamp it. */
static inline void silence_broken(struct co *self, struct procs *broken, uint16_t q)
{
    procs_add(broken, q);
    self->st->late |= self->bit;
}

/* Tell an observer of the link to q; `incarnation` of the peer, 0: it has not been heard of. */
static inline void link_post(const struct co *self, struct co_post *post, uint16_t q, bool lost,
                             uint32_t incarnation, struct post_link link)
{
    post->have |= POST_LINKS;
    if (q == self->st->self)
        return;
    link.state = lost ? POST_LINK_LOST : incarnation == 0 ? POST_LINK_UNHEARD : POST_LINK_UP;
    post->link[q] = link;
}

#endif
