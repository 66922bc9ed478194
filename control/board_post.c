/* SPDX-License-Identifier: BSD-3-Clause */
#include "board_post.h"

#define READS_MAX 64 /* a writer takes a microsecond, ten times a second */

static size_t words(uint16_t n)
{
    return (offsetof(struct co_post, link) + n * sizeof(struct post_link)) / 8;
}

/* An operation that was the oldest when its layer was asked last has been so since then. */
static void remember(struct board_post_memory *memory, struct co_post *p, const struct stack *st)
{
    uint32_t waiting = 0;
    for (uint64_t i = 0; i < p->waits; i++) {
        struct post_wait *w = &p->wait[i];
        typeof(memory->layer[0]) *was = &memory->layer[w->layer];
        /* A layer's second wait is for something else: it is as old as it is seen. */
        if (waiting >> w->layer & 1) {
            w->since_ns = st->now;
            continue;
        }
        waiting |= 1u << w->layer;
        if (was->since_ns == 0 || was->oldest != w->oldest || was->origin != w->origin) {
            was->oldest = w->oldest;
            was->origin = w->origin;
            was->since_ns = st->now;
        }
        w->since_ns = was->since_ns;
    }
    for (uint32_t i = 0; i < CO_STACK_MAX; i++)
        if (!(waiting >> i & 1))
            memory->layer[i].since_ns = 0;
}

void board_post_write(struct board_post *to, struct board_post_memory *memory,
                      const struct stack *st)
{
    struct co_post p;
    stack_post(st, &p);
    remember(memory, &p, st);
    const uint64_t *from = (const uint64_t *)&p;
    uint64_t version = atomic_load_explicit(&to->version, memory_order_relaxed);
    atomic_store_explicit(&to->version, version + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < words(st->n); i++)
        atomic_store_explicit(&to->word[i], from[i], memory_order_relaxed);
    atomic_store_explicit(&to->at_ns, st->now, memory_order_relaxed);
    atomic_store_explicit(&to->version, version + 2, memory_order_release);
}

bool board_post_read(const struct board_post *from, uint16_t n, struct co_post *p, uint64_t *at_ns)
{
    struct co_post copy;
    uint64_t *to = (uint64_t *)&copy;
    for (uint32_t i = 0; i < READS_MAX; i++) {
        uint64_t version = atomic_load_explicit(&from->version, memory_order_acquire);
        if (version == 0)
            return false;
        if (version & 1)
            continue;
        for (size_t k = 0; k < words(n); k++)
            to[k] = atomic_load_explicit(&from->word[k], memory_order_relaxed);
        uint64_t at = atomic_load_explicit(&from->at_ns, memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&from->version, memory_order_relaxed) != version)
            continue;
        memcpy(p, &copy, words(n) * 8);
        *at_ns = at;
        return true;
    }
    return false;
}
