/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a process says about itself (protocols/post.h), on the board: written by its thread a few
 * times a second, read by whoever looks on, in this OS process or another.
 *
 * The writer never waits: a version that is odd while it writes tells a reader to look again. So a
 * reader sees one moment, and not the suspects of one beside the quorum of another.
 */
#ifndef UPON_BOARD_POST_H
#define UPON_BOARD_POST_H

#include <stdatomic.h>

#include "protocols/post.h"

#define BOARD_POST_WORDS (sizeof(struct co_post) / 8)

struct board_post {
    _Atomic uint64_t version; /* odd: being written */
    _Atomic uint64_t at_ns;   /* environment's time; 0: never written */
    _Atomic uint64_t word[BOARD_POST_WORDS];
};

/* Since when the oldest operation of each layer has been the oldest, as far as was seen. */
struct board_post_memory {
    struct {
        uint64_t oldest;
        uint64_t origin;
        uint64_t since_ns; /* 0: none was open */
    } layer[CO_STACK_MAX];
};

/* Ask the components of a process and write what they say. For its own thread, between events. */
void board_post_write(struct board_post *to, struct board_post_memory *memory,
                      const struct stack *st);

/* Read the words of `n` processes. False: nothing was written yet, or it is being written all the
 * time; then `p` is untouched. */
bool board_post_read(const struct board_post *from, uint16_t n, struct co_post *p, uint64_t *at_ns);

#endif
